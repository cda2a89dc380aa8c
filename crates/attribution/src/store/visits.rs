//! Visits (A8).

use std::collections::HashSet;

use pg::{Inserts, WriteTx};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, QueryBuilder};
use types::{CampaignId, ContactId, Shortcode, TenantId, Timestamp};
use uuid::Uuid;

use crate::domain::Books;
use crate::domain::visit::{About, Network, Visit, VisitorId};

/// Rows removed in one transaction, at most.
const PURGE: i64 = 1000;
/// Visits of one visitor that are looked at as evidence, newest first; more are those of no person.
const LOOKED_AT: i64 = 1000;

/// Columns of [`Row`], of a row that is named `v`.
const COLUMNS: &str = "v.tenant_id, v.visit_id, v.visitor_id, v.shortcode, v.campaign_id, v.advocate_id, v.channel, \
                       v.source, v.landing_path, v.user_agent, v.network, v.bot, v.occurred_at";

/// Visitors, and the moments at which their visits are asked for.
#[derive(Debug, Default)]
pub(crate) struct VisitorKeys<'a>(HashSet<(&'a TenantId, &'a str, Timestamp)>);

/// Visits by what makes them the same: visitor, shortcode and moment.
#[derive(Debug, Default)]
pub(crate) struct VisitKeys<'a>(HashSet<(&'a TenantId, &'a str, &'a str, Timestamp)>);

impl<'a> VisitKeys<'a> {
    /// Adds one.
    pub(crate) fn add(
        &mut self,
        tenant: &'a TenantId,
        visitor: &'a VisitorId,
        shortcode: &'a Shortcode,
        at: Timestamp,
    ) {
        self.0.insert((tenant, visitor.as_str(), shortcode.as_str(), at));
    }
}

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

/// Loads the visits of these visitors that may be evidence at these moments (A8): those of people, and of those through one
/// advocate in one campaign the newest.
pub(crate) async fn load_evidence(
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
    let select = format!(
        "SELECT {COLUMNS}
           FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS k (tenant_id, visitor_id, at)
          CROSS JOIN LATERAL (
              SELECT DISTINCT ON (n.campaign_id, n.advocate_id) n.*
                FROM (SELECT * FROM visits
                       WHERE visitor_id = k.visitor_id AND bot = false
                         AND tenant_id IS NOT DISTINCT FROM k.tenant_id AND occurred_at <= k.at
                       ORDER BY occurred_at DESC LIMIT $4) n
               ORDER BY n.campaign_id, n.advocate_id, n.occurred_at DESC, n.visit_id DESC) v"
    );
    let query = sqlx::query_as(AssertSqlSafe(select)).bind(tenants).bind(visitors).bind(moments);
    take_in(query.bind(LOOKED_AT).fetch_all(conn).await?, books)
}

/// Loads these visits, of people and machines.
pub(crate) async fn load(
    conn: &mut PgConnection,
    keys: &VisitKeys<'_>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    if keys.0.is_empty() {
        return Ok(());
    }
    let (mut tenants, mut visitors) = (Vec::new(), Vec::new());
    let (mut shortcodes, mut moments) = (Vec::new(), Vec::new());
    for (tenant, visitor, shortcode, at) in &keys.0 {
        tenants.push(tenant.as_str());
        visitors.push(*visitor);
        shortcodes.push(*shortcode);
        moments.push(*at);
    }
    let select = format!(
        "SELECT {COLUMNS}
           FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
                AS k (tenant_id, visitor_id, shortcode, at)
          CROSS JOIN LATERAL (
              SELECT * FROM visits
               WHERE visitor_id = k.visitor_id AND bot IN (false, true) AND occurred_at = k.at
                 AND shortcode = k.shortcode AND tenant_id IS NOT DISTINCT FROM k.tenant_id OFFSET 0) v"
    );
    let query = sqlx::query_as(AssertSqlSafe(select)).bind(tenants).bind(visitors).bind(shortcodes);
    take_in(query.bind(moments).fetch_all(conn).await?, books)
}

fn take_in(rows: Vec<Row>, books: &mut Books) -> Result<(), pg::Error> {
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
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    push_list(&mut query, tenant, page);
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(Row::read).collect()
}

/// All of the statement but its first word.
pub(super) fn push_list(query: &mut QueryBuilder<Postgres>, tenant: &TenantId, page: &VisitPage) {
    query.push(COLUMNS).push(" FROM visits v WHERE visit_id < ").push_bind(page.after.unwrap_or(Uuid::max()));
    // so that only the index of what is asked for fits: of several the one that narrows most
    match page {
        VisitPage { visitor: None, advocate: None, campaign: None, .. } => {
            query.push(" AND tenant_id = ").push_bind(tenant.clone());
        }
        VisitPage { visitor: None, advocate: None, campaign: Some(campaign), .. } => {
            super::push_of_campaign(query, tenant, campaign);
        }
        VisitPage { visitor, advocate, campaign, .. } => {
            query.push(" AND tenant_id IS NOT DISTINCT FROM ").push_bind(tenant.clone());
            if let Some(visitor) = visitor {
                query.push(" AND visitor_id = ").push_bind(visitor.as_str().to_owned());
            }
            if let Some(advocate) = advocate {
                let comparison = if visitor.is_some() {
                    " AND advocate_id IS NOT DISTINCT FROM "
                } else {
                    " AND advocate_id = "
                };
                query.push(comparison).push_bind(*advocate);
            }
            if let Some(campaign) = campaign {
                query.push(" AND campaign_id = ").push_bind(campaign.clone());
            }
        }
    }
    query.push(" ORDER BY visit_id DESC LIMIT ").push_bind(page.limit);
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
