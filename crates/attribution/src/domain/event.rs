//! What goes out on the stream; the contract's form is made where events are appended.

use std::sync::Arc;

use types::{ContactId, SegmentId, Timestamp};

use super::{Attribution, ContactStatus, FlagCause};

/// One fact, and when it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Business time.
    pub(crate) occurred_at: Timestamp,
    /// What happened.
    pub(crate) fact: Fact,
    /// Trace of the command it comes of; see [`super::Book::sign`].
    pub(crate) traceparent: Option<Arc<str>>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// A contact came to be known, as a prospect.
    ContactCreated(ContactId),
    /// A contact's status changed.
    ContactStatusChanged {
        /// The contact.
        contact: ContactId,
        /// What it was.
        from: ContactStatus,
        /// What it is.
        to: ContactStatus,
    },
    /// A contact was given tags, or lost some.
    ContactTagged {
        /// The contact.
        contact: ContactId,
        /// New tags.
        added: Vec<String>,
        /// Tags it lost.
        removed: Vec<String>,
    },
    /// A contact joined a segment.
    SegmentJoined(ContactId, SegmentId),
    /// A contact left a segment.
    SegmentLeft(ContactId, SegmentId),
    /// An attribution became active.
    AttributionActivated(Attribution),
    /// An attribution was first stored, inactive.
    AttributionLoggedInactive(Attribution),
    /// An attribution stopped being active.
    AttributionDeactivated(Attribution),
    /// A contact was flagged.
    ContactFlagged {
        /// The contact.
        contact: ContactId,
        /// What flagged it.
        cause: FlagCause,
    },
    /// All flags of a contact were lifted.
    ContactUnflagged(ContactId),
    /// The test clock moved to this moment.
    ClockMoved(Timestamp),
}
