//! A decision in words: what was compared with what (R12). Made when asked for, from what was recorded.

use types::Money;

use super::decision::{Decision, NoAmount, Order, Outcome};
use super::program::{Amount, Beneficiary, Program, Rule};

/// The rule that a decision names, of the version that decided.
pub fn rule_of<'a>(decision: &Decision, program: &'a Program) -> Option<&'a Rule> {
    let rules = program.named(decision.version)?.rules();
    rules.iter().find(|rule| rule.key == decision.rule && rule.beneficiary == decision.beneficiary)
}

/// A sentence on why it was decided so.
pub fn detail(decision: &Decision, program: &Program, rule: &Rule) -> String {
    let order = decision.transition.order.as_ref();
    match decision.verdict.outcome {
        Outcome::Created | Outcome::ZeroAmount => amount(rule, order, decision.verdict.amount),
        Outcome::ConditionFalse => match order {
            Some(order) => format!("the condition does not hold for {}", order_in_words(order)),
            None => "the condition does not hold, and there is no order".to_owned(),
        },
        Outcome::NoAttribution => {
            format!("{} needs an attribution, and the transition has none", name(rule.beneficiary))
        }
        Outcome::NoOrder => "the rule reads an order, and the transition has none".to_owned(),
        Outcome::CurrencyMismatch => match (rule.amount.of(order), order) {
            (Err(NoAmount::Currency(bound)), Some(order)) => {
                format!("the order is in {}, the bounds of the amount are in {bound}", order.revenue.currency)
            }
            _ => "the order is in another currency than the bounds of the amount".to_owned(),
        },
        Outcome::BeforeProgram => format!(
            "the transition is of {}, the program is in force from {}",
            decision.transition.occurred_at,
            program.first().effective_from
        ),
        Outcome::Inferred => {
            "the stage was filled in, not entered, and the rule does not ask for such".to_owned()
        }
        Outcome::Parked => decision.verdict.detail.clone().unwrap_or_default(),
    }
}

fn amount(rule: &Rule, order: Option<&Order>, came_to: Option<Money>) -> String {
    let came_to = came_to.map_or_else(String::new, |amount| amount.to_string());
    match (&rule.amount, order) {
        (Amount::Fixed(_), _) => format!("fixed amount {came_to}"),
        (Amount::Percent { share, floor, ceiling }, order) => {
            let of = order.map_or_else(String::new, |order| format!(" of {}", order.net()));
            let floor = floor.map_or_else(String::new, |floor| format!(", at least {floor}"));
            let ceiling = ceiling.map_or_else(String::new, |ceiling| format!(", at most {ceiling}"));
            format!("{share}{of}{floor}{ceiling}: {came_to}")
        }
    }
}

fn order_in_words(order: &Order) -> String {
    if order.refunded_minor == 0 {
        return format!("an order of {}", order.revenue);
    }
    let refunded = Money::new(order.refunded_minor, order.revenue.currency);
    format!("an order of {}, {refunded} of it refunded", order.revenue)
}

fn name(beneficiary: Beneficiary) -> &'static str {
    match beneficiary {
        Beneficiary::Advocate => "ADVOCATE",
        Beneficiary::ReferredContact => "REFERRED_CONTACT",
        Beneficiary::Contact => "CONTACT",
    }
}
