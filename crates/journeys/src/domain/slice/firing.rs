//! Timers of a slice that are due (J7), and the test clock that moves with them (M4).

use types::{TenantId, Timestamp, new_id};

use super::{Applied, Fact, Slice, Stream};
use crate::domain::attribution;
use crate::domain::event::Place;
use crate::domain::timers::Timer;

/// Timers that one slice fires, at most.
const MAX_FIRED: usize = 1000;

impl Slice {
    /// Fires the loaded timers that are due by `until` (J7), in order of due time, those that they set included: of a
    /// sandbox, or else of all that go by the real clock. A sandbox's clock moves with them, so that whoever follows does what
    /// is due before each of them (M4). Whether all were fired: a slice has its bound, since each may set others.
    pub fn fire(&mut self, sandbox: Option<&TenantId>, until: Timestamp) -> bool {
        let such = |timer: &Timer| match sandbox {
            Some(tenant) => timer.place.tenant == *tenant,
            None => !timer.place.tenant.is_sandbox(),
        };
        for _ in 0..MAX_FIRED {
            let Some(timer) = self.out.timers.take(until, such) else { return true };
            self.move_clock_before(&timer);
            self.fire_one(timer);
        }
        false
    }

    /// Takes a moved clock from one stream; when the earlier of the two moves, does what is due by then and tells so (M4).
    /// `false` if more is due than one slice does: that has to be done before.
    pub fn move_clock(&mut self, tenant: &TenantId, stream: Stream, to: Timestamp) -> bool {
        let clock = self.loaded.clocks.entry(tenant.clone()).or_default();
        let before = *clock;
        *clock = clock.moved(stream, to);
        if *clock != before {
            self.moved.insert(tenant.clone());
        }
        let Some(to) = clock.due().filter(|due| Some(*due) > before.shown) else { return true };
        if !self.fire(Some(tenant), to) {
            return false;
        }
        self.loaded.clocks.entry(tenant.clone()).or_default().shown = Some(to);
        self.out.facts.push(Fact::ClockMoved { id: new_id(self.now), tenant: tenant.clone(), to });
        true
    }

    /// What was due before something happened fires before it, also where timers are late.
    pub(super) fn catch_up(&mut self, place: &Place, occurred_at: Timestamp) {
        let shows = if place.tenant.is_sandbox() {
            self.loaded.clocks.get(&place.tenant).and_then(|clock| clock.shown)
        } else {
            Some(self.now)
        };
        let Some(until) = shows.map(|shows| shows.min(occurred_at)) else { return };
        while let Some(timer) = self.out.timers.take(until, |timer| timer.place == *place) {
            self.fire_one(timer);
        }
    }

    fn fire_one(&mut self, mut timer: Timer) {
        let journeys = self.journeys(&timer.place.tenant);
        let concerned = |j: &&Applied| {
            j.definition.journey == timer.journey && j.campaigns.include(timer.place.campaign.as_ref())
        };
        let Some(applied) = journeys.iter().find(concerned) else { return };
        if let Some(times) = self.loaded.attributions.get(&timer.place).filter(|_| timer.order.is_none()) {
            timer.referral = attribution::at(times, timer.due_at);
        }
        let place = timer.place.clone();
        self.out.depth = 0;
        self.walk(applied, &place, |walk| walk.fire(timer));
        self.cascade();
    }

    fn move_clock_before(&mut self, timer: &Timer) {
        let tenant = &timer.place.tenant;
        let Some(clock) = self.loaded.clocks.get_mut(tenant) else { return };
        let to = timer.due_at - time::Duration::MICROSECOND;
        if clock.shown.is_none_or(|shown| shown < to) {
            clock.shown = Some(to);
            self.moved.insert(tenant.clone());
            self.out.facts.push(Fact::ClockMoved { id: new_id(self.now), tenant: tenant.clone(), to });
        }
    }
}
