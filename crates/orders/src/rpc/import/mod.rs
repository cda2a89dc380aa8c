//! ImportOrders: a CSV file of any size, in pieces, in constant memory (O10).
//!
//! Two halves run side by side: one reads the file into rows, the other records them and reports. The queues between
//! them are short, so that the file waits for the database, and the network for the file.

mod header;
mod quotes;
mod records;
mod row;
mod upload;

use std::sync::Arc;

use batch::Batcher;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use pg::Database;
use proto::orders::{ImportOrdersRequest, ImportOrdersResponse, ImportProgress, RejectedRow};
use rpc::Error;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};
use types::{Origin, TenantId};

use self::header::Columns;
use self::row::RowReader;
use self::upload::Upload;
use super::Orders;
use crate::Settings;
use crate::commands::{BadRow, Importer, Progress, RecordOrders, Report};
use crate::store;

/// Rows read ahead of recording them.
const ROWS: usize = 256;
/// Messages that wait for the caller to read them.
const MESSAGES: usize = 16;

type Answers = mpsc::Sender<Result<ImportOrdersResponse, Status>>;

impl Orders {
    pub(super) fn import(
        &self,
        request: Request<Streaming<ImportOrdersRequest>>,
    ) -> Result<BoxStream<'static, Result<ImportOrdersResponse, Status>>, Error> {
        let tenant = rpc::caller::tenant(&request)?;
        let origin = rpc::caller::origin(&request)?;
        let upload = Upload::new(request.into_inner());
        let (batcher, settings, stop) = (self.batcher.clone(), Arc::clone(&self.settings), self.stop.clone());
        let db = self.db.clone();
        let (sender, receiver) = mpsc::channel(MESSAGES);
        tokio::spawn(async move {
            let whose = Whose { tenant: &tenant, settings: &settings, db: &db };
            let import = import(upload, whose, (batcher, origin), sender.clone());
            let end = match stop.run_until_cancelled(import).await {
                Some(Ok(progress)) => Ok(summary(progress)),
                Some(Err(error)) => Err(error.into()),
                None => Err(Error::unavailable().into()),
            };
            // a caller that went away does not hear it
            let _ = sender.send(end).await;
        });
        Ok(ReceiverStream::new(receiver).boxed())
    }
}

/// Whose orders an import records.
#[derive(Clone, Copy)]
struct Whose<'a> {
    tenant: &'a TenantId,
    settings: &'a Settings,
    db: &'a Database,
}

/// One import from its first message to its last row.
async fn import(
    mut upload: Upload,
    Whose { tenant, settings, db }: Whose<'_>,
    (batcher, origin): (Batcher<RecordOrders>, Origin),
    answers: Answers,
) -> Result<Progress, Error> {
    let options = upload.options().await?;
    // as they are now; each slice is held to what they are then
    let definitions = store::properties::of(db, tenant).await?;
    let columns = upload.header(&options, &definitions).await?;
    let (rows, to_record) = mpsc::channel(ROWS);
    let (reports, to_tell) = mpsc::channel(MESSAGES);
    let importer = Importer::new(batcher, origin, options.on_conflict, reports);
    let reader = RowReader { tenant, settings, options: &options, columns: &columns };
    let (read, imported, ()) = tokio::join!(
        upload.rows(&reader, rows),
        importer.run(to_record).map(|imported| imported.map_err(Error::from)),
        tell(to_tell, &columns, answers),
    );
    let progress = imported?;
    read?;
    Ok(progress)
}

/// Passes reports on to the caller.
async fn tell(mut reports: mpsc::Receiver<Report<RejectedRow>>, columns: &Columns, answers: Answers) {
    while let Some(report) = reports.recv().await {
        let answer = match report {
            Report::Progress(progress) => {
                ImportOrdersResponse { progress: Some(wire_progress(progress)), ..Default::default() }
            }
            Report::Bad(rows) => {
                let rejected = rows.into_iter().map(|row| match row {
                    BadRow::Unreadable(rejected) => rejected,
                    BadRow::Refused { line, error } => row::refused(columns, line, error),
                });
                ImportOrdersResponse { rejected: rejected.collect(), ..Default::default() }
            }
        };
        if answers.send(Ok(answer)).await.is_err() {
            return;
        }
    }
}

fn summary(progress: Progress) -> ImportOrdersResponse {
    ImportOrdersResponse { summary: Some(wire_progress(progress)), ..Default::default() }
}

fn wire_progress(progress: Progress) -> ImportProgress {
    let count = |n| i64::try_from(n).unwrap_or(i64::MAX);
    ImportProgress {
        rows: count(progress.rows),
        recorded: count(progress.recorded),
        already_recorded: count(progress.already_recorded),
        updated: count(progress.updated),
        rejected: count(progress.rejected),
    }
}
