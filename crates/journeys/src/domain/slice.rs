//! Many events and calls, judged in order, each seeing those before it.

mod firing;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use types::{
    ContactId, EventId, JourneyKey, Money, RunId, SegmentId, StageKey, TenantId, Timestamp, TransitionId,
};
use uuid::Uuid;

use super::attribution::InForce;
use super::definition::{Campaigns, Definition, Signal};
use super::effects::Effects;
use super::event::{Detail, Entry, Event, OccurrenceKey, Order, Place, Referral, Refusal, Transition};
use super::run::Track;
use super::timers::Timer;
use super::walk::{Out, Walk};

/// Journeys that one event goes through by `stage.entered`, at most: a bound for definitions that chase each other.
const MAX_DEPTH: u32 = 16;

/// A journey in force, and where.
#[derive(Debug, Clone)]
pub struct Applied {
    /// What was written.
    pub definition: Arc<Definition>,
    /// Which version that is.
    pub version: i32,
    /// Where it is applied (J14).
    pub campaigns: Campaigns,
}

/// A tenant's test clock as it reaches this service (M4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TestClock {
    /// Where the stream of attribution is.
    pub attribution: Option<Timestamp>,
    /// Where the stream of orders is.
    pub orders: Option<Timestamp>,
    /// What it shows here: the earlier of the two, once both are known.
    pub shown: Option<Timestamp>,
}

impl TestClock {
    /// What it is to show once all that is due by then is done: the earlier of the two, once both are known.
    pub fn due(&self) -> Option<Timestamp> {
        self.attribution.zip(self.orders).map(|(a, b)| a.min(b))
    }

    /// As it is when one of the streams has moved.
    #[must_use]
    pub fn moved(mut self, stream: Stream, to: Timestamp) -> Self {
        let hand = match stream {
            Stream::Attribution => &mut self.attribution,
            Stream::Orders => &mut self.orders,
        };
        *hand = (*hand).max(Some(to));
        self
    }
}

/// Which stream a clock came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Attribution's.
    Attribution,
    /// Orders'.
    Orders,
}

/// Revenue of an order that was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reversal {
    /// Of the event passed on.
    pub id: EventId,
    /// Whose order, in which campaign.
    pub place: Place,
    /// The order after the fact.
    pub order: Order,
    /// How much this time.
    pub amount: Money,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// One thing to be told in the stream (J9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A run entered a stage.
    Entered(Transition),
    /// Passed on: revenue of an order was given back.
    OrderRefunded(Reversal),
    /// Passed on: an order was cancelled, and what was left of its revenue given back.
    OrderCancelled(Reversal),
    /// Passed on: a contact's status changed.
    ContactStatusChanged {
        /// Of the event passed on.
        id: EventId,
        /// Whose.
        tenant: TenantId,
        /// Who.
        contact: ContactId,
        /// What it is now.
        status: String,
        /// When it happened.
        occurred_at: Timestamp,
    },
    /// Passed on: a contact was flagged.
    ContactFlagged {
        /// Of the event passed on.
        id: EventId,
        /// Whose.
        tenant: TenantId,
        /// Who.
        contact: ContactId,
        /// What flagged it.
        cause: String,
        /// When it happened.
        occurred_at: Timestamp,
    },
    /// Passed on: all flags of a contact were lifted.
    ContactUnflagged {
        /// Of the event passed on.
        id: EventId,
        /// Whose.
        tenant: TenantId,
        /// Who.
        contact: ContactId,
        /// When it happened.
        occurred_at: Timestamp,
    },
    /// The tenant's test clock moved here.
    ClockMoved {
        /// A new one.
        id: EventId,
        /// Whose.
        tenant: TenantId,
        /// What it shows.
        to: Timestamp,
    },
}

/// An entry by trigger that can never be made (J4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its own id.
    pub id: Uuid,
    /// Contact and campaign.
    pub place: Place,
    /// The journey.
    pub journey: JourneyKey,
    /// The run, if there was one.
    pub run: Option<RunId>,
    /// What was to be entered.
    pub entry: Entry,
    /// The event that wanted it.
    pub event: EventId,
    /// Why not.
    pub refusal: Refusal,
}

