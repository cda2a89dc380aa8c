//! Ways into stages: those that are missing, and those that lead from nowhere.

use super::Rule;
use crate::domain::definition::{Campaigns, Definition, Kind, OnGap, Sequence, Signal, Stage};

pub(super) fn look(
    definition: &Definition,
    campaigns: &Campaigns,
    others: &[&Definition],
    say: &mut impl FnMut(Rule, String, String),
) {
    let goes_by_itself = definition.stages.iter().any(enters_by_itself);
    for (n, stage) in definition.stages.iter().enumerate() {
        if goes_by_itself && !enters_by_itself(stage) && !is_filled_in(definition, n) {
            let message = format!(
                "nothing but EnterStage enters `{}`: it has no trigger and no timer, as other stages here have",
                stage.key
            );
            say(Rule::ByCallOnly, format!("stages[{n}].stage"), message);
        }
        for (m, trigger) in stage.enter_on.iter().enumerate() {
            if let Some(message) = unknown_source(&trigger.signal, others) {
                say(Rule::UnknownSource, format!("stages[{n}].enter_on[{m}]"), message);
            }
            if let Some(message) = elsewhere(&trigger.signal, campaigns) {
                say(Rule::TriggerNeverFires, format!("stages[{n}].enter_on[{m}]"), message);
            }
        }
    }
}

fn enters_by_itself(stage: &Stage) -> bool {
    !stage.enter_on.is_empty() || !stage.enter_after.is_empty()
}

/// Whether a later step that is entered by a trigger enters this one too (`on_gap: FILL`).
fn is_filled_in(definition: &Definition, n: usize) -> bool {
    let fills = definition.on_gap == OnGap::Fill && definition.sequence == Sequence::Required;
    let stage = &definition.stages[n];
    let later = definition.stages.iter().skip(n + 1).filter(|s| s.kind == Kind::Step);
    fills
        && stage.kind == Kind::Step
        && !stage.optional
        && later.into_iter().any(|later| !later.enter_on.is_empty())
}

/// J14: what happens without a campaign acts on the runs without one, and an attribution has one.
fn elsewhere(signal: &Signal, campaigns: &Campaigns) -> Option<String> {
    let (has_campaign, has_none) = match signal {
        Signal::ContactEnrolled | Signal::ContactTagged | Signal::SegmentJoined | Signal::SegmentLeft => {
            (false, true)
        }
        Signal::AttributionActivated => (true, false),
        _ => (true, true),
    };
    match campaigns {
        Campaigns::None if !has_none => {
            Some(format!("`{}` is always of a campaign, and the journey is applied to none", signal.name()))
        }
        Campaigns::All | Campaigns::Listed(_) if !has_campaign => {
            let name = signal.name();
            Some(format!("`{name}` is of no campaign: only a journey with `campaigns: none` hears of it"))
        }
        _ => None,
    }
}

fn unknown_source(signal: &Signal, others: &[&Definition]) -> Option<String> {
    let Signal::StageEntered { journey, stage } = signal else { return None };
    match others.iter().find(|other| other.journey == *journey) {
        None => Some(format!("no journey `{journey}` is in force yet")),
        Some(other) if other.stage(stage).is_none() => {
            Some(format!("the journey `{journey}` has no stage `{stage}`"))
        }
        Some(_) => None,
    }
}
