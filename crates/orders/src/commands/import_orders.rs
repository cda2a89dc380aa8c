//! Importing rows (O10): through the same batcher as everything else, in order, a bounded number at a time.

use std::time::Duration;

use batch::{Batcher, Lane, Refused, Work};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesOrdered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use types::Origin;

use super::record_orders::{RecordOrder, RecordOrders, RecordResult};
use super::{Error, Journal};
use crate::domain::{Fault, NewOrder, OnConflict, Progress, Rejected, Sent, names_of};

/// Rows under way, at most.
const WINDOW: usize = 1024;
/// Bytes of rows under way, about, at most: an eighth of what the batcher's queue takes, so that others find room in it.
const WINDOW_BYTES: usize = 1024 * 1024;
/// Bad rows in one report, at most.
const BAD_ROWS: usize = 100;
/// Time between two reports.
const REPORTS: Duration = Duration::from_millis(200);
/// Reports to the journal, at most one in so many.
const KEPT: u32 = 5;
/// Waits before rows that met a transient failure are tried again; when they are used up, the import ends.
pub(super) const BACK_OFF_MS: [u64; 6] = [50, 100, 200, 400, 800, 1600];

/// One row of the file.
#[derive(Debug)]
pub(crate) struct Row {
    /// As it was sent.
    pub(crate) sent: Sent,
    /// The order in it, or why there is none.
    pub(crate) order: Result<Box<NewOrder>, Unreadable>,
}

/// Why a row is not readable as an order.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// Why.
    pub(crate) fault: Fault,
    /// By what it may name contacts, if a report is kept.
    pub(crate) names: Vec<String>,
}

/// A row that was not recorded.
#[derive(Debug)]
pub(crate) struct BadRow {
    /// Line it begins on.
    pub(crate) line: u64,
    /// Why.
    pub(crate) fault: Fault,
}

/// What an import has to say while it runs.
#[derive(Debug)]
pub(crate) enum Report {
    /// Rows refused since the last such report, in their order.
    Bad(Vec<BadRow>),
    /// How far it is.
    Progress(Progress),
}

/// Where an import tells, and in whose words: what a rule refuses is a fault of some column.
pub(crate) struct Telling<'a> {
    /// To the caller.
    pub(crate) reports: mpsc::Sender<Report>,
    /// What callers are told of an error.
    pub(crate) fault: &'a (dyn Fn(Error) -> Fault + Sync),
}

/// What came of an import: its counts, and its journal with the hash of all rows, where that is known to be good so far.
pub(crate) type Imported = (Progress, Option<(Journal, Vec<u8>)>);

/// A row that has its answer.
enum Settled {
    Bad(Sent, Unreadable),
    Answered { sent: Sent, order: Box<NewOrder>, weight: usize, answer: Result<RecordResult, Error> },
}

/// A row to be tried again.
type Failed = (Sent, Box<NewOrder>);

impl Telling<'_> {
    /// What is told, and kept, of a row that a rule refused.
    pub(super) fn refused(&self, error: Error, order: &NewOrder, sent: &Sent) -> Unreadable {
        let names = sent.record.as_ref().map(|record| names_of(order, record)).unwrap_or_default();
        Unreadable { fault: (self.fault)(error), names }
    }

    /// Tells of bad rows, once there is room for it. False if nobody hears it: then they are not known to be done, and are
    /// done again, and told, when the import goes on.
    pub(super) async fn bad(&self, rows: &mut Vec<BadRow>) -> bool {
        rows.is_empty() || self.reports.send(Report::Bad(std::mem::take(rows))).await.is_ok()
    }
}

impl Unreadable {
    /// The row it is about, as its report has it.
    pub(super) fn of(self, sent: Sent) -> Rejected {
        Rejected { n: sent.n, line: sent.line, fault: self.fault, record: sent.record, names: self.names }
    }
}

impl Progress {
    /// Counts a row that was not refused.
    pub(super) fn count(&mut self, result: RecordResult) {
        match result {
            RecordResult::Recorded => self.recorded += 1,
            RecordResult::AlreadyRecorded => self.already_recorded += 1,
            RecordResult::Updated => self.updated += 1,
        }
    }
}

/// One import.
pub(crate) struct Importer<'a> {
    batcher: Batcher<RecordOrders>,
    /// The caller's.
    origin: Origin,
    telling: Telling<'a>,
    lane: Lane,
    /// Whether rows may change what is stored.
    updates: bool,
    window: FuturesOrdered<BoxFuture<'static, Settled>>,
    /// Bytes of the rows in the window: of orders as the batcher counts them, and as they were sent.
    under_way: usize,
    progress: Progress,
    reported: Progress,
    bad: Vec<BadRow>,
    /// Times in a row that rows met a transient failure.
    tries: usize,
    /// Rows to be tried again that have no answer yet, while others behind them have one.
    behind: usize,
    journal: Option<Journal>,
    /// The last row that has its answer, and the hash of all up to it.
    last: (u64, Vec<u8>),
    /// Reports since the journal was written.
    unkept: u32,
}

impl<'a> Importer<'a> {
    /// An import that has not begun.
    pub(crate) fn new(
        batcher: Batcher<RecordOrders>,
        origin: Origin,
        on_conflict: OnConflict,
        telling: Telling<'a>,
        journal: Option<Journal>,
    ) -> Self {
        let progress = journal.as_ref().map(Journal::progress).unwrap_or_default();
        let hash = journal.as_ref().map(|journal| journal.rows_hash().to_vec()).unwrap_or_default();
        Self {
            batcher,
            origin,
            telling,
            lane: Lane::default(),
            updates: on_conflict == OnConflict::Update,
            window: FuturesOrdered::new(),
            under_way: 0,
            progress,
            reported: progress,
            bad: Vec::new(),
            tries: 0,
            behind: 0,
            journal,
            last: (progress.rows, hash),
            unkept: 0,
        }
    }

