//! Coupon codes and the pools of campaigns (A14).

use std::collections::BTreeSet;

use pg::{Inserts, WriteTx};
use sqlx::PgConnection;
use types::{CampaignId, ContactId, CouponCode, TenantId, Timestamp};

use super::codes::CodeKeys;
use crate::domain::Books;
use crate::domain::coupon::Coupon;

#[derive(Debug, sqlx::FromRow)]
struct Row {
    tenant_id: TenantId,
    code: CouponCode,
    campaign_id: Option<CampaignId>,
    advocate_id: Option<ContactId>,
    single_use: bool,
    used_by: Option<ContactId>,
    used_in: Option<CampaignId>,
    issued_at: Timestamp,
}

fn take_in(rows: Vec<Row>, books: &mut Books) {
    for row in rows {
        books.of(&row.tenant_id).coupons.add(Coupon {
            code: row.code,
            campaign: row.campaign_id,
            advocate: row.advocate_id,
            is_single_use: row.single_use,
            used_by: row.used_by.zip(row.used_in),
            issued_at: row.issued_at,
        });
    }
}

/// Loads the coupon codes among these codes.
pub(crate) async fn load(
    conn: &mut PgConnection,
    keys: &CodeKeys<'_>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    if keys.is_empty() {
        return Ok(());
    }
    let (tenants, codes) = keys.columns();
    let rows = sqlx::query_as(
        "SELECT c.tenant_id, c.code, c.campaign_id, c.advocate_id, c.single_use, c.used_by, c.used_in, c.issued_at
           FROM unnest($1::text[], $2::text[]) AS k (tenant_id, code)
          CROSS JOIN LATERAL (
              SELECT * FROM coupon_codes WHERE tenant_id = k.tenant_id AND code = k.code OFFSET 0) c",
    )
    .bind(tenants)
    .bind(codes)
    .fetch_all(conn)
    .await?;
    take_in(rows, books);
    Ok(())
}

/// Loads, for each campaign in the books, the codes that its pool gives out next: no more than the `draws` that there can be.
/// And then, where there is something to draw, which contacts in the books have a code in these campaigns.
pub(crate) async fn load_pools(
    conn: &mut PgConnection,
    draws: usize,
    books: &mut Books,
) -> Result<(), pg::Error> {
    let campaigns = books.iter().flat_map(|(tenant, book)| {
        book.campaigns.keys().map(move |campaign| (tenant.as_str(), campaign.as_str()))
    });
    let (tenants, campaigns): (Vec<&str>, Vec<&str>) = campaigns.unzip();
    if tenants.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.tenant_id, c.code, c.campaign_id, c.advocate_id, c.single_use, c.used_by, c.used_in, c.issued_at
           FROM unnest($1::text[], $2::text[]) AS k (tenant_id, campaign_id)
          CROSS JOIN LATERAL (
              SELECT * FROM coupon_codes
               WHERE campaign_id = k.campaign_id AND tenant_id IS NOT DISTINCT FROM k.tenant_id
                 AND advocate_id IS NULL
               ORDER BY issued_at, code LIMIT $3) c",
    )
    .bind(tenants)
    .bind(campaigns)
    .bind(i64::try_from(draws).unwrap_or(i64::MAX))
    .fetch_all(&mut *conn)
    .await?;
    let pools: BTreeSet<(TenantId, CampaignId)> =
        rows.iter().filter_map(|row| Some((row.tenant_id.clone(), row.campaign_id.clone()?))).collect();
    take_in(rows, books);
    load_holders(conn, &pools, books).await
}

