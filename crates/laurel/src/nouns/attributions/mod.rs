//! `laurel attributions`.

mod files;

use clap::{Args, Subcommand};
use proto::attribution::{
    ActivateAttributionRequest, Attempt, DeactivateAttributionRequest, Evidence,
    GetAttributionHistoryRequest, GetAttributionRequest, ListAttemptsRequest, ListAttributionsRequest,
    LookupAttributionRequest, ReassignAttributionRequest, RecordAttributionRequest,
};
use proto::common::ContactRef;
use rpc::fields::wire_time;
use types::Timestamp;

use super::{Filter, Limit, RequestId, Session, call};
use crate::arguments::{WHO, When, moment, one_of, who};

pub(super) const COLUMNS: &[&str] = &[
    "attribution_id",
    "campaign_id",
    "advocate_id",
    "contact_id",
    "state",
    "inactive_reason",
    "evidence",
    "effective_from",
    "deactivated_at",
    "attempts",
];
pub(super) const ATTEMPTS: &[&str] = &[
    "occurred_at",
    "outcome",
    "reason=inactive_reason|unresolved_reason",
    "campaign_id",
    "contact_id",
    "shortcode",
    "coupon_code",
    "advocate_id",
    "source",
    "passed_over",
];

pub(super) const HISTORY: &[&str] = &[
    "recorded_at",
    "advocate_id",
    "from_state",
    "to_state",
    "to_reason",
    "principal",
    "method",
    "reason",
    "occurred_at",
    "attribution_id",
];

/// What to do with attributions.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Record an attempt to attribute a contact to an advocate, and say how it ended
    Record(Record),
    /// Say who referred a contact in a campaign, now or at a time
    Lookup {
        /// The campaign's id
        #[arg(long = "campaign", value_name = "CAMPAIGN")]
        campaign_id: String,
        #[arg(long, value_parser = who, help = WHO)]
        contact: ContactRef,
        /// In force at this time: 2026-03-09T12:00:00Z, or 2026-03-09 for its beginning in UTC [default: now]
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Timestamp>,
    },
    /// Show an attribution
    Get {
        /// Its id
        attribution_id: String,
    },
    /// List attributions, newest first
    List {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        limit: Limit,
    },
    /// Write all that a list shows to a CSV file, which can be changed and imported
    Export(files::Export),
    /// Record, activate, deactivate and reassign by the rows of a CSV file; rejected rows go to standard error
    Import(files::Upload),
    /// List attempts with what was sent and how they ended, newest first
    Attempts(Attempts),
    /// Make an inactive attribution the active one
    Activate(By),
    /// End an attribution, until it is activated again
    Deactivate(By),
    /// Move a referred contact to another advocate, at once: later orders follow, earlier ones never move
    Reassign(Reassign),
    /// Say what became of the attributions of one campaign and referred contact, oldest first
    History {
        /// The id of any of them
        attribution_id: String,
        #[command(flatten)]
        limit: Limit,
    },
}

/// Which attributions; lists and exports take the same.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// Only those of this campaign
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    campaign_id: String,
    /// Only those in this state
    #[arg(long, value_parser = one_of("laurel.attribution.v1.AttributionState"))]
    state: Option<i32>,
    #[arg(long, value_parser = who, help = "Only those of this referred contact: an e-mail address, `uid:` and your own id, or a contact id")]
    contact: Option<ContactRef>,
    #[arg(long, value_name = "CONTACT", value_parser = who, help = "Only those of this advocate, named like a contact")]
    advocate: Option<ContactRef>,
    #[command(flatten)]
    filter: Filter,
}

/// An attribution, and why.
#[derive(Debug, Clone, Args)]
pub struct By {
    /// Its id
    attribution_id: String,
    #[command(flatten)]
    why: Why,
}

/// Arguments of `laurel attributions reassign`.
#[derive(Debug, Clone, Args)]
pub struct Reassign {
    /// The campaign's id
    #[arg(long = "campaign", value_name = "CAMPAIGN")]
    campaign_id: String,
    #[arg(long, value_parser = who, help = WHO)]
    contact: ContactRef,
    #[arg(long, value_name = "CONTACT", value_parser = who, help = "The advocate it is to belong to, named like a contact")]
    advocate: ContactRef,
    #[command(flatten)]
    why: Why,
}

/// When and why.
#[derive(Debug, Clone, Args)]
pub(super) struct Why {
    /// Why; for people
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    request: RequestId,
}

/// An attempt.
#[derive(Debug, Clone, Args)]
pub struct Record {
    #[arg(long, value_parser = who, help = "Who was referred: an e-mail address, `uid:` and your own id, or a contact id")]
    contact: ContactRef,
    /// The campaign's id [default: the code's]
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    campaign_id: String,
    #[command(flatten)]
    evidence: EvidenceArguments,
    /// Where it came from
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    request: RequestId,
}

/// Whose referral it is.
#[derive(Debug, Clone, Args)]
pub(super) struct EvidenceArguments {
    /// The advocate's shortcode
    #[arg(long = "code", value_name = "CODE", default_value = "", hide_default_value = true)]
    shortcode: String,
    #[arg(long, value_name = "CONTACT", value_parser = who, help = "The advocate, named like a contact")]
    advocate: Option<ContactRef>,
    /// A coupon code of the advocate
    #[arg(long = "coupon", value_name = "CODE", default_value = "", hide_default_value = true)]
    coupon_code: String,
    /// Your id of the browser, as it was told when it visited
    #[arg(long = "visitor", value_name = "ID", default_value = "", hide_default_value = true)]
    visitor_id: String,
}

