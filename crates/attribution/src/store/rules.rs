//! Rules of segments, and how far filling them is.

use std::collections::BTreeSet;

use pg::WriteTx;
use sqlx::PgConnection;
use types::{ContactId, SegmentId, TenantId};
use uuid::Uuid;

/// A rule as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct StoredRule {
    /// Whose.
    pub(crate) tenant_id: TenantId,
    /// Of which segment.
    pub(crate) segment_id: SegmentId,
    /// Another one for every other rule.
    pub(crate) rule_id: Uuid,
    /// As it was written.
    pub(crate) rule: String,
}

/// A segment that is to be filled.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct ToFill {
    /// Whose.
    pub(crate) tenant_id: TenantId,
    /// Which.
    pub(crate) segment_id: SegmentId,
    /// By which rule.
    pub(crate) rule_id: Uuid,
    /// Contacts up to this one were held to the rule.
    pub(crate) filled_to: ContactId,
    /// Trace of the call that made the rule.
    pub(crate) traceparent: Option<String>,
}

/// The rules of these tenants.
pub(crate) async fn load<'a>(
    conn: &mut PgConnection,
    tenants: impl IntoIterator<Item = &'a TenantId>,
) -> Result<Vec<StoredRule>, pg::Error> {
    let tenants: BTreeSet<&str> = tenants.into_iter().map(TenantId::as_str).collect();
    let query = "SELECT r.tenant_id, r.segment_id, r.rule_id, r.rule FROM unnest($1::text[]) AS k (tenant_id)
                  CROSS JOIN LATERAL (SELECT * FROM segment_rules WHERE tenant_id = k.tenant_id OFFSET 0) r";
    Ok(sqlx::query_as(query).bind(tenants.into_iter().collect::<Vec<_>>()).fetch_all(conn).await?)
}

/// Gives a segment a rule, or another one; all contacts are to be held to it.
pub(crate) async fn put(
    tx: &mut WriteTx,
    rule: &StoredRule,
    traceparent: Option<&str>,
) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO segment_rules (tenant_id, segment_id, rule_id, rule, filled_to, traceparent)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, segment_id) DO UPDATE
            SET rule_id = excluded.rule_id, rule = excluded.rule, filled_to = excluded.filled_to,
                traceparent = excluded.traceparent",
    )
    .bind(&rule.tenant_id)
    .bind(&rule.segment_id)
    .bind(rule.rule_id)
    .bind(&rule.rule)
    .bind(Uuid::nil())
    .bind(traceparent)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The segment that is to be filled next: the one that is least far.
pub(crate) async fn next_to_fill(conn: &mut PgConnection) -> Result<Option<ToFill>, pg::Error> {
    let query = "SELECT tenant_id, segment_id, rule_id, filled_to, traceparent FROM segment_rules
                  WHERE filled_to IS NOT NULL ORDER BY filled_to LIMIT 1";
    Ok(sqlx::query_as(query).fetch_optional(conn).await?)
}

/// Keeps how far filling is; `None`: done.
pub(crate) async fn filled_to(
    tx: &mut WriteTx,
    segment: &ToFill,
    to: Option<ContactId>,
) -> Result<(), pg::Error> {
    sqlx::query(
        "UPDATE segment_rules SET filled_to = $4
          WHERE tenant_id = $1 AND segment_id = $2 AND rule_id = $3",
    )
    .bind(&segment.tenant_id)
    .bind(&segment.segment_id)
    .bind(segment.rule_id)
    .bind(to)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
