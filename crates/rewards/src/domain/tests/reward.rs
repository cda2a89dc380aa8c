use std::collections::HashMap;

use proptest::prelude::*;
use time::Duration;
use types::Timestamp;

use super::{AT, id, program, rule, transition};
use crate::domain::decision::{self, Decision};
use crate::domain::effects::{Effects, What};
use crate::domain::ledger::{Account, Cause, Posting};
use crate::domain::program::Rule;
use crate::domain::reward::{HandMove, NotAllowed, Reward, State};
use crate::domain::standing::Standing;

/// A reward of 10.00 USD with a hold of a day, and its first posting.
fn created(more: &str) -> (Decision, Rule, Reward, Posting) {
    let rule = rule(&format!("beneficiary: ADVOCATE, amount: {{fixed: 10 USD}}, hold: 1d, {more}"));
    let program = program(&rule);
    let transition = transition("100.00 USD");
    let judge = program.judge(AT);
    let decision = Decision {
        verdict: decision::judge(judge, &rule, &transition),
        transition,
        rule: rule.key.clone(),
        beneficiary: rule.beneficiary,
        version: judge.version(),
        first_version: judge.version(),
        reward: Some(id(9)),
        decided_at: AT,
        attempts: 1,
    };
    let amount = decision.verdict.amount.unwrap();
    let (reward, posting) = Reward::create(id(9), &decision, &rule, amount).unwrap();
    (decision, rule, reward, posting)
}

fn deny() -> HandMove {
    HandMove::Deny("sent back".to_owned())
}

fn transfers(effects: &Effects) -> Vec<(Account, Account, Cause)> {
    effects.postings.iter().map(|posting| (posting.debit, posting.credit, posting.cause)).collect()
}

type Step = fn(State) -> Result<State, NotAllowed>;

#[test]
fn r3_the_states_follow_each_other_only_as_the_rule_says() {
    use State::{Approved, Denied, Flagged, Fulfilled, Pending, Processing, Reversed};
    let all = [Pending, Approved, Processing, Fulfilled, Denied, Flagged, Reversed];
    let steps: [(Step, &[(State, State)]); 8] = [
        (State::approve, &[(Pending, Approved), (Flagged, Approved)]),
        (State::process, &[(Approved, Processing)]),
        (State::fulfil, &[(Processing, Fulfilled)]),
        (State::deny, &[(Pending, Denied), (Approved, Denied), (Flagged, Denied)]),
        (State::reopen, &[(Denied, Pending)]),
        (State::flag, &[(Pending, Flagged)]),
        (State::unflag, &[(Flagged, Pending)]),
        (State::refund, &[(Pending, Denied), (Approved, Denied), (Flagged, Denied), (Fulfilled, Reversed)]),
    ];
    for (step, allowed) in steps {
        for from in all {
            let to = allowed.iter().find(|(state, _)| *state == from).map(|(_, to)| *to);
            assert_eq!(step(from), to.ok_or(NotAllowed(from)), "{from:?}");
        }
    }
}

#[test]
fn r7_a_hold_is_due_at_the_transition_plus_its_length() {
    let (.., reward, _) = created("approval: AUTOMATIC");
    assert_eq!(reward.hold_until, AT + Duration::DAY);
    assert!(!reward.is_due(AT + Duration::DAY - Duration::MICROSECOND));
    assert!(reward.is_due(AT + Duration::DAY));
    let (.., by_hand, _) = created("approval: BY_HAND");
    assert!(!by_hand.is_due(AT + Duration::DAY));
}

