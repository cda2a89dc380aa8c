//! Lists and single resources, for the RPCs that only read.

use std::collections::HashMap;

use pg::Database;
use proto::journeys::RunState;
use rpc::filter::{Field, Filter, Kind};
use sqlx::{PgExecutor, Postgres, QueryBuilder};
use types::{
    AttributionId, CampaignId, ContactId, EventId, JourneyKey, RunId, StageKey, TenantId, Timestamp,
    TransitionId,
};
use uuid::Uuid;

use super::load::referral;
use super::order::OrderRow;
use crate::domain::event::{Cause, Entry, Place, Transition};

/// A journey at one version.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct JourneyRow {
    pub(crate) journey: JourneyKey,
    pub(crate) version: i32,
    pub(crate) definition: String,
    pub(crate) applied_at: Timestamp,
    pub(crate) campaign_mode: String,
    pub(crate) campaigns: Vec<CampaignId>,
}

/// A version of a journey; none for the one in force.
pub(crate) async fn journey(
    executor: impl PgExecutor<'_>,
    tenant: &TenantId,
    journey: &JourneyKey,
    version: Option<i32>,
) -> Result<Option<JourneyRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT journey, v.version, v.definition, v.applied_at, j.campaign_mode, j.campaigns
           FROM journeys j JOIN journey_versions v USING (tenant_id, journey)
          WHERE tenant_id = $1 AND journey = $2 AND v.version = coalesce($3, j.current_version)",
    )
    .bind(tenant)
    .bind(journey)
    .bind(version)
    .fetch_optional(executor)
    .await?)
}

/// Journeys at the version in force, by key.
pub(crate) async fn journeys(
    db: &Database,
    tenant: &TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<JourneyRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT j.journey, v.version, v.definition, v.applied_at, j.campaign_mode, j.campaigns
           FROM journeys j
           JOIN journey_versions v ON v.tenant_id = j.tenant_id AND v.journey = j.journey
                                  AND v.version = j.current_version
          WHERE j.tenant_id = $1 AND j.journey > $2 ORDER BY j.journey LIMIT $3",
    )
    .bind(tenant)
    .bind(after)
    .bind(limit)
    .fetch_all(db.read())
    .await?)
}

/// A run.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct RunRow {
    pub(crate) run_id: RunId,
    pub(crate) journey: JourneyKey,
    pub(crate) campaign_id: String,
    pub(crate) contact_id: ContactId,
    pub(crate) ended: bool,
    pub(crate) current_stage: StageKey,
    pub(crate) transitions: i32,
    pub(crate) started_at: Timestamp,
}

/// One run.
pub(crate) async fn run(db: &Database, tenant: &TenantId, run: RunId) -> Result<Option<RunRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT run_id, journey, campaign_id, contact_id, ended, current_stage, transitions, started_at
           FROM runs WHERE tenant_id = $1 AND run_id = $2",
    )
    .bind(tenant)
    .bind(run)
    .fetch_optional(db.read())
    .await?)
}

/// The last run of a contact through a journey.
pub(crate) async fn last_run(
    db: &Database,
    place: &Place,
    journey: &JourneyKey,
) -> Result<Option<RunRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT run_id, journey, campaign_id, contact_id, ended, current_stage, transitions, started_at
           FROM runs WHERE tenant_id = $1 AND contact_id = $2 AND campaign_id = $3 AND journey = $4
          ORDER BY generation DESC LIMIT 1",
    )
    .bind(&place.tenant)
    .bind(place.contact)
    .bind(super::campaign_text(place.campaign.as_ref()))
    .bind(journey)
    .fetch_optional(db.read())
    .await?)
}

/// What runs can be filtered by; the contract's comment names them.
pub(crate) const RUN_FIELDS: &[Field] = &[
    Field { name: "run_id", kind: Kind::Id, sql: "run_id" },
    Field { name: "journey", kind: Kind::Text, sql: "journey" },
    Field { name: "campaign_id", kind: Kind::Text, sql: "campaign_id" },
    Field { name: "contact_id", kind: Kind::Id, sql: "contact_id" },
    Field {
        name: "state",
        kind: Kind::Enum(rpc::enum_names!(RunState)),
        sql: "(CASE WHEN ended THEN 2 ELSE 1 END)",
    },
    Field { name: "current_stage", kind: Kind::Text, sql: "current_stage" },
    Field { name: "transitions", kind: Kind::Integer, sql: "transitions" },
    Field { name: "started_at", kind: Kind::Timestamp, sql: "started_at" },
];

