//! `make bench`: RecordOrder with a new contact and a shortcode, interleaved with pgbench running in one transaction the
//! statements that one such call causes in both schemas. Same cluster, same minutes; only the ratios mean anything.
//!
//! | module | what |
//! |---|---|
//! | [`edge`] | what validation, authentication and tracing cost a call |
//! | [`server`] | the process under test, and CPU accounting |
//! | [`load`] | clients that call RecordOrder |
//! | [`baseline`] | pgbench on tables of the same shape |
//! | [`collector`] | takes the spans |
//! | [`report`] | medians, ratios, `target/bench/report.json` |

mod baseline;
mod collector;
mod edge;
mod load;
mod report;
mod server;

use std::time::Duration;

use clap::Parser;
use collector::Collector;
use load::Call;
use report::Round;
use server::Edge;

/// Clients and the goal for the ratio of rates (4-performance).
const LEVELS: [(usize, f64); 3] = [(1, 0.95), (16, 2.0), (64, 4.0)];
/// What runs beside the call.
#[derive(Clone, Copy)]
struct Services {
    prefix: &'static str,
    last: &'static str,
}

/// The two services that a call goes through: like for like. Then all four, with journeys and rewards following what is
/// recorded on the same cores, which pgbench does not do: what a laptop sees.
const SERVICES: [Services; 2] =
    [Services { prefix: "", last: "orders" }, Services { prefix: "all_", last: "rewards" }];
/// Length of one measurement.
const SLICE: Duration = Duration::from_secs(4);

#[derive(Parser)]
#[command(about = "Measures RecordOrder side by side with pgbench doing the same statements")]
struct Options {
    /// Rounds that count, after one that warms up.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only these numbers of clients.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// Only what validation, authentication and tracing cost.
    #[arg(long)]
    edge: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let edge = executor.block_on(edge::measure(options.rounds))?;
    let collector = executor.block_on(Collector::start())?;
    let mut rounds = Vec::new();
    if !options.edge {
        for services in SERVICES {
            rounds.extend(executor.block_on(measure(&options, services, &collector))?);
        }
    }
    report::write(&rounds, edge)
}

async fn measure(options: &Options, services: Services, collector: &Collector) -> anyhow::Result<Vec<Round>> {
    let wanted = |clients: usize| options.clients.is_empty() || options.clients.contains(&clients);
    let server = server::Server::start(services.last, Edge::Full(&collector.address))?;
    let load = load::Load::prepare(&server).await?;
    let baseline = baseline::Baseline::prepare(&server.socket_dir).await?;
    let mut rounds = Vec::new();
    for round in 0..=options.rounds {
        for (clients, goal) in LEVELS.into_iter().filter(|(clients, _)| wanted(*clients)) {
            let before = server.cpu()?;
            let ours = load.run(Call::RecordOrder, clients, SLICE).await?;
            let cpu = server.cpu()?.since(before);
            let theirs = baseline.run(clients, SLICE)?;
            let name = format!("record_order_{}c{clients}", services.prefix);
            eprintln!(
                "round {round} {name:<20} {:>6.0}/s p99 {:>6.2} ms, pgbench {:>6.0}/s p99 {:>6.2} ms",
                ours.rate(),
                ours.p99_ms(),
                theirs.rate(),
                theirs.p99_ms()
            );
            if round > 0 {
                rounds.push(Round { name, goal, ours, theirs, cpu });
            }
        }
    }
    server.stop()?;
    Ok(rounds)
}
