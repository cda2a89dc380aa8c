//! What validation, authentication and tracing cost a call, in CPU of the server. The last two: the same call on four servers
//! in turns, one that believes everybody and traces nothing, one that asks for tokens, one that traces one call in ten as well, one that
//! traces all. It is a call that validation refuses: with a handler and a database behind it, what those cost varies by more from one moment
//! to the next than what is measured. Validation cannot be switched off: it is run by itself, on an order with all there can be in one.

use std::hint::black_box;
use std::time::{Duration, Instant};

use prost_types::Timestamp;
use proto::codec::Checked;
use proto::google::r#type::Money;
use proto::orders::{LineItem, NewOrder, RecordOrderRequest};
use serde::Serialize;

use crate::collector::Collector;
use crate::load::{Call, Load, record_order};
use crate::report::median;
use crate::server::{Edge, Server};

/// Length of one measurement: short, so that what else the machine does falls on all four alike.
const SLICE: Duration = Duration::from_millis(250);
/// Measurements of each in a round.
const TURNS: usize = 20;
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
    /// As the production overlay has it: one call in ten.
    tracing: f64,
    sum: f64,
    goal: f64,
    /// Of every call.
    tracing_all: f64,
    /// A call without them that ends at the edge.
    bare: f64,
}

impl Cost {
    pub(crate) fn tell(&self) {
        println!(
            "edge: validation {:.1}, authentication {:.1}, tracing {:.1} us of CPU a call, together {:.1} (goal: at most {:.0}); \
             tracing every call {:.1}; a call that ends at the edge without them {:.0}",
            self.validation,
            self.authentication,
            self.tracing,
            self.sum,
            self.goal,
            self.tracing_all,
            self.bare
        );
    }
}

pub(crate) async fn measure(rounds: usize) -> anyhow::Result<Cost> {
    // one for each, to count their spans apart
    let (sampled, every) = (Collector::start().await?, Collector::start().await?);
    let servers = [
        Measured::start(Edge::Bare).await?,
        Measured::start(Edge::Authenticated).await?,
        Measured::start(Edge::Sampled(&sampled.address)).await?,
        Measured::start(Edge::Full(&every.address)).await?,
    ];
    let (mut bare, mut validation, mut added) = (vec![], vec![], [const { Vec::new() }; 3]);
    let mut calls = 0;
    for round in 0..=rounds {
        let (mut calls_us, mut more) = (vec![], [const { Vec::new() }; 3]);
        for turn in 0..TURNS {
            let mut us = [0.0; 4];
            // none always goes first
            for place in 0..servers.len() {
                let which = (turn + place) % servers.len();
                let made;
                (us[which], made) = servers[which].cost_us().await?;
                calls += if which + 1 == servers.len() { made } else { 0 };
            }
            calls_us.push(us[0]);
            // within a turn: the machine itself is faster or slower from one to the next
            for (more, (with, without)) in more.iter_mut().zip([(1, 0), (2, 1), (3, 1)]) {
                more.push(us[with] - us[without]);
            }
        }
        let check = validation_us()?;
        let [tokens, few, all] = more.clone().map(median);
        eprintln!(
            "round {round} edge: a call {:.1} us, tokens {tokens:.1} more, one trace in ten {few:.1} more, all traces {all:.1}; \
             validation {check:.2}",
            median(calls_us.clone())
        );
        if round > 0 {
            bare.append(&mut calls_us);
            validation.push(check);
            for (added, more) in added.iter_mut().zip(&mut more) {
                added.append(more);
            }
        }
    }
    for measured in servers {
        measured.server.stop()?;
    }
    // what is dropped costs nothing
    let (spans, few) = (every.spans(), sampled.spans());
    anyhow::ensure!(spans * 100 >= calls * 95, "{spans} spans of {calls} calls reached the collector");
    anyhow::ensure!(few > 0, "no spans of the sampled calls reached the collector");
    let (validation, [authentication, tracing, tracing_all]) = (median(validation), added.map(median));
    let sum = validation + authentication + tracing;
    let bare = median(bare);
    Ok(Cost { validation, authentication, tracing, sum, goal: GOAL_US, tracing_all, bare })
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

    /// CPU of one call, and how many were made.
    async fn cost_us(&self) -> anyhow::Result<(f64, u64)> {
        let before = self.server.cpu()?;
        let done = self.load.run(Call::Refused, CLIENTS, SLICE).await?;
        let cpu = self.server.cpu()?.since(before);
        let calls = u32::try_from(done.latencies_us.len())?;
        Ok((cpu.server * 1e6 / f64::from(calls), u64::from(calls)))
    }
}

/// An order with all there can be in one, and three lines.
fn full_order() -> RecordOrderRequest {
    let price = Money { currency_code: "USD".to_owned(), units: 16, nanos: 650_000_000 };
    let line = |sku: &str| LineItem {
        sku: sku.to_owned(),
        name: "A thing for the house".to_owned(),
        quantity: 1,
        unit_price: Some(price.clone()),
    };
    let order = record_order(1).order.map(|order| NewOrder {
        source: "shop".to_owned(),
        external_status: "closedwon".to_owned(),
        hubspot_dealstage: "contract-sent".to_owned(),
        line_items: ["a-1", "b-2", "c-3"].map(line).into(),
        occurred_at: Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        ..order
    });
    RecordOrderRequest { order, request_id: "3f1c9a".to_owned(), ..Default::default() }
}

/// Holding an order with everything in it to its contract. Nothing here waits, so time is CPU, or a little more.
fn validation_us() -> anyhow::Result<f64> {
    let order = full_order();
    let begun = Instant::now();
    for _ in 0..MANY {
        black_box(&order).check().map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(MANY))
}
