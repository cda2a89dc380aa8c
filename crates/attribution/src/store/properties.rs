//! What tenants define for their contacts (A15).

use std::collections::BTreeSet;

use pg::properties::Table;
use sqlx::PgConnection;
use types::TenantId;

use crate::domain::Books;

/// The table.
pub(crate) const DEFINITIONS: Table = pg::property_table!("contact_properties");

/// Loads what these tenants define.
pub(crate) async fn load<'a>(
    conn: &mut PgConnection,
    tenants: impl IntoIterator<Item = &'a TenantId>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    let tenants: BTreeSet<&TenantId> = tenants.into_iter().collect();
    if tenants.is_empty() {
        return Ok(());
    }
    let tenants: Vec<&TenantId> = tenants.into_iter().collect();
    for (tenant, definitions) in DEFINITIONS.load(conn, &tenants).await? {
        books.of(&tenant).definitions = definitions;
    }
    Ok(())
}
