//! What can be done to contacts: upsert, enrol, status, tags, flags, segment membership.

use std::collections::{BTreeMap, BTreeSet};

use types::property::{self, Properties, PropertyFault, PropertyName, PropertyValue};
use types::{ContactId, Email, SegmentId, new_id};

use super::contact_import::ContactRow;
use super::{
    Book, Contact, ContactRef, ContactStatus, Fact, FlagCause, Moment, Profile, Statement, Uid, Violation,
};

/// What an upsert says of custom properties: those that are set, and those that are taken away. Others stay.
pub(crate) type PropertyChanges = Vec<(PropertyName, Option<PropertyValue>)>;

/// A change of one contact.
#[derive(Debug, Clone)]
pub(crate) enum ContactChange {
    /// Create it, or change what it is known by.
    Upsert {
        /// E-mail address, if given.
        email: Option<Email>,
        /// Uid, if given.
        uid: Option<Uid>,
        /// Names and the like.
        profile: Profile,
        /// Custom properties.
        properties: PropertyChanges,
    },
    /// All that a row of a file says of it.
    Import(Box<ContactRow>),
    /// Make it an advocate-to-be.
    Enroll {
        /// Who.
        who: ContactRef,
        /// Segments to join.
        segments: BTreeSet<SegmentId>,
    },
    /// Set its status.
    SetStatus {
        /// Who.
        who: ContactRef,
        /// To what.
        status: ContactStatus,
        /// Why, in the caller's words.
        reason: String,
    },
    /// Add and remove tags.
    Tag {
        /// Who.
        who: ContactRef,
        /// New tags.
        add: BTreeSet<String>,
        /// Tags to go.
        remove: BTreeSet<String>,
    },
    /// Flag it by hand.
    Flag {
        /// Who.
        who: ContactRef,
        /// What the person says.
        statement: Statement,
    },
    /// Lift its flags.
    Unflag {
        /// Who.
        who: ContactRef,
        /// What the person says.
        statement: Statement,
    },
}

impl ContactChange {
    /// Whom it is about, as far as the command says.
    pub(crate) fn who(&self) -> ContactRef {
        match self {
            Self::Upsert { email, uid, .. } => {
                ContactRef { id: None, email: email.clone(), uid: uid.clone() }
            }
            Self::Import(row) => ContactRef { id: None, email: row.email.clone(), uid: row.uid.clone() },
            Self::Enroll { who, .. }
            | Self::SetStatus { who, .. }
            | Self::Tag { who, .. }
            | Self::Flag { who, .. }
            | Self::Unflag { who, .. } => who.clone(),
        }
    }

    /// What it says of custom properties.
    pub(crate) fn properties(&self) -> &[(PropertyName, Option<PropertyValue>)] {
        match self {
            Self::Upsert { properties, .. } => properties,
            Self::Import(row) => &row.properties,
            Self::Enroll { .. }
            | Self::SetStatus { .. }
            | Self::Tag { .. }
            | Self::Flag { .. }
            | Self::Unflag { .. } => &[],
        }
    }

    /// Segments it names.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &SegmentId> {
        match self {
            Self::Enroll { segments, .. } => Some(segments),
            Self::Import(row) => Some(&row.segments),
            Self::Upsert { .. }
            | Self::SetStatus { .. }
            | Self::Tag { .. }
            | Self::Flag { .. }
            | Self::Unflag { .. } => None,
        }
        .into_iter()
        .flatten()
    }
}

impl Book {
    /// Carries out a change: whom it is about, and whether it created the contact.
    pub(crate) fn change_contact(
        &mut self,
        change: &ContactChange,
        when: Moment,
    ) -> Result<(ContactId, bool), Violation> {
        let changed = self.carry_out(change, when);
        self.follow_rules(when);
        changed
    }

    fn carry_out(&mut self, change: &ContactChange, when: Moment) -> Result<(ContactId, bool), Violation> {
        match change {
            ContactChange::Upsert { profile, properties, .. } => {
                self.upsert(&change.who(), (profile, properties), when)
            }
            ContactChange::Import(row) => self.import_contact(&change.who(), row, when),
            ContactChange::Enroll { who, segments } => self.enroll(who, segments, when),
            ContactChange::SetStatus { who, status, reason } => {
                let id = self.people.find_known(who)?.id;
                self.set_status(id, *status, reason, when);
                self.draw_where_eligible(id, when);
                Ok((id, false))
            }
            ContactChange::Tag { who, add, remove } => {
                let id = self.people.find_known(who)?.id;
                self.tag(id, add, remove, when);
                Ok((id, false))
            }
            ContactChange::Flag { who, statement } => {
                let id = self.people.find_known(who)?.id;
                self.flag(id, FlagCause::ByHand, Some(statement), when);
                Ok((id, false))
            }
            ContactChange::Unflag { who, statement } => {
                let id = self.people.find_known(who)?.id;
                self.unflag(id, statement, when);
                Ok((id, false))
            }
        }
    }

    /// Finds a contact, or creates it as a prospect (A6). A key that is new to a contact without one is added (A15); a
    /// key of another kind of value stays: only an upsert changes it.
    pub(super) fn ensure_contact(
        &mut self,
        who: &ContactRef,
        when: Moment,
    ) -> Result<(ContactId, bool), Violation> {
        let Some(id) = self.people.find(who)? else {
            return Ok((self.create_contact(who, when), true));
        };
        let known = self.people.get(id);
        let (lacks_email, lacks_uid) =
            known.map_or((false, false), |contact| (contact.email.is_none(), contact.uid.is_none()));
        if let Some(email) = who.email.as_ref().filter(|_| lacks_email) {
            self.people.set_email(id, email);
        }
        if let Some(uid) = who.uid.as_ref().filter(|_| lacks_uid) {
            self.people.set_uid(id, uid);
        }
        Ok((id, false))
    }

