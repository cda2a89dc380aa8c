//! Erasure on its way through the services (A13). Word of it comes with a call or an event; what a service holds of the
//! contact is removed in slices, each in a transaction of its own that also counts it; the last one completes the service's
//! part of the receipt and passes it on. So a crash half-way loses nothing and counts nothing twice.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pg::sqlx::FromRow;
use pg::{Database, Inserts, WriteTx};
use prost::Message;
use proto::common::{self, ErasurePart, ErrorReason as Reason, RemovedData};
use rpc::Error;
use rpc::fields::{self, wire_time};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use types::{Clock, ContactId, TenantId, Timestamp};

use crate::Event;

/// Records of a kind that are removed in one transaction, at most.
pub const SLICE: i64 = 1000;
/// How often it is looked for work at least: other processes may have left some.
const LOOK: Duration = Duration::from_secs(5);
/// Erasures taken up at a time.
const ROUND: i64 = 10_000;
/// The service after which nobody has anything left.
const LAST: &str = "rewards";

/// Why a slice was not removed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The database could not.
    #[error(transparent)]
    Database(#[from] pg::Error),
    /// Another service could not.
    #[error("{0}")]
    Upstream(Box<Status>),
}

impl From<Status> for EraseError {
    fn from(status: Status) -> Self {
        Self::Upstream(Box::new(status))
    }
}

/// How many records of which kind were removed.
pub type Removed = Vec<(&'static str, u64)>;

/// What a service does to forget a contact.
pub trait Eraser: Send + Sync + 'static {
    /// The event that passes it on.
    type Event: Event;

    /// By what else the contact is known, where that has to be asked for; before each round of slices.
    fn names(&self, _: &Open) -> impl Future<Output = Result<Vec<String>, EraseError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Removes up to [`SLICE`] records of each kind.
    fn remove(
        &self,
        tx: &mut WriteTx,
        open: &Open,
        names: &[String],
    ) -> impl Future<Output = Result<Removed, pg::Error>> + Send;

    /// Has forgotten what [`Eraser::names`] gave, where that was kept for it.
    fn release(&self, _: &Open) -> impl Future<Output = Result<(), EraseError>> + Send {
        std::future::ready(Ok(()))
    }

    /// The fact that what is held up to here is removed.
    fn event(&self, done: &Open, now: Timestamp) -> Self::Event;
}

/// An erasure as it stands here.
#[derive(Clone)]
pub struct Open {
    /// Whose contact.
    pub tenant: TenantId,
    /// Whom.
    pub contact: ContactId,
    /// The receipt; the last part is this service's.
    pub receipt: common::Erasure,
    /// Trace of the call that erased it.
    pub traceparent: Option<Arc<str>>,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("tenant", &self.tenant)
            .field("contact", &self.contact)
            .finish_non_exhaustive()
    }
}

impl Open {
    /// One that `service` begins, after the services whose parts are given.
    pub fn new(
        (tenant, contact): (&TenantId, ContactId),
        occurred_at: Timestamp,
        earlier: &[ErasurePart],
        traceparent: Option<&Arc<str>>,
    ) -> Self {
        let receipt = common::Erasure {
            contact_id: contact.to_string(),
            erased_at: Some(wire_time(occurred_at)),
            recorded_at: None,
            parts: earlier.to_vec(),
            complete: false,
        };
        Self { tenant: tenant.clone(), contact, receipt, traceparent: traceparent.cloned() }
    }

    /// One that an event tells of: tenant and contact, when it was erased, what was removed before, and the trace.
    pub fn read(
        (tenant, contact): (&str, &str),
        occurred_at: Option<&prost_types::Timestamp>,
        earlier: &[ErasurePart],
        traceparent: &str,
    ) -> Result<Self, Error> {
        let tenant: TenantId = fields::parse("tenant_id", tenant)?;
        let contact = fields::parse("contact_id", contact)?;
        let at = fields::timestamp("occurred_at", occurred_at)?;
        let traceparent = (!traceparent.is_empty()).then(|| Arc::from(traceparent));
        let at = fields::required("occurred_at", at)?;
        Ok(Self::new((&tenant, contact), at, earlier, traceparent.as_ref()))
    }

