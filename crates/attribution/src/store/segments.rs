//! Segments.

use std::collections::HashSet;

use pg::WriteTx;
use sqlx::PgConnection;
use types::{SegmentId, TenantId};

use crate::domain::Books;

/// A segment with its rule, if it has one, and the number of its members.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Segment {
    /// The caller's id.
    pub(crate) id: SegmentId,
    /// For people.
    pub(crate) name: String,
    /// How many contacts are in it.
    pub(crate) members: i64,
    /// Who is in it, if it is not static.
    pub(crate) rule: Option<String>,
    /// Whether contacts that were there before its rule have still to be held to it.
    pub(crate) is_building: bool,
}

/// Segments to look for.
#[derive(Debug, Default)]
pub(crate) struct SegmentKeys<'a>(HashSet<(&'a TenantId, &'a SegmentId)>);

impl<'a> SegmentKeys<'a> {
    /// Adds one.
    pub(crate) fn add(&mut self, tenant: &'a TenantId, segment: &'a SegmentId) {
        self.0.insert((tenant, segment));
    }

    /// Tenants and segments.
    pub(super) fn columns(&self) -> (Vec<&str>, Vec<&str>) {
        self.0.iter().map(|(tenant, segment)| (tenant.as_str(), segment.as_str())).unzip()
    }
}

/// Notes which of these segments exist.
pub(crate) async fn load(
    conn: &mut PgConnection,
    keys: &SegmentKeys<'_>,
    books: &mut Books,
) -> Result<(), pg::Error> {
    if keys.0.is_empty() {
        return Ok(());
    }
    let (tenants, segments) = keys.columns();
    let rows: Vec<(TenantId, SegmentId)> = sqlx::query_as(
        "SELECT s.tenant_id, s.segment_id FROM unnest($1::text[], $2::text[]) AS k (tenant_id, segment_id)
          CROSS JOIN LATERAL (
              SELECT * FROM segments WHERE tenant_id = k.tenant_id AND segment_id = k.segment_id OFFSET 0) s",
    )
    .bind(tenants)
    .bind(segments)
    .fetch_all(conn)
    .await?;
    for (tenant, segment) in rows {
        books.of(&tenant).segments.insert(segment);
    }
    Ok(())
}

/// One segment.
pub(crate) async fn get(
    conn: &mut PgConnection,
    tenant: &TenantId,
    segment: &SegmentId,
) -> Result<Option<Segment>, pg::Error> {
    let query = "SELECT s.segment_id AS id, s.name, s.members,
                        r.rule, r.filled_to IS NOT NULL AS is_building
                   FROM segments s LEFT JOIN segment_rules r USING (tenant_id, segment_id) WHERE s.tenant_id = $1 AND s.segment_id = $2";
    Ok(sqlx::query_as(query).bind(tenant).bind(segment).fetch_optional(conn).await?)
}

/// A page of a tenant's segments by id.
pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    after: &str,
    limit: i64,
) -> Result<Vec<Segment>, pg::Error> {
    let query = "SELECT s.segment_id AS id, s.name, s.members,
                        r.rule, r.filled_to IS NOT NULL AS is_building
                   FROM segments s LEFT JOIN segment_rules r USING (tenant_id, segment_id) WHERE s.tenant_id = $1 AND s.segment_id > $2 ORDER BY s.segment_id LIMIT $3";
    Ok(sqlx::query_as(query).bind(tenant).bind(after).bind(limit).fetch_all(conn).await?)
}

/// Writes a segment, new or with another name.
pub(crate) async fn put(
    tx: &mut WriteTx,
    tenant: &TenantId,
    segment: &SegmentId,
    name: &str,
) -> Result<(), pg::Error> {
    sqlx::query(
        "INSERT INTO segments (tenant_id, segment_id, name) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, segment_id) DO UPDATE SET name = excluded.name",
    )
    .bind(tenant)
    .bind(segment)
    .bind(name)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
