//! `laurel visits`.

use clap::{Args, Subcommand};
use proto::attribution::{ListVisitsRequest, RecordVisitRequest};
use proto::common::ContactRef;

use super::{Limit, Session, call};
use crate::arguments::{When, who};

pub(super) const COLUMNS: &[&str] = &[
    "occurred_at",
    "visitor_id",
    "shortcode",
    "campaign_id",
    "advocate_id",
    "channel",
    "source",
    "landing_path",
    "network",
    "bot",
];

/// What to do with visits.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Log that somebody came through a shortcode
    Record(Record),
    /// List visits, newest first
    List(List),
}

/// A visit.
#[derive(Debug, Clone, Args)]
pub struct Record {
    /// The shortcode, in any case
    #[arg(long = "code", value_name = "CODE")]
    shortcode: String,
    /// Your id of the browser
    #[arg(long = "visitor", value_name = "ID")]
    visitor_id: String,
    /// How the link travelled, such as `e-mail`
    #[arg(long, default_value = "", hide_default_value = true)]
    channel: String,
    /// Where it stood, such as `newsletter-7`
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    /// Path of the page; what comes after a `?` or `#` is not kept
    #[arg(long, default_value = "", hide_default_value = true)]
    landing_path: String,
    /// As the browser says it
    #[arg(long, default_value = "", hide_default_value = true)]
    user_agent: String,
    /// The browser's address, of which only the network is kept
    #[arg(long, default_value = "", hide_default_value = true)]
    ip: String,
    /// Whether it is a machine [default: what the user agent looks like]
    #[arg(long, value_name = "BOOL")]
    bot: Option<bool>,
    #[command(flatten)]
    when: When,
}

/// Arguments of `laurel visits list`.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Only those in this campaign
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    campaign_id: String,
    #[arg(long, value_name = "CONTACT", value_parser = who, help = "Only those through codes of this advocate, named like a contact")]
    advocate: Option<ContactRef>,
    /// Only those of this browser
    #[arg(long = "visitor", value_name = "ID", default_value = "", hide_default_value = true)]
    visitor_id: String,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Record(visit) => {
            let request = RecordVisitRequest {
                shortcode: visit.shortcode,
                visitor_id: visit.visitor_id,
                channel: visit.channel,
                source: visit.source,
                landing_path: visit.landing_path,
                user_agent: visit.user_agent,
                ip: visit.ip,
                bot: visit.bot,
                occurred_at: visit.when.wire(),
            };
            session.answer(&call!(session.visits.record_visit(request)))
        }
        Command::List(which) => list(session, which).await,
    }
}

async fn list(session: &Session, which: List) -> anyhow::Result<()> {
    let List { campaign_id, advocate, visitor_id, limit } = which;
    let selected = ListVisitsRequest { campaign_id, advocate, visitor_id, ..Default::default() };
    let page = async |page_size, page_token| {
        let request = ListVisitsRequest { page_size, page_token, ..selected.clone() };
        let page = call!(session.visits.list_visits(request));
        anyhow::Ok((page.visits, page.next_page_token))
    };
    session.list(&limit, COLUMNS, page).await
}
