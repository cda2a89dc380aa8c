//! Domain values as the contract writes them; shared by the RPCs and the events.

use definitions::condition::Condition;
use proto::rewards as wire;
use rpc::fields::{wire_money, wire_time};
use types::{Currency, Money};

use crate::domain::decision::{Decision, Outcome};
use crate::domain::effects::{RewardView, Turn, TurnCause};
use crate::domain::explain;
use crate::domain::ledger::{Account, Posting};
use crate::domain::program::{Beneficiary, Program};
use crate::domain::reward::{Reward, State};

/// A reward.
pub(crate) fn reward(view: &RewardView) -> wire::Reward {
    let reward = &view.reward;
    wire::Reward {
        reward_id: reward.reward_id.to_string(),
        campaign_id: reward.campaign.to_string(),
        rule: reward.rule.to_string(),
        program_version: view.version,
        beneficiary_kind: beneficiary(reward.beneficiary_kind).into(),
        beneficiary_id: reward.beneficiary.to_string(),
        kind: wire::RewardKind::Credit.into(),
        state: state(reward.state).into(),
        amount: Some(wire_money(reward.amount)),
        transition_id: reward.transition.to_string(),
        order_id: text(view.order_id.as_ref()),
        attribution_id: text(view.attribution.as_ref()),
        contact_id: view.contact.to_string(),
        occurred_at: Some(wire_time(reward.occurred_at)),
        hold_until: Some(wire_time(reward.hold_until)),
        denied_reason: reward.denied_reason.clone().unwrap_or_default(),
        denial_cause: denial(reward).into(),
    }
}

/// Why it is denied, if it is: a person leaves something that would be due.
fn denial(reward: &Reward) -> wire::DenialCause {
    match (reward.state, reward.amount.minor) {
        (State::Denied, 0) => wire::DenialCause::Refunded,
        (State::Denied, _) => wire::DenialCause::ByHand,
        _ => wire::DenialCause::Unspecified,
    }
}

/// A turn, of a reward in `currency`.
pub(crate) fn turn(turn: &Turn, currency: Currency) -> wire::RewardTurn {
    let (kind, event, minor) = match turn.cause {
        TurnCause::Refunded(event, due) => (wire::TurnKind::Refunded, Some(event), Some(due)),
        TurnCause::Flagged(event) => (wire::TurnKind::Flagged, Some(event), None),
        TurnCause::Unflagged(event) => (wire::TurnKind::Unflagged, Some(event), None),
        TurnCause::Netted(owed) => (wire::TurnKind::Netted, None, Some(owed)),
    };
    wire::RewardTurn {
        reward_id: turn.reward_id.to_string(),
        number: turn.number,
        kind: kind.into(),
        event_id: text(event),
        amount: minor.map(|minor| wire_money(Money::new(minor, currency))),
        occurred_at: Some(wire_time(turn.occurred_at)),
    }
}

/// A decision; `program` is its campaign's, for the condition and the explanation.
pub(crate) fn decision(decision: &Decision, program: Option<&Program>) -> wire::Decision {
    let transition = &decision.transition;
    let order = transition.order.as_ref();
    let rule = program.and_then(|program| Some((program, explain::rule_of(decision, program)?)));
    wire::Decision {
        campaign_id: transition.campaign.to_string(),
        rule: decision.rule.to_string(),
        beneficiary_kind: beneficiary(decision.beneficiary).into(),
        transition_id: transition.transition_id.to_string(),
        program_version: decision.version,
        outcome: outcome(decision.verdict.outcome).into(),
        reward_id: text(decision.reward.as_ref()),
        journey: transition.journey.to_string(),
        stage: transition.stage.to_string(),
        contact_id: transition.contact.to_string(),
        beneficiary_id: text(decision.beneficiary_id().as_ref()),
        attribution_id: text(transition.attribution.map(|(attribution, _)| attribution).as_ref()),
        order_id: text(order.map(|order| &order.order_id)),
        revenue: order.map(|order| wire_money(order.revenue)),
        amount: decision.verdict.amount.map(wire_money),
        condition: text(rule.and_then(|(_, rule)| rule.when.as_ref()).map(Condition::source)),
        detail: rule.map_or_else(String::new, |(program, rule)| explain::detail(decision, program, rule)),
        event_id: transition.event_id.to_string(),
        occurred_at: Some(wire_time(transition.occurred_at)),
        decided_at: Some(wire_time(decision.decided_at)),
        refunded: order.map(|order| wire_money(Money::new(order.refunded_minor, order.revenue.currency))),
        attempts: decision.attempts,
    }
}

/// A posting.
pub(crate) fn posting(posting: &Posting) -> wire::Posting {
    wire::Posting {
        reward_id: posting.reward_id.to_string(),
        number: posting.number,
        debit: account(posting.debit).into(),
        credit: account(posting.credit).into(),
        amount: Some(wire_money(posting.amount)),
        occurred_at: Some(wire_time(posting.occurred_at)),
    }
}

/// Present as text, absent as nothing.
pub(crate) fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn beneficiary(of: Beneficiary) -> wire::BeneficiaryKind {
    match of {
        Beneficiary::Advocate => wire::BeneficiaryKind::Advocate,
        Beneficiary::ReferredContact => wire::BeneficiaryKind::ReferredContact,
        Beneficiary::Contact => wire::BeneficiaryKind::Contact,
    }
}

/// A state.
pub(crate) fn state(of: State) -> wire::RewardState {
    match of {
        State::Pending => wire::RewardState::Pending,
        State::Approved => wire::RewardState::Approved,
        State::Processing => wire::RewardState::Processing,
        State::Fulfilled => wire::RewardState::Fulfilled,
        State::Denied => wire::RewardState::Denied,
        State::Flagged => wire::RewardState::Flagged,
        State::Reversed => wire::RewardState::Reversed,
    }
}

/// An outcome.
pub(crate) fn outcome(of: Outcome) -> wire::DecisionOutcome {
    match of {
        Outcome::Created => wire::DecisionOutcome::Created,
        Outcome::ConditionFalse => wire::DecisionOutcome::ConditionFalse,
        Outcome::NoAttribution => wire::DecisionOutcome::NoAttribution,
        Outcome::ZeroAmount => wire::DecisionOutcome::ZeroAmount,
        Outcome::NoOrder => wire::DecisionOutcome::NoOrder,
        Outcome::CurrencyMismatch => wire::DecisionOutcome::CurrencyMismatch,
        Outcome::BeforeProgram => wire::DecisionOutcome::BeforeProgram,
        Outcome::Inferred => wire::DecisionOutcome::Inferred,
        Outcome::Parked => wire::DecisionOutcome::Parked,
    }
}

/// An account.
pub(crate) fn account(of: Account) -> wire::Account {
    match of {
        Account::Budget => wire::Account::Budget,
        Account::Pending => wire::Account::Pending,
        Account::Payable => wire::Account::Payable,
        Account::Paid => wire::Account::Paid,
        Account::Receivable => wire::Account::Receivable,
    }
}
