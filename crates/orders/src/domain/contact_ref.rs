//! How a caller names a contact. Personal data: it passes through and is never stored or logged here (A13).

use std::fmt;

use types::{ContactId, Email};

/// The caller's own id of a contact. `Debug` shows no part of it (A13).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Uid(String);

impl Uid {
    /// The longest accepted, in bytes.
    pub(crate) const MAX_BYTES: usize = 128;

    /// A checked text becomes a uid.
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The uid, for passing on; never for logging.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uid(…)")
    }
}

/// A contact by id, e-mail or uid; at least one is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ContactRef {
    /// The contact's own id.
    pub(crate) contact_id: Option<ContactId>,
    /// E-mail address.
    pub(crate) email: Option<Email>,
    /// The caller's id.
    pub(crate) uid: Option<Uid>,
}

impl ContactRef {
    /// Whether it names nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.contact_id.is_none() && self.email.is_none() && self.uid.is_none()
    }

    /// Bytes that are equal for equal references, to be hashed.
    pub(crate) fn canonical(&self) -> Vec<u8> {
        let id = self.contact_id.map(|id| id.to_string()).unwrap_or_default();
        let email = self.email.as_ref().map_or("", Email::as_str);
        let uid = self.uid.as_ref().map_or("", Uid::as_str);
        // none of the three holds a NUL
        [id.as_str(), email, uid].join("\0").into_bytes()
    }
}
