//! Rules on stage transitions: every rule of the version in force that speaks of a transition leaves a decision (R12),
//! and those that act a reward.

use std::collections::HashSet;
use std::sync::Arc;

use pg::WriteTx;
use types::Timestamp;

use crate::domain::decision::{self, Decision, DecisionKey, Outcome, Transition};
use crate::domain::effects::{Effects, Fact, What};
use crate::domain::program::{Judge, Rule};
use crate::domain::reward::Reward;
use crate::store::decisions;
use crate::store::programs::{ByCampaign, Programs};

/// Judges transitions in their order, into `effects`. Decisions that are there already are left alone, so the same
/// transition again changes nothing (R5). What comes of each continues its trace. `now` is the real clock.
pub(crate) async fn judge(
    tx: &mut WriteTx,
    programs: &Programs,
    transitions: &[Transition],
    traces: &[Option<Arc<str>>],
    now: Timestamp,
    effects: &mut Effects,
) -> Result<(), pg::Error> {
    let campaigns = transitions.iter().map(|t| (t.tenant.clone(), t.campaign.clone())).collect();
    let programs = programs.load(&mut *tx, &campaigns).await?;
    if programs.is_empty() {
        return Ok(());
    }
    let existing = decisions::existing(tx, transitions).await?;
    decide(transitions, traces, &programs, existing, now, effects);
    Ok(())
}

fn decide(
    transitions: &[Transition],
    traces: &[Option<Arc<str>>],
    programs: &ByCampaign,
    mut decided: HashSet<DecisionKey>,
    now: Timestamp,
    effects: &mut Effects,
) {
    for (transition, trace) in transitions.iter().zip(traces) {
        // without a program no rule is considered, and there is nothing to record
        let Some(program) = programs.get(&(transition.tenant.clone(), transition.campaign.clone())) else {
            continue;
        };
        let judge = program.judge(transition.occurred_at);
        for rule in judge.rules().iter().filter(|rule| transition.concerns(rule)) {
            let decision = consider(judge, rule, transition, now);
            if decided.insert(decision.key()) {
                record(decision, rule, now, effects);
            } else {
                effects.twins += 1;
            }
        }
        effects.sign(trace.as_ref());
    }
}

fn consider(judge: Judge<'_>, rule: &Rule, transition: &Transition, now: Timestamp) -> Decision {
    Decision {
        transition: transition.clone(),
        rule: rule.key.clone(),
        beneficiary: rule.beneficiary,
        version: judge.version(),
        first_version: judge.version(),
        verdict: decision::judge(judge, rule, transition),
        reward: None,
        decided_at: now,
        attempts: 1,
    }
}

fn record(mut decision: Decision, rule: &Rule, now: Timestamp, effects: &mut Effects) {
    warn_if_parked(&decision);
    act(&mut decision, rule, now, effects);
    effects.decisions.push(decision);
}

/// Raises a rule that could not be evaluated (R12).
pub(super) fn warn_if_parked(decision: &Decision) {
    if decision.verdict.outcome == Outcome::Parked {
        let Decision { transition, rule, verdict, .. } = decision;
        let (tenant, id) = (transition.tenant.as_str(), transition.transition_id);
        tracing::warn!(tenant, transition = %id, rule = rule.as_str(), detail = verdict.detail, "rule parked");
    }
}

/// What a decision leads to: a reward with its posting and its event, if it says so.
pub(super) fn act(decision: &mut Decision, rule: &Rule, now: Timestamp, effects: &mut Effects) {
    let acts = decision.verdict.outcome == Outcome::Created;
    if let Some(amount) = decision.verdict.amount.filter(|_| acts)
        && let Some((reward, posting)) = Reward::create(types::new_id(now), decision, rule, amount)
    {
        decision.reward = Some(reward.reward_id);
        effects.facts.push(Fact {
            tenant: reward.tenant.clone(),
            occurred_at: reward.occurred_at,
            what: What::Created(Box::new(reward.view(decision))),
        });
        effects.postings.push(posting);
        effects.created.push(reward);
    }
}
