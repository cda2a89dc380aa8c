//! Medians and ratios, for people and in `target/bench/report.json`.

use std::path::Path;

use serde::Serialize;

use crate::edge::Cost;
use crate::server::Cpu;

/// One measurement.
pub(crate) struct Measured {
    pub(crate) latencies_us: Vec<u64>,
    pub(crate) seconds: f64,
}

impl Measured {
    pub(crate) fn rate(&self) -> f64 {
        float(self.latencies_us.len()) / self.seconds
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 99 / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).map_or(0.0, |us| float(usize::try_from(*us).unwrap_or(usize::MAX)) / 1000.0)
    }
}

/// RecordOrder and pgbench, one after the other.
pub(crate) struct Round {
    pub(crate) name: String,
    pub(crate) goal: f64,
    pub(crate) ours: Measured,
    pub(crate) theirs: Measured,
    pub(crate) cpu: Cpu,
}

#[derive(Serialize)]
struct Report {
    edge_cpu_us: Cost,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// Our rate over pgbench's: ratio of the medians.
    median: f64,
    /// Our p99 over pgbench's: ratio of the medians.
    p99_ratio: f64,
    goal: f64,
    rounds: usize,
    server_cpu_us_per_order: f64,
    postgres_cpu_us_per_order: f64,
}

/// Prints a table and writes the file.
pub(crate) fn write(rounds: &[Round], edge: Cost) -> anyhow::Result<()> {
    edge.tell();
    let mut names: Vec<&str> = Vec::new();
    for round in rounds {
        if !names.contains(&round.name.as_str()) {
            names.push(&round.name);
        }
    }
    let rows: Vec<Row> = names.into_iter().map(|name| row(rounds, name)).collect();
    println!(
        "{:<20} {:>7} {:>7} {:>10}   CPU us per order: server, Postgres",
        "", "ratio", "goal", "p99 ratio"
    );
    for row in &rows {
        println!(
            "{:<20} {:>6.2}x {:>6.2}x {:>9.2}x   {:.0}, {:.0}",
            row.name,
            row.median,
            row.goal,
            row.p99_ratio,
            row.server_cpu_us_per_order,
            row.postgres_cpu_us_per_order
        );
    }
    let path = Path::new("target/bench/report.json");
    std::fs::create_dir_all("target/bench")?;
    std::fs::write(path, serde_json::to_string_pretty(&Report { edge_cpu_us: edge, rows })?)?;
    println!("written to {}", path.display());
    Ok(())
}

fn row(rounds: &[Round], name: &str) -> Row {
    let of: Vec<&Round> = rounds.iter().filter(|round| round.name == name).collect();
    let median_of = |f: &dyn Fn(&Round) -> f64| median(of.iter().map(|round| f(round)).collect());
    let per_order = |round: &Round, seconds: f64| seconds * 1e6 / float(round.ours.latencies_us.len().max(1));
    Row {
        name: name.to_owned(),
        median: median_of(&|r| r.ours.rate()) / median_of(&|r| r.theirs.rate()),
        p99_ratio: median_of(&|r| r.ours.p99_ms()) / median_of(&|r| r.theirs.p99_ms()),
        goal: of.first().map_or(0.0, |round| round.goal),
        rounds: of.len(),
        server_cpu_us_per_order: median_of(&|r| per_order(r, r.cpu.server)),
        postgres_cpu_us_per_order: median_of(&|r| per_order(r, r.cpu.postgres)),
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn float(n: usize) -> f64 {
    n as f64
}
