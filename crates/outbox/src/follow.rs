//! Following another service's stream: effects and cursor commit together, fenced against a second follower.
//!
//! Transient failures are retried for ever. What fails deterministically is narrowed down to the one event that causes
//! it, and that event is parked; later events of the same contact park behind it, in order.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use observe::metrics::{Duplicate, duplicates};
use pg::sqlx::Connection;
use pg::sqlx::postgres::PgConnection;
use pg::{Database, WriteTx};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};
use tracing::Instrument;
use types::Clock;

use crate::contract::WatchResponse;
use crate::observed::{Observed, Spans};
use crate::{Cursor, Event, Scope, parked, subscription};

/// Events applied in one transaction, at most.
pub const SLICE: usize = 500;
/// So many events of other types make it worth a transaction to remember that they were passed.
const SKIPPED: i64 = 1000;
/// Longest time for a slice: statements have shorter limits on a server that answers.
const PATIENCE: Duration = Duration::from_mins(1);
/// First and longest wait before trying again after a transient failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often a follower that is not needed looks whether it is.
const STAND_BY: Duration = Duration::from_secs(1);
/// A stream that says nothing for this long is taken for dead: heartbeats come every second.
const SILENCE: Duration = Duration::from_secs(15);

/// Why a slice of events was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The database failed; see [`pg::Error`] for what that means.
    #[error(transparent)]
    Database(#[from] pg::Error),
    /// An event can never be applied as things are; the text is for an operator and holds no personal data.
    #[error("{0}")]
    Poison(String),
}

/// One subscription: what is followed, and what its events do.
pub trait Subscriber: Send + Sync + 'static {
    /// The watch message of the upstream contract.
    type Response: WatchResponse;
    /// Name of the subscription, such as `journeys.orders`.
    const NAME: &'static str;

    /// Opens the watch after `cursor`; empty for the beginning.
    fn open(&self, cursor: String) -> impl Future<Output = Result<Streaming<Self::Response>, Status>> + Send;

    /// How many of `events`, from the first, may be applied in the next transaction; 0 asks again shortly. Longer work
    /// that an event needs done before it, in transactions of its own, goes here.
    fn ready(
        &self,
        events: &[<Self::Response as WatchResponse>::Event],
    ) -> impl Future<Output = Result<usize, ApplyError>> + Send {
        std::future::ready(Ok(events.len()))
    }

    /// Applies `events` in `tx`, which the caller commits together with the cursor.
    fn apply(
        &self,
        tx: &mut WriteTx,
        events: &[<Self::Response as WatchResponse>::Event],
    ) -> impl Future<Output = Result<(), ApplyError>> + Send;
}

type EventOf<S> = <<S as Subscriber>::Response as WatchResponse>::Event;

/// Why a follower stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stream is not the one whose cursor is stored: it was restored from a backup. An operator has to decide.
    #[error(
        "subscription {0}: the upstream stream is of another epoch, or shorter than the stored cursor; after restoring a backup, reset this subscription to read from the beginning"
    )]
    OtherEpoch(&'static str),
}

/// How an attempt to apply a slice ended.
enum Applied {
    Yes,
    /// Another follower was faster: start again from the stored cursor.
    Superseded,
}

/// Follows one stream.
pub struct Follower<S> {
    db: Database,
    subscriber: S,
    clock: Arc<dyn Clock>,
    /// Whether to stand by while another process follows; saves double work, correctness does not rest on it.
    exclusive: bool,
    observed: Observed,
}

impl<S> std::fmt::Debug for Follower<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("exclusive", &self.exclusive).finish_non_exhaustive()
    }
}

impl<S: Subscriber> Follower<S> {
    /// A follower that keeps its cursor in `db`, the schema its effects go to.
    pub fn new(db: Database, subscriber: S, clock: Arc<dyn Clock>) -> Self {
        Self { db, subscriber, clock, exclusive: true, observed: Observed::new(S::NAME) }
    }

    /// Does not stand by while another follower of the subscription lives; the fence alone keeps them apart.
    #[must_use]
    pub fn without_stand_by(mut self) -> Self {
        self.exclusive = false;
        self
    }

    /// What the events do.
    pub fn subscriber(&self) -> &S {
        &self.subscriber
    }

