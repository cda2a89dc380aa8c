use proptest::prelude::*;
use time::Duration;
use types::{EventId, Money, Timestamp};

use super::{AT, id, money, program, rule, transition};
use crate::domain::audit::{Kind, Record, audit};
use crate::domain::decision::{self, Decision};
use crate::domain::effects::{Effects, TurnCause, What};
use crate::domain::ledger::{Account, Cause, Posting};
use crate::domain::program::Rule;
use crate::domain::receivables::Receivables;
use crate::domain::refund::{OrderFact, Terms};
use crate::domain::reward::{HandMove, NotAllowed, Reward, State};
use crate::domain::standing::{Standing, Told};

const PERCENT: &str = "beneficiary: ADVOCATE, amount: {percent: 10%}, hold: 1d";
const FIXED: &str = "beneficiary: ADVOCATE, amount: {fixed: 10 USD}, hold: 1d";

/// A reward for an order of which `refunded` had been given back.
struct Life {
    decision: Decision,
    rule: Rule,
    terms: Terms,
    reward: Reward,
    effects: Effects,
}

impl Life {
    fn new(more: &str, revenue: &str, refunded: i64) -> Self {
        let rule = rule(more);
        let program = program(&rule);
        let mut transition = transition(revenue);
        transition.order.as_mut().unwrap().refunded_minor = refunded;
        let decision = Decision {
            verdict: decision::judge(program.judge(AT), &rule, &transition),
            transition,
            rule: rule.key.clone(),
            beneficiary: rule.beneficiary,
            version: 1,
            first_version: 1,
            reward: Some(id(9)),
            decided_at: AT,
            attempts: 1,
        };
        let amount = decision.verdict.amount.unwrap();
        let (reward, first) = Reward::create(id(9), &decision, &rule, amount).unwrap();
        let terms = Terms::of(&decision, &rule).unwrap();
        let effects = Effects { postings: vec![first], ..Effects::default() };
        Self { decision, rule, terms, reward, effects }
    }

    /// The order as it is after refunds of `refunded` in all.
    fn fact(&self, n: u128, refunded: i64) -> OrderFact {
        let revenue = self.decision.transition.order.as_ref().unwrap().revenue;
        OrderFact {
            event_id: id(n),
            order: self.terms.order.clone(),
            revenue,
            refunded_minor: refunded,
            occurred_at: AT,
        }
    }

    fn refund(&mut self, fact: &OrderFact, at: Timestamp) {
        self.reward.refund(self.terms.due(fact), fact.event_id, at, &mut self.effects);
    }

    fn hand(&mut self, action: &HandMove, at: Timestamp) -> Result<bool, NotAllowed> {
        self.reward.by_hand(action, None, at, &mut self.effects)
    }

    fn due(&self, refunded: i64) -> i64 {
        self.terms.due(&self.fact(1, refunded)).minor
    }

    fn record(self, order_facts: Vec<OrderFact>, standing: Standing) -> (Rule, Record) {
        let Effects { postings, moves, turns, .. } = self.effects;
        let reward = Some(self.reward);
        (self.rule, Record { decision: self.decision, reward, postings, moves, turns, order_facts, standing })
    }
}

#[test]
fn r9_what_is_due_falls_with_the_order_from_its_totals_rounded_half_to_even() {
    let life = Life::new(PERCENT, "100.00 USD", 0);
    let due = [0, 1, 5, 14, 15, 25, 5_000, 9_999, 10_000].map(|refunded| life.due(refunded));
    // 10 % of 99.95 is 9.995, and of 99.85 it is 9.985: both halves go to the even cent
    assert_eq!(due, [1000, 1000, 1000, 999, 998, 998, 500, 0, 0]);
    // by then 20.00 had been refunded: what counts is the revenue that the rule saw
    assert_eq!(Life::new(PERCENT, "100.00 USD", 2_000).due(6_000), 400);
}

#[test]
fn r9_a_fixed_amount_falls_only_on_a_full_refund_unless_the_rule_says_otherwise() {
    let life = Life::new(FIXED, "100.00 USD", 0);
    assert_eq!([0, 9_999, 10_000].map(|refunded| life.due(refunded)), [1000, 1000, 0]);
    let life = Life::new(&format!("{FIXED}, refund: PRO_RATA"), "100.00 USD", 0);
    assert_eq!([0, 2_500, 10_000].map(|refunded| life.due(refunded)), [1000, 750, 0]);
    let life = Life::new(&format!("{PERCENT}, refund: FULL_ONLY"), "100.00 USD", 0);
    assert_eq!([9_999, 10_000].map(|refunded| life.due(refunded)), [1000, 0]);
}

