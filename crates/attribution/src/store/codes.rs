//! Shortcodes.

use std::collections::HashSet;

use pg::Inserts;
use sqlx::PgConnection;
use types::{CampaignId, ContactId, Shortcode, TenantId, Timestamp};

use crate::domain::Books;
use crate::domain::code::Owner;

/// Codes to load, of either kind, in upper case.
#[derive(Debug, Default)]
pub(crate) struct CodeKeys<'a>(HashSet<(&'a TenantId, &'a str)>);

impl<'a> CodeKeys<'a> {
    /// Adds one.
    pub(crate) fn add(&mut self, tenant: &'a TenantId, code: &'a str) {
        self.0.insert((tenant, code));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tenants and codes.
    pub(super) fn columns(&self) -> (Vec<&str>, Vec<&str>) {
        self.0.iter().map(|(tenant, code)| (tenant.as_str(), *code)).unzip()
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    tenant_id: TenantId,
    code: Shortcode,
    campaign_id: CampaignId,
    advocate_id: ContactId,
    created_at: Timestamp,
}

/// Loads these codes.
pub(crate) async fn load(
    conn: &mut PgConnection,
    keys: &CodeKeys<'_>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    if keys.0.is_empty() {
        return Ok(());
    }
    let (tenants, codes) = keys.columns();
    let rows = sqlx::query_as(
        "SELECT s.tenant_id, s.code, s.campaign_id, s.advocate_id, s.created_at
           FROM unnest($1::text[], $2::text[]) AS k (tenant_id, code)
          CROSS JOIN LATERAL (
              SELECT * FROM shortcodes WHERE tenant_id = k.tenant_id AND code = k.code OFFSET 0) s",
    )
    .bind(tenants)
    .bind(codes)
    .fetch_all(conn)
    .await?;
    take_in(rows, books);
    Ok(())
}

/// Loads the codes of all contacts in the books.
pub(crate) async fn load_of_people(conn: &mut PgConnection, books: &mut Books) -> Result<(), pg::Error> {
    let (tenants, ids) = super::people_of(books);
    if ids.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query_as(
        "SELECT s.tenant_id, s.code, s.campaign_id, s.advocate_id, s.created_at
           FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, advocate_id)
          CROSS JOIN LATERAL (
              SELECT * FROM shortcodes
               WHERE advocate_id = k.advocate_id AND tenant_id IS NOT DISTINCT FROM k.tenant_id OFFSET 0) s",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    take_in(rows, books);
    Ok(())
}

fn take_in(rows: Vec<Row>, books: &mut Books) {
    for row in rows {
        let owner =
            Owner { campaign: row.campaign_id, advocate: row.advocate_id, created_at: row.created_at };
        books.of(&row.tenant_id).codes.add(row.code, owner);
    }
}

/// Writes new codes.
pub(super) fn save(inserts: &mut Inserts, books: &Books) {
    let new = books.iter().flat_map(|(tenant, book)| book.codes.created().map(move |code| (tenant, code)));
    let (mut tenants, mut codes, mut campaigns) = (Vec::new(), Vec::new(), Vec::new());
    let (mut advocates, mut created_at) = (Vec::new(), Vec::new());
    for (tenant, (code, owner)) in new {
        tenants.push(tenant.as_str());
        codes.push(code.as_str());
        campaigns.push(owner.campaign.as_str());
        advocates.push(owner.advocate);
        created_at.push(owner.created_at);
    }
    if tenants.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO shortcodes (tenant_id, code, campaign_id, advocate_id, created_at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[])",
        )
        .bind(tenants)
        .bind(codes)
        .bind(campaigns)
        .bind(advocates)
        .bind(created_at);
}
