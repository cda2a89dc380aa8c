//! What refunds and cancellations of an order leave of a reward (R9): always from the totals of the order, never from the
//! last step.

use types::{EventId, Money, OrderId, TenantId, Timestamp};

use super::decision::{Decision, Order};
use super::program::{Refund, Rule};

/// By what facts and rewards find each other. Where order ids are scoped by source, it tells two orders apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderKey {
    /// Whose.
    pub tenant: TenantId,
    /// The caller's id.
    pub order_id: OrderId,
    /// The system it comes from.
    pub source: String,
}

/// A refund or a cancellation, which is a refund of what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFact {
    /// The event that told it: the same again changes nothing.
    pub event_id: EventId,
    /// The order.
    pub order: OrderKey,
    /// Its revenue before refunds, after the fact.
    pub revenue: Money,
    /// Refunded in all, after the fact.
    pub refunded_minor: i64,
    /// When it happened (business time).
    pub occurred_at: Timestamp,
}

impl OrderFact {
    /// What is left of the revenue.
    pub fn net_minor(&self) -> i64 {
        (self.revenue.minor - self.refunded_minor).max(0)
    }
}

/// What R9 needs of a reward's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The order that the reward is for.
    pub order: OrderKey,
    /// The order as the rule saw it.
    seen: Order,
    /// Whether the order may have been older than the transition: a timer, a waiting entry or a retry brought it.
    stale: bool,
    /// The amount at creation.
    created: Money,
    /// How the amount falls.
    refund: Refund,
}

impl Terms {
    /// The terms of a decision that created a reward by `rule`; `None` without an order.
    pub fn of(decision: &Decision, rule: &Rule) -> Option<Self> {
        let transition = &decision.transition;
        let seen = transition.order.clone()?;
        let order = transition.order_key()?;
        let stale = transition.carried || decision.attempts > 1;
        Some(Self { order, seen, stale, created: decision.verdict.amount?, refund: rule.refund })
    }

    /// Whether the rule did not see this fact yet, though it had been told: what was refunded only grows. A lowered revenue
    /// is like one raised since; it counts where the order may be as it was earlier.
    pub fn missed(&self, fact: &OrderFact) -> bool {
        let lowered =
            fact.refunded_minor == self.seen.refunded_minor && fact.revenue.minor < self.seen.revenue.minor;
        fact.refunded_minor > self.seen.refunded_minor || (self.stale && lowered)
    }

    /// What is due once `fact` is known. A revenue raised since gives nothing back: that counts for later transitions only.
    pub fn due(&self, fact: &OrderFact) -> Money {
        let (now, then) = (fact.net_minor(), self.seen.net().minor);
        let nothing = Money::zero(self.created.currency);
        match self.refund {
            _ if now == 0 => nothing,
            Refund::ProRata if now < then => self.created.fraction(now, then).unwrap_or(nothing),
            Refund::ProRata | Refund::FullOnly => self.created,
        }
    }
}
