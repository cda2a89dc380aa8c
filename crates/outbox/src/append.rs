//! Writing events, in the transaction that makes them true.

use pg::WriteTx;

use crate::Event;

/// Appends `events` in their order, and wakes the followers of other processes at commit. Positions are in commit order
/// because the transaction holds the sequencer lock.
pub async fn append<E: Event>(tx: &mut WriteTx, events: &[E]) -> Result<(), pg::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let tenants: Vec<&str> = events.iter().map(Event::tenant_id).collect();
    let payloads: Vec<Vec<u8>> = events.iter().map(prost::Message::encode_to_vec).collect();
    // one wake-up for the whole transaction: Postgres folds equal ones
    pg::sqlx::query(
        "WITH appended AS (
             INSERT INTO events (tenant_id, payload)
             SELECT e.tenant_id, e.payload
               FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS e (tenant_id, payload, n)
              ORDER BY e.n)
         SELECT pg_notify(current_schema || '_events', '')",
    )
    .bind(tenants)
    .bind(payloads)
    .execute(&mut **tx)
    .await?;
    Ok(())
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
