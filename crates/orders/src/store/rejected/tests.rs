//! What is kept of refused rows, and by whom they are found.

use pg::sqlx::AssertSqlSafe;
use testkit::Sandbox;

use super::*;

fn row(n: u64, names: &[&str]) -> Rejected {
    let fault = Fault { column: "a\0b".to_owned(), reason: "INVALID_FIELD".to_owned(), ..Fault::default() };
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Rejected { n, line: n + 1, fault, record: Some(b"caf\xe9\0,\"x".to_vec()), names }
}

async fn database() -> (Sandbox, Database) {
    let sandbox = Sandbox::new(&[(crate::SCHEMA, crate::MIGRATIONS)]).await.unwrap();
    let db = sandbox.database(crate::SCHEMA).await.unwrap();
    (sandbox, db)
}

fn key(tenant: &str) -> ImportKey {
    ImportKey { tenant: tenant.parse().unwrap(), import_id: "i-1".to_owned() }
}

async fn left(db: &Database, tenant: &str) -> Vec<u64> {
    part(db, &key(tenant), (0, i64::MAX)).await.unwrap().into_iter().map(|row| row.n).collect()
}

#[tokio::test]
async fn a13_the_rows_that_name_a_contact_are_forgotten() {
    let (_sandbox, db) = database().await;
    let mut tx = db.write().await.unwrap();
    let rows =
        [row(1, &["eve@example.com", "u-7"]), row(2, &["\u{1f}, \"odd\""]), row(3, &["u-7"]), row(4, &[])];
    for tenant in ["acme", "other"] {
        add(&mut tx, &key(tenant), &rows).await.unwrap();
        // the same again changes nothing
        add(&mut tx, &key(tenant), &rows).await.unwrap();
    }
    tx.commit().await.unwrap();
    let kept = part(&db, &key("acme"), (0, 1)).await.unwrap().remove(0);
    assert_eq!((kept.record, kept.fault.column.as_str()), (row(1, &[]).record, "ab"));
    let forget = async |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut tx = db.write().await.unwrap();
        let gone = forget_rejected(&mut tx, &"acme".parse().unwrap(), &names, 10).await.unwrap();
        tx.commit().await.unwrap();
        gone
    };
    assert_eq!(forget(&[]).await, 0);
    assert_eq!(forget(&[" Eve@Example.com", "nobody"]).await, 1);
    assert_eq!(forget(&["\u{1f}, \"ODD\""]).await, 1);
    assert_eq!(left(&db, "acme").await, [3, 4]);
    assert_eq!(left(&db, "other").await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a13_refused_rows_are_found_by_an_index() {
    let (_sandbox, db) = database().await;
    let fill = "INSERT INTO rejected_rows (tenant_id, import_id, n, line, at_column, reason, message, names)
                SELECT 'acme', 'i-1', n, n, '', '', '', ARRAY['c' || n || '@example.com'] FROM generate_series(1, 20000) AS n";
    sqlx::raw_sql(AssertSqlSafe(fill)).execute(db.read()).await.unwrap();
    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN DELETE FROM rejected_rows WHERE tenant_id IS NOT DISTINCT FROM 'acme' AND names && '{u-7,eve@example.com}'",
    )
    .fetch_all(db.read())
    .await
    .unwrap();
    assert!(plan.iter().any(|line| line.contains("rejected_rows_by_name")), "{plan:?}");
}

#[tokio::test]
async fn o10_old_reports_are_forgotten_in_small_parts() {
    let (_sandbox, db) = database().await;
    let mut tx = db.write().await.unwrap();
    let rows: Vec<Rejected> = (1..=5).map(|n| row(n, &[])).collect();
    for (tenant, at) in [("acme", "2025-01-01"), ("other", "2025-01-03")] {
        add(&mut tx, &key(tenant), &rows).await.unwrap();
        let insert = "INSERT INTO imports (tenant_id, import_id, options_hash, rows, recorded, already_recorded, updated,
                             rejected, principal, started_at, updated_at)
                      VALUES ($1, 'i-1', '', 5, 0, 0, 0, 5, '', $2::text::timestamptz, $2::text::timestamptz)";
        sqlx::query(insert).bind(tenant).bind(at).execute(&mut *tx).await.unwrap();
    }
    let before = time::macros::datetime!(2025-01-02 00:00 UTC);
    for gone in [3, 2, 0] {
        assert_eq!(forget(&mut tx, before, 3).await.unwrap(), gone);
    }
    tx.commit().await.unwrap();
    assert_eq!((left(&db, "acme").await.len(), left(&db, "other").await.len()), (0, 5));
}
