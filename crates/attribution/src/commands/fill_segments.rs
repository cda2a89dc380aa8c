//! Holding contacts that were there before a rule to it, slice by slice, in the background. How far it is, is kept with the rule
//! and moved in the transaction that holds the slice: it goes on where it was after a restart, and several processes take turns.
//! Contacts that change meanwhile are held to the rule at once, by whatever changes them.

use std::sync::Arc;
use std::time::Duration;

use pg::{Audit, Database, Inserts};
use rpc::fields;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use types::{Clock, ContactId, Origin};
use uuid::Uuid;

use super::rules::Rules;
use crate::domain::{Books, Moment};
use crate::store::{self, SegmentKeys, ToFill};

/// How often it looks for what another process left behind; its own rules it hears of at once.
const EVERY: Duration = Duration::from_mins(1);
/// Contacts of one transaction.
const SLICE: usize = 1000;

/// Fills segments by their rules.
#[derive(Debug)]
pub(crate) struct Filler {
    /// Where they are stored.
    pub(crate) db: Database,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Compiled rules.
    pub(crate) rules: Rules,
    /// Heard when there is something to fill.
    pub(crate) wake: Arc<Notify>,
}

impl Filler {
    /// Fills what is to be filled, until `stop`. A segment that fails is logged, does not hold up the others, and is tried again in a minute.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), pg::Error> {
        let mut minutes = tokio::time::interval(EVERY);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                // the first is at once: what a process that ended has left
                _ = minutes.tick() => {}
                () = self.wake.notified() => {}
            }
            let mut failed = Vec::new();
            while !stop.is_cancelled() {
                let waiting = match self.next(&failed).await {
                    Ok(Some(waiting)) => waiting,
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "segments are not filled; trying again");
                        break;
                    }
                };
                if let Err(error) = self.slice(&failed).await {
                    let (tenant, segment) = (waiting.tenant_id.as_str(), waiting.segment_id.as_str());
                    tracing::warn!(tenant, segment, %error, "a segment is not filled; others go on");
                    failed.push(waiting.rule_id);
                }
            }
        }
    }

    /// The segment to fill next, but for these.
    async fn next(&self, failed: &[Uuid]) -> Result<Option<ToFill>, pg::Error> {
        store::next_to_fill(&mut *self.db.read().acquire().await?, failed).await
    }

    /// Holds one slice of contacts to the rule of one segment.
    async fn slice(&self, failed: &[Uuid]) -> Result<(), pg::Error> {
        let mut tx = self.db.write().await?;
        // another process may have been faster
        let Some(segment) = store::next_to_fill(&mut tx, failed).await? else {
            return tx.rollback().await;
        };
        let tenant = &segment.tenant_id;
        let mut books = Books::default();
        store::load_clocks(&mut tx, [tenant], &mut books).await?;
        let contacts =
            store::load_contacts_after(&mut tx, tenant, segment.filled_to, SLICE, &mut books).await?;
        self.rules.load(&mut tx, [tenant], &mut books).await?;
        let mut keys = SegmentKeys::default();
        keys.add(tenant, &segment.segment_id);
        store::load_campaigns_of_segments(&mut tx, &keys, &mut books).await?;
        store::load_coupon_pools(&mut tx, contacts.len(), &mut books).await?;

        let book = books.of(tenant);
        let now = self.clock.now();
        let occurred_at = fields::tenant_now(tenant, book.test_clock, &*self.clock);
        book.fill(&segment.segment_id, &contacts, Moment { occurred_at, now });
        // who made the rule is in the audit already; the events carry its trace
        let origin = Origin::service("attribution", "attribution.segments");
        let origin = origin.traced(segment.traceparent.as_deref().unwrap_or_default());
        super::sign(&mut Audit::default(), tenant, book, &origin);
        store::save(&mut tx, Inserts::default(), &books, now).await?;
        let last: Option<ContactId> = contacts.last().copied().filter(|_| contacts.len() == SLICE);
        store::filled_to(&mut tx, &segment, last).await?;
        tx.commit().await
    }
}