/// Loads which contacts in the books have a code in these campaigns.
async fn load_holders(
    conn: &mut PgConnection,
    campaigns: &BTreeSet<(TenantId, CampaignId)>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    let (mut tenants, mut advocates, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, campaign) in campaigns {
        for contact in books.get(tenant).into_iter().flat_map(|book| book.people.iter()) {
            tenants.push(tenant.as_str());
            advocates.push(contact.get().id);
            places.push(campaign.as_str());
        }
    }
    if tenants.is_empty() {
        return Ok(());
    }
    let rows: Vec<(TenantId, ContactId, CampaignId)> = sqlx::query_as(
        "SELECT k.tenant_id, k.advocate_id, k.campaign_id
           FROM unnest($1::text[], $2::uuid[], $3::text[]) AS k (tenant_id, advocate_id, campaign_id)
          CROSS JOIN LATERAL (
              SELECT 1 FROM coupon_codes
               WHERE advocate_id = k.advocate_id AND campaign_id = k.campaign_id
                 AND tenant_id IS NOT DISTINCT FROM k.tenant_id LIMIT 1) c",
    )
    .bind(tenants)
    .bind(advocates)
    .bind(places)
    .fetch_all(conn)
    .await?;
    for (tenant, advocate, campaign) in rows {
        books.of(&tenant).coupons.add_holder(advocate, campaign);
    }
    Ok(())
}

/// Writes new and changed codes; whether there were any of these.
pub(super) async fn save(tx: &mut WriteTx, inserts: &mut Inserts, books: &Books) -> Result<bool, pg::Error> {
    let (mut changed, mut created) = (Columns::default(), Columns::default());
    for (tenant, book) in books.iter() {
        for coupon in book.coupons.iter() {
            if coupon.is_changed() {
                changed.push(tenant, coupon.get());
            } else if coupon.is_created() {
                created.push(tenant, coupon.get());
            }
        }
    }
    update(tx, &changed).await?;
    insert(inserts, &created);
    Ok(!changed.codes.is_empty())
}

#[derive(Debug, Default)]
struct Columns<'a> {
    tenants: Vec<&'a str>,
    codes: Vec<&'a str>,
    campaigns: Vec<Option<&'a str>>,
    advocates: Vec<Option<ContactId>>,
    single_use: Vec<bool>,
    used_by: Vec<Option<ContactId>>,
    used_in: Vec<Option<&'a str>>,
    issued_at: Vec<Timestamp>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, tenant: &'a TenantId, coupon: &'a Coupon) {
        self.tenants.push(tenant.as_str());
        self.codes.push(coupon.code.as_str());
        self.campaigns.push(coupon.campaign.as_ref().map(CampaignId::as_str));
        self.advocates.push(coupon.advocate);
        self.single_use.push(coupon.is_single_use);
        self.used_by.push(coupon.used_by.as_ref().map(|(contact, _)| *contact));
        self.used_in.push(coupon.used_by.as_ref().map(|(_, campaign)| campaign.as_str()));
        self.issued_at.push(coupon.issued_at);
    }
}

fn insert(inserts: &mut Inserts, new: &Columns<'_>) {
    if new.codes.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO coupon_codes (tenant_id, code, campaign_id, advocate_id, single_use, used_by, used_in, issued_at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::boolean[], $6::uuid[], $7::text[],
                              $8::timestamptz[])",
        )
        .bind(&new.tenants)
        .bind(&new.codes)
        .bind(&new.campaigns)
        .bind(&new.advocates)
        .bind(&new.single_use)
        .bind(&new.used_by)
        .bind(&new.used_in)
        .bind(&new.issued_at);
}

async fn update(tx: &mut WriteTx, changed: &Columns<'_>) -> Result<(), pg::Error> {
    if changed.codes.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "UPDATE coupon_codes c
            SET advocate_id = n.advocate_id, used_by = n.used_by, used_in = n.used_in
           FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[])
                AS n (tenant_id, code, advocate_id, used_by, used_in)
          WHERE c.tenant_id = n.tenant_id AND c.code = n.code",
    )
    .bind(&changed.tenants)
    .bind(&changed.codes)
    .bind(&changed.advocates)
    .bind(&changed.used_by)
    .bind(&changed.used_in)
    .execute(&mut **tx)
    .await?;
    super::all_changed("coupon_codes", done.rows_affected(), changed.codes.len())
}
