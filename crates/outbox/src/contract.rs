//! What the events and the watch messages of the four contracts have in common.

use prost::Message;
use proto::common::{Checkpoint, StreamStart};

/// One event of a contract.
pub trait Event: Message + Default + Clone + Send + Sync + 'static {
    /// The stream it belongs to, such as `orders`; part of what a cursor is bound to.
    const STREAM: &'static str;
    /// UUID; the same on every delivery.
    fn event_id(&self) -> &str;
    /// Whose event it is.
    fn tenant_id(&self) -> &str;
    /// Resume after this event; set when it is delivered.
    fn cursor(&self) -> &str;
    /// Sets what [`Event::cursor`] returns.
    fn set_cursor(&mut self, cursor: String);
    /// W3C context of the call that caused it; empty if that was not traced.
    fn traceparent(&self) -> &str;
    /// Names of its facts, as a watch filters by them.
    const FACTS: &'static [&'static str];
    /// The name of its fact; empty for one that this version does not know.
    fn fact(&self) -> &'static str;
    /// The contact it is about, if any: events of one contact are applied in order, or wait behind one that is parked.
    fn contact_id(&self) -> Option<&str>;
}

/// One message of a watch.
pub trait WatchResponse: Send + 'static {
    /// The events it carries.
    type Event: Event;
    /// A message of these events, resumed after at `checkpoint`.
    fn from_parts(events: Vec<Self::Event>, checkpoint: Checkpoint) -> Self;
    /// The same, taken apart.
    fn into_parts(self) -> (Vec<Self::Event>, Option<Checkpoint>);
}

/// The request of a watch: where to start.
pub trait WatchRequest {
    /// Resume after this cursor, if not empty.
    fn cursor(&self) -> &str;
    /// Where to start without one.
    fn start(&self) -> Option<StreamStart>;
    /// Only facts of these names; all if empty.
    fn types(&self) -> &[String];
}

macro_rules! contract {
    ($package:ident, $event:ident, $fact_module:ident, $request:ident, $response:ident, $stream:literal,
     $($fact:ident: $name:literal),+) => {
        impl Event for proto::$package::$event {
            const STREAM: &'static str = $stream;
            fn event_id(&self) -> &str {
                &self.event_id
            }
            fn tenant_id(&self) -> &str {
                &self.tenant_id
            }
            fn cursor(&self) -> &str {
                &self.cursor
            }
            fn set_cursor(&mut self, cursor: String) {
                self.cursor = cursor;
            }
            fn traceparent(&self) -> &str {
                &self.traceparent
            }
            const FACTS: &'static [&'static str] = &[$($name),+];
            fn fact(&self) -> &'static str {
                use proto::$package::$fact_module::Fact;
                match &self.fact {
                    $(Some(Fact::$fact(_)) => $name,)+
                    None => "",
                }
            }
            fn contact_id(&self) -> Option<&str> {
                self.fact.as_ref().and_then($package::contact_of)
            }
        }

        impl WatchResponse for proto::$package::$response {
            type Event = proto::$package::$event;
            fn from_parts(events: Vec<Self::Event>, checkpoint: Checkpoint) -> Self {
                Self { events, checkpoint: Some(checkpoint) }
            }
            fn into_parts(self) -> (Vec<Self::Event>, Option<Checkpoint>) {
                (self.events, self.checkpoint)
            }
        }

        impl WatchRequest for proto::$package::$request {
            fn cursor(&self) -> &str {
                &self.cursor
            }
            fn start(&self) -> Option<StreamStart> {
                StreamStart::try_from(self.start).ok()
            }
            fn types(&self) -> &[String] {
                &self.types
            }
        }
    };
}

contract!(
    attribution,
    AttributionEvent,
    attribution_event,
    WatchAttributionEventsRequest,
    WatchAttributionEventsResponse,
    "attribution",
    ContactCreated: "contact_created",
    ContactStatusChanged: "contact_status_changed",
    ContactTagged: "contact_tagged",
    SegmentJoined: "segment_joined",
    SegmentLeft: "segment_left",
    AttributionActivated: "attribution_activated",
    AttributionLoggedInactive: "attribution_logged_inactive",
    AttributionDeactivated: "attribution_deactivated",
    ClockMoved: "clock_moved",
    ContactFlagged: "contact_flagged",
    ContactUnflagged: "contact_unflagged",
    ContactErased: "contact_erased"
);
contract!(
    orders,
    OrderEvent,
    order_event,
    WatchOrderEventsRequest,
    WatchOrderEventsResponse,
    "orders",
    OrderRecorded: "order_recorded",
    OrderUpdated: "order_updated",
    OrderRefunded: "order_refunded",
    OrderCancelled: "order_cancelled",
    ClockMoved: "clock_moved",
    ContactErased: "contact_erased"
);
contract!(
    journeys,
    JourneyEvent,
    journey_event,
    WatchStageTransitionsRequest,
    WatchStageTransitionsResponse,
    "journeys",
    StageEntered: "stage_entered",
    OrderRefunded: "order_refunded",
    OrderCancelled: "order_cancelled",
    ContactStatusChanged: "contact_status_changed",
    ClockMoved: "clock_moved",
    ContactFlagged: "contact_flagged",
    ContactUnflagged: "contact_unflagged",
    ContactErased: "contact_erased"
);
contract!(
    rewards,
    RewardEvent,
    reward_event,
    WatchRewardEventsRequest,
    WatchRewardEventsResponse,
    "rewards",
    RewardCreated: "reward_created",
    RewardApproved: "reward_approved",
    RewardFulfilled: "reward_fulfilled",
    RewardDenied: "reward_denied",
    RewardReopened: "reward_reopened",
    RewardFlagged: "reward_flagged",
    RewardUnflagged: "reward_unflagged",
    RewardAmountChanged: "reward_amount_changed",
    RewardReversed: "reward_reversed",
    RewardNetted: "reward_netted",
    ClockMoved: "clock_moved",
    ContactErased: "contact_erased"
);

