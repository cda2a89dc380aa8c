//! Changes of contacts: upsert, enrol, status, tags.

use std::collections::BTreeSet;
use std::sync::Arc;

use batch::{Prepared, Work};
use pg::{Audit, Database, Inserts, WriteTx};
use types::property::{PropertyName, PropertyValue};
use types::{Clock, CouponCode, Origin, SegmentId, TenantId, Timestamp};

use super::Error;
use super::rules::Rules;
use crate::domain::contact_commands::ContactChange;
use crate::domain::{Books, Contact, ContactRef, ContactStatus, Violation};
use crate::store::{self, ContactKeys, SegmentKeys};

/// One change of one tenant's contact.
#[derive(Debug)]
pub(crate) struct Command {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Who changes it, how, and under which trace.
    pub(crate) origin: Origin,
    /// What is to change.
    pub(crate) change: ContactChange,
    /// When it happened; default now.
    pub(crate) occurred_at: Option<Timestamp>,
}

/// The answer to a change.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The contact as it is now.
    pub(crate) contact: Contact,
    /// Whether it was created.
    pub(crate) created: bool,
    /// Coupon codes that it drew from pools (A14).
    pub(crate) drawn: Vec<CouponCode>,
}

/// Carries out changes of contacts.
#[derive(Debug)]
pub(crate) struct ChangeContacts {
    /// Where they are stored.
    pub(crate) db: Database,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Compiled rules of segments.
    pub(crate) rules: Rules,
}

impl Work for ChangeContacts {
    type Command = Command;
    type Prepared = (Command, ContactRef);
    type Answer = Changed;
    type Error = Error;

    fn weight(command: &Command) -> usize {
        size_of::<Command>() + 512 + command.change.properties().iter().map(held).sum::<usize>()
    }

    async fn prepare(&self, commands: Vec<Command>) -> Vec<Prepared<Self::Prepared, Changed, Error>> {
        let with_ref = |command: Command| {
            let who = command.change.who();
            Prepared::Apply((command, who))
        };
        commands.into_iter().map(with_ref).collect()
    }

    async fn apply(&self, slice: &[Self::Prepared]) -> Result<Vec<Result<Changed, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut books = load(&mut tx, slice, &self.rules).await?;
        let mut audit = Audit::default();
        let decide = |(command, _): &Self::Prepared| {
            let decided = decide(&mut books, command, &*self.clock);
            super::sign(&mut audit, &command.tenant, books.of(&command.tenant), &command.origin);
            decided
        };
        let answers = slice.iter().map(decide).collect();
        super::finish(tx, Inserts::default(), &audit, &books, self.clock.now()).await?;
        Ok(answers)
    }
}

fn decide(books: &mut Books, command: &Command, clock: &dyn Clock) -> Result<Changed, Error> {
    let book = books.of(&command.tenant);
    let when = super::moment(&command.tenant, command.occurred_at, book.test_clock, clock)?;
    let (id, created) = book.change_contact(&command.change, when)?;
    let contact = book.people.get(id).cloned().ok_or(Violation::ContactNotFound(Some(id)))?;
    Ok(Changed { contact, created, drawn: book.coupons.take_drawn() })
}

/// Segments beside those named in which contacts may become advocates: by rule, or by their status alone.
fn joinable(slice: &[(Command, ContactRef)], books: &Books) -> BTreeSet<(TenantId, SegmentId)> {
    let by_rule = books.iter().flat_map(|(tenant, book)| book.rules.keys().map(move |s| (tenant, s)));
    let enrolls = |command: &Command| match &command.change {
        ContactChange::Enroll { .. } => true,
        ContactChange::SetStatus { status, .. } => *status == ContactStatus::Enrolled,
        ContactChange::Upsert { .. }
        | ContactChange::Tag { .. }
        | ContactChange::Flag { .. }
        | ContactChange::Unflag { .. } => false,
    };
    let enrolled = slice.iter().filter(|(command, _)| enrolls(command)).flat_map(|(command, who)| {
        let known = books.get(&command.tenant).and_then(|book| book.people.find_known(who).ok());
        known.into_iter().flat_map(|contact| &contact.segments).map(|segment| (&command.tenant, segment))
    });
    by_rule.chain(enrolled).map(|(tenant, segment)| (tenant.clone(), segment.clone())).collect()
}

/// Bytes of a property, about.
fn held((name, value): &(PropertyName, Option<PropertyValue>)) -> usize {
    let text = match value {
        Some(PropertyValue::Text(text)) => text.len(),
        _ => 0,
    };
    64 + name.as_str().len() + text
}

async fn load(tx: &mut WriteTx, slice: &[(Command, ContactRef)], rules: &Rules) -> Result<Books, pg::Error> {
    let mut books = Books::default();
    store::load_clocks(tx, slice.iter().map(|(command, _)| &command.tenant), &mut books).await?;
    let mut contacts = ContactKeys::default();
    let mut segments = SegmentKeys::default();
    for (command, who) in slice {
        contacts.add(&command.tenant, who);
        for segment in command.change.segments() {
            segments.add(&command.tenant, segment);
        }
    }
    let upserts = slice.iter().filter(|(command, _)| matches!(command.change, ContactChange::Upsert { .. }));
    store::load_definitions(tx, upserts.map(|(command, _)| &command.tenant), &mut books).await?;
    store::load_contacts(tx, &contacts, &mut books).await?;
    store::load_segments(tx, &segments, &mut books).await?;
    rules.load(tx, slice.iter().map(|(command, _)| &command.tenant), &mut books).await?;
    // only who joins segments, or becomes an advocate in those it is in, draws from pools
    let joins = joinable(slice, &books);
    joins.iter().for_each(|(tenant, segment)| segments.add(tenant, segment));
    store::load_campaigns_of_segments(tx, &segments, &mut books).await?;
    store::load_coupon_pools(tx, slice.len(), &mut books).await?;
    Ok(books)
}
