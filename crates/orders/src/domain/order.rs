//! An order as it is stored.

use types::{AttributionId, CampaignId, ContactId, Currency, Money, OrderId, TenantId, Timestamp};
use uuid::Uuid;

use super::{Definitions, InForce, Outcome, Properties};

/// What an order is known by (O1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OrderKey {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// The source, for tenants that scope order ids by it; else empty.
    pub(crate) source_scope: String,
    /// As the caller knows it.
    pub(crate) order_id: OrderId,
}

impl OrderKey {
    /// One text that tells it apart from every other order of the tenant: a slash ends the source, and one within it is
    /// written as `%2F`.
    pub(crate) fn text(&self) -> String {
        if self.source_scope.is_empty() {
            return self.order_id.to_string();
        }
        format!("{}/{}", self.source_scope.replace('%', "%25").replace('/', "%2F"), self.order_id)
    }
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineItem {
    /// The caller's product id.
    pub(crate) sku: String,
    /// For people.
    pub(crate) name: String,
    /// How many.
    pub(crate) quantity: i32,
    /// Price of one, in minor units of the order's currency.
    pub(crate) unit_price_minor: i64,
}

/// An order as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// Time-ordered row id; never leaves the service.
    pub(crate) id: Uuid,
    /// What it is known by.
    pub(crate) key: OrderKey,
    /// The system it comes from.
    pub(crate) source: String,
    /// The customer.
    pub(crate) contact_id: ContactId,
    /// Keyed hash of the customer as named when it was recorded.
    pub(crate) customer_hash: Vec<u8>,
    /// The campaign, if any (O5).
    pub(crate) campaign_id: Option<CampaignId>,
    /// The attribution it was recorded under, for good (O4), and its advocate.
    pub(crate) attribution: Option<InForce>,
    /// The attempt that lost (O3).
    pub(crate) inactive_attribution_id: Option<AttributionId>,
    /// How the attempt to attribute ended (A12).
    pub(crate) outcome: Outcome,
    /// The figure last reported, before refunds.
    pub(crate) revenue: Money,
    /// Given back by refunds and by a cancellation, in minor units.
    pub(crate) refunded_minor: i64,
    /// State in the caller's system.
    pub(crate) external_status: String,
    /// Deal stage in HubSpot.
    pub(crate) hubspot_dealstage: String,
    /// The lines.
    pub(crate) line_items: Vec<LineItem>,
    /// Custom properties (O9).
    pub(crate) properties: Properties,
    /// When it was placed (business time, M3).
    pub(crate) occurred_at: Timestamp,
    /// When it was recorded (real clock).
    pub(crate) recorded_at: Timestamp,
    /// Who recorded it; empty for orders of before this was kept.
    pub(crate) recorded_by: String,
    /// When it was cancelled (business time), if it is (O8).
    pub(crate) cancelled_at: Option<Timestamp>,
    /// Whether its customer was erased: it keeps and takes nothing personal (A13).
    pub(crate) is_erased: bool,
}

impl Order {
    /// Currency of all its amounts.
    pub(crate) fn currency(&self) -> Currency {
        self.revenue.currency
    }

    /// What can still be given back.
    pub(crate) fn left(&self) -> Money {
        Money::new(self.revenue.minor - self.refunded_minor, self.currency())
    }

    /// What refunds and a cancellation gave back.
    pub(crate) fn refunded(&self) -> Money {
        Money::new(self.refunded_minor, self.currency())
    }

    /// What it takes of these properties: of an erased customer's order, those that are declared not to be personal (A13).
    pub(crate) fn kept(&self, mut properties: Properties, definitions: &Definitions) -> Properties {
        if self.is_erased {
            properties.retain(|name, _| definitions.get(name).is_some_and(|known| !known.personal));
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scope: &str, order: &str) -> String {
        let order_id = order.parse().unwrap();
        OrderKey { tenant: "acme".parse().unwrap(), source_scope: scope.to_owned(), order_id }.text()
    }

    #[test]
    fn o1_orders_that_differ_have_different_texts() {
        assert_eq!(key("", "a/b"), "a/b");
        assert_eq!(key("shop", "1001"), "shop/1001");
        assert_ne!(key("a", "b/c"), key("a/b", "c"));
        assert_ne!(key("a%2Fb", "c"), key("a/b", "c"));
    }
}
