//! Counters of the funnel (J11): moved by the differences of a slice, in its transaction.

use std::collections::{BTreeMap, HashMap};

use pg::{Database, Inserts, WriteTx};
use time::Date;
use types::{CampaignId, JourneyKey, SegmentId, StageKey, TenantId};

use super::campaign_text;
use crate::domain::cohort::{Cohort, Selection};
use crate::domain::definition::{Definition, Kind};
use crate::domain::funnel::{Counts, Tally};

/// Campaign of the counters that are over all of them.
const EVERY_CAMPAIGN: &str = "*";
/// Day and version of the counters that are over all of them.
const EVER: Date = time::macros::date!(0001 - 01 - 01);
const ANY_VERSION: i32 = 0;

/// The columns that tell cohorts apart.
#[derive(Debug, Default)]
pub(super) struct CohortArrays<'a> {
    pub(super) tenants: Vec<&'a str>,
    pub(super) journeys: Vec<&'a str>,
    pub(super) segments: Vec<&'a str>,
    pub(super) days: Vec<Date>,
    pub(super) campaigns: Vec<&'a str>,
    pub(super) versions: Vec<i32>,
    last: Option<&'a Cohort>,
}

impl<'a> CohortArrays<'a> {
    /// Whether `cohort` is another one than that of the last row.
    pub(super) fn is_another(&self, cohort: &Cohort) -> bool {
        self.last.is_none_or(|last| !std::ptr::eq(last, cohort))
    }

    pub(super) fn push(&mut self, cohort: &'a Cohort) {
        let (segment, day, campaign, version) = match &cohort.runs {
            Selection::All => ("", EVER, EVERY_CAMPAIGN, ANY_VERSION),
            Selection::Campaign(campaign) => ("", EVER, campaign_text(campaign.as_ref()), ANY_VERSION),
            Selection::Start { campaign, version, day, segment } => {
                let segment = segment.as_ref().map_or("", SegmentId::as_str);
                (segment, *day, campaign_text(campaign.as_ref()), *version)
            }
        };
        self.last = Some(cohort);
        self.tenants.push(cohort.tenant.as_str());
        self.journeys.push(cohort.journey.as_str());
        self.segments.push(segment);
        self.days.push(day);
        self.campaigns.push(campaign);
        self.versions.push(version);
    }
}

/// Adds a slice's differences, in one statement.
pub(crate) fn add(inserts: &mut Inserts, tallies: &BTreeMap<Cohort, Tally>) {
    let (mut cohorts, mut stages, mut counts) = (CohortArrays::default(), Vec::new(), Vec::new());
    for (cohort, tally) in tallies {
        for (stage, moved) in &tally.counts {
            cohorts.push(cohort);
            stages.push(stage.as_ref().map_or("", StageKey::as_str));
            counts.push(moved);
        }
    }
    if counts.is_empty() {
        return;
    }
    let column = |f: fn(&Counts) -> i64| counts.iter().map(|counts| f(counts)).collect::<Vec<_>>();
    inserts
        .add(
            "INSERT INTO funnel AS f (tenant_id, journey, segment_id, day, campaign_id, version, stage, entered, transitions,
                converted_from_previous, converted_from_first, dropped_off, still_there)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::int[], $7::text[],
                              $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[])
         ON CONFLICT (tenant_id, journey, segment_id, day, campaign_id, version, stage) DO UPDATE
            SET entered = f.entered + excluded.entered,
                transitions = f.transitions + excluded.transitions,
                converted_from_previous = f.converted_from_previous + excluded.converted_from_previous,
                converted_from_first = f.converted_from_first + excluded.converted_from_first,
                dropped_off = f.dropped_off + excluded.dropped_off,
                still_there = f.still_there + excluded.still_there",
        )
        .bind(cohorts.tenants)
        .bind(cohorts.journeys)
        .bind(cohorts.segments)
        .bind(cohorts.days)
        .bind(cohorts.campaigns)
        .bind(cohorts.versions)
        .bind(stages)
        .bind(column(|c| c.entered))
        .bind(column(|c| c.transitions))
        .bind(column(|c| c.converted_from_previous))
        .bind(column(|c| c.converted_from_first))
        .bind(column(|c| c.dropped_off))
        .bind(column(|c| c.still_there));
}

