//! Orders by their natural key.

use std::collections::{HashMap, HashSet};

use pg::{Inserts, WriteTx};
use sqlx::FromRow;
use sqlx::postgres::PgConnection;
use types::{AttributionId, CampaignId, ContactId, Money, OrderId, TenantId, Timestamp};
use uuid::Uuid;

use super::line_items;
use crate::domain::{InForce, LineItem, Order, OrderKey, Outcome};

/// The columns of [`OrderRow`]. Named, since `*` would change under a running process when a migration adds one.
macro_rules! columns {
    () => {
        "tenant_id, id, source_scope, order_id, source, contact_id, customer_hash, campaign_id, attribution_id,
         advocate_id, inactive_attribution_id, outcome, outcome_reason, currency, revenue_minor, refunded_minor,
         external_status, hubspot_dealstage, line_count, occurred_at, recorded_at, recorded_by, cancelled_at,
         properties::text AS properties"
    };
}
pub(super) use columns;

/// A row of the table, as all reads select it.
#[derive(Debug, FromRow)]
pub(super) struct OrderRow {
    pub(super) tenant_id: TenantId,
    pub(super) id: Uuid,
    source_scope: String,
    order_id: OrderId,
    source: String,
    contact_id: ContactId,
    customer_hash: Vec<u8>,
    campaign_id: Option<CampaignId>,
    attribution_id: Option<AttributionId>,
    advocate_id: Option<ContactId>,
    inactive_attribution_id: Option<AttributionId>,
    outcome: String,
    outcome_reason: String,
    currency: String,
    revenue_minor: i64,
    refunded_minor: i64,
    external_status: String,
    hubspot_dealstage: String,
    pub(super) line_count: i16,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
    recorded_by: String,
    cancelled_at: Option<Timestamp>,
    properties: String,
}

impl OrderRow {
    /// How many lines it has.
    pub(super) fn lines(&self) -> i64 {
        self.line_count.into()
    }

    /// The order, with its lines.
    pub(super) fn into_order(self, line_items: Vec<LineItem>) -> Result<Order, pg::Error> {
        let at = |column| format!("orders.{column} of {}", self.id);
        let outcome = Outcome::from_names(&self.outcome, &self.outcome_reason)
            .ok_or_else(|| pg::Error::unreadable(&at("outcome"), &self.outcome))?;
        let currency =
            self.currency.parse().map_err(|_| pg::Error::unreadable(&at("currency"), &self.currency))?;
        let properties = super::properties::read(&self.properties)
            .ok_or_else(|| pg::Error::unreadable(&at("properties"), "they are not as they are written"))?;
        let in_force = |(attribution_id, advocate_id)| InForce { attribution_id, advocate_id };
        Ok(Order {
            id: self.id,
            key: OrderKey {
                tenant: self.tenant_id,
                source_scope: self.source_scope,
                order_id: self.order_id,
            },
            source: self.source,
            contact_id: self.contact_id,
            customer_hash: self.customer_hash,
            campaign_id: self.campaign_id,
            attribution: self.attribution_id.zip(self.advocate_id).map(in_force),
            inactive_attribution_id: self.inactive_attribution_id,
            outcome,
            revenue: Money::new(self.revenue_minor, currency),
            refunded_minor: self.refunded_minor,
            external_status: self.external_status,
            hubspot_dealstage: self.hubspot_dealstage,
            line_items,
            properties,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
            recorded_by: self.recorded_by,
            cancelled_at: self.cancelled_at,
            is_erased: false,
        })
    }
}

/// Those of `keys` that are stored. Looked up one by one through the index, whatever the planner thinks of the table's
/// size.
pub(crate) async fn load(
    connection: &mut PgConnection,
    keys: &[&OrderKey],
) -> Result<HashMap<OrderKey, Order>, pg::Error> {
    let tenants: Vec<&TenantId> = keys.iter().map(|key| &key.tenant).collect();
    let scopes: Vec<&str> = keys.iter().map(|key| key.source_scope.as_str()).collect();
    let ids: Vec<&OrderId> = keys.iter().map(|key| &key.order_id).collect();
    let rows: Vec<OrderRow> = sqlx::query_as(concat!(
        "SELECT o.* FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tenant, scope, id)
              CROSS JOIN LATERAL (SELECT ",
        columns!(),
        r" FROM orders
               WHERE tenant_id || E'\x1f' || source_scope || E'\x1f' || order_id
                     = k.tenant || E'\x1f' || k.scope || E'\x1f' || k.id OFFSET 0) AS o"
    ))
    .bind(tenants)
    .bind(scopes)
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    let mut orders = complete(&mut *connection, rows).await?;
    mark_erased(connection, &mut orders).await?;
    Ok(orders.into_iter().map(|order| (order.key.clone(), order)).collect())
}

