//! Writing what a slice decided: changes first, then all that is new in one statement.

use pg::{Inserts, WriteTx};
use types::Timestamp;

use super::{credits, decisions, moves, postings, rewards};
use crate::domain::effects::Effects;
use crate::events;

/// Saves effects; `now` is the real clock.
pub(crate) async fn save(tx: &mut WriteTx, effects: &Effects, now: Timestamp) -> Result<(), pg::Error> {
    decisions::replace(tx, &effects.retried).await?;
    rewards::update(tx, &effects.changed).await?;
    let mut inserts = Inserts::default();
    decisions::save(&mut inserts, &effects.decisions);
    rewards::insert(&mut inserts, &effects.created);
    postings::save(&mut inserts, &effects.postings);
    moves::save(&mut inserts, &effects.moves, now);
    credits::add(&mut inserts, &effects.paid);
    outbox::append(tx, inserts, &events::of(&effects.facts, now)).await
}
