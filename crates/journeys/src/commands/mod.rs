//! What changes state: load, decide each in order, save all, append events, commit.

pub(crate) mod apply_journey;
pub(crate) mod enter_stage;
pub(crate) mod recount_funnels;

use pg::{Audit, Inserts, WriteTx};
use types::Timestamp;

use crate::domain::effects::Effects;
use crate::domain::event::Refusal;
use crate::{store, wire};

/// Saves what came of a slice, with whose doing it was, and tells of it in the stream. The caller commits.
pub(crate) async fn conclude(
    tx: &mut WriteTx,
    effects: &Effects,
    audit: &Audit,
    now: Timestamp,
) -> Result<(), pg::Error> {
    let mut inserts = Inserts::default();
    store::save::save(tx, &mut inserts, effects, now).await?;
    audit.save(&mut inserts, now);
    let traces = effects.traces.iter().map(Option::as_deref).chain(std::iter::repeat(None));
    let told = effects.facts.iter().zip(traces);
    let events: Vec<_> = told.map(|(fact, traceparent)| wire::event(fact, traceparent, now)).collect();
    outbox::append(tx, inserts, &events).await?;
    for refused in &effects.refused {
        if let Refusal::ConditionFailed { detail } = &refused.refusal {
            let (journey, stage) = (&refused.journey, &refused.entry.stage);
            tracing::warn!(%journey, %stage, event = %refused.event, detail, "condition failed");
        }
    }
    if effects.cut_off > 0 {
        tracing::warn!(transitions = effects.cut_off, "cascade cut off: journeys chase each other");
    }
    Ok(())
}