/// Marks those whose customer was erased (A13).
async fn mark_erased(connection: &mut PgConnection, orders: &mut [Order]) -> Result<(), pg::Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let erased: Vec<(TenantId, ContactId)> = sqlx::query_as(
        "SELECT k.tenant, k.contact FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[])) AS k (tenant, contact)
          CROSS JOIN LATERAL (
              SELECT 1 FROM erasures WHERE tenant_id = k.tenant AND contact_id = k.contact OFFSET 0) e",
    )
    .bind(orders.iter().map(|order| &order.key.tenant).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.contact_id).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let erased: HashSet<(TenantId, ContactId)> = erased.into_iter().collect();
    for order in orders {
        order.is_erased = erased.contains(&(order.key.tenant.clone(), order.contact_id));
    }
    Ok(())
}

/// Adds the lines.
pub(super) async fn complete(
    connection: &mut PgConnection,
    rows: Vec<OrderRow>,
) -> Result<Vec<Order>, pg::Error> {
    let with_lines: Vec<(&TenantId, Uuid)> =
        rows.iter().filter(|row| row.line_count > 0).map(|row| (&row.tenant_id, row.id)).collect();
    let mut lines = line_items::load(connection, &with_lines).await?;
    rows.into_iter()
        .map(|row| {
            let line_items = lines.remove(&row.id).unwrap_or_default();
            row.into_order(line_items)
        })
        .collect()
}

fn column<'a, T>(orders: &[&'a Order], of: impl Fn(&'a Order) -> T) -> Vec<T> {
    orders.iter().map(|order| of(order)).collect()
}

fn line_count(order: &Order) -> i16 {
    // at most 200
    i16::try_from(order.line_items.len()).unwrap_or(i16::MAX)
}

/// Writes new orders and their lines.
pub(crate) fn insert(inserts: &mut Inserts, orders: &[&Order]) {
    if orders.is_empty() {
        return;
    }
    inserts.add(
        "INSERT INTO orders
                (tenant_id, id, source_scope, order_id, source, contact_id, customer_hash, campaign_id,
                 attribution_id, advocate_id, inactive_attribution_id, outcome, outcome_reason,
                 currency, revenue_minor, external_status, hubspot_dealstage, line_count, occurred_at, recorded_at,
                 recorded_by, properties)
         SELECT tenant_id, id, source_scope, order_id, source, contact_id, customer_hash, campaign_id,
                 attribution_id, advocate_id, inactive_attribution_id, outcome, outcome_reason,
                 currency, revenue_minor, external_status, hubspot_dealstage, line_count, occurred_at, recorded_at,
                 recorded_by,
                 -- one who was erased while attribution answered for it (A13)
                 CASE WHEN properties <> '{}' AND EXISTS (
                          SELECT FROM erasures e WHERE e.tenant_id = n.tenant_id AND e.contact_id = n.contact_id)
                      THEN impersonal(tenant_id, properties::jsonb) ELSE properties::jsonb END
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::bytea[],
                 $8::text[], $9::uuid[], $10::uuid[], $11::uuid[], $12::text[], $13::text[],
                 $14::text[], $15::int8[], $16::text[], $17::text[], $18::int2[], $19::timestamptz[],
                 $20::timestamptz[], $21::text[], $22::text[])
                AS n (tenant_id, id, source_scope, order_id, source, contact_id, customer_hash, campaign_id,
                 attribution_id, advocate_id, inactive_attribution_id, outcome, outcome_reason,
                 currency, revenue_minor, external_status, hubspot_dealstage, line_count, occurred_at, recorded_at,
                 recorded_by, properties)",
    )
    .bind(column(orders, |o| &o.key.tenant))
    .bind(column(orders, |o| o.id))
    .bind(column(orders, |o| o.key.source_scope.as_str()))
    .bind(column(orders, |o| &o.key.order_id))
    .bind(column(orders, |o| o.source.as_str()))
    .bind(column(orders, |o| o.contact_id))
    .bind(column(orders, |o| o.customer_hash.as_slice()))
    .bind(column(orders, |o| o.campaign_id.as_ref()))
    .bind(column(orders, |o| o.attribution.map(|a| a.attribution_id)))
    .bind(column(orders, |o| o.attribution.map(|a| a.advocate_id)))
    .bind(column(orders, |o| o.inactive_attribution_id))
    .bind(column(orders, |o| o.outcome.names().0))
    .bind(column(orders, |o| o.outcome.names().1))
    .bind(column(orders, |o| o.revenue.currency.code()))
    .bind(column(orders, |o| o.revenue.minor))
    .bind(column(orders, |o| o.external_status.as_str()))
    .bind(column(orders, |o| o.hubspot_dealstage.as_str()))
    .bind(column(orders, line_count))
    .bind(column(orders, |o| o.occurred_at))
    .bind(column(orders, |o| o.recorded_at))
    .bind(column(orders, |o| o.recorded_by.as_str()))
    .bind(column(orders, |o| super::properties::write(&o.properties)));
    line_items::insert(inserts, orders);
}

