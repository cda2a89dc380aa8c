//! The log of attempts (A12).

use std::collections::HashMap;

use pg::{Inserts, WriteTx};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use types::{CampaignId, ContactId, CouponCode, Shortcode, TenantId, Timestamp};
use uuid::Uuid;

use crate::domain::{
    AttemptId, Books, EvidenceKind, InactiveReason, LoggedAttempt, Outcome, Sent, UnresolvedReason,
};

/// Columns of [`Row`].
const SELECT: &str =
    "SELECT attempt_id, contact_id, campaign_id, shortcode, coupon_code, advocate_id, source, outcome,
                             inactive_reason, unresolved_reason, passed_over, occurred_at FROM attempts";
/// Rows removed in one transaction, at most.
const PURGE: i64 = 1000;

/// Which attempts to list (A12).
#[derive(Debug, Clone)]
pub(crate) struct AttemptPage {
    /// Only those with an outcome of this number in the contract.
    pub(crate) outcome: Option<i16>,
    /// Only those stored inactive for this reason.
    pub(crate) inactive_reason: Option<InactiveReason>,
    /// Only those that came to nobody for this reason.
    pub(crate) unresolved_reason: Option<UnresolvedReason>,
    /// Only those that were sent with this.
    pub(crate) shortcode: Option<Sent<Shortcode>>,
    /// Only those that were sent with this.
    pub(crate) coupon_code: Option<Sent<CouponCode>>,
    /// Only those from there.
    pub(crate) source: Option<String>,
    /// Only those before this one.
    pub(crate) after: Option<Uuid>,
    /// At most this many.
    pub(crate) limit: i64,
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    attempt_id: Uuid,
    contact_id: ContactId,
    campaign_id: Option<CampaignId>,
    shortcode: Option<String>,
    coupon_code: Option<String>,
    advocate_id: Option<ContactId>,
    source: String,
    outcome: i16,
    inactive_reason: i16,
    unresolved_reason: i16,
    passed_over: i16,
    occurred_at: Timestamp,
}

impl Row {
    fn read(self) -> Result<LoggedAttempt, pg::Error> {
        let inactive = InactiveReason::from_number(self.inactive_reason);
        let unresolved = UnresolvedReason::from_number(self.unresolved_reason);
        let outcome = Outcome::from_numbers(self.outcome, inactive, unresolved);
        let kinds = [
            EvidenceKind::Shortcode,
            EvidenceKind::CouponCode,
            EvidenceKind::Advocate,
            EvidenceKind::Visitor,
        ];
        Ok(LoggedAttempt {
            id: AttemptId(self.attempt_id),
            contact: self.contact_id,
            campaign: self.campaign_id,
            shortcode: self.shortcode,
            coupon_code: self.coupon_code,
            advocate: self.advocate_id,
            source: self.source,
            outcome: super::number(outcome, "attempts.outcome", self.outcome)?,
            passed_over: kinds.into_iter().filter(|kind| self.passed_over & bit(*kind) != 0).collect(),
            occurred_at: self.occurred_at,
        })
    }
}

fn bit(kind: EvidenceKind) -> i16 {
    1 << kind.number()
}

/// Loads attempts by (tenant, id).
pub(crate) async fn load(
    conn: &mut PgConnection,
    keys: &[(&TenantId, AttemptId)],
) -> Result<HashMap<AttemptId, LoggedAttempt>, pg::Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let (tenants, ids): (Vec<_>, Vec<_>) = keys.iter().map(|(t, id)| (t.as_str(), id.0)).unzip();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT a.attempt_id, a.contact_id, a.campaign_id, a.shortcode, a.coupon_code, a.advocate_id, a.source, a.outcome,
                a.inactive_reason, a.unresolved_reason, a.passed_over, a.occurred_at
           FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, attempt_id)
          CROSS JOIN LATERAL (
              SELECT * FROM attempts WHERE tenant_id = k.tenant_id AND attempt_id = k.attempt_id OFFSET 0) a",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| row.read().map(|attempt| (attempt.id, attempt))).collect()
}

