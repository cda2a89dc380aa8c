//! The facts of this service, as its stream carries them: no personal data (A13).

use outbox::erasure::Open;
use proto::attribution::StreamHead;
use proto::orders as wire;
use proto::orders::order_event::Fact;
use rpc::fields::{wire_money, wire_time};
use types::{EventId, Money, TenantId, Timestamp, new_id};

use crate::domain::{Head, Order};

/// Circumstances of a fact.
#[derive(Debug, Clone, Copy)]
pub(super) struct When<'a> {
    /// Business time (M3).
    pub(super) occurred_at: Timestamp,
    /// Real time.
    pub(super) recorded_at: Timestamp,
    /// How far attribution's answer reached, if it was asked.
    pub(super) head: Option<Head>,
    /// Trace of the call, or of the event, that caused it.
    pub(super) traceparent: Option<&'a str>,
}

pub(super) fn recorded(order: &Order, when: When<'_>) -> wire::OrderEvent {
    let order_recorded = wire::OrderRecorded { order: Some(snapshot(order)) };
    event(&order.key.tenant, when, Fact::OrderRecorded(order_recorded))
}

pub(super) fn updated(order: &Order, when: When<'_>) -> wire::OrderEvent {
    let order_updated = wire::OrderUpdated { order: Some(snapshot(order)) };
    event(&order.key.tenant, when, Fact::OrderUpdated(order_updated))
}

/// Revenue was given back, by the refund of this id, or, without one, by an update.
pub(super) fn refunded(order: &Order, amount: Money, refund_id: &str, when: When<'_>) -> wire::OrderEvent {
    let (order_snapshot, amount, refund_id) = (snapshot(order), wire_money(amount), refund_id.to_owned());
    let order_refunded = wire::OrderRefunded { order: Some(order_snapshot), amount: Some(amount), refund_id };
    event(&order.key.tenant, when, Fact::OrderRefunded(order_refunded))
}

pub(super) fn cancelled(order: &Order, amount: Money, when: When<'_>) -> wire::OrderEvent {
    let order_cancelled =
        wire::OrderCancelled { order: Some(snapshot(order)), amount: Some(wire_money(amount)) };
    event(&order.key.tenant, when, Fact::OrderCancelled(order_cancelled))
}

/// The tenant's test clock shows `to`; nothing here falls due by time.
pub(crate) fn clock_moved(
    tenant: &TenantId,
    to: Timestamp,
    recorded_at: Timestamp,
    traceparent: Option<&str>,
) -> wire::OrderEvent {
    let when = When { occurred_at: to, recorded_at, head: None, traceparent };
    event(tenant, when, Fact::ClockMoved(wire::ClockMoved { to: Some(wire_time(to)) }))
}

/// A customer was erased, and what was here of it is gone (A13).
pub(super) fn erased(done: &Open, recorded_at: Timestamp) -> wire::OrderEvent {
    let parts = done.receipt.parts.clone();
    let erased = wire::ContactErased { contact_id: done.contact.to_string(), parts };
    let traceparent = done.traceparent.as_deref();
    let when = When { occurred_at: recorded_at, recorded_at, head: None, traceparent };
    let event = event(&done.tenant, when, Fact::ContactErased(erased));
    wire::OrderEvent { occurred_at: done.receipt.erased_at, ..event }
}

fn event(tenant: &TenantId, when: When<'_>, fact: Fact) -> wire::OrderEvent {
    wire::OrderEvent {
        traceparent: when.traceparent.unwrap_or_default().to_owned(),
        event_id: new_id::<EventId>(when.recorded_at).to_string(),
        tenant_id: tenant.to_string(),
        cursor: String::new(),
        occurred_at: Some(wire_time(when.occurred_at)),
        recorded_at: Some(wire_time(when.recorded_at)),
        attribution_head: when.head.map(|h| StreamHead { epoch: h.epoch, position: h.position }),
        fact: Some(fact),
    }
}

fn snapshot(order: &Order) -> wire::OrderSnapshot {
    wire::OrderSnapshot {
        order_id: order.key.order_id.to_string(),
        source: order.source.clone(),
        contact_id: order.contact_id.to_string(),
        campaign_id: order.campaign_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        attribution_id: order.attribution.map(|a| a.attribution_id.to_string()).unwrap_or_default(),
        advocate_id: order.attribution.map(|a| a.advocate_id.to_string()).unwrap_or_default(),
        revenue: Some(wire_money(order.revenue)),
        refunded: Some(wire_money(order.refunded())),
        external_status: order.external_status.clone(),
        hubspot_dealstage: order.hubspot_dealstage.clone(),
        occurred_at: Some(wire_time(order.occurred_at)),
        key: order.key.text(),
    }
}
