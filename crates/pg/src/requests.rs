//! `request_id`s: a repeat answers with what the first call made; the same id with another request is refused.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::AssertSqlSafe;
use sqlx::migrate::Migrator;
use time::{Date, Duration};
use types::{TenantId, Timestamp};

use crate::{Database, Error, Inserts, WriteTx};

/// The table behind this module, for every service's schema.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Days a request id is remembered.
const KEPT_DAYS: i64 = 7;

/// Hashes requests with a key of the schema's own, so that a stored hash tells nothing about the request.
#[derive(Clone)]
pub struct Hasher(Hmac<Sha256>);

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher(…)")
    }
}

impl Hasher {
    /// Loads the key of the schema; the first call makes it.
    pub async fn load(db: &Database) -> Result<Self, Error> {
        let fresh: [u8; 32] = rand::random();
        let mut tx = db.write().await?;
        sqlx::query("INSERT INTO secrets (name, value) VALUES ('request-hash', $1) ON CONFLICT DO NOTHING")
            .bind(&fresh[..])
            .execute(&mut *tx)
            .await?;
        let key: Vec<u8> = sqlx::query_scalar("SELECT value FROM secrets WHERE name = 'request-hash'")
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        // HMAC takes keys of any length
        Hmac::new_from_slice(&key).map(Self).map_err(|e| Error::unreadable("secrets.value", e))
    }

    /// The keyed hash of `bytes`.
    pub fn hash(&self, bytes: &[u8]) -> Vec<u8> {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.finalize().into_bytes().to_vec()
    }
}

/// Names one request of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Whose.
    pub tenant: TenantId,
    /// The RPC, such as `RecordOrder`.
    pub method: &'static str,
    /// As the caller chose it.
    pub request_id: String,
}

/// What is known of a request that was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Keyed hash of the request it came with.
    pub hash: Vec<u8>,
    /// Ids of what it made.
    pub resources: Vec<String>,
}

/// Tenant, method, request id, hash, resources.
type Row = (String, String, String, Vec<u8>, Vec<String>);

/// Those of `keys` that were seen in the last 7 days.
pub async fn load(tx: &mut WriteTx, keys: &[Key]) -> Result<HashMap<Key, Seen>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let tenants: Vec<&str> = keys.iter().map(|k| k.tenant.as_str()).collect();
    let methods: Vec<&str> = keys.iter().map(|k| k.method).collect();
    let ids: Vec<&str> = keys.iter().map(|k| k.request_id.as_str()).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT r.tenant_id, r.method, r.request_id, r.request_hash, r.resources
           FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[])) AS k (tenant_id, method, request_id)
          CROSS JOIN LATERAL (
              SELECT * FROM requests
               WHERE tenant_id = k.tenant_id AND method = k.method AND request_id = k.request_id OFFSET 0) r",
    )
    .bind(tenants)
    .bind(methods)
    .bind(ids)
    .fetch_all(&mut **tx)
    .await?;
    let found: HashMap<_, _> = rows
        .into_iter()
        .map(|(tenant, method, id, hash, resources)| ((tenant, method, id), Seen { hash, resources }))
        .collect();
    let of = |k: &Key| (k.tenant.as_str().to_owned(), k.method.to_owned(), k.request_id.clone());
    Ok(keys.iter().filter_map(|k| found.get(&of(k)).map(|seen| (k.clone(), seen.clone()))).collect())
}

/// Separates resources on their way into an array of arrays, which SQL has not; no id holds it.
const SEPARATOR: &str = "\u{1f}";

/// Remembers what requests made, in the transaction that makes it. `now` is the real clock.
pub fn save(inserts: &mut Inserts, made: &[(Key, Seen)], now: Timestamp) {
    if made.is_empty() {
        return;
    }
    let tenants: Vec<&str> = made.iter().map(|(key, _)| key.tenant.as_str()).collect();
    let methods: Vec<&str> = made.iter().map(|(key, _)| key.method).collect();
    let ids: Vec<&str> = made.iter().map(|(key, _)| key.request_id.as_str()).collect();
    let hashes: Vec<&[u8]> = made.iter().map(|(_, seen)| seen.hash.as_slice()).collect();
    let resources: Vec<String> = made.iter().map(|(_, seen)| seen.resources.join(SEPARATOR)).collect();
    inserts
        .add(
            "INSERT INTO requests (tenant_id, method, request_id, day, request_hash, resources)
         SELECT tenant_id, method, request_id, $6, request_hash, string_to_array(resources, $7)
           FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[])
                AS n (tenant_id, method, request_id, request_hash, resources)",
        )
        .bind(tenants)
        .bind(methods)
        .bind(ids)
        .bind(hashes)
        .bind(resources)
        .bind(now.date())
        .bind(SEPARATOR);
}

/// Makes the partitions of today and the next three days, and drops those older than 7 days. To be run at start
/// and once an hour.
pub async fn maintain(db: &Database, now: Timestamp) -> Result<(), Error> {
    let mut tx = db.write().await?;
    let existing: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'requests'::regclass",
    )
    .fetch_all(&mut *tx)
    .await?;
    for ahead in 0..=3 {
        let day = now.date() + Duration::days(ahead);
        let name = partition(day);
        if !existing.contains(&name) {
            let next = day + Duration::days(1);
            let create =
                format!("CREATE TABLE {name} PARTITION OF requests FOR VALUES FROM ('{day}') TO ('{next}')");
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *tx).await?;
        }
    }
    let oldest = partition(now.date() - Duration::days(KEPT_DAYS));
    for name in existing.iter().filter(|name| name.as_str() < oldest.as_str()) {
        sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {name}"))).execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// Names sort as their days do.
fn partition(day: Date) -> String {
    format!("requests_{:04}_{:02}_{:02}", day.year(), u8::from(day.month()), day.day())
}
