//! How long GetFunnel takes on the counters of 5 million transitions: a year of runs in 5 campaigns, under 2 versions, in 3
//! segments. Beside it what a statement that reads nothing takes, since only ratios of the same minutes mean anything:
//! `target/debug/with-postgres cargo run --release -p journeys --example funnel`.
#![expect(clippy::print_stdout, reason = "it measures, and says so")]

use std::sync::Arc;
use std::time::Instant;

use attribution::SCHEMA as ATTRIBUTION;
use journeys::{SCHEMA, Upstream};
use pg::sqlx;
use proto::google::r#type::Date;
use proto::journeys::funnel_service_client::FunnelServiceClient;
use proto::journeys::journey_service_client::JourneyServiceClient;
use proto::journeys::{ApplyJourneyRequest, GetFunnelRequest};
use rpc::channel::for_tenant;
use runtime::Lifecycle;
use testkit::Sandbox;
use types::{Clock, SystemClock};

const DEFINITION: &str = "journey: j\ncampaigns: all\nsequence: REQUIRED\nstages:\n  - {stage: s1}\n  - {stage: s2}\n  \
                          - {stage: s3}\n  - {stage: s4}\n  - {stage: s5}\n  - {stage: s6}\n  - {stage: s7}\n";
/// 2,740 transitions of each day and campaign, of which each stage has a seventh.
const FILL: &str = "
    SET search_path = journeys;
    INSERT INTO funnel (tenant_id, journey, segment_id, day, campaign_id, version, stage, entered, transitions,
                        converted_from_previous, converted_from_first, dropped_off, still_there)
    SELECT 'acme', 'j', g, date '2025-01-01' + d, 'c' || c, 1 + d / 183, s, 391, 391, 300, 300, 40, 51
      FROM generate_series(0, 364) d, generate_series(1, 5) c, unnest('{\"\",g1,g2,g3}'::text[]) g,
           unnest('{\"\",s1,s2,s3,s4,s5,s6,s7}'::text[]) s;
    INSERT INTO funnel_times (tenant_id, journey, segment_id, day, campaign_id, version, stage, chunk, counts)
    SELECT 'acme', 'j', g, date '2025-01-01' + d, 'c' || c, 1 + d / 183, s, h, array_fill(1::bigint, '{32}')
      FROM generate_series(0, 364) d, generate_series(1, 5) c, unnest('{\"\",g1,g2,g3}'::text[]) g,
           unnest('{s1,s2,s3,s4,s5,s6}'::text[]) s, generate_series(36, 47) h;
    INSERT INTO funnel SELECT tenant_id, journey, campaign_id, stage, sum(entered), sum(transitions),
           sum(converted_from_previous), sum(converted_from_first), sum(dropped_off), sum(still_there),
           '', '0001-01-01', 0
      FROM (SELECT *, campaign_id AS c FROM funnel WHERE segment_id = ''
            UNION ALL SELECT tenant_id, journey, '*', stage, entered, transitions, converted_from_previous,
                             converted_from_first, dropped_off, still_there, segment_id, day, version, '*'
              FROM funnel WHERE segment_id = '') rows
     GROUP BY 1, 2, 3, 4;
    INSERT INTO funnel_times
    SELECT 'acme', 'j', '', '0001-01-01', c, 0, stage, chunk, array_fill(365::bigint, '{32}')
      FROM unnest('{*,c1,c2,c3,c4,c5}'::text[]) c, unnest('{s1,s2,s3,s4,s5,s6}'::text[]) stage,
           generate_series(36, 47) chunk;
    ANALYZE funnel; ANALYZE funnel_times";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let parts = [(ATTRIBUTION, attribution::MIGRATIONS), (SCHEMA, journeys::MIGRATIONS)];
    let sandbox = Sandbox::new(&parts).await?;
    let (clock, lifecycle): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Lifecycle::default());
    let db = sandbox.database(ATTRIBUTION).await?;
    let attribution = attribution::start(db, Arc::clone(&clock), &lifecycle).await?.channel();
    let db = sandbox.database(SCHEMA).await?;
    // nothing comes from orders, whatever it is
    let upstream = Upstream { orders: attribution.clone(), attribution };
    let journeys = journeys::start(db.clone(), clock, &lifecycle, upstream).await?;
    let channel = for_tenant(journeys.channel(), &"acme".parse()?);
    let request = ApplyJourneyRequest { definition: DEFINITION.into(), base_version: 0 };
    JourneyServiceClient::new(channel.clone()).apply_journey(request).await?;
    sqlx::raw_sql(FILL).execute(&mut sandbox.admin().await?).await?;

    let date = |month, day| Some(Date { year: 2025, month, day });
    let funnel = GetFunnelRequest { journey: "j".into(), ..Default::default() };
    let month = GetFunnelRequest { started_from: date(6, 1), started_until: date(6, 30), ..funnel.clone() };
    let asked = [
        ("all", funnel.clone()),
        ("one campaign", GetFunnelRequest { campaign_id: "c1".into(), ..funnel.clone() }),
        ("one month, one campaign", GetFunnelRequest { campaign_id: "c1".into(), ..month.clone() }),
        ("one month", month.clone()),
        ("one month, one segment", GetFunnelRequest { segment_id: "g1".into(), ..month }),
        ("one segment", GetFunnelRequest { segment_id: "g1".into(), ..funnel }),
    ];
    let mut client = FunnelServiceClient::new(channel);
    for (what, request) in asked {
        let (mut asked, mut nothing) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let begun = Instant::now();
            client.get_funnel(request.clone()).await?;
            asked.push(begun.elapsed());
            let begun = Instant::now();
            sqlx::query("SELECT 1").execute(db.read()).await?;
            nothing.push(begun.elapsed());
        }
        asked.sort_unstable();
        nothing.sort_unstable();
        println!("{what}: {:?}; a statement that reads nothing: {:?}", asked[50], nothing[50]);
    }
    Ok(())
}
