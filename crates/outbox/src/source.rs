//! Serving the outbox as a watch: from a cursor, the beginning or now; batches of events, and checkpoints.

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use pg::Database;
use pg::sqlx::postgres::PgListener;
use proto::common::{Checkpoint, StreamStart};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::contract::{WatchRequest, WatchResponse};
use crate::{Cursor, Event, Scope};

/// Events in one message, at most.
const BATCH: i64 = 500;
/// A checkpoint goes out at least this often; also how long a lost wake-up can go unnoticed by an idle watch.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Longest wait for a page: statements have shorter limits on a server that answers.
const PATIENCE: Duration = Duration::from_secs(30);

const HEAD: &str = "SELECT max(position) FROM events";

/// What a watch RPC returns.
pub type Watch<R> = Pin<Box<dyn Stream<Item = Result<R, Status>> + Send>>;

/// The outbox of one service, ready to be watched.
#[derive(Debug, Clone)]
pub struct Source {
    db: Database,
    epoch: i64,
    stop: CancellationToken,
}

impl Source {
    /// Reads the stream's epoch, and starts listening for commits of other processes. Watches end when `stop` is
    /// cancelled, so that a draining server is not held up by them.
    pub async fn open(db: Database, stop: CancellationToken) -> Result<Self, pg::Error> {
        let epoch = crate::append::epoch(&db).await?;
        if let Some(own) = db.process() {
            tokio::spawn(listen(db.clone(), own.to_string(), stop.clone()));
        }
        Ok(Self { db, epoch, stop })
    }

    /// The stream's epoch.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Starts a watch for `scope`.
    pub async fn watch<R: WatchResponse>(
        &self,
        scope: Scope,
        request: &impl WatchRequest,
    ) -> Result<Watch<R>, Status> {
        if let Some(n) = request.types().iter().position(|name| !R::Event::FACTS.contains(&name.as_str())) {
            let what = format!("is none of {}", R::Event::FACTS.join(", "));
            return Err(rpc::Error::field(format!("types[{n}]"), what).into());
        }
        let start =
            request.start().ok_or_else(|| rpc::Error::field("start", "is not a value of this enum"))?;
        // subscribed before the head is read, so that no commit falls in between
        let commits = self.db.commits();
        let head = self.pooled_head().await.map_err(rpc::Error::from)?;
        let position = match (request.cursor(), start) {
            ("", StreamStart::Now) => head,
            ("", _) => 0,
            (text, _) => {
                let cursor = Cursor::decode(text, R::Event::STREAM, &scope)?;
                cursor.check(self.epoch, head)?;
                cursor.position
            }
        };
        let (sender, receiver) = mpsc::channel(2);
        let types = request.types().to_vec();
        let watcher = Watcher { source: self.clone(), scope, types, position, commits };
        tokio::spawn(async move {
            let stop = watcher.source.stop.clone();
            tokio::select! {
                () = stop.cancelled() => {}
                () = sender.closed() => {}
                () = watcher.run(&sender) => {}
            }
        });
        Ok(Box::pin(ReceiverStream::new(receiver)))
    }

    /// The same, for watches: however many there are, they do not hold up those who write.
    async fn pooled_head(&self) -> Result<i64, pg::Error> {
        let head: Option<i64> = pg::sqlx::query_scalar(HEAD).fetch_one(self.db.read()).await?;
        Ok(head.unwrap_or(0))
    }

    /// The highest committed position; 0 for an empty stream.
    pub async fn head(&self) -> Result<i64, pg::Error> {
        let mut turn = self.db.hot_read().await?;
        let head: Option<i64> = pg::sqlx::query_scalar(HEAD).fetch_one(&mut *turn).await?;
        turn.done();
        Ok(head.unwrap_or(0))
    }

    /// Of up to [`BATCH`] events after `position` those of `types` (all if empty), and the position scanned to. What is committed is complete up to the
    /// last event that is seen, positions being in commit order; a tenant's own events say nothing about the others', so
    /// there the head is asked for first.
    async fn page<E: Event>(
        &self,
        scope: &Scope,
        types: &[String],
        position: i64,
    ) -> Result<Page<E>, pg::Error> {
        let (head, rows) = match scope {
            Scope::All => {
                let rows = pg::sqlx::query_as(
                    "SELECT position, payload FROM events WHERE position > $1 ORDER BY position LIMIT $2",
                );
                let mut turn = self.db.hot_read().await?;
                let rows = rows.bind(position).bind(BATCH).fetch_all(&mut *turn).await?;
                turn.done();
                (None, rows)
            }
            Scope::Tenant(tenant) => {
                let head = self.pooled_head().await?;
                let rows = pg::sqlx::query_as(
                    "SELECT position, payload FROM events
                      WHERE tenant_id = $4 AND position > $1 AND position <= $3 ORDER BY position LIMIT $2",
                );
                let rows = rows.bind(position).bind(BATCH).bind(head).bind(tenant);
                (Some(head), rows.fetch_all(self.db.read()).await?)
            }
        };
        self.read(scope, types, position, head, rows).await
    }

