//! What moves a reward from one state to the next (R3): the end of its hold (R7), a person, refunds of its order (R9), and
//! flags of its beneficiary (A9).

use types::{CampaignId, ContactId, EventId, Money, RewardId, RuleKey, TenantId, Timestamp, TransitionId};

use super::decision::Decision;
use super::effects::{Brief, Effects, Fact, Move, Paid, RewardView, Turn, TurnCause, What};
use super::ledger::{Account, Cause, Posting};
use super::program::{Approval, Beneficiary, Fulfilment, Rule};
use super::receivables::Debtor;
pub use super::state::{NotAllowed, State};

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
    /// What is due now: refunds lower it, and may leave nothing (R9).
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
    /// Number of its last step.
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
            number: reward.posted,
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
            // of one whose order was refunded nothing is due: it stays denied
            HandMove::Reopen if self.amount.minor == 0 => return Err(NotAllowed(self.state)),
            HandMove::Reopen => self.state.reopen()?,
            HandMove::Fulfil => self.state.process()?.fulfil()?,
        };
        effects.moves.push(Move {
            tenant: self.tenant.clone(),
            reward_id: self.reward_id,
            number: self.posted + 1,
            action: action.clone(),
            occurred_at: at,
        });
        if let HandMove::Reopen = action {
            // a hold that is over meanwhile is over from now on, not before
            self.hold_until = self.hold_until.max(at);
        }
        self.denied_reason = match action {
            HandMove::Deny(reason) => Some(reason.clone()),
            _ => None,
        };
        if to == State::Fulfilled {
            self.pay(Cause::ByHand, at, effects)?;
        } else {
            self.enter(to, Cause::ByHand, at, effects);
        }
        if to == State::Approved {
            self.fulfil_on_approval(at, effects)?;
        }
        Ok(true)
    }

    /// Whether the present state is where `action` led by itself.
    fn follows(&self, action: &HandMove) -> bool {
        match action {
            HandMove::Approve => self.state == State::Fulfilled && self.fulfilment == Fulfilment::OnApproval,
            HandMove::Reopen => self.state == State::Flagged,
            HandMove::Deny(_) | HandMove::Fulfil => false,
        }
    }

    fn fulfil_on_approval(&mut self, at: Timestamp, effects: &mut Effects) -> Result<(), NotAllowed> {
        match self.fulfilment {
            Fulfilment::OnApproval => self.pay(Cause::OnApproval, at, effects),
            Fulfilment::ByHand => Ok(()),
        }
    }

    /// The order was refunded, and `due` is left (R9). The same again changes nothing. A reward never rests in PROCESSING
    /// yet: it is entered and left within one step.
    pub fn refund(&mut self, due: Money, fact: EventId, at: Timestamp, effects: &mut Effects) {
        if due.minor >= self.amount.minor || self.state == State::Processing {
            return;
        }
        let before = std::mem::replace(&mut self.amount, due);
        let less = Money::new(before.minor - due.minor, due.currency);
        self.turn(TurnCause::Refunded(fact, due.minor), at, effects);
        match self.state {
            State::Pending | State::Flagged | State::Approved => {
                self.post(
                    (Account::holding(self.state), Account::Budget),
                    less,
                    Cause::Refunded,
                    at,
                    effects,
                );
            }
            State::Fulfilled => {
                self.post((Account::Receivable, Account::Budget), less, Cause::Refunded, at, effects);
                effects.receivables.add(self.debtor(), less.minor);
            }
            // nothing is held for it
            State::Denied | State::Reversed | State::Processing => {}
        }
        self.tell(What::AmountChanged(self.brief(self.amount), before), at, effects);
        if due.minor == 0
            && let Ok(state) = self.state.refund()
        {
            self.state = state;
            let brief = self.brief(self.amount);
            let reversed = state == State::Reversed;
            self.tell(if reversed { What::Reversed(brief) } else { What::Denied(brief) }, at, effects);
        }
    }

    /// Its beneficiary is flagged or banned (A9): while it is pending, it waits for a person. One that is approved has been
    /// decided on, and goes on (R3).
    pub fn flag(&mut self, fact: EventId, at: Timestamp, effects: &mut Effects) {
        if let Ok(state) = self.state.flag() {
            self.state = state;
            self.turn(TurnCause::Flagged(fact), at, effects);
            self.tell(What::Flagged(self.brief(self.amount)), at, effects);
        }
    }

    /// Its beneficiary is flagged no longer. A hold that is over meanwhile is over from now on.
    pub fn unflag(&mut self, fact: EventId, at: Timestamp, effects: &mut Effects) {
        if let Ok(state) = self.state.unflag() {
            self.state = state;
            self.hold_until = self.hold_until.max(at);
            self.turn(TurnCause::Unflagged(fact), at, effects);
            self.tell(What::Unflagged(self.brief(self.amount)), at, effects);
        }
    }

    /// Pays it, to account credit; what the beneficiary owes is kept back first (R9).
    fn pay(&mut self, cause: Cause, at: Timestamp, effects: &mut Effects) -> Result<(), NotAllowed> {
        let to = self.state.process()?.fulfil()?;
        let owed = effects.receivables.owed(&self.debtor());
        let netted = Money::new(owed.min(self.amount.minor), self.amount.currency);
        if netted.minor > 0 {
            self.turn(TurnCause::Netted(owed), at, effects);
            self.post((Account::Payable, Account::Receivable), netted, Cause::Netted, at, effects);
            effects.receivables.add(self.debtor(), -netted.minor);
            self.tell(What::Netted(self.brief(netted)), at, effects);
        }
        let rest = Money::new(self.amount.minor - netted.minor, self.amount.currency);
        self.posted += 1;
        if rest.minor > 0 {
            self.post((Account::Payable, Account::Paid), rest, cause, at, effects);
            let (tenant, contact) = (self.tenant.clone(), self.beneficiary);
            effects.paid.push(Paid { tenant, contact, amount: rest });
        }
        self.state = to;
        self.tell(What::Fulfilled(self.brief(self.amount)), at, effects);
        Ok(())
    }

    /// Enters a state that holds the amount in another account.
    fn enter(&mut self, to: State, cause: Cause, at: Timestamp, effects: &mut Effects) {
        self.posted += 1;
        let accounts = (Account::holding(self.state), Account::holding(to));
        self.post(accounts, self.amount, cause, at, effects);
        self.state = to;
        let brief = self.brief(self.amount);
        let what = match to {
            State::Pending => What::Reopened(brief),
            State::Denied => What::Denied(brief),
            _ => What::Approved(brief),
        };
        self.tell(what, at, effects);
    }

    /// A step that neither the hold nor a person made.
    fn turn(&mut self, cause: TurnCause, at: Timestamp, effects: &mut Effects) {
        self.posted += 1;
        let (tenant, reward_id) = (self.tenant.clone(), self.reward_id);
        effects.turns.push(Turn { tenant, reward_id, number: self.posted, cause, occurred_at: at });
    }

    /// The posting of the last step.
    fn post(
        &self,
        (debit, credit): (Account, Account),
        amount: Money,
        cause: Cause,
        occurred_at: Timestamp,
        effects: &mut Effects,
    ) {
        let (tenant, reward_id, number) = (self.tenant.clone(), self.reward_id, self.posted);
        effects.postings.push(Posting {
            tenant,
            reward_id,
            number,
            debit,
            credit,
            amount,
            cause,
            occurred_at,
        });
    }

    fn tell(&self, what: What, occurred_at: Timestamp, effects: &mut Effects) {
        effects.facts.push(Fact { tenant: self.tenant.clone(), occurred_at, what });
    }

    fn brief(&self, amount: Money) -> Brief {
        Brief { reward_id: self.reward_id, beneficiary: self.beneficiary, amount }
    }

    /// Who owes back what is refunded of it.
    pub fn debtor(&self) -> Debtor {
        let (tenant, contact) = (self.tenant.clone(), self.beneficiary);
        Debtor { tenant, contact, currency: self.amount.currency }
    }
}
