//! Attributions: advocate, referred contact and campaign (A1); those of one contact in one campaign (A2).

use std::collections::HashMap;

use types::{AttributionId, CampaignId, ContactId, Timestamp, new_id};

use super::Tracked;
use super::numbered::numbered;

numbered!(
    /// What an attribution rests on (A4).
    EvidenceKind {
        /// The advocate's shortcode.
        Shortcode = 1,
        /// The advocate named by e-mail, uid or id.
        Advocate = 2,
        /// None: reassigned by hand.
        ByHand = 5,
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
        /// By hand, and so until it is activated by hand (A2, A3).
        Deactivated = 3,
        /// The campaign is for new contacts only (A7).
        NotEligible = 4,
    }
);

/// Whether an attribution counts, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It counts.
    Active,
    /// It does not.
    Inactive(InactiveReason),
}

impl Standing {
    /// Its number in the database.
    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::Active => 0,
            Self::Inactive(reason) => reason.number(),
        }
    }

    /// The standing with this number.
    pub(crate) fn from_number(number: i16) -> Option<Self> {
        match number {
            0 => Some(Self::Active),
            n => InactiveReason::from_number(n).map(Self::Inactive),
        }
    }
}

/// A time in which an attribution was in force, before it was activated again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// From here on.
    pub(crate) from: Timestamp,
    /// Until, but not including.
    pub(crate) until: Timestamp,
}

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
    /// Where the attempt came from that it rests on, as the caller named it; empty by hand.
    pub(crate) source: String,
    /// In force from here on (A11).
    pub(crate) effective_from: Timestamp,
    /// In force until, but not including; unset while active, and if it never was.
    pub(crate) deactivated_at: Option<Timestamp>,
    /// Attempts counted on it.
    pub(crate) attempts: i32,
    /// When it was in force before it was activated again, oldest first.
    pub(crate) past: Vec<Period>,
}

impl Attribution {
    /// An active one that rests on nothing yet, in force `from` then on.
    pub(super) fn new(
        now: Timestamp,
        campaign: &CampaignId,
        advocate: ContactId,
        contact: ContactId,
        from: Timestamp,
    ) -> Self {
        Self {
            id: new_id(now),
            campaign: campaign.clone(),
            advocate,
            contact,
            inactive: None,
            evidence: EvidenceKind::ByHand,
            source: String::new(),
            effective_from: from,
            deactivated_at: None,
            attempts: 0,
            past: Vec::new(),
        }
    }

    /// Whether it counts.
    pub(crate) fn is_active(&self) -> bool {
        self.inactive.is_none()
    }

    /// Whether it counts, and why not.
    pub(crate) fn standing(&self) -> Standing {
        self.inactive.map_or(Standing::Active, Standing::Inactive)
    }

    /// Whether it is, or was, in force at `at` (A11).
    pub(crate) fn is_in_force_at(&self, at: Timestamp) -> bool {
        let ends_later = self.deactivated_at.map_or_else(|| self.is_active(), |end| at < end);
        (self.effective_from <= at && ends_later)
            || self.past.iter().any(|period| period.from <= at && at < period.until)
    }

    /// Makes it active from `at` on; the time it was in force before is kept.
    pub(super) fn activate(&mut self, at: Timestamp) {
        if let Some(until) = self.deactivated_at.take().filter(|until| self.effective_from < *until) {
            self.past.push(Period { from: self.effective_from, until });
        }
        self.inactive = None;
        self.effective_from = at;
    }

    /// Ends it by hand at `at`; one that was not active stays so, whatever comes (A2).
    pub(super) fn deactivate(&mut self, at: Timestamp) {
        if self.is_active() {
            self.deactivated_at = Some(at);
        }
        self.inactive = Some(InactiveReason::Deactivated);
    }

    /// Until when it was in force for the last time, if it was and is no more.
    fn ended_at(&self) -> Option<Timestamp> {
        self.past.iter().map(|period| period.until).chain(self.deactivated_at).max()
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

    /// The one between a contact and an advocate in a campaign.
    pub(crate) fn between(
        &self,
        campaign: &CampaignId,
        contact: ContactId,
        advocate: ContactId,
    ) -> Option<&Attribution> {
        self.of(campaign, contact).find(|attribution| attribution.advocate == advocate)
    }

    /// From when on, at `at` or later, an attribution of a contact in a campaign may be in force: until then another one
    /// was, and orders of that time never move (A3).
    pub(super) fn free_since(&self, campaign: &CampaignId, contact: ContactId, at: Timestamp) -> Timestamp {
        self.of(campaign, contact).filter_map(Attribution::ended_at).fold(at, Timestamp::max)
    }

    /// One by its id.
    pub(crate) fn get(&self, id: AttributionId) -> Option<&Attribution> {
        self.0.values().flatten().map(Tracked::get).find(|attribution| attribution.id == id)
    }

    /// One by its id, to be changed.
    pub(super) fn change(&mut self, id: AttributionId) -> Option<&mut Attribution> {
        self.0.values_mut().flatten().find(|attribution| attribution.get().id == id).map(Tracked::change)
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
