//! Writing what a slice decided: a fixed number of statements, events last.

use pg::WriteTx;
use types::Timestamp;

use super::{credits, decisions, moves, postings, rewards};
use crate::domain::effects::Effects;
use crate::events;

/// Saves effects; `now` is the real clock.
pub(crate) async fn save(tx: &mut WriteTx, effects: &Effects, now: Timestamp) -> Result<(), pg::Error> {
    decisions::save(tx, &effects.decisions).await?;
    rewards::insert(tx, &effects.created).await?;
    rewards::update(tx, &effects.changed).await?;
    postings::save(tx, &effects.postings).await?;
    moves::save(tx, &effects.moves, now).await?;
    credits::add(tx, &effects.paid).await?;
    outbox::append(tx, &events::of(&effects.facts, now)).await
}
