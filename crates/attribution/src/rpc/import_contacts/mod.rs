//! ImportContacts: a CSV file of any size, in pieces, in constant memory (A15).

mod header;
mod row;

use std::sync::Arc;

use futures::stream::BoxStream;
use proto::attribution as v1;
use rpc::csv::import::{self, Answers, Import};
use rpc::csv::{Fields, Malformed, Record};
use rpc::{Error, caller};
use tonic::{Request, Status, Streaming};
use types::property::Definitions;
use types::{Origin, TenantId};

use self::header::Columns;
use crate::App;
use crate::commands::change_contacts::{Changed, Command, try_out};
use crate::domain::contact_commands::ContactChange;
use crate::store::DEFINITIONS;

/// Begins an import; what comes of it is the stream.
pub(super) fn start(
    app: &Arc<App>,
    request: Request<Streaming<v1::ImportContactsRequest>>,
) -> Result<BoxStream<'static, Result<v1::ImportContactsResponse, Status>>, Error> {
    let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
    let (messages, app) = (request.into_inner(), Arc::clone(app));
    Ok(import::answer(app.stop.clone(), |answers| async move {
        let definitions = DEFINITIONS.of(app.db.read(), &tenant).await?;
        let mut contacts = ContactImport {
            app,
            tenant,
            origin,
            options: v1::ImportContactsOptions::default(),
            definitions,
            columns: None,
            rows: Vec::new(),
            progress: v1::ImportContactsProgress::default(),
            answers,
        };
        import::read(&mut contacts, messages).await?;
        Ok(v1::ImportContactsResponse { summary: Some(contacts.progress), ..Default::default() })
    }))
}

/// A row that has been read, or why it cannot be.
struct Row {
    line: u64,
    contact: Result<ContactChange, Error>,
}

/// An import under way.
struct ContactImport {
    app: Arc<App>,
    tenant: TenantId,
    origin: Origin,
    options: v1::ImportContactsOptions,
    /// As they were when the file began.
    definitions: Definitions,
    columns: Option<Columns>,
    rows: Vec<Row>,
    progress: v1::ImportContactsProgress,
    answers: Answers<v1::ImportContactsResponse>,
}

impl Import for ContactImport {
    type Message = v1::ImportContactsRequest;

    fn piece(&mut self, message: Self::Message, is_first: bool) -> Result<Vec<u8>, Error> {
        match message.options {
            Some(options) if is_first => self.options = options,
            Some(_) => return Err(Error::field("options", "belong in the first message only")),
            None => {}
        }
        Ok(message.chunk)
    }

    fn header(&mut self, header: Result<Fields<'_>, Malformed>) -> Result<(), Error> {
        self.columns = Some(Columns::read(header, &self.options, &self.definitions)?);
        Ok(())
    }

    fn row(&mut self, record: Record<'_>) {
        if let Some(columns) = &self.columns {
            self.rows.push(Row { line: record.line, contact: row::contact(record.fields, columns) });
        }
    }

    async fn carry_out(&mut self) -> Result<(), Error> {
        let (mut commands, mut places) = (Vec::new(), Vec::new());
        for Row { line, contact } in self.rows.drain(..) {
            places.push((line, contact.as_ref().err().cloned()));
            let (tenant, origin) = (self.tenant.clone(), self.origin.clone());
            commands.extend(contact.map(|change| Command {
                tenant,
                origin,
                change,
                occurred_at: None,
                request: None,
            }));
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
                Err(error) if import::ends(&error) => return Err(error),
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
}

impl ContactImport {
    fn rejected(&self, line: u64, error: &Error) -> v1::RejectedContact {
        let column = self.columns.as_ref().map_or("", |columns| columns.at_fault(error));
        v1::RejectedContact {
            line: import::line(line),
            column: column.to_owned(),
            reason: error.reason().into(),
            message: error.message().to_owned(),
        }
    }
}
