//! Judging a transition by a rule: an amount, or why there is none (R2, R4, R12).

use types::{
    AttributionId, CampaignId, ContactId, Currency, EventId, JourneyKey, Money, OrderId, RewardId, RuleKey,
    StageKey, TenantId, Timestamp, TransitionId,
};

use super::condition::{self, Evaluated};
use super::program::{Amount, Beneficiary, Judge, Rule};
use super::refund::OrderKey;

/// A transition as the stream told it: all that rules observe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub transition_id: TransitionId,
    /// The event that brought it.
    pub event_id: EventId,
    /// The campaign; without one there is no reward (R4), so nothing is judged.
    pub campaign: CampaignId,
    /// The journey.
    pub journey: JourneyKey,
    /// The stage entered.
    pub stage: StageKey,
    /// Its number within the run.
    pub number: i32,
    /// Whether it is a missed step that was filled in (R4).
    pub inferred: bool,
    /// Whether a timer or a waiting entry made it, so that its order may be as it was earlier (R9).
    pub carried: bool,
    /// Tells entries of one stage apart; empty for none.
    pub occurrence_key: String,
    /// The contact of the run.
    pub contact: ContactId,
    /// The attribution and its advocate.
    pub attribution: Option<(AttributionId, ContactId)>,
    /// The order it was entered for.
    pub order: Option<Order>,
    /// When it happened (business time).
    pub occurred_at: Timestamp,
}

/// An order as it was when the transition was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The caller's id.
    pub order_id: OrderId,
    /// The system it comes from.
    pub source: String,
    /// Revenue before refunds.
    pub revenue: Money,
    /// Refunded so far, in the same currency.
    pub refunded_minor: i64,
    /// State in the caller's system.
    pub external_status: String,
    /// Deal stage in HubSpot.
    pub hubspot_dealstage: String,
}

impl Order {
    /// Revenue after refunds: what percentages are of.
    pub fn net(&self) -> Money {
        Money::new((self.revenue.minor - self.refunded_minor).max(0), self.revenue.currency)
    }
}

/// Whether a rule acted, and if not, why (R12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A reward was created.
    Created,
    /// The condition does not hold.
    ConditionFalse,
    /// No attribution, and the beneficiary needs one (R4).
    NoAttribution,
    /// The amount came to zero (R2).
    ZeroAmount,
    /// The rule reads an order and there is none.
    NoOrder,
    /// Floor or ceiling are in another currency than the order (M5).
    CurrencyMismatch,
    /// Older than the program's first version (R1).
    BeforeProgram,
    /// Inferred, and the rule does not ask for such (R4).
    Inferred,
    /// Could not be evaluated; can be retried.
    Parked,
}

/// What a rule makes of a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it acts.
    pub outcome: Outcome,
    /// The amount it came to, if to any.
    pub amount: Option<Money>,
    /// Of a parked one: why.
    pub detail: Option<String>,
}

/// What is unique (R5): one decision of a rule on a transition for a beneficiary. The campaign is a function of the
/// transition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DecisionKey {
    /// Whose.
    pub tenant: TenantId,
    /// The transition.
    pub transition: TransitionId,
    /// The rule.
    pub rule: RuleKey,
    /// As what the beneficiary gets it.
    pub beneficiary: Beneficiary,
}

/// The record of one rule considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// All it observed.
    pub transition: Transition,
    /// Key of the rule.
    pub rule: RuleKey,
    /// As what the beneficiary would get it.
    pub beneficiary: Beneficiary,
    /// The program version that decided; 0 before the first.
    pub version: i32,
    /// The one that considered the rule first: another only if a retry was judged by a version that came later.
    pub first_version: i32,
    /// What was decided.
    pub verdict: Verdict,
    /// The reward created.
    pub reward: Option<RewardId>,
    /// When it was decided, of a retried one the last time (the server's clock).
    pub decided_at: Timestamp,
    /// How often the rule was judged: more than once only after retries (R12).
    pub attempts: i32,
}

impl Decision {
    /// Its unique key.
    pub fn key(&self) -> DecisionKey {
        DecisionKey {
            tenant: self.transition.tenant.clone(),
            transition: self.transition.transition_id,
            rule: self.rule.clone(),
            beneficiary: self.beneficiary,
        }
    }

    /// The contact that gets it, if there is one.
    pub fn beneficiary_id(&self) -> Option<ContactId> {
        self.transition.beneficiary(self.beneficiary)
    }
}

