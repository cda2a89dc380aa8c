//! What is to be saved for a slice: what it told, and the difference between what was loaded and what became of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use types::{ContactId, EventId, JourneyKey, SegmentId, StageKey, TenantId};

use super::cohort::Cohort;
use super::event::Place;
use super::funnel::{self, Tally};
use super::run::{Run, Stored, Track, Waiting};
use super::slice::{Applied, Fact, Refused, TestClock};
use super::timers::{Moot, Timer};

/// A run or waiting entry, and whose.
pub type Of<T> = (Place, JourneyKey, T);

/// What is to be saved for a slice.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be told, in order; the transitions among them are to be stored.
    pub facts: Vec<Fact>,
    /// Trace that each of the facts was caused under, as far as they are signed.
    pub traces: Vec<Option<Arc<str>>>,
    /// Entries that can never be made.
    pub refused: Vec<Refused>,
    /// Runs that started or went on.
    pub runs: Vec<Of<Run>>,
    /// Entries that began to wait, or wait for another stage than before.
    pub waiting: Vec<Of<Waiting>>,
    /// Entries that wait no more: the event, and the stage it wanted.
    pub settled: Vec<Of<(EventId, StageKey)>>,
    /// Timers that are moot, fired ones included.
    pub moot: Vec<Moot>,
    /// Timers that are set, in their order.
    pub timers: Vec<Timer>,
    /// Differences of the funnel's counters.
    pub funnel: BTreeMap<Cohort, Tally>,
    /// Contacts that joined a segment, or did not stay in it.
    pub members: BTreeMap<(TenantId, ContactId, SegmentId), bool>,
    /// Test clocks that moved.
    pub clocks: Vec<(TenantId, TestClock)>,
    /// Transitions whose cascade was cut off at the bound.
    pub cut_off: usize,
}

impl Effects {
    /// What was told, and what became of the tracks that were loaded.
    pub(super) fn of(
        facts: Vec<Fact>,
        refused: Vec<Refused>,
        journeys: &HashMap<TenantId, Arc<[Applied]>>,
        tracks: HashMap<Place, HashMap<JourneyKey, Track>>,
    ) -> Self {
        let mut effects = Self { facts, refused, ..Self::default() };
        for (place, tracks) in tracks {
            for (journey, track) in tracks {
                effects.add(journeys, &place, &journey, track);
            }
        }
        effects.funnel.retain(|_, tally| {
            tally.settle();
            !tally.is_empty()
        });
        effects
    }

    fn add(
        &mut self,
        journeys: &HashMap<TenantId, Arc<[Applied]>>,
        place: &Place,
        journey: &JourneyKey,
        track: Track,
    ) {
        let find = |applied: &&Applied| applied.definition.journey == *journey;
        let applied = journeys.get(&place.tenant).and_then(|all| all.iter().find(find));
        let of = || (place.clone(), journey.clone());
        for waiting in &track.stored_waiting {
            let same = |w: &Waiting| w.event == waiting.event && w.entry.stage == waiting.entry.stage;
            if !track.waiting.iter().any(same) {
                let was = (waiting.event, waiting.entry.stage.clone());
                self.settled.push((place.clone(), journey.clone(), was));
            }
        }
        for waiting in track.waiting {
            if !track.stored_waiting.contains(&waiting) {
                let (place, journey) = of();
                self.waiting.push((place, journey, waiting));
            }
        }
        for run in track.runs {
            if let Some(applied) = applied {
                self.count(applied, place, &run);
            }
            if run.stored != Some(Stored::Unchanged) {
                let (place, journey) = of();
                self.runs.push((place, journey, run));
            }
        }
    }

    /// Moves the counters of all its cohorts from where the run stood to where it stands.
    fn count(&mut self, applied: &Applied, place: &Place, run: &Run) {
        if run.stored == Some(Stored::Unchanged) {
            return;
        }
        let moved = funnel::moved(&applied.definition, run);
        for cohort in Cohort::of_run(place, &applied.definition.journey, run) {
            *self.funnel.entry(cohort).or_default() += &moved;
        }
    }
}
