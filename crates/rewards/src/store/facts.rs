//! Facts from upstream: refunds of orders (R9), flags and statuses of contacts (A9).

use std::collections::{HashMap, HashSet};

use pg::sqlx::PgExecutor;
use pg::{Inserts, WriteTx};
use sqlx::FromRow;
use types::{ContactId, EventId, Money, OrderId, TenantId, Timestamp};

use super::codes::Code;
use super::row;
use crate::domain::book::Who;
use crate::domain::refund::{OrderFact, OrderKey};
use crate::domain::standing::{ContactFact, Standing, Told};

/// The id of a fact, and whose it is.
pub(crate) type Key = (TenantId, EventId);

const KNOWN_OF_ORDERS: &str = "SELECT f.tenant_id, f.event_id
       FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, event_id)
      CROSS JOIN LATERAL (
          SELECT * FROM order_facts WHERE tenant_id = k.tenant_id AND event_id = k.event_id OFFSET 0) f";
const KNOWN_OF_CONTACTS: &str = "SELECT f.tenant_id, f.event_id
       FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, event_id)
      CROSS JOIN LATERAL (
          SELECT * FROM contact_facts WHERE tenant_id = k.tenant_id AND event_id = k.event_id OFFSET 0) f";

/// Those of these facts about orders that are there.
pub(crate) async fn known_of_orders(tx: &mut WriteTx, keys: &[Key]) -> Result<HashSet<Key>, pg::Error> {
    known(tx, KNOWN_OF_ORDERS, keys).await
}

/// Those of these facts about contacts that are there.
pub(crate) async fn known_of_contacts(tx: &mut WriteTx, keys: &[Key]) -> Result<HashSet<Key>, pg::Error> {
    known(tx, KNOWN_OF_CONTACTS, keys).await
}

async fn known(tx: &mut WriteTx, select: &'static str, keys: &[Key]) -> Result<HashSet<Key>, pg::Error> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<Key> = sqlx::query_as(select)
        .bind(keys.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, event)| *event).collect::<Vec<_>>())
        .fetch_all(&mut **tx)
        .await?;
    Ok(rows.into_iter().collect())
}

#[derive(FromRow)]
struct OrderRow {
    tenant_id: TenantId,
    event_id: EventId,
    order_id: OrderId,
    source: String,
    revenue_minor: i64,
    refunded_minor: i64,
    currency: String,
    occurred_at: Timestamp,
}

impl TryFrom<OrderRow> for OrderFact {
    type Error = pg::Error;

    fn try_from(row: OrderRow) -> Result<Self, pg::Error> {
        let currency = row::currency("order_facts.currency", &row.currency)?;
        Ok(Self {
            event_id: row.event_id,
            order: OrderKey { tenant: row.tenant_id, order_id: row.order_id, source: row.source },
            revenue: Money::new(row.revenue_minor, currency),
            refunded_minor: row.refunded_minor,
            occurred_at: row.occurred_at,
        })
    }
}

/// What was told of these orders, each in the order it came.
pub(crate) async fn of_orders(
    tx: &mut pg::sqlx::PgConnection,
    orders: &[OrderKey],
) -> Result<HashMap<OrderKey, Vec<OrderFact>>, pg::Error> {
    let mut facts: HashMap<OrderKey, Vec<OrderFact>> = HashMap::new();
    if orders.is_empty() {
        return Ok(facts);
    }
    let rows: Vec<OrderRow> = sqlx::query_as(
        "SELECT f.tenant_id, f.event_id, f.order_id, f.source, f.revenue_minor, f.refunded_minor, f.currency,
                f.occurred_at
           FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tenant_id, order_id, source)
          CROSS JOIN LATERAL (
              SELECT * FROM order_facts
               WHERE order_id = k.order_id AND tenant_id = k.tenant_id AND source = k.source OFFSET 0) f
          ORDER BY f.seq",
    )
    .bind(orders.iter().map(|order| order.tenant.as_str()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.order_id.as_str()).collect::<Vec<_>>())
    .bind(orders.iter().map(|order| order.source.as_str()).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    for row in rows {
        let fact = OrderFact::try_from(row)?;
        facts.entry(fact.order.clone()).or_default().push(fact);
    }
    Ok(facts)
}

/// How these contacts stand, as far as anything was told of them.
pub(crate) async fn standings(
    db: impl PgExecutor<'_>,
    contacts: &[Who],
) -> Result<HashMap<Who, Standing>, pg::Error> {
    let mut standings: HashMap<Who, Standing> = HashMap::new();
    if contacts.is_empty() {
        return Ok(standings);
    }
    let rows: Vec<(TenantId, ContactId, EventId, i16)> = sqlx::query_as(
        "SELECT k.tenant_id, k.contact_id, f.event_id, f.kind
           FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, contact_id)
          CROSS JOIN LATERAL (
              SELECT DISTINCT ON (kind <= 2) event_id, kind FROM contact_facts
               WHERE contact_id = k.contact_id AND tenant_id = k.tenant_id
               ORDER BY kind <= 2, seq DESC OFFSET 0) f",
    )
    .bind(contacts.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
    .bind(contacts.iter().map(|(_, contact)| *contact).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    for (tenant, contact, event, kind) in rows {
        let told = Told::read("contact_facts.kind", kind)?;
        standings.entry((tenant, contact)).or_default().tell(told, event);
    }
    Ok(standings)
}

/// Appends facts about orders.
pub(crate) fn save_of_orders(inserts: &mut Inserts, facts: &[OrderFact], now: Timestamp) {
    if facts.is_empty() {
        return;
    }
    let orders = || facts.iter().map(|fact| &fact.order);
    inserts
        .add(
            "INSERT INTO order_facts (tenant_id, event_id, order_id, source, revenue_minor, refunded_minor, currency,
                                  occurred_at, recorded_at)
         SELECT f.tenant_id, f.event_id, f.order_id, f.source, f.revenue_minor, f.refunded_minor, f.currency,
                f.occurred_at, $9
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[],
                       $8::timestamptz[]) WITH ORDINALITY
                  AS f (tenant_id, event_id, order_id, source, revenue_minor, refunded_minor, currency, occurred_at, n)
          ORDER BY f.n",
        )
        .bind(orders().map(|order| order.tenant.as_str()).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.event_id).collect::<Vec<_>>())
        .bind(orders().map(|order| order.order_id.as_str()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.source.as_str()).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.revenue.minor).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.refunded_minor).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.revenue.currency.code()).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.occurred_at).collect::<Vec<_>>())
        .bind(now);
}

/// Appends facts about contacts.
pub(crate) fn save_of_contacts(inserts: &mut Inserts, facts: &[ContactFact], now: Timestamp) {
    if facts.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO contact_facts (tenant_id, event_id, contact_id, kind, occurred_at, recorded_at)
         SELECT f.tenant_id, f.event_id, f.contact_id, f.kind, f.occurred_at, $6
           FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::smallint[], $5::timestamptz[]) WITH ORDINALITY
                  AS f (tenant_id, event_id, contact_id, kind, occurred_at, n)
          ORDER BY f.n",
        )
        .bind(facts.iter().map(|fact| fact.tenant.as_str()).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.event_id).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.contact).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.told.code()).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.occurred_at).collect::<Vec<_>>())
        .bind(now);
}
