//! What a run counts for in its funnel (J11): a function of where it stands, so that counters move by the difference.

use std::collections::BTreeMap;
use std::ops::{AddAssign, Neg};

use types::StageKey;

use super::definition::{Definition, Kind};
use super::run::{Run, Standing, Stored};
use super::times::{Bucket, Times};

/// Counters of one stage, or differences of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Runs that entered it at least once.
    pub entered: i64,
    /// Times it was entered.
    pub transitions: i64,
    /// Runs that entered both this step and the step before it.
    pub converted_from_previous: i64,
    /// Runs that entered both this step and the first.
    pub converted_from_first: i64,
    /// Runs whose furthest step this is and that ended, or entered an exception and no step since.
    pub dropped_off: i64,
    /// Runs whose furthest step this is and that did neither.
    pub still_there: i64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.entered += other.entered;
        self.transitions += other.transitions;
        self.converted_from_previous += other.converted_from_previous;
        self.converted_from_first += other.converted_from_first;
        self.dropped_off += other.dropped_off;
        self.still_there += other.still_there;
    }
}

impl Neg for Counts {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            entered: -self.entered,
            transitions: -self.transitions,
            converted_from_previous: -self.converted_from_previous,
            converted_from_first: -self.converted_from_first,
            dropped_off: -self.dropped_off,
            still_there: -self.still_there,
        }
    }
}

/// Counters by stage; `None` is the journey as a whole, where `entered` counts the runs.
pub type ByStage = BTreeMap<Option<StageKey>, Counts>;

/// What a slice adds to a run's funnel besides where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gained {
    /// The stages entered, as often as they were.
    pub entries: Vec<StageKey>,
    /// The stages left, and after what time.
    pub left: Vec<(StageKey, Bucket)>,
}

/// All that is counted of some runs, or differences of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Counters by stage.
    pub counts: ByStage,
    /// Times in the stages that were left.
    pub times: BTreeMap<StageKey, Times>,
}

impl Tally {
    /// Forgets counters that do not move.
    pub fn settle(&mut self) {
        self.counts.retain(|_, counts| *counts != Counts::default());
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.times.is_empty()
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        for (stage, counts) in &other.counts {
            *self.counts.entry(stage.clone()).or_default() += *counts;
        }
        for (stage, times) in &other.times {
            *self.times.entry(stage.clone()).or_default() += times;
        }
    }
}

/// What a run counts for since it was loaded: all of it if it is new.
pub fn moved(definition: &Definition, run: &Run) -> Tally {
    let mut moved = Tally { counts: of(definition, &run.standing()), times: BTreeMap::new() };
    if let Some(Stored::Before(before)) = &run.stored {
        for (stage, counts) in of(definition, before) {
            *moved.counts.entry(stage).or_default() += counts.neg();
        }
    }
    for stage in &run.gained.entries {
        for of in [None, Some(stage.clone())] {
            moved.counts.entry(of).or_default().transitions += 1;
        }
    }
    for (stage, bucket) in &run.gained.left {
        moved.times.entry(stage.clone()).or_default().add(*bucket, 1);
    }
    moved
}

/// What one run counts for, but for the transitions.
pub fn of(definition: &Definition, standing: &Standing) -> ByStage {
    let mut counts = ByStage::new();
    counts.entry(None).or_default().entered = 1;
    for stage in &standing.stages {
        counts.entry(Some(stage.clone())).or_default().entered = 1;
    }
    let has = |stage: &StageKey| standing.stages.contains(stage);
    let steps: Vec<&StageKey> = definition.steps().map(|s| &s.key).collect();
    for (n, step) in steps.iter().enumerate().filter(|(_, step)| has(step)) {
        let count = counts.entry(Some((*step).clone())).or_default();
        let previous = n.checked_sub(1).and_then(|before| steps.get(before));
        count.converted_from_previous = i64::from(previous.is_some_and(|before| has(before)));
        count.converted_from_first = i64::from(steps.first().is_some_and(|first| has(first)));
    }
    if let Some(furthest) = steps.iter().rev().find(|step| has(step)) {
        let fell = definition.stage(&standing.current).is_some_and(|s| s.kind == Kind::Exception);
        let count = counts.entry(Some((*furthest).clone())).or_default();
        if standing.ended || fell { count.dropped_off = 1 } else { count.still_there = 1 }
    }
    counts
}

/// How many runs entered a goal's stage (J1) for those that entered the first step, in basis points; 0 if nobody did.
/// Rounded down: it is never at the goal's rate before the runs are. Above 10,000 where runs come to the goal without
/// the first step, as an OPTIONAL sequence lets them.
pub fn reached(goal: Counts, first: Counts) -> i64 {
    if first.entered <= 0 {
        return 0;
    }
    let points = i128::from(goal.entered) * 10_000 / i128::from(first.entered);
    i64::try_from(points).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j1_how_near_a_goal_is_is_rounded_down() {
        let entered = |entered| Counts { entered, ..Counts::default() };
        for (goal, first, expected) in [
            (0, 0, 0),
            (5, 0, 0),
            (0, 5, 0),
            (1, 3, 3333),
            (2, 3, 6666),
            (199_999, 200_000, 9999),
            (5, 5, 10_000),
            (6, 5, 12_000),
            (i64::MAX, i64::MAX, 10_000),
            (i64::MAX, 1, i64::MAX),
        ] {
            assert_eq!(reached(entered(goal), entered(first)), expected, "{goal} of {first}");
        }
    }
}