    fn count(&mut self, removed: &Removed) {
        let Some(part) = self.receipt.parts.last_mut() else { return };
        for (kind, more) in removed.iter().filter(|(_, more)| *more > 0) {
            let more = i64::try_from(*more).unwrap_or(i64::MAX);
            match part.removed.iter_mut().find(|known| known.kind == *kind) {
                Some(known) => known.count = known.count.saturating_add(more),
                None => part.removed.push(RemovedData { kind: (*kind).to_owned(), count: more }),
            }
        }
    }

    fn complete(&mut self, now: Timestamp) {
        if let Some(part) = self.receipt.parts.last_mut() {
            part.completed_at = Some(wire_time(now));
            self.receipt.complete = part.service == LAST;
        }
    }
}

#[derive(FromRow)]
struct Row {
    tenant_id: TenantId,
    contact_id: ContactId,
    receipt: Vec<u8>,
    traceparent: Option<String>,
}

impl Row {
    fn read(self) -> Result<Open, pg::Error> {
        let receipt = common::Erasure::decode(self.receipt.as_slice())
            .map_err(|error| pg::Error::unreadable("erasures.receipt", error))?;
        let traceparent = self.traceparent.map(Arc::from);
        Ok(Open { tenant: self.tenant_id, contact: self.contact_id, receipt, traceparent })
    }
}

/// The erasures of one service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Erasures {
    pub(crate) db: Database,
    begun: Arc<Notify>,
}

impl Erasures {
    /// Those of the service whose schema `db` is.
    pub fn new(db: Database) -> Self {
        Self { db, begun: Arc::default() }
    }

    /// Takes up an erasure, of which `removed` is done in this transaction; one that is known stays as it is. Whether it is
    /// new here.
    pub async fn begin(
        &self,
        tx: &mut WriteTx,
        mut open: Open,
        removed: &Removed,
        now: Timestamp,
    ) -> Result<bool, pg::Error> {
        self.take_up(&mut open, removed, now);
        let is_new = insert(tx, &open, now, None).await?;
        let begun = Arc::clone(&self.begun);
        tx.after_commit(move || begun.notify_one());
        Ok(is_new)
    }

    /// Takes up an erasure in a service that holds nothing of a contact but its id, and completes it: its part is in the
    /// receipt. `None` if it is known.
    pub async fn pass(
        &self,
        tx: &mut WriteTx,
        mut open: Open,
        now: Timestamp,
    ) -> Result<Option<Open>, pg::Error> {
        self.take_up(&mut open, &Vec::new(), now);
        open.complete(now);
        Ok(insert(tx, &open, now, Some(now)).await?.then_some(open))
    }

    /// Takes up erasures again that are complete here, since there is more to remove: that of one contact of a tenant, or all.
    /// What comes of it is told once more, and the services behind know it already.
    pub async fn reopen(
        &self,
        tx: &mut WriteTx,
        tenant: &TenantId,
        contact: Option<ContactId>,
    ) -> Result<(), pg::Error> {
        pg::sqlx::query(
            "UPDATE erasures SET completed_at = NULL
              WHERE tenant_id = $1 AND contact_id = coalesce($2, contact_id)",
        )
        .bind(tenant)
        .bind(contact)
        .execute(&mut **tx)
        .await?;
        let begun = Arc::clone(&self.begun);
        tx.after_commit(move || begun.notify_one());
        Ok(())
    }

    /// Whether this service is done with a contact. Errors: ERASURE_NOT_FOUND if it was not erased.
    pub async fn is_complete(&self, tenant: &TenantId, contact: ContactId) -> Result<bool, Error> {
        let receipt = self.receipt(tenant, contact).await?;
        Ok(receipt.parts.iter().any(|part| part.service == self.db.schema().name))
    }

    fn take_up(&self, open: &mut Open, removed: &Removed, now: Timestamp) {
        open.receipt.recorded_at = Some(wire_time(now));
        let service = self.db.schema().name.to_owned();
        open.receipt.parts.push(ErasurePart { service, removed: Vec::new(), completed_at: None });
        open.count(removed);
    }

    /// The receipt of a contact's erasure, as far as this service knows it: parts that are complete. Errors:
    /// ERASURE_NOT_FOUND.
    pub async fn receipt(&self, tenant: &TenantId, contact: ContactId) -> Result<common::Erasure, Error> {
        let known = select(self.db.read(), tenant, contact).await?;
        let missing = || Error::not_found(Reason::ErasureNotFound, "erasure", contact.to_string());
        let mut receipt = known.ok_or_else(missing)?.receipt;
        receipt.parts.retain(|part| part.completed_at.is_some());
        Ok(receipt)
    }

