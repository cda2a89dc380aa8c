//! The double-entry ledger (R10): every posting moves an amount from one account to another, and so sums to zero.

use types::{Money, RewardId, TenantId, Timestamp};

use super::reward::State;

/// The accounts of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// Where rewards come from.
    Budget,
    /// Created, not yet approved.
    Pending,
    /// Approved, not yet paid.
    Payable,
    /// Paid.
    Paid,
    /// Owed back by beneficiaries: negative, since nothing was put there.
    Receivable,
}

impl Account {
    /// Where the amount of a reward in `state` stands. A denied one is back in the budget.
    pub fn holding(state: State) -> Self {
        match state {
            State::Pending | State::Flagged => Self::Pending,
            State::Approved | State::Processing => Self::Payable,
            // what was paid out stays so, and what is claimed back is a receivable
            State::Fulfilled | State::Reversed => Self::Paid,
            State::Denied => Self::Budget,
        }
    }
}

/// What made a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The reward was created.
    Created,
    /// Its hold was over.
    HoldOver,
    /// It was fulfilled because it was approved.
    OnApproval,
    /// A person moved it; there is a record of the move.
    ByHand,
    /// Its order was refunded; there is a record of the turn under the same number.
    Refunded,
    /// What the beneficiary owed was kept back of its payout; there is a record of the turn under the same number.
    Netted,
}

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Whose.
    pub tenant: TenantId,
    /// The reward it is for.
    pub reward_id: RewardId,
    /// The number of its step among the reward's steps, from 1.
    pub number: i32,
    /// The account it takes from.
    pub debit: Account,
    /// The account it gives to.
    pub credit: Account,
    /// How much; above zero.
    pub amount: Money,
    /// What made it.
    pub cause: Cause,
    /// Business time.
    pub occurred_at: Timestamp,
}
