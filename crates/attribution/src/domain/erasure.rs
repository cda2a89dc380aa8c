//! Erasing a contact (A13): what is gone at once. What else names it is removed afterwards, slice by slice.

use types::{ContactId, Email};

use super::{Book, Contact, ContactRef, ContactStatus, Moment, Profile, Violation};

/// By what an erased contact was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Erased {
    /// The contact.
    pub(crate) contact: ContactId,
    /// Its e-mail address.
    pub(crate) email: Option<String>,
    /// Its uid.
    pub(crate) uid: Option<String>,
    /// Segments it was in.
    pub(crate) segments: usize,
}

/// What an erasure comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Erasing {
    /// It was erased before.
    Before(ContactId),
    /// It is erased by this.
    Now(Erased),
}

impl Book {
    /// Erases a contact. Its id, status, flags without their reasons, date and the properties that are declared not to be
    /// personal stay; an advocate is unsubscribed, but who is
    /// banned stays so (A9).
    pub(crate) fn erase(&mut self, who: &ContactRef, when: Moment) -> Result<Erasing, Violation> {
        let contact = self.people.find_stored(who)?;
        let (id, status) = (contact.id, contact.status);
        if contact.erased_at.is_some() {
            return Ok(Erasing::Before(id));
        }
        if status != ContactStatus::Banned {
            self.set_status(id, ContactStatus::Unsubscribed, "", when);
        }
        let segments = self.people.leave_all(id);
        let (email, uid) = self.people.forget_keys(id);
        let Some(contact) = self.people.change(id) else { return Err(Violation::ContactNotFound(Some(id))) };
        contact.forget();
        let definitions = &self.definitions;
        contact.properties.retain(|name, _| definitions.get(name).is_some_and(|known| !known.personal));
        contact.erased_at = Some(when.occurred_at);
        let (email, uid) = (email.as_ref().map(Email::as_str), uid.as_ref().map(super::Uid::as_str));
        let (email, uid) = (email.map(str::to_owned), uid.map(str::to_owned));
        Ok(Erasing::Now(Erased { contact: id, email, uid, segments }))
    }
}

impl Contact {
    /// Forgets all that says who it is, but for the keys it is found by.
    fn forget(&mut self) {
        self.profile = Profile::default();
        self.tags.clear();
        for flag in self.flags.values_mut() {
            let said = flag.lifted.as_mut().map(|(_, said)| said);
            for statement in flag.statement.as_mut().into_iter().chain(said) {
                statement.reason.clear();
            }
        }
    }
}
