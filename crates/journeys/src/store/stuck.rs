//! Who has stood in a stage for long (J11).

use pg::Database;
use types::{CampaignId, ContactId, JourneyKey, RunId, StageKey, TenantId, Timestamp};
use uuid::Uuid;

/// A run that stands in a stage.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct StuckRow {
    pub(crate) run_id: RunId,
    pub(crate) campaign_id: String,
    pub(crate) contact_id: ContactId,
    pub(crate) current_stage: StageKey,
    pub(crate) current_since: Timestamp,
}

/// Which ones.
#[derive(Debug)]
pub(crate) struct Stuck<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) journey: &'a JourneyKey,
    /// In one of these.
    pub(crate) stages: &'a [&'a str],
    pub(crate) campaign: Option<&'a CampaignId>,
    /// Entered at this time or earlier.
    pub(crate) until: Timestamp,
}

/// Each stage's runs in their order, as many as a page takes; a macro, so that a test reads its plan.
macro_rules! select {
    () => {
        "SELECT r.run_id, r.campaign_id, r.contact_id, r.current_stage, r.current_since
               FROM unnest($3::text[]) AS s (stage)
              CROSS JOIN LATERAL (
                  SELECT * FROM runs
                   WHERE tenant_id = $1 AND journey = $2 AND current_stage = s.stage AND NOT ended
                     AND current_since <= $4
                     AND (current_since, run_id) > (coalesce($5, '-infinity'::timestamptz),
                                                    coalesce($6, '00000000-0000-0000-0000-000000000000'::uuid))
                     AND ($7::text IS NULL OR campaign_id = $7)
                   ORDER BY current_since, run_id LIMIT $8) r
              ORDER BY r.current_since, r.run_id LIMIT $8"
    };
}

/// Runs under way that have stood there longest, behind one of them.
pub(crate) async fn stuck(
    db: &Database,
    which: &Stuck<'_>,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<StuckRow>, pg::Error> {
    let (since, run) = after.unzip();
    Ok(sqlx::query_as(select!())
        .bind(which.tenant)
        .bind(which.journey)
        .bind(which.stages)
        .bind(which.until)
        .bind(since)
        .bind(run)
        .bind(which.campaign)
        .bind(limit)
        .fetch_all(db.read())
        .await?)
}

#[cfg(test)]
mod tests {
    use testkit::Sandbox;

    use super::*;

    /// Runs under way or ended; two of a thousand of journey `j` stand in `rare`.
    const FILL: &str = "
        SET statement_timeout = 0;
        INSERT INTO runs (tenant_id, run_id, journey, campaign_id, contact_id, generation, version, ended, current_stage,
                          stages, transitions, started_at, current_since)
        SELECT 'acme', gen_random_uuid(), CASE WHEN n % 10 = 0 THEN 'other' ELSE 'j' END, 'c', gen_random_uuid(), 1, 1,
               n % 3 = 0, CASE WHEN n % 500 = 1 THEN 'rare' ELSE 'common-' || n % 4 END, '{}', 1, at, at
          FROM (SELECT n, timestamptz '2025-01-01' + n * interval '1 minute' AS at
                  FROM generate_series(1, 60000) AS n) AS rows;
        ANALYZE runs";

    #[tokio::test]
    async fn j11_who_is_stuck_is_read_from_an_index_in_its_order() {
        let sandbox = Sandbox::new(&[(crate::SCHEMA, crate::MIGRATIONS)]).await.unwrap();
        let db = sandbox.database(crate::SCHEMA).await.unwrap();
        let mut connection = db.read().acquire().await.unwrap();
        sqlx::raw_sql(FILL).execute(&mut *connection).await.unwrap();
        let all = ["common-0", "common-1", "common-2", "common-3", "rare"];
        let until: Timestamp = time::macros::datetime!(2025-02-01 00:00 UTC);
        let half: Timestamp = time::macros::datetime!(2025-01-20 00:00 UTC);
        for (stages, after) in [(&all[..], None), (&all[4..], None), (&all[..], Some((half, Uuid::nil())))] {
            let (since, run) = after.unzip();
            let lines: Vec<(String,)> =
                sqlx::query_as(concat!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) ", select!()))
                    .bind("acme")
                    .bind("j")
                    .bind(stages)
                    .bind(until)
                    .bind(since)
                    .bind(run)
                    .bind(None::<&str>)
                    .bind(101_i64)
                    .fetch_all(&mut *connection)
                    .await
                    .unwrap();
            let plan = lines.into_iter().map(|(line,)| line).collect::<Vec<_>>().join("\n");
            assert!(plan.contains("runs_by_standing") && !plan.contains("Seq Scan"), "{plan}");
            // a page of each stage, and no more
            let read: f64 = plan
                .lines()
                .filter(|line| line.contains("runs_by_standing"))
                .filter_map(|line| line.split("rows=").last()?.split(' ').next()?.parse::<f64>().ok())
                .sum();
            assert!(read <= 101.0 && !plan.contains("Rows Removed"), "{plan}");
        }
    }
}
