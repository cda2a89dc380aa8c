//! Test clocks.

use std::collections::BTreeSet;

use pg::WriteTx;
use sqlx::PgConnection;
use types::{TenantId, Timestamp};

use crate::domain::Books;

/// Loads the test clocks of those tenants that can have one.
pub(crate) async fn load<'a>(
    conn: &mut PgConnection,
    tenants: impl IntoIterator<Item = &'a TenantId>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    let sandboxes: BTreeSet<&str> =
        tenants.into_iter().filter(|tenant| tenant.is_sandbox()).map(TenantId::as_str).collect();
    if sandboxes.is_empty() {
        return Ok(());
    }
    let rows: Vec<(TenantId, Timestamp)> =
        sqlx::query_as("SELECT tenant_id, shows FROM test_clocks WHERE tenant_id = ANY ($1)")
            .bind(sandboxes.into_iter().collect::<Vec<_>>())
            .fetch_all(conn)
            .await?;
    for (tenant, shows) in rows {
        books.of(&tenant).test_clock = Some(shows);
    }
    Ok(())
}

/// Sets what a tenant's clock shows.
pub(crate) async fn put(tx: &mut WriteTx, tenant: &TenantId, shows: Timestamp) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO test_clocks (tenant_id, shows) VALUES ($1, $2)
         ON CONFLICT (tenant_id) DO UPDATE SET shows = excluded.shows",
    )
    .bind(tenant)
    .bind(shows)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
