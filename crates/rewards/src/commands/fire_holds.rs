//! Approving what is still pending when its hold is over (R7), in order of due time.

use std::sync::Arc;

use pg::{Audit, Database};
use types::{Clock, Origin, TenantId, Timestamp};

use crate::domain::effects::Effects;
use crate::domain::program::Fulfilment;
use crate::domain::receivables::Debtor;
use crate::domain::reward::Reward;
use crate::store::{effects, receivables, rewards};

/// Rewards fired in one transaction, at most.
const SLICE: i64 = 500;

/// Whose doing it is that a hold is over. The stream does not say under which trace its reward was created.
pub(super) fn origin() -> Origin {
    Origin::service(crate::SCHEMA.name, "rewards.holds")
}

/// Fires holds.
#[derive(Debug, Clone)]
pub(crate) struct FireHolds {
    db: Database,
    clock: Arc<dyn Clock>,
}

impl FireHolds {
    /// Fires the holds of `db`; `clock` says when it was recorded.
    pub(crate) fn new(db: Database, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    /// Fires all holds of a tenant that are over by `until`, each at the moment it was due, in slices with a
    /// transaction of their own. How many.
    pub(crate) async fn fire(&self, tenant: &TenantId, until: Timestamp) -> Result<usize, pg::Error> {
        let mut fired = 0;
        let mut from = None;
        loop {
            let slice = self.fire_slice(tenant, from, until).await?;
            match slice {
                Some((count, last)) => {
                    fired += count;
                    from = Some(last);
                }
                // one more look from the beginning, for what came meanwhile with an earlier due time
                None if from.is_some() => from = None,
                None => return Ok(fired),
            }
        }
    }

    /// One transaction: how many it fired, and the due time of the last; `None` if nothing is due.
    async fn fire_slice(
        &self,
        tenant: &TenantId,
        from: Option<Timestamp>,
        until: Timestamp,
    ) -> Result<Option<(usize, Timestamp)>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut due = rewards::due(&mut tx, tenant, from, until, SLICE).await?;
        let Some(last) = due.last().map(|reward| reward.hold_until) else {
            tx.rollback().await?;
            return Ok(None);
        };
        let paid = due.iter().filter(|reward| reward.fulfilment == Fulfilment::OnApproval);
        let debtors: Vec<Debtor> = paid.map(Reward::debtor).collect();
        let receivables = receivables::load(&mut tx, &debtors).await?;
        let mut effects = Effects { receivables, ..Effects::default() };
        let (mut audit, origin) = (Audit::default(), origin());
        for reward in &mut due {
            // loaded as pending under the sequencer lock, so it is allowed
            audit.note(tenant, &origin, reward.reward_id);
            if let Err(not_allowed) = reward.hold_over(&mut effects) {
                return Err(pg::Error::unreadable("rewards.state", format!("{not_allowed:?}")));
            }
        }
        effects.changed = due;
        effects::save(&mut tx, &effects, &audit, self.clock.now()).await?;
        tx.commit().await?;
        Ok(Some((effects.changed.len(), last)))
    }
}
