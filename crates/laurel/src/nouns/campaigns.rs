//! `laurel campaigns`.

use clap::Subcommand;
use prost_types::FieldMask;
use proto::attribution::{
    CreateCampaignRequest, GetCampaignRequest, ListCampaignsRequest, UpdateCampaignRequest,
};
use rpc::fields::wire_time;
use types::{Currency, Timestamp};

use super::{Limit, Session, call};
use crate::arguments::{currency, moment};

pub(super) const COLUMNS: &[&str] =
    &["campaign_id", "name", "currency=currency_code", "segments=segment_ids", "starts_at", "ends_at"];

/// What to do with campaigns.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Create a campaign
    Create {
        /// Your id: lower-case letters, digits and inner hyphens
        campaign_id: String,
        /// For people [default: the id]
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// What its rewards are planned in, such as EUR; for good
        #[arg(long = "currency", value_name = "CURRENCY", value_parser = currency)]
        currency_code: Currency,
        /// A segment whose enrolled members are the advocates; may be repeated
        #[arg(long = "segment", value_name = "SEGMENT", required = true)]
        segment_ids: Vec<String>,
        /// Active from here on: 2026-03-09T12:00:00Z, or 2026-03-09 for its beginning in UTC [default: now]
        #[arg(long, value_name = "TIME", value_parser = moment)]
        starts_at: Option<Timestamp>,
        /// Active until, but not including [default: without end]
        #[arg(long, value_name = "TIME", value_parser = moment)]
        ends_at: Option<Timestamp>,
    },
    /// Show a campaign
    Get {
        /// Its id
        campaign_id: String,
    },
    /// List campaigns by id
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Replace name, segments and dates: those that are given
    Update {
        /// Its id
        campaign_id: String,
        /// For people
        #[arg(long)]
        name: Option<String>,
        /// A segment whose enrolled members are the advocates; may be repeated, and replaces all
        #[arg(long = "segment", value_name = "SEGMENT")]
        segment_ids: Vec<String>,
        /// Active from here on
        #[arg(long, value_name = "TIME", value_parser = moment)]
        starts_at: Option<Timestamp>,
        /// Active until, but not including
        #[arg(long, value_name = "TIME", value_parser = moment)]
        ends_at: Option<Timestamp>,
        /// Take the end away
        #[arg(long, conflicts_with = "ends_at")]
        no_end: bool,
    },
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Create { campaign_id, name, currency_code, segment_ids, starts_at, ends_at } => {
            let request = CreateCampaignRequest {
                campaign_id,
                name,
                currency_code: currency_code.code().to_owned(),
                segment_ids,
                starts_at: starts_at.map(wire_time),
                ends_at: ends_at.map(wire_time),
            };
            session.answer(&call!(session.campaigns.create_campaign(request)))
        }
        Command::Get { campaign_id } => {
            session.answer(&call!(session.campaigns.get_campaign(GetCampaignRequest { campaign_id })))
        }
        Command::List { limit } => list(session, &limit).await,
        Command::Update { campaign_id, name, segment_ids, starts_at, ends_at, no_end } => {
            let given = [
                ("name", name.is_some()),
                ("segment_ids", !segment_ids.is_empty()),
                ("starts_at", starts_at.is_some()),
                ("ends_at", ends_at.is_some() || no_end),
            ];
            let paths = given.into_iter().filter(|(_, given)| *given).map(|(path, _)| path.to_owned());
            let request = UpdateCampaignRequest {
                campaign_id,
                name: name.unwrap_or_default(),
                segment_ids,
                starts_at: starts_at.map(wire_time),
                ends_at: ends_at.map(wire_time),
                update_mask: Some(FieldMask { paths: paths.collect() }),
            };
            session.answer(&call!(session.campaigns.update_campaign(request)))
        }
    }
}

async fn list(session: &Session, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let page = call!(session.campaigns.list_campaigns(ListCampaignsRequest { page_size, page_token }));
        anyhow::Ok((page.campaigns, page.next_page_token))
    };
    session.list(limit, COLUMNS, page).await
}
