//! The contacts of a slice, found by id, e-mail or uid.

use std::collections::{BTreeSet, HashMap};

use types::{ContactId, Email, SegmentId};

use super::{Contact, ContactRef, Tracked, Uid, Violation};

/// The contacts of a slice, as loaded and as changed so far.
#[derive(Debug, Default)]
pub(crate) struct People {
    contacts: HashMap<ContactId, Tracked<Contact>>,
    by_email: HashMap<Email, ContactId>,
    by_uid: HashMap<Uid, ContactId>,
    joined: BTreeSet<(ContactId, SegmentId)>,
    left: BTreeSet<(ContactId, SegmentId)>,
    touched: BTreeSet<ContactId>,
    changed: BTreeSet<ContactId>,
}

impl People {
    /// Takes in a stored contact; one that is there already stays as it is.
    pub(crate) fn add(&mut self, contact: Contact) {
        if !self.contacts.contains_key(&contact.id) {
            self.put(Tracked::stored(contact));
        }
    }

    /// One contact.
    pub(crate) fn get(&self, id: ContactId) -> Option<&Contact> {
        self.contacts.get(&id).map(Tracked::get)
    }

    /// All contacts, in the order of their ids, which is the order they were created in.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tracked<Contact>> {
        let mut all: Vec<_> = self.contacts.values().collect();
        all.sort_unstable_by_key(|contact| contact.get().id);
        all.into_iter()
    }

    /// Memberships that are new.
    pub(crate) fn joined(&self) -> &BTreeSet<(ContactId, SegmentId)> {
        &self.joined
    }

    /// Memberships that ended.
    pub(crate) fn left(&self) -> &BTreeSet<(ContactId, SegmentId)> {
        &self.left
    }

    /// Those made or changed, memberships included, since the last call.
    pub(super) fn take_touched(&mut self) -> BTreeSet<ContactId> {
        std::mem::take(&mut self.touched)
    }

    /// Those made or changed other than in their memberships, since the last call.
    pub(super) fn take_changed(&mut self) -> BTreeSet<ContactId> {
        std::mem::take(&mut self.changed)
    }

    /// Whom the keys that are known belong to; `None` if none is known. An id has to be known, and of nobody erased (A13);
    /// different contacts are a conflict (A15).
    pub(crate) fn find(&self, who: &ContactRef) -> Result<Option<ContactId>, Violation> {
        if let Some(id) = who.id.filter(|id| self.get(*id).is_none_or(|contact| contact.erased_at.is_some()))
        {
            return Err(Violation::ContactNotFound(Some(id)));
        }
        let by_email = who.email.as_ref().and_then(|email| self.by_email.get(email)).copied();
        let by_uid = who.uid.as_ref().and_then(|uid| self.by_uid.get(uid)).copied();
        let mut found = None;
        for id in [who.id, by_email, by_uid].into_iter().flatten() {
            match found {
                Some(other) if other != id => return Err(Violation::ContactConflict(other, id)),
                _ => found = Some(id),
            }
        }
        Ok(found)
    }

    /// The contact to whom every key given belongs.
    pub(crate) fn find_known(&self, who: &ContactRef) -> Result<&Contact, Violation> {
        let contact = self.find(who)?.and_then(|id| self.get(id));
        let contact = contact.ok_or(Violation::ContactNotFound(who.id))?;
        let agrees = who.email.as_ref().is_none_or(|email| contact.email.as_ref() == Some(email))
            && who.uid.as_ref().is_none_or(|uid| contact.uid.as_ref() == Some(uid));
        if agrees { Ok(contact) } else { Err(Violation::ContactNotFound(who.id)) }
    }

    /// The same, but an erased contact is found by its id, if nothing else is given.
    pub(crate) fn find_stored(&self, who: &ContactRef) -> Result<&Contact, Violation> {
        let erased = who.id.and_then(|id| self.get(id)).filter(|contact| contact.erased_at.is_some());
        match erased {
            Some(contact) if who.email.is_none() && who.uid.is_none() => Ok(contact),
            _ => self.find_known(who),
        }
    }

    /// Takes in a new contact.
    pub(super) fn create(&mut self, contact: Contact) {
        self.touched.insert(contact.id);
        self.changed.insert(contact.id);
        self.put(Tracked::created(contact));
    }

    /// A contact to be changed, other than in its keys and segments.
    pub(super) fn change(&mut self, id: ContactId) -> Option<&mut Contact> {
        let contact = self.contacts.get_mut(&id)?;
        self.touched.insert(id);
        self.changed.insert(id);
        Some(contact.change())
    }

    /// Gives a contact another e-mail address; the caller has seen that it is nobody's.
    pub(super) fn set_email(&mut self, id: ContactId, email: &Email) {
        let Some(contact) = self.contacts.get_mut(&id).map(Tracked::change) else { return };
        self.touched.insert(id);
        if let Some(old) = contact.email.replace(email.clone()) {
            self.by_email.remove(&old);
        }
        self.by_email.insert(email.clone(), id);
    }

    /// Gives a contact another uid; the caller has seen that it is nobody's.
    pub(super) fn set_uid(&mut self, id: ContactId, uid: &Uid) {
        let Some(contact) = self.contacts.get_mut(&id).map(Tracked::change) else { return };
        self.touched.insert(id);
        if let Some(old) = contact.uid.replace(uid.clone()) {
            self.by_uid.remove(&old);
        }
        self.by_uid.insert(uid.clone(), id);
    }

    /// Takes its e-mail address and uid from a contact: nobody finds it by them any more.
    pub(super) fn forget_keys(&mut self, id: ContactId) -> (Option<Email>, Option<Uid>) {
        let Some(contact) = self.contacts.get_mut(&id).map(Tracked::change) else { return (None, None) };
        self.touched.insert(id);
        let (email, uid) = (contact.email.take(), contact.uid.take());
        if let Some(email) = &email {
            self.by_email.remove(email);
        }
        if let Some(uid) = &uid {
            self.by_uid.remove(uid);
        }
        (email, uid)
    }

    /// Takes a contact out of all segments; out of how many.
    pub(super) fn leave_all(&mut self, id: ContactId) -> usize {
        let segments = self.get(id).map(|contact| contact.segments.clone()).unwrap_or_default();
        segments.iter().filter(|segment| self.leave(id, segment)).count()
    }

    /// Puts a contact into a segment; whether it was not in it.
    pub(super) fn join(&mut self, id: ContactId, segment: &SegmentId) -> bool {
        let Some(contact) = self.contacts.get_mut(&id) else { return false };
        if contact.get().segments.contains(segment) {
            return false;
        }
        contact.segments_mut().insert(segment.clone());
        self.touched.insert(id);
        let membership = (id, segment.clone());
        if !self.left.remove(&membership) {
            self.joined.insert(membership);
        }
        true
    }

    /// Takes a contact out of a segment; whether it was in it.
    pub(super) fn leave(&mut self, id: ContactId, segment: &SegmentId) -> bool {
        let Some(contact) = self.contacts.get_mut(&id) else { return false };
        if !contact.segments_mut().remove(segment) {
            return false;
        }
        self.touched.insert(id);
        let membership = (id, segment.clone());
        if !self.joined.remove(&membership) {
            self.left.insert(membership);
        }
        true
    }

    fn put(&mut self, contact: Tracked<Contact>) {
        let id = contact.get().id;
        if let Some(email) = &contact.get().email {
            self.by_email.insert(email.clone(), id);
        }
        if let Some(uid) = &contact.get().uid {
            self.by_uid.insert(uid.clone(), id);
        }
        self.contacts.insert(id, contact);
    }
}

impl Tracked<Contact> {
    /// Membership is written to a table of its own: changing it does not change the contact's row.
    fn segments_mut(&mut self) -> &mut BTreeSet<SegmentId> {
        &mut self.untracked().segments
    }
}