/// A call of EnterStage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnterStage {
    /// Contact and campaign.
    pub place: Place,
    /// The journey.
    pub journey: JourneyKey,
    /// The stage.
    pub stage: StageKey,
    /// Tells entries of one stage apart.
    pub key: OccurrenceKey,
    /// Who referred the contact at that time.
    pub referral: Option<Referral>,
    /// When it happened.
    pub occurred_at: Timestamp,
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// The tenant has no such journey.
    JourneyNotFound(JourneyKey),
    /// The journey has no such stage.
    StageNotFound(StageKey),
    /// No such contact, as far as attribution has told.
    ContactNotFound(ContactId),
    /// The journey is not applied to this campaign (J14).
    NotApplied,
    /// More than 24 hours in the future (M3).
    InFuture,
    /// The rules of the run forbid it.
    Refused(Refusal),
}

/// What a slice starts from: all that its events and calls can act on.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Journeys in force by tenant.
    pub journeys: HashMap<TenantId, Arc<[Applied]>>,
    /// Runs by place and journey.
    pub tracks: HashMap<Place, HashMap<JourneyKey, Track>>,
    /// Events that caused an entry before, and in which run.
    pub caused: HashSet<(EventId, RunId)>,
    /// Test clocks of the tenants whose clock moves.
    pub clocks: HashMap<TenantId, TestClock>,
    /// Those contacts of calls that are known.
    pub contacts: HashSet<(TenantId, ContactId)>,
    /// Timers that are due, in the order in which they fire.
    pub timers: Vec<Timer>,
    /// When which attributions were in force at the places of those timers.
    pub attributions: HashMap<Place, Vec<InForce>>,
    /// Segments of the contacts that may start a run.
    pub segments: HashMap<(TenantId, ContactId), BTreeSet<SegmentId>>,
}

/// Events and calls being judged in order.
#[derive(Debug)]
pub struct Slice {
    now: Timestamp,
    loaded: Loaded,
    moved: HashSet<TenantId>,
    members: BTreeMap<(TenantId, ContactId, SegmentId), bool>,
    cut_off: usize,
    out: Out,
}

impl Slice {
    /// A slice on what was loaded; `now` is the real clock, for ids and for telling since when an entry waits.
    pub fn new(now: Timestamp, loaded: Loaded) -> Self {
        let mut slice = Self {
            now,
            loaded,
            moved: HashSet::new(),
            members: BTreeMap::new(),
            cut_off: 0,
            out: Out::default(),
        };
        slice.out.timers.load(std::mem::take(&mut slice.loaded.timers));
        slice
    }

    /// Judges the triggers of all journeys for an event, and what follows from the stages entered.
    pub fn happen(&mut self, event: &Event) {
        self.catch_up(&event.place, event.occurred_at);
        self.judge(event);
        self.cascade();
    }

    /// Passes a fact on in the stream; one about an order behind what was due before it.
    pub fn pass_on(&mut self, fact: Fact) {
        if let Fact::OrderRefunded(reversal) | Fact::OrderCancelled(reversal) = &fact {
            self.catch_up(&reversal.place, reversal.occurred_at);
        }
        self.out.facts.push(fact);
    }

    /// Takes that a contact joined a segment, or left it: runs that start from here on are in it, or not (J11).
    pub fn move_segment(&mut self, tenant: &TenantId, contact: ContactId, segment: &SegmentId, joined: bool) {
        let segments = self.loaded.segments.entry((tenant.clone(), contact)).or_default();
        if joined {
            segments.insert(segment.clone());
        } else {
            segments.remove(segment);
        }
        self.members.insert((tenant.clone(), contact, segment.clone()), joined);
    }

