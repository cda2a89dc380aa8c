//! pgbench on tables of the same shape, in the same cluster: our own migrations in a database of its own, with what one
//! RecordOrder reads and writes as single statements in one transaction. Its events table takes no lock: the baseline is
//! not made to wait for a sequencer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use pg::sqlx::postgres::PgConnectOptions;
use pg::sqlx::{ConnectOptions, raw_sql};
use pg::{Access, Server};

use crate::report::Measured;

const SCRIPT: &str = include_str!("record_order.sql");
const PREPARE: &str = include_str!("prepare.sql");
const DATABASE: &str = "baseline";

/// Ready to run.
pub(crate) struct Baseline {
    socket_dir: PathBuf,
    directory: tempfile::TempDir,
}

impl Baseline {
    pub(crate) async fn prepare(socket_dir: &Path) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str("postgres://postgres@localhost")?.socket(socket_dir);
        let server = Server::new(options, DATABASE, Access::Login);
        server.create_database().await?;
        server.create_schemas(&[attribution::SCHEMA, orders::SCHEMA]).await?;
        server.migrate(attribution::SCHEMA, attribution::MIGRATIONS).await?;
        server.migrate(orders::SCHEMA, orders::MIGRATIONS).await?;
        let mut admin = server.admin().connect().await?;
        raw_sql(PREPARE).execute(&mut admin).await?;
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("record_order.sql"), SCRIPT)?;
        Ok(Self { socket_dir: socket_dir.to_owned(), directory })
    }

    /// As many clients, for as long.
    pub(crate) fn run(&self, clients: usize, length: Duration) -> anyhow::Result<Measured> {
        let log = self.directory.path().join("latency");
        let output = Command::new(pgbench())
            .args(["-n", "-M", "prepared", "-f", "record_order.sql", "-U", "postgres", "-l"])
            .args(["-c", &clients.to_string(), "-j", &clients.min(2).to_string()])
            .args(["-T", &length.as_secs().to_string(), "--log-prefix"])
            .arg(&log)
            .arg("-h")
            .arg(&self.socket_dir)
            .arg(DATABASE)
            .current_dir(self.directory.path())
            .output()
            .context("cannot run pgbench")?;
        anyhow::ensure!(output.status.success(), "pgbench: {}", String::from_utf8_lossy(&output.stderr));
        Ok(Measured { latencies_us: self.latencies()?, seconds: length.as_secs_f64() })
    }

    /// Reads and removes the logs: the third column is the transaction's time in microseconds.
    fn latencies(&self) -> anyhow::Result<Vec<u64>> {
        let mut latencies = Vec::new();
        for entry in std::fs::read_dir(self.directory.path())? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("latency")) {
                let text = std::fs::read_to_string(&path)?;
                let third = |line: &str| -> Option<u64> { line.split(' ').nth(2)?.parse().ok() };
                latencies.extend(text.lines().filter_map(third));
                std::fs::remove_file(path)?;
            }
        }
        Ok(latencies)
    }
}

/// The newest pgbench that Debian has installed, else the one on the path.
fn pgbench() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .filter_map(|version| {
            let version = version.ok()?;
            let number: u32 = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin/pgbench")))
        })
        .filter(|(_, path)| path.exists())
        .max();
    newest.map_or_else(|| PathBuf::from("pgbench"), |(_, path)| path)
}
