//! What orders tells. An order event is applied only once the attribution it rests on is known here.

use std::sync::{Arc, Mutex, PoisonError};

use outbox::erasure::Open;
use outbox::{ApplyError, Cursor, Erasures, Subscriber};
use pg::{Database, Inserts, WriteTx};
use proto::google::r#type::Money as WireMoney;
use proto::orders as wire;
use proto::orders::order_event::Fact as WireFact;
use proto::orders::order_service_client::OrderServiceClient;
use proto::orders::{WatchOrderEventsRequest, WatchOrderEventsResponse};
use rpc::fields::{amount, parse, parse_optional, required};
use rpc::{Channel, Error};
use tonic::{Status, Streaming};
use types::{AttributionId, CampaignId, ContactId, OrderId, Origin, TenantId, Timestamp};

use super::attribution::AttributionEvents;
use super::{Envelope, Step, carry_out, clock_alone, poison, time};
use crate::commands::fire_timers::FireTimers;
use crate::domain::definition::Signal;
use crate::domain::event::{Detail, Event, Order, Place, Referral};
use crate::domain::slice::{Fact, Reversal, Stream};
use crate::store::projections;

/// Follows orders.
#[derive(Debug, Clone)]
pub struct OrderEvents {
    pub(crate) channel: Channel,
    pub(crate) timers: FireTimers,
    pub(crate) attribution: AttributionCursor,
    pub(crate) erasures: Erasures,
}

/// How far attribution's stream has been applied here; asked for only when what was last seen is not enough.
#[derive(Debug, Clone)]
pub(crate) struct AttributionCursor {
    db: Database,
    seen: Arc<Mutex<Option<Cursor>>>,
}

impl AttributionCursor {
    pub(crate) fn new(db: Database) -> Self {
        Self { db, seen: Arc::default() }
    }

    /// How many of `events`, from the first, rest only on what is known.
    async fn reached(&self, events: &[wire::OrderEvent]) -> Result<usize, pg::Error> {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = leading(seen, events);
        if known > 0 {
            return Ok(known);
        }
        let stored = outbox::subscription::stored(&self.db, AttributionEvents::NAME).await?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stored;
        Ok(leading(stored, events))
    }
}

fn leading(cursor: Option<Cursor>, events: &[wire::OrderEvent]) -> usize {
    let known = |event: &&wire::OrderEvent| match (&event.attribution_head, cursor) {
        (None, _) => true,
        (Some(head), None) => head.position <= 0,
        // of another epoch nothing can be said: that stream was restored, and its follower stops with an alarm
        (Some(head), Some(cursor)) => {
            head.epoch.cast_signed() != cursor.epoch || head.position <= cursor.position
        }
    };
    events.iter().take_while(known).count()
}

impl Subscriber for OrderEvents {
    type Response = WatchOrderEventsResponse;
    const NAME: &'static str = "journeys.orders";

    async fn open(&self, cursor: String) -> Result<Streaming<Self::Response>, Status> {
        let request = WatchOrderEventsRequest { cursor, ..Default::default() };
        Ok(OrderServiceClient::new(self.channel.clone()).watch_order_events(request).await?.into_inner())
    }

    async fn ready(&self, events: &[wire::OrderEvent]) -> Result<usize, ApplyError> {
        let known = self.attribution.reached(events).await?;
        clock_alone(&self.timers, Stream::Orders, &events[..known], clock_moved).await
    }

    async fn apply(&self, tx: &mut WriteTx, events: &[wire::OrderEvent]) -> Result<(), ApplyError> {
        let mut steps = Vec::with_capacity(events.len());
        let follower = Origin::service(crate::SCHEMA.name, Self::NAME);
        for event in events {
            let origin = follower.clone().traced(&event.traceparent);
            let read = read(event).map_err(poison)?;
            steps.extend(read.into_iter().map(|step| (origin.clone(), step)));
        }
        let now = carry_out(tx, &self.timers.engine, Stream::Orders, steps).await?;
        // behind what else came of these events: nothing is told of an erased contact that was known before
        let mut erased = Vec::new();
        for open in events.iter().filter_map(|event| erasure(event).transpose()) {
            let open = open.map_err(poison)?;
            projections::forget_segments(tx, &open.tenant, open.contact).await?;
            let passed = self.erasures.pass(tx, open, now).await?;
            erased.extend(passed.map(|passed| crate::wire::erased(&passed, now)));
        }
        outbox::append(tx, Inserts::default(), &erased).await?;
        Ok(())
    }
}

