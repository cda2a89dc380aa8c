//! One connection that its users take in turns.
//!
//! A pool hands out its connections one after the other and asks the server after each use whether it still answers: on
//! short statements that costs more than the statements. A lane keeps one connection for them, with every plan at hand.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, raw_sql};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use crate::Error;

/// Longest wait for a turn, and for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection that was in use so recently is taken to be alive; any other is asked first.
const FRESH: Duration = Duration::from_secs(1);

/// Makes its connection when first needed, and again when it is lost. Turns are given in the order of asking.
#[derive(Clone)]
pub(crate) struct Lane {
    options: Arc<PgConnectOptions>,
    kept: Arc<Mutex<Option<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    connection: PgConnection,
    /// When the last turn ended as it should; none if a statement failed or its caller went away.
    done: Option<Instant>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the options have the password
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}

impl Lane {
    pub(crate) fn new(options: PgConnectOptions) -> Self {
        Self { options: Arc::new(options), kept: Arc::default() }
    }

    /// Waits for a turn. [`Error::Unavailable`] if that takes too long, or nobody answers.
    pub(crate) async fn turn(&self) -> Result<Turn, Error> {
        tokio::time::timeout(PATIENCE, self.wait()).await.unwrap_or_else(|_| Err(Error::no_answer()))
    }

    async fn wait(&self) -> Result<Turn, Error> {
        let mut slot = Arc::clone(&self.kept).lock_owned().await;
        // taken out meanwhile: a connection that does not answer is dropped with this future
        let connection = match slot.take() {
            Some(Kept { connection, done: Some(at) }) if at.elapsed() < FRESH => connection,
            Some(Kept { mut connection, done }) => {
                let sound = match done {
                    Some(_) => connection.ping().await,
                    None => raw_sql("ROLLBACK").execute(&mut connection).await.map(|_| ()),
                };
                if sound.is_ok() { connection } else { self.options.connect().await? }
            }
            None => self.options.connect().await?,
        };
        *slot = Some(Kept { connection, done: None });
        let kept = OwnedMutexGuard::try_map(slot, Option::as_mut).map_err(|_| Error::no_answer())?;
        Ok(Turn { kept, lane: self.clone() })
    }
}

/// The connection, until it is given back. Whatever is under way on it when it is dropped instead is rolled back, at once
/// and before the next turn.
#[derive(Debug)]
pub struct Turn {
    kept: OwnedMappedMutexGuard<Option<Kept>, Kept>,
    lane: Lane,
}

impl Turn {
    /// Gives the connection back, nothing being under way on it.
    pub fn done(mut self) {
        self.kept.done = Some(Instant::now());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // a transaction left open would hold its locks until somebody takes the next turn
        if self.kept.done.is_none()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let lane = self.lane.clone();
            runtime.spawn(async move {
                if let Ok(turn) = lane.turn().await {
                    turn.done();
                }
            });
        }
    }
}

impl Deref for Turn {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.kept.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.kept.connection
    }
}
