//! Which runs are counted together (J11). A run is of the same cohorts for good: all that selects it was settled when it
//! started.

use time::{Date, UtcOffset};
use types::{CampaignId, JourneyKey, SegmentId, TenantId};

use super::event::Place;
use super::run::Run;

/// Runs of a journey that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cohort {
    /// Whose.
    pub tenant: TenantId,
    /// Of which journey.
    pub journey: JourneyKey,
    /// Which of its runs.
    pub runs: Selection,
}

/// Which runs of a journey. The first two are there so that what is asked most costs nothing; the last one, added up, is the
/// answer to everything else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selection {
    /// All.
    All,
    /// Those of a campaign, or of none.
    Campaign(Option<CampaignId>),
    /// Those that started alike.
    Start {
        /// In a campaign, or in none.
        campaign: Option<CampaignId>,
        /// Under a version.
        version: i32,
        /// On a day, by business time in UTC.
        day: Date,
        /// In a segment; `None` for all of them, whatever segments they are in.
        segment: Option<SegmentId>,
    },
}

impl Cohort {
    /// Those that a run is of.
    pub fn of_run(place: &Place, journey: &JourneyKey, run: &Run) -> impl Iterator<Item = Self> {
        let campaign = || place.campaign.clone();
        let day = run.started_at.to_offset(UtcOffset::UTC).date();
        let start =
            move |segment| Selection::Start { campaign: campaign(), version: run.version, day, segment };
        let segments = run.segments.iter().cloned().map(Some);
        [Selection::All, Selection::Campaign(place.campaign.clone())]
            .into_iter()
            .chain([None].into_iter().chain(segments).map(start))
            .map(|runs| Self { tenant: place.tenant.clone(), journey: journey.clone(), runs })
    }
}
