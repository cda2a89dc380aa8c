//! What a rule's condition may read: the order, the transition and the contact's id.

use std::sync::LazyLock;

use definitions::condition::{Condition, Environment, EvaluationError, Record, Type};

use super::decision::Transition;

static ENVIRONMENT: LazyLock<Environment> = LazyLock::new(|| {
    let order = Record::new()
        .field("order_id", Type::String)
        .field("source", Type::String)
        .field("revenue_minor", Type::Int)
        .field("refunded_minor", Type::Int)
        .field("currency", Type::String)
        .field("external_status", Type::String)
        .field("hubspot_dealstage", Type::String);
    let transition = Record::new()
        .field("journey", Type::String)
        .field("stage", Type::String)
        .field("number", Type::Int)
        .field("occurrence_key", Type::String)
        .field("inferred", Type::Bool);
    let contact = Record::new().field("id", Type::String);
    let variables = Record::new().nullable_record("order", order);
    Environment::new(variables.record("transition", transition).record("contact", contact))
});

/// The variables of conditions.
pub fn environment() -> &'static Environment {
    &ENVIRONMENT
}

/// What came of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evaluated {
    /// It holds, or not.
    Holds(bool),
    /// It reads the order and there is none.
    NoOrder,
    /// It could not be evaluated; the text holds no values.
    Failed(String),
}

/// Evaluates a condition on a transition.
pub fn evaluate(condition: &Condition, transition: &Transition) -> Evaluated {
    let contact = transition.contact.to_string();
    let mut values = ENVIRONMENT.values();
    values
        .set("transition.journey", transition.journey.as_str())
        .set("transition.stage", transition.stage.as_str())
        .set("transition.number", transition.number)
        .set("transition.occurrence_key", transition.occurrence_key.as_str())
        .set("transition.inferred", transition.inferred)
        .set("contact.id", contact.as_str());
    if let Some(order) = &transition.order {
        values
            .set("order.order_id", order.order_id.as_str())
            .set("order.source", order.source.as_str())
            .set("order.revenue_minor", order.revenue.minor)
            .set("order.refunded_minor", order.refunded_minor)
            .set("order.currency", order.revenue.currency.code())
            .set("order.external_status", order.external_status.as_str())
            .set("order.hubspot_dealstage", order.hubspot_dealstage.as_str());
    }
    match condition.evaluate(&values) {
        Ok(holds) => Evaluated::Holds(holds),
        // the order is the only record that may be null
        Err(EvaluationError::NullRecord { .. }) => Evaluated::NoOrder,
        Err(error) => Evaluated::Failed(error.to_string()),
    }
}
