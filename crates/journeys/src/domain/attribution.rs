//! What is known of attributions: which was in force when (A11).

use types::{AttributionId, ContactId, Timestamp};

use super::event::Referral;

/// A time in which an attribution is, or was, in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForce {
    /// The attribution.
    pub attribution: AttributionId,
    /// Its advocate.
    pub advocate: ContactId,
    /// From this moment.
    pub from: Timestamp,
    /// Until, but not including; `None` while active.
    pub until: Option<Timestamp>,
}

/// Who referred the contact at a moment, among all its attributions in a campaign.
pub fn at(times: &[InForce], moment: Timestamp) -> Option<Referral> {
    times
        .iter()
        .filter(|t| t.from <= moment && t.until.is_none_or(|until| moment < until))
        .max_by_key(|t| t.from)
        .map(|t| Referral { attribution: t.attribution, advocate: t.advocate })
}
