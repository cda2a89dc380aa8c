//! Lines of orders; they come and go with their order.

use std::collections::HashMap;

use pg::{Inserts, WriteTx};
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use types::TenantId;
use uuid::Uuid;

use crate::domain::{LineItem, Order};

#[derive(Debug, FromRow)]
struct LineRow {
    order_row: Uuid,
    sku: String,
    name: String,
    quantity: i32,
    unit_price_minor: i64,
}

/// Lines of these orders, in their order.
pub(super) async fn load(
    connection: &mut PgConnection,
    orders: &[(&TenantId, Uuid)],
) -> Result<HashMap<Uuid, Vec<LineItem>>, pg::Error> {
    if orders.is_empty() {
        return Ok(HashMap::new());
    }
    let (tenants, ids): (Vec<&TenantId>, Vec<Uuid>) = orders.iter().copied().unzip();
    let rows: Vec<LineRow> = sqlx::query_as(
        "SELECT l.order_row, l.sku, l.name, l.quantity, l.unit_price_minor
           FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[])) AS k (tenant_id, order_row)
          CROSS JOIN LATERAL (
              SELECT * FROM line_items WHERE tenant_id = k.tenant_id AND order_row = k.order_row OFFSET 0) l
          ORDER BY l.order_row, l.n",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let mut lines: HashMap<Uuid, Vec<LineItem>> = HashMap::new();
    for LineRow { order_row, sku, name, quantity, unit_price_minor } in rows {
        lines.entry(order_row).or_default().push(LineItem { sku, name, quantity, unit_price_minor });
    }
    Ok(lines)
}

/// Writes the lines of these orders.
pub(super) fn insert(inserts: &mut Inserts, orders: &[&Order]) {
    let lines: Vec<(&Order, usize, &LineItem)> = orders
        .iter()
        .flat_map(|order| order.line_items.iter().enumerate().map(|(n, line)| (*order, n, line)))
        .collect();
    if lines.is_empty() {
        return;
    }
    // an order has at most 200 lines
    let numbers: Vec<i16> = lines.iter().map(|(_, n, _)| i16::try_from(*n).unwrap_or(i16::MAX)).collect();
    inserts.add(
        "INSERT INTO line_items (tenant_id, order_row, n, sku, name, quantity, unit_price_minor)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::int2[], $4::text[], $5::text[], $6::int4[], $7::int8[])",
    )
    .bind(lines.iter().map(|(order, ..)| &order.key.tenant).collect::<Vec<_>>())
    .bind(lines.iter().map(|(order, ..)| order.id).collect::<Vec<_>>())
    .bind(numbers)
    .bind(lines.iter().map(|(.., line)| line.sku.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(.., line)| line.name.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(.., line)| line.quantity).collect::<Vec<_>>())
    .bind(lines.iter().map(|(.., line)| line.unit_price_minor).collect::<Vec<_>>());
}

/// Removes the lines of these orders.
pub(super) async fn delete(tx: &mut WriteTx, orders: &[&Order]) -> Result<(), pg::Error> {
    sqlx::query(
        "DELETE FROM line_items l
          USING unnest($1::text[], $2::uuid[]) AS k (tenant_id, order_row)
          WHERE l.tenant_id = k.tenant_id AND l.order_row = k.order_row",
    )
    .bind(orders.iter().map(|order| &order.key.tenant).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.id).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
