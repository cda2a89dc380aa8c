//! The states of a reward (R3) and what moves it from one to the next: the end of its hold (R7), or a person.

use types::{CampaignId, ContactId, Money, RewardId, RuleKey, TenantId, Timestamp, TransitionId};

use super::decision::Decision;
use super::effects::{Brief, Effects, Fact, Move, Paid, RewardView, What};
use super::ledger::{Account, Cause, Posting};
use super::program::{Approval, Beneficiary, Fulfilment, Rule};

/// Where a reward stands (R3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for its hold, or for approval by hand.
    Pending,
    /// To be fulfilled.
    Approved,
    /// Being fulfilled.
    Processing,
    /// Paid.
    Fulfilled,
    /// Not to be paid.
    Denied,
}

/// The state does not allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAllowed(pub State);

impl State {
    /// PENDING -> APPROVED.
    pub fn approve(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Pending => Ok(Self::Approved),
            other => Err(NotAllowed(other)),
        }
    }

    /// APPROVED -> PROCESSING.
    pub fn process(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Approved => Ok(Self::Processing),
            other => Err(NotAllowed(other)),
        }
    }

    /// PROCESSING -> FULFILLED.
    pub fn fulfil(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Processing => Ok(Self::Fulfilled),
            other => Err(NotAllowed(other)),
        }
    }

    /// PENDING or APPROVED -> DENIED.
    pub fn deny(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Pending | Self::Approved => Ok(Self::Denied),
            other => Err(NotAllowed(other)),
        }
    }

    /// DENIED -> PENDING.
    pub fn reopen(self) -> Result<Self, NotAllowed> {
        match self {
            Self::Denied => Ok(Self::Pending),
            other => Err(NotAllowed(other)),
        }
    }
}

/// What a person may do to a reward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandMove {
    /// Approve before the hold is over.
    Approve,
    /// Deny, with a reason.
    Deny(String),
    /// Make pending again.
    Reopen,
    /// Fulfil.
    Fulfil,
}

impl HandMove {
    /// The state it leads to.
    fn target(&self) -> State {
        match self {
            Self::Approve => State::Approved,
            Self::Deny(_) => State::Denied,
            Self::Reopen => State::Pending,
            Self::Fulfil => State::Fulfilled,
        }
    }

    /// Whether `other` is the same move, whatever its reason.
    fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

/// Something owed to a beneficiary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reward {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub reward_id: RewardId,
    /// The transition it was created on,
    pub transition: TransitionId,
    /// by this rule,
    pub rule: RuleKey,
    /// for somebody who is this.
    pub beneficiary_kind: Beneficiary,
    /// The campaign.
    pub campaign: CampaignId,
    /// Who gets it.
    pub beneficiary: ContactId,
    /// How much; above zero.
    pub amount: Money,
    /// Where it stands.
    pub state: State,
    /// What approves it.
    pub approval: Approval,
    /// What fulfils it.
    pub fulfilment: Fulfilment,
    /// When the transition happened (business time).
    pub occurred_at: Timestamp,
    /// When the hold is over.
    pub hold_until: Timestamp,
    /// Number of its last posting.
    pub posted: i32,
    /// While denied: why.
    pub denied_reason: Option<String>,
}

impl Reward {
    /// The reward of a decision that came to `amount`, with its first posting: budget to pending. `None` for a hold
    /// or a beneficiary that judging would have refused.
    pub fn create(id: RewardId, decision: &Decision, rule: &Rule, amount: Money) -> Option<(Self, Posting)> {
        let transition = &decision.transition;
        let reward = Self {
            tenant: transition.tenant.clone(),
            reward_id: id,
            transition: transition.transition_id,
            rule: decision.rule.clone(),
            beneficiary_kind: decision.beneficiary,
            campaign: transition.campaign.clone(),
            beneficiary: decision.beneficiary_id()?,
            amount,
            state: State::Pending,
            approval: rule.approval,
            fulfilment: rule.fulfilment,
            occurred_at: transition.occurred_at,
            hold_until: transition.occurred_at.checked_add(rule.hold)?,
            posted: 1,
            denied_reason: None,
        };
        let posting = Posting {
            tenant: reward.tenant.clone(),
            reward_id: id,
            number: 1,
            debit: Account::Budget,
            credit: Account::Pending,
            amount,
            cause: Cause::Created,
            occurred_at: reward.occurred_at,
        };
        Some((reward, posting))
    }