impl Transition {
    /// The contact that stands in a relation to this transition, if there is one.
    pub fn beneficiary(&self, of: Beneficiary) -> Option<ContactId> {
        match of {
            Beneficiary::Advocate => self.attribution.map(|(_, advocate)| advocate),
            Beneficiary::ReferredContact => self.attribution.map(|_| self.contact),
            Beneficiary::Contact => Some(self.contact),
        }
    }

    /// The order it was entered for, as facts name it.
    pub fn order_key(&self) -> Option<OrderKey> {
        let Order { order_id, source, .. } = self.order.as_ref()?;
        Some(OrderKey { tenant: self.tenant.clone(), order_id: order_id.clone(), source: source.clone() })
    }

    /// Whether a rule speaks of this transition.
    pub fn concerns(&self, rule: &Rule) -> bool {
        rule.stage == self.stage && rule.journey == self.journey
    }
}

/// Judges a transition by a rule that speaks of it.
pub fn judge(judge: Judge<'_>, rule: &Rule, transition: &Transition) -> Verdict {
    let why_not = |outcome| Verdict { outcome, amount: None, detail: None };
    let parked = |detail| Verdict { outcome: Outcome::Parked, amount: None, detail: Some(detail) };
    if let Judge::BeforeProgram(_) = judge {
        return why_not(Outcome::BeforeProgram);
    }
    if transition.inferred && !rule.inferred {
        return why_not(Outcome::Inferred);
    }
    if rule.beneficiary.needs_attribution() && transition.attribution.is_none() {
        return why_not(Outcome::NoAttribution);
    }
    match rule.when.as_ref().map(|when| condition::evaluate(when, transition)) {
        None | Some(Evaluated::Holds(true)) => {}
        Some(Evaluated::Holds(false)) => return why_not(Outcome::ConditionFalse),
        Some(Evaluated::NoOrder) => return why_not(Outcome::NoOrder),
        Some(Evaluated::Failed(detail)) => return parked(detail),
    }
    if transition.occurred_at.checked_add(rule.hold).is_none() {
        return parked("the end of the hold is out of range".to_owned());
    }
    match rule.amount.of(transition.order.as_ref()) {
        Ok(amount) if amount.minor == 0 => {
            Verdict { outcome: Outcome::ZeroAmount, amount: Some(amount), detail: None }
        }
        Ok(amount) => Verdict { outcome: Outcome::Created, amount: Some(amount), detail: None },
        Err(NoAmount::NoOrder) => why_not(Outcome::NoOrder),
        Err(NoAmount::Currency(_)) => why_not(Outcome::CurrencyMismatch),
        Err(NoAmount::OutOfRange) => parked("the amount is out of range".to_owned()),
    }
}

/// The largest amount of one reward, in minor units; thousands of such still sum up within 64 bits.
pub const MAX_MINOR: i64 = 1_000_000_000_000_000;

/// Why there is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAmount {
    /// A percentage needs an order.
    NoOrder,
    /// Floor or ceiling are in this currency, and the order is not (M5).
    Currency(Currency),
    /// Above [`MAX_MINOR`].
    OutOfRange,
}

impl Amount {
    /// The amount for an order; at most [`MAX_MINOR`].
    pub fn of(&self, order: Option<&Order>) -> Result<Money, NoAmount> {
        self.unbounded(order).and_then(|amount| match amount.minor {
            ..=MAX_MINOR => Ok(amount),
            _ => Err(NoAmount::OutOfRange),
        })
    }

    /// A percentage is of the order's revenue after refunds, rounded once, half to even (M2), then kept within floor and
    /// ceiling.
    fn unbounded(&self, order: Option<&Order>) -> Result<Money, NoAmount> {
        match self {
            Self::Fixed(amount) => Ok(*amount),
            Self::Percent { share, floor, ceiling } => {
                let revenue = order.ok_or(NoAmount::NoOrder)?.net();
                let bounds = [floor, ceiling].into_iter().flatten();
                if let Some(other) = bounds.map(|b| b.currency).find(|c| *c != revenue.currency) {
                    return Err(NoAmount::Currency(other));
                }
                let part = revenue.percent(*share).ok_or(NoAmount::OutOfRange)?.minor;
                let least = floor.map_or(part, |floor| part.max(floor.minor));
                let minor = ceiling.map_or(least, |ceiling| least.min(ceiling.minor));
                Ok(Money::new(minor, revenue.currency))
            }
        }
    }
}
