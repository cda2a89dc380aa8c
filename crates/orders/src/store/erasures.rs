//! What is removed of an erased customer (A13).

use outbox::erasure::{Open, Removed, SLICE};
use pg::WriteTx;
use sqlx::AssertSqlSafe;

/// What to remove, and the statement that removes it from up to `$3` records of contact `$2` of tenant `$1`.
const STEPS: &[(&str, &str)] = &[
    (
        "orders",
        "UPDATE orders SET properties = impersonal(tenant_id, properties) WHERE (tenant_id, id) IN (
             SELECT tenant_id, id FROM orders
              WHERE tenant_id = $1 AND contact_id = $2 AND properties <> '{}'
                AND properties <> impersonal(tenant_id, properties) LIMIT $3)",
    ),
    (
        "order_changes",
        "UPDATE order_changes SET reason = '', fields = impersonal_fields(tenant_id, fields)
          WHERE (tenant_id, order_row, change_no) IN (
             SELECT c.tenant_id, c.order_row, c.change_no
               FROM orders o JOIN order_changes c ON c.tenant_id = o.tenant_id AND c.order_row = o.id
              WHERE o.tenant_id = $1 AND o.contact_id = $2
                AND (c.reason <> ''
                     OR (c.fields <> '[]' AND c.fields <> impersonal_fields(c.tenant_id, c.fields))) LIMIT $3)",
    ),
    (
        "order_changes",
        // what was said of orders that the contact brought
        "UPDATE order_changes SET reason = '' WHERE (tenant_id, order_row, change_no) IN (
             SELECT c.tenant_id, c.order_row, c.change_no
               FROM orders o JOIN order_changes c ON c.tenant_id = o.tenant_id AND c.order_row = o.id
              WHERE o.tenant_id = $1 AND o.advocate_id = $2 AND c.reason <> '' LIMIT $3)",
    ),
];

/// Removes a slice of what names the contact.
pub(crate) async fn remove(tx: &mut WriteTx, open: &Open, names: &[String]) -> Result<Removed, pg::Error> {
    let names = [names, &[open.contact.to_string()]].concat();
    let rejected = super::rejected::forget_rejected(tx, &open.tenant, &names, SLICE).await?;
    let mut removed: Removed = vec![("rejected_rows", rejected)];
    for (kind, statement) in STEPS {
        let done = sqlx::query(AssertSqlSafe(*statement))
            .bind(&open.tenant)
            .bind(open.contact)
            .bind(SLICE)
            .execute(&mut **tx)
            .await?;
        removed.push((*kind, done.rows_affected()));
    }
    Ok(removed)
}
