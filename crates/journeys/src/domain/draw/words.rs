//! What is said of a stage, in words.

use super::Drawing;
use crate::domain::definition::{Sequence, Signal, Stage, Trigger, Wait};
use crate::domain::funnel::{Counts, reached};
use types::BasisPoints;

/// A number with its thousands apart.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// A number and what it counts.
pub(super) fn counted(number: i64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A share in percent with one decimal, rounded down; nothing of nothing.
pub(super) fn share(part: i64, whole: i64) -> Option<String> {
    if whole <= 0 {
        return None;
    }
    let permille = i128::from(part) * 1000 / i128::from(whole);
    Some(format!("{}.{} %", permille / 10, permille % 10))
}

/// What a trigger listens to.
pub(super) fn signal(trigger: &Trigger) -> String {
    match &trigger.signal {
        Signal::StageEntered { journey, stage } => format!("stage.entered: {stage} of {journey}"),
        signal => signal.name().to_owned(),
    }
}

/// What makes a timer moot.
pub(super) fn unless(timer: &Wait) -> Option<String> {
    let stages: Vec<&str> = timer.unless.iter().map(types::StageKey::as_str).collect();
    (!stages.is_empty()).then(|| format!("unless {}", stages.join(" or ")))
}

/// What a stage is besides a step or an exception.
pub(super) fn flags(stage: &Stage) -> Vec<&'static str> {
    let flags =
        [("optional", stage.optional), ("repeatable", stage.repeatable), ("terminal", stage.terminal)];
    flags.into_iter().filter(|(_, is)| *is).map(|(flag, _)| flag).collect()
}

/// What a stage earns whom.
pub(super) fn rewards(drawing: &Drawing<'_>, stage: &Stage) -> Vec<String> {
    let rules = drawing.program.into_iter().flat_map(|program| &program.rules);
    let here = rules.filter(|rule| {
        rule.journey.value == drawing.definition.journey.as_str() && rule.stage.value == stage.key.as_str()
    });
    let told = here.map(|rule| match rule.action.as_str() {
        "CREATE" | "" => {
            let whose = rule.beneficiary.to_lowercase().replace('_', " ");
            let whose = if whose.is_empty() { String::new() } else { format!(" to the {whose}") };
            format!("{}{whose}", rule.amount().unwrap_or(&rule.key))
        }
        action => format!("{}: {}", rule.key, action.to_lowercase()),
    });
    told.collect()
}

/// The goal, if the stage is its own.
pub(super) fn goal(drawing: &Drawing<'_>, stage: &Stage) -> Option<Vec<String>> {
    let goal = drawing.definition.goal.as_ref().filter(|goal| goal.stage == stage.key)?;
    let mut told = vec![format!("{} of the first step", goal.rate), format!("by {}", goal.by)];
    if let Some(live) = drawing.live {
        let first = drawing.definition.steps().next().map(|step| live.of(step.key.as_str()));
        let points = reached(live.of(stage.key.as_str()), first.unwrap_or_default());
        told.push(format!("{} so far", BasisPoints(u32::try_from(points).unwrap_or(u32::MAX))));
    }
    Some(told)
}

/// Where those are who came to a step last.
pub(super) fn whereabouts(counts: Counts) -> String {
    format!("{} here, {} dropped off", grouped(counts.still_there), grouped(counts.dropped_off))
}

/// Of all runs that entered the step before, those that entered this one.
pub(super) fn conversion(drawing: &Drawing<'_>, from: &Stage, to: &Stage) -> Option<String> {
    let live = drawing.live?;
    let (from, to) = (live.of(from.key.as_str()), live.of(to.key.as_str()));
    share(to.converted_from_previous, from.entered)
}

/// What stands under the title.
pub(super) fn subtitle(drawing: &Drawing<'_>) -> String {
    let order = match drawing.definition.sequence {
        Sequence::Required => "steps in this order",
        Sequence::Optional => "steps in any order",
    };
    let mut parts = vec![drawing.definition.journey.to_string()];
    parts.extend(drawing.version.map(|version| format!("version {version}")));
    parts.push(order.to_owned());
    if let Some(live) = drawing.live {
        parts.push(counted(live.of("").entered, "run"));
        parts.extend(live.campaign.as_ref().map(|campaign| format!("campaign {campaign}")));
    }
    parts.join(" · ")
}
