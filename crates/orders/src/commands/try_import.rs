//! A dry run of an import (O10): every row is read and checked, no order is written.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use types::Origin;

use super::check_orders::Ahead;
use super::import_orders::{BACK_OFF_MS, BadRow, Imported, Report, Row, Telling};
use super::record_orders::{RecordOrder, RecordOrders, RecordResult};
use super::{Error, Journal};
use crate::domain::Progress;

/// Rows that are checked at once.
const SLICE: usize = 256;
/// Slices after which it is kept how far it is.
const KEPT: u32 = 40;

/// A dry run.
pub(crate) struct Trial<'a> {
    orders: Arc<RecordOrders>,
    origin: Origin,
    telling: Telling<'a>,
    journal: Option<Journal>,
    progress: Progress,
    /// Keyed hash of all rows so far.
    hash: Vec<u8>,
    ahead: Ahead,
    /// Slices since it was kept how far it is.
    unkept: u32,
}

impl<'a> Trial<'a> {
    /// A dry run that has not begun.
    pub(crate) fn new(
        orders: Arc<RecordOrders>,
        origin: Origin,
        telling: Telling<'a>,
        journal: Option<Journal>,
    ) -> Self {
        let progress = journal.as_ref().map(Journal::progress).unwrap_or_default();
        let hash = journal.as_ref().map(|journal| journal.rows_hash().to_vec()).unwrap_or_default();
        Self { orders, origin, telling, journal, progress, hash, ahead: Ahead::default(), unkept: 0 }
    }

    /// Checks rows until there are no more; counts as if they had been recorded.
    pub(crate) async fn run(mut self, mut rows: mpsc::Receiver<Row>) -> Result<Imported, Error> {
        let mut slice = Vec::with_capacity(SLICE);
        while rows.recv_many(&mut slice, SLICE).await > 0 {
            self.check_slice(&mut slice).await?;
        }
        Ok((self.progress, self.journal.map(|journal| (journal, self.hash))))
    }

    async fn check_slice(&mut self, slice: &mut Vec<Row>) -> Result<(), Error> {
        let command = |row: &Row| {
            let order = (**row.order.as_ref().ok()?).clone();
            Some(RecordOrder { order, origin: self.origin.clone(), request: None, behind_updates: false })
        };
        let commands: Vec<RecordOrder> = slice.iter().filter_map(command).collect();
        let mut answers = self.check(&commands).await?.into_iter();
        let mut bad = Vec::new();
        for Row { sent, order } in slice.drain(..) {
            self.progress.rows += 1;
            self.hash.clone_from(&sent.hash);
            let refused = match order {
                Err(unreadable) => unreadable,
                // there is an answer for each order
                Ok(order) => match answers.next().unwrap_or(Err(Error::NoAnswer)) {
                    Ok(result) => {
                        self.progress.count(result);
                        continue;
                    }
                    Err(error) => self.telling.refused(error, &order, &sent),
                },
            };
            self.progress.rejected += 1;
            bad.push(BadRow { line: sent.line, fault: refused.fault.clone() });
            if let Some(journal) = &mut self.journal {
                journal.note(refused.of(sent));
            }
        }
        self.report(bad).await;
        Ok(())
    }

    /// Tells what came of a slice, and keeps it now and then.
    async fn report(&mut self, mut bad: Vec<BadRow>) {
        if !self.telling.bad(&mut bad).await {
            self.journal = None;
        }
        let _ = self.telling.reports.try_send(Report::Progress(self.progress));
        self.unkept += 1;
        if let Some(journal) = &mut self.journal
            && (journal.is_full() || self.unkept >= KEPT)
        {
            self.unkept = 0;
            journal.keep(self.progress, &self.hash).await;
        }
    }

    /// Checks a slice; a transient failure is tried again.
    async fn check(&mut self, commands: &[RecordOrder]) -> Result<Vec<Result<RecordResult, Error>>, Error> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        for wait in BACK_OFF_MS {
            match self.orders.check(commands, &mut self.ahead).await {
                Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(wait)).await,
                checked => return checked,
            }
        }
        self.orders.check(commands, &mut self.ahead).await
    }
}
