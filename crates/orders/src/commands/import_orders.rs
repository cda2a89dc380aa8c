//! Importing rows (O10): through the same batcher as everything else, in order, a bounded number at a time.

use std::time::Duration;

use batch::{Batcher, Work};
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{FuturesOrdered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use types::Origin;

use super::record_orders::{RecordOrder, RecordOrders, RecordResult};
use super::{Error, Journal, Lane};
use crate::domain::{NewOrder, OnConflict, Progress};

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

/// One row of the file. `R` is why a row could not even be read.
#[derive(Debug)]
pub(crate) enum Row<R> {
    /// An order.
    Order {
        /// Line it begins on.
        line: u64,
        /// What it says.
        order: Box<NewOrder>,
    },
    /// Not readable as an order.
    Bad(R),
}

/// A row that was not recorded.
#[derive(Debug)]
pub(crate) enum BadRow<R> {
    /// Not readable as an order.
    Unreadable(R),
    /// Refused by a rule.
    Refused {
        /// Line it begins on.
        line: u64,
        /// Why.
        error: Error,
    },
}

/// What an import has to say while it runs.
#[derive(Debug)]
pub(crate) enum Report<R> {
    /// Rows refused since the last such report, in their order.
    Bad(Vec<BadRow<R>>),
    /// How far it is.
    Progress(Progress),
}

/// A row that has its answer.
enum Settled<R> {
    Bad(R),
    Answered { line: u64, order: Box<NewOrder>, weight: usize, answer: Result<RecordResult, Error> },
}

/// One import.
pub(crate) struct Importer<R> {
    batcher: Batcher<RecordOrders>,
    /// The caller's.
    origin: Origin,
    reports: mpsc::Sender<Report<R>>,
    lane: Lane,
    window: FuturesOrdered<BoxFuture<'static, Settled<R>>>,
    /// Bytes of the rows in the window, as the batcher counts them.
    under_way: usize,
    progress: Progress,
    reported: Progress,
    bad: Vec<BadRow<R>>,
    /// Times in a row that rows met a transient failure.
    tries: usize,
    /// Rows to be tried again that have no answer yet, while others behind them have one.
    behind: usize,
    journal: Option<Journal>,
    /// Reports since the journal was written.
    unkept: u32,
}

impl<R: Send + 'static> Importer<R> {
    /// An import that has not begun.
    pub(crate) fn new(
        batcher: Batcher<RecordOrders>,
        origin: Origin,
        on_conflict: OnConflict,
        reports: mpsc::Sender<Report<R>>,
        journal: Option<Journal>,
    ) -> Self {
        let progress = journal.as_ref().map(Journal::progress).unwrap_or_default();
        Self {
            batcher,
            origin,
            reports,
            lane: Lane::new(on_conflict == OnConflict::Update),
            window: FuturesOrdered::new(),
            under_way: 0,
            progress,
            reported: progress,
            bad: Vec::new(),
            tries: 0,
            behind: 0,
            journal,
            unkept: 0,
        }
    }

    /// Records rows until there are no more and all are answered. An error ends it before: what is recorded stands, and
    /// the import may be run again. With the counts it gives the journal back, where that is known to be good so far.
    pub(crate) async fn run(
        mut self,
        mut rows: mpsc::Receiver<Row<R>>,
    ) -> Result<(Progress, Option<Journal>), Error> {
        let mut tick = interval(REPORTS);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut more = true;
        while more || !self.window.is_empty() {
            tokio::select! {
                Some(settled) = self.window.next(), if !self.window.is_empty() => self.settle(settled).await?,
                row = rows.recv(), if more && self.has_room() => match row {
                    Some(row) => self.begin(row).await,
                    None => more = false,
                },
                _ = tick.tick() => self.report().await,
            }
        }
        self.report_bad().await;
        self.keep().await;
        Ok((self.progress, self.journal))
    }

    /// Keeps how far it is, if all rows before are done. A failure costs no more than doing some rows again.
    async fn keep(&mut self) {
        self.unkept = 0;
        if let Some(journal) = self.journal.as_mut().filter(|_| self.behind == 0)
            && let Err(error) = journal.keep(self.progress).await
        {
            tracing::warn!(%error, "how far an import is was not kept");
        }
    }

    fn has_room(&self) -> bool {
        self.window.len() < WINDOW && self.under_way < WINDOW_BYTES
    }

    async fn begin(&mut self, row: Row<R>) {
        match row {
            Row::Order { line, order } => self.enqueue(line, order).await,
            // takes its place in the order of answers
            Row::Bad(bad) => self.window.push_back(std::future::ready(Settled::Bad(bad)).boxed()),
        }
    }

    async fn enqueue(&mut self, line: u64, order: Box<NewOrder>) {
        let place = Some(self.lane.place());
        let origin = self.origin.clone();
        let command = RecordOrder { order: (*order).clone(), origin, request: None, place };
        let weight = RecordOrders::weight(&command);
        self.under_way += weight;
        let pending = self.batcher.enqueue(command).await;
        let settled = async move {
            let answer = pending.answer().await.map(|recorded| recorded.result);
            Settled::Answered { line, order, weight, answer }
        };
        self.window.push_back(settled.boxed());
    }

    /// Counts an answer; a transient failure is tried again together with all that it held up.
    async fn settle(&mut self, settled: Settled<R>) -> Result<(), Error> {
        let mut failed = Vec::new();
        let Some(mut error) = self.count(settled, &mut failed).await else { return Ok(()) };
        while let Some(settled) = self.window.next().await {
            if let Some(later) = self.count(settled, &mut failed).await
                && error == Error::Behind
            {
                error = later;
            }
        }
        let Some(wait) = BACK_OFF_MS.get(self.tries) else { return Err(error) };
        self.tries += 1;
        tokio::time::sleep(Duration::from_millis(*wait)).await;
        self.lane = self.lane.again();
        self.behind = failed.len();
        for (line, order) in failed {
            self.enqueue(line, order).await;
        }
        Ok(())
    }

    /// Counts a final answer. One that is not is put with the failed, and its error returned.
    async fn count(&mut self, settled: Settled<R>, failed: &mut Vec<(u64, Box<NewOrder>)>) -> Option<Error> {
        if let Settled::Answered { weight, .. } = &settled {
            self.under_way = self.under_way.saturating_sub(*weight);
        }
        match settled {
            Settled::Answered { line, order, answer: Err(error), .. } if error.is_transient() => {
                failed.push((line, order));
                return Some(error);
            }
            Settled::Answered { answer: Ok(result), .. } => {
                self.tries = 0;
                match result {
                    RecordResult::Recorded => self.progress.recorded += 1,
                    RecordResult::AlreadyRecorded => self.progress.already_recorded += 1,
                    RecordResult::Updated => self.progress.updated += 1,
                }
            }
            Settled::Answered { line, answer: Err(error), .. } => self.bad(BadRow::Refused { line, error }),
            Settled::Bad(bad) => self.bad(BadRow::Unreadable(bad)),
        }
        self.progress.rows += 1;
        // those that are tried again are the first in the window
        self.behind = self.behind.saturating_sub(1);
        if self.bad.len() >= BAD_ROWS {
            self.report_bad().await;
        }
        None
    }

    fn bad(&mut self, row: BadRow<R>) {
        self.progress.rejected += 1;
        self.bad.push(row);
    }

    async fn report(&mut self) {
        self.report_bad().await;
        if self.progress != self.reported {
            self.reported = self.progress;
            // a caller that does not keep up with reading gets the next one
            let _ = self.reports.try_send(Report::Progress(self.progress));
            self.unkept += 1;
        }
        if self.unkept >= KEPT {
            self.keep().await;
        }
    }

    /// Bad rows wait for the caller: none is lost. One that went away gets no answer; what was recorded stands.
    async fn report_bad(&mut self) {
        if !self.bad.is_empty()
            && self.reports.send(Report::Bad(std::mem::take(&mut self.bad))).await.is_err()
        {
            // they were not told: when it goes on, they are done again, and told
            self.journal = None;
        }
    }
}
