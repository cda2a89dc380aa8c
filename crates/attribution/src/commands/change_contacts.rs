//! Changes of contacts: upsert, enrol, status, tags.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use batch::{Prepared, Work};
use observe::metrics::{Duplicate, duplicates};
use pg::requests::{self, Key, Seen};
use pg::{Audit, Database, Inserts, WriteTx};
use sqlx::PgConnection;
use types::property::{PropertyName, PropertyValue};
use types::{Clock, ContactId, CouponCode, Origin, SegmentId, TenantId, Timestamp};

use super::rules::Rules;
use super::{Error, Request};
use crate::domain::contact_commands::ContactChange;
use crate::domain::contact_import::ContactRow;
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
    /// Optional beside the natural key.
    pub(crate) request: Option<Request>,
}

/// The answer to a change.
#[derive(Debug)]
pub(crate) struct Changed {
    /// The contact as it is now.
    pub(crate) contact: Contact,
    /// Whether it was created.
    pub(crate) created: bool,
    /// Whether anything of it is other than before.
    pub(crate) is_other: bool,
    /// Coupon codes that it drew from pools (A14).
    pub(crate) drawn: Vec<CouponCode>,
    /// Whether the request was carried out before.
    pub(crate) replayed: bool,
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
        let properties = command.change.properties().iter().map(held).sum::<usize>();
        let row = match &command.change {
            ContactChange::Import(row) => {
                size_of::<ContactRow>() + 128 * (row.tags.len() + row.segments.len())
            }
            _ => 0,
        };
        size_of::<Command>() + 512 + properties + row
    }

    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<Command>) -> Vec<Prepared<Self::Prepared, Changed, Error>> {
        commands.into_iter().map(|command| Prepared::Apply(with_ref(command))).collect()
    }

    async fn apply(&self, slice: &[Self::Prepared]) -> Result<Vec<Result<Changed, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut requests = Requests::load(&mut tx, slice).await?;
        let mut books = load(&mut tx, slice, &requests, &self.rules).await?;
        let mut audit = Audit::default();
        let answers = decide_all(slice, &mut books, &mut requests, &mut audit, &*self.clock);
        let (mut inserts, now) = (Inserts::default(), self.clock.now());
        requests::save(&mut inserts, &requests.made, now);
        super::finish(tx, inserts, &audit, &books, now).await?;
        Ok(answers)
    }
}

/// What would come of changes now, one after the other, of which nothing is written.
pub(crate) async fn try_out(
    db: &Database,
    clock: &dyn Clock,
    rules: &Rules,
    commands: Vec<Command>,
) -> Result<Vec<Result<Changed, Error>>, pg::Error> {
    let slice: Vec<(Command, ContactRef)> = commands.into_iter().map(with_ref).collect();
    let mut conn = db.read().acquire().await?;
    let mut requests = Requests::default();
    let mut books = load(&mut conn, &slice, &requests, rules).await?;
    Ok(decide_all(&slice, &mut books, &mut requests, &mut Audit::default(), clock))
}

fn with_ref(command: Command) -> (Command, ContactRef) {
    let who = command.change.who();
    (command, who)
}

fn decide_all(
    slice: &[(Command, ContactRef)],
    books: &mut Books,
    requests: &mut Requests,
    audit: &mut Audit,
    clock: &dyn Clock,
) -> Vec<Result<Changed, Error>> {
    let decide = |(command, _): &(Command, ContactRef)| {
        if let Some(replayed) = requests.replay(books, command) {
            return replayed;
        }
        let decided = decide(books, command, clock);
        if let Ok(changed) = &decided {
            requests.remember(command, changed.contact.id);
        }
        let is_other = super::sign(audit, &command.tenant, books.of(&command.tenant), &command.origin);
        decided.map(|changed| Changed { is_other, ..changed })
    };
    slice.iter().map(decide).collect()
}

/// The request ids of a slice.
#[derive(Debug, Default)]
struct Requests {
    /// Those that were carried out before, by earlier commands of the slice among them.
    seen: HashMap<Key, Seen>,
    /// Those that are new.
    made: Vec<(Key, Seen)>,
}

