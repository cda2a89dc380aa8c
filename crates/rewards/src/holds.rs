//! The task that fires holds when they are over: those of sandboxes by their test clock, all others by the real one.

use std::sync::Arc;
use std::time::Duration;

use pg::Database;
use tokio_util::sync::CancellationToken;
use types::{Clock, TenantId, Timestamp};

use crate::commands::fire_holds::FireHolds;
use crate::store::{clocks, rewards};

/// How often it looks at least: commits of other processes may go unheard.
const LOOK: Duration = Duration::from_secs(1);

/// Fires due holds until `stop`. Failures are transient or a bug; either way it tries again.
pub(crate) async fn run(
    db: Database,
    clock: Arc<dyn Clock>,
    holds: FireHolds,
    stop: CancellationToken,
) -> Result<(), std::convert::Infallible> {
    let mut commits = db.commits();
    loop {
        commits.mark_unchanged();
        let wait = match look(&db, &clock, &holds).await {
            Ok(next) => next.map_or(LOOK, |at| until(at, clock.now())),
            Err(error) => {
                tracing::warn!(%error, "holds not fired; trying again");
                LOOK
            }
        };
        // a commit may bring a hold that is over already; the time-out makes it sure
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tokio::time::timeout(wait, commits.changed()) => {}
        }
    }
}

/// Fires what is due, tenant by tenant; when the next one is due by the real clock.
async fn look(
    db: &Database,
    clock: &Arc<dyn Clock>,
    holds: &FireHolds,
) -> Result<Option<Timestamp>, pg::Error> {
    let pending = rewards::next_due(db.read()).await?;
    let sandboxes: Vec<_> = pending.iter().map(|(tenant, _)| tenant).filter(|t| t.is_sandbox()).collect();
    let shown = clocks::load(db.read(), &sandboxes).await?;
    let mut next: Option<Timestamp> = None;
    for (tenant, due) in &pending {
        let shows = shown.get(tenant).copied();
        let now = rpc::fields::tenant_now(tenant, shows, clock.as_ref());
        if *due <= now {
            fire(holds, tenant, now).await;
        } else if shows.is_none() {
            next = Some(next.map_or(*due, |next| next.min(*due)));
        }
    }
    Ok(next)
}

/// One tenant's failure does not hold up the others.
async fn fire(holds: &FireHolds, tenant: &TenantId, now: Timestamp) {
    match holds.fire(tenant, now).await {
        Ok(fired) => tracing::debug!(tenant = tenant.as_str(), fired, "fired holds"),
        Err(error) => tracing::warn!(tenant = tenant.as_str(), %error, "holds not fired; trying again"),
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at - now).unwrap_or(Duration::ZERO).min(LOOK)
}
