//! What is attempted, how attempts end (A12), and what is kept of them.

use std::str::FromStr;

use types::{CampaignId, ContactId, CouponCode, Shortcode, Timestamp};
use uuid::Uuid;

use super::ContactRef;
use super::attribution::{Attribution, EvidenceKind, InactiveReason};
use super::numbered::numbered;
use super::visit::VisitorId;

numbered!(
    /// Why an attempt came to nobody (A12).
    UnresolvedReason {
        /// No such code or advocate.
        UnknownCode = 1,
        /// Not enrolled, or in no segment of the campaign.
        AdvocateNotEligible = 2,
        /// No campaign, or not active then.
        CampaignNotActive = 3,
        /// The code is another campaign's.
        CampaignMismatch = 4,
        /// Nothing was claimed, and nothing is in force.
        NoEvidence = 5,
        /// The coupon code is in a pool.
        CodeNotAssigned = 6,
        /// The visit was too long ago.
        OutsideWindow = 7,
        /// Somebody else has used the coupon code.
        CodeUsed = 8,
    }
);

/// How an attempt ended (A12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The contact is now attributed to the advocate.
    Attributed,
    /// It was already, to the same advocate; or a look-up found what is in force.
    AlreadyAttributed,
    /// Stored inactive.
    LoggedInactive(InactiveReason),
    /// Nobody.
    Unresolved(UnresolvedReason),
}

impl Outcome {
    /// Number of [`Outcome::Unresolved`].
    pub(crate) const UNRESOLVED: i16 = 4;

    /// Its number in contract and database, without the reason.
    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::Attributed => 1,
            Self::AlreadyAttributed => 2,
            Self::LoggedInactive(_) => 3,
            Self::Unresolved(_) => Self::UNRESOLVED,
        }
    }

    /// The outcome with this number, and the reason that belongs to it.
    pub(crate) fn from_numbers(
        number: i16,
        inactive: Option<InactiveReason>,
        unresolved: Option<UnresolvedReason>,
    ) -> Option<Self> {
        match number {
            1 => Some(Self::Attributed),
            2 => Some(Self::AlreadyAttributed),
            3 => inactive.map(Self::LoggedInactive),
            Self::UNRESOLVED => unresolved.map(Self::Unresolved),
            _ => None,
        }
    }

    /// Why it was stored inactive.
    pub(crate) const fn inactive_reason(self) -> Option<InactiveReason> {
        match self {
            Self::LoggedInactive(reason) => Some(reason),
            Self::Attributed | Self::AlreadyAttributed | Self::Unresolved(_) => None,
        }
    }

    /// Why it came to nobody.
    pub(crate) const fn unresolved_reason(self) -> Option<UnresolvedReason> {
        match self {
            Self::Unresolved(reason) => Some(reason),
            Self::Attributed | Self::AlreadyAttributed | Self::LoggedInactive(_) => None,
        }
    }
}

/// One attempt in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AttemptId(pub(crate) Uuid);

impl From<Uuid> for AttemptId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

/// A code as it was sent: one that cannot be any is passed over like one that nobody has (A4, O7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent<C> {
    /// It may be somebody's.
    Code(C),
    /// It can be nobody's.
    Malformed(String),
}

impl<C: FromStr + AsRef<str>> Sent<C> {
    /// Reads what was sent. Control characters, which no code has and not every store keeps, become U+FFFD.
    pub(crate) fn new(text: &str) -> Self {
        let shown = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
        text.parse().map_or_else(|_| Self::Malformed(text.chars().map(shown).collect()), Self::Code)
    }

    /// What to look up.
    pub(crate) fn code(&self) -> Option<&C> {
        match self {
            Self::Code(code) => Some(code),
            Self::Malformed(_) => None,
        }
    }

    /// What to log, and to find it by in the log.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Code(code) => code.as_ref(),
            Self::Malformed(text) => text,
        }
    }
}

/// What a referral is claimed on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// The advocate's shortcode.
    pub(crate) shortcode: Option<Sent<Shortcode>>,
    /// A coupon code.
    pub(crate) coupon: Option<Sent<CouponCode>>,
    /// The advocate by name.
    pub(crate) advocate: Option<ContactRef>,
    /// The browser.
    pub(crate) visitor: Option<VisitorId>,
}

impl Evidence {
    /// Whether nothing is claimed.
    pub(crate) fn is_empty(&self) -> bool {
        self.shortcode.is_none() && self.coupon.is_none() && self.advocate.is_none() && self.visitor.is_none()
    }
}

/// One attempt to attribute; without evidence a look-up.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// The referred contact.
    pub(crate) contact: ContactRef,
    /// The campaign; else the code's.
    pub(crate) campaign: Option<CampaignId>,
    /// What the claim rests on.
    pub(crate) evidence: Evidence,
    /// Where it came from.
    pub(crate) source: String,
    /// A look-up that creates and changes nothing, the contact neither.
    pub(crate) known_contact_only: bool,
}

/// An attempt as it is logged: what was sent, and how it ended.
#[derive(Debug, Clone)]
pub(crate) struct LoggedAttempt {
    /// Made by us.
    pub(crate) id: AttemptId,
    /// The referred contact.
    pub(crate) contact: ContactId,
    /// The campaign it was judged in.
    pub(crate) campaign: Option<CampaignId>,
    /// The shortcode that was sent, as [`Sent::as_str`] has it.
    pub(crate) shortcode: Option<String>,
    /// The coupon code that was sent, likewise.
    pub(crate) coupon_code: Option<String>,
    /// The advocate it resolved to.
    pub(crate) advocate: Option<ContactId>,
    /// Where it came from.
    pub(crate) source: String,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// Evidence that resolved to nothing.
    pub(crate) passed_over: Vec<EvidenceKind>,
    /// When it happened.
    pub(crate) occurred_at: Timestamp,
}

/// The answer to an attempt.
#[derive(Debug, Clone)]
pub(crate) struct Judgement {
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// The referred contact; none if it is unknown and was not to be created.
    pub(crate) contact: Option<ContactId>,
    /// The campaign it was judged in.
    pub(crate) campaign: Option<CampaignId>,
    /// What is in force now (A11).
    pub(crate) in_force: Option<Attribution>,
    /// The attempt that lost.
    pub(crate) inactive: Option<Attribution>,
    /// Evidence that resolved to nothing.
    pub(crate) passed_over: Vec<EvidenceKind>,
    /// Its row in the log; look-ups have none.
    pub(crate) logged: Option<AttemptId>,
}