/// A page of a tenant's attempts, newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    page: &AttemptPage,
) -> Result<Vec<LoggedAttempt>, pg::Error> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" WHERE attempt_id < ").push_bind(page.after.unwrap_or(Uuid::max()));
    let (shortcode, coupon) = (page.shortcode.as_ref(), page.coupon_code.as_ref());
    if shortcode.is_none() && coupon.is_none() {
        query.push(" AND tenant_id = ").push_bind(tenant);
    } else {
        // so that only the index of the code fits, of two that of the shortcode
        query.push(" AND tenant_id IS NOT DISTINCT FROM ").push_bind(tenant);
    }
    if let Some(sent) = shortcode {
        query.push(" AND shortcode = ").push_bind(sent.as_str());
    }
    if let Some(sent) = coupon {
        let comparison = if shortcode.is_some() {
            " AND coupon_code IS NOT DISTINCT FROM "
        } else {
            " AND coupon_code = "
        };
        query.push(comparison).push_bind(sent.as_str());
    }
    if let Some(outcome) = page.outcome {
        query.push(" AND outcome = ").push_bind(outcome);
    }
    if let Some(reason) = page.inactive_reason {
        query.push(" AND inactive_reason = ").push_bind(reason.number());
    }
    if let Some(reason) = page.unresolved_reason {
        query.push(" AND unresolved_reason = ").push_bind(reason.number());
    }
    if let Some(source) = &page.source {
        query.push(" AND source = ").push_bind(source);
    }
    query.push(" ORDER BY attempt_id DESC LIMIT ").push_bind(page.limit);
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(Row::read).collect()
}

/// Writes new attempts.
pub(super) fn save(inserts: &mut Inserts, books: &Books, now: Timestamp) {
    let mut new = Columns::default();
    for (tenant, book) in books.iter() {
        for attempt in &book.attempts {
            new.push(tenant, attempt);
        }
    }
    if new.ids.is_empty() {
        return;
    }
    inserts.add(
        "INSERT INTO attempts (tenant_id, attempt_id, contact_id, campaign_id, shortcode, advocate_id, source,
                               outcome, inactive_reason, unresolved_reason, passed_over, occurred_at, coupon_code,
                               recorded_at)
         SELECT n.*, $14 FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[],
                $7::text[], $8::smallint[], $9::smallint[], $10::smallint[], $11::smallint[], $12::timestamptz[],
                $13::text[]) n",
    )
    .bind(new.tenants)
    .bind(new.ids)
    .bind(new.contacts)
    .bind(new.campaigns)
    .bind(new.shortcodes)
    .bind(new.advocates)
    .bind(new.sources)
    .bind(new.outcomes)
    .bind(new.inactive_reasons)
    .bind(new.unresolved_reasons)
    .bind(new.passed_over)
    .bind(new.occurred_at)
    .bind(new.coupon_codes)
    .bind(now);
}

#[derive(Debug, Default)]
struct Columns<'a> {
    tenants: Vec<&'a str>,
    ids: Vec<Uuid>,
    contacts: Vec<ContactId>,
    campaigns: Vec<Option<&'a str>>,
    shortcodes: Vec<Option<&'a str>>,
    advocates: Vec<Option<ContactId>>,
    sources: Vec<&'a str>,
    outcomes: Vec<i16>,
    inactive_reasons: Vec<i16>,
    unresolved_reasons: Vec<i16>,
    passed_over: Vec<i16>,
    occurred_at: Vec<Timestamp>,
    coupon_codes: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, tenant: &'a TenantId, attempt: &'a LoggedAttempt) {
        self.tenants.push(tenant.as_str());
        self.ids.push(attempt.id.0);
        self.contacts.push(attempt.contact);
        self.campaigns.push(attempt.campaign.as_ref().map(CampaignId::as_str));
        self.shortcodes.push(attempt.shortcode.as_deref());
        self.advocates.push(attempt.advocate);
        self.sources.push(&attempt.source);
        self.outcomes.push(attempt.outcome.number());
        self.inactive_reasons.push(attempt.outcome.inactive_reason().map_or(0, InactiveReason::number));
        self.unresolved_reasons.push(attempt.outcome.unresolved_reason().map_or(0, UnresolvedReason::number));
        self.passed_over.push(attempt.passed_over.iter().fold(0, |bits, kind| bits | bit(*kind)));
        self.occurred_at.push(attempt.occurred_at);
        self.coupon_codes.push(attempt.coupon_code.as_deref());
    }
}

/// Removes unresolved attempts recorded before `before`; whether there may be more.
pub(crate) async fn purge(tx: &mut WriteTx, before: Timestamp) -> Result<bool, pg::Error> {
    let done = sqlx::query(
        "DELETE FROM attempts WHERE (tenant_id, attempt_id) IN (
             SELECT tenant_id, attempt_id FROM attempts WHERE outcome = $1 AND recorded_at < $2 LIMIT $3)",
    )
    .bind(Outcome::UNRESOLVED)
    .bind(before)
    .bind(PURGE)
    .execute(&mut **tx)
    .await?;
    Ok(i64::try_from(done.rows_affected()) == Ok(PURGE))
}
