//! Erasing a contact (A13): at once who it is, then in slices what else names it.

use observe::metrics::{Duplicate, duplicates};
use outbox::erasure::{Open, Removed};
use outbox::{Eraser, Erasures};
use pg::requests::{self, Seen};
use pg::{Audit, Database, Inserts, WriteTx};
use proto::attribution::AttributionEvent;
use types::{Clock, ContactId, Origin, TenantId, Timestamp};

use super::{Error, Request};
use crate::domain::erasure::{Erased, Erasing};
use crate::domain::{Books, ContactRef, Violation};
use crate::store::{self, ContactKeys};
use crate::wire;

/// Whom to erase.
#[derive(Debug)]
pub(crate) struct Command {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Who erases it.
    pub(crate) origin: Origin,
    /// Whom.
    pub(crate) who: ContactRef,
    /// The ids of its browsers.
    pub(crate) visitors: Vec<String>,
    /// When it happened; default now.
    pub(crate) occurred_at: Option<Timestamp>,
    /// Optional beside the natural key.
    pub(crate) request: Option<Request>,
}

/// The contact, and whether it had been erased before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    /// Whom.
    pub(crate) contact: ContactId,
    /// Before this call.
    pub(crate) before: bool,
}

/// Erases a contact.
pub(crate) async fn run(
    db: &Database,
    clock: &dyn Clock,
    erasures: &Erasures,
    command: Command,
) -> Result<Done, Error> {
    let Command { tenant, origin, who, visitors, occurred_at, request } = command;
    let mut tx = db.write().await?;
    if let Some(contact) = replayed(&mut tx, request.as_ref()).await? {
        return Ok(Done { contact, before: true });
    }
    let mut books = load(&mut tx, &tenant, &who).await?;
    let book = books.of(&tenant);
    let when = super::moment(&tenant, occurred_at, book.test_clock, clock)?;
    let (erasing, now) = (book.erase(&who, when)?, when.now);
    let (contact, before) = match &erasing {
        Erasing::Before(contact) => (*contact, true),
        Erasing::Now(erased) => (erased.contact, false),
    };
    let mut inserts = Inserts::default();
    let made = request.map(|r| (r.key, Seen { hash: r.hash, resources: vec![contact.to_string()] }));
    requests::save(&mut inserts, made.as_slice(), now);
    let mut audit = Audit::default();
    super::sign(&mut audit, &tenant, book, &origin);
    if let Erasing::Now(erased) = &erasing {
        store::keep_names(&mut inserts, &tenant, (contact, Some(erased)), &visitors, now);
        let open = Open::new((&tenant, contact), when.occurred_at, &[], origin.traceparent.as_ref());
        erasures.begin(&mut tx, open, &removed(erased), now).await?;
    } else if store::has_visits(&mut tx, &tenant, &visitors).await? {
        store::keep_names(&mut inserts, &tenant, (contact, None), &visitors, now);
        erasures.reopen(&mut tx, &tenant, Some(contact)).await?;
    }
    super::finish(tx, inserts, &audit, &books, now).await?;
    Ok(Done { contact, before })
}

/// What is gone with the contact's own row.
fn removed(erased: &Erased) -> Removed {
    vec![("contacts", 1), ("segment_members", u64::try_from(erased.segments).unwrap_or(u64::MAX))]
}

/// The contact that the same request erased before.
async fn replayed(tx: &mut WriteTx, request: Option<&Request>) -> Result<Option<ContactId>, Error> {
    let Some(request) = request else { return Ok(None) };
    let seen = requests::load(tx, std::slice::from_ref(&request.key)).await?;
    let Some(seen) = seen.get(&request.key) else { return Ok(None) };
    if seen.hash != request.hash {
        return Err(Violation::RequestIdReused.into());
    }
    duplicates(Duplicate::RequestId, 1);
    Ok(seen.resources.first().and_then(|id| id.parse().ok()))
}

async fn load(tx: &mut WriteTx, tenant: &TenantId, who: &ContactRef) -> Result<Books, pg::Error> {
    let mut books = Books::default();
    store::load_clocks(tx, [tenant], &mut books).await?;
    let mut keys = ContactKeys::default();
    keys.add(tenant, who);
    store::load_contacts(tx, &keys, &mut books).await?;
    store::load_definitions(tx, [tenant], &mut books).await?;
    Ok(books)
}

/// Forgets a contact by id, so that the one who asked may be asked no more.
pub(crate) async fn forget_names(
    db: &Database,
    clock: &dyn Clock,
    (tenant, origin): (&TenantId, &Origin),
    contact: ContactId,
) -> Result<(), pg::Error> {
    let mut tx = db.write().await?;
    if !store::forget_names(&mut tx, tenant, contact).await? {
        return tx.rollback().await;
    }
    super::note(&mut tx, tenant, origin, &contact, clock).await?;
    tx.commit().await
}

/// Removes what else names a contact.
#[derive(Debug)]
pub(crate) struct Sweeper;

impl Eraser for Sweeper {
    type Event = AttributionEvent;

    async fn remove(&self, tx: &mut WriteTx, open: &Open, _: &[String]) -> Result<Removed, pg::Error> {
        store::remove_erased(tx, open).await
    }

    fn event(&self, done: &Open, now: Timestamp) -> AttributionEvent {
        wire::erased(done, now)
    }
}
