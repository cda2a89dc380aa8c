//! Published versions of a journey, for those who look at its past.

use pg::Database;
use types::{JourneyKey, TenantId, Timestamp};

/// A version, without what is not part of it.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct VersionRow {
    pub(crate) version: i32,
    pub(crate) applied_at: Timestamp,
    pub(crate) definition: String,
    pub(crate) in_force: bool,
}

/// Versions before one, or all, newest first.
pub(crate) async fn versions(
    db: &Database,
    tenant: &TenantId,
    journey: &JourneyKey,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<VersionRow>, pg::Error> {
    Ok(sqlx::query_as(
        "SELECT v.version, v.applied_at, v.definition, v.version = j.current_version AS in_force
           FROM journeys j JOIN journey_versions v USING (tenant_id, journey)
          WHERE tenant_id = $1 AND journey = $2 AND v.version < coalesce($3, 2147483647)
          ORDER BY v.version DESC LIMIT $4",
    )
    .bind(tenant)
    .bind(journey)
    .bind(before)
    .bind(limit)
    .fetch_all(db.read())
    .await?)
}
