//! Campaigns.

use std::collections::HashSet;

use pg::WriteTx;
use sqlx::PgConnection;
use types::{CampaignId, SegmentId, TenantId, Timestamp};

use super::SegmentKeys;
use crate::domain::campaign::{Eligibility, SelfReferral, Window};
use crate::domain::{Books, Campaign, Policies};

/// Campaigns to load.
#[derive(Debug, Default)]
pub(crate) struct CampaignKeys<'a>(HashSet<(&'a TenantId, CampaignId)>);

impl<'a> CampaignKeys<'a> {
    /// Adds one.
    pub(crate) fn add(&mut self, tenant: &'a TenantId, campaign: CampaignId) {
        self.0.insert((tenant, campaign));
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    tenant_id: TenantId,
    campaign_id: CampaignId,
    name: String,
    currency_code: String,
    segment_ids: Vec<SegmentId>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    self_referral: i16,
    eligibility: i16,
    window_days: i16,
    paused: bool,
}

impl Row {
    fn read(self) -> Result<Campaign, pg::Error> {
        let currency = self.currency_code.parse();
        Ok(Campaign {
            id: self.campaign_id,
            name: self.name,
            currency: currency
                .map_err(|_| pg::Error::unreadable("campaigns.currency_code", self.currency_code))?,
            segments: self.segment_ids.into_iter().collect(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            policies: Policies {
                self_referral: super::number(
                    SelfReferral::from_number(self.self_referral),
                    "campaigns.self_referral",
                    self.self_referral,
                )?,
                eligibility: super::number(
                    Eligibility::from_number(self.eligibility),
                    "campaigns.eligibility",
                    self.eligibility,
                )?,
                window: super::number(
                    Window::of_days(self.window_days.into()),
                    "campaigns.window_days",
                    self.window_days,
                )?,
                is_paused: self.paused,
            },
        })
    }
}

/// Loads these campaigns.
pub(crate) async fn load(
    conn: &mut PgConnection,
    keys: &CampaignKeys<'_>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    if keys.0.is_empty() {
        return Ok(());
    }
    let (tenants, ids): (Vec<_>, Vec<_>) = keys.0.iter().map(|(t, c)| (t.as_str(), c.as_str())).unzip();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.tenant_id, c.campaign_id, c.name, c.currency_code, c.segment_ids, c.starts_at, c.ends_at,
                c.self_referral, c.eligibility, c.window_days, c.paused
           FROM unnest($1::text[], $2::text[]) AS k (tenant_id, campaign_id)
          CROSS JOIN LATERAL (
              SELECT * FROM campaigns WHERE tenant_id = k.tenant_id AND campaign_id = k.campaign_id OFFSET 0) c",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    take_in(rows, books)
}

/// Loads the campaigns whose advocates are in any of these segments.
pub(crate) async fn load_of_segments(
    conn: &mut PgConnection,
    keys: &SegmentKeys<'_>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    let (tenants, segments) = keys.columns();
    if tenants.is_empty() {
        return Ok(());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT c.tenant_id, c.campaign_id, c.name, c.currency_code, c.segment_ids, c.starts_at, c.ends_at,
                c.self_referral, c.eligibility, c.window_days, c.paused
           FROM unnest($1::text[], $2::text[]) AS k (tenant_id, segment_id)
          CROSS JOIN LATERAL (
              SELECT * FROM campaigns
               WHERE tenant_id = k.tenant_id AND k.segment_id = ANY (segment_ids) OFFSET 0) c",
    )
    .bind(tenants)
    .bind(segments)
    .fetch_all(conn)
    .await?;
    take_in(rows, books)
}

fn take_in(rows: Vec<Row>, books: &mut Books) -> Result<(), pg::Error> {
    for row in rows {
        let tenant = row.tenant_id.clone();
        let campaign = row.read()?;
        books.of(&tenant).campaigns.insert(campaign.id.clone(), campaign);
    }
    Ok(())
}

/// A page of a tenant's campaigns by id.
pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<Campaign>, pg::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT tenant_id, campaign_id, name, currency_code, segment_ids, starts_at, ends_at, self_referral, eligibility,
                window_days, paused
           FROM campaigns WHERE tenant_id = $1 AND campaign_id > $2 ORDER BY campaign_id LIMIT $3",
    )
    .bind(tenant)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// Writes a campaign, new or changed.
pub(crate) async fn put(tx: &mut WriteTx, tenant: &TenantId, campaign: &Campaign) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO campaigns (tenant_id, campaign_id, name, currency_code, segment_ids, starts_at, ends_at,
                                self_referral, eligibility, window_days, paused)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (tenant_id, campaign_id) DO UPDATE
            SET name = excluded.name, segment_ids = excluded.segment_ids, starts_at = excluded.starts_at,
                ends_at = excluded.ends_at, self_referral = excluded.self_referral,
                eligibility = excluded.eligibility, window_days = excluded.window_days, paused = excluded.paused",
    )
    .bind(tenant)
    .bind(&campaign.id)
    .bind(&campaign.name)
    .bind(campaign.currency.code())
    .bind(campaign.segments.iter().map(SegmentId::as_str).collect::<Vec<_>>())
    .bind(campaign.starts_at)
    .bind(campaign.ends_at)
    .bind(campaign.policies.self_referral.number())
    .bind(campaign.policies.eligibility.number())
    .bind(campaign.policies.window.days())
    .bind(campaign.policies.is_paused)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
