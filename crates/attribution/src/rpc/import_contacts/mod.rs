//! ImportContacts: a CSV file of any size, in pieces, in constant memory (A15).

mod header;
mod row;

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::attribution as v1;
use rpc::csv::{Record, RecordReader};
use rpc::{Error, caller};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming};
use types::property::Definitions;
use types::{Origin, TenantId};

use self::header::Columns;
use super::import_codes::{broken_off, is_transient};
use crate::App;
use crate::commands::change_contacts::{Changed, Command, try_out};
use crate::domain::contact_commands::ContactChange;
use crate::store::DEFINITIONS;

/// Rows in one slice.
const ROWS: usize = 500;
/// Messages that wait for the caller to read them.
const MESSAGES: usize = 4;

type Answers = mpsc::Sender<Result<v1::ImportContactsResponse, Status>>;

/// Begins an import; what comes of it is the stream.
pub(super) fn start(
    app: &Arc<App>,
    request: Request<Streaming<v1::ImportContactsRequest>>,
) -> Result<BoxStream<'static, Result<v1::ImportContactsResponse, Status>>, Error> {
    let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
    let (answers, receiver) = mpsc::channel(MESSAGES);
    let import = Import {
        app: Arc::clone(app),
        tenant,
        origin,
        options: v1::ImportContactsOptions::default(),
        definitions: Definitions::new(),
        columns: None,
        rows: Vec::new(),
        progress: v1::ImportContactsProgress::default(),
        answers: answers.clone(),
    };
    let stop = app.stop.clone();
    tokio::spawn(async move {
        let end = match stop.run_until_cancelled(import.run(request.into_inner())).await {
            Some(Ok(summary)) => {
                Ok(v1::ImportContactsResponse { summary: Some(summary), ..Default::default() })
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Error::unavailable().into()),
        };
        // a caller that went away does not hear it
        let _ = answers.send(end).await;
    });
    Ok(ReceiverStream::new(receiver).boxed())
}

/// A row that has been read, or why it cannot be.
struct Row {
    line: u64,
    contact: Result<ContactChange, Error>,
}

/// An import under way.
struct Import {
    app: Arc<App>,
    tenant: TenantId,
    origin: Origin,
    options: v1::ImportContactsOptions,
    /// As they were when the file began.
    definitions: Definitions,
    columns: Option<Columns>,
    rows: Vec<Row>,
    progress: v1::ImportContactsProgress,
    answers: Answers,
}

impl Import {
    async fn run(
        mut self,
        mut messages: Streaming<v1::ImportContactsRequest>,
    ) -> Result<v1::ImportContactsProgress, Error> {
        self.definitions = DEFINITIONS.of(self.app.db.read(), &self.tenant).await?;
        let mut reader = RecordReader::new();
        let mut is_first = true;
        while let Some(message) = messages.message().await.map_err(|status| broken_off(&status))? {
            match message.options {
                Some(options) if is_first => self.options = options,
                Some(_) => return Err(Error::field("options", "belong in the first message only")),
                None => {}
            }
            is_first = false;
            let mut input = message.chunk.as_slice();
            while let Some(record) = reader.next(&mut input) {
                self.take(&record)?;
                if self.rows.len() >= ROWS {
                    self.record().await?;
                }
            }
        }
        if let Some(record) = reader.finish() {
            self.take(&record)?;
        }
        if self.columns.is_none() {
            return Err(Error::field("chunk", "is empty: a file begins with a header line"));
        }
        self.record().await?;
        Ok(self.progress)
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        match &self.columns {
            None => self.columns = Some(Columns::read(record.fields, &self.options, &self.definitions)?),
            Some(columns) => {
                self.rows.push(Row { line: record.line, contact: row::contact(record.fields, columns) });
            }
        }
        Ok(())
    }

    /// Carries out the rows read so far, in their order, and says what became of them.
    async fn record(&mut self) -> Result<(), Error> {
        let (mut commands, mut places) = (Vec::new(), Vec::new());
        for Row { line, contact } in self.rows.drain(..) {
            places.push((line, contact.as_ref().err().cloned()));
            let (tenant, origin) = (self.tenant.clone(), self.origin.clone());
            commands.extend(contact.map(|change| Command { tenant, origin, change, occurred_at: None }));
        }
        let App { db, clock, rules, contacts, .. } = &*self.app;
        let answers = if self.options.dry_run {
            try_out(db, &**clock, rules, commands).await?
        } else {
            contacts.run_all(commands).await
        };
        let mut answers = answers.into_iter();
        let mut rejected = Vec::new();
        for (line, unreadable) in places {
            self.progress.rows += 1;
            let answer = match unreadable {
                Some(error) => Err(error),
                None => answers.next().map_or_else(|| Err(Error::internal()), |a| a.map_err(Error::from)),
            };
            match answer {
                Ok(Changed { created: true, .. }) => self.progress.created += 1,
                Ok(Changed { is_other: true, .. }) => self.progress.updated += 1,
                Ok(_) => self.progress.unchanged += 1,
                Err(error) if is_transient(error.code()) => return Err(error),
                Err(error) => {
                    self.progress.rejected += 1;
                    rejected.push(self.rejected(line, &error));
                }
            }
        }
        let answer = v1::ImportContactsResponse { rejected, progress: Some(self.progress), summary: None };
        // a caller that went away gets no answer; what is imported stands
        let _ = self.answers.send(Ok(answer)).await;
        Ok(())
    }

    fn rejected(&self, line: u64, error: &Error) -> v1::RejectedContact {
        let column = self.columns.as_ref().map_or("", |columns| columns.at_fault(error));
        v1::RejectedContact {
            line: i64::try_from(line).unwrap_or(i64::MAX),
            column: column.to_owned(),
            reason: error.reason().into(),
            message: error.message().to_owned(),
        }
    }
}
