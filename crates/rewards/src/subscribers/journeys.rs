//! The stream of stage transitions: rules are judged, refunds lower rewards (R9), flags hold them up (A9), and the test clock
//! is followed.

use std::sync::Arc;

use outbox::erasure::Open;
use outbox::{ApplyError, Erasures, Subscriber};
use pg::{Audit, Database, WriteTx};
use proto::journeys::journey_event::Fact as WireFact;
use proto::journeys::run_service_client::RunServiceClient;
use proto::journeys::{
    JourneyEvent, OrderContext, StageEntered, TransitionCause, WatchStageTransitionsRequest,
    WatchStageTransitionsResponse,
};
use rpc::{Channel, Error, fields};
use tonic::{Status, Streaming};
use types::{Clock, EventId, Origin, TenantId, Timestamp};

use crate::commands::fire_holds::FireHolds;
use crate::commands::follow::{self, Step, Traced};
use crate::domain::decision::{Order, Transition};
use crate::domain::effects::{Effects, Fact, What};
use crate::domain::refund::{OrderFact, OrderKey};
use crate::domain::standing::{ContactFact, Told};
use crate::store::programs::Programs;
use crate::store::{clocks, effects};

/// The status that flags a contact's rewards (A9).
const BANNED: &str = "BANNED";

/// Follows journeys' transitions.
#[derive(Debug, Clone)]
pub struct Journeys {
    client: RunServiceClient<Channel>,
    holds: FireHolds,
    programs: Programs,
    erasures: Erasures,
    clock: Arc<dyn Clock>,
}

impl Journeys {
    /// Follows the journeys behind `channel`, which acts as a service, for the rewards of `db`.
    pub fn new(db: Database, clock: Arc<dyn Clock>, channel: Channel) -> Self {
        Self {
            client: RunServiceClient::new(channel),
            holds: FireHolds::new(db.clone(), Arc::clone(&clock)),
            programs: Programs::default(),
            erasures: Erasures::new(db),
            clock,
        }
    }

    /// Erasures that were heard of.
    pub(crate) fn erasures(&self) -> &Erasures {
        &self.erasures
    }
}

impl Subscriber for Journeys {
    type Response = WatchStageTransitionsResponse;
    const NAME: &'static str = super::JOURNEYS;

    async fn open(&self, cursor: String) -> Result<Streaming<Self::Response>, Status> {
        let request = WatchStageTransitionsRequest { cursor, ..Default::default() };
        Ok(self.client.clone().watch_stage_transitions(request).await?.into_inner())
    }

    /// A clock's move is applied alone, after everything before it, and after all holds due by then (M4).
    async fn ready(&self, events: &[JourneyEvent]) -> Result<usize, ApplyError> {
        let before =
            events.iter().take_while(|event| !matches!(event.fact, Some(WireFact::ClockMoved(_)))).count();
        if before > 0 {
            return Ok(before);
        }
        if let Some((tenant, to)) = events.first().map(clock_moved).transpose()?.flatten() {
            let fired = self.holds.fire(&tenant, to).await?;
            tracing::debug!(tenant = tenant.as_str(), fired, "fired holds before the clock moves");
        }
        Ok(1)
    }

    async fn apply(&self, tx: &mut WriteTx, events: &[JourneyEvent]) -> Result<(), ApplyError> {
        let now = self.clock.now();
        let follower = Origin::service(crate::SCHEMA.name, Self::NAME);
        let trace = |event: &JourneyEvent| follower.clone().traced(&event.traceparent).traceparent;
        let caused = |event| {
            let step = step(event).map_err(|error| poison(&error))?;
            Ok(step.map(|step| (step, trace(event))))
        };
        let steps: Vec<Traced> =
            events.iter().map(caused).filter_map(Result::transpose).collect::<Result<_, ApplyError>>()?;
        let mut effects = Effects::default();
        if !steps.is_empty() {
            follow::follow(tx, &self.programs, &steps, now, &mut effects).await?;
        }
        for event in events {
            if let Some((tenant, to)) = clock_moved(event)? {
                clocks::advance(tx, &tenant, to).await?;
                effects.facts.push(Fact { tenant, occurred_at: to, what: What::ClockMoved(to) });
                effects.sign(trace(event).as_ref());
            }
        }
        effects::save(tx, &effects, &Audit::default(), now).await?;
        for open in events.iter().filter_map(|event| erased(event).transpose()) {
            self.erasures.begin(tx, open?, &Vec::new(), now).await?;
        }
        Ok(())
    }
}

/// The tenant and the new time of an event that moves a clock.
fn clock_moved(event: &JourneyEvent) -> Result<Option<(TenantId, Timestamp)>, ApplyError> {
    let Some(WireFact::ClockMoved(moved)) = &event.fact else { return Ok(None) };
    let read = || {
        let tenant = fields::parse("tenant_id", &event.tenant_id)?;
        let to = fields::timestamp("clock_moved.to", moved.to.as_ref())?;
        Ok((tenant, fields::required("clock_moved.to", to)?))
    };
    read().map(Some).map_err(|error| poison(&error))
}

