//! All SQL of this service.
//!
//! Look-ups of many keys are written `unnest(…) CROSS JOIN LATERAL (… OFFSET 0)`: the keys lead, and each is one probe of
//! an index, whatever Postgres believes of the table. A plain join, planned and kept while the table was small, goes
//! through the whole table for every slice once it is large.
//!
//! | module | what |
//! |---|---|
//! | [`definitions`] | journeys and their versions; parsed ones are kept |
//! | [`load`] | what a slice of events or calls starts from |
//! | [`save`] | what comes of it |
//! | [`pending`] | entries that wait, and entries that were refused |
//! | [`funnel`] | counters: moved, counted anew, read |
//! | [`timers`] | timers that are set: due, of a run, moot |
//! | [`times`] | times in stages: added, read |
//! | [`stuck`] | who has stood in a stage for long |
//! | [`projections`] | contacts, attributions and clocks, as upstream tells of them |
//! | [`read`] | lists and single resources |
//! | [`versions`] | published versions |
//! | [`order`] | columns of an order, shared by two tables |

pub(crate) mod definitions;
pub(crate) mod funnel;
pub(crate) mod load;
pub(crate) mod order;
pub(crate) mod pending;
pub(crate) mod projections;
pub(crate) mod read;
pub(crate) mod save;
pub(crate) mod stuck;
pub(crate) mod timers;
pub(crate) mod times;
pub(crate) mod versions;

use types::CampaignId;

/// No campaign is stored as the empty text, so that keys hold it.
pub(crate) fn campaign_text(campaign: Option<&CampaignId>) -> &str {
    campaign.map_or("", CampaignId::as_str)
}

/// A statement that was to change `expected` rows and did not: a bug, since the sequencer lock is held.
pub(crate) fn exactly(
    expected: usize,
    done: &sqlx::postgres::PgQueryResult,
    place: &str,
) -> Result<(), pg::Error> {
    if u64::try_from(expected).ok() == Some(done.rows_affected()) {
        return Ok(());
    }
    Err(pg::Error::unreadable(place, format!("{} rows instead of {expected}", done.rows_affected())))
}
