//! Reading single orders and pages of them.

use pg::Database;
use proto::attribution as wire;
use rpc::filter::{self, Field, Kind};
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, QueryBuilder};
use types::{CampaignId, ContactId, TenantId};
use uuid::Uuid;

use super::orders::{OrderRow, columns, complete};
use crate::domain::{Order, OrderKey};

/// What orders can be filtered by (O11); the contract's comment names them.
pub(crate) const FIELDS: &[Field] = &[
    Field { name: "order_id", kind: Kind::Text, sql: "order_id" },
    Field { name: "source", kind: Kind::Text, sql: "source" },
    Field { name: "contact_id", kind: Kind::Id, sql: "contact_id" },
    Field { name: "campaign_id", kind: Kind::Text, sql: "campaign_id" },
    Field { name: "attribution_id", kind: Kind::Id, sql: "attribution_id" },
    Field { name: "advocate_id", kind: Kind::Id, sql: "advocate_id" },
    Field { name: "inactive_attribution_id", kind: Kind::Id, sql: "inactive_attribution_id" },
    Field { name: "outcome", kind: Kind::Names(rpc::enum_names!(wire::Outcome)), sql: "outcome" },
    Field {
        name: "inactive_reason",
        kind: Kind::Names(rpc::enum_names!(wire::InactiveReason)),
        sql: "(CASE outcome WHEN 'LOGGED_INACTIVE' THEN outcome_reason END)",
    },
    Field {
        name: "unresolved_reason",
        kind: Kind::Names(rpc::enum_names!(wire::UnresolvedReason)),
        sql: "(CASE outcome WHEN 'UNRESOLVED' THEN outcome_reason END)",
    },
    Field { name: "revenue", kind: Kind::Money { currency: "currency" }, sql: "revenue_minor" },
    Field { name: "revenue.currency_code", kind: Kind::Text, sql: "currency" },
    Field { name: "refunded", kind: Kind::Money { currency: "currency" }, sql: "refunded_minor" },
    Field { name: "external_status", kind: Kind::Text, sql: "external_status" },
    Field { name: "hubspot_dealstage", kind: Kind::Text, sql: "hubspot_dealstage" },
    Field { name: "occurred_at", kind: Kind::Timestamp, sql: "occurred_at" },
    Field { name: "cancelled_at", kind: Kind::Timestamp, sql: "cancelled_at" },
    Field { name: "recorded_at", kind: Kind::Recorded { id: "id" }, sql: "recorded_at" },
];

/// The order of ids, which is that of recording, from either end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByRecording {
    NewestFirst,
    OldestFirst,
}

/// What orders can be ordered by: what the primary key and the indexes serve, all of which end with the id.
pub(crate) const ORDERS: [(&str, ByRecording); 2] =
    [("recorded_at desc", ByRecording::NewestFirst), ("recorded_at", ByRecording::OldestFirst)];

/// Which orders are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Only those of this campaign, if given.
    pub(crate) campaign_id: Option<CampaignId>,
    /// Only those of this customer, if given.
    pub(crate) contact_id: Option<ContactId>,
    /// In which order.
    pub(crate) order: ByRecording,
    /// None that is newer than this one, if given.
    pub(crate) up_to: Option<Uuid>,
    /// Only those that match.
    pub(crate) matching: filter::Filter,
}

/// One order.
pub(crate) async fn get(db: &Database, key: &OrderKey) -> Result<Option<Order>, pg::Error> {
    let mut connection = db.read().acquire().await?;
    Ok(super::orders::load(&mut connection, &[key]).await?.remove(key))
}

/// Up to `limit` orders, beginning after `after`.
pub(crate) async fn page(
    db: &Database,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Order>, pg::Error> {
    let mut connection = db.read().acquire().await?;
    let rows = select(&mut connection, filter, after, limit).await?;
    complete(&mut connection, rows).await
}

/// Up to `limit` orders with about `lines` lines in all, beginning after `after`, all of one moment; and whether there may be more.
pub(crate) async fn part(
    db: &Database,
    filter: &Filter,
    after: Option<Uuid>,
    (limit, lines): (i64, i64),
) -> Result<(Vec<Order>, bool), pg::Error> {
    let mut tx = db.read().begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let mut rows = select(&mut tx, filter, after, limit).await?;
    let mut more = i64::try_from(rows.len()).is_ok_and(|read| read == limit);
    let mut sum = 0;
    let fitting = rows.iter().take_while(|row| {
        let fits = sum == 0 || sum + row.lines() <= lines;
        sum += row.lines();
        fits
    });
    let fitting = fitting.count();
    more |= fitting < rows.len();
    rows.truncate(fitting);
    let orders = complete(&mut tx, rows).await?;
    tx.commit().await?;
    Ok((orders, more))
}

/// The newest order of a tenant.
pub(crate) async fn newest(db: &Database, tenant: &TenantId) -> Result<Option<Uuid>, pg::Error> {
    let newest = sqlx::query_scalar("SELECT id FROM orders WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1");
    Ok(newest.bind(tenant).fetch_optional(db.read()).await?)
}

async fn select(
    connection: &mut PgConnection,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<OrderRow>, pg::Error> {
    let select = concat!("SELECT ", columns!(), " FROM orders WHERE tenant_id = ");
    let mut query = statement(select, filter, after, limit);
    Ok(query.build_query_as().persistent(filter.matching.is_blank()).fetch_all(connection).await?)
}

/// The statement of a page; `select` ends before the tenant.
fn statement(select: &str, filter: &Filter, after: Option<Uuid>, limit: i64) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::<Postgres>::new(select);
    query.push_bind(&filter.tenant);
    if let Some(campaign_id) = &filter.campaign_id {
        query.push(" AND campaign_id = ").push_bind(campaign_id);
    }
    if let Some(contact_id) = &filter.contact_id {
        query.push(" AND contact_id = ").push_bind(contact_id);
    }
    filter.matching.narrow(&mut query);
    let (beyond, order) = match filter.order {
        ByRecording::NewestFirst => (" AND id < ", " ORDER BY id DESC LIMIT "),
        ByRecording::OldestFirst => (" AND id > ", " ORDER BY id LIMIT "),
    };
    if let Some(after) = after {
        query.push(beyond).push_bind(after);
    }
    if let Some(up_to) = filter.up_to {
        query.push(" AND id <= ").push_bind(up_to);
    }
    query.push(order).push_bind(limit);
    query
}

#[cfg(test)]
mod tests;
