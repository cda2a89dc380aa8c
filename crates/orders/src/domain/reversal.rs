//! Reversals of orders: giving revenue back, and cancelling (O8).

use types::{Money, Timestamp};

use super::{Change, Order, Violation};

/// What is to be done about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reversal {
    /// Give part or all of its revenue back.
    Refund(NewRefund),
    /// Cancel it.
    Cancellation(Cancellation),
}

/// A refund as a caller gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewRefund {
    /// The caller's id, unique for the order.
    pub(crate) id: String,
    /// How much; none for all that is left.
    pub(crate) amount: Option<Money>,
    /// Why.
    pub(crate) reason: String,
    /// When, if given.
    pub(crate) occurred_at: Option<Timestamp>,
}

/// A cancellation as a caller gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cancellation {
    /// Why.
    pub(crate) reason: String,
    /// When, if given.
    pub(crate) occurred_at: Option<Timestamp>,
}

impl Reversal {
    /// The id of a refund.
    pub(crate) fn refund_id(&self) -> Option<&str> {
        match self {
            Self::Refund(refund) => Some(&refund.id),
            Self::Cancellation(_) => None,
        }
    }

    /// Why.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Refund(refund) => &refund.reason,
            Self::Cancellation(cancellation) => &cancellation.reason,
        }
    }

    /// When, if given.
    pub(crate) fn occurred_at(&self) -> Option<Timestamp> {
        match self {
            Self::Refund(refund) => refund.occurred_at,
            Self::Cancellation(cancellation) => cancellation.occurred_at,
        }
    }

    /// When it happens to `order`: not before that was placed. `now` is the tenant's.
    pub(crate) fn at(&self, order: &Order, now: Timestamp) -> Result<Timestamp, Violation> {
        match self.occurred_at() {
            Some(at) if at < order.occurred_at => Err(Violation::BeforeOrder),
            Some(at) => Ok(at),
            // an order may be dated a little ahead (M3)
            None => Ok(now.max(order.occurred_at)),
        }
    }
}

/// A refund that is new: the order as it is then, and how much it is.
pub(crate) fn refund(order: &Order, new: &NewRefund) -> Result<(Order, Money), Violation> {
    if order.cancelled_at.is_some() {
        return Err(Violation::Cancelled);
    }
    let left = order.left();
    let amount = new.amount.unwrap_or(left);
    if amount.currency != left.currency {
        return Err(Violation::OtherCurrency("amount.currency_code"));
    }
    if amount.minor > left.minor || amount.minor == 0 {
        return Err(Violation::ExceedsOrder(left));
    }
    Ok((Order { refunded_minor: order.refunded_minor + amount.minor, ..order.clone() }, amount))
}

/// A refund that is stored already. What the caller leaves out, since it has a default, does not differ.
pub(crate) fn refund_again(new: &NewRefund, stored: &Change) -> Result<(), Violation> {
    let differing: Vec<_> = [
        ("amount", new.amount.is_some_and(|amount| Some(amount) != stored.amount)),
        ("reason", !new.reason.is_empty() && new.reason != stored.reason),
        ("occurred_at", new.occurred_at.is_some_and(|at| at != stored.occurred_at)),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect();
    if differing.is_empty() { Ok(()) } else { Err(Violation::RefundDiffers(differing)) }
}

/// The order cancelled, and what was left of it.
pub(crate) fn cancel(order: &Order, at: Timestamp) -> (Order, Money) {
    let cancelled = Order { refunded_minor: order.revenue.minor, cancelled_at: Some(at), ..order.clone() };
    (cancelled, order.left())
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{OrderKey, Outcome, Properties, Unresolved};

    pub(crate) fn order(cents: i64) -> Order {
        let (source_scope, order_id) = (String::new(), "o-1".parse().unwrap());
        Order {
            id: Uuid::nil(),
            key: OrderKey { tenant: "acme".parse().unwrap(), source_scope, order_id },
            source: String::new(),
            contact_id: Uuid::nil().into(),
            customer_hash: Vec::new(),
            campaign_id: None,
            attribution: None,
            inactive_attribution_id: None,
            outcome: Outcome::Unresolved(Unresolved::NoEvidence),
            revenue: Money::new(cents, "USD".parse().unwrap()),
            refunded_minor: 0,
            external_status: String::new(),
            hubspot_dealstage: String::new(),
            line_items: Vec::new(),
            properties: Properties::new(),
            occurred_at: Timestamp::UNIX_EPOCH,
            recorded_at: Timestamp::UNIX_EPOCH,
            recorded_by: String::new(),
            cancelled_at: None,
            is_erased: false,
        }
    }

    #[test]
    fn o8_an_order_is_not_reversed_before_it_was_placed() {
        let order = order(100);
        let hour = time::Duration::HOUR;
        let at = |given| {
            Reversal::Cancellation(Cancellation { reason: String::new(), occurred_at: given })
                .at(&order, order.occurred_at - hour)
        };
        assert_eq!(at(Some(order.occurred_at - hour)), Err(Violation::BeforeOrder));
        assert_eq!(at(Some(order.occurred_at)), Ok(order.occurred_at));
        assert_eq!(at(None), Ok(order.occurred_at), "an order that is dated ahead");
    }

    proptest! {
        #[test]
        fn o8_refunds_never_exceed_revenue_and_add_up(
            revenue in 0_i64..1_000,
            asked in prop::collection::vec(prop::option::of(1_i64..400), 0..20),
            cancelled_after in 0_usize..25,
        ) {
            let (mut order, at) = (order(revenue), Timestamp::UNIX_EPOCH);
            let mut sum = 0;
            for (n, cents) in asked.into_iter().enumerate() {
                if n == cancelled_after {
                    let (cancelled, left) = cancel(&order, at);
                    sum += left.minor;
                    order = cancelled;
                }
                let new = NewRefund {
                    id: n.to_string(),
                    amount: cents.map(|cents| Money::new(cents, order.currency())),
                    reason: String::new(),
                    occurred_at: None,
                };
                match refund(&order, &new) {
                    Ok((after, amount)) => {
                        prop_assert!(amount.minor > 0);
                        sum += amount.minor;
                        order = after;
                    }
                    Err(_) => prop_assert!(order.cancelled_at.is_some() || cents.unwrap_or(1) > order.left().minor),
                }
                prop_assert_eq!(order.refunded_minor, sum);
                prop_assert!(order.refunded_minor <= revenue);
            }
        }
    }
}
