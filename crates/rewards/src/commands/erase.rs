//! Forgetting an erased contact (A13).

use outbox::Eraser;
use outbox::erasure::{Open, Removed};
use pg::WriteTx;
use proto::rewards::RewardEvent;
use types::Timestamp;

use crate::{events, store};

/// Removes what names a contact here.
#[derive(Debug)]
pub(crate) struct Sweeper;

impl Eraser for Sweeper {
    type Event = RewardEvent;

    async fn remove(&self, tx: &mut WriteTx, open: &Open, _: &[String]) -> Result<Removed, pg::Error> {
        store::erasures::remove(tx, open).await
    }

    fn event(&self, done: &Open, now: Timestamp) -> RewardEvent {
        events::erased(done, now)
    }
}
