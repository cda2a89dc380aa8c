//! Connections, and the writing transaction.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use observe::metrics::{Watched, on_read, pool_connections};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Transaction, raw_sql};
use tokio::sync::watch;

use crate::lane::{Lane, Turn};
use crate::{Error, Schema};

/// Dead connections that one caller puts up with, after a restart of the server.
const STALE_CONNECTIONS: usize = 4;

/// One service's schema, seen with that service's role.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    /// The sequencer lock lets one transaction write at a time anyway: who waits, waits here, without a connection.
    writer: Lane,
    reader: Lane,
    schema: Schema,
    commits: watch::Sender<u64>,
    process: Process,
    /// Has the pool counted whenever metrics are read.
    _counted: Arc<Watched>,
}

/// Who this process is to the others that use the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    /// There are none.
    Alone,
    /// There may be others. They hear of its commits, and it tells its own from theirs by this.
    Named(u64),
}

impl Database {
    /// Sees `schema` as the role that `options` name: a connection for writing, one for hot reads, and a pool of at most
    /// `connections` for all others.
    ///
    /// Every session gets the time-outs that keep a frozen process from stopping the others (3-architecture).
    pub async fn connect(options: PgConnectOptions, schema: Schema, connections: u32) -> Result<Self, Error> {
        let options = options
            .options([
                ("search_path", schema.name),
                ("lock_timeout", "5s"),
                ("statement_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "2s"),
                ("jit", "off"),
                // every statement finds its rows by an index, whatever the arrays hold: planning again gains nothing
                ("plan_cache_mode", "force_generic_plan"),
            ])
            .application_name(schema.name)
            .statement_cache_capacity(200);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options.clone());
        let (writer, reader) = (Lane::new(options.clone()), Lane::new(options));
        // who cannot connect learns it now
        writer.turn().await?.done();
        let process = Process::Named(rand::random());
        let counted = Arc::new(count_connections(pool.clone(), schema));
        let commits = watch::Sender::new(0);
        Ok(Self { pool, writer, reader, schema, commits, process, _counted: counted })
    }

    /// For a database that no other process uses: nobody is notified of commits, and nobody is listened to.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.process = Process::Alone;
        self
    }

    /// By what other processes know this one's notifications; none if there are no others.
    pub fn process(&self) -> Option<u64> {
        self.process.name()
    }

    /// For plain reads.
    pub fn read(&self) -> &PgPool {
        &self.pool
    }

    /// For short reads on the hottest paths, in turns on one connection; give it back with [`Turn::done`].
    pub async fn hot_read(&self) -> Result<Turn, Error> {
        self.reader.turn().await
    }

    /// The schema this database is.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// Wakes after every commit of this process; other processes are heard through `outbox`.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// Tells everyone who waits for commits that there may be something new.
    pub fn wake(&self) {
        self.commits.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// Opens a transaction that sees one state of the schema throughout and cannot write: for reports made of several
    /// statements. It holds no lock, so nobody waits for it, and its statements may take as long as they need.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, Error> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0";
        Ok(self.pool.begin_with(begin).await?)
    }

    /// Opens a transaction that changes state: the only way to, anywhere.
    ///
    /// BEGIN, then as a statement of its own the sequencer lock of the schema, held until the end: one writer at a
    /// time, so that what is loaded is still true when it is written, and position order is commit order. Between
    /// this and the commit nothing may be awaited but the transaction's own statements.
    pub async fn write(&self) -> Result<WriteTx, Error> {
        // both statements travel in one message; each has a snapshot of its own, the later ones begin after the lock
        let begin = format!("BEGIN; SELECT pg_advisory_xact_lock(hashtext('{}'), 0)", self.schema.name);
        let mut tries = 0;
        loop {
            let mut turn = self.writer.turn().await?;
            match raw_sql(AssertSqlSafe(begin.clone())).execute(&mut *turn).await {
                Ok(_) => {
                    return Ok(WriteTx {
                        turn,
                        commits: self.commits.clone(),
                        process: self.process,
                        committed: Vec::new(),
                    });
                }
                // a connection that died while idle; nothing was sent on it yet
                Err(sqlx::Error::Io(_)) if tries < STALE_CONNECTIONS => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn count_connections(pool: PgPool, schema: Schema) -> Watched {
    on_read(move || {
        let (all, idle) = (usize::try_from(pool.size()).unwrap_or_default(), pool.num_idle());
        pool_connections(schema.name, idle, all.saturating_sub(idle));
    })
}

impl Process {
    fn name(self) -> Option<u64> {
        match self {
            Self::Alone => None,
            Self::Named(name) => Some(name),
        }
    }
}

/// A transaction that holds the sequencer lock; dropped without [`WriteTx::commit`], it never happened.
pub struct WriteTx {
    turn: Turn,
    commits: watch::Sender<u64>,
    process: Process,
    committed: Vec<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for WriteTx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteTx").field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl WriteTx {
    /// [`Database::process`] of who writes.
    pub fn process(&self) -> Option<u64> {
        self.process.name()
    }

    /// Runs `then` once all of this is committed, and never if it is not: for counting what became true.
    pub fn after_commit(&mut self, then: impl FnOnce() + Send + 'static) {
        self.committed.push(Box::new(then));
    }

    /// Commits, and wakes who follows. A failure after COMMIT was sent is [`Error::CommitUnknown`].
    pub async fn commit(mut self) -> Result<(), Error> {
        match raw_sql("COMMIT").execute(&mut *self.turn).await {
            Ok(_) => {
                self.turn.done();
                self.commits.send_modify(|n| *n = n.wrapping_add(1));
                for then in self.committed {
                    then();
                }
                Ok(())
            }
            Err(error) => match Error::from(error) {
                // the server answered, so it is certain that nothing was committed
                error @ (Error::Data(_) | Error::Contention(_)) => Err(error),
                Error::Unavailable(e) | Error::Bug(e) | Error::CommitUnknown(e) => {
                    Err(Error::CommitUnknown(e))
                }
            },
        }
    }

    /// Ends the transaction without effect.
    pub async fn rollback(mut self) -> Result<(), Error> {
        raw_sql("ROLLBACK").execute(&mut *self.turn).await?;
        self.turn.done();
        Ok(())
    }
}

impl Deref for WriteTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.turn
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.turn
    }
}
