//! Upstream streams: what their events mean here, applied slice by slice together with the cursor.
//!
//! | module | what |
//! |---|---|
//! | [`attribution`] | contacts, attributions, the clock |
//! | [`orders`] | orders, held until their attribution is known; the clock |

pub(crate) mod attribution;
pub(crate) mod orders;

use std::collections::HashMap;

use outbox::ApplyError;
use pg::{Audit, WriteTx};
use rpc::Error;
use types::{ContactId, EventId, Origin, SegmentId, TenantId, Timestamp};

use crate::commands::fire_timers::{FireTimers, SLICE};
use crate::commands::{Engine, conclude};
use crate::domain::event::Event;
use crate::domain::slice::{Fact, Slice, Stream, TestClock};
use crate::domain::timers::Timer;
use crate::store::load::{self, Wanted};
use crate::store::timers::Whose;
use crate::store::{projections, timers};

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

/// A clock's move is applied alone, behind all that is before it and behind all timers that are due by then (M4): how many of
/// `events`, from the first, can be applied now.
async fn clock_alone<E>(
    timers: &FireTimers,
    stream: Stream,
    events: &[E],
    moved: impl Fn(&E) -> Result<Option<(TenantId, Timestamp)>, Error>,
) -> Result<usize, ApplyError> {
    let before = events.iter().take_while(|event| !matches!(moved(event), Ok(Some(_)))).count();
    if before > 0 || events.is_empty() {
        return Ok(before);
    }
    if let Some((tenant, to)) = events.first().map(moved).transpose().map_err(poison)?.flatten() {
        timers.before_clock(&tenant, stream, to).await?;
    }
    Ok(1)
}

/// Does the steps in order, on one slice; what comes of each continues the trace of its event. Who caused the event is in
/// the audit of the service that it comes from. When that was, by the real clock.
async fn carry_out(
    tx: &mut WriteTx,
    engine: &Engine,
    stream: Stream,
    steps: Vec<Caused>,
) -> Result<Timestamp, pg::Error> {
    let now = engine.clock.now();
    let clocks = clocks(tx, &steps).await?;
    let mut due: Vec<Timer> = Vec::new();
    for (_, step) in &steps {
        if let Step::Clock(tenant, to) = step
            && let Some(until) = clocks.get(tenant).copied().unwrap_or_default().moved(stream, *to).due()
        {
            // those that were set since the others fired
            due.extend(timers::due(tx, Whose::Sandbox(tenant), until, SLICE).await?);
        }
    }
    if i64::try_from(due.len()).is_ok_and(|count| count >= SLICE) {
        return Err(fire_first());
    }
    let events =
        steps.iter().filter_map(|(_, step)| if let Step::Happen(event) = step { Some(event) } else { None });
    let wanted: Vec<Wanted<'_>> = events.map(Wanted::by_event).collect();
    let mut loaded = load::load(tx, &engine.definitions, &wanted, due, Some(now)).await?;
    loaded.clocks.extend(clocks);
    let mut slice = Slice::new(now, loaded);
    for (origin, step) in steps {
        match step {
            Step::Happen(event) => slice.happen(&event),
            Step::Pass(fact) => slice.pass_on(fact),
            Step::Segment(tenant, contact, segment, joined) => {
                slice.move_segment(&tenant, contact, &segment, joined);
            }
            Step::Clock(tenant, to) => {
                if !slice.move_clock(&tenant, stream, to) {
                    return Err(fire_first());
                }
            }
        }
        slice.sign(origin.traceparent.as_ref());
    }
    conclude(tx, engine, &slice.finish(), &Audit::default(), now).await?;
    Ok(now)
}

/// More is due before a clock moves than one transaction does; `ready` does it, and the event comes again.
fn fire_first() -> pg::Error {
    pg::Error::Contention(pg::sqlx::Error::WorkerCrashed)
}

/// The clocks that move.
async fn clocks(tx: &mut WriteTx, steps: &[Caused]) -> Result<HashMap<TenantId, TestClock>, pg::Error> {
    let moved = steps
        .iter()
        .filter_map(|(_, step)| if let Step::Clock(tenant, _) = step { Some(tenant) } else { None });
    projections::clocks(&mut **tx, &moved.collect::<Vec<_>>()).await
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
