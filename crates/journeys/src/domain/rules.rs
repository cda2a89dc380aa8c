//! Whether a stage may be entered: the order of steps (J4), occurrence keys (J5), terminal stages (J6), exceptions (J2).

use types::{StageKey, TransitionId};

use super::definition::{Definition, Kind, Sequence, Stage};
use super::event::{OccurrenceKey, Refusal};
use super::run::Run;

/// What the rules say of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be made.
    Free,
    /// It was made before, under the same key: a no-op (J5).
    Already(TransitionId),
    /// These steps must be entered first, in this order.
    Missing(Vec<StageKey>),
    /// It can never be made.
    Never(Refusal),
}

/// Judges the entry of `stage` under `key` into `run`; `None` if it would start one.
pub fn judge(definition: &Definition, run: Option<&Run>, stage: &Stage, key: &OccurrenceKey) -> Verdict {
    let Some(run) = run else {
        return match stage.kind {
            Kind::Exception => Verdict::Never(Refusal::ExceptionCannotStart),
            Kind::Step => in_order(definition, None, stage, key),
        };
    };
    if let Some(first) = run.entry(key, &stage.key) {
        return Verdict::Already(first);
    }
    if run.ended || has_ended(definition, run, key) {
        return Verdict::Never(Refusal::RunEnded);
    }
    if run.has(&stage.key) && !stage.repeatable {
        return Verdict::Never(Refusal::NotRepeatable);
    }
    match stage.kind {
        Kind::Exception => Verdict::Free,
        Kind::Step => in_order(definition, Some(run), stage, key),
    }
}

/// Whether a terminal stage ended this occurrence (J6).
fn has_ended(definition: &Definition, run: &Run, key: &OccurrenceKey) -> bool {
    !key.is_none() && run.under(key).any(|made| definition.stage(&made.stage).is_some_and(|s| s.terminal))
}

/// J4, within the key.
fn in_order(definition: &Definition, run: Option<&Run>, stage: &Stage, key: &OccurrenceKey) -> Verdict {
    if definition.sequence == Sequence::Optional {
        return Verdict::Free;
    }
    let counts = |s: &Stage| run.is_some_and(|run| run.counts(key, &s.key));
    let later = definition.steps().skip_while(|s| s.key != stage.key).skip(1);
    if later.into_iter().any(counts) {
        return Verdict::Never(Refusal::GoingBack);
    }
    let earlier = definition.steps().take_while(|s| s.key != stage.key);
    let missing: Vec<&Stage> = earlier.filter(|s| !s.optional && !counts(s)).collect();
    if missing.is_empty() {
        return Verdict::Free;
    }
    // a step that was entered under another key, and may not be again
    let lost = missing.iter().find(|s| !s.repeatable && run.is_some_and(|run| run.has(&s.key)));
    match lost {
        Some(lost) => Verdict::Never(Refusal::OutOfReach { expected: lost.key.clone() }),
        None => Verdict::Missing(missing.into_iter().map(|s| s.key.clone()).collect()),
    }
}
