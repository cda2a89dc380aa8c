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
        tokio::spawn(listen(db.clone(), stop.clone()));
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
        // subscribed before the head is read, so that no commit falls in between
        let commits = self.db.commits();
        let head = self.head().await.map_err(rpc::Error::from)?;
        let position = match (request.cursor(), request.start()) {
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

    /// The highest committed position; 0 for an empty stream.
    pub async fn head(&self) -> Result<i64, pg::Error> {
        let head: Option<i64> =
            pg::sqlx::query_scalar("SELECT max(position) FROM events").fetch_one(self.db.read()).await?;
        Ok(head.unwrap_or(0))
    }

    /// Up to [`BATCH`] events after `position`, and the position scanned to.
    async fn page<E: Event>(
        &self,
        scope: &Scope,
        position: i64,
        head: i64,
    ) -> Result<(Vec<E>, i64), pg::Error> {
        let query = match scope {
            Scope::All => {
                "SELECT position, payload FROM events WHERE position > $1 AND position <= $2
                           ORDER BY position LIMIT $3"
            }
            Scope::Tenant(_) => {
                "SELECT position, payload FROM events
                  WHERE tenant_id = $4 AND position > $1 AND position <= $2 ORDER BY position LIMIT $3"
            }
        };
        let mut query = pg::sqlx::query_as(query).bind(position).bind(head).bind(BATCH);
        if let Scope::Tenant(tenant) = scope {
            query = query.bind(tenant);
        }
        let rows: Vec<(i64, Vec<u8>)> = query.fetch_all(self.db.read()).await?;
        let full = i64::try_from(rows.len()).unwrap_or(BATCH) == BATCH;
        let scanned = rows.last().filter(|_| full).map_or(head, |(last, _)| *last);
        let mut events = Vec::with_capacity(rows.len());
        for (position, payload) in rows {
            let mut event = E::decode(&*payload).map_err(|e| pg::Error::unreadable("events.payload", e))?;
            event.set_cursor(Cursor { epoch: self.epoch, position }.encode(E::STREAM, scope));
            events.push(event);
        }
        Ok((events, scanned))
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
            let page = match self.next().await {
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
        let head = self.source.head().await?;
        let mut events = Vec::new();
        if head > self.position {
            (events, self.position) = self.source.page::<E>(&self.scope, self.position, head).await?;
        }
        if !self.types.is_empty() {
            events.retain(|event: &E| self.types.iter().any(|name| name == event.fact()));
        }
        Ok(Page { events, lag: u64::try_from(head - self.position).unwrap_or(0) })
    }
}

struct Page<E> {
    events: Vec<E>,
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
async fn listen(db: Database, stop: CancellationToken) {
    let channel = format!("{}_events", db.schema().name);
    while !stop.is_cancelled() {
        let heard = async {
            let mut listener = PgListener::connect_with(db.read()).await?;
            listener.listen(&channel).await?;
            loop {
                listener.recv().await?;
                db.wake();
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
