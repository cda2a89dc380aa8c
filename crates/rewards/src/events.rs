//! Domain facts as events of the contract. They hold no personal data (A13).

use outbox::erasure::Open;
use proto::rewards::reward_event::Fact as WireFact;
use proto::rewards::{
    ClockMoved, ContactErased, RewardAmountChanged, RewardApproved, RewardCreated, RewardDenied, RewardEvent,
    RewardFlagged, RewardFulfilled, RewardNetted, RewardReopened, RewardReversed, RewardUnflagged,
};
use rpc::fields::{wire_money, wire_time};
use types::{EventId, Timestamp};

use crate::domain::effects::{Effects, Fact, What};
use crate::wire;

/// The events of the facts told, in their order, each with the trace it was caused under; `now` is the real clock.
pub(crate) fn of(effects: &Effects, now: Timestamp) -> Vec<RewardEvent> {
    let traces = effects.traces.iter().map(Option::as_deref).chain(std::iter::repeat(None));
    effects.facts.iter().zip(traces).map(|(fact, traceparent)| event(fact, traceparent, now)).collect()
}

fn event(fact: &Fact, traceparent: Option<&str>, now: Timestamp) -> RewardEvent {
    RewardEvent {
        traceparent: traceparent.unwrap_or_default().to_owned(),
        event_id: types::new_id::<EventId>(now).to_string(),
        tenant_id: fact.tenant.to_string(),
        cursor: String::new(),
        occurred_at: Some(wire_time(fact.occurred_at)),
        recorded_at: Some(wire_time(now)),
        fact: Some(what(&fact.what)),
    }
}

/// The fact that a contact is erased everywhere (A13).
pub(crate) fn erased(done: &Open, now: Timestamp) -> RewardEvent {
    let parts = done.receipt.parts.clone();
    RewardEvent {
        traceparent: done.traceparent.as_deref().unwrap_or_default().to_owned(),
        event_id: types::new_id::<EventId>(now).to_string(),
        tenant_id: done.tenant.to_string(),
        cursor: String::new(),
        occurred_at: done.receipt.erased_at,
        recorded_at: Some(wire_time(now)),
        fact: Some(WireFact::ContactErased(ContactErased { contact_id: done.contact.to_string(), parts })),
    }
}

macro_rules! brief {
    ($message:ident, $brief:ident) => {
        $message {
            reward_id: $brief.reward_id.to_string(),
            beneficiary_id: $brief.beneficiary.to_string(),
            amount: Some(wire_money($brief.amount)),
        }
    };
}

fn what(what: &What) -> WireFact {
    match what {
        What::Created(view) => WireFact::RewardCreated(RewardCreated { reward: Some(wire::reward(view)) }),
        What::Approved(brief) => WireFact::RewardApproved(brief!(RewardApproved, brief)),
        What::Fulfilled(brief) => WireFact::RewardFulfilled(brief!(RewardFulfilled, brief)),
        What::Denied(brief) => WireFact::RewardDenied(brief!(RewardDenied, brief)),
        What::Reopened(brief) => WireFact::RewardReopened(brief!(RewardReopened, brief)),
        What::Flagged(brief) => WireFact::RewardFlagged(brief!(RewardFlagged, brief)),
        What::Unflagged(brief) => WireFact::RewardUnflagged(brief!(RewardUnflagged, brief)),
        What::Reversed(brief) => WireFact::RewardReversed(brief!(RewardReversed, brief)),
        What::Netted(brief) => WireFact::RewardNetted(brief!(RewardNetted, brief)),
        What::AmountChanged(brief, before) => WireFact::RewardAmountChanged(RewardAmountChanged {
            reward_id: brief.reward_id.to_string(),
            beneficiary_id: brief.beneficiary.to_string(),
            amount: Some(wire_money(brief.amount)),
            before: Some(wire_money(*before)),
        }),
        What::ClockMoved(to) => WireFact::ClockMoved(ClockMoved { to: Some(wire_time(*to)) }),
    }
}