    /// The reward together with what its decision knows.
    pub fn view(&self, decision: &Decision) -> RewardView {
        let transition = &decision.transition;
        RewardView {
            reward: self.clone(),
            version: decision.version,
            order_id: transition.order.as_ref().map(|order| order.order_id.clone()),
            attribution: transition.attribution.map(|(attribution, _)| attribution),
            contact: transition.contact,
        }
    }

    /// Whether the end of its hold approves it, at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.state == State::Pending && self.approval == Approval::Automatic && self.hold_until <= now
    }

    /// The hold is over (R7): approves what is still pending, at the moment it was due.
    pub fn hold_over(&mut self, effects: &mut Effects) -> Result<(), NotAllowed> {
        let due = self.hold_until;
        self.enter(self.state.approve()?, Cause::HoldOver, due, effects);
        self.fulfil_on_approval(due, effects)
    }

    /// Carries out a hand move at `at`. `last` is the hand move before it: the same move again changes nothing, also
    /// where an approval went straight on to the fulfilment. Whether anything changed.
    pub fn by_hand(
        &mut self,
        action: &HandMove,
        last: Option<&HandMove>,
        at: Timestamp,
        effects: &mut Effects,
    ) -> Result<bool, NotAllowed> {
        // one writer decides, by business time: a hold that was over before this moment has approved (R7)
        if self.is_due(at) {
            self.hold_over(effects)?;
        }
        let repeated = last.is_some_and(|last| last.same_kind(action)) && self.follows(action);
        if self.state == action.target() || repeated {
            return Ok(false);
        }
        let to = match action {
            HandMove::Approve => self.state.approve()?,
            HandMove::Deny(_) => self.state.deny()?,
            HandMove::Reopen => self.state.reopen()?,
            HandMove::Fulfil => self.state.process()?.fulfil()?,
        };
        if let HandMove::Reopen = action {
            // a hold that is over meanwhile is over from now on, not before
            self.hold_until = self.hold_until.max(at);
        }
        self.denied_reason = match action {
            HandMove::Deny(reason) => Some(reason.clone()),
            _ => None,
        };
        self.enter(to, Cause::ByHand, at, effects);
        effects.moves.push(Move {
            tenant: self.tenant.clone(),
            reward_id: self.reward_id,
            number: self.posted,
            action: action.clone(),
            occurred_at: at,
        });
        if to == State::Approved {
            self.fulfil_on_approval(at, effects)?;
        }
        Ok(true)
    }

    /// Whether the present state is where `action` led by itself.
    fn follows(&self, action: &HandMove) -> bool {
        matches!(action, HandMove::Approve)
            && self.state == State::Fulfilled
            && self.fulfilment == Fulfilment::OnApproval
    }

    fn fulfil_on_approval(&mut self, at: Timestamp, effects: &mut Effects) -> Result<(), NotAllowed> {
        if self.fulfilment == Fulfilment::OnApproval {
            self.enter(self.state.process()?.fulfil()?, Cause::OnApproval, at, effects);
        }
        Ok(())
    }

    /// Enters a state that holds the amount in another account, with all that follows from it.
    fn enter(&mut self, to: State, cause: Cause, at: Timestamp, effects: &mut Effects) {
        self.posted += 1;
        effects.postings.push(Posting {
            tenant: self.tenant.clone(),
            reward_id: self.reward_id,
            number: self.posted,
            debit: Account::holding(self.state),
            credit: Account::holding(to),
            amount: self.amount,
            cause,
            occurred_at: at,
        });
        self.state = to;
        let brief = Brief { reward_id: self.reward_id, beneficiary: self.beneficiary, amount: self.amount };
        let what = match to {
            State::Pending => What::Reopened(brief),
            // entered and left within one transaction, and holds the amount where APPROVED does
            State::Approved | State::Processing => What::Approved(brief),
            State::Fulfilled => What::Fulfilled(brief),
            State::Denied => What::Denied(brief),
        };
        if to == State::Fulfilled {
            let (tenant, contact) = (self.tenant.clone(), self.beneficiary);
            effects.paid.push(Paid { tenant, contact, amount: self.amount });
        }
        effects.facts.push(Fact { tenant: self.tenant.clone(), occurred_at: at, what });
    }
}