    async fn read<E: Event>(
        &self,
        scope: &Scope,
        types: &[String],
        position: i64,
        head: Option<i64>,
        rows: Vec<(i64, Vec<u8>)>,
    ) -> Result<Page<E>, pg::Error> {
        let last = rows.last().map_or(position, |(last, _)| *last);
        let full = i64::try_from(rows.len()).unwrap_or(BATCH) == BATCH;
        let (scanned, head) = match head {
            None if full => (last, self.pooled_head().await?),
            None => (last, last),
            Some(head) if full => (last, head),
            Some(head) => (head.max(position), head),
        };
        let mut events = Vec::with_capacity(rows.len());
        for (position, payload) in rows {
            let mut event = E::decode(&*payload).map_err(|e| pg::Error::unreadable("events.payload", e))?;
            if !types.is_empty() && !types.iter().any(|name| name == event.fact()) {
                continue;
            }
            event.set_cursor(Cursor { epoch: self.epoch, position }.encode(E::STREAM, scope));
            events.push(event);
        }
        Ok(Page { events, scanned, lag: u64::try_from(head - scanned).unwrap_or(0) })
    }
}

struct Watcher {
    source: Source,
    scope: Scope,
    types: Vec<String>,
    position: i64,
    commits: watch::Receiver<u64>,
}

impl Watcher {
    /// Delivers until the receiver is gone. A database failure ends the watch: the client resumes from its cursor.
    async fn run<R: WatchResponse>(mut self, sender: &mpsc::Sender<Result<R, Status>>) {
        // the first message goes out at once, so that the reader knows where it stands before anything happens
        let mut heartbeat = Instant::now();
        loop {
            self.commits.mark_unchanged();
            let next = tokio::time::timeout(PATIENCE, self.next());
            let page = match next.await.unwrap_or_else(|_| Err(pg::Error::no_answer())) {
                Ok(page) => page,
                Err(error) => {
                    let _ = sender.send(Err(unavailable(&error))).await;
                    return;
                }
            };
            let more = page.lag > 0;
            if !page.events.is_empty() || Instant::now() >= heartbeat {
                if sender.send(Ok(page.into_message(&self))).await.is_err() {
                    return;
                }
                heartbeat = Instant::now() + HEARTBEAT;
            }
            if !more {
                // a wake-up makes it fast, the time-out makes it sure
                let _ = tokio::time::timeout_at(heartbeat, self.commits.changed()).await;
            }
        }
    }

    /// What is between here and the head, a batch at most.
    async fn next<E: Event>(&mut self) -> Result<Page<E>, pg::Error> {
        let page = self.source.page(&self.scope, &self.types, self.position).await?;
        self.position = page.scanned;
        Ok(page)
    }
}

/// A batch of the stream.
struct Page<E> {
    events: Vec<E>,
    /// The highest committed position that was looked at.
    scanned: i64,
    /// What lies behind it.
    lag: u64,
}

impl<E: Event> Page<E> {
    fn into_message<R: WatchResponse<Event = E>>(self, watcher: &Watcher) -> R {
        let cursor = Cursor { epoch: watcher.source.epoch, position: watcher.position };
        let cursor = cursor.encode(E::STREAM, &watcher.scope);
        R::from_parts(self.events, Checkpoint { cursor, lag: self.lag })
    }
}

fn unavailable(error: &pg::Error) -> Status {
    tracing::warn!(%error, "watch ended");
    rpc::Error::unavailable().into()
}

/// Turns NOTIFYs of other processes into local wake-ups; reconnects for ever. Losing one costs a heartbeat at most.
async fn listen(db: Database, own: String, stop: CancellationToken) {
    let channel = format!("{}_events", db.schema().name);
    while !stop.is_cancelled() {
        let heard = async {
            let mut listener = PgListener::connect_with(db.read()).await?;
            listener.listen(&channel).await?;
            loop {
                if listener.recv().await?.payload() != own {
                    db.wake();
                }
            }
        };
        let lost: Result<(), pg::sqlx::Error> = tokio::select! {
            () = stop.cancelled() => return,
            lost = heard => lost,
        };
        if let Err(error) = lost {
            tracing::debug!(%error, "listener lost");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
    }
}
