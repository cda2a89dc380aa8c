//! An upload of a CSV file, from its first message to its last row, in constant memory.

use std::future::Future;

use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};

use super::{Fields, Malformed, Record, RecordReader};
use crate::{Error, Reason};

/// Rows that are carried out together.
const ROWS: usize = 500;
/// Messages that wait for the caller to read them.
const MESSAGES: usize = 4;

/// Where an import says what became of rows.
pub type Answers<A> = mpsc::Sender<Result<A, Status>>;

/// An import under way.
pub trait Import: Send {
    /// What the caller sends.
    type Message: Send + 'static;

    /// The piece of the file that a message brings. The first may say how to read it.
    fn piece(&mut self, message: Self::Message, is_first: bool) -> Result<Vec<u8>, Error>;

    /// Takes the first record. An error ends the import.
    fn header(&mut self, header: Result<Fields<'_>, Malformed>) -> Result<(), Error>;

    /// Takes a row; what is wrong with it is told when it is its turn.
    fn row(&mut self, record: Record<'_>);

    /// Carries out the rows taken since the last call, in their order, and says what became of them.
    fn carry_out(&mut self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Reads a file to its end.
pub async fn read<I: Import>(import: &mut I, mut messages: Streaming<I::Message>) -> Result<(), Error> {
    let mut reader = RecordReader::new();
    let (mut is_first, mut begun, mut rows) = (true, false, 0);
    while let Some(message) = messages.message().await.map_err(|status| broken_off(&status))? {
        let chunk = import.piece(message, std::mem::replace(&mut is_first, false))?;
        let mut input = chunk.as_slice();
        while let Some(record) = reader.next(&mut input) {
            take(import, &mut begun, record)?;
            rows += 1;
            if rows >= ROWS {
                import.carry_out().await?;
                rows = 0;
            }
        }
    }
    if let Some(record) = reader.finish() {
        take(import, &mut begun, record)?;
    }
    if !begun {
        return Err(Error::field("chunk", "is empty: a file begins with a header line"));
    }
    import.carry_out().await
}

fn take<I: Import>(import: &mut I, begun: &mut bool, record: Record<'_>) -> Result<(), Error> {
    if std::mem::replace(begun, true) {
        import.row(record);
        return Ok(());
    }
    import.header(record.fields)
}

/// The answers of a call that works on while they are read: those that `work` sends, and the one that it ends with. It ends when
/// `stop` is cancelled.
pub fn answer<A, F>(
    stop: CancellationToken,
    work: impl FnOnce(Answers<A>) -> F,
) -> BoxStream<'static, Result<A, Status>>
where
    A: Send + 'static,
    F: Future<Output = Result<A, Error>> + Send + 'static,
{
    let (answers, receiver) = mpsc::channel(MESSAGES);
    let work = work(answers.clone());
    tokio::spawn(async move {
        let end = stop.run_until_cancelled(work).await.unwrap_or_else(|| Err(Error::unavailable()));
        // a caller that went away does not hear it
        let _ = answers.send(end.map_err(Status::from)).await;
    });
    ReceiverStream::new(receiver).boxed()
}

/// Whether an error ends an import: the file may be sent again, which changes nothing about the rows that went in.
pub fn ends(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Internal
    )
}

/// A line as the contracts number it.
pub fn line(line: u64) -> i64 {
    i64::try_from(line).unwrap_or(i64::MAX)
}

/// The caller went away, or sent what cannot be received.
pub fn broken_off(status: &Status) -> Error {
    let refused = Error::refused_by_codec(status).or_else(|| crate::layers::refused_by_transport(status));
    refused.unwrap_or_else(|| {
        Error::new(Code::Cancelled, Reason::Unavailable, "the upload broke off; it may be run again")
    })
}
