//! Stages that enter each other in a circle.
//!
//! A stage is entered once for each occurrence key (J5), so a circle comes to rest where keys stay the same; but nothing in
//! the definition ends it, and it goes on wherever a call gives another key, or a run starts again (J3).

use types::{JourneyKey, StageKey};

use super::Rule;
use crate::domain::definition::{Definition, Restart, Signal, Stage};

/// A stage of one of the journeys.
type Node<'d> = (&'d Definition, &'d Stage);

pub(super) fn look(
    definition: &Definition,
    others: &[&Definition],
    say: &mut impl FnMut(Rule, String, String),
) {
    let mut told: Vec<&StageKey> = Vec::new();
    for (n, stage) in definition.stages.iter().enumerate() {
        if told.contains(&&stage.key) {
            continue;
        }
        let Some(circle) = circle(definition, others, stage) else { continue };
        let own = circle.iter().filter(|(of, _)| of.journey == definition.journey);
        told.extend(own.map(|(_, stage)| &stage.key));
        let names = circle.iter().chain(circle.first()).map(|node| name(definition, *node));
        let message = format!(
            "these stages enter each other in a circle, and each may be entered again: {}",
            names.collect::<Vec<_>>().join(" -> ")
        );
        say(Rule::EndlessRepeats, format!("stages[{n}].stage"), message);
    }
}

fn name(own: &Definition, (of, stage): Node<'_>) -> String {
    if of.journey == own.journey {
        format!("`{}`", stage.key)
    } else {
        format!("`{}` of `{}`", stage.key, of.journey)
    }
}

/// A way from a stage back to itself, through stages that may be entered again; the shortest there is.
fn circle<'d>(
    definition: &'d Definition,
    others: &[&'d Definition],
    start: &'d Stage,
) -> Option<Vec<Node<'d>>> {
    let start: Node<'d> = (definition, start);
    let mut ways: Vec<(Node<'d>, Option<usize>)> = vec![(start, None)];
    let mut at = 0;
    while let Some((here, _)) = ways.get(at).filter(|((of, stage), _)| repeats(of, stage)).copied() {
        for next in entered_by(definition, others, here) {
            if is(next, start) {
                let back = std::iter::successors(Some(at), |n| ways.get(*n).and_then(|(_, before)| *before));
                let mut circle: Vec<Node<'d>> = back.filter_map(|n| ways.get(n).map(|way| way.0)).collect();
                circle.reverse();
                return Some(circle);
            }
            if repeats(next.0, next.1) && !ways.iter().any(|(seen, _)| is(*seen, next)) {
                ways.push((next, Some(at)));
            }
        }
        at += 1;
    }
    None
}

fn is((a, b): Node<'_>, (c, d): Node<'_>) -> bool {
    a.journey == c.journey && b.key == d.key
}

/// Whether it may be entered more than once.
fn repeats(of: &Definition, stage: &Stage) -> bool {
    stage.repeatable || of.restart == Restart::AfterTerminal
}

/// What the entry of a stage enters: by timers in its journey, by triggers in others.
fn entered_by<'d>(own: &'d Definition, others: &[&'d Definition], (of, stage): Node<'d>) -> Vec<Node<'d>> {
    let by_timer = of.stages.iter().filter(|s| s.enter_after.iter().any(|timer| timer.after == stage.key));
    let mut found: Vec<Node<'d>> = by_timer.map(|s| (of, s)).collect();
    let listens = |s: &&Stage| s.enter_on.iter().any(|t| is_on(&t.signal, &of.journey, &stage.key));
    for other in others.iter().copied().chain([own]) {
        found.extend(other.stages.iter().filter(listens).map(|s| (other, s)));
    }
    found
}

fn is_on(signal: &Signal, of: &JourneyKey, entered: &StageKey) -> bool {
    matches!(signal, Signal::StageEntered { journey, stage } if journey == of && stage == entered)
}
