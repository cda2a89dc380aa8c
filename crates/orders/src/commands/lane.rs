//! Orders of one call keep their order, also when one of them meets a transient failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The commands of one import, stream or batch call. Once one of them fails for a transient reason, those behind it fail
/// too, without effect: if a customer's second order were recorded, and the first one, which carries the evidence, only
/// when the caller repeats it, the second would stay unattributed for good (O4).
#[derive(Debug)]
pub(crate) struct Lane {
    shared: Arc<Shared>,
    next: u64,
}

#[derive(Debug)]
struct Shared {
    /// Places beyond this one are held up.
    broken_after: AtomicU64,
    updates: bool,
}

/// One command's place in its lane.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    number: u64,
}

impl Lane {
    /// `updates`: whether commands of this lane may change stored orders, so that those behind must not be answered from
    /// what is stored before they are through.
    pub(crate) fn new(updates: bool) -> Self {
        Self { shared: Arc::new(Shared { broken_after: AtomicU64::new(u64::MAX), updates }), next: 0 }
    }

    /// A lane like this one, for what is to be repeated.
    pub(crate) fn again(&self) -> Self {
        Self::new(self.shared.updates)
    }

    /// The place behind all those given out.
    pub(crate) fn place(&mut self) -> Place {
        let number = self.next;
        self.next += 1;
        Place { shared: Arc::clone(&self.shared), number }
    }
}

impl Place {
    /// Whether commands before this one may change what is stored.
    pub(crate) fn is_behind_updates(&self) -> bool {
        self.shared.updates
    }

    /// This command failed for a transient reason: those behind it must not overtake it.
    pub(crate) fn break_off(&self) {
        self.shared.broken_after.fetch_min(self.number, Ordering::AcqRel);
    }

    /// Whether a command before this one failed for a transient reason.
    pub(crate) fn is_held_up(&self) -> bool {
        self.number > self.shared.broken_after.load(Ordering::Acquire)
    }

    /// Breaks off every lane among `places`, which are in their order, behind its last one: none of these is itself
    /// held up, so that all of them may be tried again together.
    pub(crate) fn break_off_behind<'a>(places: impl DoubleEndedIterator<Item = &'a Self>) {
        let mut seen: Vec<&Arc<Shared>> = Vec::new();
        for place in places.rev() {
            if !seen.iter().any(|lane| Arc::ptr_eq(lane, &place.shared)) {
                place.break_off();
                seen.push(&place.shared);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_up(places: &[Place]) -> Vec<bool> {
        places.iter().map(Place::is_held_up).collect()
    }

    #[test]
    fn what_is_behind_a_failure_is_held_up() {
        let mut lane = Lane::new(false);
        let places: Vec<Place> = (0..4).map(|_| lane.place()).collect();
        places[2].break_off();
        assert_eq!(held_up(&places), [false, false, false, true]);
        places[0].break_off();
        assert_eq!(held_up(&places), [false, true, true, true]);
        assert!(!lane.again().place().is_held_up());
    }

    #[test]
    fn a_slice_that_failed_may_be_tried_again_but_not_overtaken() {
        let (mut one, mut other) = (Lane::new(false), Lane::new(false));
        let slice = [one.place(), other.place(), one.place()];
        let behind = [one.place(), other.place()];
        Place::break_off_behind(slice.iter());
        assert_eq!(held_up(&slice), [false; 3]);
        assert_eq!(held_up(&behind), [true; 2]);
    }
}
