//! Orders from the wire, with the field's path in every error; and back.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use proto::attribution::{self, InactiveReason, UnresolvedReason};
use proto::common::ContactRef as WireContactRef;
use proto::orders as wire;
use rpc::fields::{self, wire_money, wire_time};
use rpc::{Caller, Error};
use types::{Currency, Email, Money};

use super::properties::properties;
use crate::Settings;
use crate::domain::{
    ContactRef, Evidence, Inactive, LineItem, NewOrder, OnConflict, OnUnattributed, Order, Outcome, Uid,
    Unresolved,
};

/// The order of a RecordOrder request that keeps to the constraints of its contract; paths begin with `order`.
pub(super) fn new_order(
    request: &wire::RecordOrderRequest,
    caller: &Caller,
    settings: &Settings,
) -> Result<NewOrder, Error> {
    let order = fields::required("order", request.order.as_ref())?;
    let tenant = caller.item_tenant(&order.tenant_id, "order.tenant_id")?;
    let order_id = fields::parse("order.order_id", &order.order_id)?;
    let revenue = fields::amount("order.revenue", order.revenue.as_ref())?;
    Ok(NewOrder {
        key: settings.key(&tenant, &order.source, order_id),
        source: order.source.clone(),
        customer: customer(order.customer.as_ref())?,
        revenue,
        campaign_id: fields::parse_optional("order.campaign_id", &order.campaign_id)?,
        evidence: evidence("order.evidence", order.evidence.as_ref())?,
        external_status: order.external_status.clone(),
        hubspot_dealstage: order.hubspot_dealstage.clone(),
        line_items: line_items("order.line_items", &order.line_items, revenue.currency)?,
        properties: properties("order.properties", &order.properties)?,
        told_properties: None,
        occurred_at: fields::timestamp("order.occurred_at", order.occurred_at.as_ref())?,
        on_conflict: on_conflict(request.on_conflict()),
        on_unattributed: match request.on_unattributed() {
            wire::OnUnattributed::Unspecified | wire::OnUnattributed::Record => OnUnattributed::Record,
            wire::OnUnattributed::Reject => OnUnattributed::Reject,
        },
    })
}

fn customer(wire: Option<&WireContactRef>) -> Result<ContactRef, Error> {
    let customer = contact_ref("order.customer", fields::required("order.customer", wire)?)?;
    if customer.is_empty() {
        return Err(Error::field("order.customer", "names nobody: give contact_id, email or uid"));
    }
    Ok(customer)
}

/// What is claimed; paths begin with `at`.
pub(super) fn evidence(at: &str, wire: Option<&attribution::Evidence>) -> Result<Evidence, Error> {
    let Some(wire) = wire else { return Ok(Evidence::default()) };
    let advocate = match &wire.advocate {
        None => None,
        Some(advocate) => Some(contact_ref(&format!("{at}.advocate"), advocate)?).filter(|a| !a.is_empty()),
    };
    // whatever it holds: attribution passes over what cannot be one, and the order is not lost (O7)
    Ok(Evidence {
        shortcode: wire.shortcode.clone(),
        coupon_code: wire.coupon_code.clone(),
        advocate,
        visitor_id: wire.visitor_id.clone(),
    })
}

fn contact_ref(path: &str, wire: &WireContactRef) -> Result<ContactRef, Error> {
    let email = match wire.email.as_str() {
        "" => None,
        text => Some(Email::parse(text).map_err(|e| Error::field(format!("{path}.email"), e))?),
    };
    let uid = wire.uid.clone();
    Ok(ContactRef {
        contact_id: fields::parse_optional(&format!("{path}.contact_id"), &wire.contact_id)?,
        email,
        uid: (!uid.is_empty()).then(|| Uid::new(uid)),
    })
}

/// Lines of an order; paths begin with `at`.
pub(super) fn line_items(
    at: &str,
    wire: &[wire::LineItem],
    currency: Currency,
) -> Result<Vec<LineItem>, Error> {
    let line = |(n, line)| line_item(&format!("{at}[{n}]"), line, currency);
    wire.iter().enumerate().map(line).collect()
}

