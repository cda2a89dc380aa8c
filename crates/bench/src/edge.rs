//! What validation, authentication and tracing cost a call, in CPU of the server. The last two: the same read on three servers
//! in turns, one that believes everybody and traces nothing, one that asks for tokens, one that traces as well. Validation cannot
//! be switched off: it is run by itself.

use std::hint::black_box;
use std::time::{Duration, Instant};

use proto::codec::Checked;
use serde::Serialize;

use crate::collector::Collector;
use crate::load::{Call, Load, record_order};
use crate::report::median;
use crate::server::{Edge, Server};

/// Length of one measurement.
const SLICE: Duration = Duration::from_millis(500);
/// Measurements of each in a round.
const TURNS: usize = 9;
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
    authentication: f64,
    tracing: f64,
    sum: f64,
    goal: f64,
    /// A whole call without them, for comparison.
    bare_read: f64,
}

impl Cost {
    pub(crate) fn tell(&self) {
        println!(
            "edge: validation {:.1}, authentication {:.1}, tracing {:.1} us of CPU a call, together {:.1} (goal: at most {:.0}); \
             a read without them {:.0}",
            self.validation, self.authentication, self.tracing, self.sum, self.goal, self.bare_read
        );
    }
}

pub(crate) async fn measure(rounds: usize, collector: &Collector) -> anyhow::Result<Cost> {
    let servers = [
        Measured::start(Edge::Bare).await?,
        Measured::start(Edge::Authenticated).await?,
        Measured::start(Edge::Full(&collector.address)).await?,
    ];
    let (mut bare, mut authentication, mut tracing, mut validation) = (vec![], vec![], vec![], vec![]);
    for round in 0..=rounds {
        let mut us = [const { Vec::new() }; 3];
        for turn in 0..TURNS {
            // short turns, so that what else the machine does falls on all; none always goes first
            for place in 0..servers.len() {
                let which = (turn + place) % servers.len();
                us[which].push(servers[which].cost_us().await?);
            }
        }
        let [none, with_tokens, full] = us.map(median);
        let check = validation_us()?;
        eprintln!(
            "round {round} edge: a read {none:.1} us, with tokens {with_tokens:.1}, traces too {full:.1}; validation {check:.2}"
        );
        if round > 0 {
            bare.push(none);
            authentication.push(with_tokens - none);
            tracing.push(full - with_tokens);
            validation.push(check);
        }
    }
    for measured in servers {
        measured.server.stop()?;
    }
    let (validation, authentication, tracing) = (median(validation), median(authentication), median(tracing));
    let sum = validation + authentication + tracing;
    Ok(Cost { validation, authentication, tracing, sum, goal: GOAL_US, bare_read: median(bare) })
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