#[test]
fn r7_the_end_of_a_hold_approves_and_fulfils_at_the_moment_it_was_due() {
    let (.., mut reward, _) = created("fulfilment: ON_APPROVAL");
    let mut effects = Effects::default();
    reward.hold_over(&mut effects).unwrap();
    assert_eq!(reward.state, State::Fulfilled);
    let paths = [
        (Account::Pending, Account::Payable, Cause::HoldOver),
        (Account::Payable, Account::Paid, Cause::OnApproval),
    ];
    assert_eq!(transfers(&effects), paths);
    assert!(effects.postings.iter().all(|posting| posting.occurred_at == AT + Duration::DAY));
    assert!(matches!(effects.facts[0].what, What::Approved(_)));
    assert!(matches!(effects.facts[1].what, What::Fulfilled(_)));
    assert_eq!(effects.paid.len(), 1);
}

#[test]
fn r7_a_denial_before_the_hold_finds_pending_and_after_it_approved() {
    let (.., reward, _) = created("fulfilment: BY_HAND");
    for (at, from) in [(AT, Account::Pending), (AT + Duration::DAY, Account::Payable)] {
        let (mut reward, mut effects) = (reward.clone(), Effects::default());
        assert_eq!(reward.by_hand(&deny(), None, at, &mut effects), Ok(true));
        let last = effects.postings.last().unwrap();
        assert_eq!((last.debit, last.credit, last.cause), (from, Account::Budget, Cause::ByHand));
        assert_eq!(reward.denied_reason.as_deref(), Some("sent back"));
    }
}

#[test]
fn r7_after_fulfilment_a_denial_is_not_possible() {
    let (.., mut reward, _) = created("fulfilment: ON_APPROVAL");
    let mut effects = Effects::default();
    let late = AT + Duration::days(2);
    assert_eq!(reward.by_hand(&deny(), None, late, &mut effects), Err(NotAllowed(State::Fulfilled)));
    // the hold was over before the denial came
    assert_eq!(effects.postings.len(), 2);
}

#[test]
fn r3_a_move_made_twice_changes_nothing() {
    let (.., mut reward, _) = created("approval: BY_HAND, fulfilment: ON_APPROVAL");
    let mut effects = Effects::default();
    assert_eq!(reward.by_hand(&HandMove::Approve, None, AT, &mut effects), Ok(true));
    assert_eq!(reward.state, State::Fulfilled);
    assert_eq!(reward.by_hand(&HandMove::Approve, Some(&HandMove::Approve), AT, &mut effects), Ok(false));
    assert_eq!(reward.by_hand(&HandMove::Fulfil, None, AT, &mut effects), Ok(false));
    assert_eq!(effects.moves.len(), 1);
    assert_eq!(reward.by_hand(&HandMove::Approve, None, AT, &mut effects), Err(NotAllowed(State::Fulfilled)));
}

#[test]
fn r3_reopening_after_the_hold_is_over_approves_from_then_on() {
    let (.., mut reward, _) = created("approval: AUTOMATIC");
    let mut effects = Effects::default();
    reward.by_hand(&deny(), None, AT, &mut effects).unwrap();
    let later = AT + Duration::days(5);
    assert_eq!(reward.by_hand(&HandMove::Reopen, None, later, &mut effects), Ok(true));
    assert_eq!(
        (reward.state, reward.hold_until, reward.denied_reason.clone()),
        (State::Pending, later, None)
    );
    assert!(reward.is_due(later));
}

fn any_step() -> impl Strategy<Value = (u8, i64)> {
    (0_u8..5, 0_i64..50)
}

/// Carries out random moves and ends of hold; what each step left.
fn live(reward: &mut Reward, first: Posting, steps: &[(u8, i64)]) -> (Effects, Vec<(State, State)>) {
    let mut effects = Effects { postings: vec![first], ..Effects::default() };
    let mut passed = Vec::new();
    let mut now: Timestamp = AT;
    for (step, hours) in steps {
        now += Duration::hours(*hours);
        let (before, last) = (reward.state, effects.moves.last().map(|moved| moved.action.clone()));
        let _ = match step {
            0 => reward.by_hand(&HandMove::Approve, last.as_ref(), now, &mut effects),
            1 => reward.by_hand(&deny(), last.as_ref(), now, &mut effects),
            2 => reward.by_hand(&HandMove::Reopen, last.as_ref(), now, &mut effects),
            3 => reward.by_hand(&HandMove::Fulfil, last.as_ref(), now, &mut effects),
            _ if reward.is_due(now) => reward.hold_over(&mut effects).map(|()| true),
            _ => Ok(false),
        };
        passed.push((before, reward.state));
    }
    (effects, passed)
}

