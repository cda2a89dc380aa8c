//! `make bench`: RecordOrder with a new contact and a shortcode, interleaved with pgbench running in one transaction the
//! statements that one such call causes in both schemas. Same cluster, same minutes; only the ratios mean anything.
//!
//! | module | what |
//! |---|---|
//! | [`server`] | the process under test, and CPU accounting |
//! | [`load`] | clients that call RecordOrder |
//! | [`baseline`] | pgbench on tables of the same shape |
//! | [`report`] | medians, ratios, `target/bench/report.json` |

mod baseline;
mod load;
mod report;
mod server;

use std::time::Duration;

use report::Round;

/// Clients and the goal for the ratio of rates (4-performance).
const LEVELS: [(usize, f64); 3] = [(1, 0.95), (16, 2.0), (64, 4.0)];
/// Rounds that count, after one that warms up.
const ROUNDS: usize = 5;
/// Length of one measurement.
const SLICE: Duration = Duration::from_secs(4);

fn main() -> anyhow::Result<()> {
    let server = server::Server::start()?;
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let rounds = executor.block_on(async {
        let load = load::Load::prepare(&server.address).await?;
        let baseline = baseline::Baseline::prepare(&server.socket_dir).await?;
        let mut rounds = Vec::new();
        for round in 0..=ROUNDS {
            for (clients, goal) in LEVELS {
                let before = server.cpu()?;
                let ours = load.run(clients, SLICE).await?;
                let cpu = server.cpu()?.since(before);
                let theirs = baseline.run(clients, SLICE)?;
                eprintln!(
                    "round {round}, {clients:>2} clients: RecordOrder {:>6.0}/s p99 {:>6.2} ms, pgbench {:>6.0}/s p99 {:>6.2} ms",
                    ours.rate(), ours.p99_ms(), theirs.rate(), theirs.p99_ms()
                );
                if round > 0 {
                    rounds.push(Round { clients, goal, ours, theirs, cpu });
                }
            }
        }
        anyhow::Ok(rounds)
    })?;
    server.stop()?;
    report::write(&rounds)
}
