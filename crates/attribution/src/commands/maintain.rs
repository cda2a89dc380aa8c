//! What is forgotten with time: request ids after 7 days, unresolved attempts after 90 (A12), visits after 400, which is
//! more than the longest window (A8), names of erased contacts that nobody asked for after 7 (A13).

use std::sync::Arc;
use std::time::Duration;

use pg::Database;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use types::Clock;

use crate::store;

const EVERY: Duration = Duration::from_hours(1);
const ATTEMPTS_KEPT: time::Duration = time::Duration::days(90);
const VISITS_KEPT: time::Duration = time::Duration::days(400);
/// As long as the reports are kept that these names are looked for in (A13).
const NAMES_KEPT: time::Duration = time::Duration::days(7);

/// Does the upkeep once an hour until `stop`. A failure is logged, and the next hour tries again.
pub(crate) async fn run(
    db: Database,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<(), pg::Error> {
    let mut hours = tokio::time::interval(EVERY);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // the first tick is at once, and the upkeep was done at start
    hours.tick().await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = hours.tick() => {}
        }
        if let Err(error) = once(&db, &*clock).await {
            tracing::warn!(%error, "upkeep failed");
        }
    }
}

/// Makes room for the coming days' request ids, and forgets what is old.
pub(crate) async fn once(db: &Database, clock: &dyn Clock) -> Result<(), pg::Error> {
    let now = clock.now();
    pg::requests::maintain(db, now).await?;
    loop {
        let mut tx = db.write().await?;
        let more = [
            store::purge_attempts(&mut tx, now - ATTEMPTS_KEPT).await?,
            store::purge_visits(&mut tx, now - VISITS_KEPT).await?,
            store::purge_names(&mut tx, now - NAMES_KEPT).await?,
        ];
        tx.commit().await?;
        if !more.contains(&true) {
            return Ok(());
        }
    }
}
