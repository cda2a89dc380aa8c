//! How lists are found (O11): by an index that gives their order, whatever they are filtered by.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use testkit::Sandbox;
use types::Timestamp;

use super::*;
use crate::domain::PropertyType;
use crate::store::properties;

/// Orders that make a plan matter; three quarters of them are the tenant's.
const MANY: i64 = 160_000;

/// So many orders: most of one tenant, and few with what is rare.
async fn fill(connection: &mut PgConnection, orders: i64) {
    sqlx::raw_sql("SET statement_timeout = 0").execute(&mut *connection).await.unwrap();
    // the ids of version 7 that orders of these times have
    let insert = format!(
        "INSERT INTO orders (tenant_id, id, order_id, source, contact_id, customer_hash, campaign_id, attribution_id,
                advocate_id, inactive_attribution_id, outcome, outcome_reason, currency, revenue_minor, refunded_minor,
                external_status, hubspot_dealstage, line_count, occurred_at, recorded_at, cancelled_at, properties)
         SELECT CASE WHEN n % 4 = 0 THEN 'other' ELSE 'acme' END,
                (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::int8), 12, '0') || '7' || lpad(to_hex(n & 4095), 3, '0')
                 || '8' || lpad(to_hex(n), 15, '0'))::uuid,
                'o-' || n, CASE n % 500 WHEN 1 THEN 'legacy' WHEN 2 THEN 'shop' ELSE '' END,
                md5((n % 20000)::text)::uuid, '\\x00', CASE WHEN n % 3 = 0 THEN 'spring' END,
                CASE WHEN n % 5 = 0 THEN md5('t' || n % 5000)::uuid END,
                CASE WHEN n % 5 = 0 THEN md5('a' || n % 5000)::uuid END,
                CASE WHEN n % 1000 = 7 THEN md5('i' || n)::uuid END,
                'UNRESOLVED', 'NO_EVIDENCE', 'USD', n % 100000 + 1, CASE WHEN n % 1000 = 3 THEN 1 ELSE 0 END,
                CASE n % 700 WHEN 1 THEN 'won' WHEN 2 THEN 'lost' ELSE '' END,
                CASE n % 700 WHEN 5 THEN 'closed' ELSE '' END, 0, at - interval '1 hour', at, NULL,
                jsonb_build_object('size', n % 100)
           FROM (SELECT n, timestamptz '2025-01-01' + n * interval '1 minute' AS at
                   FROM generate_series(1, {orders}) AS n) AS rows"
    );
    sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut *connection).await.unwrap();
    let cancel = "UPDATE orders SET cancelled_at = recorded_at, refunded_minor = revenue_minor
                   WHERE right(order_id, 3) = '011'";
    sqlx::raw_sql(cancel).execute(&mut *connection).await.unwrap();
    sqlx::raw_sql("ANALYZE orders").execute(&mut *connection).await.unwrap();
}

fn wanted(filter: &str) -> Filter {
    let size = properties::sql(&"size".parse().unwrap(), PropertyType::Integer);
    let members = vec![("size".to_owned(), Kind::Integer, size)];
    let family = filter::Family { name: "properties", members };
    Filter {
        tenant: "acme".parse().unwrap(),
        campaign_id: None,
        contact_id: None,
        order: ByRecording::NewestFirst,
        up_to: None,
        matching: filter::Filter::read_with(FIELDS, &family, filter).unwrap(),
    }
}

/// The plan of a page, and how many blocks it reads.
async fn plan(connection: &mut PgConnection, filter: &Filter, after: Option<Uuid>) -> (String, u64) {
    let select = concat!(
        "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT ",
        columns!(),
        " FROM orders WHERE tenant_id = "
    );
    testkit::plan(statement(select, filter, after, 100), connection).await.unwrap()
}

