//! A dry run of an import (O10): every row is read and checked, nothing is written.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use types::Origin;

use super::Error;
use super::check_orders::Ahead;
use super::import_orders::{BACK_OFF_MS, BadRow, Report, Row};
use super::record_orders::{RecordOrder, RecordOrders, RecordResult};
use crate::domain::Progress;

/// Rows that are checked at once.
const SLICE: usize = 256;

/// Checks rows until there are no more; counts as if they had been recorded.
pub(crate) async fn try_import<R: Send + 'static>(
    orders: Arc<RecordOrders>,
    origin: Origin,
    mut rows: mpsc::Receiver<Row<R>>,
    reports: mpsc::Sender<Report<R>>,
) -> Result<Progress, Error> {
    let (mut progress, mut ahead) = (Progress::default(), Ahead::default());
    let mut slice = Vec::with_capacity(SLICE);
    while rows.recv_many(&mut slice, SLICE).await > 0 {
        let commands: Vec<RecordOrder> = slice.iter().filter_map(|row| command(row, &origin)).collect();
        let mut answers = check(&orders, &commands, &mut ahead).await?.into_iter();
        let mut bad = Vec::new();
        for row in slice.drain(..) {
            progress.rows += 1;
            let row = match row {
                Row::Bad(unreadable) => Some(BadRow::Unreadable(unreadable)),
                // there is an answer for each order
                Row::Order { line, .. } => match answers.next().unwrap_or(Err(Error::NoAnswer)) {
                    Ok(result) => {
                        match result {
                            RecordResult::Recorded => progress.recorded += 1,
                            RecordResult::AlreadyRecorded => progress.already_recorded += 1,
                            RecordResult::Updated => progress.updated += 1,
                        }
                        None
                    }
                    Err(error) => Some(BadRow::Refused { line, error }),
                },
            };
            bad.extend(row);
        }
        progress.rejected = progress.rows - progress.recorded - progress.already_recorded - progress.updated;
        if !bad.is_empty() {
            // bad rows wait for the caller: none is lost
            let _ = reports.send(Report::Bad(bad)).await;
        }
        let _ = reports.try_send(Report::Progress(progress));
    }
    Ok(progress)
}

fn command<R>(row: &Row<R>, origin: &Origin) -> Option<RecordOrder> {
    let Row::Order { order, .. } = row else { return None };
    Some(RecordOrder { order: (**order).clone(), origin: origin.clone(), request: None, place: None })
}

/// Checks a slice; a transient failure is tried again.
async fn check(
    orders: &RecordOrders,
    commands: &[RecordOrder],
    ahead: &mut Ahead,
) -> Result<Vec<Result<RecordResult, Error>>, Error> {
    if commands.is_empty() {
        return Ok(Vec::new());
    }
    for wait in BACK_OFF_MS {
        match orders.check(commands, ahead).await {
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(wait)).await,
            checked => return checked,
        }
    }
    orders.check(commands, ahead).await
}
