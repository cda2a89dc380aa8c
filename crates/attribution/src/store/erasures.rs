//! What is left of an erased contact, and is removed in slices (A13); and by what it was known until then.

use outbox::erasure::{Open, Removed, SLICE};
use pg::{Inserts, WriteTx};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgExecutor;
use types::{ContactId, TenantId, Timestamp};

use crate::domain::erasure::Erased;

/// Rows removed in one transaction, at most.
const PURGE: i64 = 1000;

/// Kinds of names.
#[derive(Debug, Clone, Copy)]
#[repr(i16)]
enum Kind {
    Email = 1,
    Uid = 2,
    Visitor = 3,
}

/// Keeps by what a contact was known, as far as it is known now.
pub(crate) fn keep_names(
    inserts: &mut Inserts,
    tenant: &TenantId,
    (contact, erased): (ContactId, Option<&Erased>),
    visitors: &[String],
    now: Timestamp,
) {
    let own = erased.into_iter().flat_map(|e| [(Kind::Email, &e.email), (Kind::Uid, &e.uid)]);
    let own = own.filter_map(|(kind, name)| Some((kind, name.as_ref()?)));
    let all: Vec<_> = own.chain(visitors.iter().map(|id| (Kind::Visitor, id))).collect();
    inserts
        .add(
            "INSERT INTO erased_names (tenant_id, contact_id, kind, name, erased_at)
             SELECT DISTINCT $1, $2::uuid, n.kind, n.name, $5::timestamptz
               FROM unnest($3::smallint[], $4::text[]) AS n (kind, name) ON CONFLICT DO NOTHING",
        )
        .bind(tenant.as_str())
        .bind(contact)
        .bind(all.iter().map(|(kind, _)| *kind as i16).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>())
        .bind(now);
}

/// Whether there are visits of these visitors.
pub(crate) async fn has_visits(
    tx: &mut WriteTx,
    tenant: &TenantId,
    visitors: &[String],
) -> Result<bool, pg::Error> {
    let exists = "SELECT EXISTS (SELECT FROM visits WHERE visitor_id = ANY ($2) AND tenant_id IS NOT DISTINCT FROM $1)";
    Ok(sqlx::query_scalar(exists).bind(tenant).bind(visitors).fetch_one(&mut **tx).await?)
}

/// E-mail address and uid of an erased contact, as far as they are kept.
pub(crate) async fn names(
    executor: impl PgExecutor<'_>,
    tenant: &TenantId,
    contact: ContactId,
) -> Result<Vec<String>, pg::Error> {
    let select =
        "SELECT name FROM erased_names WHERE tenant_id = $1 AND contact_id = $2 AND kind < $3 ORDER BY kind";
    let names = sqlx::query_scalar(select).bind(tenant).bind(contact).bind(Kind::Visitor as i16);
    Ok(names.fetch_all(executor).await?)
}

/// Forgets these; whether there were any.
pub(crate) async fn forget_names(
    tx: &mut WriteTx,
    tenant: &TenantId,
    contact: ContactId,
) -> Result<bool, pg::Error> {
    let done = sqlx::query("DELETE FROM erased_names WHERE tenant_id = $1 AND contact_id = $2 AND kind < $3")
        .bind(tenant)
        .bind(contact)
        .bind(Kind::Visitor as i16)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Forgets names of contacts erased before `before` that are not needed here any more; whether there may be more.
pub(crate) async fn purge_names(tx: &mut WriteTx, before: Timestamp) -> Result<bool, pg::Error> {
    let done = sqlx::query(
        "DELETE FROM erased_names WHERE (tenant_id, contact_id, kind, name) IN (
             SELECT tenant_id, contact_id, kind, name FROM erased_names n
              WHERE erased_at < $1 AND NOT EXISTS (
                        SELECT FROM erasures e WHERE e.tenant_id = n.tenant_id AND e.contact_id = n.contact_id
                           AND e.completed_at IS NULL)
              LIMIT $2)",
    )
    .bind(before)
    .bind(PURGE)
    .execute(&mut **tx)
    .await?;
    Ok(i64::try_from(done.rows_affected()) == Ok(PURGE))
}

