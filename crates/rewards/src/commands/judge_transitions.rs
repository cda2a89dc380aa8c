//! Rules on stage transitions: every rule of the version in force that speaks of a transition leaves a decision (R12),
//! and those that act a reward.

use std::collections::HashSet;

use types::Timestamp;

use crate::domain::book::Book;
use crate::domain::decision::{self, Decision, DecisionKey, Outcome, Transition};
use crate::domain::effects::{Effects, Fact, What};
use crate::domain::program::{Judge, Program, Rule};
use crate::domain::reward::Reward;

/// Judges a transition by a program. Decisions that are `decided` already are left alone, so the same transition again
/// changes nothing (R5). `now` is the real clock.
pub(super) fn judge(
    transition: &Transition,
    program: &Program,
    decided: &mut HashSet<DecisionKey>,
    now: Timestamp,
    book: &mut Book,
    effects: &mut Effects,
) {
    let judge = program.judge(transition.occurred_at);
    for rule in judge.rules().iter().filter(|rule| transition.concerns(rule)) {
        let mut decision = consider(judge, rule, transition, now);
        if decided.insert(decision.key()) {
            warn_if_parked(&decision);
            act(&mut decision, rule, now, book, effects);
            effects.decisions.push(decision);
        } else {
            effects.twins += 1;
        }
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

/// Raises a rule that could not be evaluated (R12).
pub(super) fn warn_if_parked(decision: &Decision) {
    if decision.verdict.outcome == Outcome::Parked {
        let Decision { transition, rule, verdict, .. } = decision;
        let (tenant, id) = (transition.tenant.as_str(), transition.transition_id);
        tracing::warn!(tenant, transition = %id, rule = rule.as_str(), detail = verdict.detail, "rule parked");
    }
}

/// What a decision leads to: a reward with its posting and its event, if it says so.
pub(super) fn act(
    decision: &mut Decision,
    rule: &Rule,
    now: Timestamp,
    book: &mut Book,
    effects: &mut Effects,
) {
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
        book.create(reward, decision, rule, effects);
    }
}
