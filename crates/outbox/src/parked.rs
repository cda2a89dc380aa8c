//! Events that cannot be applied, and those of the same contact that wait behind them, in order.

use pg::sqlx::FromRow;
use pg::{Audit, Database, Inserts, WriteTx};
use prost::Message;
use proto::common::{ErrorReason as Reason, ParkedEvent};
use rpc::page::Page;
use types::{Origin, TenantId, Timestamp};

use crate::Event;
use crate::contract::WatchResponse;
use crate::follow::{ApplyError, Subjects, Subscriber};

/// Reason of events that are sound themselves.
pub(crate) const BEHIND: &str = "waits behind a parked event of the same contact";
/// Tenant and contact of an event; an event without contact holds up nobody.
pub(crate) fn subject<E: Event>(event: &E) -> (String, String) {
    (event.tenant_id().to_owned(), event.contact_id().unwrap_or_default().to_owned())
}

/// Those contacts of `slice` that have parked events in this subscription.
pub(crate) async fn blocked<E: Event>(
    tx: &mut WriteTx,
    subscription: &str,
    slice: &[E],
) -> Result<Subjects, pg::Error> {
    let tenants: Vec<&str> = slice.iter().map(Event::tenant_id).collect();
    let contacts: Vec<&str> = slice.iter().map(|e| e.contact_id().unwrap_or_default()).collect();
    let rows: Vec<(String, String)> = pg::sqlx::query_as(
        "SELECT DISTINCT p.tenant_id, p.contact_id
           FROM unnest($2::text[], $3::text[]) AS e (tenant_id, contact_id)
          CROSS JOIN LATERAL (
              SELECT * FROM parked
               WHERE subscription = $1 AND tenant_id = e.tenant_id AND contact_id = e.contact_id OFFSET 0) p
          WHERE p.contact_id <> ''",
    )
    .bind(subscription)
    .bind(tenants)
    .bind(contacts)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Sets events aside, in their order.
pub(crate) async fn park<'a, E: Event>(
    tx: &mut WriteTx,
    subscription: &str,
    events: impl Iterator<Item = &'a E>,
    reason: &str,
    now: Timestamp,
) -> Result<(), pg::Error> {
    for event in events {
        let (tenant, contact) = subject(event);
        pg::sqlx::query(
            "INSERT INTO parked (tenant_id, subscription, event_id, contact_id, payload, reason, parked_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(tenant)
        .bind(subscription)
        .bind(event.event_id())
        .bind(contact)
        .bind(event.encode_to_vec())
        .bind(reason)
        .bind(now)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct Row {
    parked_id: i64,
    subscription: String,
    event_id: String,
    contact_id: String,
    reason: String,
    parked_at: Timestamp,
    attempts: i32,
}

/// A page of a tenant's parked events, oldest first, and the next page's token.
pub async fn list(
    db: &Database,
    tenant: &TenantId,
    page_size: i32,
    page_token: &str,
) -> Result<(Vec<ParkedEvent>, String), rpc::Error> {
    // every service that follows a stream has such a list
    let list = format!("{}.ListParked", db.schema().name);
    let page = Page::read(tenant, &list, &[], page_size, page_token)?;
    let rows: Vec<Row> = pg::sqlx::query_as(
        "SELECT parked_id, subscription, event_id, contact_id, reason, parked_at, attempts
           FROM parked WHERE tenant_id = $1 AND parked_id > $2 ORDER BY parked_id LIMIT $3",
    )
    .bind(tenant)
    .bind(page.after_as::<i64>()?.unwrap_or(0))
    .bind(page.limit())
    .fetch_all(db.read())
    .await
    .map_err(pg::Error::from)?;
    let parked = |row: Row| ParkedEvent {
        parked_id: row.parked_id,
        subscription: row.subscription,
        event_id: row.event_id,
        contact_id: row.contact_id,
        reason: row.reason,
        parked_at: Some(rpc::fields::wire_time(row.parked_at)),
        attempts: row.attempts,
    };
    Ok(page.cut(rows, |row| row.parked_id.to_string(), parked))
}

/// The subscription that a parked event belongs to.
pub async fn subscription_of(db: &Database, tenant: &TenantId, parked_id: i64) -> Result<String, rpc::Error> {
    pg::sqlx::query_scalar("SELECT subscription FROM parked WHERE tenant_id = $1 AND parked_id = $2")
        .bind(tenant)
        .bind(parked_id)
        .fetch_optional(db.read())
        .await
        .map_err(pg::Error::from)?
        .ok_or_else(|| not_found(parked_id))
}

/// Tries a parked event again and, if it is applied, those waiting behind it; each in a transaction of its own, so that
/// what succeeded stays. Returns how many were applied, and why the next one was not. Each one applied is noted as
/// `origin`'s doing, by its event id; what follows from it names the event as its cause. `now` is the real clock.
pub async fn retry<S: Subscriber>(
    db: &Database,
    subscriber: &S,
    tenant: &TenantId,
    parked_id: i64,
    origin: &Origin,
    now: Timestamp,
) -> Result<(i32, String), rpc::Error> {
    let contact = contact_of(db, S::NAME, tenant, parked_id).await?;
    let mut applied = 0;
    // until none is left: the follower parks what comes meanwhile behind the last one
    let mut next = Some(first(db, S::NAME, tenant, &contact).await?.unwrap_or(parked_id));
    while let Some(id) = next {
        let reason = match retry_one(db, subscriber, tenant, id, origin, now).await {
            Ok(()) => {
                applied += 1;
                next = first(db, S::NAME, tenant, &contact).await?;
                continue;
            }
            Err(ApplyError::Poison(reason)) => reason,
            Err(ApplyError::Database(error @ pg::Error::Data(_))) => {
                tracing::error!(%error, parked_id = id, "parked event refused again");
                "the database refused what follows from this event".to_owned()
            }
            Err(ApplyError::Database(error)) => return Err(error.into()),
        };
        set_reason(db, tenant, id, &reason).await?;
        return Ok((applied, reason));
    }
    Ok((applied, String::new()))
}

/// The contact that the event named is about; empty if none.
async fn contact_of(
    db: &Database,
    subscription: &str,
    tenant: &TenantId,
    parked_id: i64,
) -> Result<String, rpc::Error> {
    pg::sqlx::query_scalar(
        "SELECT contact_id FROM parked WHERE tenant_id = $1 AND parked_id = $2 AND subscription = $3",
    )
    .bind(tenant)
    .bind(parked_id)
    .bind(subscription)
    .fetch_optional(db.read())
    .await
    .map_err(pg::Error::from)?
    .ok_or_else(|| not_found(parked_id))
}

/// The first parked event of a contact; none for no contact, since such events hold up nobody.
async fn first(
    db: &Database,
    subscription: &str,
    tenant: &TenantId,
    contact: &str,
) -> Result<Option<i64>, pg::Error> {
    let first: Option<i64> = pg::sqlx::query_scalar(
        "SELECT min(parked_id) FROM parked
          WHERE tenant_id = $1 AND subscription = $2 AND contact_id = $3 AND contact_id <> ''",
    )
    .bind(tenant)
    .bind(subscription)
    .bind(contact)
    .fetch_one(db.read())
    .await?;
    Ok(first)
}

async fn retry_one<S: Subscriber>(
    db: &Database,
    subscriber: &S,
    tenant: &TenantId,
    parked_id: i64,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), ApplyError> {
    let mut tx = db.write().await?;
    let payload: Option<Vec<u8>> = pg::sqlx::query_scalar(
        "DELETE FROM parked WHERE tenant_id = $1 AND parked_id = $2 RETURNING payload",
    )
    .bind(tenant)
    .bind(parked_id)
    .fetch_optional(&mut *tx)
    .await
    .map_err(pg::Error::from)?;
    // somebody else was faster: it is applied
    let Some(payload) = payload else { return Ok(()) };
    let event = <S::Response as WatchResponse>::Event::decode(&*payload)
        .map_err(|_| ApplyError::Poison("the stored event cannot be read".to_owned()))?;
    subscriber.apply(&mut tx, std::slice::from_ref(&event)).await?;
    let mut audit = Audit::default();
    audit.note(tenant, origin, event.event_id());
    let mut inserts = Inserts::default();
    audit.save(&mut inserts, now);
    inserts.send(&mut tx).await?;
    tx.commit().await?;
    Ok(())
}

async fn set_reason(db: &Database, tenant: &TenantId, parked_id: i64, reason: &str) -> Result<(), pg::Error> {
    let mut tx = db.write().await?;
    pg::sqlx::query(
        "UPDATE parked SET attempts = attempts + 1, reason = $3 WHERE tenant_id = $1 AND parked_id = $2",
    )
    .bind(tenant)
    .bind(parked_id)
    .bind(reason)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}

fn not_found(parked_id: i64) -> rpc::Error {
    rpc::Error::not_found(Reason::ParkedEventNotFound, "parked event", parked_id.to_string())
}
