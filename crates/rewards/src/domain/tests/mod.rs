//! Tests of the rules, without a database.

mod audit;
mod decision;
mod definition;
mod refund;
mod retry;
mod reward;

use time::macros::datetime;
use types::{Money, Timestamp};

use super::decision::{Order, Transition};
use super::program::{Program, Rule, Version};

/// When the transitions of these tests happen.
const AT: Timestamp = datetime!(2026-03-01 12:00 UTC);

fn money(text: &str) -> Money {
    let (amount, currency) = text.split_once(' ').unwrap();
    Money::parse_decimal(amount, currency.parse().unwrap()).unwrap()
}

/// A rule that has `more` in it besides what every rule needs.
fn rule(more: &str) -> Rule {
    let text = format!(
        "program: p\ncampaign: c\nrules:\n  - {{key: r, journey: j, stage: s, action: CREATE, {more}}}\n"
    );
    crate::domain::definition::parse(&text).unwrap().rules.pop().unwrap()
}

/// A program of one version with one rule, in force from the beginning of 2026.
fn program(rule: &Rule) -> Program {
    let from = datetime!(2026-01-01 0:00 UTC);
    let version = Version { version: 1, effective_from: from, after_position: 0, rules: vec![rule.clone()] };
    Program::new(vec![version]).unwrap()
}

fn id<T: From<uuid::Uuid>>(n: u128) -> T {
    T::from(uuid::Uuid::from_u128(n))
}

/// A transition with an attribution and an order of `revenue`.
fn transition(revenue: &str) -> Transition {
    Transition {
        tenant: "acme".parse().unwrap(),
        transition_id: id(1),
        event_id: id(2),
        campaign: "c".parse().unwrap(),
        journey: "j".parse().unwrap(),
        stage: "s".parse().unwrap(),
        number: 3,
        inferred: false,
        carried: false,
        occurrence_key: "o-1".to_owned(),
        contact: id(4),
        attribution: Some((id(5), id(6))),
        order: Some(Order {
            order_id: "o-1".parse().unwrap(),
            source: "shop".to_owned(),
            revenue: money(revenue),
            refunded_minor: 0,
            external_status: "paid".to_owned(),
            hubspot_dealstage: String::new(),
        }),
        occurred_at: AT,
    }
}
