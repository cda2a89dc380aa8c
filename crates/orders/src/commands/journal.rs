//! What is kept of an import that bears an id: how far it is (O10).

use std::sync::Arc;

use pg::Database;
use time::Duration;
use types::{Clock, Timestamp};

use super::Error;
use crate::domain::{Import, ImportKey, Progress};
use crate::store::imports;

/// How long an import is kept after it was last heard of.
const KEPT: Duration = Duration::days(7);
/// Imports that are forgotten in one transaction.
const AT_ONCE: i64 = 1000;

/// The journal of one import.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    db: Database,
    clock: Arc<dyn Clock>,
    key: ImportKey,
    import: Import,
}

/// What an import begins with.
#[derive(Debug)]
pub(crate) enum Begin {
    /// It is new, or goes on after the rows that its journal says are done.
    At(Box<Journal>),
    /// All its rows are done.
    Finished(Progress),
}

impl Journal {
    /// Opens the journal of an import; `hash` is that of all that has to be the same when it is sent again.
    pub(crate) async fn open(
        (db, clock): (&Database, &Arc<dyn Clock>),
        key: ImportKey,
        hash: Vec<u8>,
        principal: &str,
    ) -> Result<Begin, Error> {
        let now = clock.now();
        let import = match imports::get(db, &key).await? {
            Some(stored) if stored.hash != hash => return Err(Error::ImportDiffers),
            Some(stored) if stored.finished_at.is_some() => return Ok(Begin::Finished(stored.progress)),
            Some(stored) => stored,
            None => Import {
                hash,
                progress: Progress::default(),
                principal: principal.to_owned(),
                started_at: now,
                updated_at: now,
                finished_at: None,
            },
        };
        let journal = Self { db: db.clone(), clock: Arc::clone(clock), key, import };
        Ok(Begin::At(Box::new(journal)))
    }

    /// How far it is, as it was last kept.
    pub(crate) fn progress(&self) -> Progress {
        self.import.progress
    }

    /// Keeps how far it is: all these rows are done. If that fails, fewer are known to be done, and are sent again.
    pub(crate) async fn keep(&mut self, progress: Progress) -> Result<(), Error> {
        if progress == self.import.progress {
            return Ok(());
        }
        self.write(Import { progress, ..self.import.clone() }).await
    }

    /// Keeps that all rows are done.
    pub(crate) async fn finish(mut self, progress: Progress) -> Result<(), Error> {
        let finished_at = Some(self.clock.now());
        self.write(Import { progress, finished_at, ..self.import.clone() }).await
    }

    async fn write(&mut self, import: Import) -> Result<(), Error> {
        let import = Import { updated_at: self.clock.now(), ..import };
        let mut tx = self.db.write().await?;
        imports::put(&mut tx, &self.key, &import).await?;
        tx.commit().await?;
        self.import = import;
        Ok(())
    }
}

/// Forgets imports that nobody went on with for 7 days, in small transactions.
pub(crate) async fn forget(db: &Database, now: Timestamp) -> Result<(), pg::Error> {
    loop {
        let mut tx = db.write().await?;
        let gone = imports::forget(&mut tx, now - KEPT, AT_ONCE).await?;
        tx.commit().await?;
        if i64::try_from(gone).is_ok_and(|gone| gone < AT_ONCE) {
            return Ok(());
        }
    }
}
