use proptest::prelude::*;
use types::{BasisPoints, Money};

use super::{money, program, rule, transition};
use crate::domain::decision::{self, NoAmount, Outcome, Transition, Verdict};
use crate::domain::explain;
use crate::domain::program::{Amount, Rule};

fn judge(rule: &Rule, transition: &Transition) -> Verdict {
    let program = program(rule);
    decision::judge(program.judge(transition.occurred_at), rule, transition)
}

fn outcome(rule: &Rule, transition: &Transition) -> Outcome {
    judge(rule, transition).outcome
}

const FIXED: &str = "beneficiary: ADVOCATE, amount: {fixed: 10.00 USD}";
const PERCENT: &str = "beneficiary: CONTACT, amount: {percent: 5%, floor: 1.00 USD, ceiling: 25.00 USD}";

#[test]
fn r2_a_fixed_amount_is_what_it_says() {
    let verdict = judge(&rule(FIXED), &transition("12.34 EUR"));
    assert_eq!((verdict.outcome, verdict.amount), (Outcome::Created, Some(money("10.00 USD"))));
}

#[test]
fn r2_a_percentage_is_of_revenue_within_floor_and_ceiling() {
    for (revenue, amount) in
        [("100.00 USD", "5.00 USD"), ("3.00 USD", "1.00 USD"), ("900.00 USD", "25.00 USD")]
    {
        assert_eq!(judge(&rule(PERCENT), &transition(revenue)).amount, Some(money(amount)), "{revenue}");
    }
}

#[test]
fn r2_a_percentage_is_of_what_is_left_after_refunds() {
    let mut refunded = transition("100.00 USD");
    if let Some(order) = &mut refunded.order {
        order.refunded_minor = 4000;
    }
    assert_eq!(judge(&rule(PERCENT), &refunded).amount, Some(money("3.00 USD")));
}

#[test]
fn m2_a_percentage_is_rounded_once_half_to_even() {
    let percent = rule("beneficiary: CONTACT, amount: {percent: 2.5%}");
    // 2.5 % of 1.00, 3.00 and 5.00 end in exactly half a cent
    for (revenue, amount) in [("1.00 USD", "0.02 USD"), ("3.00 USD", "0.08 USD"), ("5.00 USD", "0.12 USD")] {
        assert_eq!(judge(&percent, &transition(revenue)).amount, Some(money(amount)), "{revenue}");
    }
}

#[test]
fn r2_an_amount_of_zero_makes_no_reward() {
    let percent = rule("beneficiary: CONTACT, amount: {percent: 5%}");
    assert_eq!(outcome(&percent, &transition("0.00 USD")), Outcome::ZeroAmount);
    // 5 % of 0.10 is half a cent, which rounds to even
    assert_eq!(outcome(&percent, &transition("0.10 USD")), Outcome::ZeroAmount);
    assert_eq!(
        outcome(&rule("beneficiary: CONTACT, amount: {fixed: 0 USD}"), &transition("1.00 USD")),
        Outcome::ZeroAmount
    );
}

#[test]
fn m5_bounds_in_another_currency_than_the_order_are_a_mismatch() {
    let verdict = judge(&rule(PERCENT), &transition("100.00 EUR"));
    assert_eq!((verdict.outcome, verdict.amount), (Outcome::CurrencyMismatch, None));
    let unbounded = rule("beneficiary: CONTACT, amount: {percent: 5%}");
    assert_eq!(judge(&unbounded, &transition("100 JPY")).amount, Some(money("5 JPY")));
}

#[test]
fn r4_without_attribution_only_the_runs_contact_gets_something() {
    let mut alone = transition("10.00 USD");
    alone.attribution = None;
    let of = |who: &str| rule(&format!("beneficiary: {who}, amount: {{fixed: 1 USD}}"));
    assert_eq!(outcome(&of("ADVOCATE"), &alone), Outcome::NoAttribution);
    assert_eq!(outcome(&of("REFERRED_CONTACT"), &alone), Outcome::NoAttribution);
    assert_eq!(outcome(&of("CONTACT"), &alone), Outcome::Created);
}

#[test]
fn r4_inferred_transitions_count_only_if_asked_for() {
    let mut inferred = transition("10.00 USD");
    inferred.inferred = true;
    assert_eq!(outcome(&rule(FIXED), &inferred), Outcome::Inferred);
    assert_eq!(outcome(&rule(&format!("{FIXED}, inferred: true")), &inferred), Outcome::Created);
}

