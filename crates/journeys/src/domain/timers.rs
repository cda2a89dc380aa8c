//! Timers (J7): set by a stage, parked until they are due, made moot by others.

use std::collections::BTreeMap;

use types::{JourneyKey, RunId, StageKey, TenantId, Timestamp, TransitionId};

use super::definition::Definition;
use super::event::{Entry, OccurrenceKey, Order, Place, Referral};
use super::run::Run;
use super::slice::Applied;

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Contact and campaign.
    pub place: Place,
    /// The journey.
    pub journey: JourneyKey,
    /// The run.
    pub run: RunId,
    /// Under the key of the transition that set it.
    pub key: OccurrenceKey,
    /// The stage that set it.
    pub after: StageKey,
    /// The stage it enters.
    pub stage: StageKey,
    /// When (business time).
    pub due_at: Timestamp,
    /// The transition that set it.
    pub cause: TransitionId,
    /// The order of that transition.
    pub order: Option<Order>,
    /// Who referred the contact: with an order as that transition has it, else at the time it is due (J9).
    pub referral: Option<Referral>,
}

/// Timers that are moot, stored or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moot {
    /// Whose run.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// Only those under this key.
    pub key: Option<OccurrenceKey>,
    /// Only those that enter this stage.
    pub stage: Option<StageKey>,
    /// Only those that this stage set.
    pub after: Option<StageKey>,
    /// Only those due later: what was due before happened before.
    pub later_than: Option<Timestamp>,
}

impl Moot {
    /// Whether a timer is one of them.
    pub fn concerns(&self, timer: &Timer) -> bool {
        self.tenant == timer.place.tenant
            && self.run == timer.run
            && self.key.as_ref().is_none_or(|key| *key == timer.key)
            && self.stage.as_ref().is_none_or(|stage| *stage == timer.stage)
            && self.after.as_ref().is_none_or(|after| *after == timer.after)
            && self.later_than.is_none_or(|at| timer.due_at > at)
    }
}

/// In the order in which they fire: by due time, and those of one moment as they were set.
type Turn = (Timestamp, u64);

/// The timers of a slice: those loaded because they are due, those it sets, and those that are done.
#[derive(Debug, Default)]
pub(super) struct Timers {
    parked: BTreeMap<Turn, (Timer, bool)>,
    count: u64,
    /// To be taken out of what is stored, in this order before what is set.
    moot: Vec<Moot>,
}

impl Timers {
    /// Takes in stored timers, in the order in which they fire.
    pub(super) fn load(&mut self, due: Vec<Timer>) {
        for timer in due {
            self.park(timer, true);
        }
    }

    fn park(&mut self, timer: Timer, is_stored: bool) {
        self.parked.insert((timer.due_at, self.count), (timer, is_stored));
        self.count += 1;
    }

    /// Takes the next one of such timers that is due by `until`.
    pub(super) fn take(&mut self, until: Timestamp, such: impl Fn(&Timer) -> bool) -> Option<Timer> {
        let mut due = self.parked.range(..=(until, u64::MAX));
        let turn = *due.find(|(_, (timer, _))| such(timer))?.0;
        let (timer, is_stored) = self.parked.remove(&turn)?;
        if is_stored {
            self.moot.push(Moot {
                tenant: timer.place.tenant.clone(),
                run: timer.run,
                key: Some(timer.key.clone()),
                stage: Some(timer.stage.clone()),
                after: Some(timer.after.clone()),
                later_than: None,
            });
        }
        Some(timer)
    }

    /// Sets the timers that an entry sets, and ends those it makes moot; `run` has the entry.
    pub(super) fn entered(
        &mut self,
        applied: &Applied,
        place: &Place,
        run: &Run,
        id: TransitionId,
        entry: &Entry,
    ) {
        let definition = &applied.definition;
        // the first version that has none has never had any
        if !definition.has_timers() && applied.version == 1 {
            return;
        }
        for moot in moot_by(definition, &place.tenant, run.id, entry) {
            self.parked.retain(|_, (timer, _)| !moot.concerns(timer));
            self.moot.push(moot);
        }
        // what has ended waits for nothing (J6)
        if run.ended || definition.stage(&entry.stage).is_some_and(|stage| stage.terminal) {
            return;
        }
        for (stage, wait) in definition.timers_after(&entry.stage) {
            let due_at = entry.occurred_at.saturating_add(wait.wait.get());
            let is_done =
                run.entry(&entry.key, &stage.key).is_some() || run.has(&stage.key) && !stage.repeatable;
            let is_moot = |unless: &StageKey| run.counts_before(&entry.key, unless, due_at);
            if is_done || wait.unless.iter().any(is_moot) {
                continue;
            }
            let timer = Timer {
                place: place.clone(),
                journey: definition.journey.clone(),
                run: run.id,
                key: entry.key.clone(),
                after: entry.stage.clone(),
                stage: stage.key.clone(),
                due_at,
                cause: id,
                order: entry.order.clone(),
                referral: entry.referral,
            };
            self.park(timer, false);
        }
    }

    /// What is to be saved: those that were set and neither fired nor ended, and those to be taken out before.
    pub(super) fn finish(self) -> (Vec<Timer>, Vec<Moot>) {
        let mut set: Vec<(u64, Timer)> = self
            .parked
            .into_iter()
            .filter(|(_, (_, is_stored))| !is_stored)
            .map(|((_, n), (timer, _))| (n, timer))
            .collect();
        set.sort_by_key(|(n, _)| *n);
        (set.into_iter().map(|(_, timer)| timer).collect(), self.moot)
    }
}

/// The timers that an entry makes moot.
fn moot_by(definition: &Definition, tenant: &TenantId, run: RunId, entry: &Entry) -> Vec<Moot> {
    let Some(own) = definition.stage(&entry.stage) else { return Vec::new() };
    let all = Moot { tenant: tenant.clone(), run, key: None, stage: None, after: None, later_than: None };
    // what has no key is about the run as a whole, and counts for every key (J5)
    let key = (!entry.key.is_none()).then(|| entry.key.clone());
    if own.terminal {
        return vec![Moot { key, ..all }];
    }
    let mut moot = Vec::new();
    if !own.enter_after.is_empty() {
        // it is entered: under this key there is nothing to wait for any more, nor under others if it cannot be repeated
        let key = own.repeatable.then(|| entry.key.clone());
        moot.push(Moot { key, stage: Some(own.key.clone()), ..all.clone() });
    }
    for (stage, wait) in definition.timers().filter(|(_, wait)| wait.unless.contains(&entry.stage)) {
        let ends = Moot {
            stage: Some(stage.key.clone()),
            after: Some(wait.after.clone()),
            later_than: Some(entry.occurred_at),
            ..all.clone()
        };
        // and what has a key counts for the timers of the run as a whole
        let whole = key.is_some().then(OccurrenceKey::default);
        moot.extend(whole.map(|none| Moot { key: Some(none), ..ends.clone() }));
        moot.push(Moot { key: key.clone(), ..ends });
    }
    moot
}