    /// Removes what is to be removed until `stop`. A failure is logged, and tried again.
    pub async fn run<E: Eraser>(
        self,
        eraser: E,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<(), Infallible> {
        loop {
            if let Err(error) = self.round(&eraser, &*clock, &stop).await {
                tracing::warn!(%error, "a contact is not erased yet; trying again");
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = tokio::time::timeout(LOOK, self.begun.notified()) => {}
            }
        }
    }

    /// All that are open; one that fails does not hold up the others.
    async fn round<E: Eraser>(
        &self,
        eraser: &E,
        clock: &dyn Clock,
        stop: &CancellationToken,
    ) -> Result<(), EraseError> {
        let rows: Vec<Row> = pg::sqlx::query_as(
            "SELECT tenant_id, contact_id, receipt, traceparent FROM erasures
              WHERE completed_at IS NULL ORDER BY recorded_at LIMIT $1",
        )
        .bind(ROUND)
        .fetch_all(self.db.read())
        .await
        .map_err(pg::Error::from)?;
        let mut failure = Ok(());
        for row in rows {
            let finished = match row.read() {
                Ok(open) => self.finish(eraser, &open, clock, stop).await,
                Err(unreadable) => Err(unreadable.into()),
            };
            failure = finished.and(failure);
        }
        failure
    }

    async fn finish<E: Eraser>(
        &self,
        eraser: &E,
        open: &Open,
        clock: &dyn Clock,
        stop: &CancellationToken,
    ) -> Result<(), EraseError> {
        let names = eraser.names(open).await?;
        let mut is_released = false;
        while !stop.is_cancelled() {
            let mut tx = self.db.write().await?;
            // another process may have been at it
            let Some(mut open) = select_open(&mut tx, open).await? else {
                tx.rollback().await?;
                return Ok(());
            };
            let removed = eraser.remove(&mut tx, &open, &names).await?;
            let now = clock.now();
            if removed.iter().any(|(_, count)| *count > 0) {
                open.count(&removed);
                update(&mut tx, &open, None).await?;
                tx.commit().await?;
            } else if is_released {
                open.complete(now);
                update(&mut tx, &open, Some(now)).await?;
                crate::append(&mut tx, Inserts::default(), &[eraser.event(&open, now)]).await?;
                tx.commit().await?;
                return Ok(());
            } else {
                tx.rollback().await?;
                eraser.release(&open).await?;
                is_released = true;
            }
        }
        Ok(())
    }
}

async fn insert(
    tx: &mut WriteTx,
    open: &Open,
    now: Timestamp,
    completed_at: Option<Timestamp>,
) -> Result<bool, pg::Error> {
    let done = pg::sqlx::query(
        "INSERT INTO erasures (tenant_id, contact_id, receipt, traceparent, recorded_at, completed_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(&open.tenant)
    .bind(open.contact)
    .bind(open.receipt.encode_to_vec())
    .bind(open.traceparent.as_deref())
    .bind(now)
    .bind(completed_at)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

async fn update(tx: &mut WriteTx, open: &Open, completed_at: Option<Timestamp>) -> Result<(), pg::Error> {
    pg::sqlx::query(
        "UPDATE erasures SET receipt = $3, completed_at = $4 WHERE tenant_id = $1 AND contact_id = $2",
    )
    .bind(&open.tenant)
    .bind(open.contact)
    .bind(open.receipt.encode_to_vec())
    .bind(completed_at)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn select_open(tx: &mut WriteTx, open: &Open) -> Result<Option<Open>, pg::Error> {
    let row: Option<Row> = pg::sqlx::query_as(
        "SELECT tenant_id, contact_id, receipt, traceparent FROM erasures
          WHERE tenant_id = $1 AND contact_id = $2 AND completed_at IS NULL",
    )
    .bind(&open.tenant)
    .bind(open.contact)
    .fetch_optional(&mut **tx)
    .await?;
    row.map(Row::read).transpose()
}

async fn select(
    executor: impl pg::sqlx::PgExecutor<'_>,
    tenant: &TenantId,
    contact: ContactId,
) -> Result<Option<Open>, pg::Error> {
    let row: Option<Row> = pg::sqlx::query_as(
        "SELECT tenant_id, contact_id, receipt, traceparent FROM erasures
          WHERE tenant_id = $1 AND contact_id = $2",
    )
    .bind(tenant)
    .bind(contact)
    .fetch_optional(executor)
    .await?;
    row.map(Row::read).transpose()
}