#[test]
fn r9_a_revenue_raised_later_gives_nothing_back() {
    let mut life = Life::new(PERCENT, "100.00 USD", 0);
    let half = life.fact(1, 5_000);
    life.refund(&half, AT);
    let raised = OrderFact { event_id: id(2), revenue: money("300.00 USD"), refunded_minor: 6_000, ..half };
    assert_eq!(life.terms.due(&raised), money("10.00 USD"));
    life.refund(&raised, AT);
    assert_eq!(life.reward.amount, money("5.00 USD"));
}

#[test]
fn r9_facts_that_the_rule_had_seen_do_not_count_again() {
    let mut life = Life::new(PERCENT, "100.00 USD", 2_000);
    let lowered = OrderFact { revenue: money("90.00 USD"), ..life.fact(1, 2_000) };
    let missed =
        |life: &Life| [1_000, 2_000, 2_001].map(|refunded| life.terms.missed(&life.fact(1, refunded)));
    assert_eq!((missed(&life), life.terms.missed(&lowered)), ([false, false, true], false));
    // with an order as it was earlier, a lowered revenue may be news
    life.decision.transition.carried = true;
    life.terms = Terms::of(&life.decision, &life.rule).unwrap();
    assert_eq!((missed(&life), life.terms.missed(&lowered)), ([false, false, true], true));
}

fn last(effects: &Effects) -> (Account, Account, i64, Cause) {
    let Posting { debit, credit, amount, cause, .. } = effects.postings.last().unwrap();
    (*debit, *credit, amount.minor, *cause)
}

#[test]
fn r9_before_it_is_paid_a_reward_takes_what_is_due_as_its_amount() {
    for (state, from) in [
        (State::Pending, Account::Pending),
        (State::Flagged, Account::Pending),
        (State::Approved, Account::Payable),
    ] {
        let mut life = Life::new(PERCENT, "100.00 USD", 0);
        match state {
            State::Flagged => life.reward.flag(id(7), AT, &mut life.effects),
            State::Approved => assert_eq!(life.hand(&HandMove::Approve, AT), Ok(true)),
            _ => {}
        }
        life.refund(&life.fact(1, 2_500), AT);
        assert_eq!((life.reward.state, life.reward.amount), (state, money("7.50 USD")));
        assert_eq!(last(&life.effects), (from, Account::Budget, 250, Cause::Refunded));
        life.refund(&life.fact(2, 10_000), AT);
        assert_eq!((life.reward.state, life.reward.amount.minor), (State::Denied, 0));
        assert_eq!(last(&life.effects), (from, Account::Budget, 750, Cause::Refunded));
        assert!(matches!(life.effects.facts.last().unwrap().what, What::Denied(_)));
        assert_eq!(life.hand(&HandMove::Reopen, AT), Err(NotAllowed(State::Denied)));
    }
}

#[test]
fn r9_of_a_denied_reward_what_is_due_shows_when_it_is_reopened() {
    let mut life = Life::new(PERCENT, "100.00 USD", 0);
    life.hand(&HandMove::Deny("no".to_owned()), AT).unwrap();
    life.refund(&life.fact(1, 4_000), AT);
    assert_eq!(last(&life.effects), (Account::Pending, Account::Budget, 1000, Cause::ByHand));
    life.hand(&HandMove::Reopen, AT).unwrap();
    assert_eq!(last(&life.effects), (Account::Budget, Account::Pending, 600, Cause::ByHand));
}

#[test]
fn r9_what_was_paid_beyond_it_is_a_receivable_and_reversed_only_at_zero() {
    let mut life = Life::new(PERCENT, "100.00 USD", 0);
    life.hand(&HandMove::Approve, AT).unwrap();
    life.hand(&HandMove::Fulfil, AT).unwrap();
    life.refund(&life.fact(1, 4_000), AT);
    assert_eq!(last(&life.effects), (Account::Receivable, Account::Budget, 400, Cause::Refunded));
    assert_eq!((life.reward.state, life.reward.amount), (State::Fulfilled, money("6.00 USD")));
    // the same again
    life.refund(&life.fact(1, 4_000), AT);
    assert_eq!(life.effects.receivables.owed(&life.reward.debtor()), 400);
    life.refund(&life.fact(2, 10_000), AT);
    assert_eq!((life.reward.state, life.reward.amount.minor), (State::Reversed, 0));
    assert_eq!(life.effects.receivables.owed(&life.reward.debtor()), 1000);
    assert_eq!(life.effects.paid.len(), 1);
}

