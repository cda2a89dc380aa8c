//! Writing what a slice decided: changes first, then all that is new in one statement.

use std::collections::HashMap;

use observe::metrics::{self, Duplicate};
use pg::{Audit, Inserts, WriteTx};
use types::Timestamp;

use super::{credits, decisions, moves, postings, rewards};
use crate::domain::effects::Effects;
use crate::{events, wire};

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
    outbox::append(tx, inserts, &events::of(effects, now)).await?;
    count(tx, effects);
    Ok(())
}

/// Counts what was decided, once it is committed.
fn count(tx: &mut WriteTx, effects: &Effects) {
    let mut outcomes: HashMap<&'static str, usize> = HashMap::new();
    for decision in effects.decisions.iter().chain(&effects.retried) {
        let name = wire::outcome(decision.verdict.outcome).as_str_name();
        *outcomes.entry(name.trim_start_matches("DECISION_OUTCOME_")).or_default() += 1;
    }
    let twins = effects.twins;
    if twins > 0 || !outcomes.is_empty() {
        tx.after_commit(move || {
            metrics::duplicates(Duplicate::TwinReward, twins);
            for (outcome, count) in outcomes {
                metrics::decisions(outcome, count);
            }
        });
    }
}
