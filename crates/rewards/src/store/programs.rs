//! Program versions. They never change, so what was read and compiled once is kept.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use pg::WriteTx;
use pg::sqlx::PgExecutor;
use sqlx::FromRow;
use types::{CampaignId, TenantId, Timestamp};

use crate::domain::definition;
use crate::domain::program::{Program, Version};

/// A campaign of a tenant.
pub(crate) type CampaignKey = (TenantId, CampaignId);
/// Programs of several campaigns.
pub(crate) type ByCampaign = HashMap<CampaignKey, Arc<Program>>;

/// Programs kept in memory, at most.
const KEPT: usize = 1000;

/// A stored version.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Stored {
    /// Whose.
    pub(crate) tenant_id: TenantId,
    /// The campaign.
    pub(crate) campaign_id: CampaignId,
    /// Counts from 1.
    pub(crate) version: i32,
    /// For people.
    pub(crate) name: String,
    /// Transitions from here on are judged by it.
    pub(crate) effective_from: Timestamp,
    /// The YAML.
    pub(crate) definition: String,
    /// Up to this position of the transition stream it was not known.
    pub(crate) after_position: i64,
    /// When it was applied.
    pub(crate) applied_at: Timestamp,
}

impl Stored {
    /// The version with its rules.
    pub(crate) fn compile(&self) -> Result<Version, pg::Error> {
        let place = format!("program_versions.definition of {} version {}", self.campaign_id, self.version);
        let definition = definition::parse(&self.definition).map_err(|problems| {
            pg::Error::unreadable(&place, problems.first().map(ToString::to_string).unwrap_or_default())
        })?;
        Ok(Version {
            version: self.version,
            effective_from: self.effective_from,
            after_position: self.after_position,
            rules: definition.rules,
        })
    }
}

/// Compiled programs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs(Arc<Mutex<ByCampaign>>);

impl Programs {
    /// The programs of `campaigns`, as of the transaction; those without one are left out.
    pub(crate) async fn load(
        &self,
        db: &mut sqlx::PgConnection,
        campaigns: &HashSet<CampaignKey>,
    ) -> Result<ByCampaign, pg::Error> {
        if campaigns.is_empty() {
            return Ok(ByCampaign::new());
        }
        let newest = newest_versions(&mut *db, campaigns).await?;
        let mut found = ByCampaign::with_capacity(newest.len());
        let mut stale = Vec::new();
        {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, version) in newest {
                match kept.get(&key) {
                    Some(program) if program.newest().version == version => {
                        found.insert(key, Arc::clone(program));
                    }
                    _ => stale.push(key),
                }
            }
        }
        for key in stale {
            let versions = all_versions(&mut *db, &key.0, &key.1).await?;
            let versions = versions.iter().map(Stored::compile).collect::<Result<_, _>>()?;
            if let Some(program) = Program::new(versions) {
                let program = Arc::new(program);
                self.keep(&key, &program);
                found.insert(key, program);
            }
        }
        Ok(found)
    }

    fn keep(&self, key: &CampaignKey, program: &Arc<Program>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key.clone(), Arc::clone(program));
    }
}

async fn newest_versions(
    db: impl PgExecutor<'_>,
    campaigns: &HashSet<CampaignKey>,
) -> Result<Vec<(CampaignKey, i32)>, pg::Error> {
    let tenants: Vec<&str> = campaigns.iter().map(|(tenant, _)| tenant.as_str()).collect();
    let ids: Vec<&str> = campaigns.iter().map(|(_, campaign)| campaign.as_str()).collect();
    let rows: Vec<(TenantId, CampaignId, i32)> = sqlx::query_as(
        "SELECT v.tenant_id, v.campaign_id, max(v.version)
           FROM unnest($1::text[], $2::text[]) AS k (tenant_id, campaign_id)
          CROSS JOIN LATERAL (
              SELECT * FROM program_versions
               WHERE tenant_id = k.tenant_id AND campaign_id = k.campaign_id OFFSET 0) v
          GROUP BY v.tenant_id, v.campaign_id",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(tenant, campaign, version)| ((tenant, campaign), version)).collect())
}

async fn all_versions(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    campaign: &CampaignId,
) -> Result<Vec<Stored>, pg::Error> {
    let mut versions = list(db, tenant, campaign, i32::MAX, i64::MAX).await?;
    versions.reverse();
    Ok(versions)
}

/// Versions of a program before `before`, newest first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    campaign: &CampaignId,
    before: i32,
    limit: i64,
) -> Result<Vec<Stored>, pg::Error> {
    let rows = sqlx::query_as(
        "SELECT tenant_id, campaign_id, version, name, effective_from, definition, after_position, applied_at
           FROM program_versions
          WHERE tenant_id = $1 AND campaign_id = $2 AND version < $3 ORDER BY version DESC LIMIT $4",
    )
    .bind(tenant)
    .bind(campaign)
    .bind(before)
    .bind(limit)
    .fetch_all(db)
    .await?;
    Ok(rows)
}

/// Campaigns of a tenant that have a program.
pub(crate) async fn campaigns(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
) -> Result<HashSet<CampaignKey>, pg::Error> {
    let ids: Vec<CampaignId> =
        sqlx::query_scalar("SELECT DISTINCT campaign_id FROM program_versions WHERE tenant_id = $1")
            .bind(tenant)
            .fetch_all(db)
            .await?;
    Ok(ids.into_iter().map(|campaign| (tenant.clone(), campaign)).collect())
}

/// Adds a version.
pub(crate) async fn insert(tx: &mut WriteTx, version: &Stored) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO program_versions
                (tenant_id, campaign_id, version, name, effective_from, definition, after_position, applied_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&version.tenant_id)
    .bind(&version.campaign_id)
    .bind(version.version)
    .bind(&version.name)
    .bind(version.effective_from)
    .bind(&version.definition)
    .bind(version.after_position)
    .bind(version.applied_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
