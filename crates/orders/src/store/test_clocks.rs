//! Test clocks of sandbox tenants, as the attribution stream told them (M4).

use std::collections::HashMap;

use pg::{Database, WriteTx};
use sqlx::postgres::PgExecutor;
use types::{TenantId, Timestamp};

/// What the clocks of these tenants show, where they have one.
pub(crate) async fn load(
    db: &Database,
    tenants: &[&TenantId],
) -> Result<HashMap<TenantId, Timestamp>, pg::Error> {
    if tenants.is_empty() {
        return Ok(HashMap::new());
    }
    select(db.read(), tenants).await
}

/// The same, within a transaction that is to move them.
pub(crate) async fn load_for(
    tx: &mut WriteTx,
    tenants: &[&TenantId],
) -> Result<HashMap<TenantId, Timestamp>, pg::Error> {
    select(&mut **tx, tenants).await
}

async fn select(
    executor: impl PgExecutor<'_>,
    tenants: &[&TenantId],
) -> Result<HashMap<TenantId, Timestamp>, pg::Error> {
    let rows: Vec<(TenantId, Timestamp)> =
        sqlx::query_as("SELECT tenant_id, now FROM test_clocks WHERE tenant_id = ANY($1)")
            .bind(tenants)
            .fetch_all(executor)
            .await?;
    Ok(rows.into_iter().collect())
}

/// Sets clocks; one row per tenant.
pub(crate) async fn save(tx: &mut WriteTx, clocks: &HashMap<TenantId, Timestamp>) -> Result<(), pg::Error> {
    if clocks.is_empty() {
        return Ok(());
    }
    let (tenants, times): (Vec<&TenantId>, Vec<Timestamp>) = clocks.iter().map(|(t, at)| (t, *at)).unzip();
    sqlx::query(
        "INSERT INTO test_clocks (tenant_id, now) SELECT * FROM unnest($1::text[], $2::timestamptz[])
         ON CONFLICT (tenant_id) DO UPDATE SET now = excluded.now",
    )
    .bind(tenants)
    .bind(times)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
