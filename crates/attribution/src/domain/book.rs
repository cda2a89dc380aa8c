//! What a slice of commands has loaded, and what became of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use types::property::Definitions;
use types::{CampaignId, ContactId, Origin, SegmentId, TenantId, Timestamp};

use super::attribution::Attributions;
use super::code::Codes;
use super::coupon::Coupons;
use super::history::History;
use super::people::People;
use super::rule::Rule;
use super::visit::Visits;
use super::{Campaign, Event, Fact, LoggedAttempt};

/// When a command happens: business time, and real time for what is recorded (M3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// When it happened.
    pub(crate) occurred_at: Timestamp,
    /// What the real clock shows.
    pub(crate) now: Timestamp,
}

/// A stored thing, and whether the slice changed it: what did not change is not written.
#[derive(Debug, Clone)]
pub(crate) struct Tracked<T> {
    value: T,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    Changed,
    Created,
}

impl<T> Tracked<T> {
    /// As it was loaded.
    pub(crate) fn stored(value: T) -> Self {
        Self { value, fate: Fate::Stored }
    }

    /// New in this slice.
    pub(crate) fn created(value: T) -> Self {
        Self { value, fate: Fate::Created }
    }

    /// As it is now.
    pub(crate) fn get(&self) -> &T {
        &self.value
    }

    /// To be changed, and so to be written.
    pub(crate) fn change(&mut self) -> &mut T {
        if self.fate == Fate::Stored {
            self.fate = Fate::Changed;
        }
        &mut self.value
    }

    /// To be changed in a part that is written elsewhere.
    pub(super) fn untracked(&mut self) -> &mut T {
        &mut self.value
    }

    /// Whether it is new.
    pub(crate) fn is_created(&self) -> bool {
        self.fate == Fate::Created
    }

    /// Whether it was there before, and is different now.
    pub(crate) fn is_changed(&self) -> bool {
        self.fate == Fate::Changed
    }
}

/// What is known of one tenant. A command sees its own tenant's book and no other (M6).
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// What the tenant's test clock shows, if it has one.
    pub(crate) test_clock: Option<Timestamp>,
    /// What the tenant defines for its contacts, where a command may set it.
    pub(crate) definitions: Definitions,
    /// Contacts.
    pub(crate) people: People,
    /// Segments that exist.
    pub(crate) segments: HashSet<SegmentId>,
    /// All segments by rule, where a command may change a contact.
    pub(crate) rules: BTreeMap<SegmentId, Arc<Rule>>,
    /// Campaigns.
    pub(crate) campaigns: HashMap<CampaignId, Campaign>,
    /// Shortcodes.
    pub(crate) codes: Codes,
    /// Coupon codes.
    pub(crate) coupons: Coupons,
    /// Visits.
    pub(crate) visits: Visits,
    /// Attributions.
    pub(crate) attributions: Attributions,
    /// New attempts, in order.
    pub(crate) attempts: Vec<LoggedAttempt>,
    /// New events, in order.
    pub(crate) events: Vec<Event>,
    /// New history.
    pub(crate) history: History,
    /// Events whose origin is known.
    signed: usize,
    /// Ids of what was made or changed since then.
    touched: BTreeSet<String>,
}

impl Book {
    /// Records a fact for the stream.
    pub(super) fn record(&mut self, occurred_at: Timestamp, fact: Fact) {
        self.events.push(Event { occurred_at, fact, traceparent: None });
    }

    /// Notes something that was made or changed.
    pub(super) fn touch(&mut self, id: &impl ToString) {
        self.touched.insert(id.to_string());
    }

    /// Says where all changes since the last call come from: their events carry its trace. The ids of what was made or
    /// changed by them.
    pub(crate) fn sign(&mut self, origin: &Origin) -> impl Iterator<Item = String> + use<> {
        for event in self.events.iter_mut().skip(self.signed) {
            event.traceparent.clone_from(&origin.traceparent);
        }
        self.signed = self.events.len();
        self.history.sign(origin);
        let contacts = self.people.take_touched();
        let contacts = contacts.into_iter().map(|contact: ContactId| contact.to_string());
        contacts.chain(std::mem::take(&mut self.touched))
    }
}

/// The books of all tenants of a slice.
#[derive(Debug, Default)]
pub(crate) struct Books(BTreeMap<TenantId, Book>);

impl Books {
    /// The book of a tenant; empty if nothing was loaded.
    pub(crate) fn of(&mut self, tenant: &TenantId) -> &mut Book {
        self.0.entry(tenant.clone()).or_default()
    }

    /// The book of a tenant, if anything was loaded.
    pub(crate) fn get(&self, tenant: &TenantId) -> Option<&Book> {
        self.0.get(tenant)
    }

    /// All books, with their tenants.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TenantId, &Book)> {
        self.0.iter()
    }
}
