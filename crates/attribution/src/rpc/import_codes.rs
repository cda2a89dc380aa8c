//! ImportCouponCodes: a CSV file of any size, in pieces, in constant memory (A14).

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::attribution as v1;
use rpc::csv::{Fields, Malformed, Record, RecordReader};
use rpc::{Error, Reason, caller, fields};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};
use types::{ContactId, Email, Origin, TenantId};

use crate::App;
use crate::commands::import_coupons::Command;
use crate::domain::ContactRef;
use crate::domain::coupon::NewCoupon;

/// Rows in one slice.
const ROWS: usize = 500;
/// Messages that wait for the caller to read them.
const MESSAGES: usize = 4;

type Answers = mpsc::Sender<Result<v1::ImportCouponCodesResponse, Status>>;

/// Begins an import; what comes of it is the stream.
pub(super) fn start(
    app: &Arc<App>,
    request: Request<Streaming<v1::ImportCouponCodesRequest>>,
) -> Result<BoxStream<'static, Result<v1::ImportCouponCodesResponse, Status>>, Error> {
    let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
    let (answers, receiver) = mpsc::channel(MESSAGES);
    let import = Import {
        app: Arc::clone(app),
        tenant,
        origin,
        columns: None,
        is_single_use: false,
        rows: Vec::new(),
        progress: v1::ImportCouponCodesProgress::default(),
        answers: answers.clone(),
    };
    let stop = app.stop.clone();
    tokio::spawn(async move {
        let end = match stop.run_until_cancelled(import.run(request.into_inner())).await {
            Some(Ok(summary)) => {
                Ok(v1::ImportCouponCodesResponse { summary: Some(summary), ..Default::default() })
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Error::unavailable().into()),
        };
        // a caller that went away does not hear it
        let _ = answers.send(end).await;
    });
    Ok(ReceiverStream::new(receiver).boxed())
}

/// Which column is which; one of the other two may be missing.
#[derive(Debug, Clone, Copy)]
struct Columns {
    count: usize,
    code: usize,
    campaign: Option<usize>,
    advocate: Option<usize>,
}

const NAMES: [&str; 3] = ["code", "campaign", "advocate"];

impl Columns {
    fn read(header: Result<Fields<'_>, Malformed>) -> Result<Self, Error> {
        let header = header.map_err(|malformed| Error::field("header", malformed))?;
        let mut at = [None; 3];
        for (n, bytes) in header.iter().enumerate() {
            let name = std::str::from_utf8(bytes).unwrap_or_default().trim();
            let known = NAMES.iter().position(|known| *known == name);
            let unknown = || Error::field(format!("header[{n}]"), "is not code, campaign or advocate");
            let place = &mut at[known.ok_or_else(unknown)?];
            if place.replace(n).is_some() {
                return Err(Error::field(format!("header.{name}"), "is there twice"));
            }
        }
        let [code, campaign, advocate] = at;
        let code = code.ok_or_else(|| Error::field("header.code", "is required"))?;
        if campaign.is_none() && advocate.is_none() {
            return Err(Error::field("header.campaign", "is required, or else advocate"));
        }
        Ok(Self { count: header.len(), code, campaign, advocate })
    }
}

/// A row that has been read, or why it cannot be.
struct Row {
    line: u64,
    coupon: Result<NewCoupon, Error>,
}

/// An import under way.
struct Import {
    app: Arc<App>,
    tenant: TenantId,
    origin: Origin,
    columns: Option<Columns>,
    is_single_use: bool,
    rows: Vec<Row>,
    progress: v1::ImportCouponCodesProgress,
    answers: Answers,
}