mod attribution {
    use proto::attribution::attribution_event::Fact;

    pub(super) fn contact_of(fact: &Fact) -> Option<&str> {
        match fact {
            Fact::ContactCreated(f) => Some(&f.contact_id),
            Fact::ContactStatusChanged(f) => Some(&f.contact_id),
            Fact::ContactTagged(f) => Some(&f.contact_id),
            Fact::SegmentJoined(f) => Some(&f.contact_id),
            Fact::SegmentLeft(f) => Some(&f.contact_id),
            Fact::AttributionActivated(f) => f.attribution.as_ref().map(|a| a.contact_id.as_str()),
            Fact::AttributionLoggedInactive(f) => f.attribution.as_ref().map(|a| a.contact_id.as_str()),
            Fact::AttributionDeactivated(f) => f.attribution.as_ref().map(|a| a.contact_id.as_str()),
            // an erasure neither waits for what is parked of the contact, nor holds it up
            Fact::ClockMoved(_) | Fact::ContactErased(_) => None,
            Fact::ContactFlagged(f) => Some(&f.contact_id),
            Fact::ContactUnflagged(f) => Some(&f.contact_id),
        }
    }
}

mod orders {
    use proto::orders::order_event::Fact;

    pub(super) fn contact_of(fact: &Fact) -> Option<&str> {
        match fact {
            Fact::OrderRecorded(f) => f.order.as_ref().map(|o| o.contact_id.as_str()),
            Fact::OrderUpdated(f) => f.order.as_ref().map(|o| o.contact_id.as_str()),
            Fact::OrderRefunded(f) => f.order.as_ref().map(|o| o.contact_id.as_str()),
            Fact::OrderCancelled(f) => f.order.as_ref().map(|o| o.contact_id.as_str()),
            // an erasure neither waits for what is parked of the contact, nor holds it up
            Fact::ClockMoved(_) | Fact::ContactErased(_) => None,
        }
    }
}

mod journeys {
    use proto::journeys::journey_event::Fact;

    pub(super) fn contact_of(fact: &Fact) -> Option<&str> {
        match fact {
            Fact::StageEntered(f) => f.transition.as_ref().map(|t| t.contact_id.as_str()),
            Fact::OrderRefunded(f) => Some(&f.contact_id),
            Fact::OrderCancelled(f) => Some(&f.contact_id),
            Fact::ContactStatusChanged(f) => Some(&f.contact_id),
            // an erasure neither waits for what is parked of the contact, nor holds it up
            Fact::ClockMoved(_) | Fact::ContactErased(_) => None,
            Fact::ContactFlagged(f) => Some(&f.contact_id),
            Fact::ContactUnflagged(f) => Some(&f.contact_id),
        }
    }
}

mod rewards {
    use proto::rewards::reward_event::Fact;

    pub(super) fn contact_of(fact: &Fact) -> Option<&str> {
        match fact {
            Fact::RewardCreated(f) => f.reward.as_ref().map(|r| r.beneficiary_id.as_str()),
            Fact::RewardApproved(f) => Some(&f.beneficiary_id),
            Fact::RewardFulfilled(f) => Some(&f.beneficiary_id),
            Fact::RewardDenied(f) => Some(&f.beneficiary_id),
            Fact::RewardReopened(f) => Some(&f.beneficiary_id),
            Fact::RewardFlagged(f) => Some(&f.beneficiary_id),
            Fact::RewardUnflagged(f) => Some(&f.beneficiary_id),
            Fact::RewardAmountChanged(f) => Some(&f.beneficiary_id),
            Fact::RewardReversed(f) => Some(&f.beneficiary_id),
            Fact::RewardNetted(f) => Some(&f.beneficiary_id),
            // an erasure neither waits for what is parked of the contact, nor holds it up
            Fact::ClockMoved(_) | Fact::ContactErased(_) => None,
        }
    }
}
