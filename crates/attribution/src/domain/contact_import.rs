//! Rows of a file of contacts (A15).

use std::collections::BTreeSet;

use types::{ContactId, Email, SegmentId};

use super::contact_commands::PropertyChanges;
use super::{Book, ContactRef, ContactStatus, Moment, Profile, Uid, Violation};

/// A contact as a file has it; what is empty leaves what is stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContactRow {
    /// E-mail address, if given.
    pub(crate) email: Option<Email>,
    /// Uid, if given.
    pub(crate) uid: Option<Uid>,
    /// Names and the like.
    pub(crate) profile: Profile,
    /// Custom properties.
    pub(crate) properties: PropertyChanges,
    /// Tags to add.
    pub(crate) tags: BTreeSet<String>,
    /// The status it is to have.
    pub(crate) status: Option<ContactStatus>,
    /// Segments to join.
    pub(crate) segments: BTreeSet<SegmentId>,
}

impl Book {
    /// Carries out all that a row says, or nothing of it.
    pub(super) fn import_contact(
        &mut self,
        who: &ContactRef,
        row: &ContactRow,
        when: Moment,
    ) -> Result<(ContactId, bool), Violation> {
        self.may_join(who, &row.segments, row.status)?;
        let (id, created) = self.upsert(who, (&row.profile, &row.properties), when)?;
        if let Some(status) = row.status {
            self.set_status(id, status, "", when);
        }
        self.tag(id, &row.tags, &BTreeSet::new(), when);
        for segment in &row.segments {
            self.update_members(segment, &[id], &[], when);
        }
        self.draw_where_eligible(id, when);
        Ok((id, created))
    }

    /// Whether a contact may join segments by hand, and have a status: who is banned stays so in passing.
    pub(super) fn may_join(
        &self,
        who: &ContactRef,
        segments: &BTreeSet<SegmentId>,
        status: Option<ContactStatus>,
    ) -> Result<(), Violation> {
        if let Some(unknown) = segments.iter().find(|segment| !self.segments.contains(*segment)) {
            return Err(Violation::SegmentNotFound(unknown.clone()));
        }
        if let Some(by_rule) = segments.iter().find(|segment| self.rules.contains_key(*segment)) {
            return Err(Violation::SegmentByRule(by_rule.clone()));
        }
        let known = self.people.find(who)?.and_then(|id| self.people.get(id));
        match known {
            Some(contact)
                if contact.status == ContactStatus::Banned
                    && status.is_some_and(|status| status != ContactStatus::Banned) =>
            {
                Err(Violation::ContactBanned(contact.id))
            }
            _ => Ok(()),
        }
    }
}
