//! One event or call on the runs of one journey: triggers judged (J7), the entry made, stored as waiting, filled up to,
//! or refused (J4), and what waited made after it.

use std::collections::{BTreeSet, VecDeque};
use std::mem;
use std::sync::Arc;

use types::{EventId, RunId, SegmentId, StageKey, Timestamp, TransitionId, new_id};

use super::conditions;
use super::definition::{OnGap, Stage};
use super::event::{Cause, Entry, Event, Place, Refusal, Transition};
use super::funnel::Gained;
use super::rules::{self, Verdict};
use super::run::{Made, Run, Stored, Track, Waiting};
use super::slice::{Applied, Fact, Refused};
use super::timers::{Timer, Timers};

/// What comes of walking, in order.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// Transitions, and facts passed on.
    pub(super) facts: Vec<Fact>,
    /// Traces of the facts that are signed, in their order.
    pub(super) traces: Vec<Option<Arc<str>>>,
    /// Entries that can never be made.
    pub(super) refused: Vec<Refused>,
    /// Transitions that other journeys' triggers have not seen yet: index in `facts`, and depth of the cascade.
    pub(super) fresh: VecDeque<(usize, u32)>,
    /// Depth of what is being judged now.
    pub(super) depth: u32,
    /// Timers that are due, and those that are set.
    pub(super) timers: Timers,
}

/// The runs of one place through one journey, being changed.
pub(super) struct Walk<'a> {
    pub(super) applied: &'a Applied,
    pub(super) place: &'a Place,
    pub(super) track: &'a mut Track,
    pub(super) out: &'a mut Out,
    /// Those that the contact is in.
    pub(super) segments: Option<&'a BTreeSet<SegmentId>>,
    pub(super) now: Timestamp,
}

