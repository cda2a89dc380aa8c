//! Timers that are due (J7, M4), in order of due time, many in one transaction.

use observe::metrics;
use pg::{Audit, Database};
use types::{Origin, TenantId, Timestamp};

use super::{Engine, conclude};
use crate::domain::effects::Effects;
use crate::domain::event::Cause;
use crate::domain::slice::{Fact, Slice, Stream};
use crate::store::load;
use crate::store::timers::Whose;
use crate::store::{projections, timers};

/// Timers fired in one transaction, at most.
pub(crate) const SLICE: i64 = 500;

/// Fires timers.
#[derive(Debug, Clone)]
pub(crate) struct FireTimers {
    pub(crate) db: Database,
    pub(crate) engine: Engine,
}

impl FireTimers {
    /// Fires all timers that are due by `until`, each at the moment it was due; how many. One that cannot be fired, whatever is
    /// tried, is set aside with the reason until the service starts again, and holds up no other.
    pub(crate) async fn fire(&self, whose: Whose<'_>, until: Timestamp) -> Result<usize, pg::Error> {
        let (mut fired, mut limit) = (0, SLICE);
        loop {
            match self.fire_slice(whose, until, limit).await {
                Ok(Some(count)) => {
                    fired += count;
                    limit = SLICE;
                }
                Ok(None) => return Ok(fired),
                Err(pg::Error::Data(_) | pg::Error::Bug(_)) if limit > 1 => limit = (limit / 8).max(1),
                Err(error @ (pg::Error::Data(_) | pg::Error::Bug(_))) => {
                    self.set_aside(whose, until, &error).await?;
                    limit = SLICE;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn set_aside(
        &self,
        whose: Whose<'_>,
        until: Timestamp,
        error: &pg::Error,
    ) -> Result<(), pg::Error> {
        let mut tx = self.db.write().await?;
        for timer in timers::due(&mut tx, whose, until, 1).await? {
            let (tenant, run) = (timer.place.tenant.as_str(), timer.run);
            tracing::error!(tenant, %run, stage = %timer.stage, %error, "timer set aside");
            timers::set_aside(&mut tx, &timer, &error.to_string()).await?;
        }
        tx.commit().await
    }

    /// Fires what is due before a sandbox's clock moves in one of its streams (M4).
    pub(crate) async fn before_clock(
        &self,
        tenant: &TenantId,
        stream: Stream,
        to: Timestamp,
    ) -> Result<(), pg::Error> {
        let clock = projections::clocks(self.db.read(), &[tenant]).await?.remove(tenant).unwrap_or_default();
        if let Some(until) = clock.moved(stream, to).due() {
            let fired = self.fire(Whose::Sandbox(tenant), until).await?;
            tracing::debug!(tenant = tenant.as_str(), fired, "fired timers before the clock moves");
        }
        Ok(())
    }

    /// One transaction; how many it fired, `None` if nothing is due.
    async fn fire_slice(
        &self,
        whose: Whose<'_>,
        until: Timestamp,
        limit: i64,
    ) -> Result<Option<usize>, pg::Error> {
        let now = self.engine.clock.now();
        let mut tx = self.db.write().await?;
        let due = timers::due(&mut tx, whose, until, limit).await?;
        let Some(last) = due.last().map(|timer| timer.due_at) else {
            tx.rollback().await?;
            return Ok(None);
        };
        let count = due.len();
        // what these set may be due before others that are not loaded, but never after them
        let until = if count == usize::try_from(limit).unwrap_or(usize::MAX) { last } else { until };
        let sandbox = match whose {
            Whose::Live => None,
            Whose::Sandbox(tenant) => Some(tenant),
        };
        let lags: Vec<f64> = due.iter().map(|timer| (now - timer.due_at).as_seconds_f64()).collect();
        let mut loaded = load::load(&mut tx, &self.engine.definitions, &[], due, None).await?;
        loaded.clocks = projections::clocks(&mut *tx, &Vec::from_iter(sandbox)).await?;
        let mut slice = Slice::new(now, loaded);
        slice.fire(sandbox, until);
        let effects = slice.finish();
        conclude(&mut tx, &self.engine, &effects, &audit(&effects), now).await?;
        tx.commit().await?;
        if sandbox.is_none() {
            metrics::timers_fired(&lags);
        }
        Ok(Some(count))
    }
}

/// Whose doing it is that a timer is over. What set it is in the audit of whoever caused that.
fn audit(effects: &Effects) -> Audit {
    let (mut audit, origin) = (Audit::default(), Origin::service(crate::SCHEMA.name, "journeys.timers"));
    for fact in &effects.facts {
        if let Fact::Entered(made) = fact
            && made.cause == Cause::Timer
        {
            audit.note(&made.place.tenant, &origin, made.id);
        }
    }
    audit
}