/// Runs that match, newest first.
pub(crate) async fn runs(
    db: &Database,
    tenant: &TenantId,
    journey: Option<&JourneyKey>,
    matching: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<RunRow>, pg::Error> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT run_id, journey, campaign_id, contact_id, ended, current_stage, transitions, started_at
           FROM runs WHERE tenant_id = ",
    );
    query.push_bind(tenant);
    if let Some(journey) = journey {
        query.push(" AND journey = ").push_bind(journey);
    }
    if let Some(before) = before {
        query.push(" AND run_id < ").push_bind(before);
    }
    matching.narrow(&mut query);
    query.push(" ORDER BY run_id DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_as().persistent(matching.is_blank()).fetch_all(db.read()).await?)
}

#[derive(sqlx::FromRow)]
struct TransitionRow {
    transition_id: TransitionId,
    run_id: RunId,
    number: i32,
    journey: JourneyKey,
    journey_version: i32,
    campaign_id: Option<CampaignId>,
    contact_id: ContactId,
    from_stage: Option<StageKey>,
    to_stage: StageKey,
    occurrence_key: String,
    cause: i16,
    cause_event_id: Option<EventId>,
    advocate_id: Option<ContactId>,
    attribution_id: Option<AttributionId>,
    #[sqlx(flatten)]
    order: OrderRow,
    occurred_at: Timestamp,
}

impl TransitionRow {
    fn read(self, tenant: &TenantId) -> Result<Transition, pg::Error> {
        let unreadable = |column| pg::Error::unreadable(column, self.transition_id);
        let cause = match self.cause {
            1 => Cause::Call,
            2 => Cause::Trigger,
            3 => Cause::Waited,
            4 => Cause::Inferred,
            5 => Cause::Timer,
            _ => return Err(unreadable("transitions.cause")),
        };
        let key = self.occurrence_key.parse().map_err(|_| unreadable("transitions.occurrence_key"))?;
        Ok(Transition {
            id: self.transition_id,
            place: Place { tenant: tenant.clone(), contact: self.contact_id, campaign: self.campaign_id },
            journey: self.journey,
            version: self.journey_version,
            run: self.run_id,
            number: self.number,
            from: self.from_stage,
            cause,
            entry: Entry {
                stage: self.to_stage,
                key,
                cause_event: self.cause_event_id,
                order: self.order.read()?,
                referral: referral(self.attribution_id, self.advocate_id),
                occurred_at: self.occurred_at,
            },
        })
    }
}

/// What all lists of transitions select; a macro, since statements are constant texts.
macro_rules! transitions {
    ($transitions:literal, $rest:literal) => {
        concat!(
            "SELECT t.transition_id, t.run_id, t.number, r.journey, t.journey_version,
                    nullif(r.campaign_id, '') AS campaign_id, r.contact_id, t.from_stage, t.to_stage,
                    t.occurrence_key, t.cause, t.cause_event_id, t.advocate_id, t.attribution_id, t.order_id, t.source,
                    t.revenue_minor, t.refunded_minor, t.currency, t.external_status, t.hubspot_dealstage,
                    t.ordered_at, t.occurred_at
               FROM ", $transitions, " t
               CROSS JOIN LATERAL (
                   SELECT * FROM runs WHERE tenant_id = t.tenant_id AND run_id = t.run_id OFFSET 0) r ",
            $rest
        )
    };
}

fn read_all(rows: Vec<TransitionRow>, tenant: &TenantId) -> Result<Vec<Transition>, pg::Error> {
    rows.into_iter().map(|row| row.read(tenant)).collect()
}

/// Transitions of one run by number.
pub(crate) async fn transitions_of_run(
    db: &Database,
    tenant: &TenantId,
    run: RunId,
    after: i32,
    limit: i64,
) -> Result<Vec<Transition>, pg::Error> {
    let rows = sqlx::query_as(transitions!(
        "(SELECT * FROM transitions WHERE tenant_id = $1 AND run_id = $2 AND number > $3 ORDER BY number LIMIT $4)",
        "ORDER BY t.number"
    ))
    .bind(tenant)
    .bind(run)
    .bind(after)
    .bind(limit)
    .fetch_all(db.read())
    .await?;
    read_all(rows, tenant)
}

