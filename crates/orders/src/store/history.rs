//! What happened to orders (O12).

use std::collections::HashMap;

use pg::{Database, Inserts, WriteTx};
use sqlx::{AssertSqlSafe, FromRow};
use types::{Money, TenantId, Timestamp};
use uuid::Uuid;

use crate::domain::{Change, ChangeKind, FieldChange, Order};

#[derive(FromRow)]
struct ChangeRow {
    order_row: Uuid,
    change_no: i64,
    kind: String,
    principal: String,
    refund_id: String,
    amount_minor: Option<i64>,
    reason: String,
    fields: String,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
}

/// A field's name, its value before and after.
type Triple = (String, String, String);

impl ChangeRow {
    fn read(self, order: &Order) -> Result<Change, pg::Error> {
        let at = |column| format!("order_changes.{column} of {}", self.change_no);
        let kind = ChangeKind::from_name(&self.kind)
            .ok_or_else(|| pg::Error::unreadable(&at("kind"), &self.kind))?;
        let fields: Vec<Triple> = serde_json::from_str(&self.fields)
            .map_err(|error| pg::Error::unreadable(&at("fields"), error))?;
        let field = |(field, before, after)| FieldChange { field, before, after };
        Ok(Change {
            kind,
            principal: self.principal,
            refund_id: self.refund_id,
            amount: self.amount_minor.map(|minor| Money::new(minor, order.currency())),
            reason: self.reason,
            fields: fields.into_iter().map(field).collect(),
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
        })
    }
}

const COLUMNS: &str =
    "order_row, change_no, kind, principal, refund_id, amount_minor, reason, fields::text AS fields,
     occurred_at, recorded_at";

/// Up to `limit` changes of an order after the one of this number, oldest first, each with its number.
pub(crate) async fn page(
    db: &Database,
    order: &Order,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, Change)>, pg::Error> {
    let select = format!(
        "SELECT {COLUMNS} FROM order_changes WHERE tenant_id = $1 AND order_row = $2 AND change_no > $3
          ORDER BY change_no LIMIT $4"
    );
    let rows: Vec<ChangeRow> = sqlx::query_as(AssertSqlSafe(select))
        .bind(&order.key.tenant)
        .bind(order.id)
        .bind(after)
        .bind(limit)
        .fetch_all(db.read())
        .await?;
    rows.into_iter().map(|row| Ok((row.change_no, row.read(order)?))).collect()
}

/// What a refund is known by: the order's row, and the caller's id.
pub(crate) type RefundKey = (Uuid, String);

/// Those of the refunds named that are stored (O8).
pub(crate) async fn refunds(
    tx: &mut WriteTx,
    named: &[(&Order, &str)],
) -> Result<HashMap<RefundKey, Change>, pg::Error> {
    if named.is_empty() {
        return Ok(HashMap::new());
    }
    let select = format!(
        "SELECT c.* FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[], $3::text[])) AS k (tenant_id, id, refund_id)
          CROSS JOIN LATERAL (
              SELECT {COLUMNS} FROM order_changes
               WHERE tenant_id = k.tenant_id AND order_row = k.id AND refund_id = k.refund_id AND kind = 'REFUNDED'
              OFFSET 0) c"
    );
    let rows: Vec<ChangeRow> = sqlx::query_as(AssertSqlSafe(select))
        .bind(named.iter().map(|(order, _)| &order.key.tenant).collect::<Vec<&TenantId>>())
        .bind(named.iter().map(|(order, _)| order.id).collect::<Vec<_>>())
        .bind(named.iter().map(|(_, id)| *id).collect::<Vec<_>>())
        .fetch_all(&mut **tx)
        .await?;
    let orders: HashMap<Uuid, &Order> = named.iter().map(|(order, _)| (order.id, *order)).collect();
    let known = rows.into_iter().filter_map(|row| Some((orders.get(&row.order_row).copied()?, row)));
    known.map(|(order, row)| Ok(((order.id, row.refund_id.clone()), row.read(order)?))).collect()
}

/// Adds changes, each with its order.
pub(crate) fn insert(inserts: &mut Inserts, changes: &[(&Order, &Change)]) {
    if changes.is_empty() {
        return;
    }
    let triple = |change: &FieldChange| [change.field.clone(), change.before.clone(), change.after.clone()];
    let fields = |change: &Change| {
        let triples: serde_json::Value = change.fields.iter().map(|field| triple(field).to_vec()).collect();
        triples.to_string()
    };
    inserts
        .add(
            "INSERT INTO order_changes (tenant_id, order_row, kind, principal, refund_id, amount_minor, reason, fields,
                    occurred_at, recorded_at)
             SELECT tenant_id, order_row, kind, principal, refund_id, amount_minor, reason, fields::jsonb, occurred_at,
                    recorded_at
               FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int8[], $7::text[], $8::text[],
                           $9::timestamptz[], $10::timestamptz[])
                    WITH ORDINALITY AS n (tenant_id, order_row, kind, principal, refund_id, amount_minor, reason, fields,
                          occurred_at, recorded_at, place)
              ORDER BY place",
        )
        .bind(changes.iter().map(|(order, _)| order.key.tenant.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(order, _)| order.id).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.kind.name()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.principal.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.refund_id.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.amount.map(|a| a.minor)).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.reason.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| fields(change)).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.occurred_at).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, change)| change.recorded_at).collect::<Vec<_>>());
}
