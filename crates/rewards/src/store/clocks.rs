//! Test clocks of sandboxes, as the transition stream told (M4).

use std::collections::HashMap;

use pg::WriteTx;
use pg::sqlx::PgExecutor;
use types::{TenantId, Timestamp};

/// What the test clocks of `tenants` show; those without one are left out.
pub(crate) async fn load(
    db: impl PgExecutor<'_>,
    tenants: &[&TenantId],
) -> Result<HashMap<TenantId, Timestamp>, pg::Error> {
    if tenants.is_empty() {
        return Ok(HashMap::new());
    }
    let tenants: Vec<&str> = tenants.iter().map(|tenant| tenant.as_str()).collect();
    let rows: Vec<(TenantId, Timestamp)> =
        sqlx::query_as("SELECT tenant_id, shows FROM test_clocks WHERE tenant_id = ANY ($1)")
            .bind(tenants)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().collect())
}

/// Moves a tenant's test clock; never backwards.
pub(crate) async fn advance(tx: &mut WriteTx, tenant: &TenantId, to: Timestamp) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO test_clocks AS c (tenant_id, shows) VALUES ($1, $2)
         ON CONFLICT (tenant_id) DO UPDATE SET shows = excluded.shows WHERE c.shows < excluded.shows",
    )
    .bind(tenant)
    .bind(to)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
