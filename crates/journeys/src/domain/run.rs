//! Runs (J3) as a slice sees them.

use std::collections::HashMap;

use types::{EventId, RunId, SegmentId, StageKey, Timestamp, TransitionId};

use super::definition::Restart;
use super::event::{Entry, OccurrenceKey};
use super::funnel::Gained;
use super::times;

/// Where a run stands: all that the funnel counts it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The stages entered, each once, in the order of their first entry.
    pub stages: Vec<StageKey>,
    /// The stage entered last.
    pub current: StageKey,
    /// Ended by a terminal stage without key (J6).
    pub ended: bool,
}

/// One contact's way through one journey.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// From 1; above that, started again after a terminal stage.
    pub generation: i32,
    /// Version of the journey that it started under.
    pub version: i32,
    /// The stages entered, each once, in the order of their first entry.
    pub stages: Vec<StageKey>,
    /// The stage entered last.
    pub current: StageKey,
    /// Ended by a terminal stage without key (J6).
    pub ended: bool,
    /// How many transitions it has.
    pub transitions: i32,
    /// Time of its first transition.
    pub started_at: Timestamp,
    /// Segments that the contact was in then, sorted (J11).
    pub segments: Vec<SegmentId>,
    /// When the stage entered last was entered (business time).
    pub since: Timestamp,
    /// Under which key it was.
    pub current_key: OccurrenceKey,
    /// What was entered under each key that this slice may ask for, none included.
    pub entries: HashMap<OccurrenceKey, Vec<Made>>,
    /// What this slice added to what the funnel counts it for.
    pub gained: Gained,
    /// How it is stored; `None` if it is new.
    pub stored: Option<Stored>,
}

/// A transition of a run, as far as the rules ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The stage entered.
    pub stage: StageKey,
    /// The transition.
    pub id: TransitionId,
    /// Its number within the run.
    pub number: i32,
    /// When it happened (business time).
    pub occurred_at: Timestamp,
}

/// A run as it was loaded, to tell whether and how it has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// As it is now.
    Unchanged,
    /// Differently: so it stood before this slice.
    Before(Standing),
}

impl Run {
    /// Where it stands.
    pub fn standing(&self) -> Standing {
        Standing { stages: self.stages.clone(), current: self.current.clone(), ended: self.ended }
    }

    /// Whether the stage was entered, under whatever key.
    pub fn has(&self, stage: &StageKey) -> bool {
        self.stages.contains(stage)
    }

    /// The entry of `stage` under `key`.
    pub fn entry(&self, key: &OccurrenceKey, stage: &StageKey) -> Option<TransitionId> {
        self.under(key).find(|made| made.stage == *stage).map(|made| made.id)
    }

    /// What was entered under exactly this key.
    pub fn under(&self, key: &OccurrenceKey) -> impl Iterator<Item = &Made> {
        self.entries.get(key).into_iter().flatten()
    }

    /// Whether the stage counts as entered for `key` (J5): entries without key count for every key, and an entry
    /// without key is about the run as a whole.
    pub fn counts(&self, key: &OccurrenceKey, stage: &StageKey) -> bool {
        if key.is_none() {
            return self.has(stage);
        }
        self.entry(key, stage).is_some() || self.entry(&OccurrenceKey::default(), stage).is_some()
    }

    /// Whether the stage counts as entered for `key` before a moment. What has no key asks for the run as a whole: of entries
    /// under keys that are not loaded the moment is not known, and they count.
    pub fn counts_before(&self, key: &OccurrenceKey, stage: &StageKey, moment: Timestamp) -> bool {
        if key.is_none() {
            let mut made = self.entries.values().flatten().filter(|made| made.stage == *stage).peekable();
            return match made.peek() {
                None => self.has(stage),
                Some(_) => made.any(|made| made.occurred_at < moment),
            };
        }
        let none = OccurrenceKey::default();
        self.under(key).chain(self.under(&none)).any(|made| made.stage == *stage && made.occurred_at < moment)
    }

    /// Notes what the transition that comes next means to the funnel (J11), before it is made.
    pub fn gain(&mut self, entry: &Entry) {
        for (stage, entered) in self.left_by(&entry.key) {
            self.gained.left.push((stage, times::bucket(entered, entry.occurred_at)));
        }
        self.gained.entries.push(entry.stage.clone());
        self.since = entry.occurred_at;
        self.current_key = entry.key.clone();
    }

    /// The stages that the next transition leaves, if it is made under `key`, and when they were entered: the one entered last
    /// under that key, and the one entered last of all if that or the next is about the run as a whole. None is left twice.
    fn left_by(&self, key: &OccurrenceKey) -> Vec<(StageKey, Timestamp)> {
        let mut left = Vec::new();
        if self.transitions == 0 {
            return left;
        }
        if key.is_none() || self.current_key.is_none() {
            left.push((self.current.clone(), self.since));
        }
        let last = self.under(key).filter(|_| !key.is_none()).max_by_key(|made| made.number);
        if let Some(last) = last {
            let none = OccurrenceKey::default();
            // what came right behind it without a key has left it already
            if self.under(&none).all(|made| made.number != last.number + 1) {
                left.push((last.stage.clone(), last.occurred_at));
            }
        }
        left
    }
}

/// An entry that waits for a missing stage (J4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What is to be entered.
    pub entry: Entry,
    /// The event that wants it; one event waits once in one run.
    pub event: EventId,
    /// The stage to be entered first.
    pub expected: StageKey,
    /// Since when (real clock).
    pub since: Timestamp,
}

/// All runs of one place through one journey, and what waits for them.
#[derive(Debug, Clone, Default)]
pub struct Track {
    /// By generation.
    pub runs: Vec<Run>,
    /// In the order they came. They wait for the last run, which alone can be under way.
    pub waiting: Vec<Waiting>,
    /// What waited when the slice was loaded.
    pub stored_waiting: Vec<Waiting>,
}

impl Track {
    /// The run that an entry under `key` is for; `None` if it would start one. Facts about an order go to the run that
    /// holds its transitions (J3).
    pub fn target(&self, restart: Restart, key: &OccurrenceKey) -> Option<usize> {
        if !key.is_none()
            && let Some(holder) = self.runs.iter().rposition(|run| run.under(key).next().is_some())
        {
            return Some(holder);
        }
        let last = self.runs.len().checked_sub(1)?;
        let again = restart == Restart::AfterTerminal && self.runs.last().is_some_and(|run| run.ended);
        (!again).then_some(last)
    }
}
