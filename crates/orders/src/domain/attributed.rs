//! What the attribution service answered for an order (A11, A12).

use std::fmt;

use types::{AttributionId, CampaignId, ContactId};

/// Why an attempt was stored inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inactive {
    /// Another advocate was first (A2).
    Duplicate,
    /// Advocate and customer are the same person (A7).
    SelfReferral,
    /// The campaign is for new contacts only, and the customer was known (A7).
    NotEligible,
    /// Somebody deactivated the attribution by hand, or reassigned the customer (A2, A3).
    Deactivated,
}

/// Why an attempt came to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// No such code or advocate.
    UnknownCode,
    /// The advocate is not enrolled, or in no segment of the campaign.
    AdvocateNotEligible,
    /// The campaign is unknown or not active at the order's time.
    CampaignNotActive,
    /// The code belongs to another campaign than the one given (O3).
    CampaignMismatch,
    /// Nothing was claimed and nothing is in force.
    NoEvidence,
    /// The coupon code is nobody's yet (A14).
    CodeNotAssigned,
    /// The visit was too long ago (A8).
    OutsideWindow,
    /// Somebody else has used the coupon code (A14).
    CodeUsed,
}

/// How the attempt to attribute ended (A12); never a silent null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The customer is now attributed to the advocate.
    Attributed,
    /// It was already.
    AlreadyAttributed,
    /// The attempt was stored inactive.
    LoggedInactive(Inactive),
    /// Nobody.
    Unresolved(Unresolved),
}

impl Outcome {
    /// Kind and reason, as they are stored; the reason may be empty.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Attributed => ("ATTRIBUTED", ""),
            Self::AlreadyAttributed => ("ALREADY_ATTRIBUTED", ""),
            Self::LoggedInactive(Inactive::Duplicate) => ("LOGGED_INACTIVE", "DUPLICATE"),
            Self::LoggedInactive(Inactive::SelfReferral) => ("LOGGED_INACTIVE", "SELF_REFERRAL"),
            Self::LoggedInactive(Inactive::NotEligible) => ("LOGGED_INACTIVE", "NOT_ELIGIBLE"),
            Self::LoggedInactive(Inactive::Deactivated) => ("LOGGED_INACTIVE", "DEACTIVATED"),
            Self::Unresolved(Unresolved::UnknownCode) => ("UNRESOLVED", "UNKNOWN_CODE"),
            Self::Unresolved(Unresolved::AdvocateNotEligible) => ("UNRESOLVED", "ADVOCATE_NOT_ELIGIBLE"),
            Self::Unresolved(Unresolved::CampaignNotActive) => ("UNRESOLVED", "CAMPAIGN_NOT_ACTIVE"),
            Self::Unresolved(Unresolved::CampaignMismatch) => ("UNRESOLVED", "CAMPAIGN_MISMATCH"),
            Self::Unresolved(Unresolved::NoEvidence) => ("UNRESOLVED", "NO_EVIDENCE"),
            Self::Unresolved(Unresolved::CodeNotAssigned) => ("UNRESOLVED", "CODE_NOT_ASSIGNED"),
            Self::Unresolved(Unresolved::OutsideWindow) => ("UNRESOLVED", "OUTSIDE_WINDOW"),
            Self::Unresolved(Unresolved::CodeUsed) => ("UNRESOLVED", "CODE_USED"),
        }
    }

    /// The inverse of [`Outcome::names`].
    pub(crate) fn from_names(kind: &str, reason: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.names() == (kind, reason))
    }

    /// Every outcome there is.
    pub(crate) const ALL: [Self; 14] = [
        Self::Attributed,
        Self::AlreadyAttributed,
        Self::LoggedInactive(Inactive::Duplicate),
        Self::LoggedInactive(Inactive::SelfReferral),
        Self::LoggedInactive(Inactive::NotEligible),
        Self::LoggedInactive(Inactive::Deactivated),
        Self::Unresolved(Unresolved::UnknownCode),
        Self::Unresolved(Unresolved::AdvocateNotEligible),
        Self::Unresolved(Unresolved::CampaignNotActive),
        Self::Unresolved(Unresolved::CampaignMismatch),
        Self::Unresolved(Unresolved::NoEvidence),
        Self::Unresolved(Unresolved::CodeNotAssigned),
        Self::Unresolved(Unresolved::OutsideWindow),
        Self::Unresolved(Unresolved::CodeUsed),
    ];
}

/// As it is written in A12: `UNRESOLVED(UNKNOWN_CODE)`.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names() {
            (kind, "") => f.write_str(kind),
            (kind, reason) => write!(f, "{kind}({reason})"),
        }
    }
}

/// The attribution in force for customer and campaign at the order's time (A11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InForce {
    /// Which.
    pub(crate) attribution_id: AttributionId,
    /// Its advocate.
    pub(crate) advocate_id: ContactId,
}

/// A place in the attribution stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The stream's epoch.
    pub(crate) epoch: u64,
    /// The highest committed position.
    pub(crate) position: i64,
}

/// The answer for one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attributed {
    /// The customer.
    pub(crate) contact_id: ContactId,
    /// The campaign it was judged in, if any.
    pub(crate) campaign_id: Option<CampaignId>,
    /// What the order takes.
    pub(crate) in_force: Option<InForce>,
    /// The advocate whom the evidence names, if it names any.
    pub(crate) named: Option<ContactId>,
    /// The attempt that lost.
    pub(crate) inactive: Option<AttributionId>,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Whoever has read that far in the attribution stream knows all this rests on.
    pub(crate) head: Head,
}

/// What attribution was asked about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The order is new: whose it is.
    Judged(Attributed),
    /// The order is stored (O6): whom its customer is known as, if as anybody. Nothing came of asking.
    Customer(Option<ContactId>, Head),
}

impl Answer {
    /// Whom the customer is known as.
    pub(crate) fn contact(&self) -> Option<ContactId> {
        match self {
            Self::Judged(attributed) => Some(attributed.contact_id),
            Self::Customer(contact, _) => *contact,
        }
    }

    /// Whoever has read that far in the attribution stream knows all it rests on.
    pub(crate) fn head(&self) -> Head {
        match self {
            Self::Judged(attributed) => attributed.head,
            Self::Customer(_, head) => *head,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a12_every_outcome_comes_back_from_its_names() {
        for outcome in Outcome::ALL {
            let (kind, reason) = outcome.names();
            assert_eq!(Outcome::from_names(kind, reason), Some(outcome));
        }
        assert_eq!(Outcome::from_names("UNRESOLVED", ""), None);
    }
}
