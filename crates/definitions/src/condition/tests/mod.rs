mod compile;
mod evaluate;

use std::collections::BTreeMap;

use time::macros::datetime;

use super::*;

/// The environment of these tests, much like that of a journey's triggers.
fn environment() -> Environment {
    let customer = Record::new().field("tier", Type::String).nullable("seats", Type::Int);
    let order = Record::new()
        .field("order_id", Type::String)
        .field("revenue_minor", Type::Int)
        .field("currency", Type::String)
        .field("external_status", Type::String)
        .field("occurred_at", Type::Timestamp)
        .field("properties", Type::StringMap)
        .nullable("campaign_id", Type::String)
        .nullable("discount_minor", Type::Int)
        .nullable("tested", Type::Bool)
        .nullable_record("customer", customer);
    let contact = Record::new().field("flagged", Type::Bool).field("tags", Type::StringList);
    let run = Record::new().field("stages", Type::StringList);
    let event = Record::new().field("type", Type::String);
    let refund = Record::new().field("amount_minor", Type::Int).nullable("note", Type::String);
    Environment::new(
        Record::new()
            .record("order", order)
            .record("contact", contact)
            .record("run", run)
            .record("event", event)
            .nullable_record("refund", refund),
    )
}

/// Values with every field that must be set.
fn values(environment: &Environment) -> Values<'static> {
    let mut values = environment.values();
    values
        .set("order.order_id", "o-1")
        .set("order.revenue_minor", 12_500)
        .set("order.currency", "EUR")
        .set("order.external_status", "closedwon")
        .set("order.occurred_at", datetime!(2026-03-01 14:30 UTC))
        .set("order.properties", BTreeMap::from([("region".to_owned(), "north".to_owned())]))
        .set("contact.flagged", false)
        .set("contact.tags", vec!["vip", "beta"])
        .set("run.stages", vec!["lead", "qualified"])
        .set("event.type", "order_recorded");
    values
}

fn compiled(source: &str) -> Condition {
    Condition::compile(source, &environment()).unwrap_or_else(|error| panic!("{source}: {error}"))
}
