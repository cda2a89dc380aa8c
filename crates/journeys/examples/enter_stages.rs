//! How fast stages are entered, by 64 callers at once: transitions a second, and what one costs Postgres in CPU. Only ratios of
//! the same minutes mean anything: build it from two commits, and run both in turns, as
//! `target/debug/with-postgres target/release/examples/enter_stages`.
#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "it measures, and says so")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use attribution::SCHEMA as ATTRIBUTION;
use journeys::{SCHEMA, Upstream};
use orders::SCHEMA as ORDERS;
use pg::sqlx;
use proto::journeys::journey_service_client::JourneyServiceClient;
use proto::journeys::run_service_client::RunServiceClient;
use proto::journeys::{ApplyJourneyRequest, EnterStageRequest};
use rpc::Channel;
use rpc::channel::for_tenant;
use rpc::fields::wire_time;
use runtime::Lifecycle;
use testkit::Sandbox;
use time::Duration;
use types::{Clock, SystemClock, new_id};
use uuid::Uuid;

const CALLERS: usize = 64;
/// Runs of each caller, and of each measurement.
const RUNS: usize = 60;
const STAGES: [&str; 5] = ["lead", "demo", "trial", "won", "renewed"];
const DEFINITION: &str = "journey: j\ncampaigns: all\nsequence: REQUIRED\nstages:\n  - {stage: lead}\n  - {stage: demo}\n  \
                          - {stage: trial}\n  - {stage: won}\n  - {stage: renewed}\n";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let parts = [
        (ATTRIBUTION, attribution::MIGRATIONS),
        (ORDERS, orders::MIGRATIONS),
        (SCHEMA, journeys::MIGRATIONS),
    ];
    let sandbox = Sandbox::new(&parts).await?;
    let (clock, lifecycle): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Lifecycle::default());
    let db = sandbox.database(ATTRIBUTION).await?;
    let attribution = attribution::start(db, Arc::clone(&clock), &lifecycle).await?.channel();
    let db = sandbox.database(ORDERS).await?;
    let upstream = orders::Upstream { attribution: attribution.clone() };
    let orders = orders::start(db, Arc::clone(&clock), &lifecycle, upstream, orders::Settings::default());
    let upstream = Upstream { attribution, orders: orders.await?.channel() };
    let journeys = journeys::start(sandbox.database(SCHEMA).await?, clock, &lifecycle, upstream).await?;
    let channel = for_tenant(journeys.channel(), &"acme".parse()?);
    let request = ApplyJourneyRequest { definition: DEFINITION.into(), base_version: 0 };
    JourneyServiceClient::new(channel.clone()).apply_journey(request).await?;
    let directory: String =
        sqlx::query_scalar("SHOW data_directory").fetch_one(&mut sandbox.admin().await?).await?;
    // one day: all runs are of one cohort; 90 days: hardly two of a slice are
    for (what, days) in [("warm-up", 1), ("runs of one day", 1), ("runs of 90 days", 90)] {
        let contacts = contacts(&sandbox).await?;
        let (cpu, begun) = (cpu_in(&directory), Instant::now());
        let callers = contacts.chunks(RUNS).map(|mine| call(channel.clone(), mine.to_vec(), days));
        futures::future::try_join_all(callers).await?;
        let (cpu, seconds) = (cpu_in(&directory) - cpu, begun.elapsed().as_secs_f64());
        let made = (contacts.len() * STAGES.len()) as f64;
        println!("{what}: {:.0} transitions/s, {:.0} us of Postgres each", made / seconds, cpu * 1e6 / made);
    }
    Ok(())
}

/// Contacts that journeys knows of.
async fn contacts(sandbox: &Sandbox) -> anyhow::Result<Vec<Uuid>> {
    let now = SystemClock.now();
    let contacts: Vec<Uuid> = (0..CALLERS * RUNS).map(|_| new_id(now)).collect();
    sqlx::query("INSERT INTO journeys.contacts SELECT 'acme', unnest($1::uuid[])")
        .bind(&contacts)
        .execute(&mut sandbox.admin().await?)
        .await?;
    Ok(contacts)
}

/// All of its contacts through all stages, one call after the other.
async fn call(channel: Channel, contacts: Vec<Uuid>, days: i64) -> anyhow::Result<()> {
    let mut runs = RunServiceClient::new(channel);
    for (stage_number, stage) in (0..).zip(STAGES) {
        for (n, contact) in (0..).zip(&contacts) {
            let day = (i64::from(contact.as_bytes()[15]) + n) % days;
            let occurred_at =
                SystemClock.now() - Duration::days(120 - day) + Duration::hours(stage_number * 17 + n % 9);
            let request = EnterStageRequest {
                journey: "j".into(),
                campaign_id: "c".into(),
                contact_id: contact.to_string(),
                stage: stage.into(),
                occurrence_key: String::new(),
                occurred_at: Some(wire_time(occurred_at)),
            };
            runs.enter_stage(request).await?;
        }
    }
    Ok(())
}

/// Seconds of CPU of all processes that work in the cluster's directory, as Postgres does.
fn cpu_in(directory: &str) -> f64 {
    let mut ticks = 0;
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let here =
            std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == Path::new(directory));
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        if let (true, Some((_, fields))) = (here, stat.rsplit_once(')')) {
            let fields = fields.split_whitespace().skip(11).take(2);
            ticks += fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        }
    }
    ticks as f64 / 100.0
}
