//! Timers that are set (J7).

use pg::{Inserts, WriteTx};
use sqlx::PgExecutor;
use types::{CampaignId, ContactId, JourneyKey, RunId, StageKey, TenantId, Timestamp, TransitionId};
use uuid::Uuid;

use super::load::referral;
use super::order::OrderRow;
use super::{campaign_text, load};
use crate::domain::event::{OccurrenceKey, Place};
use crate::domain::timers::{Moot, Timer};

#[derive(sqlx::FromRow)]
struct TimerRow {
    tenant_id: TenantId,
    run_id: RunId,
    occurrence_key: String,
    stage: StageKey,
    after_stage: StageKey,
    journey: JourneyKey,
    campaign_id: Option<CampaignId>,
    contact_id: ContactId,
    cause_id: TransitionId,
    due_at: Timestamp,
    advocate_id: Option<ContactId>,
    attribution_id: Option<types::AttributionId>,
    #[sqlx(flatten)]
    order: OrderRow,
}

impl TimerRow {
    fn read(self) -> Result<Timer, pg::Error> {
        Ok(Timer {
            place: Place { tenant: self.tenant_id, contact: self.contact_id, campaign: self.campaign_id },
            journey: self.journey,
            run: self.run_id,
            key: load::key(&self.occurrence_key, "timers.occurrence_key")?,
            after: self.after_stage,
            stage: self.stage,
            due_at: self.due_at,
            cause: self.cause_id,
            order: self.order.read()?,
            referral: referral(self.attribution_id, self.advocate_id),
        })
    }
}

/// The timers of a list `t`, each with the order and referral of the transition that set it.
macro_rules! timers {
    ($list:literal) => {
        concat!(
            "SELECT t.tenant_id, t.run_id, t.occurrence_key, t.stage, t.after_stage, t.journey,
                    nullif(t.campaign_id, '') AS campaign_id, t.contact_id, t.cause_id, t.due_at, c.advocate_id,
                    c.attribution_id, c.order_id, c.source, c.revenue_minor, c.refunded_minor, c.currency,
                    c.external_status, c.hubspot_dealstage, c.ordered_at
               FROM (",
            $list,
            ") t LEFT JOIN LATERAL (
                    SELECT * FROM transitions
                     WHERE tenant_id = t.tenant_id AND transition_id = t.cause_id OFFSET 0) c ON true
              ORDER BY t.due_at, t.n"
        )
    };
}

/// Whose timers are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// All tenants' that go by the real clock.
    Live,
    /// One sandbox's.
    Sandbox(&'a TenantId),
}

/// The first timers that are due by `until`, in the order in which they fire.
pub(crate) async fn due(
    tx: &mut WriteTx,
    whose: Whose<'_>,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Timer>, pg::Error> {
    let query = match whose {
        Whose::Live => sqlx::query_as(timers!(
            "SELECT * FROM timers WHERE NOT sandbox AND failure IS NULL AND due_at <= $1 ORDER BY due_at, n LIMIT $2"
        )),
        Whose::Sandbox(_) => sqlx::query_as(timers!(
            "SELECT * FROM timers WHERE sandbox AND failure IS NULL AND tenant_id = $3 AND due_at <= $1
              ORDER BY tenant_id, due_at, n LIMIT $2"
        )),
    };
    let query = query.bind(until).bind(limit);
    let rows: Vec<TimerRow> = match whose {
        Whose::Live => query.fetch_all(&mut **tx).await?,
        Whose::Sandbox(tenant) => query.bind(tenant).fetch_all(&mut **tx).await?,
    };
    rows.into_iter().map(TimerRow::read).collect()
}

/// The timers of these runs that are due, each by the moment beside it.
pub(crate) async fn due_of(
    tx: &mut WriteTx,
    runs: &[(&TenantId, RunId, Timestamp)],
) -> Result<Vec<Timer>, pg::Error> {
    let rows: Vec<TimerRow> = sqlx::query_as(timers!(
        "SELECT t.* FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) AS r (tenant_id, run_id, until)
          CROSS JOIN LATERAL (
                SELECT * FROM timers
                 WHERE tenant_id = r.tenant_id AND run_id = r.run_id AND due_at <= r.until AND failure IS NULL
                OFFSET 0) t"
    ))
    .bind(runs.iter().map(|(tenant, ..)| tenant.as_str()).collect::<Vec<_>>())
    .bind(runs.iter().map(|(_, run, _)| run.as_uuid()).collect::<Vec<_>>())
    .bind(runs.iter().map(|(.., until)| *until).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter().map(TimerRow::read).collect()
}

/// Timers of one run, the next one due first.
pub(crate) async fn of_run(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    run: RunId,
    limit: i64,
) -> Result<Vec<Timer>, pg::Error> {
    let rows: Vec<TimerRow> = sqlx::query_as(timers!(
        "SELECT * FROM timers WHERE tenant_id = $1 AND run_id = $2 ORDER BY due_at, n LIMIT $3"
    ))
    .bind(tenant)
    .bind(run)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(TimerRow::read).collect()
}

/// When the next timer is due of those that go by the real clock.
pub(crate) async fn next_due(db: impl PgExecutor<'_>) -> Result<Option<Timestamp>, pg::Error> {
    let next = sqlx::query_scalar(
        "SELECT due_at FROM timers WHERE NOT sandbox AND failure IS NULL ORDER BY due_at, n LIMIT 1",
    );
    Ok(next.fetch_optional(db).await?)
}

/// Sandboxes with timers that are due by the clock that is shown here, and what it shows: set by facts that came late.
pub(crate) async fn late_sandboxes(db: impl PgExecutor<'_>) -> Result<Vec<(TenantId, Timestamp)>, pg::Error> {
    // walks the index from tenant to tenant
    let rows = sqlx::query_as(
        "WITH RECURSIVE next AS (
             (SELECT tenant_id, due_at FROM timers WHERE sandbox AND failure IS NULL ORDER BY tenant_id, due_at LIMIT 1)
             UNION ALL
             SELECT n.tenant_id, n.due_at
               FROM next CROSS JOIN LATERAL (
                    SELECT tenant_id, due_at FROM timers
                     WHERE sandbox AND failure IS NULL AND tenant_id > next.tenant_id ORDER BY tenant_id, due_at LIMIT 1) AS n)
         SELECT n.tenant_id, c.shown_at
           FROM next n CROSS JOIN LATERAL (
                SELECT shown_at FROM test_clocks WHERE tenant_id = n.tenant_id AND shown_at >= n.due_at OFFSET 0) c",
    )
    .fetch_all(db)
    .await?;
    Ok(rows)
}