#[test]
fn r9_a_payout_nets_what_is_owed_first() {
    for (owed, netted, paid, left) in
        [(0, None, Some(1000), 0), (300, Some(300), Some(700), 0), (1_500, Some(1000), None, 500)]
    {
        let mut life = Life::new(&format!("{PERCENT}, fulfilment: ON_APPROVAL"), "100.00 USD", 0);
        life.effects.receivables = Receivables::new([(life.reward.debtor(), owed)]);
        life.hand(&HandMove::Approve, AT).unwrap();
        assert_eq!(life.reward.state, State::Fulfilled);
        let by = |credit| {
            let found = life.effects.postings.iter().find(|posting| posting.credit == credit);
            found.map(|posting| posting.amount.minor)
        };
        assert_eq!((by(Account::Receivable), by(Account::Paid)), (netted, paid));
        assert_eq!(life.effects.paid.iter().map(|paid| paid.amount.minor).next(), paid);
        assert_eq!(life.effects.receivables.owed(&life.reward.debtor()), left);
        let (rule, record) = life.record(Vec::new(), Standing::default());
        assert_eq!(audit(Some(&program(&rule)), &record), []);
    }
}

#[test]
fn r3_a_flagged_reward_waits_for_a_person() {
    let mut life = Life::new(PERCENT, "100.00 USD", 0);
    life.reward.flag(id(7), AT, &mut life.effects);
    let late = AT + Duration::days(3);
    assert!(!life.reward.is_due(late));
    life.reward.unflag(id(8), late, &mut life.effects);
    assert_eq!((life.reward.state, life.reward.hold_until), (State::Pending, late));
    assert!(life.reward.is_due(late));
    // one that is approved goes on
    life.hand(&HandMove::Approve, late).unwrap();
    life.reward.flag(id(9), late, &mut life.effects);
    assert_eq!(life.reward.state, State::Approved);
}

#[test]
fn a9_a_contact_is_held_up_while_it_is_flagged_or_banned() {
    let mut standing = Standing::default();
    let mut after = |told, n: u128| {
        standing.tell(told, id(n));
        standing.held_up_by()
    };
    assert_eq!(after(Told::NotBanned, 1), None);
    assert_eq!(after(Told::Banned, 2), Some(id(2)));
    assert_eq!(after(Told::Flagged, 3), Some(id(3)));
    assert_eq!(after(Told::NotBanned, 4), Some(id(3)));
    assert_eq!(after(Told::Unflagged, 5), None);
}

/// A life with a refund of half after it was fulfilled.
fn refunded() -> (Rule, Record) {
    let mut life = Life::new(&format!("{PERCENT}, fulfilment: ON_APPROVAL"), "100.00 USD", 0);
    life.reward.flag(id(7), AT, &mut life.effects);
    life.hand(&HandMove::Approve, AT).unwrap();
    let fact = life.fact(1, 5_000);
    life.refund(&fact, AT);
    life.record(vec![fact], Standing::default())
}

fn found(tamper: impl FnOnce(&mut Record)) -> Vec<(Kind, String)> {
    let (rule, mut record) = refunded();
    tamper(&mut record);
    let differences = audit(Some(&program(&rule)), &record);
    differences.into_iter().map(|difference| (difference.kind, difference.id)).collect()
}

#[test]
fn r10_what_facts_did_is_derived_again() {
    assert_eq!(found(|_| {}), []);
    let reward = "00000000-0000-0000-0000-000000000009";
    let at = |number: i32| format!("{reward}/{number}");
    // created, flagged, approved, fulfilled, refunded
    let gone = found(|record| record.order_facts.clear());
    assert!(gone.contains(&(Kind::Turn, at(5))), "{gone:?}");
    let other = found(|record| record.turns[1].cause = TurnCause::Refunded(id(1), 1));
    assert_eq!(other, [(Kind::Turn, at(5))]);
    let unrecorded = found(|record| drop(record.turns.pop()));
    assert!(unrecorded.contains(&(Kind::Posting, at(5))), "{unrecorded:?}");
    let missed = found(|record| {
        let fact = OrderFact { event_id: id(2), refunded_minor: 7_000, ..record.order_facts[0].clone() };
        record.order_facts.push(fact);
    });
    assert_eq!(missed, [(Kind::Reward, reward.to_owned())]);
    let amount = found(|record| record.reward.as_mut().unwrap().amount = money("9.00 USD"));
    assert_eq!(amount, [(Kind::Reward, reward.to_owned())]);
}

/// One random step in the life of a reward.
fn any_step() -> impl Strategy<Value = (u8, i64, i64)> {
    (0_u8..8, 0_i64..30, 0_i64..=4_000)
}

