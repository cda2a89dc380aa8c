//! The rules on runs kept in memory: what one slice saves, the next one loads.

mod counters;
mod order;
mod timers;
mod triggers;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use types::{ContactId, EventId, OrderId, SegmentId, TenantId, Timestamp, TransitionId, new_id};

use super::cohort::Cohort;
use super::definition::Signal;
use super::effects::Effects;
use super::event::{Detail, Event, OccurrenceKey, Order, Place, Transition};
use super::funnel::{Gained, Tally};
use super::run::{Stored, Track};
use super::slice::{Applied, EnterStage, Fact, Loaded, Refused, Slice, TestClock, Violation};
use super::timers::Timer;
use super::yaml;

pub(super) const NOW: Timestamp = time::macros::datetime!(2026-03-01 12:00 UTC);

/// Journeys and runs of one tenant.
pub(super) struct World {
    journeys: Vec<Applied>,
    tracks: HashMap<Place, HashMap<types::JourneyKey, Track>>,
    caused: HashSet<(EventId, types::RunId)>,
    pub(super) transitions: Vec<Transition>,
    pub(super) refused: Vec<Refused>,
    pub(super) counters: BTreeMap<Cohort, Tally>,
    pub(super) segments: HashMap<(TenantId, ContactId), BTreeSet<SegmentId>>,
    pub(super) timers: Vec<Timer>,
    pub(super) clocks: HashMap<types::TenantId, TestClock>,
    pub(super) clock_moves: Vec<Timestamp>,
    /// What the stream tells, kind by kind.
    pub(super) told: Vec<&'static str>,
}

impl World {
    pub(super) fn new(definitions: &[&str]) -> Self {
        let applied = |text: &&str| {
            let (definition, campaigns) = yaml::parse(text).unwrap_or_else(|p| panic!("{p:?}"));
            Applied { definition: Arc::new(definition), version: 1, campaigns }
        };
        Self {
            journeys: definitions.iter().map(applied).collect(),
            tracks: HashMap::new(),
            caused: HashSet::new(),
            transitions: Vec::new(),
            refused: Vec::new(),
            counters: BTreeMap::new(),
            timers: Vec::new(),
            clocks: HashMap::new(),
            clock_moves: Vec::new(),
            told: Vec::new(),
            segments: HashMap::new(),
        }
    }

    /// Puts another version in force.
    pub(super) fn apply(&mut self, text: &str) {
        let (definition, campaigns) = yaml::parse(text).unwrap();
        let same = |applied: &&mut Applied| applied.definition.journey == definition.journey;
        let applied = self.journeys.iter_mut().find(same).unwrap();
        *applied = Applied { version: applied.version + 1, definition: Arc::new(definition), campaigns };
    }

    pub(super) fn applied(&self) -> &[Applied] {
        &self.journeys
    }

    pub(super) fn track(&self, place: &Place, journey: &str) -> Track {
        let track = self.tracks.get(place).and_then(|t| t.get(&journey.parse().unwrap()));
        track.cloned().unwrap_or_default()
    }

    /// One slice.
    pub(super) fn slice<T>(&mut self, act: impl FnOnce(&mut Slice) -> T) -> T {
        let contacts = self
            .tracks
            .keys()
            .map(|p| (p.tenant.clone(), p.contact))
            .chain((0..3).map(|n| (place().tenant, contact(n))));
        let loaded = Loaded {
            journeys: [place().tenant, sandbox().tenant].map(|of| (of, self.journeys.clone().into())).into(),
            tracks: self.tracks.clone(),
            caused: self.caused.clone(),
            clocks: self.clocks.clone(),
            contacts: contacts.collect(),
            timers: self.timers.clone(),
            attributions: HashMap::new(),
            segments: self.segments.clone(),
        };
        let mut slice = Slice::new(NOW, loaded);
        let result = act(&mut slice);
        self.save(slice.finish());
        result
    }

