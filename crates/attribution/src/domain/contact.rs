//! One contact.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use types::property::Properties;
use types::{ContactId, Email, IdError, SegmentId, Timestamp};

use super::numbered::numbered;
use super::{Campaign, Flag, FlagCause};

numbered!(
    /// Where a contact stands with the tenant.
    ContactStatus {
        /// Known, but not enrolled.
        Prospect = 1,
        /// May act as an advocate.
        Enrolled = 2,
        /// Opted out.
        Unsubscribed = 3,
        /// Shut out.
        Banned = 4,
    }
);

impl ContactStatus {
    /// All of them, as rules and files have them: the values of the contract without their prefix.
    const NAMES: [(Self, &'static str); 4] = [
        (Self::Prospect, "PROSPECT"),
        (Self::Enrolled, "ENROLLED"),
        (Self::Unsubscribed, "UNSUBSCRIBED"),
        (Self::Banned, "BANNED"),
    ];

    /// The name of the value.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.into_iter().find_map(|(of, name)| (of == self).then_some(name)).unwrap_or_default()
    }

    /// The value of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find_map(|(of, known)| (known == name).then_some(of))
    }
}

/// The caller's own id of a contact; compared exactly. `Debug` shows no part of it (A13).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Uid(String);

impl Uid {
    const MAX_BYTES: usize = 128;

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Uid {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "" => Err(IdError::Empty),
            _ if text.len() > Self::MAX_BYTES => Err(IdError::TooLong(Self::MAX_BYTES)),
            _ if text.trim() != text || text.chars().any(char::is_control) => {
                Err(IdError::Form("printable text without spaces at its ends"))
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uid(…)")
    }
}

/// Names a contact by one or more of its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ContactRef {
    /// Its id.
    pub(crate) id: Option<ContactId>,
    /// Its e-mail address.
    pub(crate) email: Option<Email>,
    /// The caller's own id.
    pub(crate) uid: Option<Uid>,
}

/// What an upsert brings; empty texts leave what is stored.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    /// First name.
    pub(crate) first_name: String,
    /// Last name.
    pub(crate) last_name: String,
    /// Company.
    pub(crate) company: String,
    /// BCP 47 language tag.
    pub(crate) locale: String,
}

impl Profile {
    /// Takes over what `new` brings; whether that changed anything.
    pub(super) fn merge(&mut self, new: &Self) -> bool {
        let pairs = [
            (&mut self.first_name, &new.first_name),
            (&mut self.last_name, &new.last_name),
            (&mut self.company, &new.company),
            (&mut self.locale, &new.locale),
        ];
        let mut changed = false;
        for (old, new) in pairs {
            if !new.is_empty() && old != new {
                old.clone_from(new);
                changed = true;
            }
        }
        changed
    }
}

/// A person.
#[derive(Debug, Clone)]
pub(crate) struct Contact {
    /// Made by us.
    pub(crate) id: ContactId,
    /// E-mail address, if known.
    pub(crate) email: Option<Email>,
    /// The caller's own id, if known.
    pub(crate) uid: Option<Uid>,
    /// Names and the like.
    pub(crate) profile: Profile,
    /// Tags.
    pub(crate) tags: BTreeSet<String>,
    /// Status.
    pub(crate) status: ContactStatus,
    /// Segments it is in.
    pub(crate) segments: BTreeSet<SegmentId>,
    /// When it came to be known (business time).
    pub(crate) created_at: Timestamp,
    /// Its flags, those lifted among them.
    pub(crate) flags: BTreeMap<FlagCause, Flag>,
    /// When it was erased, if it was (A13).
    pub(crate) erased_at: Option<Timestamp>,
    /// Custom properties.
    pub(crate) properties: Properties,
}

impl Contact {
    /// Whether it may act as an advocate of `campaign` (A5).
    pub(crate) fn is_eligible(&self, campaign: &Campaign) -> bool {
        self.status == ContactStatus::Enrolled && campaign.segments.iter().any(|s| self.segments.contains(s))
    }

    /// Whether its codes resolve to anything (A9).
    pub(crate) fn codes_resolve(&self) -> bool {
        match self.status {
            ContactStatus::Prospect | ContactStatus::Enrolled => true,
            ContactStatus::Unsubscribed | ContactStatus::Banned => false,
        }
    }
}
