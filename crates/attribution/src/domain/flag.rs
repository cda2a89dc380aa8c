//! Flags of contacts: what a person should look at (A7, A15).

use std::sync::Arc;

use types::{ContactId, Timestamp};

use super::numbered::numbered;
use super::{Book, Fact, Moment};

numbered!(
    /// What flags a contact.
    FlagCause {
        /// It referred itself in a campaign that flags this (A7).
        SelfReferral = 1,
        /// A person.
        ByHand = 2,
    }
);

/// What a person says when flagging a contact, or lifting its flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Why.
    pub(crate) reason: String,
    /// Who says so.
    pub(crate) principal: Arc<str>,
}

/// A flag of a contact; the last one of its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flag {
    /// What a person says; nothing if a rule raised it.
    pub(crate) statement: Option<Statement>,
    /// When it was raised (business time).
    pub(crate) flagged_at: Timestamp,
    /// When and why it was lifted.
    pub(crate) lifted: Option<(Timestamp, Statement)>,
}

impl Flag {
    /// Whether nobody has lifted it.
    pub(crate) fn stands(&self) -> bool {
        self.lifted.is_none()
    }
}

impl Book {
    /// Flags a contact. One whose flag of that cause stands stays as it is, unless there is another reason.
    pub(super) fn flag(
        &mut self,
        contact: ContactId,
        cause: FlagCause,
        statement: Option<&Statement>,
        when: Moment,
    ) {
        let standing =
            self.people.get(contact).and_then(|c| c.flags.get(&cause)).filter(|flag| flag.stands());
        let reason = |statement: &Statement| statement.reason.clone();
        let (is_raised, known) =
            (standing.is_some(), standing.and_then(|flag| flag.statement.as_ref()).map(reason));
        if is_raised && known == statement.map(reason) {
            return;
        }
        let Some(stored) = self.people.change(contact) else { return };
        let flag = Flag { statement: statement.cloned(), flagged_at: when.occurred_at, lifted: None };
        stored.flags.insert(cause, flag);
        if !is_raised {
            self.record(when.occurred_at, Fact::ContactFlagged { contact, cause });
        }
    }

    /// Lifts all flags of a contact.
    pub(super) fn unflag(&mut self, contact: ContactId, statement: &Statement, when: Moment) {
        let is_flagged = self.people.get(contact).is_some_and(|c| c.flags.values().any(Flag::stands));
        let Some(stored) = is_flagged.then(|| self.people.change(contact)).flatten() else { return };
        for flag in stored.flags.values_mut().filter(|flag| flag.stands()) {
            flag.lifted = Some((when.occurred_at, statement.clone()));
        }
        self.record(when.occurred_at, Fact::ContactUnflagged(contact));
    }
}
