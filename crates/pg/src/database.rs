//! Pools, and the writing transaction.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use tokio::sync::watch;

use crate::{Error, Schema};

/// Dead pooled connections that one caller puts up with, after a restart of the server.
const STALE_CONNECTIONS: usize = 4;

/// One service's schema, seen with that service's role.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    schema: Schema,
    commits: watch::Sender<u64>,
}

impl Database {
    /// Opens a pool of at most `connections`, as the role that `options` names, on `schema`.
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
            ])
            .application_name(schema.name)
            .statement_cache_capacity(200);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .test_before_acquire(false)
            .acquire_timeout(Duration::from_secs(5))
            .connect_with(options)
            .await?;
        Ok(Self { pool, schema, commits: watch::Sender::new(0) })
    }

    /// For plain reads.
    pub fn read(&self) -> &PgPool {
        &self.pool
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
    /// statements. It holds no lock, so nobody waits for it.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, Error> {
        Ok(self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
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
            match self.pool.begin_with(AssertSqlSafe(begin.clone())).await {
                Ok(tx) => return Ok(WriteTx { tx, commits: self.commits.clone() }),
                // a pooled connection that died while idle; nothing was sent on it yet
                Err(sqlx::Error::Io(_)) if tries < STALE_CONNECTIONS => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A transaction that holds the sequencer lock; dropped without [`WriteTx::commit`], it never happened.
#[derive(Debug)]
pub struct WriteTx {
    tx: Transaction<'static, Postgres>,
    commits: watch::Sender<u64>,
}

impl WriteTx {
    /// Commits, and wakes who follows. A failure after COMMIT was sent is [`Error::CommitUnknown`].
    pub async fn commit(self) -> Result<(), Error> {
        match self.tx.commit().await {
            Ok(()) => {
                self.commits.send_modify(|n| *n = n.wrapping_add(1));
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
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.tx.rollback().await?)
    }
}

impl Deref for WriteTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for WriteTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}
