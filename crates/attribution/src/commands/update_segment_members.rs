//! Adding contacts to, and removing contacts from, a segment: all of them or none.

use pg::{Audit, Database, Inserts};
use types::{Clock, ContactId, Origin, SegmentId, TenantId, Timestamp};

use super::Error;
use super::rules::Rules;
use crate::domain::{Book, Books, ContactRef, Violation};
use crate::store::{self, ContactKeys, Segment, SegmentKeys};

/// What is to change.
#[derive(Debug)]
pub(crate) struct Command {
    /// Who changes it, how, and under which trace.
    pub(crate) origin: Origin,
    /// Which segment.
    pub(crate) segment: SegmentId,
    /// Who is to be in it.
    pub(crate) add: Vec<ContactRef>,
    /// Who is not.
    pub(crate) remove: Vec<ContactRef>,
    /// When it happened; default now.
    pub(crate) occurred_at: Option<Timestamp>,
}

/// Changes the members of a segment; the segment as it is then.
pub(crate) async fn run(
    (db, rules): (&Database, &Rules),
    clock: &dyn Clock,
    tenant: &TenantId,
    command: &Command,
) -> Result<Segment, Error> {
    let mut tx = db.write().await?;
    let mut books = Books::default();
    let mut contacts = ContactKeys::default();
    for who in command.add.iter().chain(&command.remove) {
        contacts.add(tenant, who);
    }
    let mut segments = SegmentKeys::default();
    segments.add(tenant, &command.segment);
    store::load_clocks(&mut tx, [tenant], &mut books).await?;
    store::load_segments(&mut tx, &segments, &mut books).await?;
    store::load_contacts(&mut tx, &contacts, &mut books).await?;
    rules.load(&mut tx, [tenant], &mut books).await?;
    store::load_campaigns_of_segments(&mut tx, &segments, &mut books).await?;
    store::load_coupon_pools(&mut tx, command.add.len(), &mut books).await?;

    let book = books.of(tenant);
    if !book.segments.contains(&command.segment) {
        return Err(Violation::SegmentNotFound(command.segment.clone()).into());
    }
    if book.rules.contains_key(&command.segment) {
        return Err(Violation::SegmentByRule(command.segment.clone()).into());
    }
    let when = super::moment(tenant, command.occurred_at, book.test_clock, clock)?;
    let add = known(book, "add", &command.add)?;
    let remove = known(book, "remove", &command.remove)?;
    book.update_members(&command.segment, &add, &remove, when);

    let mut audit = Audit::default();
    super::sign(&mut audit, tenant, book, &command.origin);
    let mut inserts = Inserts::default();
    audit.save(&mut inserts, when.now);
    let changed = store::save(&mut tx, inserts, &books, when.now).await?;
    let segment = store::get_segment(&mut tx, tenant, &command.segment).await?;
    if changed {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    segment.ok_or_else(|| Violation::SegmentNotFound(command.segment.clone()).into())
}

/// Who is meant; somebody unknown is named by the path.
fn known(book: &Book, list: &str, refs: &[ContactRef]) -> Result<Vec<ContactId>, Error> {
    let find = |(n, who)| match book.people.find_known(who) {
        Ok(contact) => Ok(contact.id),
        Err(violation) => Err(Error::At(format!("{list}[{n}]"), violation)),
    };
    refs.iter().enumerate().map(find).collect()
}