impl Walk<'_> {
    /// Judges the triggers on the run as it is: the first stage in order whose condition holds is to be entered.
    pub(super) fn judge(&mut self, event: &Event) {
        let applied = self.applied;
        let target = self.track.target(applied.definition.restart, &event.key);
        for stage in &applied.definition.stages {
            let mut holds = false;
            for trigger in stage.enter_on.iter().filter(|t| t.signal == event.signal) {
                let Some(condition) = &trigger.when else {
                    holds = true;
                    break;
                };
                let run = target.and_then(|n| self.track.runs.get(n));
                match conditions::holds(condition, event, run) {
                    Ok(true) => holds = true,
                    Ok(false) => {}
                    Err(error) => {
                        let refusal = Refusal::ConditionFailed { detail: error.to_string() };
                        self.refuse(target, entry_of(event, stage), event.id, refusal);
                    }
                }
            }
            if holds {
                return self.attempt(target, stage, entry_of(event, stage), event.id, Cause::Trigger);
            }
        }
    }

    /// An explicit entry; the transition, and whether it is new.
    pub(super) fn call(&mut self, stage: &Stage, entry: Entry) -> Result<(TransitionId, bool), Refusal> {
        // the call that ended a run, repeated, does not start another
        let ended_by =
            |run: &Run| if run.ended && stage.terminal { run.entry(&entry.key, &stage.key) } else { None };
        if let Some(first) = self.track.runs.last().and_then(ended_by) {
            return Ok((first, false));
        }
        let target = self.track.target(self.applied.definition.restart, &entry.key);
        match self.verdict(target, stage, &entry) {
            Verdict::Free => Ok((self.make(target, entry, Cause::Call), true)),
            Verdict::Already(first) => Ok((first, false)),
            Verdict::Never(refusal) => Err(refusal),
            Verdict::Missing(mut missing) => Err(Refusal::OutOfOrder { expected: missing.swap_remove(0) }),
        }
    }

    fn verdict(&self, target: Option<usize>, stage: &Stage, entry: &Entry) -> Verdict {
        let run = target.and_then(|n| self.track.runs.get(n));
        rules::judge(&self.applied.definition, run, stage, &entry.key)
    }

    /// A timer that is due (J7); one that the version in force has no more is moot.
    pub(super) fn fire(&mut self, timer: Timer) {
        let applied = self.applied;
        let run = self.track.runs.iter().position(|run| run.id == timer.run);
        let known = applied.definition.timers_after(&timer.after).find(|(stage, _)| stage.key == timer.stage);
        let (Some(run), Some((stage, wait))) = (run, known) else { return };
        // a version in force since may say more of it than the one that set it
        let is_moot = |unless: &StageKey| {
            self.track.runs.get(run).is_some_and(|run| run.counts_before(&timer.key, unless, timer.due_at))
        };
        if wait.unless.iter().any(is_moot) {
            return;
        }
        let event = EventId::from(timer.cause.as_uuid());
        let entry = Entry {
            stage: timer.stage,
            key: timer.key,
            cause_event: Some(event),
            order: timer.order,
            referral: timer.referral,
            occurred_at: timer.due_at,
        };
        self.attempt(Some(run), stage, entry, event, Cause::Timer);
    }

    /// An entry by trigger or timer: made now, later, or never (J4).
    fn attempt(&mut self, target: Option<usize>, stage: &Stage, entry: Entry, event: EventId, cause: Cause) {
        let missing = match self.verdict(target, stage, &entry) {
            Verdict::Already(_) => return,
            Verdict::Free => {
                self.make(target, entry, cause);
                return;
            }
            Verdict::Never(refusal) => return self.refuse(target, entry, event, refusal),
            Verdict::Missing(missing) => missing,
        };
        let Some(expected) = missing.first().cloned() else { return };
        match self.applied.definition.on_gap {
            OnGap::Refuse => self.refuse(target, entry, event, Refusal::OutOfOrder { expected }),
            OnGap::Wait => self.wait(entry, event, expected),
            OnGap::Fill => self.fill(target, missing, entry, cause),
        }
    }

    fn wait(&mut self, entry: Entry, event: EventId, expected: StageKey) {
        // delivered again: it waits already
        if self.track.waiting.iter().all(|w| w.event != event || w.entry.stage != entry.stage) {
            self.track.waiting.push(Waiting { entry, event, expected, since: self.now });
        }
    }

    fn fill(&mut self, target: Option<usize>, missing: Vec<StageKey>, entry: Entry, cause: Cause) {
        let mut target = target;
        for stage in missing {
            let step = Entry { stage, ..entry.clone() };
            target = Some(self.record(target, step, Cause::Inferred).0);
        }
        self.make(target, entry, cause);
    }

    /// Makes an entry, and then those that waited for it.
    fn make(&mut self, target: Option<usize>, entry: Entry, cause: Cause) -> TransitionId {
        let (run, made) = self.record(target, entry, cause);
        self.settle(run);
        made
    }

    /// Goes through what waits until nothing more can be made; what never can be is refused.
    fn settle(&mut self, run: usize) {
        let mut progress = !self.track.waiting.is_empty();
        while progress {
            progress = false;
            for mut waiting in mem::take(&mut self.track.waiting) {
                let applied = self.applied;
                let Some(stage) = applied.definition.stage(&waiting.entry.stage) else {
                    self.refuse(Some(run), waiting.entry, waiting.event, Refusal::StageNotFound);
                    continue;
                };
                match self.verdict(Some(run), stage, &waiting.entry) {
                    Verdict::Already(_) => {}
                    Verdict::Free => {
                        self.record(Some(run), waiting.entry, Cause::Waited);
                        progress = true;
                    }
                    Verdict::Never(refusal) => self.refuse(Some(run), waiting.entry, waiting.event, refusal),
                    Verdict::Missing(missing) => {
                        waiting.expected = missing.into_iter().next().unwrap_or(waiting.expected);
                        self.track.waiting.push(waiting);
                    }
                }
            }
        }
    }

    /// Writes one transition, starting a run if there is none; which run it is, and the transition.
    fn record(&mut self, target: Option<usize>, entry: Entry, cause: Cause) -> (usize, TransitionId) {
        let id: TransitionId = new_id(self.now);
        let n = target.filter(|n| *n < self.track.runs.len()).unwrap_or_else(|| {
            self.track.runs.push(self.new_run(&entry));
            self.track.runs.len() - 1
        });
        let run = &mut self.track.runs[n];
        if let Some(stored @ Stored::Unchanged) = &mut run.stored {
            let before = Stored::Before(super::run::Standing {
                stages: run.stages.clone(),
                current: run.current.clone(),
                ended: run.ended,
            });
            *stored = before;
        }
        let from = (run.transitions > 0).then(|| run.current.clone());
        run.gain(&entry);
        run.transitions += 1;
        run.current = entry.stage.clone();
        if !run.has(&entry.stage) {
            run.stages.push(entry.stage.clone());
        }
        run.entries.entry(entry.key.clone()).or_default().push(Made {
            stage: entry.stage.clone(),
            id,
            number: run.transitions,
            occurred_at: entry.occurred_at,
        });
        let terminal = self.applied.definition.stage(&entry.stage).is_some_and(|s| s.terminal);
        run.ended |= terminal && entry.key.is_none();
        self.out.timers.entered(self.applied, self.place, run, id, &entry);
        if cause != Cause::Inferred {
            self.out.fresh.push_back((self.out.facts.len(), self.out.depth));
        }
        self.out.facts.push(Fact::Entered(Transition {
            id,
            place: self.place.clone(),
            journey: self.applied.definition.journey.clone(),
            version: self.applied.version,
            run: run.id,
            number: run.transitions,
            from,
            cause,
            entry,
        }));
        (n, id)
    }

    fn new_run(&self, first: &Entry) -> Run {
        Run {
            id: new_id::<RunId>(self.now),
            generation: self.track.runs.last().map_or(1, |last| last.generation + 1),
            version: self.applied.version,
            stages: Vec::new(),
            current: first.stage.clone(),
            ended: false,
            transitions: 0,
            started_at: first.occurred_at,
            segments: self.segments.into_iter().flatten().cloned().collect(),
            since: first.occurred_at,
            current_key: first.key.clone(),
            entries: [].into(),
            gained: Gained::default(),
            stored: None,
        }
    }

    fn refuse(&mut self, target: Option<usize>, entry: Entry, event: EventId, refusal: Refusal) {
        self.out.refused.push(Refused {
            id: new_id(self.now),
            place: self.place.clone(),
            journey: self.applied.definition.journey.clone(),
            run: target.and_then(|n| self.track.runs.get(n)).map(|run| run.id),
            entry,
            event,
            refusal,
        });
    }
}

fn entry_of(event: &Event, stage: &Stage) -> Entry {
    Entry {
        stage: stage.key.clone(),
        key: event.key.clone(),
        cause_event: Some(event.id),
        order: event.order.clone(),
        referral: event.referral,
        occurred_at: event.occurred_at,
    }
}
