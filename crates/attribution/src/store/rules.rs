//! Rules of segments, and how far filling them is.

use std::collections::{BTreeSet, HashMap};

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

/// The rules of these tenants; without their texts, but for those that are not `known`.
pub(crate) async fn load<'a>(
    conn: &mut PgConnection,
    tenants: impl IntoIterator<Item = &'a TenantId>,
    known: impl Fn(Uuid) -> bool,
) -> Result<Vec<StoredRule>, pg::Error> {
    let tenants: BTreeSet<&str> = tenants.into_iter().map(TenantId::as_str).collect();
    let query =
        "SELECT r.tenant_id, r.segment_id, r.rule_id, '' AS rule FROM unnest($1::text[]) AS k (tenant_id)
                  CROSS JOIN LATERAL (SELECT * FROM segment_rules WHERE tenant_id = k.tenant_id OFFSET 0) r";
    let tenants: Vec<&str> = tenants.into_iter().collect();
    let mut rules: Vec<StoredRule> = sqlx::query_as(query).bind(&tenants).fetch_all(&mut *conn).await?;
    let unknown: Vec<Uuid> = rules.iter().map(|rule| rule.rule_id).filter(|id| !known(*id)).collect();
    if unknown.is_empty() {
        return Ok(rules);
    }
    let query = "SELECT r.rule_id, r.rule FROM unnest($1::text[]) AS k (tenant_id)
                  CROSS JOIN LATERAL (
                      SELECT * FROM segment_rules WHERE tenant_id = k.tenant_id AND rule_id = ANY ($2) OFFSET 0) r";
    let texts: Vec<(Uuid, String)> =
        sqlx::query_as(query).bind(tenants).bind(unknown).fetch_all(conn).await?;
    let mut texts: HashMap<Uuid, String> = texts.into_iter().collect();
    for rule in &mut rules {
        rule.rule = texts.remove(&rule.rule_id).unwrap_or_default();
    }
    Ok(rules)
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

/// The segment that is to be filled next: the one that is least far, but for these.
pub(crate) async fn next_to_fill(conn: &mut PgConnection, but: &[Uuid]) -> Result<Option<ToFill>, pg::Error> {
    let query = "SELECT tenant_id, segment_id, rule_id, filled_to, traceparent FROM segment_rules
                  WHERE filled_to IS NOT NULL AND rule_id <> ALL ($1) ORDER BY filled_to LIMIT 1";
    Ok(sqlx::query_as(query).bind(but).fetch_optional(conn).await?)
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
