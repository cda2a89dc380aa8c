//! `laurel orders`.

mod download;
mod properties;
mod record;
mod update;
mod upload;

use clap::{Args, Subcommand};
use proto::common::ContactRef;
use proto::orders::{
    CancelOrderRequest, GetImportRequest, GetOrderHistoryRequest, GetOrderRequest, ListOrdersRequest,
    RefundOrderRequest,
};
use types::Currency;

use super::properties::Command as PropertyCommand;
use super::{Filter, Limit, RequestId, Session, call};
use crate::arguments::{When, currency, money, who};

pub(super) const COLUMNS: &[&str] = &[
    "order_id",
    "source",
    "contact_id",
    "campaign_id",
    "revenue",
    "refunded",
    "outcome",
    "reason=inactive_reason|unresolved_reason",
    "advocate_id",
    "external_status",
    "occurred_at",
    "cancelled_at",
];
pub(super) const HISTORY: &[&str] = &[
    "recorded_at",
    "kind",
    "principal",
    "refund_id",
    "amount",
    "changed=fields.field",
    "reason",
    "occurred_at",
];

/// What to do with orders.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Record an order: contact, attribution and order in one call
    Record(Box<record::Record>),
    /// Show an order
    Get(Which),
    /// List orders, newest recorded first
    List(List),
    /// Say what happened to an order, oldest first
    History {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        limit: Limit,
    },
    /// Change revenue, states, lines and properties of an order: those that are given
    Update(Box<update::Update>),
    /// Link an order that was recorded without attribution to an advocate, once
    Link(Box<update::Link>),
    /// Give back part or all of an order's revenue
    Refund(RefundArguments),
    /// Cancel an order, for good
    Cancel(Cancel),
    /// Custom properties of orders: what is defined beside the fields that every order has
    #[command(subcommand)]
    Properties(PropertyCommand),
    /// Say how far an import is that has an id
    ImportStatus {
        /// Its id
        import_id: String,
    },
    /// Import orders from a CSV file; rejected rows go to standard error, by line and column
    Import(upload::ImportArguments),
    /// Write the rows that an import rejected as CSV: mended, it is imported as it is, with another id
    ImportReport(download::Report),
    /// Export orders as CSV, which `laurel orders import` takes as it is
    Export(download::Export),
}

/// An order by its id.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Your id of the order
    order_id: String,
    /// Its source; only needed for a tenant that scopes order ids by source
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
}

/// Which orders, in which order; lists and exports take the same.
#[derive(Debug, Clone, Args)]
pub(super) struct Selection {
    /// Only those of this campaign
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    campaign_id: String,
    /// Only those of this customer: an e-mail address, `uid:` and your own id, or a contact id
    #[arg(long = "contact", value_name = "CONTACT", value_parser = who)]
    contact_id: Option<ContactRef>,
    #[command(flatten)]
    filter: Filter,
    /// `recorded_at desc`, which is the default, or `recorded_at`
    #[arg(long, default_value = "", hide_default_value = true)]
    order_by: String,
}

/// Arguments of `laurel orders list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    limit: Limit,
}

/// Arguments of `laurel orders refund`.
#[derive(Debug, Clone, Args)]
pub struct RefundArguments {
    #[command(flatten)]
    which: Which,
    /// Your id of the refund, unique for the order
    #[arg(long)]
    refund_id: String,
    /// How much, such as 12.50 [default: all that is left]
    #[arg(long, allow_negative_numbers = true, requires = "currency")]
    amount: Option<String>,
    /// The order's currency, such as EUR
    #[arg(long, requires = "amount", value_parser = currency)]
    currency: Option<Currency>,
    /// Why; for people
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    request: RequestId,
}

/// Arguments of `laurel orders cancel`.
#[derive(Debug, Clone, Args)]
pub struct Cancel {
    #[command(flatten)]
    which: Which,
    /// Why; for people
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    request: RequestId,
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Record(record) => {
            let request = record.wire(session).await?;
            session.answer(&call!(session.orders.record_order(request)))
        }
        Command::Get(Which { order_id, source }) => {
            session.answer(&call!(session.orders.get_order(GetOrderRequest { order_id, source })))
        }
        Command::List(arguments) => list(session, arguments).await,
        Command::History { which, limit } => history(session, &which, &limit).await,
        Command::Update(update) => {
            let request = update.wire(session).await?;
            session.answer(&call!(session.orders.update_order(request)))
        }
        Command::Link(link) => {
            let request = link.wire()?;
            session.answer(&call!(session.orders.update_order(request)))
        }
        Command::Refund(refund) => {
            let amount = refund.amount.zip(refund.currency);
            let amount = amount.map(|(amount, currency)| money("amount", &amount, currency)).transpose()?;
            let request = RefundOrderRequest {
                order_id: refund.which.order_id,
                source: refund.which.source,
                refund_id: refund.refund_id,
                amount,
                reason: refund.reason,
                occurred_at: refund.when.wire(),
                request_id: refund.request.request_id,
            };
            session.answer(&call!(session.orders.refund_order(request)))
        }
        Command::Cancel(cancel) => {
            let request = CancelOrderRequest {
                order_id: cancel.which.order_id,
                source: cancel.which.source,
                reason: cancel.reason,
                occurred_at: cancel.when.wire(),
                request_id: cancel.request.request_id,
            };
            session.answer(&call!(session.orders.cancel_order(request)))
        }
        Command::Properties(command) => properties::run(command, session).await,
        Command::ImportStatus { import_id } => {
            session.answer(&call!(session.orders.get_import(GetImportRequest { import_id })))
        }
        Command::Import(import) => upload::import_file(session, &import).await,
        Command::ImportReport(report) => download::import_report(session, report).await,
        Command::Export(export) => download::export(session, export).await,
    }
}

async fn list(session: &Session, arguments: List) -> anyhow::Result<()> {
    let Selection { campaign_id, contact_id, filter, order_by } = arguments.selection;
    let contact_id = session.contact_id(contact_id.as_ref()).await?;
    let filter = filter.filter;
    let selected = ListOrdersRequest { campaign_id, contact_id, filter, order_by, ..Default::default() };
    let page = async |page_size, page_token| {
        let request = ListOrdersRequest { page_size, page_token, ..selected.clone() };
        let page = call!(session.orders.list_orders(request));
        anyhow::Ok((page.orders, page.next_page_token))
    };
    session.list(&arguments.limit, COLUMNS, page).await
}

async fn history(session: &Session, which: &Which, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let Which { order_id, source } = which.clone();
        let request = GetOrderHistoryRequest { order_id, source, page_size, page_token };
        let page = call!(session.orders.get_order_history(request));
        anyhow::Ok((page.changes, page.next_page_token))
    };
    session.list(limit, HISTORY, page).await
}
