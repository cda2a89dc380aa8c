//! Journeys and their versions. Versions are immutable, so what was parsed once is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pg::{Database, WriteTx};
use sqlx::PgConnection;
use types::{CampaignId, JourneyKey, TenantId, Timestamp};

use crate::domain::definition::{Campaigns, Definition};
use crate::domain::slice::Applied;
use crate::domain::yaml;

/// Parsed versions kept in memory, at most.
const KEPT: usize = 1000;

type VersionKey = (TenantId, JourneyKey, i32);

/// Parsed versions, shared by all that judge by them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Definitions(Arc<Mutex<HashMap<VersionKey, Arc<Definition>>>>);

#[derive(sqlx::FromRow)]
struct JourneyRow {
    tenant_id: TenantId,
    journey: JourneyKey,
    current_version: i32,
    campaign_mode: String,
    campaigns: Vec<CampaignId>,
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    tenant_id: TenantId,
    journey: JourneyKey,
    version: i32,
    definition: String,
}

impl Definitions {
    /// The journeys in force of these tenants.
    pub(crate) async fn in_force(
        &self,
        connection: &mut PgConnection,
        tenants: &[&TenantId],
    ) -> Result<HashMap<TenantId, Arc<[Applied]>>, pg::Error> {
        let rows: Vec<JourneyRow> = sqlx::query_as(
            "SELECT tenant_id, journey, current_version, campaign_mode, campaigns
               FROM journeys WHERE tenant_id = ANY ($1) ORDER BY tenant_id, journey",
        )
        .bind(tenants.iter().map(|t| t.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        let keys: Vec<VersionKey> =
            rows.iter().map(|r| (r.tenant_id.clone(), r.journey.clone(), r.current_version)).collect();
        let parsed = self.parsed(connection, &keys).await?;
        let mut journeys: HashMap<TenantId, Vec<Applied>> = HashMap::new();
        for (row, definition) in rows.into_iter().zip(parsed) {
            let campaigns = campaigns(&row.campaign_mode, row.campaigns)?;
            let applied = Applied { definition, version: row.current_version, campaigns };
            journeys.entry(row.tenant_id).or_default().push(applied);
        }
        Ok(journeys.into_iter().map(|(tenant, all)| (tenant, all.into())).collect())
    }

    /// What is in force of one tenant, for those who only read.
    pub(crate) async fn of_tenant(
        &self,
        db: &Database,
        tenant: &TenantId,
    ) -> Result<Vec<Arc<Definition>>, pg::Error> {
        let mut connection = db.read().acquire().await?;
        let in_force = self.in_force(&mut connection, &[tenant]).await?.remove(tenant).unwrap_or_default();
        Ok(in_force.iter().map(|applied| Arc::clone(&applied.definition)).collect())
    }

    /// Versions in the order asked for.
    async fn parsed(
        &self,
        connection: &mut PgConnection,
        keys: &[VersionKey],
    ) -> Result<Vec<Arc<Definition>>, pg::Error> {
        let mut found: HashMap<VersionKey, Arc<Definition>> = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            keys.iter().filter_map(|key| Some((key.clone(), Arc::clone(kept.get(key)?)))).collect()
        };
        let missing: Vec<&VersionKey> = keys.iter().filter(|key| !found.contains_key(key)).collect();
        if !missing.is_empty() {
            for row in versions(connection, &missing).await? {
                let (definition, _) = yaml::parse(&row.definition)
                    .map_err(|_| pg::Error::unreadable("journey_versions.definition", &row.journey))?;
                found.insert((row.tenant_id, row.journey, row.version), Arc::new(definition));
            }
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() > KEPT {
                kept.clear();
            }
            kept.extend(found.iter().map(|(key, definition)| (key.clone(), Arc::clone(definition))));
        }
        let find = |key: &VersionKey| {
            found.get(key).cloned().ok_or_else(|| pg::Error::unreadable("journeys.current_version", key.2))
        };
        keys.iter().map(find).collect()
    }
}

async fn versions(connection: &mut PgConnection, keys: &[&VersionKey]) -> Result<Vec<VersionRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT v.tenant_id, v.journey, v.version, v.definition
           FROM unnest($1::text[], $2::text[], $3::int[]) AS k (tenant_id, journey, version)
          CROSS JOIN LATERAL (
              SELECT * FROM journey_versions
               WHERE tenant_id = k.tenant_id AND journey = k.journey AND version = k.version OFFSET 0) v",
    )
    .bind(keys.iter().map(|k| k.0.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|k| k.1.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|k| k.2).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?)
}