/// Who was erased, if this is such a fact (A13).
fn erased(event: &JourneyEvent) -> Result<Option<Open>, ApplyError> {
    let Some(WireFact::ContactErased(fact)) = &event.fact else { return Ok(None) };
    let about = (event.tenant_id.as_str(), fact.contact_id.as_str());
    let open = Open::read(about, event.occurred_at.as_ref(), &fact.parts, &event.traceparent);
    open.map(Some).map_err(|error| poison(&error))
}

/// What an event means to rewards. A transition without a campaign means nothing: there is no reward (R4).
fn step(event: &JourneyEvent) -> Result<Option<Step>, Error> {
    let told =
        |told, contact_id: &str| contact_fact(event, told, contact_id).map(|fact| Some(Step::Contact(fact)));
    match &event.fact {
        Some(WireFact::StageEntered(entered)) => {
            Ok(read(event, entered)?.map(Box::new).map(Step::Transition))
        }
        Some(WireFact::OrderRefunded(fact)) => order_fact(event, fact.order.as_ref()),
        Some(WireFact::OrderCancelled(fact)) => order_fact(event, fact.order.as_ref()),
        Some(WireFact::ContactFlagged(fact)) => told(Told::Flagged, &fact.contact_id),
        Some(WireFact::ContactUnflagged(fact)) => told(Told::Unflagged, &fact.contact_id),
        Some(WireFact::ContactStatusChanged(fact)) => {
            let status = if fact.status == BANNED { Told::Banned } else { Told::NotBanned };
            told(status, &fact.contact_id)
        }
        // those that go their own ways; or a fact that this version does not know: contracts only grow
        Some(WireFact::ClockMoved(_) | WireFact::ContactErased(_)) | None => Ok(None),
    }
}

fn contact_fact(event: &JourneyEvent, told: Told, contact_id: &str) -> Result<ContactFact, Error> {
    Ok(ContactFact {
        event_id: fields::parse("event_id", &event.event_id)?,
        tenant: fields::parse("tenant_id", &event.tenant_id)?,
        contact: fields::parse("contact_id", contact_id)?,
        told,
        occurred_at: occurred_at(event)?,
    })
}

/// The order as it is after a refund or a cancellation.
fn order_fact(event: &JourneyEvent, wire: Option<&OrderContext>) -> Result<Option<Step>, Error> {
    let wire = fields::required("order", wire)?;
    let Order { order_id, source, revenue, refunded_minor, .. } =
        order(wire).map_err(|error| error.under("order"))?;
    let tenant = fields::parse("tenant_id", &event.tenant_id)?;
    Ok(Some(Step::Order(OrderFact {
        event_id: fields::parse("event_id", &event.event_id)?,
        order: OrderKey { tenant, order_id, source },
        revenue,
        refunded_minor,
        occurred_at: occurred_at(event)?,
    })))
}

fn occurred_at(event: &JourneyEvent) -> Result<Timestamp, Error> {
    let at = fields::timestamp("occurred_at", event.occurred_at.as_ref())?;
    fields::required("occurred_at", at)
}

fn poison(error: &Error) -> ApplyError {
    ApplyError::Poison(format!("the event cannot be read: {}", error.message()))
}

/// Reads a transition; `None` if it has no campaign.
pub(crate) fn read(event: &JourneyEvent, entered: &StageEntered) -> Result<Option<Transition>, Error> {
    let wire = fields::required("transition", entered.transition.as_ref())?;
    let Some(campaign) = fields::parse_optional("campaign_id", &wire.campaign_id)? else { return Ok(None) };
    let occurred_at = fields::timestamp("occurred_at", wire.occurred_at.as_ref())?;
    let attribution = fields::parse_optional("attribution_id", &wire.attribution_id)?;
    let advocate = fields::parse_optional("advocate_id", &wire.advocate_id)?;
    Ok(Some(Transition {
        tenant: fields::parse("tenant_id", &event.tenant_id)?,
        transition_id: fields::parse("transition_id", &wire.transition_id)?,
        event_id: fields::parse::<EventId>("event_id", &event.event_id)?,
        campaign,
        journey: fields::parse("journey", &wire.journey)?,
        stage: fields::parse("to_stage", &wire.to_stage)?,
        number: wire.number,
        inferred: wire.cause() == TransitionCause::Inferred,
        carried: matches!(wire.cause(), TransitionCause::Waited | TransitionCause::Timer),
        occurrence_key: wire.occurrence_key.clone(),
        contact: fields::parse("contact_id", &wire.contact_id)?,
        attribution: attribution.zip(advocate),
        order: wire.order.as_ref().map(order).transpose().map_err(|error| error.under("order"))?,
        occurred_at: fields::required("occurred_at", occurred_at)?,
    }))
}

fn order(wire: &OrderContext) -> Result<Order, Error> {
    let revenue = fields::amount("revenue", wire.revenue.as_ref())?;
    let refunded = match &wire.refunded {
        Some(refunded) => fields::amount("refunded", Some(refunded))?,
        None => types::Money::zero(revenue.currency),
    };
    if refunded.currency != revenue.currency {
        return Err(Error::field("refunded.currency_code", "is not that of the revenue"));
    }
    Ok(Order {
        order_id: fields::parse("order_id", &wire.order_id)?,
        source: wire.source.clone(),
        revenue,
        refunded_minor: refunded.minor,
        external_status: wire.external_status.clone(),
        hubspot_dealstage: wire.hubspot_dealstage.clone(),
    })
}
