//! What is to be saved for a slice: what it told, and the difference between what was loaded and what became of it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Neg;
use std::sync::Arc;

use types::{CampaignId, EventId, JourneyKey, StageKey, TenantId};

use super::event::Place;
use super::funnel::{self, Counts};
use super::run::{Run, Stored, Track, Waiting};
use super::slice::{Applied, Fact, Refused, TestClock};
use super::timers::{Moot, Timer};

/// Where a funnel counts: tenant, journey, campaign, stage; without stage, the journey as a whole.
pub type CounterKey = (TenantId, JourneyKey, Option<CampaignId>, Option<StageKey>);

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
    pub funnel: BTreeMap<CounterKey, Counts>,
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
        for fact in &effects.facts {
            if let Fact::Entered(made) = fact {
                for stage in [None, Some(made.entry.stage.clone())] {
                    let place = &made.place;
                    let key = (place.tenant.clone(), made.journey.clone(), place.campaign.clone(), stage);
                    effects.funnel.entry(key).or_default().transitions += 1;
                }
            }
        }
        for (place, tracks) in tracks {
            for (journey, track) in tracks {
                effects.add(journeys, &place, &journey, track);
            }
        }
        effects.funnel.retain(|_, counts| *counts != Counts::default());
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

    /// Moves the counters from where the run stood to where it stands.
    fn count(&mut self, applied: &Applied, place: &Place, run: &Run) {
        let before = match &run.stored {
            Some(Stored::Unchanged) => return,
            Some(Stored::Before(standing)) => funnel::of(&applied.definition, standing),
            None => funnel::ByStage::new(),
        };
        let after = funnel::of(&applied.definition, &run.standing());
        let less = before.into_iter().map(|(stage, counts)| (stage, counts.neg()));
        for (stage, counts) in after.into_iter().chain(less) {
            let journey = applied.definition.journey.clone();
            let key = (place.tenant.clone(), journey, place.campaign.clone(), stage);
            *self.funnel.entry(key).or_default() += counts;
        }
    }
}
