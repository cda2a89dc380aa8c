//! Commands of one call keep their order, also when one of them meets a transient failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The commands of one import, stream or batch call. Once one of them fails for a transient reason, those behind it fail
/// too, without effect: if the second were carried out, and the first only when the caller repeats it, they would have
/// changed their order. An order of a customer whose first order carries the evidence would stay unattributed for good.
#[derive(Debug, Default)]
pub struct Lane {
    broken_after: Arc<BrokenAfter>,
    next: u64,
}

/// Places beyond this one are held up.
#[derive(Debug)]
struct BrokenAfter(AtomicU64);

impl Default for BrokenAfter {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

/// One command's place in its lane.
#[derive(Debug)]
pub(crate) struct Place {
    broken_after: Arc<BrokenAfter>,
    number: u64,
}

impl Lane {
    /// The place behind all those given out.
    pub(crate) fn place(&mut self) -> Place {
        let number = self.next;
        self.next += 1;
        Place { broken_after: Arc::clone(&self.broken_after), number }
    }
}

impl Place {
    /// This command failed for a transient reason: those behind it must not overtake it.
    pub(crate) fn break_off(&self) {
        self.broken_after.0.fetch_min(self.number, Ordering::AcqRel);
    }

    /// Whether a command before this one failed for a transient reason.
    pub(crate) fn is_held_up(&self) -> bool {
        self.number > self.broken_after.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_failure_is_held_up() {
        let held_up = |places: &[Place]| places.iter().map(Place::is_held_up).collect::<Vec<bool>>();
        let (mut lane, mut other) = (Lane::default(), Lane::default());
        let places: Vec<Place> = (0..4).map(|_| lane.place()).collect();
        let beside = [other.place(), other.place()];
        places[2].break_off();
        assert_eq!(held_up(&places), [false, false, false, true]);
        places[0].break_off();
        assert_eq!(held_up(&places), [false, true, true, true]);
        assert_eq!(held_up(&beside), [false; 2]);
    }
}
