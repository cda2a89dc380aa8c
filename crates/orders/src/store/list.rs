//! Reading single orders and pages of them.

use pg::Database;
use sqlx::{Postgres, QueryBuilder};
use types::{CampaignId, ContactId, TenantId};
use uuid::Uuid;

use super::orders::{OrderRow, columns, complete};
use crate::domain::{Order, OrderKey};

/// Which orders are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Only those of this campaign, if given.
    pub(crate) campaign_id: Option<CampaignId>,
    /// Only those of this customer, if given.
    pub(crate) contact_id: Option<ContactId>,
}

/// One order.
pub(crate) async fn get(db: &Database, key: &OrderKey) -> Result<Option<Order>, pg::Error> {
    let mut connection = db.read().acquire().await?;
    Ok(super::orders::load(&mut connection, &[key]).await?.remove(key))
}

/// Up to `limit` orders, newest recorded first, beginning after `after`.
pub(crate) async fn page(
    db: &Database,
    filter: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Order>, pg::Error> {
    let select = concat!("SELECT ", columns!(), " FROM orders WHERE tenant_id = ");
    let mut query = QueryBuilder::<Postgres>::new(select);
    query.push_bind(&filter.tenant);
    if let Some(campaign_id) = &filter.campaign_id {
        query.push(" AND campaign_id = ").push_bind(campaign_id);
    }
    if let Some(contact_id) = &filter.contact_id {
        query.push(" AND contact_id = ").push_bind(contact_id);
    }
    if let Some(after) = after {
        query.push(" AND id < ").push_bind(after);
    }
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    let mut connection = db.read().acquire().await?;
    let rows: Vec<OrderRow> = query.build_query_as().fetch_all(&mut *connection).await?;
    complete(&mut connection, rows).await
}
