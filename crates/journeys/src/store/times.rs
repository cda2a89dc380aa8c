//! Times in stages (J11): buckets are kept 32 to a row, so that a slice touches few rows and a funnel reads few.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use pg::{Database, Inserts};
use types::{JourneyKey, TenantId};

use super::funnel::{Asked, CohortArrays, of_cohorts, rows};
use crate::domain::cohort::Cohort;
use crate::domain::funnel::Tally;
use crate::domain::times::Times;

/// Buckets of a row.
const CHUNK: i32 = 32;

/// Adds a slice's differences, in one statement.
pub(crate) fn add(inserts: &mut Inserts, tallies: &BTreeMap<Cohort, Tally>) {
    let (mut cohorts, mut stages, mut chunks) = (CohortArrays::default(), Vec::new(), Vec::new());
    // the counts of all rows behind one another: arrays of arrays do not travel well
    let mut counts: Vec<i64> = Vec::new();
    for (cohort, tally) in tallies {
        for (stage, times) in &tally.times {
            for (bucket, more) in times.iter() {
                let (chunk, place) = (bucket.div_euclid(CHUNK), bucket.rem_euclid(CHUNK));
                let begun = stages.last() == Some(&stage.as_str()) && chunks.last() == Some(&chunk);
                if !begun || cohorts.is_another(cohort) {
                    cohorts.push(cohort);
                    stages.push(stage.as_str());
                    chunks.push(chunk);
                    counts.resize(counts.len() + CHUNK.unsigned_abs() as usize, 0);
                }
                let row = counts.len() - CHUNK.unsigned_abs() as usize;
                counts[row + place.unsigned_abs() as usize] += more;
            }
        }
    }
    if stages.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO funnel_times AS f (tenant_id, journey, segment_id, day, campaign_id, version, stage, chunk, counts)
         SELECT tenant_id, journey, segment_id, day, campaign_id, version, stage, chunk,
                ($9::bigint[])[32 * (n - 1) + 1 : 32 * n]
           FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::int[], $7::text[], $8::int[])
                WITH ORDINALITY
             AS t (tenant_id, journey, segment_id, day, campaign_id, version, stage, chunk, n)
         ON CONFLICT (tenant_id, journey, segment_id, day, campaign_id, version, stage, chunk) DO UPDATE
            SET counts = ARRAY(SELECT a + b FROM unnest(f.counts, excluded.counts) WITH ORDINALITY AS s (a, b, n)
                                ORDER BY n)",
        )
        .bind(cohorts.tenants)
        .bind(cohorts.journeys)
        .bind(cohorts.segments)
        .bind(cohorts.days)
        .bind(cohorts.campaigns)
        .bind(cohorts.versions)
        .bind(stages)
        .bind(chunks)
        .bind(counts);
}

#[derive(sqlx::FromRow)]
struct ChunkRow {
    stage: String,
    chunk: i32,
    counts: Vec<i64>,
}

/// Times of the runs asked for, by the stage that was left.
pub(crate) async fn read(
    db: &Database,
    tenant: &TenantId,
    journey: &JourneyKey,
    asked: &Asked,
) -> Result<HashMap<String, Times>, pg::Error> {
    const STATEMENTS: (&str, &str) = of_cohorts!("SELECT stage, chunk, counts FROM funnel_times", "");
    let rows: Vec<ChunkRow> = rows(db, tenant, journey, asked, STATEMENTS).await?;
    // rows first, then buckets: there are many rows of one chunk where many days are asked for
    let mut chunks: HashMap<(String, i32), Vec<i64>> = HashMap::new();
    for row in rows {
        match chunks.entry((row.stage, row.chunk)) {
            Entry::Vacant(entry) => drop(entry.insert(row.counts)),
            Entry::Occupied(mut entry) => {
                for (sum, more) in entry.get_mut().iter_mut().zip(row.counts) {
                    *sum += more;
                }
            }
        }
    }
    let mut stages: HashMap<String, Times> = HashMap::new();
    for ((stage, chunk), counts) in chunks {
        let times = stages.entry(stage).or_default();
        for (bucket, count) in (CHUNK * chunk..).zip(counts) {
            times.add(bucket, count);
        }
    }
    Ok(stages)
}