    fn save(&mut self, effects: Effects) {
        self.clocks.extend(effects.clocks);
        for fact in effects.facts {
            self.told.push(match &fact {
                Fact::Entered(_) => "entered",
                Fact::OrderRefunded(_) => "refunded",
                _ => "other",
            });
            match fact {
                Fact::Entered(made) => {
                    if let Some(event) = made.entry.cause_event {
                        self.caused.insert((event, made.run));
                    }
                    self.transitions.push(made);
                }
                Fact::ClockMoved { to, .. } => self.clock_moves.push(to),
                _ => {}
            }
        }
        self.refused.extend(effects.refused);
        for (place, journey, mut run) in effects.runs {
            run.stored = Some(Stored::Unchanged);
            run.gained = Gained::default();
            let track = self.tracks.entry(place).or_default().entry(journey).or_default();
            track.runs.retain(|known| known.id != run.id);
            track.runs.push(run);
            track.runs.sort_by_key(|run| run.generation);
        }
        for (place, journey, event) in effects.settled {
            let track = self.tracks.entry(place).or_default().entry(journey).or_default();
            track.waiting.retain(|w| (w.event, &w.entry.stage) != (event.0, &event.1));
            track.stored_waiting.clone_from(&track.waiting);
        }
        for (place, journey, waiting) in effects.waiting {
            let track = self.tracks.entry(place).or_default().entry(journey).or_default();
            track.waiting.retain(|w| (w.event, &w.entry.stage) != (waiting.event, &waiting.entry.stage));
            track.waiting.push(waiting);
            track.stored_waiting.clone_from(&track.waiting);
        }
        self.timers.retain(|timer| !effects.moot.iter().any(|moot| moot.concerns(timer)));
        self.timers.extend(effects.timers);
        for ((tenant, contact, segment), joined) in effects.members {
            let segments = self.segments.entry((tenant, contact)).or_default();
            if joined {
                segments.insert(segment)
            } else {
                segments.remove(&segment)
            };
        }
        for (cohort, tally) in effects.funnel {
            *self.counters.entry(cohort).or_default() += &tally;
        }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        self.slice(|slice| slice.happen(event));
    }

    pub(super) fn call(&mut self, stage: &str, key: &str) -> Result<(TransitionId, bool), Violation> {
        let call = call("j", stage, key);
        self.slice(|slice| slice.enter_stage(&call))
    }

    /// The transitions made so far as `stage/key`, with a mark for what made them.
    pub(super) fn story(&self) -> Vec<String> {
        let one = |t: &Transition| format!("{}/{} {:?}", t.entry.stage, t.entry.key, t.cause);
        self.transitions.iter().map(one).collect()
    }
}

/// One of three contacts.
pub(super) fn contact(n: usize) -> ContactId {
    format!("01890000-0000-7000-8000-00000000000{}", n + 1).parse().unwrap()
}

pub(super) fn place() -> Place {
    Place { tenant: "t".parse().unwrap(), contact: contact(0), campaign: Some("c".parse().unwrap()) }
}

/// The same of a sandbox.
pub(super) fn sandbox() -> Place {
    Place { tenant: "test-t".parse().unwrap(), ..place() }
}

pub(super) fn call(journey: &str, stage: &str, key: &str) -> EnterStage {
    EnterStage {
        place: place(),
        journey: journey.parse().unwrap(),
        stage: stage.parse().unwrap(),
        key: key.parse().unwrap(),
        referral: None,
        occurred_at: NOW,
    }
}

/// An event without order.
pub(super) fn event(signal: Signal) -> Event {
    Event {
        id: new_id(NOW),
        place: place(),
        signal,
        detail: Detail::None,
        key: OccurrenceKey::default(),
        order: None,
        referral: None,
        occurred_at: NOW,
    }
}

/// An event of an order of so much revenue.
pub(super) fn order_event(signal: Signal, id: &str, minor: i64) -> Event {
    let order_id: OrderId = id.parse().unwrap();
    let order = Order {
        order_id: order_id.clone(),
        source: String::new(),
        revenue: types::Money::new(minor, "USD".parse().unwrap()),
        refunded_minor: 0,
        external_status: "open".to_owned(),
        hubspot_dealstage: String::new(),
        occurred_at: NOW,
    };
    Event { key: order_id.as_str().parse().unwrap(), order: Some(order), ..event(signal) }
}

/// A journey `j` in all campaigns: lines of its head, and stages as `key: extras`.
pub(super) fn journey(head: &str, stages: &[(&str, &str)]) -> String {
    let comma = |extras: &str| if extras.is_empty() { "" } else { ", " };
    let line = |(stage, extras): &(&str, &str)| format!("  - {{stage: {stage}{}{extras}}}\n", comma(extras));
    let lines: String = stages.iter().map(line).collect();
    format!("journey: j\ncampaigns: all\n{head}\nstages:\n{lines}")
}