/// What to remove, and the statement that removes up to `$3` records of contact `$2` of tenant `$1`.
const STEPS: &[(&str, &str)] = &[
    (
        "shortcodes",
        "DELETE FROM shortcodes WHERE (tenant_id, code) IN (
             SELECT tenant_id, code FROM shortcodes
              WHERE advocate_id = $2 AND tenant_id IS NOT DISTINCT FROM $1 LIMIT $3)",
    ),
    (
        "coupon_codes",
        "DELETE FROM coupon_codes WHERE (tenant_id, code) IN (
             SELECT tenant_id, code FROM coupon_codes
              WHERE advocate_id = $2 AND tenant_id IS NOT DISTINCT FROM $1 LIMIT $3)",
    ),
    (
        "visits",
        "DELETE FROM visits WHERE (tenant_id, visit_id) IN (
             SELECT tenant_id, visit_id FROM visits
              WHERE advocate_id = $2 AND tenant_id IS NOT DISTINCT FROM $1 LIMIT $3)",
    ),
    (
        "visits",
        "DELETE FROM visits WHERE (tenant_id, visit_id) IN (
             SELECT v.tenant_id, v.visit_id FROM erased_names n
               JOIN visits v ON v.visitor_id = n.name AND v.tenant_id IS NOT DISTINCT FROM n.tenant_id
              WHERE n.tenant_id = $1 AND n.contact_id = $2 AND n.kind = 3 LIMIT $3)",
    ),
    (
        "contact_changes",
        "UPDATE contact_changes SET reason = '' WHERE (tenant_id, contact_id, change_no) IN (
             SELECT tenant_id, contact_id, change_no FROM contact_changes
              WHERE tenant_id = $1 AND contact_id = $2 AND reason <> '' LIMIT $3)",
    ),
    (
        "attribution_changes",
        "UPDATE attribution_changes SET reason = '' WHERE (tenant_id, contact_id, campaign_id, change_no) IN (
             SELECT tenant_id, contact_id, campaign_id, change_no FROM attribution_changes
              WHERE tenant_id = $1 AND contact_id = $2 AND reason <> '' LIMIT $3)",
    ),
    (
        "attribution_changes",
        // a reassignment gives its reason to both attributions
        "UPDATE attribution_changes SET reason = '' WHERE (tenant_id, contact_id, campaign_id, change_no) IN (
             SELECT s.tenant_id, s.contact_id, s.campaign_id, s.change_no
               FROM (SELECT tenant_id, contact_id, campaign_id, reason FROM attribution_changes
                      WHERE advocate_id = $2 AND tenant_id IS NOT DISTINCT FROM $1 AND reason <> '' LIMIT $3) c
               JOIN attribution_changes s USING (tenant_id, contact_id, campaign_id, reason))",
    ),
    (
        "contacts",
        "UPDATE contacts SET properties = impersonal(tenant_id, properties)
          WHERE tenant_id = $1 AND contact_id = $2 AND erased_at IS NOT NULL AND properties <> '{}'
            AND properties <> impersonal(tenant_id, properties) AND $3 > 0",
    ),
    (
        "attempts",
        "UPDATE attempts SET shortcode = NULL WHERE (tenant_id, attempt_id) IN (
             SELECT a.tenant_id, a.attempt_id FROM erased_names n
               JOIN attempts a ON a.shortcode IN (left(n.name, 64), upper(left(n.name, 64)))
                AND a.tenant_id IS NOT DISTINCT FROM n.tenant_id
              WHERE n.tenant_id = $1 AND n.contact_id = $2 AND n.kind = 2 LIMIT $3)",
    ),
    (
        "attempts",
        "UPDATE attempts SET coupon_code = NULL WHERE (tenant_id, attempt_id) IN (
             SELECT a.tenant_id, a.attempt_id FROM erased_names n
               JOIN attempts a ON a.coupon_code IN (left(n.name, 64), upper(left(n.name, 64)))
                AND a.tenant_id IS NOT DISTINCT FROM n.tenant_id
              WHERE n.tenant_id = $1 AND n.contact_id = $2 AND n.kind = 2 LIMIT $3)",
    ),
    (
        "attempts",
        "UPDATE attempts SET shortcode = NULL WHERE (tenant_id, attempt_id) IN (
             SELECT a.tenant_id, a.attempt_id FROM erased_names n
               JOIN attempts a ON lower(a.shortcode) = lower(left(n.name, 64))
                AND a.tenant_id IS NOT DISTINCT FROM n.tenant_id AND a.shortcode LIKE '%@%'
              WHERE n.tenant_id = $1 AND n.contact_id = $2 AND n.kind = 1 LIMIT $3)",
    ),
    (
        "attempts",
        "UPDATE attempts SET coupon_code = NULL WHERE (tenant_id, attempt_id) IN (
             SELECT a.tenant_id, a.attempt_id FROM erased_names n
               JOIN attempts a ON lower(a.coupon_code) = lower(left(n.name, 64))
                AND a.tenant_id IS NOT DISTINCT FROM n.tenant_id AND a.coupon_code LIKE '%@%'
              WHERE n.tenant_id = $1 AND n.contact_id = $2 AND n.kind = 1 LIMIT $3)",
    ),
];

/// Removes a slice of what is left; visitor ids go with the last of it.
pub(crate) async fn remove(tx: &mut WriteTx, open: &Open) -> Result<Removed, pg::Error> {
    let mut removed = Removed::new();
    for (kind, statement) in STEPS {
        let done = sqlx::query(AssertSqlSafe(*statement))
            .bind(&open.tenant)
            .bind(open.contact)
            .bind(SLICE)
            .execute(&mut **tx)
            .await?;
        removed.push((*kind, done.rows_affected()));
    }
    if removed.iter().all(|(_, count)| *count == 0) {
        sqlx::query("DELETE FROM erased_names WHERE tenant_id = $1 AND contact_id = $2 AND kind = $3")
            .bind(&open.tenant)
            .bind(open.contact)
            .bind(Kind::Visitor as i16)
            .execute(&mut **tx)
            .await?;
    }
    Ok(removed)
}
