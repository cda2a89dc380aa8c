//! Contacts as the rows of a file name them.

use rpc::csv::columns::Cells;
use rpc::{Error, fields};
use types::{ContactId, Email};

use super::read;
use crate::domain::{ContactRef, Uid};

/// The columns that name a contact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    /// An e-mail address, a contact id or a uid, told by what it looks like.
    any: &'static str,
    id: &'static str,
    email: &'static str,
    /// A uid, whatever it looks like.
    uid: &'static str,
}

/// The referred contact.
pub(super) const CONTACT: Who =
    Who { any: "contact", id: "contact_id", email: "contact_email", uid: "contact_uid" };
/// The advocate.
pub(super) const ADVOCATE: Who =
    Who { any: "advocate", id: "advocate_id", email: "advocate_email", uid: "advocate_uid" };

impl Who {
    /// All of them.
    pub(super) fn columns(self) -> [&'static str; 4] {
        [self.any, self.email, self.uid, self.id]
    }

    /// The field by which a row names it, for what a rule says of it.
    pub(super) fn field(self, cells: &Cells<'_>) -> &'static str {
        let is_given = |field: &&str| cells.text(field).is_ok_and(|text| !text.is_empty());
        self.columns().into_iter().find(is_given).unwrap_or(self.any)
    }

    /// Whom a row names, if anybody.
    pub(super) fn read(self, cells: &Cells<'_>) -> Result<Option<ContactRef>, Error> {
        let mut who = ContactRef {
            id: fields::parse_optional(self.id, cells.text(self.id)?)?,
            email: read::email(self.email, cells.text(self.email)?)?,
            uid: fields::parse_optional(self.uid, cells.text(self.uid)?)?,
        };
        let twice = match told_by_form(self.any, cells.text(self.any)?)? {
            Some(Key::Id(id)) => who.id.replace(id).is_some(),
            Some(Key::Email(email)) => who.email.replace(email).is_some(),
            Some(Key::Uid(uid)) => who.uid.replace(uid).is_some(),
            None => false,
        };
        if twice {
            return Err(Error::field(self.any, "is given in a column of its own, too"));
        }
        Ok((who != ContactRef::default()).then_some(who))
    }

    /// Whom a row has to name.
    pub(super) fn required(self, cells: &Cells<'_>) -> Result<ContactRef, Error> {
        self.read(cells)?.ok_or_else(|| Error::field(self.any, "is required"))
    }
}

/// What a contact is known by.
enum Key {
    Id(ContactId),
    Email(Email),
    Uid(Uid),
}

fn told_by_form(path: &str, text: &str) -> Result<Option<Key>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains('@') {
        return Email::parse(text).map(|email| Some(Key::Email(email))).map_err(|e| Error::field(path, e));
    }
    match text.parse() {
        Ok(id) => Ok(Some(Key::Id(id))),
        Err(_) => fields::parse(path, text).map(|uid| Some(Key::Uid(uid))),
    }
}
