//! What happens: events that may enter stages, and the entries they want.

use std::fmt;
use std::str::FromStr;

use types::{
    AttributionId, CampaignId, ContactId, EventId, IdError, JourneyKey, Money, OrderId, RunId, SegmentId,
    StageKey, TenantId, Timestamp, TransitionId,
};

use super::definition::Signal;

/// Where runs are looked for: one contact in one campaign, or in none. An event, and all that follows from it, stays
/// in one place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Whose.
    pub tenant: TenantId,
    /// Who.
    pub contact: ContactId,
    /// Where; `None` acts on the runs without campaign (J14).
    pub campaign: Option<CampaignId>,
}

/// Tells entries of one stage in one run apart (J5); may be none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OccurrenceKey(String);

impl OccurrenceKey {
    /// Bytes of a key, at most: those of an order's id and of its source.
    pub const MAX: usize = 512;

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The key as text; empty for none.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OccurrenceKey {
    type Err = IdError;

    /// Empty is none; else printable text without spaces at its ends, such as the id of an order.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() > Self::MAX {
            return Err(IdError::TooLong(Self::MAX));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(IdError::Form("printable text without spaces at its ends"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for OccurrenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An order without personal data (J9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The caller's id of the order.
    pub order_id: OrderId,
    /// The system it comes from.
    pub source: String,
    /// Revenue before refunds.
    pub revenue: Money,
    /// Refunded so far, in minor units of the same currency.
    pub refunded_minor: i64,
    /// State in the caller's system.
    pub external_status: String,
    /// Deal stage in HubSpot.
    pub hubspot_dealstage: String,
    /// When it was placed.
    pub occurred_at: Timestamp,
}

/// Who referred the contact: what a transition says of it (J9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Referral {
    /// The attribution.
    pub attribution: AttributionId,
    /// Its advocate.
    pub advocate: ContactId,
}

/// What conditions may read of an event besides its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// The tags that were added.
    Tags(Vec<String>),
    /// The segment.
    Segment(SegmentId),
}

/// Something that may enter stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Names it for good.
    pub id: EventId,
    /// Whom it is about, and in which campaign.
    pub place: Place,
    /// What happened.
    pub signal: Signal,
    /// More of that.
    pub detail: Detail,
    /// Key of the entries it makes.
    pub key: OccurrenceKey,
    /// The order it is about.
    pub order: Option<Order>,
    /// Who referred the contact, as its transitions are to say.
    pub referral: Option<Referral>,
    /// When it happened (business time).
    pub occurred_at: Timestamp,
}

/// A stage that is to be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which stage.
    pub stage: StageKey,
    /// Under which key.
    pub key: OccurrenceKey,
    /// The event that wants it; none for a call.
    pub cause_event: Option<EventId>,
    /// The order it is for.
    pub order: Option<Order>,
    /// Who referred the contact.
    pub referral: Option<Referral>,
    /// When it happened (business time).
    pub occurred_at: Timestamp,
}

/// What made a run enter a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// EnterStage.
    Call,
    /// A trigger of the stage (J7).
    Trigger,
    /// A waiting entry, made once the missing stage was entered (J4).
    Waited,
    /// A missed step, entered because a later one was (J4).
    Inferred,
    /// A timer that was due (J7).
    Timer,
}

/// One entry of a run into a stage; immutable (J9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Its id; also that of the event that tells of it.
    pub id: TransitionId,
    /// Contact and campaign.
    pub place: Place,
    /// The journey.
    pub journey: JourneyKey,
    /// The journey's version that made it.
    pub version: i32,
    /// The run.
    pub run: RunId,
    /// Its number within the run, from 1.
    pub number: i32,
    /// The stage entered before.
    pub from: Option<StageKey>,
    /// What made it.
    pub cause: Cause,
    /// The stage entered, and what for.
    pub entry: Entry,
}

/// Why an entry is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A step is missing (J4).
    OutOfOrder {
        /// The one to be entered first.
        expected: StageKey,
    },
    /// A step is missing that cannot be entered under this key any more (J5).
    OutOfReach {
        /// That step.
        expected: StageKey,
    },
    /// A later step was entered (J4).
    GoingBack,
    /// It was entered under another key, and is not repeatable (J5).
    NotRepeatable,
    /// The run, or this occurrence of it, has ended (J6).
    RunEnded,
    /// An exception cannot start a run (J2).
    ExceptionCannotStart,
    /// The version in force has no such stage.
    StageNotFound,
    /// The trigger's condition could not be evaluated.
    ConditionFailed {
        /// Why.
        detail: String,
    },
}
