//! The attribution stream: test clocks move (M4), contacts are erased (A13). Its other facts are not about orders.

use std::collections::HashMap;
use std::sync::Arc;

use outbox::erasure::Open;
use outbox::{ApplyError, Erasures, Subscriber};
use pg::{Inserts, WriteTx};
use proto::attribution::attribution_event::Fact;
use proto::attribution::attribution_service_client::AttributionServiceClient;
use proto::attribution::{AttributionEvent, WatchAttributionEventsRequest, WatchAttributionEventsResponse};
use rpc::{Channel, fields};
use tonic::{Status, Streaming};
use types::{Clock, Origin, TenantId, Timestamp};

use crate::commands::clock_moved;
use crate::{domain, store};

/// The subscription `orders.attribution`.
#[derive(Debug, Clone)]
pub(crate) struct AttributionStream {
    client: AttributionServiceClient<Channel>,
    erasures: Erasures,
    clock: Arc<dyn Clock>,
}

impl AttributionStream {
    /// Watches through `channel`, which acts as a service.
    pub(crate) fn new(channel: Channel, erasures: Erasures, clock: Arc<dyn Clock>) -> Self {
        Self { client: AttributionServiceClient::new(channel), erasures, clock }
    }
}

impl Subscriber for AttributionStream {
    type Response = WatchAttributionEventsResponse;
    const NAME: &'static str = "orders.attribution";

    async fn open(&self, cursor: String) -> Result<Streaming<Self::Response>, Status> {
        // what is not about orders shall cost orders nothing
        let types = vec!["clock_moved".to_owned(), "contact_erased".to_owned()];
        let request = WatchAttributionEventsRequest { cursor, types, ..Default::default() };
        Ok(self.client.clone().watch_attribution_events(request).await?.into_inner())
    }

    async fn apply(&self, tx: &mut WriteTx, events: &[AttributionEvent]) -> Result<(), ApplyError> {
        for open in events.iter().filter_map(|event| erased(event).transpose()) {
            self.erasures.begin(tx, open?, &Vec::new(), self.clock.now()).await?;
        }
        let moves =
            events.iter().filter_map(|event| moved(event).transpose()).collect::<Result<Vec<_>, _>>()?;
        if moves.is_empty() {
            return Ok(());
        }
        let tenants: Vec<&TenantId> = moves.iter().map(|moved| &moved.tenant).collect();
        let mut shows = store::test_clocks::load_for(tx, &tenants).await?;
        let mut set = HashMap::new();
        let mut events = Vec::new();
        let now = self.clock.now();
        for Moved { tenant, to, origin } in &moves {
            if let Some(to) = domain::advance(shows.get(tenant).copied(), *to) {
                shows.insert(tenant.clone(), to);
                set.insert(tenant.clone(), to);
                events.push(clock_moved(tenant, to, now, origin.traceparent.as_deref()));
            }
        }
        store::test_clocks::save(tx, &set).await?;
        outbox::append(tx, Inserts::default(), &events).await?;
        Ok(())
    }
}

/// A clock that was moved.
#[derive(Debug)]
struct Moved {
    tenant: TenantId,
    to: Timestamp,
    origin: Origin,
}

/// Whose clock was moved to what, if this is such a fact.
fn moved(event: &AttributionEvent) -> Result<Option<Moved>, ApplyError> {
    let Some(Fact::ClockMoved(fact)) = &event.fact else { return Ok(None) };
    let tenant = event.tenant_id.parse().map_err(|_| poison("the tenant is malformed"))?;
    let to = fields::timestamp("to", fact.to.as_ref())
        .ok()
        .flatten()
        .ok_or_else(|| poison("the clock's new time is missing or malformed"))?;
    let origin = Origin::service(crate::SCHEMA.name, AttributionStream::NAME).traced(&event.traceparent);
    Ok(Some(Moved { tenant, to, origin }))
}

/// Who was erased, if this is such a fact.
fn erased(event: &AttributionEvent) -> Result<Option<Open>, ApplyError> {
    let Some(Fact::ContactErased(fact)) = &event.fact else { return Ok(None) };
    let about = (event.tenant_id.as_str(), fact.contact_id.as_str());
    let open = Open::read(about, event.occurred_at.as_ref(), &fact.parts, &event.traceparent);
    open.map(Some).map_err(|error| poison(error.message()))
}

fn poison(reason: &str) -> ApplyError {
    ApplyError::Poison(reason.to_owned())
}