    /// Follows until `stop`; returns earlier only for what needs an operator.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Error> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            error = self.follow() => Err(error),
        }
    }

    async fn follow(&self) -> Error {
        let mut wait = BACK_OFF.0;
        loop {
            match self.session(&mut wait).await {
                Ok(()) => {}
                Err(Lost::OtherEpoch) => {
                    let error = Error::OtherEpoch(S::NAME);
                    tracing::error!(subscription = S::NAME, %error, "follower stopped");
                    return error;
                }
                Err(lost @ (Lost::Transient(_) | Lost::Refused(_))) => {
                    self.observed.lost(lost.reason(), matches!(lost, Lost::Refused(_)));
                    tokio::time::sleep(jitter(wait)).await;
                    wait = (wait * 2).min(BACK_OFF.1);
                }
            }
        }
    }

    /// One connection: from the stored cursor until something fails or another follower is faster.
    async fn session(&self, wait: &mut Duration) -> Result<(), Lost> {
        let _lock = if self.exclusive { Some(self.stand_by().await?) } else { None };
        let stored = self.stored().await?;
        let stream = <EventOf<S>>::STREAM;
        let cursor = stored.map(|cursor| cursor.encode(stream, &Scope::All)).unwrap_or_default();
        let mut messages = self.subscriber.open(cursor).await.map_err(Lost::status)?;
        let mut position = stored.map(|cursor| cursor.position);
        loop {
            let message = tokio::time::timeout(SILENCE, messages.message())
                .await
                .map_err(|_| Lost::Transient("stream is silent".to_owned()))?
                .map_err(Lost::status)?
                .ok_or_else(|| Lost::Transient("stream ended".to_owned()))?;
            let (events, checkpoint) = message.into_parts();
            let Some(checkpoint) = checkpoint else { continue };
            let at = decode(&checkpoint.cursor, stream)?;
            let from = match position {
                Some(position) => position,
                None => match self.begin(at.epoch).await? {
                    0 => 0,
                    // another follower began meanwhile; what this stream brings from the beginning is applied already
                    _ => return Ok(()),
                },
            };
            position = Some(from);
            self.observed.connected();
            self.observed.behind(events.len(), checkpoint.lag);
            self.observed.count_parked(&self.db).await;
            if !events.is_empty() {
                match self.apply_all(at.epoch, from, &events, checkpoint.lag).await? {
                    Some(now) => position = Some(now),
                    None => return Ok(()),
                }
            } else if at.position - from >= SKIPPED {
                // what lies between does nothing here: a restart need not read it again
                if !subscription::skip(&self.db, S::NAME, Cursor { position: from, ..at }, at.position)
                    .await?
                {
                    return Ok(());
                }
                position = Some(at.position);
            }
            *wait = BACK_OFF.0;
        }
    }

    /// Applies a batch in as many transactions as `ready` asks for; `None` if superseded.
    async fn apply_all(
        &self,
        epoch: i64,
        from: i64,
        events: &[EventOf<S>],
        beyond: u64,
    ) -> Result<Option<i64>, Lost> {
        let mut at = Cursor { epoch, position: from };
        let mut rest = events;
        while !rest.is_empty() {
            let ready = match self.subscriber.ready(&rest[..rest.len().min(SLICE)]).await {
                Ok(ready) => ready,
                Err(ApplyError::Database(error)) => return Err(Lost::from(error)),
                // judged event by event when it is applied
                Err(ApplyError::Poison(_)) => 1,
            };
            if ready == 0 {
                self.pause().await;
                continue;
            }
            let (slice, later) = rest.split_at(ready.min(rest.len()));
            let spans = Spans::of(S::NAME, slice);
            match self.apply_slice(at, slice).instrument(spans.slice()).await? {
                Applied::Yes => {
                    at.position = decode(slice[slice.len() - 1].cursor(), <EventOf<S>>::STREAM)?.position;
                    rest = later;
                    self.observed.behind(rest.len(), beyond);
                }
                Applied::Superseded => {
                    duplicates(Duplicate::RedeliveredEvent, slice.len());
                    return Ok(None);
                }
            }
        }
        Ok(Some(at.position))
    }

    /// Applies a slice; a deterministic failure splits it by halves until the event that causes it is alone, and parked.
    fn apply_slice<'a>(
        &'a self,
        at: Cursor,
        slice: &'a [EventOf<S>],
    ) -> BoxFuture<'a, Result<Applied, Lost>> {
        Box::pin(async move {
            let tried = tokio::time::timeout(PATIENCE, self.try_slice(at, slice, None)).await;
            let reason = match tried.unwrap_or_else(|_| Err(pg::Error::no_answer().into())) {
                Ok(applied) => return Ok(applied),
                Err(ApplyError::Database(error @ pg::Error::Data(_))) => {
                    tracing::error!(subscription = S::NAME, %error, events = slice.len(), "slice failed");
                    "the database refused what follows from this event".to_owned()
                }
                Err(ApplyError::Database(error)) => return Err(error.into()),
                Err(ApplyError::Poison(reason)) => reason,
            };
            if slice.len() == 1 {
                let event = slice[0].event_id();
                tracing::error!(subscription = S::NAME, event, reason, "event parked");
                return self.try_slice(at, slice, Some(&reason)).await.map_err(Lost::from);
            }
            let (first, second) = slice.split_at(slice.len() / 2);
            if let Applied::Superseded = self.apply_slice(at, first).await? {
                return Ok(Applied::Superseded);
            }
            let position = decode(first[first.len() - 1].cursor(), <EventOf<S>>::STREAM)?.position;
            self.apply_slice(Cursor { position, ..at }, second).await
        })
    }

    /// One transaction: fence, park what waits behind parked events (or `park` the slice itself), apply the rest.
    async fn try_slice(
        &self,
        at: Cursor,
        slice: &[EventOf<S>],
        park: Option<&str>,
    ) -> Result<Applied, ApplyError> {
        let last = &slice[slice.len() - 1];
        let to = Cursor::decode(last.cursor(), <EventOf<S>>::STREAM, &Scope::All)
            .map_err(|_| ApplyError::Poison("the upstream sent a cursor that is not its own".to_owned()))?;
        let mut tx = self.db.write().await?;
        let Some(some_parked) = subscription::fence(&mut tx, S::NAME, at, to.position).await? else {
            tx.rollback().await?;
            return Ok(Applied::Superseded);
        };
        let now = self.clock.now();
        if let Some(reason) = park {
            self.observed.parked();
            parked::park(&mut tx, S::NAME, slice.iter(), reason, now).await?;
        } else if some_parked {
            let behind = parked::blocked(&mut tx, S::NAME, slice).await?;
            let waits = |e: &&EventOf<S>| behind.contains(&parked::subject(*e));
            parked::park(&mut tx, S::NAME, slice.iter().filter(waits), parked::BEHIND, now).await?;
            let free: Vec<_> = slice.iter().filter(|e| !waits(e)).cloned().collect();
            if !free.is_empty() {
                self.subscriber.apply(&mut tx, &free).await?;
            }
        } else {
            self.subscriber.apply(&mut tx, slice).await?;
        }
        tx.commit().await?;
        Ok(Applied::Yes)
    }

    async fn stored(&self) -> Result<Option<Cursor>, Lost> {
        subscription::stored(&self.db, S::NAME).await.map_err(Lost::from)
    }

    /// The first time: stands at the beginning of the stream of this epoch.
    async fn begin(&self, epoch: i64) -> Result<i64, Lost> {
        subscription::begin(&self.db, S::NAME, epoch).await?;
        self.stored().await.map(|cursor| cursor.map_or(0, |cursor| cursor.position))
    }

    /// Waits until no other process follows, and holds an advisory lock as long as the connection lives.
    async fn stand_by(&self) -> Result<PgConnection, Lost> {
        let connect = async {
            let options = self.db.read().connect_options();
            PgConnection::connect_with(options.as_ref()).await
        };
        let mut connection = connect.await.map_err(|e| Lost::from(pg::Error::from(e)))?;
        loop {
            let held: bool = pg::sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext($1), 1)")
                .bind(S::NAME)
                .fetch_one(&mut connection)
                .await
                .map_err(|e| Lost::from(pg::Error::from(e)))?;
            if held {
                return Ok(connection);
            }
            self.observed.stands_by();
            tokio::time::sleep(jitter(STAND_BY)).await;
        }
    }

    /// Waits for something to change here, or a moment.
    async fn pause(&self) {
        let mut commits = self.db.commits();
        commits.mark_unchanged();
        let _ = tokio::time::timeout(Duration::from_millis(20), commits.changed()).await;
    }
}

