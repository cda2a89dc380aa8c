//! What attribution tells: contacts, attributions, the clock.

use outbox::{ApplyError, Subscriber};
use pg::{Inserts, WriteTx};
use proto::attribution as wire;
use proto::attribution::attribution_event::Fact as WireFact;
use proto::attribution::attribution_service_client::AttributionServiceClient;
use proto::attribution::{ContactStatus, WatchAttributionEventsRequest, WatchAttributionEventsResponse};
use rpc::fields::{parse, required};
use rpc::{Channel, Error};
use tonic::{Status, Streaming};
use types::{ContactId, Origin, SegmentId, TenantId, Timestamp};

use super::{Envelope, Step, carry_out, clock_alone, poison, time};
use crate::commands::fire_timers::FireTimers;
use crate::domain::attribution::InForce;
use crate::domain::definition::Signal;
use crate::domain::event::{Detail, Event, OccurrenceKey, Place, Referral};
use crate::domain::slice::{Fact, Stream};
use crate::store::projections::{self, AttributionTime};

/// Follows attribution.
#[derive(Debug, Clone)]
pub struct AttributionEvents {
    pub(crate) channel: Channel,
    pub(crate) timers: FireTimers,
}

impl Subscriber for AttributionEvents {
    type Response = WatchAttributionEventsResponse;
    const NAME: &'static str = "journeys.attribution";

    async fn open(&self, cursor: String) -> Result<Streaming<Self::Response>, Status> {
        let request = WatchAttributionEventsRequest { cursor, ..Default::default() };
        let mut client = AttributionServiceClient::new(self.channel.clone());
        Ok(client.watch_attribution_events(request).await?.into_inner())
    }

    async fn ready(&self, events: &[wire::AttributionEvent]) -> Result<usize, ApplyError> {
        clock_alone(&self.timers, Stream::Attribution, events, clock_moved).await
    }

    async fn apply(&self, tx: &mut WriteTx, events: &[wire::AttributionEvent]) -> Result<(), ApplyError> {
        let mut told = Told::default();
        let follower = Origin::service(crate::SCHEMA.name, Self::NAME);
        let mut steps = Vec::with_capacity(events.len());
        for event in events {
            told.read(event).map_err(poison)?;
            let origin = follower.clone().traced(&event.traceparent);
            steps.extend(told.steps.drain(..).map(|step| (origin.clone(), step)));
        }
        let mut inserts = Inserts::default();
        projections::save_contacts(&mut inserts, &told.contacts);
        projections::save_attributions(&mut inserts, &told.attributions);
        inserts.send(tx).await?;
        carry_out(tx, &self.timers.engine, Stream::Attribution, steps).await?;
        Ok(())
    }
}

/// What a slice of events tells.
#[derive(Debug, Default)]
struct Told {
    contacts: Vec<(TenantId, ContactId)>,
    attributions: Vec<AttributionTime>,
    steps: Vec<Step>,
}

impl Told {
    fn read(&mut self, event: &wire::AttributionEvent) -> Result<(), Error> {
        let about = Envelope::read(&event.event_id, &event.tenant_id, event.occurred_at.as_ref())?;
        match &event.fact {
            Some(WireFact::ContactCreated(fact)) => {
                let contact = parse("contact_id", &fact.contact_id)?;
                self.contacts.push((about.tenant.clone(), contact));
                if fact.status() == ContactStatus::Enrolled {
                    self.steps.push(happen(&about, contact, Signal::ContactEnrolled, Detail::None));
                }
            }
            Some(WireFact::ContactStatusChanged(fact)) => self.status(&about, fact)?,
            Some(WireFact::ContactTagged(fact)) => {
                let contact = parse("contact_id", &fact.contact_id)?;
                let tags = Detail::Tags(fact.added.clone());
                self.steps.push(happen(&about, contact, Signal::ContactTagged, tags));
            }
            Some(WireFact::SegmentJoined(fact)) => {
                self.segment(&about, &fact.contact_id, &fact.segment_id, Signal::SegmentJoined)?;
            }
            Some(WireFact::SegmentLeft(fact)) => {
                self.segment(&about, &fact.contact_id, &fact.segment_id, Signal::SegmentLeft)?;
            }
            Some(WireFact::AttributionActivated(fact)) => {
                self.activated(&about, fact.attribution.as_ref())?;
            }
            Some(WireFact::AttributionDeactivated(fact)) => {
                self.attributions.push(attribution(&about, fact.attribution.as_ref())?);
            }
            Some(WireFact::ContactFlagged(fact)) => {
                let name = fact.cause().as_str_name();
                self.steps.push(Step::Pass(Fact::ContactFlagged {
                    id: about.id,
                    tenant: about.tenant,
                    contact: parse("contact_id", &fact.contact_id)?,
                    cause: name.strip_prefix("FLAG_CAUSE_").unwrap_or(name).to_owned(),
                    occurred_at: about.occurred_at,
                }));
            }
            Some(WireFact::ContactUnflagged(fact)) => self.steps.push(Step::Pass(Fact::ContactUnflagged {
                id: about.id,
                tenant: about.tenant,
                contact: parse("contact_id", &fact.contact_id)?,
                occurred_at: about.occurred_at,
            })),
            Some(WireFact::ClockMoved(_)) => {
                self.steps.extend(clock_moved(event)?.map(|(tenant, to)| Step::Clock(tenant, to)));
            }
            // one that never counted; an erasure comes by way of orders, with its part of the receipt; or a fact that this
            // version does not know: contracts only grow
            Some(WireFact::AttributionLoggedInactive(_) | WireFact::ContactErased(_)) | None => {}
        }
        Ok(())
    }

