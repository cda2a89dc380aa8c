use time::Duration;
use types::Timestamp;

use super::{AT, money, rule, transition};
use crate::domain::decision::{self, Decision, Outcome};
use crate::domain::program::{Program, Rule, Version};
use crate::domain::retry::again;

const FAILS: &str = "beneficiary: CONTACT, amount: {fixed: 1 USD}, when: 100 / order.refunded_minor > 1";
const WORKS: &str = "beneficiary: CONTACT, amount: {fixed: 2 USD}, when: order.revenue_minor > 1";
const OTHER: &str = "beneficiary: ADVOCATE, amount: {fixed: 2 USD}";

/// A program of a rule that parks, and of later versions from their moments on.
fn program(later: &[(Timestamp, &Rule)]) -> Program {
    let first = rule(FAILS);
    let all = std::iter::once((AT - Duration::DAY, &first)).chain(later.iter().copied());
    let version = |(number, (effective_from, rule)): (i32, (Timestamp, &Rule))| Version {
        version: number,
        effective_from,
        after_position: 0,
        rules: vec![rule.clone()],
    };
    Program::new((1..).zip(all).map(version).collect()).unwrap()
}

fn parked() -> Decision {
    let (rule, transition, program) = (rule(FAILS), transition("100.00 USD"), program(&[]));
    let verdict = decision::judge(program.judge(AT), &rule, &transition);
    assert_eq!(verdict.outcome, Outcome::Parked);
    Decision {
        verdict,
        transition,
        rule: rule.key,
        beneficiary: rule.beneficiary,
        version: 1,
        first_version: 1,
        reward: None,
        decided_at: AT,
        attempts: 1,
    }
}

#[test]
fn r12_a_retry_is_judged_by_the_version_in_force_at_the_transition() {
    let (works, later) = (rule(WORKS), AT + Duration::DAY);
    let program = program(&[(AT, &works), (AT + Duration::MICROSECOND, &rule(FAILS))]);
    let (decision, judged) = again(&parked(), &program, later);
    assert_eq!((decision.verdict.outcome, decision.verdict.amount), (Outcome::Created, Some(money("2 USD"))));
    assert_eq!((decision.version, decision.first_version, decision.attempts), (2, 1, 2));
    assert_eq!((decision.decided_at, judged.map(|rule| &rule.amount)), (later, Some(&works.amount)));
}

#[test]
fn r12_a_retry_without_a_newer_version_stays_parked() {
    for later in [vec![], vec![(AT + Duration::MICROSECOND, &rule(WORKS))]] {
        let (decision, _) = again(&parked(), &program(&later), AT);
        assert_eq!(decision, Decision { attempts: 2, ..parked() });
    }
}

#[test]
fn r12_a_version_without_the_rule_cannot_judge() {
    let mut elsewhere = rule(WORKS);
    elsewhere.stage = "elsewhere".parse().unwrap();
    for other in [rule(OTHER), elsewhere] {
        let program = program(&[(AT, &other)]);
        let (decision, judged) = again(&parked(), &program, AT);
        assert!(judged.is_none());
        assert_eq!((decision.verdict.outcome, decision.version, decision.attempts), (Outcome::Parked, 1, 2));
        assert!(decision.verdict.detail.unwrap().starts_with("version 2 of the program"));
    }
}