fn line_item(path: &str, wire: &wire::LineItem, currency: Currency) -> Result<LineItem, Error> {
    let price = fields::amount(&format!("{path}.unit_price"), wire.unit_price.as_ref())?;
    if price.currency != currency {
        let path = format!("{path}.unit_price.currency_code");
        return Err(Error::field(path, "is not the currency of the order's revenue"));
    }
    let (sku, name) = (wire.sku.clone(), wire.name.clone());
    Ok(LineItem { sku, name, quantity: wire.quantity, unit_price_minor: price.minor })
}

/// What to do about other content; by default it is refused.
pub(super) fn on_conflict(wire: wire::OnConflict) -> OnConflict {
    match wire {
        wire::OnConflict::Unspecified | wire::OnConflict::Refuse => OnConflict::Refuse,
        wire::OnConflict::Update => OnConflict::Update,
    }
}

/// An order for the wire.
pub(super) fn wire_order(order: &Order) -> wire::Order {
    let (outcome, inactive_reason, unresolved_reason) = wire_outcome(order.outcome);
    let line = |line: &LineItem| wire::LineItem {
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        unit_price: Some(wire_money(Money::new(line.unit_price_minor, order.currency()))),
    };
    wire::Order {
        order_id: order.key.order_id.to_string(),
        source: order.source.clone(),
        contact_id: order.contact_id.to_string(),
        campaign_id: order.campaign_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        attribution_id: order.attribution.map(|a| a.attribution_id.to_string()).unwrap_or_default(),
        advocate_id: order.attribution.map(|a| a.advocate_id.to_string()).unwrap_or_default(),
        inactive_attribution_id: order.inactive_attribution_id.map(|id| id.to_string()).unwrap_or_default(),
        outcome: outcome.into(),
        inactive_reason: inactive_reason.into(),
        unresolved_reason: unresolved_reason.into(),
        revenue: Some(wire_money(order.revenue)),
        refunded: Some(wire_money(order.refunded())),
        external_status: order.external_status.clone(),
        hubspot_dealstage: order.hubspot_dealstage.clone(),
        line_items: order.line_items.iter().map(line).collect(),
        properties: rpc::properties::wire(&order.properties),
        occurred_at: Some(wire_time(order.occurred_at)),
        recorded_at: Some(wire_time(order.recorded_at)),
        cancelled_at: order.cancelled_at.map(wire_time),
    }
}

fn wire_outcome(outcome: Outcome) -> (attribution::Outcome, InactiveReason, UnresolvedReason) {
    use proto::attribution::Outcome as Wire;
    let (none, resolved) = (InactiveReason::Unspecified, UnresolvedReason::Unspecified);
    match outcome {
        Outcome::Attributed => (Wire::Attributed, none, resolved),
        Outcome::AlreadyAttributed => (Wire::AlreadyAttributed, none, resolved),
        Outcome::LoggedInactive(reason) => {
            let reason = match reason {
                Inactive::Duplicate => InactiveReason::Duplicate,
                Inactive::SelfReferral => InactiveReason::SelfReferral,
                Inactive::NotEligible => InactiveReason::NotEligible,
                Inactive::Deactivated => InactiveReason::Deactivated,
            };
            (Wire::LoggedInactive, reason, resolved)
        }
        Outcome::Unresolved(reason) => {
            let reason = match reason {
                Unresolved::UnknownCode => UnresolvedReason::UnknownCode,
                Unresolved::AdvocateNotEligible => UnresolvedReason::AdvocateNotEligible,
                Unresolved::CampaignNotActive => UnresolvedReason::CampaignNotActive,
                Unresolved::CampaignMismatch => UnresolvedReason::CampaignMismatch,
                Unresolved::NoEvidence => UnresolvedReason::NoEvidence,
                Unresolved::CodeNotAssigned => UnresolvedReason::CodeNotAssigned,
                Unresolved::OutsideWindow => UnresolvedReason::OutsideWindow,
                Unresolved::CodeUsed => UnresolvedReason::CodeUsed,
            };
            (Wire::Unresolved, none, reason)
        }
    }
}

/// A request in the one form that is hashed for its `request_id`: `rest`, which lacks them, and its properties by name. A
/// map is encoded in any order.
pub(super) fn canonical(rest: &impl Message, properties: HashMap<String, wire::PropertyValue>) -> Vec<u8> {
    let mut bytes = rest.encode_length_delimited_to_vec();
    for (name, value) in BTreeMap::from_iter(properties) {
        bytes.extend(name.as_bytes());
        bytes.push(0);
        bytes.extend(value.encode_length_delimited_to_vec());
    }
    bytes
}
