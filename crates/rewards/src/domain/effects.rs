//! What a slice of work changes: decided purely, written afterwards in one go.

use std::sync::Arc;

use types::{AttributionId, ContactId, EventId, Money, OrderId, RewardId, TenantId, Timestamp};

use super::decision::Decision;
use super::ledger::Posting;
use super::receivables::Receivables;
use super::refund::OrderFact;
use super::reward::{HandMove, Reward};
use super::standing::ContactFact;

/// Everything to be written for a slice.
#[derive(Debug, Default)]
pub struct Effects {
    /// Rules considered.
    pub decisions: Vec<Decision>,
    /// Decisions that were parked and are judged again (R12), as they are now.
    pub retried: Vec<Decision>,
    /// New rewards, as they are at the end of the slice.
    pub created: Vec<Reward>,
    /// Rewards that changed, each once, as they are at the end of the slice.
    pub changed: Vec<Reward>,
    /// New postings.
    pub postings: Vec<Posting>,
    /// Hand moves.
    pub moves: Vec<Move>,
    /// What facts and debts did to rewards.
    pub turns: Vec<Turn>,
    /// Refunds and cancellations that are new.
    pub order_facts: Vec<OrderFact>,
    /// Flags and statuses that are new.
    pub contact_facts: Vec<ContactFact>,
    /// What beneficiaries owe back.
    pub receivables: Receivables,
    /// Account credit given: one entry per payment.
    pub paid: Vec<Paid>,
    /// What to tell the world, in order.
    pub facts: Vec<Fact>,
    /// Trace that each of the facts was caused under, as far as they are signed.
    pub traces: Vec<Option<Arc<str>>>,
    /// Decisions that had been made before, and were not made again (R5).
    pub twins: usize,
}

impl Effects {
    /// Says under which trace all facts since the last call were caused.
    pub fn sign(&mut self, traceparent: Option<&Arc<str>>) {
        self.traces.resize(self.facts.len(), traceparent.cloned());
    }
}

/// A recorded hand move (R10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Whose.
    pub tenant: TenantId,
    /// The reward.
    pub reward_id: RewardId,
    /// Number of the first step it made.
    pub number: i32,
    /// What was done.
    pub action: HandMove,
    /// When (the tenant's clock).
    pub occurred_at: Timestamp,
}

/// A recorded step of a reward that neither its hold nor a person made (R9, A9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Whose.
    pub tenant: TenantId,
    /// The reward.
    pub reward_id: RewardId,
    /// Number of the step.
    pub number: i32,
    /// What it was.
    pub cause: TurnCause,
    /// Business time.
    pub occurred_at: Timestamp,
}

/// What made a reward take a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnCause {
    /// This refund or cancellation left so many minor units due.
    Refunded(EventId, i64),
    /// This flag or ban of the beneficiary.
    Flagged(EventId),
    /// This fact lifted it.
    Unflagged(EventId),
    /// The beneficiary owed so many minor units when it was paid.
    Netted(i64),
}

/// Account credit given to a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// Whose.
    pub tenant: TenantId,
    /// To whom.
    pub contact: ContactId,
    /// How much.
    pub amount: Money,
}

/// One event of the reward stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Whose.
    pub tenant: TenantId,
    /// Business time.
    pub occurred_at: Timestamp,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A reward is new.
    Created(Box<RewardView>),
    /// A reward was approved.
    Approved(Brief),
    /// A reward was fulfilled.
    Fulfilled(Brief),
    /// A reward was denied.
    Denied(Brief),
    /// A denied reward is pending again.
    Reopened(Brief),
    /// A reward waits for a person, since its beneficiary is flagged.
    Flagged(Brief),
    /// It does no longer.
    Unflagged(Brief),
    /// Less is due, since the order was refunded; before it was this.
    AmountChanged(Brief, Money),
    /// Nothing is due of a reward that was fulfilled.
    Reversed(Brief),
    /// So much of a payout was kept back for what the beneficiary owed.
    Netted(Brief),
    /// The tenant's test clock was moved.
    ClockMoved(Timestamp),
}

/// What an event says of a reward that is known already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// Which.
    pub reward_id: RewardId,
    /// Who gets it.
    pub beneficiary: ContactId,
    /// How much.
    pub amount: Money,
}

/// A reward together with what its decision knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardView {
    /// The reward.
    pub reward: Reward,
    /// The program version that created it.
    pub version: i32,
    /// The order.
    pub order_id: Option<OrderId>,
    /// The attribution.
    pub attribution: Option<AttributionId>,
    /// The contact whose run it was.
    pub contact: ContactId,
}
