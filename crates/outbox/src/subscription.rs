//! Where a subscription stands: its cursor, in the schema of whoever follows.

use pg::{Database, WriteTx};

use crate::Cursor;

/// The stored cursor of a subscription.
pub async fn stored(db: &Database, subscription: &str) -> Result<Option<Cursor>, pg::Error> {
    let mut turn = db.hot_read().await?;
    let row: Option<(i64, i64)> =
        pg::sqlx::query_as("SELECT epoch, position FROM subscriptions WHERE subscription = $1")
            .bind(subscription)
            .fetch_optional(&mut *turn)
            .await?;
    turn.done();
    Ok(row.map(|(epoch, position)| Cursor { epoch, position }))
}

/// Moves the cursor: the first statement of every transaction that applies events. `None` if somebody else has moved it,
/// else whether anything is parked in this subscription.
pub(crate) async fn fence(
    tx: &mut WriteTx,
    subscription: &str,
    at: Cursor,
    to: i64,
) -> Result<Option<bool>, pg::Error> {
    let some_parked = pg::sqlx::query_scalar(
        "UPDATE subscriptions SET position = $4 WHERE subscription = $1 AND epoch = $2 AND position = $3
         RETURNING EXISTS (SELECT FROM parked WHERE parked.subscription = $1)",
    )
    .bind(subscription)
    .bind(at.epoch)
    .bind(at.position)
    .bind(to)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(some_parked)
}

/// Stands at the beginning of the stream of this epoch, unless the subscription stands somewhere already.
pub(crate) async fn begin(db: &Database, subscription: &str, epoch: i64) -> Result<(), pg::Error> {
    let mut tx = db.write().await?;
    pg::sqlx::query(
        "INSERT INTO subscriptions (subscription, epoch, position) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
    )
    .bind(subscription)
    .bind(epoch)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

/// Moves the cursor past events that do nothing here. Whether nobody else has moved it.
pub(crate) async fn skip(db: &Database, subscription: &str, at: Cursor, to: i64) -> Result<bool, pg::Error> {
    let mut tx = db.write().await?;
    if fence(&mut tx, subscription, at, to).await?.is_none() {
        tx.rollback().await?;
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}
