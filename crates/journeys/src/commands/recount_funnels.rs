//! Counts funnels anew that are marked for it, as a migration that cannot read definitions leaves them (J11).

use pg::Database;

use crate::store::definitions::{self, Definitions};
use crate::store::funnel;

/// Goes through them, each in a transaction of its own.
pub(crate) async fn recount_funnels(db: &Database, known: &Definitions) -> Result<(), pg::Error> {
    loop {
        let mut tx = db.write().await?;
        let Some((tenant, journey)) = definitions::next_to_recount(&mut tx).await? else {
            return tx.rollback().await;
        };
        let in_force = known.in_force(&mut tx, &[&tenant]).await?.remove(&tenant).unwrap_or_default();
        if let Some(applied) = in_force.iter().find(|applied| applied.definition.journey == journey) {
            funnel::recount(&mut tx, &tenant, &applied.definition).await?;
        }
        tx.commit().await?;
    }
}