    /// Records rows until there are no more and all are answered. An error ends it before: what is recorded stands, and
    /// the import may be run again.
    pub(crate) async fn run(mut self, mut rows: mpsc::Receiver<Row>) -> Result<Imported, Error> {
        let mut tick = interval(REPORTS);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut more = true;
        while more || !self.window.is_empty() {
            tokio::select! {
                Some(settled) = self.window.next(), if !self.window.is_empty() => {
                    self.settle(settled).await?;
                    self.make_room().await;
                }
                row = rows.recv(), if more && self.has_room() => match row {
                    Some(row) => self.begin(row).await,
                    None => more = false,
                },
                _ = tick.tick() => self.report().await,
            }
        }
        self.report_bad().await;
        self.keep().await;
        Ok((self.progress, self.journal.map(|journal| (journal, self.last.1))))
    }

    /// Keeps how far it is, if all rows before are done.
    async fn keep(&mut self) {
        self.unkept = 0;
        if let Some(journal) = self.journal.as_mut().filter(|_| self.behind == 0) {
            journal.keep(self.progress, &self.last.1).await;
        }
    }

    fn has_room(&self) -> bool {
        self.window.len() < WINDOW && self.under_way < WINDOW_BYTES
    }

    async fn begin(&mut self, row: Row) {
        match row.order {
            Ok(order) => self.enqueue(row.sent, order).await,
            Err(unreadable) => {
                self.under_way += row.sent.weight();
                // takes its place in the order of answers
                self.window.push_back(std::future::ready(Settled::Bad(row.sent, unreadable)).boxed());
            }
        }
    }

    async fn enqueue(&mut self, sent: Sent, order: Box<NewOrder>) {
        let origin = self.origin.clone();
        let command =
            RecordOrder { order: (*order).clone(), origin, request: None, behind_updates: self.updates };
        let weight = RecordOrders::weight(&command) + sent.weight();
        self.under_way += weight;
        let pending = self.batcher.enqueue(command, &mut self.lane).await;
        let settled = async move {
            let answer = pending.answer().await.map(|recorded| recorded.result);
            Settled::Answered { sent, order, weight, answer }
        };
        self.window.push_back(settled.boxed());
    }

    /// Counts an answer; a transient failure is tried again together with all that it held up.
    async fn settle(&mut self, settled: Settled) -> Result<(), Error> {
        let mut failed = Vec::new();
        let Some(mut error) = self.count(settled, &mut failed).await else { return Ok(()) };
        while let Some(settled) = self.window.next().await {
            if let Some(later) = self.count(settled, &mut failed).await
                && error == Error::Refused(Refused::Behind)
            {
                error = later;
            }
        }
        let Some(wait) = BACK_OFF_MS.get(self.tries) else { return Err(error) };
        self.tries += 1;
        tokio::time::sleep(Duration::from_millis(*wait)).await;
        self.lane = Lane::default();
        self.behind = failed.len();
        for (sent, order) in failed {
            self.enqueue(sent, order).await;
        }
        Ok(())
    }

    /// Counts a final answer. One that is not is put with the failed, and its error returned.
    async fn count(&mut self, settled: Settled, failed: &mut Vec<Failed>) -> Option<Error> {
        let (sent, answer) = match settled {
            Settled::Bad(sent, unreadable) => {
                self.under_way = self.under_way.saturating_sub(sent.weight());
                (sent, Err(unreadable))
            }
            Settled::Answered { sent, order, weight, answer } => {
                self.under_way = self.under_way.saturating_sub(weight);
                match answer {
                    Ok(result) => (sent, Ok(result)),
                    Err(error) if error.is_transient() => {
                        failed.push((sent, order));
                        return Some(error);
                    }
                    Err(error) => {
                        let refused = self.telling.refused(error, &order, &sent);
                        (sent, Err(refused))
                    }
                }
            }
        };
        self.progress.rows += 1;
        // one that is tried again comes after those behind it
        if sent.n > self.last.0 {
            self.last = (sent.n, sent.hash.clone());
        }
        match answer {
            Ok(result) => {
                self.tries = 0;
                self.progress.count(result);
            }
            Err(unreadable) => self.bad(sent, unreadable),
        }
        // those that are tried again are the first in the window
        self.behind = self.behind.saturating_sub(1);
        if self.bad.len() >= BAD_ROWS {
            self.report_bad().await;
        }
        None
    }

    fn bad(&mut self, sent: Sent, unreadable: Unreadable) {
        self.progress.rejected += 1;
        self.bad.push(BadRow { line: sent.line, fault: unreadable.fault.clone() });
        if let Some(journal) = &mut self.journal {
            journal.note(unreadable.of(sent));
        }
    }

    /// Tells and keeps what would become too much to hold.
    async fn make_room(&mut self) {
        if self.journal.as_ref().is_some_and(Journal::is_full) {
            self.report_bad().await;
            self.keep().await;
        }
    }

    async fn report(&mut self) {
        self.report_bad().await;
        if self.progress != self.reported {
            self.reported = self.progress;
            // a caller that does not keep up with reading gets the next one
            let _ = self.telling.reports.try_send(Report::Progress(self.progress));
            self.unkept += 1;
        }
        if self.unkept >= KEPT {
            self.keep().await;
        }
    }

    /// Bad rows wait for the caller: none is lost. One that went away gets no answer; what was recorded stands.
    async fn report_bad(&mut self) {
        if !self.telling.bad(&mut self.bad).await {
            self.journal = None;
        }
    }
}
