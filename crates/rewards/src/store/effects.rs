//! Writing what a slice decided: changes first, then all that is new in one statement.

use pg::{Audit, Inserts, WriteTx};
use types::Timestamp;

use super::{credits, decisions, moves, postings, rewards};
use crate::domain::effects::Effects;
use crate::events;

/// Saves effects, and whose doing they are; `now` is the real clock.
pub(crate) async fn save(
    tx: &mut WriteTx,
    effects: &Effects,
    audit: &Audit,
    now: Timestamp,
) -> Result<(), pg::Error> {
    decisions::replace(tx, &effects.retried).await?;
    rewards::update(tx, &effects.changed).await?;
    let mut inserts = Inserts::default();
    decisions::save(&mut inserts, &effects.decisions);
    rewards::insert(&mut inserts, &effects.created);
    postings::save(&mut inserts, &effects.postings);
    moves::save(&mut inserts, &effects.moves, now);
    credits::add(&mut inserts, &effects.paid);
    audit.save(&mut inserts, now);
    outbox::append(tx, inserts, &events::of(effects, now)).await
}
