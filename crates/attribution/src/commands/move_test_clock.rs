//! Setting and advancing a test clock (M4).

use observe::metrics::{Duplicate, duplicates};
use pg::requests::{self, Seen};
use pg::{Audit, Database, Inserts};
use types::{Clock, Origin, TenantId, Timestamp};

use super::{Error, Request};
use crate::domain::test_clock::ClockMove;
use crate::domain::{Books, Violation};
use crate::store;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Moved {
    /// What the clock shows now.
    pub(crate) shows: Timestamp,
    /// Whether the request was carried out before.
    pub(crate) replayed: bool,
}

/// Moves the clock. A request that was carried out before moves nothing.
pub(crate) async fn run(
    db: &Database,
    clock: &dyn Clock,
    (tenant, origin): (&TenantId, &Origin),
    how: ClockMove,
    request: Option<Request>,
) -> Result<Moved, Error> {
    let mut tx = db.write().await?;
    let mut books = Books::default();
    store::load_clocks(&mut tx, [tenant], &mut books).await?;
    let keys: Vec<_> = request.iter().map(|request| request.key.clone()).collect();
    let seen = requests::load(&mut tx, &keys).await?;
    let book = books.of(tenant);
    if let Some((request, seen)) = request.as_ref().and_then(|r| Some((r, seen.get(&r.key)?))) {
        if request.hash != seen.hash {
            return Err(Violation::RequestIdReused.into());
        }
        duplicates(Duplicate::RequestId, 1);
        let shows = book.test_clock.ok_or(Violation::TestClockNotFound)?;
        return Ok(Moved { shows, replayed: true });
    }
    let shows = book.move_clock(tenant, how)?;
    let mut audit = Audit::default();
    super::sign(&mut audit, tenant, book, origin);
    let now = clock.now();
    let made = request.map(|request| (request.key, Seen { hash: request.hash, resources: Vec::new() }));
    let mut inserts = Inserts::default();
    requests::save(&mut inserts, made.as_slice(), now);
    store::put_clock(&mut tx, tenant, shows).await?;
    super::finish(tx, inserts, &audit, &books, now).await?;
    Ok(Moved { shows, replayed: false })
}