#[test]
fn r12_a_condition_decides() {
    let when = |when: &str| rule(&format!("{FIXED}, when: '{when}'"));
    for (condition, expected) in [
        ("order.revenue_minor > 0", Outcome::Created),
        ("order.revenue_minor > 1000", Outcome::ConditionFalse),
        ("order.order_id == \"o-1\" && order.source == \"shop\"", Outcome::Created),
        ("order.currency == \"USD\" && order.external_status == \"paid\"", Outcome::Created),
        ("order.hubspot_dealstage == \"\" && order.refunded_minor == 0", Outcome::Created),
        ("transition.journey == \"j\" && transition.stage == \"s\"", Outcome::Created),
        ("transition.number == 3 && transition.occurrence_key == \"o-1\"", Outcome::Created),
        ("transition.inferred || contact.id == \"00000000-0000-0000-0000-000000000004\"", Outcome::Created),
        ("order.revenue_minor / order.refunded_minor > 1", Outcome::Parked),
    ] {
        assert_eq!(outcome(&when(condition), &transition("10.00 USD")), expected, "{condition}");
    }
    let parked = judge(&when("1 / order.refunded_minor > 1"), &transition("10.00 USD"));
    assert_eq!(parked.detail.as_deref(), Some("division by zero"));
}

#[test]
fn r12_a_rule_that_reads_an_order_that_is_not_there_says_so() {
    let mut bare = transition("10.00 USD");
    bare.order = None;
    let when = |when: &str| rule(&format!("{FIXED}, when: '{when}'"));
    assert_eq!(outcome(&when("order.revenue_minor > 0"), &bare), Outcome::NoOrder);
    assert_eq!(outcome(&when("order != null && order.revenue_minor > 0"), &bare), Outcome::ConditionFalse);
    assert_eq!(outcome(&when("order == null"), &bare), Outcome::Created);
    assert_eq!(outcome(&rule(PERCENT), &bare), Outcome::NoOrder);
    assert_eq!(outcome(&rule(FIXED), &bare), Outcome::Created);
}

#[test]
fn r1_before_the_first_version_nothing_is_made() {
    let mut early = transition("10.00 USD");
    early.occurred_at = time::macros::datetime!(2025-12-31 0:00 UTC);
    assert_eq!(outcome(&rule(FIXED), &early), Outcome::BeforeProgram);
}

#[test]
fn r12_every_outcome_can_be_told_in_words() {
    let told = |rule: &Rule, transition: &Transition| {
        let program = program(rule);
        let judge = program.judge(transition.occurred_at);
        let decision = decision::Decision {
            verdict: decision::judge(judge, rule, transition),
            transition: transition.clone(),
            rule: rule.key.clone(),
            beneficiary: rule.beneficiary,
            version: judge.version(),
            first_version: judge.version(),
            reward: None,
            decided_at: transition.occurred_at,
            attempts: 1,
        };
        explain::detail(&decision, &program, explain::rule_of(&decision, &program).unwrap())
    };
    let whole = transition("100.00 USD");
    assert_eq!(told(&rule(FIXED), &whole), "fixed amount 10.00 USD");
    let percent = "5% of 100.00 USD, at least 1.00 USD, at most 25.00 USD: 5.00 USD";
    assert_eq!(told(&rule(PERCENT), &whole), percent);
    let mut alone = whole.clone();
    alone.attribution = None;
    assert_eq!(told(&rule(FIXED), &alone), "ADVOCATE needs an attribution, and the transition has none");
    let mismatch = "the order is in EUR, the bounds of the amount are in USD";
    assert_eq!(told(&rule(PERCENT), &transition("1.00 EUR")), mismatch);
    let refused = rule(&format!("{FIXED}, when: order.revenue_minor > 100000"));
    assert_eq!(told(&refused, &whole), "the condition does not hold for an order of 100.00 USD");
}

#[test]
fn amounts_out_of_range_are_parked() {
    let percent = rule("beneficiary: CONTACT, amount: {percent: 100%}");
    assert_eq!(outcome(&percent, &transition("90000000000000000.00 USD")), Outcome::Parked);
}

proptest! {
    #[test]
    fn r2_a_percentage_stays_within_its_bounds(
        revenue in 0_i64..1_000_000_000, points in 0_u32..=10_000, low in 0_i64..10_000, more in 0_i64..10_000,
    ) {
        let usd = "USD".parse().unwrap();
        let (floor, ceiling) = (Money::new(low, usd), Money::new(low + more, usd));
        let amount = Amount::Percent { share: BasisPoints(points), floor: Some(floor), ceiling: Some(ceiling) };
        let mut order = transition("0.00 USD").order.unwrap();
        order.revenue = Money::new(revenue, usd);
        let came_to = amount.of(Some(&order)).unwrap();
        prop_assert!((floor.minor..=ceiling.minor).contains(&came_to.minor));
        prop_assert_eq!(amount.of(None), Err(NoAmount::NoOrder));
    }
}