impl Requests {
    async fn load(tx: &mut WriteTx, slice: &[(Command, ContactRef)]) -> Result<Self, pg::Error> {
        let keys: Vec<Key> =
            slice.iter().filter_map(|(command, _)| command.request.as_ref()).map(|r| r.key.clone()).collect();
        Ok(Self { seen: requests::load(tx, &keys).await?, made: Vec::new() })
    }

    /// The contacts that were made or changed.
    fn contacts(&self) -> impl Iterator<Item = (&TenantId, ContactId)> {
        self.seen.iter().filter_map(|(key, seen)| Some((&key.tenant, seen.resources.first()?.parse().ok()?)))
    }

    /// The contact as it is now, if the command was carried out before.
    fn replay(&self, books: &mut Books, command: &Command) -> Option<Result<Changed, Error>> {
        let request = command.request.as_ref()?;
        let seen = self.seen.get(&request.key)?;
        if seen.hash != request.hash {
            return Some(Err(Violation::RequestIdReused.into()));
        }
        duplicates(Duplicate::RequestId, 1);
        let id = seen.resources.first()?.parse().ok();
        let contact = id.and_then(|id| books.of(&command.tenant).people.get(id)).cloned();
        let changed =
            |contact| Changed { contact, created: false, is_other: false, drawn: Vec::new(), replayed: true };
        Some(contact.map(changed).ok_or_else(|| Violation::ContactNotFound(id).into()))
    }

    fn remember(&mut self, command: &Command, contact: ContactId) {
        if let Some(Request { key, hash }) = &command.request {
            let seen = Seen { hash: hash.clone(), resources: vec![contact.to_string()] };
            self.made.push((key.clone(), seen.clone()));
            self.seen.insert(key.clone(), seen);
        }
    }
}

fn decide(books: &mut Books, command: &Command, clock: &dyn Clock) -> Result<Changed, Error> {
    let book = books.of(&command.tenant);
    let when = super::moment(&command.tenant, command.occurred_at, book.test_clock, clock)?;
    let (id, created) = book.change_contact(&command.change, when)?;
    let contact = book.people.get(id).cloned().ok_or(Violation::ContactNotFound(Some(id)))?;
    let drawn = book.coupons.take_drawn();
    Ok(Changed { contact, created, is_other: false, drawn, replayed: false })
}

/// Segments beside those named in which contacts may become advocates: by rule, or by their status alone.
fn joinable(slice: &[(Command, ContactRef)], books: &Books) -> BTreeSet<(TenantId, SegmentId)> {
    let by_rule = books.iter().flat_map(|(tenant, book)| book.rules.keys().map(move |s| (tenant, s)));
    let enrolls = |command: &Command| match &command.change {
        ContactChange::Enroll { .. } => true,
        ContactChange::Import(row) => row.status == Some(ContactStatus::Enrolled),
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

async fn load(
    tx: &mut PgConnection,
    slice: &[(Command, ContactRef)],
    requests: &Requests,
    rules: &Rules,
) -> Result<Books, pg::Error> {
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
    for (tenant, contact) in requests.contacts() {
        contacts.add_id(tenant, contact);
    }
    let is_upsert = |change: &_| matches!(change, ContactChange::Upsert { .. } | ContactChange::Import(_));
    let upserts = slice.iter().filter(|(command, _)| is_upsert(&command.change));
    store::load_definitions(tx, upserts.map(|(command, _)| &command.tenant), &mut books).await?;
    store::load_contacts(tx, &contacts, &mut books).await?;
    store::load_segments(tx, &segments, &mut books).await?;
    rules.load(tx, slice.iter().map(|(command, _)| &command.tenant), &mut books).await?;
    // only who joins segments, or becomes an advocate in those it is in, draws from pools
    let joins = joinable(slice, &books);
    for (tenant, segment) in &joins {
        segments.add(tenant, segment);
    }
    store::load_campaigns_of_segments(tx, &segments, &mut books).await?;
    store::load_coupon_pools(tx, slice.len(), &mut books).await?;
    Ok(books)
}