/// A13: who was erased, if this is such a fact. Journeys holds nothing of a contact but its id, and the segments it is in,
/// until here.
fn erasure(event: &wire::OrderEvent) -> Result<Option<Open>, Error> {
    let Some(WireFact::ContactErased(fact)) = &event.fact else { return Ok(None) };
    let about = (event.tenant_id.as_str(), fact.contact_id.as_str());
    Open::read(about, event.occurred_at.as_ref(), &fact.parts, &event.traceparent).map(Some)
}

fn read(event: &wire::OrderEvent) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let about = Envelope::read(&event.event_id, &event.tenant_id, event.occurred_at.as_ref())?;
    match &event.fact {
        Some(WireFact::OrderRecorded(fact)) => {
            steps.push(Step::Happen(happen(about, Signal::OrderRecorded, fact.order.as_ref())?));
        }
        Some(WireFact::OrderUpdated(fact)) => {
            steps.push(Step::Happen(happen(about, Signal::OrderUpdated, fact.order.as_ref())?));
        }
        Some(WireFact::OrderRefunded(fact)) => {
            let event = happen(about, Signal::OrderRefunded, fact.order.as_ref())?;
            let passed = reversal(&event, fact.amount.as_ref())?;
            steps.extend(passed.map(|reversal| Step::Pass(Fact::OrderRefunded(reversal))));
            steps.push(Step::Happen(event));
        }
        Some(WireFact::OrderCancelled(fact)) => {
            let event = happen(about, Signal::OrderCancelled, fact.order.as_ref())?;
            let passed = reversal(&event, fact.amount.as_ref())?;
            steps.extend(passed.map(|reversal| Step::Pass(Fact::OrderCancelled(reversal))));
            steps.push(Step::Happen(event));
        }
        Some(WireFact::ClockMoved(_)) => {
            steps.extend(clock_moved(event)?.map(|(tenant, to)| Step::Clock(tenant, to)));
        }
        // one that goes its own way; or a fact that this version does not know: contracts only grow
        Some(WireFact::ContactErased(_)) | None => {}
    }
    Ok(steps)
}

/// Whose clock moved where, if this is such a fact.
fn clock_moved(event: &wire::OrderEvent) -> Result<Option<(TenantId, Timestamp)>, Error> {
    let Some(WireFact::ClockMoved(fact)) = &event.fact else { return Ok(None) };
    Ok(Some((parse("tenant_id", &event.tenant_id)?, time("clock_moved.to", fact.to.as_ref())?)))
}

/// J9: what is passed on, whatever stages the journeys have.
fn reversal(event: &Event, given_back: Option<&WireMoney>) -> Result<Option<Reversal>, Error> {
    let amount = amount("amount", given_back)?;
    let Event { id, place, occurred_at, .. } = event.clone();
    Ok(event.order.clone().map(|order| Reversal { id, place, order, amount, occurred_at }))
}

/// J9: campaign, advocate and attribution are the order's own.
fn happen(about: Envelope, signal: Signal, wire: Option<&wire::OrderSnapshot>) -> Result<Event, Error> {
    let wire = required("order", wire)?;
    let order = order(wire)?;
    // events of before it was told have ids that are unique by themselves
    let key = if wire.key.is_empty() { wire.order_id.as_str() } else { wire.key.as_str() };
    let contact: ContactId = parse("order.contact_id", &wire.contact_id)?;
    let campaign: Option<CampaignId> = parse_optional("order.campaign_id", &wire.campaign_id)?;
    let attribution: Option<AttributionId> = parse_optional("order.attribution_id", &wire.attribution_id)?;
    let advocate: Option<ContactId> = parse_optional("order.advocate_id", &wire.advocate_id)?;
    let referral = attribution.zip(advocate);
    Ok(Event {
        id: about.id,
        place: Place { tenant: about.tenant, contact, campaign },
        signal,
        detail: Detail::None,
        key: parse("order.key", key)?,
        order: Some(order),
        referral: referral.map(|(attribution, advocate)| Referral { attribution, advocate }),
        occurred_at: about.occurred_at,
    })
}

fn order(wire: &wire::OrderSnapshot) -> Result<Order, Error> {
    let order_id: OrderId = parse("order.order_id", &wire.order_id)?;
    let revenue = amount("order.revenue", wire.revenue.as_ref())?;
    let refunded_minor = match &wire.refunded {
        None => 0,
        Some(refunded) => {
            let refunded = amount("order.refunded", Some(refunded))?;
            if refunded.currency != revenue.currency {
                return Err(Error::field("order.refunded", "is not in the currency of the revenue"));
            }
            refunded.minor
        }
    };
    Ok(Order {
        order_id,
        source: wire.source.clone(),
        revenue,
        refunded_minor,
        external_status: wire.external_status.clone(),
        hubspot_dealstage: wire.hubspot_dealstage.clone(),
        occurred_at: time("order.occurred_at", wire.occurred_at.as_ref())?,
    })
}
