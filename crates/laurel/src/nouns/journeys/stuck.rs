//! `laurel journey stuck`.

use clap::Args;
use proto::journeys::ListStuckRequest;

use crate::nouns::{Limit, Session, call};

pub(in crate::nouns) const COLUMNS: &[&str] =
    &["stage", "since", "days", "contact_id", "campaign_id", "run_id"];

/// Which runs.
#[derive(Debug, Clone, Args)]
pub struct Stuck {
    /// The journey's key
    journey: String,
    /// For so many days at least, by the tenant's clock
    #[arg(long, value_name = "N")]
    days: i32,
    /// Only in this stage [default: all steps that are not terminal]
    #[arg(long, default_value = "", hide_default_value = true)]
    stage: String,
    /// Only runs of this campaign
    #[arg(long = "campaign", value_name = "CAMPAIGN", default_value = "", hide_default_value = true)]
    campaign_id: String,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(session: &Session, which: Stuck) -> anyhow::Result<()> {
    let Stuck { journey, days, stage, campaign_id, limit } = which;
    let selected = ListStuckRequest { journey, days, stage, campaign_id, ..Default::default() };
    let page = async |page_size, page_token| {
        let request = ListStuckRequest { page_size, page_token, ..selected.clone() };
        let page = call!(session.funnels.list_stuck(request));
        anyhow::Ok((page.runs, page.next_page_token))
    };
    session.list(&limit, COLUMNS, page).await
}