impl EvidenceArguments {
    /// For the wire.
    pub(super) fn wire(self) -> Option<Evidence> {
        let Self { shortcode, advocate, coupon_code, visitor_id } = self;
        let evidence = Evidence { shortcode, advocate, coupon_code, visitor_id };
        (evidence != Evidence::default()).then_some(evidence)
    }
}

/// Which attempts.
#[derive(Debug, Clone, Args)]
pub struct Attempts {
    /// Only those that ended like this
    #[arg(long, value_parser = one_of("laurel.attribution.v1.Outcome"))]
    outcome: Option<i32>,
    /// Only those stored inactive for this reason
    #[arg(long, value_name = "REASON", value_parser = one_of("laurel.attribution.v1.InactiveReason"))]
    inactive_reason: Option<i32>,
    /// Only those that came to nobody for this reason
    #[arg(long, value_name = "REASON", value_parser = one_of("laurel.attribution.v1.UnresolvedReason"))]
    unresolved_reason: Option<i32>,
    /// Only those that were sent with this code
    #[arg(long = "code", value_name = "CODE", default_value = "", hide_default_value = true)]
    shortcode: String,
    /// Only those that were sent with this coupon code
    #[arg(long = "coupon", value_name = "CODE", default_value = "", hide_default_value = true)]
    coupon_code: String,
    /// Only those from this source
    #[arg(long, default_value = "", hide_default_value = true)]
    source: String,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Record(record) => {
            let attempt = Attempt {
                contact: Some(record.contact),
                campaign_id: record.campaign_id,
                evidence: record.evidence.wire(),
                occurred_at: record.when.wire(),
                source: record.source,
                ..Default::default()
            };
            let (attempt, request_id) = (Some(attempt), record.request.request_id);
            let request = RecordAttributionRequest { attempt, request_id };
            session.answer(&call!(session.attributions.record_attribution(request)))
        }
        Command::Lookup { campaign_id, contact, at } => {
            let (contact, at) = (Some(contact), at.map(wire_time));
            let request = LookupAttributionRequest { campaign_id, contact, at };
            session.answer(&call!(session.attributions.lookup_attribution(request)))
        }
        Command::Get { attribution_id } => {
            let request = GetAttributionRequest { attribution_id };
            session.answer(&call!(session.attributions.get_attribution(request)))
        }
        Command::List { selection, limit } => list(session, selection, &limit).await,
        Command::Export(export) => files::export(session, export).await,
        Command::Import(import) => files::import(session, &import).await,
        Command::Attempts(which) => attempts(session, which).await,
        Command::Activate(By { attribution_id, why }) => {
            let Why { reason, when, request: RequestId { request_id } } = why;
            let occurred_at = when.wire();
            let request = ActivateAttributionRequest { attribution_id, reason, occurred_at, request_id };
            session.answer(&call!(session.attributions.activate_attribution(request)))
        }
        Command::Deactivate(By { attribution_id, why }) => {
            let Why { reason, when, request: RequestId { request_id } } = why;
            let occurred_at = when.wire();
            let request = DeactivateAttributionRequest { attribution_id, reason, occurred_at, request_id };
            session.answer(&call!(session.attributions.deactivate_attribution(request)))
        }
        Command::Reassign(Reassign { campaign_id, contact, advocate, why }) => {
            let request = ReassignAttributionRequest {
                campaign_id,
                contact: Some(contact),
                advocate: Some(advocate),
                reason: why.reason,
                occurred_at: why.when.wire(),
                request_id: why.request.request_id,
            };
            session.answer(&call!(session.attributions.reassign_attribution(request)))
        }
        Command::History { attribution_id, limit } => history(session, &attribution_id, &limit).await,
    }
}

async fn history(session: &Session, attribution_id: &str, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let attribution_id = attribution_id.to_owned();
        let request = GetAttributionHistoryRequest { attribution_id, page_size, page_token };
        let page = call!(session.attributions.get_attribution_history(request));
        anyhow::Ok((page.changes, page.next_page_token))
    };
    session.list(limit, HISTORY, page).await
}

async fn list(session: &Session, selection: Selection, limit: &Limit) -> anyhow::Result<()> {
    let Selection { campaign_id, state, contact, advocate, filter } = selection;
    let (state, filter) = (state.unwrap_or_default(), filter.filter);
    let selected =
        ListAttributionsRequest { campaign_id, state, filter, contact, advocate, ..Default::default() };
    let page = async |page_size, page_token| {
        let request = ListAttributionsRequest { page_size, page_token, ..selected.clone() };
        let page = call!(session.attributions.list_attributions(request));
        anyhow::Ok((page.attributions, page.next_page_token))
    };
    session.list(limit, COLUMNS, page).await
}

async fn attempts(session: &Session, which: Attempts) -> anyhow::Result<()> {
    let selected = ListAttemptsRequest {
        outcome: which.outcome.unwrap_or_default(),
        inactive_reason: which.inactive_reason.unwrap_or_default(),
        unresolved_reason: which.unresolved_reason.unwrap_or_default(),
        shortcode: which.shortcode,
        coupon_code: which.coupon_code,
        source: which.source,
        ..Default::default()
    };
    let page = async |page_size, page_token| {
        let request = ListAttemptsRequest { page_size, page_token, ..selected.clone() };
        let page = call!(session.attributions.list_attempts(request));
        anyhow::Ok((page.attempts, page.next_page_token))
    };
    session.list(&which.limit, ATTEMPTS, page).await
}
