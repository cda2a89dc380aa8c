//! Writing what a slice decided: changes first, then all that is new in one statement.

use std::collections::HashMap;

use observe::metrics::{self, Duplicate};
use pg::{Audit, Inserts, WriteTx};
use proto::rewards::DecisionOutcome;
use types::Timestamp;

use super::{credits, decisions, facts, moves, postings, receivables, rewards, turns};
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
    turns::save(&mut inserts, &effects.turns);
    facts::save_of_orders(&mut inserts, &effects.order_facts, now);
    facts::save_of_contacts(&mut inserts, &effects.contact_facts, now);
    receivables::save(&mut inserts, &effects.receivables);
    credits::add(&mut inserts, &effects.paid);
    audit.save(&mut inserts, now);
    outbox::append(tx, inserts, &events::of(effects, now)).await?;
    count(tx, effects);
    Ok(())
}

/// Has every outcome there from the start, so that the first of a kind shows as a step.
pub(crate) fn count_from_zero() {
    for outcome in (1..).map_while(|number| DecisionOutcome::try_from(number).ok()) {
        metrics::decisions(name_of(outcome), 0);
    }
}

fn name_of(outcome: DecisionOutcome) -> &'static str {
    outcome.as_str_name().trim_start_matches("DECISION_OUTCOME_")
}

/// Counts what was decided, once it is committed.
fn count(tx: &mut WriteTx, effects: &Effects) {
    let mut outcomes: HashMap<&'static str, usize> = HashMap::new();
    for decision in effects.decisions.iter().chain(&effects.retried) {
        *outcomes.entry(name_of(wire::outcome(decision.verdict.outcome))).or_default() += 1;
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
