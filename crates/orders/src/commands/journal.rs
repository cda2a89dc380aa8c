//! What is kept of an import that bears an id: how far it is, and what it refused (O10).

use std::sync::Arc;

use pg::Database;
use time::Duration;
use types::{Clock, Timestamp};

use super::Error;
use crate::domain::{Import, ImportKey, Kept, Progress, Rejected};
use crate::store::{imports, rejected};

/// How long an import is kept after it was last heard of.
const KEPT: Duration = Duration::days(7);
/// Imports, or rows of them, that are forgotten in one transaction.
const AT_ONCE: i64 = 1000;
/// Refused rows that are written in one transaction, about, and their bytes.
const FULL: (usize, usize) = (500, 1024 * 1024);

/// The journal of one import.
#[derive(Debug)]
pub(crate) struct Journal {
    db: Database,
    clock: Arc<dyn Clock>,
    key: ImportKey,
    /// As it was last kept, but for `kept`, which counts those that wait, too.
    import: Import,
    /// Refused rows that are not written yet, and their bytes.
    waiting: (Vec<Rejected>, usize),
}

/// What has to be the same when an import is sent again.
#[derive(Debug)]
pub(crate) struct Opening {
    /// Keyed hash of all of it.
    pub(crate) hash: Vec<u8>,
    /// The names of the file's columns as one CSV record.
    pub(crate) header: Vec<u8>,
    /// Whether nothing is to be recorded.
    pub(crate) dry_run: bool,
}

/// What an import begins with.
#[derive(Debug)]
pub(crate) enum Begin {
    /// It is new, or goes on after the rows that its journal says are done.
    At(Box<Journal>),
    /// All its rows are done; with their hash.
    Finished(Progress, Vec<u8>),
}

impl Journal {
    /// Opens the journal of an import.
    pub(crate) async fn open(
        (db, clock): (&Database, &Arc<dyn Clock>),
        key: ImportKey,
        opening: Opening,
        principal: &str,
    ) -> Result<Begin, Error> {
        let now = clock.now();
        let Opening { hash, header, dry_run } = opening;
        let import = match imports::get(db, &key).await? {
            Some(stored) if stored.hash != hash => return Err(Error::ImportDiffers),
            Some(stored) if stored.finished_at.is_some() => {
                return Ok(Begin::Finished(stored.progress, stored.rows_hash));
            }
            Some(stored) => stored,
            None => Import {
                hash,
                header,
                dry_run,
                progress: Progress::default(),
                rows_hash: Vec::new(),
                kept: Kept::default(),
                principal: principal.to_owned(),
                started_at: now,
                updated_at: now,
                finished_at: None,
            },
        };
        let waiting = (Vec::new(), 0);
        let journal = Self { db: db.clone(), clock: Arc::clone(clock), key, import, waiting };
        Ok(Begin::At(Box::new(journal)))
    }

    /// How far it is, as it was last kept.
    pub(crate) fn progress(&self) -> Progress {
        self.import.progress
    }

    /// Keyed hash of the rows that are done.
    pub(crate) fn rows_hash(&self) -> &[u8] {
        &self.import.rows_hash
    }

    /// Takes note of a row that was refused, if there is room for it; it is written once it is known to be done.
    pub(crate) fn note(&mut self, row: Rejected) {
        let Some(kept) = self.import.kept.and(&row) else { return };
        self.import.kept = kept;
        self.waiting.1 += row.weight();
        self.waiting.0.push(row);
    }

    /// Whether so much waits that it should be written.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.0.len() >= FULL.0 || self.waiting.1 >= FULL.1
    }

    /// Keeps how far it is: all these rows are done, and this is their hash. If that fails, fewer are known to be done,
    /// and are sent again, which costs no more than doing them again.
    pub(crate) async fn keep(&mut self, progress: Progress, rows_hash: &[u8]) {
        if progress == self.import.progress {
            return;
        }
        let import = Import { progress, rows_hash: rows_hash.to_vec(), ..self.import.clone() };
        if let Err(error) = self.write(import).await {
            tracing::warn!(%error, "how far an import is was not kept");
        }
    }

    /// Keeps that all rows are done.
    pub(crate) async fn finish(mut self, progress: Progress, rows_hash: &[u8]) -> Result<(), Error> {
        let finished_at = Some(self.clock.now());
        let rows_hash = rows_hash.to_vec();
        self.write(Import { progress, rows_hash, finished_at, ..self.import.clone() }).await
    }

    /// Writes how far it is together with what was refused on the way, so that both are known or neither.
    async fn write(&mut self, import: Import) -> Result<(), Error> {
        let import = Import { updated_at: self.clock.now(), ..import };
        let mut tx = self.db.write().await?;
        // another upload of the same may be ahead, and then has kept these rows, too
        if imports::put(&mut tx, &self.key, &import).await? {
            rejected::add(&mut tx, &self.key, &self.waiting.0).await?;
        }
        tx.commit().await?;
        self.import = import;
        self.waiting = (Vec::new(), 0);
        Ok(())
    }
}

/// Forgets imports that nobody went on with for 7 days, with the rows they refused, in small transactions.
pub(crate) async fn forget(db: &Database, now: Timestamp) -> Result<(), pg::Error> {
    let is_less = |gone: u64| i64::try_from(gone).is_ok_and(|gone| gone < AT_ONCE);
    loop {
        let mut tx = db.write().await?;
        // an import goes after its rows, which nothing else would find
        let is_done = is_less(rejected::forget(&mut tx, now - KEPT, AT_ONCE).await?)
            && is_less(imports::forget(&mut tx, now - KEPT, AT_ONCE).await?);
        tx.commit().await?;
        if is_done {
            return Ok(());
        }
    }
}