/// Transitions of a tenant, newest first.
pub(crate) async fn transitions(
    db: &Database,
    tenant: &TenantId,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Transition>, pg::Error> {
    let rows = sqlx::query_as(transitions!(
        "(SELECT * FROM transitions WHERE tenant_id = $1 AND ($2::uuid IS NULL OR transition_id < $2)
           ORDER BY transition_id DESC LIMIT $3)",
        "ORDER BY t.transition_id DESC"
    ))
    .bind(tenant)
    .bind(before)
    .bind(limit)
    .fetch_all(db.read())
    .await?;
    read_all(rows, tenant)
}

/// Some transitions by their ids.
pub(crate) async fn transitions_by_id(
    executor: impl PgExecutor<'_>,
    keys: &[(&TenantId, TransitionId)],
) -> Result<HashMap<TransitionId, Transition>, pg::Error> {
    let tenants: HashMap<TransitionId, &TenantId> = keys.iter().map(|(tenant, id)| (*id, *tenant)).collect();
    let rows: Vec<TransitionRow> = sqlx::query_as(transitions!(
        "(SELECT m.*
            FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[])) AS k (tenant_id, transition_id)
           CROSS JOIN LATERAL (
               SELECT * FROM transitions
                WHERE tenant_id = k.tenant_id AND transition_id = k.transition_id OFFSET 0) m)",
        ""
    ))
    .bind(keys.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, id)| id.as_uuid()).collect::<Vec<_>>())
    .fetch_all(executor)
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Some(tenant) = tenants.get(&row.transition_id) {
            found.insert(row.transition_id, row.read(tenant)?);
        }
    }
    Ok(found)
}

/// An entry that waits or was refused.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct PendingRow {
    pub(crate) id: Uuid,
    pub(crate) run_id: Option<RunId>,
    pub(crate) journey: JourneyKey,
    pub(crate) campaign_id: String,
    pub(crate) contact_id: ContactId,
    pub(crate) stage: String,
    pub(crate) occurrence_key: String,
    pub(crate) cause_event_id: EventId,
    pub(crate) reason: i32,
    pub(crate) expected_stage: String,
    pub(crate) detail: String,
    pub(crate) occurred_at: Timestamp,
}

/// What waits for a run, or for it to start.
pub(crate) async fn waiting(
    db: &Database,
    place: &Place,
    journey: &JourneyKey,
    limit: i64,
) -> Result<Vec<PendingRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT cause_event_id AS id, NULL::uuid AS run_id, journey, campaign_id, contact_id, stage, occurrence_key,
                cause_event_id, 0 AS reason, expected_stage, '' AS detail, occurred_at
           FROM waiting_entries
          WHERE tenant_id = $1 AND contact_id = $2 AND campaign_id = $3 AND journey = $4
          ORDER BY recorded_at, cause_event_id LIMIT $5",
    )
    .bind(&place.tenant)
    .bind(place.contact)
    .bind(super::campaign_text(place.campaign.as_ref()))
    .bind(journey)
    .bind(limit)
    .fetch_all(db.read())
    .await?)
}

/// What was refused to a run, or before it started; oldest first.
pub(crate) async fn refused_of_run(
    db: &Database,
    place: &Place,
    journey: &JourneyKey,
    run: Option<RunId>,
    limit: i64,
) -> Result<Vec<PendingRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT refused_id AS id, run_id, journey, campaign_id, contact_id, stage, occurrence_key, cause_event_id, reason,
                expected_stage, detail, occurred_at
           FROM refused_entries
          WHERE tenant_id = $1 AND contact_id = $2 AND campaign_id = $3 AND journey = $4
            AND (run_id IS NULL OR run_id = $5)
          ORDER BY refused_id LIMIT $6",
    )
    .bind(&place.tenant)
    .bind(place.contact)
    .bind(super::campaign_text(place.campaign.as_ref()))
    .bind(journey)
    .bind(run)
    .bind(limit)
    .fetch_all(db.read())
    .await?)
}

/// What was refused, newest first.
pub(crate) async fn refused(
    db: &Database,
    tenant: &TenantId,
    journey: Option<&JourneyKey>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<PendingRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT refused_id AS id, run_id, journey, campaign_id, contact_id, stage, occurrence_key, cause_event_id, reason,
                expected_stage, detail, occurred_at
           FROM refused_entries
          WHERE tenant_id = $1 AND ($2::text IS NULL OR journey = $2) AND ($3::uuid IS NULL OR refused_id < $3)
          ORDER BY refused_id DESC LIMIT $4",
    )
    .bind(tenant)
    .bind(journey)
    .bind(before)
    .bind(limit)
    .fetch_all(db.read())
    .await?)
}
