//! `laurel campaigns`.

use clap::{Args, Subcommand};
use prost_types::FieldMask;
use proto::attribution::{
    CreateCampaignRequest, GetCampaignRequest, ListCampaignsRequest, UpdateCampaignRequest,
};
use rpc::fields::wire_time;
use types::{Currency, Timestamp};

use super::{Limit, Session, call};
use crate::arguments::{currency, moment, one_of};

pub(super) const COLUMNS: &[&str] = &[
    "campaign_id",
    "name",
    "currency=currency_code",
    "segments=segment_ids",
    "starts_at",
    "ends_at",
    "paused",
];

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
        #[command(flatten)]
        policies: Policies,
        /// Take no attributions yet
        #[arg(long)]
        paused: bool,
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
    /// Replace name, segments, dates and policies: those that are given
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
        #[command(flatten)]
        policies: Policies,
        /// Take no attributions (`true`), or take them again (`false`)
        #[arg(long, value_name = "BOOL")]
        paused: Option<bool>,
    },
}

/// Who may refer whom, and on what.
#[derive(Debug, Clone, Args)]
pub struct Policies {
    /// What becomes of an advocate who refers themself [default: block]
    #[arg(long, value_name = "POLICY", value_parser = one_of("laurel.attribution.v1.SelfReferralPolicy"))]
    self_referral: Option<i32>,
    /// Who may be referred [default: any-contact]
    #[arg(long, value_name = "POLICY", value_parser = one_of("laurel.attribution.v1.EligibilityPolicy"))]
    eligibility: Option<i32>,
    /// For so many days a visit counts as evidence, 1 to 365 [default: 90]
    #[arg(long = "window", value_name = "DAYS")]
    attribution_window_days: Option<i32>,
}

pub(super) async fn run(command: &Command, session: &Session) -> anyhow::Result<()> {
    match command.clone() {
        Command::Create {
            campaign_id,
            name,
            currency_code,
            segment_ids,
            starts_at,
            ends_at,
            policies,
            paused,
        } => {
            let request = CreateCampaignRequest {
                campaign_id,
                name,
                currency_code: currency_code.code().to_owned(),
                segment_ids,
                starts_at: starts_at.map(wire_time),
                ends_at: ends_at.map(wire_time),
                self_referral: policies.self_referral.unwrap_or_default(),
                eligibility: policies.eligibility.unwrap_or_default(),
                attribution_window_days: policies.attribution_window_days.unwrap_or_default(),
                paused,
            };
            session.answer(&call!(session.campaigns.create_campaign(request)))
        }
        Command::Get { campaign_id } => {
            session.answer(&call!(session.campaigns.get_campaign(GetCampaignRequest { campaign_id })))
        }
        Command::List { limit } => list(session, &limit).await,
        Command::Update { campaign_id, name, segment_ids, starts_at, ends_at, no_end, policies, paused } => {
            let given = [
                ("name", name.is_some()),
                ("segment_ids", !segment_ids.is_empty()),
                ("starts_at", starts_at.is_some()),
                ("ends_at", ends_at.is_some() || no_end),
                ("self_referral", policies.self_referral.is_some()),
                ("eligibility", policies.eligibility.is_some()),
                ("attribution_window_days", policies.attribution_window_days.is_some()),
                ("paused", paused.is_some()),
            ];
            let paths = given.into_iter().filter(|(_, given)| *given).map(|(path, _)| path.to_owned());
            let request = UpdateCampaignRequest {
                campaign_id,
                name: name.unwrap_or_default(),
                segment_ids,
                starts_at: starts_at.map(wire_time),
                ends_at: ends_at.map(wire_time),
                self_referral: policies.self_referral.unwrap_or_default(),
                eligibility: policies.eligibility.unwrap_or_default(),
                attribution_window_days: policies.attribution_window_days.unwrap_or_default(),
                paused: paused.unwrap_or_default(),
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
