//! How late timers fire, 1,000 of them due in each second, with as many parked beside them as the first argument says (default
//! 10,000,000), and what it costs when none is due:
//! `target/debug/with-postgres cargo run --release -p journeys --example timers`.
#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "it measures, and says so")]

use std::sync::Arc;
use std::time::Duration;

use attribution::SCHEMA as ATTRIBUTION;
use journeys::{SCHEMA, Upstream};
use pg::sqlx;
use proto::journeys::ApplyJourneyRequest;
use proto::journeys::journey_service_client::JourneyServiceClient;
use rpc::channel::for_tenant;
use runtime::Lifecycle;
use testkit::Sandbox;
use types::{Clock, SystemClock};

const DEFINITION: &str = "journey: j\ncampaigns: all\nsequence: OPTIONAL\nstages:\n  - {stage: bought}\n  \
                          - {stage: asked, enter_after: [{after: bought, wait: 10d}]}\n";
/// Seconds in which timers are due.
const SECONDS: i32 = 20;
/// Due in each.
const EACH: i32 = 1000;
const PARK: &str = "
    INSERT INTO journeys.timers (tenant_id, run_id, occurrence_key, stage, after_stage, journey, campaign_id, contact_id,
                                 cause_id, due_at)
    SELECT 'acme', gen_random_uuid(), '', 'asked', 'bought', 'j', 'c', gen_random_uuid(), gen_random_uuid(),
           now() + interval '1 day' + n * interval '1 second'
      FROM generate_series(1, $1) n";
/// Runs that bought ten days before a moment that comes soon.
const DUE: &str = "
    WITH due AS MATERIALIZED (
        SELECT gen_random_uuid() AS run, gen_random_uuid() AS contact, gen_random_uuid() AS cause,
               now() + interval '5 seconds' + n * interval '1 second' / $2 AS at
          FROM generate_series(1, $1 * $2) n),
    run AS (
        INSERT INTO journeys.runs (tenant_id, run_id, journey, campaign_id, contact_id, generation, version, ended,
                                   current_stage, stages, transitions, started_at)
        SELECT 'acme', run, 'j', 'c', contact, 1, 1, false, 'bought', '{bought}', 1, at - interval '10 days' FROM due),
    transition AS (
        INSERT INTO journeys.transitions (tenant_id, transition_id, run_id, number, journey_version, to_stage,
                                          occurrence_key, cause, occurred_at, recorded_at)
        SELECT 'acme', cause, run, 1, 1, 'bought', '', 1, at - interval '10 days', now() FROM due)
    INSERT INTO journeys.timers (tenant_id, run_id, occurrence_key, stage, after_stage, journey, campaign_id, contact_id,
                                 cause_id, due_at)
    SELECT 'acme', run, '', 'asked', 'bought', 'j', 'c', contact, cause, at FROM due";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let parked: i32 = std::env::args().nth(1).map_or(Ok(10_000_000), |count| count.parse())?;
    let parts = [(ATTRIBUTION, attribution::MIGRATIONS), (SCHEMA, journeys::MIGRATIONS)];
    let sandbox = Sandbox::new(&parts).await?;
    let mut admin = sandbox.admin().await?;
    sqlx::query(PARK).bind(parked).execute(&mut admin).await?;
    sqlx::raw_sql("VACUUM ANALYZE journeys.timers").execute(&mut admin).await?;
    let (clock, lifecycle): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Lifecycle::default());
    let db = sandbox.database(ATTRIBUTION).await?;
    let attribution = attribution::start(db, Arc::clone(&clock), &lifecycle).await?.channel();
    // nothing comes from orders, whatever it is
    let upstream = Upstream { orders: attribution.clone(), attribution };
    let journeys = journeys::start(sandbox.database(SCHEMA).await?, clock, &lifecycle, upstream).await?;
    let request = ApplyJourneyRequest { definition: DEFINITION.into(), base_version: 0 };
    JourneyServiceClient::new(for_tenant(journeys.channel(), &"acme".parse()?))
        .apply_journey(request)
        .await?;

    let looks = "SELECT coalesce(idx_scan, 0) FROM pg_stat_user_indexes WHERE indexrelname = 'timers_due'";
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before: i64 = sqlx::query_scalar(looks).fetch_one(&mut admin).await?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after: i64 = sqlx::query_scalar(looks).fetch_one(&mut admin).await?;
    println!("{parked} parked, none due: {:.1} looks a second", (after - before) as f64 / 10.0);

    sqlx::query(DUE).bind(SECONDS).bind(EACH).execute(&mut admin).await?;
    let left = "SELECT count(*) FROM journeys.timers WHERE due_at < now() + interval '1 hour'";
    while sqlx::query_scalar::<_, i64>(left).fetch_one(&mut admin).await? > 0 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let entered: i64 = sqlx::query_scalar("SELECT count(*) FROM journeys.transitions WHERE cause = 5")
        .fetch_one(&mut admin)
        .await?;
    println!("{entered} fired, {EACH} of them due in each second; how many not later than:");
    let text = observe::metrics::text();
    for line in text.lines().filter(|line| line.contains("timer_lag_seconds")) {
        println!("{line}");
    }
    Ok(())
}
