//! Attributions: advocate, referred contact and campaign (A1); those of one contact in one campaign (A2).

use std::collections::HashMap;

use types::{AttributionId, CampaignId, ContactId, Timestamp};

use super::Tracked;
use super::numbered::numbered;

numbered!(
    /// What an attribution rests on (A4).
    EvidenceKind {
        /// The advocate's shortcode.
        Shortcode = 1,
        /// The advocate named by e-mail, uid or id.
        Advocate = 2,
        /// A coupon code of the advocate.
        CouponCode = 3,
        /// A visit through a code of the advocate.
        Visitor = 4,
    }
);

numbered!(
    /// Why an attribution is inactive.
    InactiveReason {
        /// Another advocate was first (A2).
        Duplicate = 1,
        /// Advocate and referred contact are the same (A7).
        SelfReferral = 2,
        /// The campaign is for new contacts only (A7).
        NotEligible = 4,
    }
);

/// An advocate, a referred contact and a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribution {
    /// Made by us.
    pub(crate) id: AttributionId,
    /// The campaign.
    pub(crate) campaign: CampaignId,
    /// The advocate.
    pub(crate) advocate: ContactId,
    /// The referred contact.
    pub(crate) contact: ContactId,
    /// Why it does not count; `None` while it is active.
    pub(crate) inactive: Option<InactiveReason>,
    /// What it rests on.
    pub(crate) evidence: EvidenceKind,
    /// In force from here on (A11).
    pub(crate) effective_from: Timestamp,
    /// In force until, but not including; unset while active, and if it never was.
    pub(crate) deactivated_at: Option<Timestamp>,
    /// Attempts counted on it.
    pub(crate) attempts: i32,
}

impl Attribution {
    /// Whether it counts.
    pub(crate) fn is_active(&self) -> bool {
        self.inactive.is_none()
    }

    /// Whether it is, or was, in force at `at` (A11).
    pub(crate) fn is_in_force_at(&self, at: Timestamp) -> bool {
        let ends_later = self.deactivated_at.map_or_else(|| self.is_active(), |end| at < end);
        self.effective_from <= at && ends_later
    }
}

/// The attributions of a slice, by campaign and referred contact.
#[derive(Debug, Default)]
pub(crate) struct Attributions(HashMap<(CampaignId, ContactId), Vec<Tracked<Attribution>>>);

impl Attributions {
    /// Takes in a stored attribution.
    pub(crate) fn add(&mut self, attribution: Attribution) {
        let key = (attribution.campaign.clone(), attribution.contact);
        self.0.entry(key).or_default().push(Tracked::stored(attribution));
    }

    /// All of them, in the order of their ids, which is the order they were created in.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tracked<Attribution>> {
        let mut all: Vec<_> = self.0.values().flatten().collect();
        all.sort_unstable_by_key(|attribution| attribution.get().id);
        all.into_iter()
    }

    /// Those of a contact in a campaign.
    pub(super) fn of(
        &self,
        campaign: &CampaignId,
        contact: ContactId,
    ) -> impl Iterator<Item = &Attribution> + use<'_> {
        self.0.get(&(campaign.clone(), contact)).into_iter().flatten().map(Tracked::get)
    }

    /// Those of a contact in a campaign, to be changed.
    pub(super) fn of_mut(
        &mut self,
        campaign: &CampaignId,
        contact: ContactId,
    ) -> &mut Vec<Tracked<Attribution>> {
        self.0.entry((campaign.clone(), contact)).or_default()
    }

    /// The one in force for a contact in a campaign at `at`. One whose advocate is `named` by the evidence and which is
    /// active is in force also when it is dated later (A11).
    pub(crate) fn in_force(
        &self,
        campaign: &CampaignId,
        contact: ContactId,
        at: Timestamp,
        named: &[ContactId],
    ) -> Option<&Attribution> {
        self.of(campaign, contact)
            .find(|a| a.is_active() && named.contains(&a.advocate))
            .or_else(|| self.of(campaign, contact).find(|a| a.is_in_force_at(at)))
    }
}