proptest! {
    #[test]
    fn r9_many_small_refunds_come_to_the_same_as_one_of_their_sum(
        revenue in 1_i64..1_000_000, percent in 1_u32..=100, refunds in prop::collection::vec(1_i64..50_000, 1..20),
    ) {
        let more = format!("beneficiary: ADVOCATE, amount: {{percent: {percent}%}}");
        let revenue = Money::new(revenue + 100, "USD".parse().unwrap());
        let text = revenue.to_string();
        let (mut small, mut sum) = (Life::new(&more, &text, 0), 0);
        for (n, refund) in (1..).zip(&refunds) {
            sum = (sum + refund).min(revenue.minor);
            let fact = small.fact(n, sum);
            small.refund(&fact, AT);
        }
        let mut one = Life::new(&more, &text, 0);
        let fact = one.fact(99, sum);
        one.refund(&fact, AT);
        prop_assert_eq!((small.reward.amount, small.reward.state), (one.reward.amount, one.reward.state));
        let balance = |life: &Life| {
            life.effects.postings.iter().map(|posting| match posting.credit {
                Account::Budget => -posting.amount.minor,
                _ => posting.amount.minor,
            }).sum::<i64>()
        };
        prop_assert_eq!(balance(&small), balance(&one));
        prop_assert_eq!(balance(&one), one.reward.amount.minor);
    }

    #[test]
    fn r10_any_life_with_refunds_and_flags_balances_and_can_be_derived_again(
        steps in prop::collection::vec(any_step(), 0..25), on_approval: bool, fixed: bool, owed in 0_i64..1_500,
    ) {
        let fulfilment = if on_approval { "ON_APPROVAL" } else { "BY_HAND" };
        let more = format!("{}, fulfilment: {fulfilment}", if fixed { FIXED } else { PERCENT });
        let mut life = Life::new(&more, "100.00 USD", 0);
        life.effects.receivables = Receivables::new([(life.reward.debtor(), owed)]);
        let (mut facts, mut standing, mut now, mut refunded) = (Vec::new(), Standing::default(), AT, 0);
        for (n, (step, hours, more)) in (100_u128..).zip(steps) {
            now += Duration::hours(hours);
            let event: EventId = id(n);
            let held = standing.held_up_by().is_some();
            match step {
                0 => drop(life.hand(&HandMove::Approve, now)),
                1 => drop(life.hand(&HandMove::Deny("no".to_owned()), now)),
                2 => {
                    let reopened = life.hand(&HandMove::Reopen, now);
                    if reopened == Ok(true) && held {
                        life.reward.flag(event, now, &mut life.effects);
                    }
                }
                3 => drop(life.hand(&HandMove::Fulfil, now)),
                4 => {
                    refunded = 10_000.min(refunded + more);
                    let fact = life.fact(n, refunded);
                    life.refund(&fact, now);
                    facts.push(fact);
                }
                5 => {
                    standing.tell(Told::Flagged, event);
                    life.reward.flag(event, now, &mut life.effects);
                }
                6 => {
                    standing.tell(Told::Unflagged, event);
                    life.reward.unflag(event, now, &mut life.effects);
                }
                _ if life.reward.is_due(now) => life.reward.hold_over(&mut life.effects).unwrap(),
                _ => {}
            }
            let at = |account: Account| life.effects.postings.iter().map(|posting| {
                let signed = |side: Account, minor: i64| if side == account { minor } else { 0 };
                signed(posting.credit, posting.amount.minor) - signed(posting.debit, posting.amount.minor)
            }).sum::<i64>();
            let due = life.reward.amount.minor;
            let expected = facts.iter().map(|fact| life.terms.due(fact).minor).min().unwrap_or(1000);
            prop_assert_eq!(due, expected);
            let owes = life.effects.receivables.owed(&life.reward.debtor());
            prop_assert!(owes >= 0);
            // what was owed before is not of this reward's postings
            prop_assert_eq!(at(Account::Receivable), owed - owes);
            let holding = Account::holding(life.reward.state);
            for account in [Account::Pending, Account::Payable] {
                prop_assert_eq!(at(account), if account == holding { due } else { 0 });
            }
            let (budget, paid) = (at(Account::Budget), at(Account::Paid));
            prop_assert_eq!(budget, if life.reward.state == State::Denied { 0 } else { -due });
            prop_assert!((0..=1000).contains(&paid));
        }
        let (rule, record) = life.record(facts, standing);
        prop_assert_eq!(audit(Some(&program(&rule)), &record), Vec::new());
    }
}
