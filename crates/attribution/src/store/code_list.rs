//! Listing codes of both kinds in one order.

use sqlx::{PgConnection, Postgres, QueryBuilder};
use types::{CampaignId, ContactId, TenantId, Timestamp};

use crate::domain::code::{CodeKind, CodeState};

/// Which codes to list.
#[derive(Debug, Clone)]
pub(crate) struct CodePage {
    /// Only those of this campaign.
    pub(crate) campaign: Option<CampaignId>,
    /// Only those of this advocate.
    pub(crate) advocate: Option<ContactId>,
    /// Only those of this kind.
    pub(crate) kind: Option<CodeKind>,
    /// Only those in this state.
    pub(crate) state: Option<CodeState>,
    /// Only those after this one.
    pub(crate) after: String,
    /// At most this many.
    pub(crate) limit: i64,
}

/// A code of either kind.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct ListedCode {
    /// The code.
    pub(crate) code: String,
    /// Number of its kind.
    pub(crate) kind: i16,
    /// Its campaign; none if it is global.
    pub(crate) campaign_id: Option<CampaignId>,
    /// Its advocate; none while it is in a pool.
    pub(crate) advocate_id: Option<ContactId>,
    /// Whether one contact only may use it.
    pub(crate) single_use: bool,
    /// Who used it, if it is single use.
    pub(crate) used_by: Option<ContactId>,
    /// When it was issued.
    pub(crate) issued_at: Timestamp,
}

const SHORTCODES: &str = "SELECT code, 1::smallint AS kind, campaign_id, advocate_id, false AS single_use,
                                 NULL::uuid AS used_by, created_at AS issued_at FROM shortcodes";
const COUPON_CODES: &str =
    "SELECT code, 2::smallint AS kind, campaign_id, advocate_id, single_use, used_by, issued_at
                              FROM coupon_codes";

/// A page of a tenant's codes, in their order.
pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    page: &CodePage,
) -> Result<Vec<ListedCode>, pg::Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    push_list(&mut query, tenant, page);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// All of the statement but its first word.
pub(super) fn push_list(query: &mut QueryBuilder<Postgres>, tenant: &TenantId, page: &CodePage) {
    query.push("* FROM ((");
    // a page of each kind: what comes after both is not wanted
    select(query, (SHORTCODES, CodeKind::Shortcode), tenant, page);
    query.push(") UNION ALL (");
    select(query, (COUPON_CODES, CodeKind::Coupon), tenant, page);
    query.push(")) AS codes ORDER BY code LIMIT ").push_bind(page.limit);
}

fn select(
    query: &mut QueryBuilder<Postgres>,
    (columns, kind): (&'static str, CodeKind),
    tenant: &TenantId,
    page: &CodePage,
) {
    query.push(columns).push(" WHERE code > ").push_bind(page.after.clone());
    if page.kind.is_some_and(|wanted| wanted != kind) {
        query.push(" AND false");
    }
    // so that only the index of what is asked for fits
    match (&page.campaign, page.advocate) {
        (None, None) => {
            query.push(" AND tenant_id = ").push_bind(tenant.clone());
        }
        (Some(campaign), None) => {
            super::push_of_campaign(query, tenant, campaign);
        }
        (campaign, Some(advocate)) => {
            query.push(" AND tenant_id IS NOT DISTINCT FROM ").push_bind(tenant.clone());
            query.push(" AND advocate_id = ").push_bind(advocate);
            if let Some(campaign) = campaign {
                query.push(" AND campaign_id = ").push_bind(campaign.clone());
            }
        }
    }
    let condition = match (page.state, kind) {
        (None, _) | (Some(CodeState::Assigned), CodeKind::Shortcode) => "",
        (Some(CodeState::Unassigned | CodeState::Used), CodeKind::Shortcode) => " AND false",
        (Some(CodeState::Unassigned), CodeKind::Coupon) => " AND advocate_id IS NULL",
        (Some(CodeState::Assigned), CodeKind::Coupon) => " AND advocate_id IS NOT NULL AND used_by IS NULL",
        (Some(CodeState::Used), CodeKind::Coupon) => " AND used_by IS NOT NULL",
    };
    query.push(condition);
    query.push(" ORDER BY code LIMIT ").push_bind(page.limit);
}