/// How many timers are due by `until` of those that go by the real clock, up to a thousand.
pub(crate) async fn count_due(db: impl PgExecutor<'_>, until: Timestamp) -> Result<i64, pg::Error> {
    let count = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT FROM timers WHERE NOT sandbox AND failure IS NULL AND due_at <= $1 LIMIT 1000) AS due",
    );
    Ok(count.bind(until).fetch_one(db).await?)
}

/// Sets a timer aside that cannot be fired, so that it holds up no other.
pub(crate) async fn set_aside(tx: &mut WriteTx, timer: &Timer, failure: &str) -> Result<(), pg::Error> {
    let done = sqlx::query(
        "UPDATE timers SET failure = $6
          WHERE tenant_id = $1 AND run_id = $2 AND occurrence_key = $3 AND stage = $4 AND after_stage = $5",
    )
    .bind(&timer.place.tenant)
    .bind(timer.run)
    .bind(timer.key.as_str())
    .bind(&timer.stage)
    .bind(&timer.after)
    .bind(failure)
    .execute(&mut **tx)
    .await?;
    super::exactly(1, &done, "timers")
}

/// Those that were set aside are to be tried again; how many.
pub(crate) async fn take_up(tx: &mut WriteTx) -> Result<u64, pg::Error> {
    let done =
        sqlx::query("UPDATE timers SET failure = NULL WHERE failure IS NOT NULL").execute(&mut **tx).await?;
    Ok(done.rows_affected())
}

/// Takes out what is moot or has fired; as a rule not all that is named is there.
pub(super) async fn remove(tx: &mut WriteTx, moot: &[Moot]) -> Result<(), pg::Error> {
    if moot.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM timers
          WHERE ctid = ANY (ARRAY(
              SELECT t.at
                FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
                  AS m (tenant_id, run_id, occurrence_key, stage, after_stage, later_than)
               CROSS JOIN LATERAL (
                   SELECT ctid AS at FROM timers
                    WHERE tenant_id = m.tenant_id AND run_id = m.run_id
                      AND (m.occurrence_key IS NULL OR occurrence_key = m.occurrence_key)
                      AND (m.stage IS NULL OR stage = m.stage)
                      AND (m.after_stage IS NULL OR after_stage = m.after_stage)
                      AND (m.later_than IS NULL OR due_at > m.later_than)
                   OFFSET 0) t))",
    )
    .bind(moot.iter().map(|m| m.tenant.as_str()).collect::<Vec<_>>())
    .bind(moot.iter().map(|m| m.run.as_uuid()).collect::<Vec<_>>())
    .bind(moot.iter().map(|m| m.key.as_ref().map(OccurrenceKey::as_str)).collect::<Vec<_>>())
    .bind(moot.iter().map(|m| m.stage.as_ref().map(StageKey::as_str)).collect::<Vec<_>>())
    .bind(moot.iter().map(|m| m.after.as_ref().map(StageKey::as_str)).collect::<Vec<_>>())
    .bind(moot.iter().map(|m| m.later_than).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Parks timers, in their order.
pub(super) fn insert(inserts: &mut Inserts, timers: &[Timer]) {
    if timers.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO timers (tenant_id, run_id, occurrence_key, stage, after_stage, journey, campaign_id,
                                 contact_id, cause_id, due_at)
         SELECT tenant_id, run_id, occurrence_key, stage, after_stage, journey, campaign_id, contact_id, cause_id, due_at
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[],
                       $9::uuid[], $10::timestamptz[]) WITH ORDINALITY
             AS t (tenant_id, run_id, occurrence_key, stage, after_stage, journey, campaign_id, contact_id, cause_id,
                   due_at, place)
          ORDER BY place",
        )
        .bind(timers.iter().map(|t| t.place.tenant.as_str()).collect::<Vec<_>>())
        .bind(timers.iter().map(|t| t.run.as_uuid()).collect::<Vec<Uuid>>())
        .bind(timers.iter().map(|t| t.key.as_str()).collect::<Vec<_>>())
        .bind(timers.iter().map(|t| t.stage.as_str()).collect::<Vec<_>>())
        .bind(timers.iter().map(|t| t.after.as_str()).collect::<Vec<_>>())
        .bind(timers.iter().map(|t| t.journey.as_str()).collect::<Vec<_>>())
        .bind(timers.iter().map(|t| campaign_text(t.place.campaign.as_ref())).collect::<Vec<_>>())
        .bind(timers.iter().map(|t| t.place.contact.as_uuid()).collect::<Vec<Uuid>>())
        .bind(timers.iter().map(|t| t.cause.as_uuid()).collect::<Vec<Uuid>>())
        .bind(timers.iter().map(|t| t.due_at).collect::<Vec<_>>());
}
