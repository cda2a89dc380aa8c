//! Upstream streams: what their events mean here, applied slice by slice together with the cursor.
//!
//! | module | what |
//! |---|---|
//! | [`attribution`] | contacts, attributions, the clock |
//! | [`orders`] | orders, held until their attribution is known; the clock |

pub(crate) mod attribution;
pub(crate) mod orders;

use outbox::ApplyError;
use pg::{Audit, WriteTx};
use rpc::Error;
use types::{ContactId, EventId, Origin, SegmentId, TenantId, Timestamp};

use crate::commands::conclude;
use crate::domain::event::Event;
use crate::domain::slice::{Fact, Slice, Stream};
use crate::store::definitions::Definitions;
use crate::store::load::{self, Wanted};
use crate::store::projections;

/// What one upstream event does here, besides what is remembered of it.
#[derive(Debug)]
enum Step {
    /// It may enter stages.
    Happen(Event),
    /// It is passed on in the stream.
    Pass(Fact),
    /// A contact joined a segment, or left it.
    Segment(TenantId, ContactId, SegmentId, bool),
    /// The clock moved in that stream.
    Clock(TenantId, Timestamp),
}

/// A step, and the origin of the event it belongs to.
type Caused = (Origin, Step);

/// Does the steps in order, on one slice; what comes of each continues the trace of its event. Who caused the event is in
/// the audit of the service that it comes from.
async fn carry_out(
    tx: &mut WriteTx,
    definitions: &Definitions,
    stream: Stream,
    steps: Vec<Caused>,
    now: Timestamp,
) -> Result<(), pg::Error> {
    let events =
        steps.iter().filter_map(|(_, step)| if let Step::Happen(event) = step { Some(event) } else { None });
    let wanted: Vec<Wanted<'_>> = events.map(Wanted::by_event).collect();
    let mut loaded = load::load(tx, definitions, &wanted).await?;
    let moved = steps
        .iter()
        .filter_map(|(_, step)| if let Step::Clock(tenant, _) = step { Some(tenant) } else { None });
    loaded.clocks = projections::clocks(tx, &moved.collect::<Vec<_>>()).await?;
    let mut slice = Slice::new(now, loaded);
    for (origin, step) in steps {
        match step {
            Step::Happen(event) => slice.happen(&event),
            Step::Pass(fact) => slice.pass_on(fact),
            Step::Segment(tenant, contact, segment, joined) => {
                slice.move_segment(&tenant, contact, &segment, joined);
            }
            Step::Clock(tenant, to) => slice.move_clock(&tenant, stream, to),
        }
        slice.sign(origin.traceparent.as_ref());
    }
    conclude(tx, &slice.finish(), &Audit::default(), now).await
}

/// What all upstream events have, read strictly.
#[derive(Debug)]
struct Envelope {
    id: EventId,
    tenant: TenantId,
    occurred_at: Timestamp,
}

impl Envelope {
    fn read(
        event_id: &str,
        tenant_id: &str,
        occurred_at: Option<&prost_types::Timestamp>,
    ) -> Result<Self, Error> {
        Ok(Self {
            id: rpc::fields::parse("event_id", event_id)?,
            tenant: rpc::fields::parse("tenant_id", tenant_id)?,
            occurred_at: time("occurred_at", occurred_at)?,
        })
    }
}

/// A time that must be there.
fn time(path: &str, value: Option<&prost_types::Timestamp>) -> Result<Timestamp, Error> {
    rpc::fields::timestamp(path, value)?.ok_or_else(|| Error::field(path, "is required"))
}

/// An event whose content cannot be understood is set aside. Messages name fields, never their values.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn poison(error: Error) -> ApplyError {
    ApplyError::Poison(error.message().to_owned())
}
