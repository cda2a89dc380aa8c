//! Every way a command can breach a rule. Holds no personal data: contacts are ids.

use definitions::condition::ConditionError;
use types::property::PropertyFaults;
use types::{AttributionId, CampaignId, ContactId, SegmentId, Timestamp};

/// A breach of a rule; the answer to the command that committed it, and to nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Nobody is named so. The id, if one was given.
    ContactNotFound(Option<ContactId>),
    /// What was given belongs to these two different contacts (A15).
    ContactConflict(ContactId, ContactId),
    /// A banned contact cannot be enrolled.
    ContactBanned(ContactId),
    /// Properties that are not as they are defined (A15).
    Properties(PropertyFaults),
    /// No such segment.
    SegmentNotFound(SegmentId),
    /// The segment has a rule: nobody joins or leaves it by hand.
    SegmentByRule(SegmentId),
    /// The segment is static, and takes no rule.
    SegmentWithoutRule(SegmentId),
    /// The tenant has as many segments by rule as it may.
    TooManyRules,
    /// The rule of a segment can only go wrong: where, and how.
    Rule(ConditionError),
    /// The segment exists with other content.
    SegmentExists,
    /// No such campaign.
    CampaignNotFound(CampaignId),
    /// The campaign exists with other content.
    CampaignExists,
    /// The campaign would end before it begins.
    CampaignEndsBeforeStart,
    /// No such code, or it resolves to nobody (A9).
    CodeNotFound,
    /// The code is another advocate's, or another campaign's.
    CodeTaken,
    /// Every code that was drawn at random was taken; drawing again will do.
    NoFreeCode,
    /// No such attribution. The id, if one was given.
    AttributionNotFound(Option<AttributionId>),
    /// Another one is active for the contact in the campaign (A2).
    AnotherActive(AttributionId),
    /// The campaign takes no attributions at that time (A5).
    CampaignNotActive,
    /// Advocate and referred contact are the same (A7).
    SelfReferral,
    /// At that time another one was in force, or it was not itself: it is to be no earlier than this.
    TooEarly(Timestamp),
    /// The advocate is not enrolled, or in no segment of the campaign (A5).
    AdvocateNotEligible,
    /// The business time is too far in the future (M3).
    InFuture,
    /// The tenant has no test clock, and never will (M4).
    NotASandbox,
    /// The sandbox has no test clock yet.
    TestClockNotFound,
    /// A test clock only moves forward.
    ClockBackwards,
    /// The clock would leave the times that can be stored.
    ClockOutOfRange,
    /// The request id came with another request before.
    RequestIdReused,
}
