//! Counters of the funnel (J11): moved by the differences of a slice, in its transaction.

use std::collections::{BTreeMap, HashMap};

use pg::{Database, Inserts, WriteTx};
use types::{CampaignId, JourneyKey, TenantId};

use super::campaign_text;
use crate::domain::definition::{Definition, Kind};
use crate::domain::effects::CounterKey;
use crate::domain::funnel::Counts;

/// Adds a slice's differences, in one statement.
pub(crate) fn add(inserts: &mut Inserts, counts: &BTreeMap<CounterKey, Counts>) {
    if counts.is_empty() {
        return;
    }
    let column = |f: fn(&Counts) -> i64| counts.values().map(f).collect::<Vec<_>>();
    inserts.add(
        "INSERT INTO funnel AS f (tenant_id, journey, campaign_id, stage, entered, transitions,
                converted_from_previous, converted_from_first, dropped_off, still_there)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                              $8::bigint[], $9::bigint[], $10::bigint[])
         ON CONFLICT (tenant_id, journey, campaign_id, stage) DO UPDATE
            SET entered = f.entered + excluded.entered,
                transitions = f.transitions + excluded.transitions,
                converted_from_previous = f.converted_from_previous + excluded.converted_from_previous,
                converted_from_first = f.converted_from_first + excluded.converted_from_first,
                dropped_off = f.dropped_off + excluded.dropped_off,
                still_there = f.still_there + excluded.still_there",
    )
    .bind(counts.keys().map(|k| k.0.as_str()).collect::<Vec<_>>())
    .bind(counts.keys().map(|k| k.1.as_str()).collect::<Vec<_>>())
    .bind(counts.keys().map(|k| campaign_text(k.2.as_ref())).collect::<Vec<_>>())
    .bind(counts.keys().map(|k| k.3.as_ref().map_or("", types::StageKey::as_str)).collect::<Vec<_>>())
    .bind(column(|c| c.entered))
    .bind(column(|c| c.transitions))
    .bind(column(|c| c.converted_from_previous))
    .bind(column(|c| c.converted_from_first))
    .bind(column(|c| c.dropped_off))
    .bind(column(|c| c.still_there));
}

/// Counts anew what depends on the order and kinds of the stages, after a version changed them. Entries do not.
pub(crate) async fn recount(
    tx: &mut WriteTx,
    tenant: &TenantId,
    definition: &Definition,
) -> Result<(), pg::Error> {
    sqlx::query(
        "UPDATE funnel
            SET converted_from_previous = 0, converted_from_first = 0, dropped_off = 0, still_there = 0
          WHERE tenant_id = $1 AND journey = $2",
    )
    .bind(tenant)
    .bind(&definition.journey)
    .execute(&mut **tx)
    .await?;
    let exceptions = definition.stages.iter().filter(|s| s.kind == Kind::Exception);
    sqlx::query(
        "WITH steps AS (SELECT stage, n FROM unnest($3::text[]) WITH ORDINALITY AS s (stage, n)),
              standing AS (
             SELECT campaign_id, stages, ended OR current_stage = ANY ($4) AS dropped,
                    (SELECT max(n) FROM steps WHERE stage = ANY (stages)) AS furthest
               FROM runs WHERE tenant_id = $1 AND journey = $2),
              counted AS (
             SELECT r.campaign_id, s.stage,
                    count(*) FILTER (WHERE before.stage = ANY (r.stages)) AS from_previous,
                    count(*) FILTER (WHERE first.stage = ANY (r.stages)) AS from_first,
                    count(*) FILTER (WHERE s.n = r.furthest AND r.dropped) AS dropped_off,
                    count(*) FILTER (WHERE s.n = r.furthest AND NOT r.dropped) AS still_there
               FROM standing r
               JOIN steps s ON s.stage = ANY (r.stages)
               JOIN steps first ON first.n = 1
               LEFT JOIN steps before ON before.n = s.n - 1
              GROUP BY r.campaign_id, s.stage)
         UPDATE funnel f
            SET converted_from_previous = c.from_previous, converted_from_first = c.from_first,
                dropped_off = c.dropped_off, still_there = c.still_there
           FROM counted c
          WHERE f.tenant_id = $1 AND f.journey = $2 AND f.campaign_id = c.campaign_id AND f.stage = c.stage",
    )
    .bind(tenant)
    .bind(&definition.journey)
    .bind(definition.steps().map(|s| s.key.as_str()).collect::<Vec<_>>())
    .bind(exceptions.map(|s| s.key.as_str()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct CountsRow {
    stage: String,
    entered: i64,
    transitions: i64,
    converted_from_previous: i64,
    converted_from_first: i64,
    dropped_off: i64,
    still_there: i64,
}

/// Counters of a journey by stage, in one campaign or over all; empty text is the journey as a whole.
pub(crate) async fn read(
    db: &Database,
    tenant: &TenantId,
    journey: &JourneyKey,
    campaign: Option<&CampaignId>,
) -> Result<HashMap<String, Counts>, pg::Error> {
    let rows: Vec<CountsRow> = sqlx::query_as(
        "SELECT stage, sum(entered)::bigint AS entered, sum(transitions)::bigint AS transitions,
                sum(converted_from_previous)::bigint AS converted_from_previous,
                sum(converted_from_first)::bigint AS converted_from_first,
                sum(dropped_off)::bigint AS dropped_off, sum(still_there)::bigint AS still_there
           FROM funnel
          WHERE tenant_id = $1 AND journey = $2 AND ($3::text IS NULL OR campaign_id = $3)
          GROUP BY stage",
    )
    .bind(tenant)
    .bind(journey)
    .bind(campaign)
    .fetch_all(db.read())
    .await?;
    let counts = |row: &CountsRow| Counts {
        entered: row.entered,
        transitions: row.transitions,
        converted_from_previous: row.converted_from_previous,
        converted_from_first: row.converted_from_first,
        dropped_off: row.dropped_off,
        still_there: row.still_there,
    };
    Ok(rows.into_iter().map(|row| (row.stage.clone(), counts(&row))).collect())
}
