//! The columns of an order, which transitions and waiting entries have alike.

use types::{Money, OrderId, Timestamp};

use crate::domain::event::Order;

/// As selected.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct OrderRow {
    order_id: Option<OrderId>,
    source: Option<String>,
    revenue_minor: Option<i64>,
    refunded_minor: Option<i64>,
    currency: Option<String>,
    external_status: Option<String>,
    hubspot_dealstage: Option<String>,
    ordered_at: Option<Timestamp>,
}

impl OrderRow {
    /// The order, if there is one.
    pub(crate) fn read(self) -> Result<Option<Order>, pg::Error> {
        let Some(order_id) = self.order_id else { return Ok(None) };
        let unreadable = || pg::Error::unreadable("order columns", &order_id);
        let currency = self.currency.as_deref().and_then(|c| c.parse().ok()).ok_or_else(unreadable)?;
        Ok(Some(Order {
            source: self.source.unwrap_or_default(),
            revenue: Money::new(self.revenue_minor.ok_or_else(unreadable)?, currency),
            refunded_minor: self.refunded_minor.unwrap_or(0),
            external_status: self.external_status.unwrap_or_default(),
            hubspot_dealstage: self.hubspot_dealstage.unwrap_or_default(),
            occurred_at: self.ordered_at.ok_or_else(unreadable)?,
            order_id,
        }))
    }
}

/// As bound: one array per column.
#[derive(Debug)]
pub(crate) struct OrderArrays<'a> {
    pub(crate) order_ids: Vec<Option<&'a str>>,
    pub(crate) sources: Vec<Option<&'a str>>,
    pub(crate) revenues: Vec<Option<i64>>,
    pub(crate) refunded: Vec<Option<i64>>,
    pub(crate) currencies: Vec<Option<String>>,
    pub(crate) statuses: Vec<Option<&'a str>>,
    pub(crate) dealstages: Vec<Option<&'a str>>,
    pub(crate) times: Vec<Option<Timestamp>>,
}

impl<'a> OrderArrays<'a> {
    /// The columns of these orders.
    pub(crate) fn of(orders: &[Option<&'a Order>]) -> Self {
        Self {
            order_ids: orders.iter().map(|o| o.map(|o| o.order_id.as_str())).collect(),
            sources: orders.iter().map(|o| o.map(|o| o.source.as_str())).collect(),
            revenues: orders.iter().map(|o| o.map(|o| o.revenue.minor)).collect(),
            refunded: orders.iter().map(|o| o.map(|o| o.refunded_minor)).collect(),
            currencies: orders.iter().map(|o| o.map(|o| o.revenue.currency.to_string())).collect(),
            statuses: orders.iter().map(|o| o.map(|o| o.external_status.as_str())).collect(),
            dealstages: orders.iter().map(|o| o.map(|o| o.hubspot_dealstage.as_str())).collect(),
            times: orders.iter().map(|o| o.map(|o| o.occurred_at)).collect(),
        }
    }
}