    fn status(&mut self, about: &Envelope, fact: &wire::ContactStatusChanged) -> Result<(), Error> {
        let contact = parse("contact_id", &fact.contact_id)?;
        let name = fact.to().as_str_name();
        self.steps.push(Step::Pass(Fact::ContactStatusChanged {
            id: about.id,
            tenant: about.tenant.clone(),
            contact,
            status: name.strip_prefix("CONTACT_STATUS_").unwrap_or(name).to_owned(),
            occurred_at: about.occurred_at,
        }));
        if fact.to() == ContactStatus::Enrolled {
            self.steps.push(happen(about, contact, Signal::ContactEnrolled, Detail::None));
        }
        Ok(())
    }

    fn segment(
        &mut self,
        about: &Envelope,
        contact: &str,
        segment: &str,
        signal: Signal,
    ) -> Result<(), Error> {
        let segment: SegmentId = parse("segment_id", segment)?;
        let contact = parse("contact_id", contact)?;
        // a run that starts with it is in it already
        let joined = signal == Signal::SegmentJoined;
        self.steps.push(Step::Segment(about.tenant.clone(), contact, segment.clone(), joined));
        self.steps.push(happen(about, contact, signal, Detail::Segment(segment)));
        Ok(())
    }

    /// J9: a transition that it causes carries the attribution itself.
    fn activated(&mut self, about: &Envelope, wire: Option<&wire::Attribution>) -> Result<(), Error> {
        let told = attribution(about, wire)?;
        self.steps.push(Step::Happen(Event {
            id: about.id,
            place: Place {
                tenant: told.tenant.clone(),
                contact: told.contact,
                campaign: Some(told.campaign.clone()),
            },
            signal: Signal::AttributionActivated,
            detail: Detail::None,
            key: OccurrenceKey::default(),
            order: None,
            referral: Some(Referral { attribution: told.time.attribution, advocate: told.time.advocate }),
            occurred_at: about.occurred_at,
        }));
        self.attributions.push(told);
        Ok(())
    }
}

/// Whose clock moved where, if this is such a fact.
fn clock_moved(event: &wire::AttributionEvent) -> Result<Option<(TenantId, Timestamp)>, Error> {
    let Some(WireFact::ClockMoved(fact)) = &event.fact else { return Ok(None) };
    Ok(Some((parse("tenant_id", &event.tenant_id)?, time("clock_moved.to", fact.to.as_ref())?)))
}

/// An event of the contact alone: it acts on the runs without campaign.
fn happen(about: &Envelope, contact: ContactId, signal: Signal, detail: Detail) -> Step {
    Step::Happen(Event {
        id: about.id,
        place: Place { tenant: about.tenant.clone(), contact, campaign: None },
        signal,
        detail,
        key: OccurrenceKey::default(),
        order: None,
        referral: None,
        occurred_at: about.occurred_at,
    })
}

fn attribution(about: &Envelope, wire: Option<&wire::Attribution>) -> Result<AttributionTime, Error> {
    let wire = required("attribution", wire)?;
    Ok(AttributionTime {
        tenant: about.tenant.clone(),
        campaign: parse("attribution.campaign_id", &wire.campaign_id)?,
        contact: parse("attribution.contact_id", &wire.contact_id)?,
        time: InForce {
            attribution: parse("attribution.attribution_id", &wire.attribution_id)?,
            advocate: parse("attribution.advocate_id", &wire.advocate_id)?,
            from: time("attribution.effective_from", wire.effective_from.as_ref())?,
            until: rpc::fields::timestamp("attribution.deactivated_at", wire.deactivated_at.as_ref())?,
        },
    })
}
