//! What validation, authentication and tracing cost a call, in CPU of the server. The last two: the same read on two servers, one
//! of which believes everybody and traces nothing, in turns. Validation cannot be switched off: it is run by itself.

use std::hint::black_box;
use std::time::{Duration, Instant};

use proto::codec::Checked;
use serde::Serialize;

use crate::collector::Collector;
use crate::load::{Call, Load, record_order};
use crate::report::median;
use crate::server::{Edge, Server};

/// Length of one measurement.
const SLICE: Duration = Duration::from_secs(3);
/// Clients, so that the server is busy.
const CLIENTS: usize = 16;
/// What all three may cost together.
const GOAL_US: f64 = 15.0;
/// Validations timed at once.
const MANY: u32 = 100_000;

/// CPU microseconds of one call.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    validation: f64,
    authentication_and_tracing: f64,
    sum: f64,
    goal: f64,
    /// A whole call without them, for comparison.
    bare_read: f64,
}

impl Cost {
    pub(crate) fn tell(&self) {
        println!(
            "edge: validation {:.1} us, authentication and tracing {:.1} us of CPU a call, together {:.1} (goal: at most {:.0}); \
             a read without them {:.0}",
            self.validation, self.authentication_and_tracing, self.sum, self.goal, self.bare_read
        );
    }
}

pub(crate) async fn measure(rounds: usize, collector: &Collector) -> anyhow::Result<Cost> {
    let bare = Measured::start(Edge::Bare).await?;
    let full = Measured::start(Edge::Full(&collector.address)).await?;
    let (mut costs, mut differences, mut validations) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        // neither always goes first
        let (without, with) = if round % 2 == 0 {
            let without = bare.cost_us().await?;
            (without, full.cost_us().await?)
        } else {
            let with = full.cost_us().await?;
            (bare.cost_us().await?, with)
        };
        let validation = validation_us()?;
        eprintln!(
            "round {round} edge: a read {without:.1} us, with authentication and tracing {with:.1} us; validation {validation:.2} us"
        );
        if round > 0 {
            costs.push(without);
            differences.push(with - without);
            validations.push(validation);
        }
    }
    bare.server.stop()?;
    full.server.stop()?;
    let (validation, authentication_and_tracing) = (median(validations), median(differences));
    Ok(Cost {
        validation,
        authentication_and_tracing,
        sum: validation + authentication_and_tracing,
        goal: GOAL_US,
        bare_read: median(costs),
    })
}

/// A server and its load.
struct Measured {
    server: Server,
    load: Load,
}

impl Measured {
    async fn start(edge: Edge<'_>) -> anyhow::Result<Self> {
        let server = Server::start("orders", edge)?;
        let load = Load::prepare(&server).await?;
        Ok(Self { server, load })
    }

    /// CPU of one read.
    async fn cost_us(&self) -> anyhow::Result<f64> {
        let before = self.server.cpu()?;
        let done = self.load.run(Call::GetSegment, CLIENTS, SLICE).await?;
        let cpu = self.server.cpu()?.since(before);
        Ok(cpu.server * 1e6 / f64::from(u32::try_from(done.latencies_us.len())?))
    }
}

/// Holding an order with everything in it to its contract. Nothing here waits, so time is CPU, or a little more.
fn validation_us() -> anyhow::Result<f64> {
    let order = record_order(1);
    let begun = Instant::now();
    for _ in 0..MANY {
        black_box(&order).check().map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(MANY))
}
