//! Recording an order: new, the same again, or with other content (O3, O6, O7).

use std::sync::Arc;

use types::{ContactId, Money, OrderId, Timestamp};
use uuid::Uuid;

use super::{
    Attributed, Definitions, NewOrder, OnConflict, OnUnattributed, Order, Outcome, Patch, Properties,
    PropertyFaults, Unresolved, Updated, update,
};

/// What an update may change (O6), by their names in the contract.
const UPDATABLE: [&str; 5] = ["revenue", "external_status", "hubspot_dealstage", "line_items", "properties"];

/// What is known beside the order itself.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Keyed hash of tenant and customer reference.
    pub(crate) customer_hash: Vec<u8>,
    /// When it was placed if the caller does not say: the tenant's now (M3, M4).
    pub(crate) now: Timestamp,
    /// Who records it.
    pub(crate) principal: Arc<str>,
}

/// Why an order is not recorded, updated or reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// It is stored with different content; the fields that differ (O6).
    Differs(Vec<&'static str>),
    /// Revenue cannot be lowered below what was refunded (O6).
    BelowRefunded,
    /// The code belongs to another campaign than the one given (O3).
    CampaignMismatch,
    /// The evidence came to nobody, and the caller wants no such order (O7).
    Unattributed(Outcome),
    /// The order is cancelled: its revenue and refunds stay as they are (O8).
    Cancelled,
    /// Nothing, or less than this refund, is left of the order's revenue (O8).
    ExceedsOrder(Money),
    /// The refund is stored with different content; the fields that differ (O8).
    RefundDiffers(Vec<&'static str>),
    /// The amount in this field is not in the order's currency (M5).
    OtherCurrency(&'static str),
    /// It has an attribution, which is permanent, and the evidence names another advocate (O4).
    Attributed,
    /// It would be reversed before it was placed (O8).
    BeforeOrder,
    /// There is no such order.
    NotFound(OrderId),
    /// Properties that are not as they are defined (O9).
    Properties(PropertyFaults),
}

/// A new order, on attribution's word.
pub(crate) fn record_new(
    new: &NewOrder,
    facts: &Facts,
    answer: &Attributed,
    id: Uuid,
    recorded_at: Timestamp,
) -> Result<Order, Violation> {
    if answer.outcome == Outcome::Unresolved(Unresolved::CampaignMismatch) {
        return Err(Violation::CampaignMismatch);
    }
    let came_to_nobody = !new.evidence.is_empty() && answer.in_force.is_none();
    if came_to_nobody && new.on_unattributed == OnUnattributed::Reject {
        return Err(Violation::Unattributed(answer.outcome));
    }
    Ok(Order {
        id,
        key: new.key.clone(),
        source: new.source.clone(),
        contact_id: answer.contact_id,
        customer_hash: facts.customer_hash.clone(),
        campaign_id: answer.campaign_id.clone(),
        attribution: answer.in_force,
        inactive_attribution_id: answer.inactive,
        outcome: answer.outcome,
        revenue: new.revenue,
        refunded_minor: 0,
        external_status: new.external_status.clone(),
        hubspot_dealstage: new.hubspot_dealstage.clone(),
        line_items: new.line_items.clone(),
        properties: new.properties.clone(),
        occurred_at: new.occurred_at.unwrap_or(facts.now),
        recorded_at,
        recorded_by: facts.principal.to_string(),
        cancelled_at: None,
        is_erased: false,
    })
}

/// An order that is stored already. `contact` is whom attribution knows the customer as, if it was asked: nobody known is
/// another customer.
pub(crate) fn record_again(
    new: &NewOrder,
    stored: &Order,
    facts: &Facts,
    contact: Option<ContactId>,
    definitions: &Definitions,
) -> Result<Updated, Violation> {
    let same_customer = stored.customer_hash == facts.customer_hash || contact == Some(stored.contact_id);
    let properties = stored.kept(new.properties_over(&stored.properties), definitions);
    let differing = differences(new, &properties, stored, same_customer);
    if differing.is_empty() {
        return Ok(Updated::Same);
    }
    let fixed = differing.iter().any(|field| !UPDATABLE.contains(field));
    if fixed || new.on_conflict == OnConflict::Refuse {
        return Err(Violation::Differs(differing));
    }
    let patch = Patch {
        revenue: Some(new.revenue),
        external_status: Some(new.external_status.clone()),
        hubspot_dealstage: Some(new.hubspot_dealstage.clone()),
        line_items: Some((Some(new.revenue.currency), new.line_items.clone())),
        properties: Some(properties),
    };
    update(stored, patch, definitions)
}

/// The fields that differ, by their names in the contract. Evidence is not content: it is judged once. Campaign and time
/// count only if given, since both have defaults.
fn differences(
    new: &NewOrder,
    properties: &Properties,
    stored: &Order,
    same_customer: bool,
) -> Vec<&'static str> {
    let campaign_differs = new.campaign_id.is_some() && new.campaign_id != stored.campaign_id;
    let time_differs = new.occurred_at.is_some_and(|at| at != stored.occurred_at);
    let same_currency = new.revenue.currency == stored.currency();
    [
        ("source", new.source != stored.source),
        ("customer", !same_customer),
        ("revenue.currency_code", !same_currency),
        ("revenue", same_currency && new.revenue.minor != stored.revenue.minor),
        ("campaign_id", campaign_differs),
        ("external_status", new.external_status != stored.external_status),
        ("hubspot_dealstage", new.hubspot_dealstage != stored.hubspot_dealstage),
        ("line_items", same_currency && new.line_items != stored.line_items),
        ("properties", *properties != stored.properties),
        ("occurred_at", time_differs),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

#[cfg(test)]
mod tests;
