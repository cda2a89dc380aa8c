//! Flags and bans of contacts (A9): rewards of a flagged contact wait for a person (R3).

use types::{ContactId, EventId, TenantId, Timestamp};

/// What was told of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It was flagged.
    Flagged,
    /// All its flags were lifted.
    Unflagged,
    /// It was banned.
    Banned,
    /// Its status became any other.
    NotBanned,
}

/// Something told of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactFact {
    /// The event that told it: the same again changes nothing.
    pub event_id: EventId,
    /// Whose.
    pub tenant: TenantId,
    /// Who.
    pub contact: ContactId,
    /// What.
    pub told: Told,
    /// When it happened (business time).
    pub occurred_at: Timestamp,
}

/// How a contact stands: the last fact of either sort, if it holds rewards up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    flagged: Option<EventId>,
    banned: Option<EventId>,
}

impl Standing {
    /// What holds its rewards up, if anything.
    pub fn held_up_by(self) -> Option<EventId> {
        self.flagged.or(self.banned)
    }

    /// After one more fact.
    pub fn tell(&mut self, told: Told, event: EventId) {
        match told {
            Told::Flagged => self.flagged = Some(event),
            Told::Unflagged => self.flagged = None,
            Told::Banned => self.banned = Some(event),
            Told::NotBanned => self.banned = None,
        }
    }
}
