//! Writing events, in the transaction that makes them true.

use pg::{Inserts, WriteTx};

use crate::Event;

/// Appends `events` in their order, together with what else the slice inserts, and wakes the followers of other processes
/// at commit. Positions are in commit order because the transaction holds the sequencer lock.
pub async fn append<E: Event>(tx: &mut WriteTx, mut inserts: Inserts, events: &[E]) -> Result<(), pg::Error> {
    if !events.is_empty() {
        inserts
            .add(
                "INSERT INTO events (tenant_id, payload)
                 SELECT e.tenant_id, e.payload
                   FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS e (tenant_id, payload, n)
                  ORDER BY e.n",
            )
            .bind(events.iter().map(Event::tenant_id).collect::<Vec<_>>())
            .bind(events.iter().map(prost::Message::encode_to_vec).collect::<Vec<_>>());
        if let Some(process) = tx.process() {
            // one wake-up for the whole transaction: Postgres folds equal ones. It names this process, which knows already.
            inserts.and_select("pg_notify(current_schema || '_events', $1)").bind(process.to_string());
        }
    }
    inserts.send(tx).await
}

/// The highest position of the stream, as this transaction sees it; 0 for an empty stream.
pub async fn head(tx: &mut WriteTx) -> Result<i64, pg::Error> {
    let head: Option<i64> =
        pg::sqlx::query_scalar("SELECT max(position) FROM events").fetch_one(&mut **tx).await?;
    Ok(head.unwrap_or(0))
}

/// The stream's epoch.
pub async fn epoch(db: &pg::Database) -> Result<i64, pg::Error> {
    Ok(pg::sqlx::query_scalar("SELECT epoch FROM stream").fetch_one(db.read()).await?)
}
