//! How far imports are (O10).

use pg::{Database, WriteTx};
use sqlx::FromRow;
use types::Timestamp;

use crate::domain::{Import, ImportKey, Kept, Progress};

#[derive(FromRow)]
struct ImportRow {
    options_hash: Vec<u8>,
    header: Vec<u8>,
    dry_run: bool,
    rows_hash: Vec<u8>,
    kept_rows: i64,
    kept_bytes: i64,
    rows: i64,
    recorded: i64,
    already_recorded: i64,
    updated: i64,
    rejected: i64,
    principal: String,
    started_at: Timestamp,
    updated_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl From<ImportRow> for Import {
    fn from(row: ImportRow) -> Self {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Self {
            hash: row.options_hash,
            header: row.header,
            dry_run: row.dry_run,
            rows_hash: row.rows_hash,
            kept: Kept { rows: count(row.kept_rows), bytes: count(row.kept_bytes) },
            progress: Progress {
                rows: count(row.rows),
                recorded: count(row.recorded),
                already_recorded: count(row.already_recorded),
                updated: count(row.updated),
                rejected: count(row.rejected),
            },
            principal: row.principal,
            started_at: row.started_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
        }
    }
}

/// An import, if it is kept.
pub(crate) async fn get(db: &Database, key: &ImportKey) -> Result<Option<Import>, pg::Error> {
    let row: Option<ImportRow> = sqlx::query_as(
        "SELECT options_hash, header, dry_run, rows, rows_hash, recorded, already_recorded, updated, rejected, kept_rows,
                kept_bytes, principal, started_at, updated_at, finished_at
           FROM imports WHERE tenant_id = $1 AND import_id = $2",
    )
    .bind(&key.tenant)
    .bind(&key.import_id)
    .fetch_optional(db.read())
    .await?;
    Ok(row.map(Import::from))
}

/// Keeps how far an import is. One that is kept as further, or as finished, stays so, and the answer is false: the same
/// rows may be sent twice at once, and are recorded once.
pub(crate) async fn put(tx: &mut WriteTx, key: &ImportKey, import: &Import) -> Result<bool, pg::Error> {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let Progress { rows, recorded, already_recorded, updated, rejected } = import.progress;
    let put = sqlx::query(
        "INSERT INTO imports AS i (tenant_id, import_id, options_hash, header, dry_run, rows, rows_hash, recorded,
                already_recorded, updated, rejected, kept_rows, kept_bytes, principal, started_at, updated_at, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         ON CONFLICT (tenant_id, import_id) DO UPDATE
            SET rows = excluded.rows, rows_hash = excluded.rows_hash, recorded = excluded.recorded,
                already_recorded = excluded.already_recorded, updated = excluded.updated, rejected = excluded.rejected,
                kept_rows = excluded.kept_rows, kept_bytes = excluded.kept_bytes, updated_at = excluded.updated_at,
                finished_at = excluded.finished_at
          WHERE i.finished_at IS NULL AND i.options_hash = excluded.options_hash
            AND (excluded.rows > i.rows OR excluded.finished_at IS NOT NULL)",
    )
    .bind(&key.tenant)
    .bind(&key.import_id)
    .bind(&import.hash)
    .bind(&import.header)
    .bind(import.dry_run)
    .bind(count(rows))
    .bind(&import.rows_hash)
    .bind(count(recorded))
    .bind(count(already_recorded))
    .bind(count(updated))
    .bind(count(rejected))
    .bind(count(import.kept.rows))
    .bind(count(import.kept.bytes))
    .bind(&import.principal)
    .bind(import.started_at)
    .bind(import.updated_at)
    .bind(import.finished_at)
    .execute(&mut **tx)
    .await?;
    Ok(put.rows_affected() > 0)
}

/// Forgets imports that were last kept before `before`, at most this many; how many they were.
pub(crate) async fn forget(tx: &mut WriteTx, before: Timestamp, most: i64) -> Result<u64, pg::Error> {
    let gone = sqlx::query(
        "DELETE FROM imports i
          USING (SELECT tenant_id, import_id FROM imports WHERE updated_at < $1 ORDER BY updated_at LIMIT $2) AS old
          WHERE i.tenant_id = old.tenant_id AND i.import_id = old.import_id",
    )
    .bind(before)
    .bind(most)
    .execute(&mut **tx)
    .await?;
    Ok(gone.rows_affected())
}
