//! The task that fires timers when they are due: by the real clock, and of sandboxes those that were set too late for their
//! clock's move, which fires all others.

use std::sync::Arc;
use std::time::Duration;

use observe::metrics;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use types::Timestamp;

use crate::commands::fire_timers::FireTimers;
use crate::store::timers::{self, Whose};

/// How often it looks at least: what other processes set goes unheard.
const LOOK: Duration = Duration::from_secs(1);

/// When the next timer is due that was set in this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alarm(Arc<watch::Sender<Option<Timestamp>>>);

impl Alarm {
    /// Says that a timer was set; only an earlier one than is known wakes anybody.
    pub(crate) fn set(&self, due_at: Option<Timestamp>) {
        let Some(due_at) = due_at else { return };
        self.0.send_if_modified(|next| {
            let is_earlier = next.is_none_or(|next| due_at < next);
            if is_earlier {
                *next = Some(due_at);
            }
            is_earlier
        });
    }
}

/// Fires due timers until `stop`. Failures are transient or a bug; either way it tries again.
pub(crate) async fn run(timers: FireTimers, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
    let alarm = timers.engine.alarm.clone();
    let mut rung = alarm.0.subscribe();
    take_up(&timers).await;
    loop {
        // what is set from here on is heard
        rung.mark_unchanged();
        let heard = alarm.0.send_replace(None);
        let looked = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            looked = look(&timers, heard) => looked,
        };
        let mut next = looked.unwrap_or_else(|error| {
            tracing::warn!(%error, "timers not fired; trying again");
            None
        });
        let look_again = tokio::time::Instant::now() + LOOK;
        loop {
            let wait = next.map_or(LOOK, |at| until(at, timers.engine.clock.now()));
            let wake = look_again.min(tokio::time::Instant::now() + wait);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(wake) => break,
                // the alarm lives as long as this task
                _ = rung.changed() => next = next.into_iter().chain(*rung.borrow_and_update()).min(),
            }
        }
    }
}

/// Fires what is due; when the next one is due by the real clock. `heard` is when one is due that may not be committed yet.
async fn look(timers: &FireTimers, heard: Option<Timestamp>) -> Result<Option<Timestamp>, pg::Error> {
    let now = || timers.engine.clock.now();
    let mut next = timers::next_due(timers.db.read()).await?.into_iter().chain(heard).min();
    while next.is_some_and(|at| at <= now()) {
        metrics::timers_due(timers::count_due(timers.db.read(), now()).await?);
        // behind the transaction that sets it, at the sequencer lock
        let fired = timers.fire(Whose::Live, now()).await?;
        // what was heard of may not have come to be
        next = timers::next_due(timers.db.read()).await?.filter(|_| fired > 0);
    }
    metrics::timers_due(0);
    for (tenant, shown) in timers::late_sandboxes(timers.db.read()).await? {
        if let Err(error) = timers.fire(Whose::Sandbox(&tenant), shown).await {
            tracing::warn!(tenant = tenant.as_str(), %error, "timers not fired; trying again");
        }
    }
    Ok(next)
}

/// Tries those again that were set aside before.
async fn take_up(timers: &FireTimers) {
    let taken_up = async {
        let mut tx = timers.db.write().await?;
        let count = timers::take_up(&mut tx).await?;
        tx.commit().await?;
        Ok::<_, pg::Error>(count)
    };
    match taken_up.await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "timers that were set aside are tried again"),
        Err(error) => tracing::warn!(%error, "timers that were set aside stay so"),
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at - now).unwrap_or(Duration::ZERO).min(LOOK)
}
