//! Creating a segment; again is a repeat, or a conflict.

use pg::Database;
use types::{Clock, Origin, SegmentId, TenantId};

use super::Error;
use crate::domain::Violation;
use crate::store::{self, Segment};

/// Creates a segment, or finds that it is there with the same content.
pub(crate) async fn run(
    db: &Database,
    clock: &dyn Clock,
    (tenant, origin): (&TenantId, &Origin),
    segment: SegmentId,
    name: String,
) -> Result<Segment, Error> {
    let mut tx = db.write().await?;
    match store::get_segment(&mut tx, tenant, &segment).await? {
        Some(stored) if stored.name == name => {
            tx.rollback().await?;
            Ok(stored)
        }
        Some(_) => Err(Violation::SegmentExists.into()),
        None => {
            store::insert_segment(&mut tx, tenant, &segment, &name).await?;
            super::note(&mut tx, tenant, origin, &segment, clock).await?;
            tx.commit().await?;
            Ok(Segment { id: segment, name, members: 0 })
        }
    }
}
