//! ImportAttributions: attempts, and what people do to attributions, out of a CSV file of any size, in constant memory (A3, A16).
//!
//! Rows go through the batchers that the calls use. So that they keep their order, those of one kind that follow each other
//! go together, and those of the other kind wait for them.

mod row;

use std::sync::Arc;

use futures::stream::BoxStream;
use pg::requests::Key;
use proto::attribution as v1;
use rpc::csv::columns::{Columns, Fault, Mapping};
use rpc::csv::import::{self, Answers, Import};
use rpc::csv::{Fields, Malformed, Record};
use rpc::{Error, caller, fields};
use tonic::{Request, Status, Streaming};
use types::{Origin, TenantId};

use self::row::{LAYOUT, Named, Row, Task};
use super::cells::CONTACT;
use crate::App;
use crate::commands;
use crate::commands::move_attributions::{self, Fate};
use crate::commands::record_attempts::{self, Recorded};
use crate::domain::lifecycle::Moved;
use crate::domain::{InactiveReason, Outcome, UnresolvedReason};

/// Bytes of an import id, and of a source, at most.
const MAX_SHORT: usize = 64;
/// Rows that are carried out together: where one fails for the moment, none behind it is carried out.
const AT_ONCE: usize = 256;
/// Under which request ids of rows are kept.
const METHOD: &str = "ImportAttributions";

/// Begins an import; what comes of it is the stream.
pub(super) fn start(
    app: &Arc<App>,
    request: Request<Streaming<v1::ImportAttributionsRequest>>,
) -> Result<BoxStream<'static, Result<v1::ImportAttributionsResponse, Status>>, Error> {
    let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
    let (messages, app) = (request.into_inner(), Arc::clone(app));
    Ok(import::answer(app.stop.clone(), |answers| async move {
        let mut rows = AttributionImport {
            app,
            tenant,
            origin,
            options: Options::default(),
            columns: None,
            taken: 0,
            waiting: Vec::new(),
            answer: v1::ImportAttributionsResponse::default(),
            progress: v1::ImportAttributionsProgress::default(),
            answers,
        };
        import::read(&mut rows, messages).await?;
        Ok(v1::ImportAttributionsResponse { summary: Some(rows.progress), ..Default::default() })
    }))
}

/// How to read the file.
#[derive(Debug, Default)]
struct Options {
    columns: Mapping,
    /// From which each row has its request id.
    import_id: Option<String>,
    /// Where the attempts came from.
    source: String,
}

impl Options {
    fn read(wire: v1::ImportAttributionsOptions) -> Result<Self, Error> {
        let mut columns: Mapping = wire.columns.into_iter().collect();
        // a map has no order of its own: the same mistake gives the same answer
        columns.sort_unstable();
        let import_id = fields::text("options.import_id", &wire.import_id, MAX_SHORT)?;
        let source = fields::text("options.source", &wire.source, MAX_SHORT)?;
        Ok(Self { columns, import_id: (!import_id.is_empty()).then_some(import_id), source })
    }
}

/// A row that waits for its turn.
#[derive(Debug)]
struct Waiting {
    line: u64,
    /// Its place in the file.
    number: u64,
    row: Result<Row, Fault>,
}

/// The line of a row, and by what it names whom it is about.
type Place = (u64, Named);

/// An import under way.
struct AttributionImport {
    app: Arc<App>,
    tenant: TenantId,
    origin: Origin,
    options: Options,
    columns: Option<Columns>,
    /// Rows read so far.
    taken: u64,
    waiting: Vec<Waiting>,
    /// What is to be told next.
    answer: v1::ImportAttributionsResponse,
    progress: v1::ImportAttributionsProgress,
    answers: Answers<v1::ImportAttributionsResponse>,
}

impl Import for AttributionImport {
    type Message = v1::ImportAttributionsRequest;

    fn piece(&mut self, message: Self::Message, is_first: bool) -> Result<Vec<u8>, Error> {
        if let Some(options) = message.options {
            if !is_first {
                return Err(Error::field("options", "belongs in the first message only"));
            }
            self.options = Options::read(options)?;
        }
        Ok(message.chunk)
    }

    fn header(&mut self, header: Result<Fields<'_>, Malformed>) -> Result<(), Error> {
        let columns = Columns::read(header, &LAYOUT, &self.options.columns)?;
        let [any, email, uid, id] = CONTACT.columns();
        let what = "is required, or else contact_id, contact_email, contact_uid or attribution_id";
        columns.require(&[any, email, uid, id, "attribution_id"], what)?;
        self.columns = Some(columns);
        Ok(())
    }

    fn row(&mut self, record: Record<'_>) {
        let Some(columns) = &self.columns else { return };
        let row = columns
            .cells(record.fields)
            .and_then(|cells| Row::read(&cells, &self.options.source).map_err(|error| columns.fault(error)));
        self.taken += 1;
        self.waiting.push(Waiting { line: record.line, number: self.taken, row });
    }