proptest! {
    #[test]
    fn r3_no_sequence_of_moves_reaches_an_illegal_state(
        steps in prop::collection::vec(any_step(), 0..30), on_approval: bool, automatic: bool,
    ) {
        let (.., mut reward, first) = created(&settings(on_approval, automatic));
        let (_, passed) = live(&mut reward, first, &steps);
        for (before, after) in passed {
            // fulfilled is for good
            prop_assert!(before != State::Fulfilled || after == State::Fulfilled);
            // processing is entered and left within one step
            prop_assert!(after != State::Processing);
            prop_assert!(before != State::Denied || after != State::Approved || on_approval);
        }
    }

    #[test]
    fn r10_postings_always_balance_and_stand_where_the_state_says(
        steps in prop::collection::vec(any_step(), 0..30), on_approval: bool, automatic: bool,
    ) {
        let (.., mut reward, first) = created(&settings(on_approval, automatic));
        let (effects, _) = live(&mut reward, first, &steps);
        let mut balances: HashMap<Account, i64> = HashMap::new();
        for (index, posting) in effects.postings.iter().enumerate() {
            prop_assert_eq!(usize::try_from(posting.number).unwrap(), index + 1);
            prop_assert!(posting.debit != posting.credit && posting.amount.minor > 0);
            *balances.entry(posting.debit).or_default() -= posting.amount.minor;
            *balances.entry(posting.credit).or_default() += posting.amount.minor;
        }
        prop_assert_eq!(balances.values().sum::<i64>(), 0);
        let held = if reward.state == State::Denied { 0 } else { 1000 };
        let holding = Account::holding(reward.state);
        for account in [Account::Pending, Account::Payable, Account::Paid] {
            let expected = if account == holding { held } else { 0 };
            prop_assert_eq!(balances.get(&account).copied().unwrap_or(0), expected);
        }
        prop_assert_eq!(balances[&Account::Budget], -held);
        prop_assert_eq!(usize::try_from(reward.posted).unwrap(), effects.postings.len());
    }

    #[test]
    fn r10_every_life_of_a_reward_can_be_derived_again(
        steps in prop::collection::vec(any_step(), 0..30), on_approval: bool, automatic: bool,
    ) {
        let (decision, rule, mut reward, first) = created(&settings(on_approval, automatic));
        let (effects, _) = live(&mut reward, first, &steps);
        let record = crate::domain::audit::Record {
            decision, reward: Some(reward), postings: effects.postings, moves: effects.moves,
            turns: effects.turns, order_facts: Vec::new(), standing: Standing::default(),
        };
        prop_assert_eq!(crate::domain::audit::audit(Some(&program(&rule)), &record), Vec::new());
    }
}

fn settings(on_approval: bool, automatic: bool) -> String {
    let fulfilment = if on_approval { "ON_APPROVAL" } else { "BY_HAND" };
    let approval = if automatic { "AUTOMATIC" } else { "BY_HAND" };
    format!("fulfilment: {fulfilment}, approval: {approval}")
}

pub(super) fn fulfilled() -> (Rule, crate::domain::audit::Record) {
    let (decision, rule, mut reward, first) = created("fulfilment: ON_APPROVAL");
    let mut effects = Effects { postings: vec![first], ..Effects::default() };
    reward.hold_over(&mut effects).unwrap();
    let (postings, moves, turns) = (effects.postings, effects.moves, effects.turns);
    let (order_facts, standing) = (Vec::new(), Standing::default());
    let reward = Some(reward);
    (rule, crate::domain::audit::Record { decision, reward, postings, moves, turns, order_facts, standing })
}