    /// Puts contacts into a segment, and takes contacts out: all, or on the first violation none.
    pub(crate) fn update_members(
        &mut self,
        segment: &SegmentId,
        add: &[ContactId],
        remove: &[ContactId],
        when: Moment,
    ) {
        for id in add {
            if self.people.join(*id, segment) {
                self.touch(segment);
                self.record(when.occurred_at, Fact::SegmentJoined(*id, segment.clone()));
                self.draw_coupons(*id, &BTreeSet::from([segment.clone()]), when.occurred_at);
            }
        }
        for id in remove {
            if self.people.leave(*id, segment) {
                self.touch(segment);
                self.record(when.occurred_at, Fact::SegmentLeft(*id, segment.clone()));
            }
        }
    }

    fn create_contact(&mut self, who: &ContactRef, when: Moment) -> ContactId {
        let id = new_id(when.now);
        self.people.create(Contact {
            id,
            email: who.email.clone(),
            uid: who.uid.clone(),
            profile: Profile::default(),
            tags: BTreeSet::new(),
            status: ContactStatus::Prospect,
            segments: BTreeSet::new(),
            created_at: when.occurred_at,
            flags: BTreeMap::new(),
            erased_at: None,
            properties: Properties::new(),
        });
        self.record(when.occurred_at, Fact::ContactCreated(id));
        id
    }

    pub(super) fn upsert(
        &mut self,
        who: &ContactRef,
        (profile, changes): (&Profile, &PropertyChanges),
        when: Moment,
    ) -> Result<(ContactId, bool), Violation> {
        let properties = self.changed_properties(who, changes)?;
        let (id, created) = self.ensure_contact(who, when)?;
        let Some(contact) = self.people.get(id) else { return Err(Violation::ContactNotFound(Some(id))) };
        let (mut merged, old_email, old_uid) =
            (contact.profile.clone(), contact.email.clone(), contact.uid.clone());
        // `find` has seen that a key that is not this contact's is nobody's
        if let Some(email) = who.email.as_ref().filter(|email| old_email.as_ref() != Some(email)) {
            self.people.set_email(id, email);
        }
        if let Some(uid) = who.uid.as_ref().filter(|uid| old_uid.as_ref() != Some(uid)) {
            self.people.set_uid(id, uid);
        }
        if merged.merge(profile)
            && let Some(contact) = self.people.change(id)
        {
            contact.profile = merged;
        }
        if let Some(properties) = properties
            && let Some(contact) = self.people.change(id)
        {
            contact.properties = properties;
        }
        Ok((id, created))
    }

    /// The properties of a contact after an upsert, if they become others. They are held to what is defined if they do, and
    /// if the contact is new (A15).
    fn changed_properties(
        &self,
        who: &ContactRef,
        changes: &PropertyChanges,
    ) -> Result<Option<Properties>, Violation> {
        let known = self.people.find(who)?.and_then(|id| self.people.get(id));
        let held = known.map(|contact| contact.properties.clone()).unwrap_or_default();
        let mut changed = held.clone();
        for (name, value) in changes {
            match value {
                Some(value) => changed.insert(name.clone(), value.clone()),
                // a name that is not defined is a mistake, also if it is to go
                None if self.definitions.contains_key(name) => changed.remove(name),
                None => {
                    let fault = (name.clone(), PropertyFault::Unknown);
                    return Err(Violation::Properties(vec![fault]));
                }
            };
        }
        if known.is_none() || changed != held {
            property::check(&changed, &self.definitions).map_err(Violation::Properties)?;
        }
        Ok((changed != held).then_some(changed))
    }

    fn enroll(
        &mut self,
        who: &ContactRef,
        segments: &BTreeSet<SegmentId>,
        when: Moment,
    ) -> Result<(ContactId, bool), Violation> {
        self.may_join(who, segments, Some(ContactStatus::Enrolled))?;
        let (id, created) = self.ensure_contact(who, when)?;
        self.set_status(id, ContactStatus::Enrolled, "", when);
        for segment in segments {
            self.update_members(segment, &[id], &[], when);
        }
        self.draw_where_eligible(id, when);
        Ok((id, created))
    }

    /// Has a contact draw a code wherever it may be an advocate by now (A14).
    pub(super) fn draw_where_eligible(&mut self, id: ContactId, when: Moment) {
        if let Some(segments) = self.people.get(id).map(|contact| contact.segments.clone()) {
            self.draw_coupons(id, &segments, when.occurred_at);
        }
    }

    pub(super) fn set_status(&mut self, contact: ContactId, to: ContactStatus, reason: &str, when: Moment) {
        let from = self.people.get(contact).map(|contact| contact.status).filter(|from| *from != to);
        if let Some(from) = from
            && let Some(stored) = self.people.change(contact)
        {
            stored.status = to;
            self.record(when.occurred_at, Fact::ContactStatusChanged { contact, from, to });
            self.note_status(contact, (from, to), reason, when);
        }
    }

    pub(super) fn tag(
        &mut self,
        id: ContactId,
        add: &BTreeSet<String>,
        remove: &BTreeSet<String>,
        when: Moment,
    ) {
        let Some(contact) = self.people.get(id) else { return };
        let added: Vec<String> = add.difference(&contact.tags).cloned().collect();
        let removed: Vec<String> = remove.intersection(&contact.tags).cloned().collect();
        if added.is_empty() && removed.is_empty() {
            return;
        }
        if let Some(contact) = self.people.change(id) {
            contact.tags.extend(added.iter().cloned());
            contact.tags.retain(|tag| !removed.contains(tag));
            self.record(when.occurred_at, Fact::ContactTagged { contact: id, added, removed });
        }
    }
}