    async fn carry_out(&mut self) -> Result<(), Error> {
        let (mut attempts, mut moves) = (Vec::new(), Vec::new());
        for Waiting { line, number, row } in std::mem::take(&mut self.waiting) {
            match row {
                Err(fault) => self.reject(line, fault),
                Ok(row) => {
                    let request = self.request(number, &row.digest);
                    let (tenant, origin) = (self.tenant.clone(), self.origin.clone());
                    let Row { task, occurred_at, reason, named, .. } = row;
                    match task {
                        Task::Attempt(attempt) => {
                            self.carry_out_moves(&mut moves).await?;
                            let attempt = *attempt;
                            attempts.push((
                                (line, named),
                                record_attempts::Command { tenant, origin, attempt, occurred_at, request },
                            ));
                        }
                        Task::Move(fate, which) => {
                            self.carry_out_attempts(&mut attempts).await?;
                            let command = move_attributions::Command {
                                tenant,
                                origin,
                                which,
                                fate,
                                reason,
                                occurred_at,
                                request,
                            };
                            moves.push(((line, named), command));
                        }
                    }
                }
            }
        }
        self.carry_out_attempts(&mut attempts).await?;
        self.carry_out_moves(&mut moves).await?;
        self.tell().await;
        Ok(())
    }
}

impl AttributionImport {
    /// The request id of a row in an import that has an id.
    fn request(&self, number: u64, digest: &[u8]) -> Option<commands::Request> {
        let import_id = self.options.import_id.as_ref()?;
        let key =
            Key { tenant: self.tenant.clone(), method: METHOD, request_id: format!("{import_id}/{number}") };
        Some(commands::Request { key, hash: self.app.hasher.hash(digest) })
    }

    async fn carry_out_attempts(
        &mut self,
        rows: &mut Vec<(Place, record_attempts::Command)>,
    ) -> Result<(), Error> {
        while !rows.is_empty() {
            let (places, commands): (Vec<Place>, Vec<_>) = rows.drain(..rows.len().min(AT_ONCE)).unzip();
            let answers = self.app.attempts.run_all(commands).await;
            for (place, answer) in places.into_iter().zip(answers) {
                match answer {
                    Ok(recorded) => self.recorded(place.0, &recorded),
                    Err(error) => self.refuse(place, error)?,
                }
            }
        }
        Ok(())
    }

    async fn carry_out_moves(
        &mut self,
        rows: &mut Vec<(Place, move_attributions::Command)>,
    ) -> Result<(), Error> {
        while !rows.is_empty() {
            let some = rows.drain(..rows.len().min(AT_ONCE));
            let (places, commands): (Vec<_>, Vec<_>) =
                some.map(|(place, command)| ((place, command.fate), command)).unzip();
            let answers = self.app.moves.run_all(commands).await;
            for ((place, fate), answer) in places.into_iter().zip(answers) {
                match answer {
                    Ok(moved) => self.moved(fate, &moved),
                    Err(error) => self.refuse(place, error)?,
                }
            }
        }
        Ok(())
    }

    fn recorded(&mut self, line: u64, Recorded { judgement, replayed }: &Recorded) {
        self.progress.rows += 1;
        let outcome = judgement.outcome;
        match outcome {
            _ if *replayed => self.progress.unchanged += 1,
            Outcome::Attributed => self.progress.recorded += 1,
            Outcome::AlreadyAttributed => self.progress.unchanged += 1,
            Outcome::LoggedInactive(_) => self.progress.logged_inactive += 1,
            Outcome::Unresolved(_) => self.progress.unresolved += 1,
        }
        if *replayed || matches!(outcome, Outcome::Attributed | Outcome::AlreadyAttributed) {
            return;
        }
        self.answer.unattributed.push(v1::UnattributedRow {
            line: import::line(line),
            outcome: outcome.number().into(),
            inactive_reason: outcome.inactive_reason().map_or(0, InactiveReason::number).into(),
            unresolved_reason: outcome.unresolved_reason().map_or(0, UnresolvedReason::number).into(),
        });
    }

    fn moved(&mut self, fate: Fate, moved: &Moved) {
        let progress = &mut self.progress;
        progress.rows += 1;
        match fate {
            _ if moved.replayed => progress.unchanged += 1,
            Fate::Prefer if moved.deactivated.is_none() => progress.activated += 1,
            Fate::Activate => progress.activated += 1,
            Fate::Deactivate | Fate::Retire => progress.deactivated += 1,
            Fate::Reassign | Fate::Prefer => progress.reassigned += 1,
        }
    }

    /// A row that was refused fails alone; a transient failure ends the import.
    fn refuse(&mut self, (line, named): Place, error: commands::Error) -> Result<(), Error> {
        let Some(columns) = &self.columns else { return Err(Error::internal()) };
        let fault = row::refused(columns, named, error);
        if import::ends(&fault.error) {
            return Err(*fault.error);
        }
        self.reject(line, fault);
        Ok(())
    }

    fn reject(&mut self, line: u64, Fault { column, error }: Fault) {
        self.progress.rows += 1;
        self.progress.rejected += 1;
        let (reason, message) = (error.reason().into(), error.message().to_owned());
        let line = import::line(line);
        self.answer.rejected.push(v1::RejectedAttributionRow { line, column, reason, message });
    }

    /// Says what became of the rows; a caller that went away does not hear it, and what is recorded stands.
    async fn tell(&mut self) {
        let mut answer = std::mem::take(&mut self.answer);
        // those that could not be read were told apart from those that were refused
        answer.rejected.sort_by_key(|row| row.line);
        answer.progress = Some(self.progress);
        let _ = self.answers.send(Ok(answer)).await;
    }
}
