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
    loop {
        // what is set from here on is heard
        alarm.0.send_if_modified(|next| next.take().is_some());
        rung.mark_unchanged();
        let mut next = match look(&timers).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "timers not fired; trying again");
                None
            }
        };
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

/// Fires what is due; when the next one is due by the real clock.
async fn look(timers: &FireTimers) -> Result<Option<Timestamp>, pg::Error> {
    for (tenant, shown) in timers::late_sandboxes(timers.db.read()).await? {
        timers.fire(Whose::Sandbox(&tenant), shown).await?;
    }
    let mut next = timers::next_due(timers.db.read()).await?;
    while next.is_some_and(|at| at <= timers.engine.clock.now()) {
        let now = timers.engine.clock.now();
        metrics::timers_due(timers::count_due(timers.db.read(), now).await?);
        timers.fire(Whose::Live, now).await?;
        next = timers::next_due(timers.db.read()).await?;
    }
    metrics::timers_due(0);
    Ok(next)
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at - now).unwrap_or(Duration::ZERO).min(LOOK)
}
