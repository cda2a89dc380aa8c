//! Contacts, newest first, by what they can be filtered by.

use proto::attribution as wire;
use rpc::filter::{Field, Filter, Kind};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use types::{Email, TenantId};
use uuid::Uuid;

use super::contacts::Row;
use crate::domain::Contact;

/// The segments of a contact that is a row named `c`.
const SEGMENT_IDS: &str = "ARRAY (SELECT m.segment_id FROM segment_members m
                        WHERE m.tenant_id = c.tenant_id AND m.contact_id = c.contact_id)";

/// Finds a contact that is a row named `c` in a segment.
const MEMBER: &str = "SELECT FROM segment_members m
                        WHERE m.contact_id = c.contact_id AND m.tenant_id = c.tenant_id AND m.segment_id = ";

/// What contacts can be filtered by; the contract's comment names them.
pub(crate) const FIELDS: &[Field] = &[
    Field { name: "contact_id", kind: Kind::Id, sql: "c.contact_id" },
    Field { name: "email", kind: Kind::Form { what: "an e-mail address", read: email }, sql: "c.email" },
    Field { name: "uid", kind: Kind::Text, sql: "c.uid" },
    Field { name: "first_name", kind: Kind::Text, sql: "c.first_name" },
    Field { name: "last_name", kind: Kind::Text, sql: "c.last_name" },
    Field { name: "company", kind: Kind::Text, sql: "c.company" },
    Field { name: "locale", kind: Kind::Text, sql: "c.locale" },
    Field { name: "tags", kind: Kind::Texts, sql: "c.tags" },
    Field { name: "segment_ids", kind: Kind::Linked { find: MEMBER }, sql: SEGMENT_IDS },
    Field { name: "status", kind: Kind::Enum(rpc::enum_names!(wire::ContactStatus)), sql: "c.status" },
    Field { name: "created_at", kind: Kind::Timestamp, sql: "c.created_at" },
];

fn email(text: &str) -> Option<String> {
    Email::parse(text).ok().map(|email| email.as_str().to_owned())
}

/// A page of a tenant's contacts that match, newest first; without those that were erased (A13).
pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    matching: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Contact>, pg::Error> {
    let mut query = statement("SELECT ", tenant, matching, after, limit);
    let rows: Vec<Row> = query.build_query_as().persistent(matching.is_blank()).fetch_all(conn).await?;
    rows.into_iter().map(Row::read).collect()
}

fn statement(
    select: &'static str,
    tenant: &TenantId,
    matching: &Filter,
    after: Option<Uuid>,
    limit: i64,
) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(select);
    query.push(
        "c.tenant_id, c.contact_id, c.email, c.uid, c.first_name, c.last_name, c.company, c.locale, c.tags, c.status,
         c.created_at, c.flags::text AS flags, c.erased_at, c.properties::text AS properties, ",
    );
    query
        .push(SEGMENT_IDS)
        .push(" AS segment_ids FROM contacts c WHERE c.tenant_id = ")
        .push_bind(tenant.clone());
    query.push(" AND c.erased_at IS NULL AND c.contact_id < ").push_bind(after.unwrap_or(Uuid::max()));
    matching.narrow(&mut query);
    query.push(" ORDER BY c.contact_id DESC LIMIT ").push_bind(limit);
    query
}

#[cfg(test)]
mod tests {
    use testkit::Sandbox;

    use super::*;

    #[tokio::test]
    async fn a15_the_members_of_a_small_segment_are_found_by_an_index() {
        let sandbox = Sandbox::new(&[(crate::SCHEMA, crate::MIGRATIONS)]).await.unwrap();
        let db = sandbox.database(crate::SCHEMA).await.unwrap();
        let mut conn = db.read().acquire().await.unwrap();
        let fill = "SET statement_timeout = 0;
            INSERT INTO contacts (tenant_id, contact_id, uid, status, created_at)
            SELECT 'acme', gen_random_uuid(), 'u-' || n, 1, now() FROM generate_series(1, 50000) AS n;
            INSERT INTO segment_members (tenant_id, contact_id, segment_id)
            SELECT tenant_id, contact_id, 'large' FROM contacts WHERE right(uid, 1) <> '0'
            UNION ALL SELECT tenant_id, contact_id, 'small' FROM contacts WHERE right(uid, 4) = '7777';
            ANALYZE contacts; ANALYZE segment_members";
        sqlx::raw_sql(fill).execute(&mut *conn).await.unwrap();
        let matching = Filter::read(FIELDS, "segment_ids:small").unwrap();
        let tenant = "acme".parse().unwrap();
        let explain = "EXPLAIN (ANALYZE, TIMING OFF) SELECT ";
        let query = statement(explain, &tenant, &matching, None, 101);
        let (plan, _) = testkit::plan(query, &mut conn).await.unwrap();
        assert!(plan.contains("segment_members_by_segment") && !plan.contains("Seq Scan"), "{plan}");
    }
}
