//! ImportOrders: a CSV file of any size, in pieces, in constant memory (O10).
//!
//! Two halves run side by side: one reads the file into rows, the other records them and reports. The queues between
//! them are short, so that the file waits for the database, and the network for the file.

mod header;
mod row;
mod upload;

use std::sync::Arc;

use batch::Batcher;
use futures::StreamExt;
use futures::stream::BoxStream;
use pg::Database;
use pg::requests::Hasher;
use proto::orders as wire;
use proto::orders::{
    GetImportRequest, GetImportResponse, ImportOrdersRequest, ImportOrdersResponse, ImportProgress,
};
use rpc::fields::wire_time;
use rpc::{Error, Reason};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};
use types::{Clock, Origin, TenantId};

use self::header::{Columns, Options};
use self::row::RowReader;
use self::upload::{Done, Upload};
use super::Orders;
use crate::Settings;
use crate::commands::{self, Begin, Importer, Journal, Opening, RecordOrders, Report, Telling, Trial};
use crate::domain::{ImportKey, Progress};
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
        let (server, stop) = (self.imports(), self.stop.clone());
        let (sender, receiver) = mpsc::channel(MESSAGES);
        tokio::spawn(async move {
            let import = Box::pin(server.import(upload, &tenant, origin, sender.clone()));
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

/// What imports need of the server.
struct Imports {
    db: Database,
    clock: Arc<dyn Clock>,
    hasher: Hasher,
    settings: Arc<Settings>,
    batcher: Batcher<RecordOrders>,
    /// For dry runs.
    orders: Arc<RecordOrders>,
}

impl Orders {
    fn imports(&self) -> Imports {
        Imports {
            db: self.db.clone(),
            clock: Arc::clone(&self.clock),
            hasher: self.hasher.clone(),
            settings: Arc::clone(&self.settings),
            batcher: self.batcher.clone(),
            orders: Arc::clone(&self.unbatched),
        }
    }

    pub(super) async fn find_import(
        &self,
        request: Request<GetImportRequest>,
    ) -> Result<GetImportResponse, Error> {
        let tenant = rpc::caller::tenant(&request)?;
        let import_id = request.into_inner().import_id;
        let key = ImportKey { tenant, import_id: import_id.clone() };
        let found = store::imports::get(&self.db, &key).await?;
        let missing = || Error::not_found(Reason::ImportNotFound, "import", &import_id);
        let import = found.ok_or_else(missing)?;
        Ok(GetImportResponse {
            import: Some(wire::Import {
                import_id,
                progress: Some(wire_progress(import.progress)),
                principal: import.principal,
                started_at: Some(wire_time(import.started_at)),
                updated_at: Some(wire_time(import.updated_at)),
                finished_at: import.finished_at.map(wire_time),
                dry_run: import.dry_run,
            }),
        })
    }
}

impl Imports {
    /// One import from its first message to its last row.
    async fn import(
        &self,
        mut upload: Upload,
        tenant: &TenantId,
        origin: Origin,
        answers: Answers,
    ) -> Result<Progress, Error> {
        let options = upload.options().await?;
        // as they are now; each slice is held to what they are then
        let definitions = store::properties::DEFINITIONS.of(self.db.read(), tenant).await?;
        let columns = upload.header(&options, &definitions).await?;
        let reader = RowReader { tenant, settings: &self.settings, options: &options, columns: &columns };
        let journal = match self.journal(&options, &columns, tenant, &origin).await? {
            Some(Begin::Finished(progress, hash)) => {
                upload.is_same(&reader, Done::all(progress.rows, hash, &self.hasher)).await?;
                return Ok(progress);
            }
            Some(Begin::At(journal)) => Some(*journal),
            None => None,
        };
        let done = Done::of(journal.as_ref(), &self.hasher);
        let (rows, to_record) = mpsc::channel(ROWS);
        let (reports, to_tell) = mpsc::channel(MESSAGES);
        let fault = |error: commands::Error| row::refused(&columns, error);
        let telling = Telling { reports, fault: &fault };
        let record = async {
            if options.dry_run {
                let orders = Arc::clone(&self.orders);
                return Trial::new(orders, origin, telling, journal).run(to_record).await;
            }
            let batcher = self.batcher.clone();
            Importer::new(batcher, origin, options.on_conflict, telling, journal).run(to_record).await
        };
        let (read, imported, ()) =
            tokio::join!(upload.rows(&reader, done, rows), record, tell(to_tell, answers));
        let (progress, journal) = imported?;
        read?;
        if let Some((journal, hash)) = journal {
            journal.finish(progress, &hash).await?;
        }
        Ok(progress)
    }

    /// The journal of an import that bears an id.
    async fn journal(
        &self,
        options: &Options,
        columns: &Columns,
        tenant: &TenantId,
        origin: &Origin,
    ) -> Result<Option<Begin>, Error> {
        let Some(import_id) = options.import_id.clone() else { return Ok(None) };
        let key = ImportKey { tenant: tenant.clone(), import_id };
        let hash = self.hasher.hash(&options.identity(columns));
        let opening = Opening { hash, header: columns.header(), dry_run: options.dry_run };
        Ok(Some(Journal::open((&self.db, &self.clock), key, opening, &origin.principal).await?))
    }
}

/// Passes reports on to the caller.
async fn tell(mut reports: mpsc::Receiver<Report>, answers: Answers) {
    while let Some(report) = reports.recv().await {
        let answer = match report {
            Report::Progress(progress) => {
                ImportOrdersResponse { progress: Some(wire_progress(progress)), ..Default::default() }
            }
            Report::Bad(rows) => {
                let rejected = rows.into_iter().map(row::rejected).collect();
                ImportOrdersResponse { rejected, ..Default::default() }
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