/// Writes what an update or a link may change, and replaces the lines. Whoever is attributed stays so: the trigger
/// `orders_attribution_permanent` sees to it (O4).
pub(crate) async fn update(tx: &mut WriteTx, orders: &[&Order]) -> Result<(), pg::Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let updated = sqlx::query(
        "UPDATE orders o
            SET revenue_minor = u.revenue_minor, external_status = u.external_status,
                hubspot_dealstage = u.hubspot_dealstage, line_count = u.line_count, campaign_id = u.campaign_id,
                attribution_id = u.attribution_id, advocate_id = u.advocate_id,
                inactive_attribution_id = u.inactive_attribution_id, outcome = u.outcome,
                outcome_reason = u.outcome_reason, properties = u.properties::jsonb
           FROM unnest($1::text[], $2::uuid[], $3::int8[], $4::text[], $5::text[], $6::int2[], $7::text[], $8::uuid[],
                       $9::uuid[], $10::uuid[], $11::text[], $12::text[], $13::text[])
                AS u (tenant_id, id, revenue_minor, external_status, hubspot_dealstage, line_count, campaign_id,
                      attribution_id, advocate_id, inactive_attribution_id, outcome, outcome_reason, properties)
          WHERE o.tenant_id = u.tenant_id AND o.id = u.id",
    )
    .bind(column(orders, |o| &o.key.tenant))
    .bind(column(orders, |o| o.id))
    .bind(column(orders, |o| o.revenue.minor))
    .bind(column(orders, |o| o.external_status.as_str()))
    .bind(column(orders, |o| o.hubspot_dealstage.as_str()))
    .bind(column(orders, line_count))
    .bind(column(orders, |o| o.campaign_id.as_ref()))
    .bind(column(orders, |o| o.attribution.map(|a| a.attribution_id)))
    .bind(column(orders, |o| o.attribution.map(|a| a.advocate_id)))
    .bind(column(orders, |o| o.inactive_attribution_id))
    .bind(column(orders, |o| o.outcome.names().0))
    .bind(column(orders, |o| o.outcome.names().1))
    .bind(column(orders, |o| super::properties::write(&o.properties)))
    .execute(&mut **tx)
    .await?;
    if updated.rows_affected() != orders.len() as u64 {
        return Err(pg::Error::unreadable("orders", "rows to update are gone"));
    }
    line_items::delete(tx, orders).await?;
    let mut lines = Inserts::default();
    line_items::insert(&mut lines, orders);
    lines.send(tx).await
}

/// Writes what was given back of orders, and which are cancelled (O8).
pub(crate) async fn reverse(tx: &mut WriteTx, orders: &[&Order]) -> Result<(), pg::Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let written = sqlx::query(
        "UPDATE orders o
            SET refunded_minor = u.refunded_minor, cancelled_at = u.cancelled_at
           FROM unnest($1::text[], $2::uuid[], $3::int8[], $4::timestamptz[])
                AS u (tenant_id, id, refunded_minor, cancelled_at)
          WHERE o.tenant_id = u.tenant_id AND o.id = u.id",
    )
    .bind(column(orders, |o| &o.key.tenant))
    .bind(column(orders, |o| o.id))
    .bind(column(orders, |o| o.refunded_minor))
    .bind(column(orders, |o| o.cancelled_at))
    .execute(&mut **tx)
    .await?;
    if written.rows_affected() != orders.len() as u64 {
        return Err(pg::Error::unreadable("orders", "rows to update are gone"));
    }
    Ok(())
}