/// Why a session ended.
enum Lost {
    Transient(String),
    /// Upstream does not let us in: it will take an operator.
    Refused(String),
    OtherEpoch,
}

impl Lost {
    #[expect(clippy::needless_pass_by_value, reason = "for map_err")]
    fn status(status: Status) -> Self {
        let reason = format!("{:?}: {}", status.code(), status.message());
        match status.code() {
            Code::OutOfRange => Self::OtherEpoch,
            Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => Self::Refused(reason),
            _ => Self::Transient(reason),
        }
    }

    fn reason(&self) -> &str {
        match self {
            Self::Transient(reason) | Self::Refused(reason) => reason,
            Self::OtherEpoch => "the stream is another",
        }
    }
}

impl From<pg::Error> for Lost {
    fn from(error: pg::Error) -> Self {
        if let pg::Error::Bug(_) = error {
            // not the event's fault, so nothing is parked: the stream stands still, loudly, until the code is mended
            tracing::error!(%error, "follower cannot go on");
        }
        Self::Transient(error.to_string())
    }
}

impl From<ApplyError> for Lost {
    fn from(error: ApplyError) -> Self {
        Self::Transient(error.to_string())
    }
}

fn decode(cursor: &str, stream: &str) -> Result<Cursor, Lost> {
    Cursor::decode(cursor, stream, &Scope::All).map_err(|e| Lost::Transient(e.message().to_owned()))
}

/// Half to all of `wait`, so that followers do not come back in step.
fn jitter(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

/// Names of contacts, as parking sees them.
pub(crate) type Subjects = HashSet<(String, String)>;