/// As stored: a mode, and the list where it says so.
pub(crate) fn campaigns(mode: &str, listed: Vec<CampaignId>) -> Result<Campaigns, pg::Error> {
    match mode {
        "all" => Ok(Campaigns::All),
        "none" => Ok(Campaigns::None),
        "listed" => Ok(Campaigns::Listed(listed)),
        other => Err(pg::Error::unreadable("journeys.campaign_mode", other)),
    }
}

/// The mode and the list, to be stored.
fn columns(campaigns: &Campaigns) -> (&'static str, &[CampaignId]) {
    match campaigns {
        Campaigns::All => ("all", &[]),
        Campaigns::None => ("none", &[]),
        Campaigns::Listed(listed) => ("listed", listed),
    }
}

/// Puts a version in force, and the campaigns it is applied to.
pub(crate) async fn put_in_force(
    tx: &mut WriteTx,
    tenant: &TenantId,
    applied: &Applied,
) -> Result<(), pg::Error> {
    let (mode, listed) = columns(&applied.campaigns);
    let done = sqlx::query(
        "INSERT INTO journeys (tenant_id, journey, current_version, campaign_mode, campaigns)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, journey) DO UPDATE
            SET current_version = excluded.current_version, campaign_mode = excluded.campaign_mode,
                campaigns = excluded.campaigns",
    )
    .bind(tenant)
    .bind(&applied.definition.journey)
    .bind(applied.version)
    .bind(mode)
    .bind(listed.iter().map(CampaignId::as_str).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    super::exactly(1, &done, "journeys")
}

/// Publishes a version; it is there for good.
pub(crate) async fn publish(
    tx: &mut WriteTx,
    tenant: &TenantId,
    applied: &Applied,
    text: &str,
    now: Timestamp,
) -> Result<(), pg::Error> {
    let done = sqlx::query(
        "INSERT INTO journey_versions (tenant_id, journey, version, definition, applied_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tenant)
    .bind(&applied.definition.journey)
    .bind(applied.version)
    .bind(text)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    super::exactly(1, &done, "journey_versions")
}

/// Takes the mark from a journey whose funnel is to be counted anew, if there is one.
pub(crate) async fn next_to_recount(tx: &mut WriteTx) -> Result<Option<(TenantId, JourneyKey)>, pg::Error> {
    Ok(sqlx::query_as(
        "UPDATE journeys SET recount = false
          WHERE (tenant_id, journey) IN (SELECT tenant_id, journey FROM journeys WHERE recount LIMIT 1)
         RETURNING tenant_id, journey",
    )
    .fetch_optional(&mut **tx)
    .await?)
}

/// One of these stages that a run under way stands in.
pub(crate) async fn occupied(
    tx: &mut WriteTx,
    tenant: &TenantId,
    journey: &JourneyKey,
    stages: &[&str],
) -> Result<Option<String>, pg::Error> {
    Ok(sqlx::query_scalar(
        "SELECT current_stage FROM runs
          WHERE tenant_id = $1 AND journey = $2 AND NOT ended AND current_stage = ANY ($3) LIMIT 1",
    )
    .bind(tenant)
    .bind(journey)
    .bind(stages)
    .fetch_optional(&mut **tx)
    .await?)
}
