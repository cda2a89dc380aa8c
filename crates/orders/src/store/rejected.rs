//! Rows that imports refused (O10).

use pg::{Database, WriteTx};
use sqlx::FromRow;
use types::{TenantId, Timestamp};

use crate::domain::{Fault, ImportKey, Rejected, normal};

/// Rows read at once: a few MiB at most.
const AT_ONCE: i64 = 50;

/// What a report is of.
#[derive(Debug, FromRow)]
pub(crate) struct Report {
    /// The names of the file's columns as one CSV record.
    pub(crate) header: Vec<u8>,
    /// The last row that is known to be done.
    pub(crate) up_to: i64,
    /// Rows that were refused, and are not kept.
    pub(crate) left_out: i64,
}

#[derive(FromRow)]
struct RejectedRow {
    n: i64,
    line: i64,
    at_column: String,
    reason: String,
    message: String,
    record: Option<Vec<u8>>,
}

impl From<RejectedRow> for Rejected {
    fn from(row: RejectedRow) -> Self {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Self {
            n: count(row.n),
            line: count(row.line),
            fault: Fault { column: row.at_column, reason: row.reason, message: row.message },
            record: row.record,
            // of no use but for erasure
            names: Vec::new(),
        }
    }
}

/// Keeps rows that are refused, in the transaction that knows them to be done; those that are kept already stay.
pub(crate) async fn add(tx: &mut WriteTx, key: &ImportKey, rows: &[Rejected]) -> Result<(), pg::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    // a header may hold what a text of Postgres cannot
    let text = |text: &str| text.replace('\0', "");
    // an array of arrays of different lengths is none
    let names: Vec<String> =
        rows.iter().map(|row| serde_json::Value::from(row.names.clone()).to_string()).collect();
    sqlx::query(
        "INSERT INTO rejected_rows (tenant_id, import_id, n, line, at_column, reason, message, record, names)
         SELECT $1, $2, n, line, at_column, reason, message, record, ARRAY(SELECT jsonb_array_elements_text(names::jsonb))
           FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::text[])
                AS r (n, line, at_column, reason, message, record, names)
         ON CONFLICT (tenant_id, import_id, n) DO NOTHING",
    )
    .bind(&key.tenant)
    .bind(&key.import_id)
    .bind(rows.iter().map(|row| number(row.n)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| number(row.line)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| text(&row.fault.column)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.fault.reason.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| text(&row.fault.message)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.record.as_deref()).collect::<Vec<_>>())
    .bind(names)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the report of an import is of, if the import is kept.
pub(crate) async fn report(db: &Database, key: &ImportKey) -> Result<Option<Report>, pg::Error> {
    let report = sqlx::query_as(
        "SELECT i.header, i.rows AS up_to,
                i.rejected - (SELECT count(*) FROM rejected_rows r
                               WHERE r.tenant_id = i.tenant_id AND r.import_id = i.import_id) AS left_out
           FROM imports i WHERE i.tenant_id = $1 AND i.import_id = $2",
    )
    .bind(&key.tenant)
    .bind(&key.import_id)
    .fetch_optional(db.read())
    .await?;
    Ok(report)
}

/// Some rows of a report behind row `after`, in their order; none: there are no more.
pub(crate) async fn part(
    db: &Database,
    key: &ImportKey,
    (after, up_to): (i64, i64),
) -> Result<Vec<Rejected>, pg::Error> {
    let rows: Vec<RejectedRow> = sqlx::query_as(
        "SELECT n, line, at_column, reason, message, record FROM rejected_rows
          WHERE tenant_id = $1 AND import_id = $2 AND n > $3 AND n <= $4 ORDER BY n LIMIT $5",
    )
    .bind(&key.tenant)
    .bind(&key.import_id)
    .bind(after)
    .bind(up_to)
    .bind(AT_ONCE)
    .fetch_all(db.read())
    .await?;
    Ok(rows.into_iter().map(Rejected::from).collect())
}

/// Forgets the rows of imports that were last kept before `before`, at most this many; how many they were.
pub(crate) async fn forget(tx: &mut WriteTx, before: Timestamp, most: i64) -> Result<u64, pg::Error> {
    let gone = sqlx::query(
        "DELETE FROM rejected_rows r
          USING (SELECT i.tenant_id, i.import_id, old.n
                   FROM imports i
                  CROSS JOIN LATERAL (
                      SELECT n FROM rejected_rows
                       WHERE tenant_id = i.tenant_id AND import_id = i.import_id ORDER BY n LIMIT $2 OFFSET 0) AS old
                  WHERE i.updated_at < $1 LIMIT $2) AS old
          WHERE r.tenant_id = old.tenant_id AND r.import_id = old.import_id AND r.n = old.n",
    )
    .bind(before)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(gone.rows_affected())
}

/// Forgets up to `most` refused rows that name a contact by one of `names`, e-mail addresses, uids and contact ids alike
/// (A13); how many they were. Reports say that there were more rows.
pub(crate) async fn forget_rejected(
    tx: &mut WriteTx,
    tenant: &TenantId,
    names: &[String],
    most: i64,
) -> Result<u64, pg::Error> {
    let names: Vec<String> = names.iter().filter_map(|name| normal(name)).collect();
    let gone = sqlx::query(
        "DELETE FROM rejected_rows WHERE (tenant_id, import_id, n) IN (
             SELECT tenant_id, import_id, n FROM rejected_rows
              WHERE tenant_id IS NOT DISTINCT FROM $1 AND names && $2 LIMIT $3)",
    )
    .bind(tenant)
    .bind(names)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(gone.rows_affected())
}

#[cfg(test)]
mod tests;
