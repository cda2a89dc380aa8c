//! Facts that journeys passes on, as the stream tells them.

use proto::journeys::journey_event::Fact;
use proto::journeys::{
    ContactFlagged, ContactStatusChanged, ContactUnflagged, JourneyEvent, OrderCancelled, OrderContext,
    OrderRefunded,
};
use rpc::fields::wire_time;
use uuid::Uuid;

use crate::common::{CONTACT, NOW, id, money};

/// A fact passed on, event `n`.
fn fact(tenant: &str, n: u128, fact: Fact) -> JourneyEvent {
    JourneyEvent {
        event_id: id(0xFA00_0000 + n).to_string(),
        tenant_id: tenant.to_owned(),
        occurred_at: Some(wire_time(NOW)),
        recorded_at: Some(wire_time(NOW)),
        fact: Some(fact),
        ..Default::default()
    }
}

/// The order of transition `order` as it is after refunds.
fn order_after(order: u128, revenue: &str, refunded: &str) -> OrderContext {
    OrderContext {
        order_id: format!("o-{order}"),
        source: "shop".to_owned(),
        revenue: Some(money(revenue)),
        refunded: Some(money(refunded)),
        occurred_at: Some(wire_time(NOW)),
        ..Default::default()
    }
}

/// A refund of the order of transition `order`, which comes to `refunded` in all.
pub(crate) fn refunded(tenant: &str, n: u128, order: u128, revenue: &str, refunded: &str) -> JourneyEvent {
    let refunded = OrderRefunded {
        contact_id: CONTACT.to_string(),
        campaign_id: "spring".to_owned(),
        order: Some(order_after(order, revenue, refunded)),
        amount: Some(money(refunded)),
    };
    fact(tenant, n, Fact::OrderRefunded(refunded))
}

/// A cancellation of the order of transition `order`.
pub(crate) fn cancelled(tenant: &str, n: u128, order: u128, revenue: &str) -> JourneyEvent {
    let cancelled = OrderCancelled {
        contact_id: CONTACT.to_string(),
        campaign_id: "spring".to_owned(),
        order: Some(order_after(order, revenue, revenue)),
        amount: Some(money(revenue)),
    };
    fact(tenant, n, Fact::OrderCancelled(cancelled))
}

/// A flag of a contact.
pub(crate) fn flagged(tenant: &str, n: u128, contact: Uuid) -> JourneyEvent {
    let flagged = ContactFlagged { contact_id: contact.to_string(), cause: "BY_HAND".to_owned() };
    fact(tenant, n, Fact::ContactFlagged(flagged))
}

/// The end of a contact's flags.
pub(crate) fn unflagged(tenant: &str, n: u128, contact: Uuid) -> JourneyEvent {
    fact(tenant, n, Fact::ContactUnflagged(ContactUnflagged { contact_id: contact.to_string() }))
}

/// A contact's new status.
pub(crate) fn status(tenant: &str, n: u128, contact: Uuid, status: &str) -> JourneyEvent {
    let changed = ContactStatusChanged { contact_id: contact.to_string(), status: status.to_owned() };
    fact(tenant, n, Fact::ContactStatusChanged(changed))
}
