//! Campaigns: the scope of a referral offer.

use std::collections::BTreeSet;

use types::{CampaignId, Currency, SegmentId, Timestamp};

use super::Violation;
use super::numbered::numbered;

numbered!(
    /// What becomes of an advocate who refers themselves (A7).
    SelfReferral {
        /// Stored inactive.
        Block = 1,
        /// Active, and both contacts flagged.
        Flag = 2,
        /// Active.
        Allow = 3,
    }
);

numbered!(
    /// Who may be referred (A7).
    Eligibility {
        /// Everybody.
        AnyContact = 1,
        /// Only whom the attempt makes known.
        NewContactsOnly = 2,
    }
);

/// For how many days a visit counts as evidence, 1 to 365 (A8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(i16);

impl Window {
    /// Where a campaign does not say.
    pub(crate) const DEFAULT: Self = Self(90);

    /// So many days, if there may be so many.
    pub(crate) fn of_days(days: i32) -> Option<Self> {
        i16::try_from(days).ok().filter(|days| (1..=365).contains(days)).map(Self)
    }

    /// How many days.
    pub(crate) fn days(self) -> i16 {
        self.0
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a campaign judges attempts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policies {
    /// What becomes of an advocate who refers themselves.
    pub(crate) self_referral: SelfReferral,
    /// Who may be referred.
    pub(crate) eligibility: Eligibility,
    /// For how long a visit counts.
    pub(crate) window: Window,
    /// Whether it takes no attributions for the time being.
    pub(crate) is_paused: bool,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            self_referral: SelfReferral::Block,
            eligibility: Eligibility::AnyContact,
            window: Window::default(),
            is_paused: false,
        }
    }
}

/// A campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Campaign {
    /// The caller's id.
    pub(crate) id: CampaignId,
    /// For people.
    pub(crate) name: String,
    /// What its rewards are planned in; for good.
    pub(crate) currency: Currency,
    /// Segments whose enrolled members are its advocates.
    pub(crate) segments: BTreeSet<SegmentId>,
    /// Active from here on.
    pub(crate) starts_at: Timestamp,
    /// Active until, but not including.
    pub(crate) ends_at: Option<Timestamp>,
    /// What it judges attempts by.
    pub(crate) policies: Policies,
}

/// What a campaign is created with.
#[derive(Debug, Clone)]
pub(crate) struct NewCampaign {
    /// The caller's id.
    pub(crate) id: CampaignId,
    /// For people.
    pub(crate) name: String,
    /// Currency.
    pub(crate) currency: Currency,
    /// Segments.
    pub(crate) segments: BTreeSet<SegmentId>,
    /// Default now.
    pub(crate) starts_at: Option<Timestamp>,
    /// Unset: without end.
    pub(crate) ends_at: Option<Timestamp>,
    /// Policies.
    pub(crate) policies: Policies,
}

/// What is to be different; what is unset stays.
#[derive(Debug, Clone)]
pub(crate) struct CampaignChange {
    /// Which.
    pub(crate) id: CampaignId,
    /// For people.
    pub(crate) name: Option<String>,
    /// Segments; empty leaves them.
    pub(crate) segments: BTreeSet<SegmentId>,
    /// Start.
    pub(crate) starts_at: Option<Timestamp>,
    /// End.
    pub(crate) ends_at: Option<Timestamp>,
    /// Whether it is to have no end.
    pub(crate) is_endless: bool,
    /// What becomes of an advocate who refers themselves.
    pub(crate) self_referral: Option<SelfReferral>,
    /// Who may be referred.
    pub(crate) eligibility: Option<Eligibility>,
    /// For how long a visit counts.
    pub(crate) window: Option<Window>,
    /// Whether it takes no attributions for the time being.
    pub(crate) is_paused: Option<bool>,
}

impl Campaign {
    /// The campaign that `new` describes, for a tenant whose clock shows `now`.
    pub(crate) fn create(new: &NewCampaign, now: Timestamp) -> Result<Self, Violation> {
        Self {
            id: new.id.clone(),
            name: new.name.clone(),
            currency: new.currency,
            segments: new.segments.clone(),
            starts_at: new.starts_at.unwrap_or(now),
            ends_at: new.ends_at,
            policies: new.policies,
        }
        .checked()
    }

    /// Whether creating `new` again is a repeat: a start that was not given is whatever it was the first time.
    pub(crate) fn is_same_as(&self, new: &NewCampaign) -> bool {
        self.name == new.name
            && self.currency == new.currency
            && self.segments == new.segments
            && new.starts_at.is_none_or(|at| at == self.starts_at)
            && self.ends_at == new.ends_at
            && self.policies == new.policies
    }

    /// The campaign after `change`.
    pub(crate) fn changed(&self, change: &CampaignChange) -> Result<Self, Violation> {
        let old = self.policies;
        let policies = Policies {
            self_referral: change.self_referral.unwrap_or(old.self_referral),
            eligibility: change.eligibility.unwrap_or(old.eligibility),
            window: change.window.unwrap_or(old.window),
            is_paused: change.is_paused.unwrap_or(old.is_paused),
        };
        let segments = if change.segments.is_empty() { &self.segments } else { &change.segments };
        Self {
            id: self.id.clone(),
            name: change.name.clone().unwrap_or_else(|| self.name.clone()),
            currency: self.currency,
            segments: segments.clone(),
            starts_at: change.starts_at.unwrap_or(self.starts_at),
            ends_at: if change.is_endless { None } else { change.ends_at.or(self.ends_at) },
            policies,
        }
        .checked()
    }

    /// Whether it takes new attributions at `at` (A5).
    pub(crate) fn is_active_at(&self, at: Timestamp) -> bool {
        !self.policies.is_paused && self.starts_at <= at && self.ends_at.is_none_or(|end| at < end)
    }

    fn checked(self) -> Result<Self, Violation> {
        if self.ends_at.is_some_and(|end| end <= self.starts_at) {
            return Err(Violation::CampaignEndsBeforeStart);
        }
        Ok(self)
    }
}
