//! The stream of stage transitions: rules are judged, and the test clock is followed.
//!
//! Passed-on facts about refunds (R9) and contacts' statuses (A9) change nothing yet: acting on them comes with the
//! issue on refunds and flags.

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
use crate::commands::judge_transitions;
use crate::domain::decision::{Order, Transition};
use crate::domain::effects::{Effects, Fact, What};
use crate::store::programs::Programs;
use crate::store::{clocks, effects};

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
        let caused = |event| Ok(transition(event)?.map(|transition| (transition, trace(event))));
        let (transitions, traces): (Vec<Transition>, Vec<_>) = events
            .iter()
            .map(caused)
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, ApplyError>>()?
            .into_iter()
            .unzip();
        let mut effects = Effects::default();
        if !transitions.is_empty() {
            judge_transitions::judge(tx, &self.programs, &transitions, &traces, now, &mut effects).await?;
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

/// The transition of an event that enters a stage in a campaign: without one there is no reward (R4).
fn transition(event: &JourneyEvent) -> Result<Option<Transition>, ApplyError> {
    match &event.fact {
        Some(WireFact::StageEntered(entered)) => read(event, entered).map_err(|error| poison(&error)),
        _ => Ok(None),
    }
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