    /// Carries out a call; the transition, and whether it is new.
    pub fn enter_stage(&mut self, call: &EnterStage) -> Result<(TransitionId, bool), Violation> {
        let journeys = self.journeys(&call.place.tenant);
        let applied = journeys
            .iter()
            .find(|j| j.definition.journey == call.journey)
            .ok_or_else(|| Violation::JourneyNotFound(call.journey.clone()))?;
        let stage = applied
            .definition
            .stage(&call.stage)
            .ok_or_else(|| Violation::StageNotFound(call.stage.clone()))?;
        if !applied.campaigns.include(call.place.campaign.as_ref()) {
            return Err(Violation::NotApplied);
        }
        if !self.loaded.contacts.contains(&(call.place.tenant.clone(), call.place.contact)) {
            return Err(Violation::ContactNotFound(call.place.contact));
        }
        let entry = Entry {
            stage: call.stage.clone(),
            key: call.key.clone(),
            cause_event: None,
            order: None,
            referral: call.referral,
            occurred_at: call.occurred_at,
        };
        self.catch_up(&call.place, call.occurred_at);
        self.out.depth = 0;
        let result =
            self.walk(applied, &call.place, |walk| walk.call(stage, entry)).map_err(Violation::Refused);
        self.cascade();
        result
    }

    /// Says under which trace all facts since the last call were caused.
    pub fn sign(&mut self, traceparent: Option<&Arc<str>>) {
        self.out.traces.resize(self.out.facts.len(), traceparent.cloned());
    }

    /// What is to be saved.
    pub fn finish(self) -> Effects {
        let Loaded { journeys, tracks, clocks, .. } = self.loaded;
        let clock = |tenant: TenantId| clocks.get(&tenant).map(|clock| (tenant, *clock));
        let (timers, moot) = self.out.timers.finish();
        Effects {
            timers,
            moot,
            clocks: self.moved.into_iter().filter_map(clock).collect(),
            members: self.members,
            cut_off: self.cut_off,
            traces: self.out.traces,
            ..Effects::of(self.out.facts, self.out.refused, &journeys, tracks)
        }
    }

    fn journeys(&self, tenant: &TenantId) -> Arc<[Applied]> {
        self.loaded.journeys.get(tenant).cloned().unwrap_or_default()
    }

    /// J7: on each journey's runs as they were before the event.
    fn judge(&mut self, event: &Event) {
        for applied in self.journeys(&event.place.tenant).iter() {
            let concerned = applied.campaigns.include(event.place.campaign.as_ref());
            if !concerned || !applied.definition.listens_to(&event.signal) || self.caused(applied, event) {
                continue;
            }
            self.walk(applied, &event.place, |walk| walk.judge(event));
        }
    }

    /// Whether the event caused an entry there before: it is not judged again for that run.
    fn caused(&self, applied: &Applied, event: &Event) -> bool {
        let track = self.loaded.tracks.get(&event.place).and_then(|t| t.get(&applied.definition.journey));
        let runs = track.into_iter().flat_map(|track| &track.runs);
        runs.into_iter().any(|run| self.loaded.caused.contains(&(event.id, run.id)))
    }

    fn walk<T>(&mut self, applied: &Applied, place: &Place, step: impl FnOnce(&mut Walk<'_>) -> T) -> T {
        let tracks = self.loaded.tracks.entry(place.clone()).or_default();
        let track = tracks.entry(applied.definition.journey.clone()).or_default();
        let segments = self.loaded.segments.get(&(place.tenant.clone(), place.contact));
        step(&mut Walk { applied, place, track, out: &mut self.out, segments, now: self.now })
    }

    /// Tells other journeys of the stages entered (J7), those they enter included.
    fn cascade(&mut self) {
        while let Some((n, depth)) = self.out.fresh.pop_front() {
            let Some(Fact::Entered(made)) = self.out.facts.get(n) else { continue };
            let event = entered(made);
            if depth >= MAX_DEPTH {
                self.cut_off += 1;
                continue;
            }
            self.out.depth = depth + 1;
            self.judge(&event);
        }
        self.out.depth = 0;
    }
}

/// A transition as an event for other journeys: it keeps key, order and referral.
fn entered(made: &Transition) -> Event {
    Event {
        id: EventId::from(made.id.as_uuid()),
        place: made.place.clone(),
        signal: Signal::StageEntered { journey: made.journey.clone(), stage: made.entry.stage.clone() },
        detail: Detail::None,
        key: made.entry.key.clone(),
        order: made.entry.order.clone(),
        referral: made.entry.referral,
        occurred_at: made.entry.occurred_at,
    }
}
