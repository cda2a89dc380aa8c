//! What changes state: load, decide each in order, save all, append events, commit.

pub(crate) mod apply_journey;
pub(crate) mod enter_stage;
pub(crate) mod fire_timers;
pub(crate) mod recount_funnels;

use std::sync::Arc;

use pg::{Audit, Inserts, WriteTx};
use types::{Clock, Timestamp};

use crate::domain::effects::Effects;
use crate::domain::event::Refusal;
use crate::store::definitions::Definitions;
use crate::timers::Alarm;
use crate::{store, wire};

/// What all that changes runs goes by. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    /// Journeys in force.
    pub(crate) definitions: Definitions,
    /// The real clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Wakes who fires timers.
    pub(crate) alarm: Alarm,
}

/// Saves what came of a slice, with whose doing it was, and tells of it in the stream. The caller commits; whoever fires
/// timers is woken before, and waits for that at the sequencer lock.
pub(crate) async fn conclude(
    tx: &mut WriteTx,
    engine: &Engine,
    effects: &Effects,
    audit: &Audit,
    now: Timestamp,
) -> Result<(), pg::Error> {
    let mut inserts = Inserts::default();
    store::save::save(tx, &mut inserts, effects, now).await?;
    engine.alarm.set(effects.timers.iter().filter(|t| !t.place.tenant.is_sandbox()).map(|t| t.due_at).min());
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