impl Import {
    async fn run(
        mut self,
        mut messages: Streaming<v1::ImportCouponCodesRequest>,
    ) -> Result<v1::ImportCouponCodesProgress, Error> {
        let mut reader = RecordReader::new();
        let mut is_first = true;
        while let Some(message) = messages.message().await.map_err(|status| broken_off(&status))? {
            if is_first {
                self.is_single_use = message.single_use;
            } else if message.single_use {
                return Err(Error::field("single_use", "belongs in the first message only"));
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
        match self.columns {
            None => self.columns = Some(Columns::read(record.fields)?),
            Some(columns) => {
                let coupon = coupon(record.fields, columns, self.is_single_use);
                self.rows.push(Row { line: record.line, coupon });
            }
        }
        Ok(())
    }

    /// Imports the rows read so far, in their order, and says what became of them.
    async fn record(&mut self) -> Result<(), Error> {
        let (mut commands, mut places) = (Vec::new(), Vec::new());
        for Row { line, coupon } in self.rows.drain(..) {
            places.push((line, coupon.as_ref().err().cloned()));
            let (tenant, origin) = (self.tenant.clone(), self.origin.clone());
            commands.extend(coupon.map(|new| Command { tenant, origin, new }));
        }
        let mut answers = self.app.coupons.run_all(commands).await.into_iter();
        let mut rejected = Vec::new();
        for (line, unreadable) in places {
            self.progress.rows += 1;
            let answer = match unreadable {
                Some(error) => Err(error),
                None => answers.next().map_or_else(|| Err(Error::internal()), |a| a.map_err(Error::from)),
            };
            match answer {
                Ok(true) => self.progress.imported += 1,
                Ok(false) => self.progress.already_imported += 1,
                Err(error) if is_transient(error.code()) => return Err(error),
                Err(error) => {
                    self.progress.rejected += 1;
                    rejected.push(row(line, &error));
                }
            }
        }
        let answer = v1::ImportCouponCodesResponse { rejected, progress: Some(self.progress), summary: None };
        // a caller that went away gets no answer; what is imported stands
        let _ = self.answers.send(Ok(answer)).await;
        Ok(())
    }
}

/// What ends the import: the file may be imported again, which changes nothing about the rows that went in.
pub(super) fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Internal
    )
}

fn row(line: u64, error: &Error) -> v1::RejectedCode {
    let column = match error.reason() {
        Reason::CampaignNotFound => "campaign",
        Reason::ContactNotFound | Reason::ContactConflict | Reason::AdvocateNotEligible => "advocate",
        Reason::CodeTaken => "code",
        _ => error.first_field(),
    };
    v1::RejectedCode {
        line: i64::try_from(line).unwrap_or(i64::MAX),
        column: column.to_owned(),
        reason: error.reason().into(),
        message: error.message().to_owned(),
    }
}

fn coupon(
    record: Result<Fields<'_>, Malformed>,
    columns: Columns,
    is_single_use: bool,
) -> Result<NewCoupon, Error> {
    let record = record.map_err(|malformed| {
        let at = malformed.column();
        let named = [Some(columns.code), columns.campaign, columns.advocate]
            .iter()
            .position(|c| *c == at && at.is_some());
        match named.and_then(|n| NAMES.get(n)) {
            Some(name) => Error::field(*name, malformed),
            None => Error::new(Code::InvalidArgument, Reason::InvalidField, format!("the row {malformed}")),
        }
    })?;
    if record.len() != columns.count {
        let what = format!("the row has {} fields, the header {}", record.len(), columns.count);
        return Err(Error::new(Code::InvalidArgument, Reason::InvalidField, what));
    }
    let texts: Vec<&[u8]> = record.iter().collect();
    let text = |name: &str, at: Option<usize>| {
        let bytes = at.and_then(|n| texts.get(n)).copied().unwrap_or_default();
        std::str::from_utf8(bytes).map(str::trim).map_err(|_| Error::field(name, "is not UTF-8"))
    };
    let code = fields::parse("code", text("code", Some(columns.code))?)?;
    let campaign = fields::parse_optional("campaign", text("campaign", columns.campaign)?)?;
    let advocate = advocate(text("advocate", columns.advocate)?)?;
    if campaign.is_none() && advocate.is_none() {
        return Err(Error::field("advocate", "is required without a campaign: a pool is a campaign's"));
    }
    Ok(NewCoupon { code, campaign, advocate, is_single_use })
}

/// An advocate by what the text looks like: an e-mail address, a contact id, else a uid.
fn advocate(text: &str) -> Result<Option<ContactRef>, Error> {
    let none = ContactRef::default();
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains('@') {
        let email = Email::parse(text).map_err(|e| Error::field("advocate", e))?;
        return Ok(Some(ContactRef { email: Some(email), ..none }));
    }
    if let Ok(id) = text.parse::<ContactId>() {
        return Ok(Some(ContactRef { id: Some(id), ..none }));
    }
    Ok(Some(ContactRef { uid: Some(fields::parse("advocate", text)?), ..none }))
}

/// The caller went away, or sent what cannot be received.
pub(super) fn broken_off(status: &Status) -> Error {
    let refused = Error::refused_by_codec(status).or_else(|| rpc::layers::refused_by_transport(status));
    refused.unwrap_or_else(|| {
        Error::new(Code::Cancelled, Reason::Unavailable, "the upload broke off; it may be run again")
    })
}