/// The id from which on the oldest tenth is left.
async fn deep(connection: &mut PgConnection) -> Uuid {
    let id =
        sqlx::query_scalar("SELECT id FROM orders WHERE tenant_id = 'acme' ORDER BY id OFFSET $1 LIMIT 1");
    id.bind(MANY / 10).fetch_one(connection).await.unwrap()
}

/// A value of the rare attribution of this kind.
async fn one(connection: &mut PgConnection, column: &str) -> Uuid {
    let select =
        format!("SELECT {column} FROM orders WHERE tenant_id = 'acme' AND {column} IS NOT NULL LIMIT 1");
    sqlx::query_scalar(AssertSqlSafe(select)).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn o11_every_filter_goes_by_an_index_in_the_order_of_the_list() {
    let sandbox = Sandbox::new(&[(crate::SCHEMA, crate::MIGRATIONS)]).await.unwrap();
    let db = sandbox.database(crate::SCHEMA).await.unwrap();
    let mut connection = db.read().acquire().await.unwrap();
    fill(&mut connection, MANY).await;
    let deep = deep(&mut connection).await;
    let mut filters: Vec<(String, u64)> = Vec::new();
    for column in ["attribution_id", "advocate_id", "inactive_attribution_id", "contact_id"] {
        filters.push((format!("{column} = {}", one(&mut connection, column).await), 500));
    }
    // what is rare has an index of its own, so that a page costs little more than its rows
    for rare in [
        "source = legacy",
        "external_status = won",
        "hubspot_dealstage = closed",
        "refunded > 0",
        "cancelled_at:*",
        "cancelled_at > 2025-01-01T00:00:00Z",
        "recorded_at < 2025-02-01T00:00:00Z",
        "recorded_at >= 2025-01-10T00:00:00Z recorded_at < 2025-01-10T01:00:00Z",
    ] {
        filters.push((rare.to_owned(), 2_500));
    }
    // what is not is met soon enough on the way from the newest to the oldest
    for common in [
        "",
        "campaign_id = spring",
        "source != shop",
        "outcome = UNRESOLVED",
        "revenue > 500",
        "revenue.currency_code = USD",
        "occurred_at < 2025-05-01T00:00:00Z",
        "properties.size > 50",
        "-cancelled_at:*",
    ] {
        filters.push((common.to_owned(), u64::MAX));
    }
    for (filter, most) in filters {
        let filter_of = wanted(&filter);
        for after in [None, Some(deep)] {
            let (plan, blocks) = plan(&mut connection, &filter_of, after).await;
            assert!(!plan.contains("Seq Scan"), "{filter}: {plan}");
            // few rows of a short stretch of the index may be sorted
            assert!(!plan.contains("Sort") || blocks < 100, "{filter}: {plan}");
            assert!(blocks <= most, "{filter} reads {blocks} blocks: {plan}");
        }
    }
}

#[tokio::test]
async fn o11_a_filter_by_the_time_of_recording_lists_what_it_says() {
    let sandbox = Sandbox::new(&[(crate::SCHEMA, crate::MIGRATIONS)]).await.unwrap();
    let db = sandbox.database(crate::SCHEMA).await.unwrap();
    let mut connection = db.read().acquire().await.unwrap();
    fill(&mut connection, 4_000).await;
    let at: Timestamp = time::macros::datetime!(2025-01-02 00:00 UTC);
    let all = "SELECT count(*) FROM orders WHERE tenant_id = 'acme' AND recorded_at";
    for sign in ["<", "<=", "=", ">", ">="] {
        let filter = wanted(&format!("recorded_at {sign} 2025-01-02T00:00:00Z"));
        let listed = statement(
            "SELECT count(*) FROM (SELECT id FROM orders WHERE tenant_id = ",
            &filter,
            None,
            i64::MAX,
        )
        .push(") AS listed")
        .build_query_scalar::<i64>()
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        let expected: i64 = sqlx::query_scalar(AssertSqlSafe(format!("{all} {sign} $1")))
            .bind(at)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!(listed, expected, "{sign}");
    }
}
