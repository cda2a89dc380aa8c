//! What conditions of triggers may read, and where it comes from.

use std::sync::LazyLock;

use definitions::condition::{Condition, Environment, EvaluationError, Record, Type};

use types::StageKey;

use super::definition::Signal;
use super::event::{Detail, Event};
use super::run::Run;

static WITH_ORDER: LazyLock<Environment> = LazyLock::new(|| {
    let order = Record::new()
        .field("order_id", Type::String)
        .field("source", Type::String)
        .field("revenue_minor", Type::Int)
        .field("refunded_minor", Type::Int)
        .field("currency", Type::String)
        .field("external_status", Type::String)
        .field("hubspot_dealstage", Type::String);
    Environment::new(common().record("order", order))
});

static WITHOUT_ORDER: LazyLock<Environment> = LazyLock::new(|| Environment::new(common()));

fn common() -> Record {
    let event = Record::new()
        .field("type", Type::String)
        .field("tags", Type::StringList)
        .nullable("segment_id", Type::String);
    Record::new()
        .record("contact", Record::new().field("id", Type::String))
        .record("run", Record::new().field("stages", Type::StringList).field("transitions", Type::Int))
        .record("event", event)
}

/// What a condition on `signal` may read: `order` only where there is one.
pub fn environment(signal: &Signal) -> &'static Environment {
    if signal.is_of_order() { &WITH_ORDER } else { &WITHOUT_ORDER }
}

/// Whether a condition holds for `event`, on the run as it was before it; `None` for a run that has not started.
pub fn holds(condition: &Condition, event: &Event, run: Option<&Run>) -> Result<bool, EvaluationError> {
    let contact = event.place.contact.to_string();
    let mut values = environment(&event.signal).values();
    let stages: Vec<&str> =
        run.map(|run| run.stages.iter().map(StageKey::as_str).collect()).unwrap_or_default();
    values
        .set("contact.id", &contact)
        .set("run.stages", stages)
        .set("run.transitions", run.map_or(0, |run| run.transitions))
        .set("event.type", event.signal.name());
    match &event.detail {
        Detail::None => values.set("event.tags", Vec::<&str>::new()),
        Detail::Tags(tags) => values.set("event.tags", tags.as_slice()),
        Detail::Segment(segment) => {
            values.set("event.tags", Vec::<&str>::new()).set("event.segment_id", segment.as_str())
        }
    };
    if let Some(order) = event.order.as_ref().filter(|_| event.signal.is_of_order()) {
        values
            .set("order.order_id", order.order_id.as_str())
            .set("order.source", &order.source)
            .set("order.revenue_minor", order.revenue.minor)
            .set("order.refunded_minor", order.refunded_minor)
            .set("order.currency", order.revenue.currency.to_string())
            .set("order.external_status", &order.external_status)
            .set("order.hubspot_dealstage", &order.hubspot_dealstage);
    }
    condition.evaluate(&values)
}