/// Counts anew what depends on the order and kinds of the stages, after a version changed them. Entries do not, and times
/// neither. Runs that stand alike are counted together first, so that it is one look at each run.
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
             SELECT campaign_id, version, (started_at AT TIME ZONE 'UTC')::date AS day, segments, stages,
                    ended OR current_stage = ANY ($4) AS dropped, count(*) AS runs
               FROM runs WHERE tenant_id = $1 AND journey = $2
              GROUP BY 1, 2, 3, 4, 5, 6),
              counted AS (
             SELECT c.segment_id, c.day, c.campaign_id, c.version, s.stage,
                    sum(r.runs) FILTER (WHERE before.stage = ANY (r.stages)) AS from_previous,
                    sum(r.runs) FILTER (WHERE first.stage = ANY (r.stages)) AS from_first,
                    sum(r.runs) FILTER (WHERE s.n = f.furthest AND r.dropped) AS dropped_off,
                    sum(r.runs) FILTER (WHERE s.n = f.furthest AND NOT r.dropped) AS still_there
               FROM standing r
              CROSS JOIN LATERAL (SELECT max(n) AS furthest FROM steps WHERE stage = ANY (r.stages)) f
              CROSS JOIN LATERAL (
                  VALUES ('', date '0001-01-01', '*', 0), ('', date '0001-01-01', r.campaign_id, 0),
                         ('', r.day, r.campaign_id, r.version)
                  UNION ALL SELECT segment, r.day, r.campaign_id, r.version FROM unnest(r.segments) AS g (segment)
                  ) AS c (segment_id, day, campaign_id, version)
               JOIN steps s ON s.stage = ANY (r.stages)
               JOIN steps first ON first.n = 1
               LEFT JOIN steps before ON before.n = s.n - 1
              GROUP BY 1, 2, 3, 4, 5)
         UPDATE funnel f
            SET converted_from_previous = coalesce(c.from_previous, 0),
                converted_from_first = coalesce(c.from_first, 0),
                dropped_off = coalesce(c.dropped_off, 0), still_there = coalesce(c.still_there, 0)
           FROM counted c
          WHERE f.tenant_id = $1 AND f.journey = $2 AND f.segment_id = c.segment_id AND f.day = c.day
            AND f.campaign_id = c.campaign_id AND f.version = c.version AND f.stage = c.stage",
    )
    .bind(tenant)
    .bind(&definition.journey)
    .bind(definition.steps().map(|s| s.key.as_str()).collect::<Vec<_>>())
    .bind(exceptions.map(|s| s.key.as_str()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Which runs of a journey a funnel is asked of; all if nothing is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) campaign: Option<CampaignId>,
    /// In this segment when they started.
    pub(crate) segment: Option<SegmentId>,
    /// Started on this day or later.
    pub(crate) from: Option<Date>,
    /// Started on this day or earlier.
    pub(crate) until: Option<Date>,
    /// Started under this version.
    pub(crate) version: Option<i32>,
}

impl Asked {
    /// Whether counters over all days, segments and versions have the answer.
    fn is_total(&self) -> bool {
        self.segment.is_none() && self.from.is_none() && self.until.is_none() && self.version.is_none()
    }
}

/// Selects rows of cohorts: of the total, which is one for each stage, or of all that started as asked for.
macro_rules! of_cohorts {
    ($select:literal, $rest:literal) => {
        (
            concat!(
                $select,
                " WHERE tenant_id = $1 AND journey = $2 AND segment_id = '' AND day = '0001-01-01'
                    AND campaign_id = coalesce($3, '*') AND version = 0
                    AND $4::text IS NULL AND $5::date IS NULL AND $6::date IS NULL AND $7::int IS NULL",
                $rest
            ),
            concat!(
                $select,
                " WHERE tenant_id = $1 AND journey = $2 AND segment_id = coalesce($4::text, '')
                    AND day >= coalesce($5::date, '0001-01-01') AND day <= coalesce($6::date, 'infinity')
                    AND ($3::text IS NULL OR campaign_id = $3) AND version = coalesce($7::int, version) AND version > 0",
                $rest
            ),
        )
    };
}

pub(super) use of_cohorts;

/// Rows of the cohorts asked for, by one of two statements.
pub(super) async fn rows<R>(
    db: &Database,
    tenant: &TenantId,
    journey: &JourneyKey,
    asked: &Asked,
    (total, started): (&'static str, &'static str),
) -> Result<Vec<R>, pg::Error>
where
    R: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(sqlx::query_as(if asked.is_total() { total } else { started })
        .bind(tenant)
        .bind(journey)
        .bind(&asked.campaign)
        .bind(&asked.segment)
        .bind(asked.from)
        .bind(asked.until)
        .bind(asked.version)
        .fetch_all(db.read())
        .await?)
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

/// Counters of the runs asked for, by stage; empty text is the journey as a whole.
pub(crate) async fn counts(
    db: &Database,
    tenant: &TenantId,
    journey: &JourneyKey,
    asked: &Asked,
) -> Result<HashMap<String, Counts>, pg::Error> {
    const STATEMENTS: (&str, &str) = of_cohorts!(
        "SELECT stage, sum(entered)::bigint AS entered, sum(transitions)::bigint AS transitions,
                sum(converted_from_previous)::bigint AS converted_from_previous,
                sum(converted_from_first)::bigint AS converted_from_first,
                sum(dropped_off)::bigint AS dropped_off, sum(still_there)::bigint AS still_there
           FROM funnel",
        " GROUP BY stage"
    );
    let rows: Vec<CountsRow> = rows(db, tenant, journey, asked, STATEMENTS).await?;
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
