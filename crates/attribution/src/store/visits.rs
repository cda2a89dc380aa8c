//! Visits (A8).

use std::collections::HashSet;

use pg::{Inserts, WriteTx};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use types::{CampaignId, ContactId, Shortcode, TenantId, Timestamp};
use uuid::Uuid;

use crate::domain::Books;
use crate::domain::visit::{About, Network, Visit, VisitorId};

/// Rows removed in one transaction, at most.
const PURGE: i64 = 1000;
/// Visits of one visitor that are looked at, newest first.
const LOOKED_AT: i64 = 200;

/// Visitors, and the moments at which their visits are asked for.
#[derive(Debug, Default)]
pub(crate) struct VisitorKeys<'a>(HashSet<(&'a TenantId, &'a str, Timestamp)>);

impl<'a> VisitorKeys<'a> {
    /// Adds one.
    pub(crate) fn add(&mut self, tenant: &'a TenantId, visitor: &'a VisitorId, at: Timestamp) {
        self.0.insert((tenant, visitor.as_str(), at));
    }
}

/// Which visits to list.
#[derive(Debug, Clone)]
pub(crate) struct VisitPage {
    /// Only those in this campaign.
    pub(crate) campaign: Option<CampaignId>,
    /// Only those through codes of this advocate.
    pub(crate) advocate: Option<ContactId>,
    /// Only those of this visitor.
    pub(crate) visitor: Option<VisitorId>,
    /// Only those before this one.
    pub(crate) after: Option<Uuid>,
    /// At most this many.
    pub(crate) limit: i64,
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    tenant_id: TenantId,
    visit_id: Uuid,
    visitor_id: String,
    shortcode: Shortcode,
    campaign_id: CampaignId,
    advocate_id: ContactId,
    channel: String,
    source: String,
    landing_path: String,
    user_agent: String,
    network: Option<String>,
    bot: bool,
    occurred_at: Timestamp,
}

impl Row {
    fn read(self) -> Result<Visit, pg::Error> {
        Ok(Visit {
            id: self.visit_id,
            // the value itself must not get into the log
            visitor: self.visitor_id.parse().map_err(|e| pg::Error::unreadable("visits.visitor_id", e))?,
            shortcode: self.shortcode,
            campaign: self.campaign_id,
            advocate: self.advocate_id,
            about: About {
                channel: self.channel,
                source: self.source,
                landing_path: self.landing_path,
                user_agent: self.user_agent,
                network: self.network.map(Network::stored),
                is_bot: self.bot,
            },
            occurred_at: self.occurred_at,
        })
    }
}

/// Loads the newest visits of these visitors in each campaign, and those of just these moments.
pub(crate) async fn load(
    conn: &mut PgConnection,
    keys: &VisitorKeys<'_>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    if keys.0.is_empty() {
        return Ok(());
    }
    let (mut tenants, mut visitors, mut moments) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, visitor, at) in &keys.0 {
        tenants.push(tenant.as_str());
        visitors.push(*visitor);
        moments.push(*at);
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT v.tenant_id, v.visit_id, v.visitor_id, v.shortcode, v.campaign_id, v.advocate_id, v.channel, v.source,
                v.landing_path, v.user_agent, v.network, v.bot, v.occurred_at
           FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS k (tenant_id, visitor_id, at)
          CROSS JOIN LATERAL (
              SELECT DISTINCT ON (n.campaign_id, n.bot, n.occurred_at = k.at, n.shortcode) n.*
                FROM (SELECT * FROM visits
                       WHERE visitor_id = k.visitor_id AND tenant_id IS NOT DISTINCT FROM k.tenant_id
                         AND occurred_at <= k.at
                       ORDER BY occurred_at DESC LIMIT $4) n
               ORDER BY n.campaign_id, n.bot, n.occurred_at = k.at, n.shortcode, n.occurred_at DESC) v",
    )
    .bind(tenants)
    .bind(visitors)
    .bind(moments)
    .bind(LOOKED_AT)
    .fetch_all(conn)
    .await?;
    for row in rows {
        let tenant = row.tenant_id.clone();
        books.of(&tenant).visits.add(row.read()?);
    }
    Ok(())
}

/// A page of a tenant's visits, newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    page: &VisitPage,
) -> Result<Vec<Visit>, pg::Error> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT tenant_id, visit_id, visitor_id, shortcode, campaign_id, advocate_id, channel, source, landing_path,
                user_agent, network, bot, occurred_at FROM visits WHERE visit_id < ",
    );
    query.push_bind(page.after.unwrap_or(Uuid::max()));
    if page.campaign.is_none() && page.advocate.is_none() && page.visitor.is_none() {
        query.push(" AND tenant_id = ").push_bind(tenant);
    } else {
        // so that only the index of what is asked for fits
        query.push(" AND tenant_id IS NOT DISTINCT FROM ").push_bind(tenant);
    }
    if let Some(campaign) = &page.campaign {
        query.push(" AND campaign_id = ").push_bind(campaign);
    }
    if let Some(advocate) = page.advocate {
        query.push(" AND advocate_id = ").push_bind(advocate);
    }
    if let Some(visitor) = &page.visitor {
        query.push(" AND visitor_id = ").push_bind(visitor.as_str());
    }
    query.push(" ORDER BY visit_id DESC LIMIT ").push_bind(page.limit);
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(Row::read).collect()
}

fn column<'a, T>(new: &[(&'a TenantId, &'a Visit)], of: impl Fn(&'a Visit) -> T) -> Vec<T> {
    new.iter().map(|(_, visit)| of(visit)).collect()
}

/// Writes new visits.
pub(super) fn save(inserts: &mut Inserts, books: &Books, now: Timestamp) {
    let new: Vec<(&TenantId, &Visit)> = books
        .iter()
        .flat_map(|(t, book)| book.visits.created().iter().map(move |visit| (t, visit)))
        .collect();
    if new.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO visits (tenant_id, visit_id, visitor_id, shortcode, campaign_id, advocate_id, channel, source,
                             landing_path, user_agent, network, bot, occurred_at, recorded_at)
         SELECT n.*, $14 FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[],
                $8::text[], $9::text[], $10::text[], $11::text[], $12::boolean[], $13::timestamptz[]) n",
        )
        .bind(new.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(column(&new, |visit| visit.id))
        .bind(column(&new, |visit| visit.visitor.as_str()))
        .bind(column(&new, |visit| visit.shortcode.as_str()))
        .bind(column(&new, |visit| visit.campaign.as_str()))
        .bind(column(&new, |visit| visit.advocate))
        .bind(column(&new, |visit| visit.about.channel.as_str()))
        .bind(column(&new, |visit| visit.about.source.as_str()))
        .bind(column(&new, |visit| visit.about.landing_path.as_str()))
        .bind(column(&new, |visit| visit.about.user_agent.as_str()))
        .bind(column(&new, |visit| visit.about.network.as_ref().map(Network::as_str)))
        .bind(column(&new, |visit| visit.about.is_bot))
        .bind(column(&new, |visit| visit.occurred_at))
        .bind(now);
}

/// Removes visits recorded before `before`; whether there may be more.
pub(crate) async fn purge(tx: &mut WriteTx, before: Timestamp) -> Result<bool, pg::Error> {
    let done = sqlx::query(
        "DELETE FROM visits WHERE (tenant_id, visit_id) IN (
             SELECT tenant_id, visit_id FROM visits WHERE recorded_at < $1 LIMIT $2)",
    )
    .bind(before)
    .bind(PURGE)
    .execute(&mut **tx)
    .await?;
    Ok(i64::try_from(done.rows_affected()) == Ok(PURGE))
}
