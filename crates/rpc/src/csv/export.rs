//! A table as a CSV file, in pieces, in constant memory.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;

use csv::Writer;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::Error;

/// Rows read at once.
const READ: i64 = 500;
/// Fewest rows asked for at once, when a filter lets so few pass that more take too long to find.
const FEWEST: i64 = 5;
/// Bytes of a piece after which it is sent: well below what clients take at once.
const PIECE: usize = 256 * 1024;
/// Exports that read at the same time; others wait, so that connections are left for short calls.
const AT_ONCE: usize = 4;

/// What is exported, and how far it is read.
pub trait Table: Send + 'static {
    /// What a row is made of.
    type Row: Send;

    /// Names of the columns.
    fn columns(&self) -> Vec<String>;

    /// Cells of a row, one for each column.
    fn cells(&self, row: &Self::Row) -> Vec<String>;

    /// Reads about `limit` rows, beginning after those read before; and whether there may be more.
    fn read(&mut self, limit: i64) -> impl Future<Output = Result<(Vec<Self::Row>, bool), pg::Error>> + Send;

    /// What a caller is told of rows that cannot be read.
    fn refused(&self, error: pg::Error) -> Error;
}

/// Places of exports that read, shared by those of a service.
#[derive(Debug, Clone)]
pub struct Places(Arc<Semaphore>);

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Places {
    /// A place, once there is one; it is free again when this is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // nobody closes them
        self.0.acquire().await.ok()
    }
}

/// Fields as one CSV record, without a line break.
pub fn record<F: AsRef<[u8]>>(fields: impl IntoIterator<Item = F>) -> Vec<u8> {
    let mut writer = Writer::from_writer(Vec::new());
    // a vector takes what it is given
    let _ = writer.write_record(fields);
    let mut record = writer.into_inner().unwrap_or_default();
    record.pop();
    record
}

/// A piece of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whole rows; in the first piece after the header.
    pub chunk: Vec<u8>,
    /// How many rows these are.
    pub rows: i32,
}

/// Begins an export, which ends when `stop` is cancelled. The first rows are read before it is answered, so that a failure is one
/// of the call, which clients repeat by themselves; then a piece is made when the one before it was taken, so that a slow
/// caller costs little.
pub async fn export<T: Table>(
    table: T,
    places: Places,
    stop: CancellationToken,
) -> Result<BoxStream<'static, Result<Piece, Error>>, Error> {
    let mut export =
        Export { table, places, stop, limit: READ, read: VecDeque::new(), more: true, begun: false };
    export.read_more().await?;
    Ok(stream::try_unfold(export, Export::next).boxed())
}

struct Export<T: Table> {
    table: T,
    places: Places,
    stop: CancellationToken,
    /// How many rows are asked for at once.
    limit: i64,
    /// Read, but not sent yet.
    read: VecDeque<T::Row>,
    /// Whether there may be more to read.
    more: bool,
    /// Whether the header is sent.
    begun: bool,
}

impl<T: Table> Export<T> {
    /// The next piece, if there is one; the first is there also if there are no rows.
    async fn next(mut self) -> Result<Option<(Piece, Self)>, Error> {
        if self.stop.is_cancelled() {
            return Err(Error::unavailable());
        }
        self.read_more().await?;
        if self.begun && self.read.is_empty() {
            return Ok(None);
        }
        let piece = self.piece().map_err(|error| {
            tracing::error!(%error, "a row cannot be written");
            Error::internal()
        })?;
        Ok(Some((piece, self)))
    }

    /// Reads on, unless there is something to send.
    async fn read_more(&mut self) -> Result<(), Error> {
        while self.more && self.read.is_empty() {
            let read = async {
                let _turn = self.places.turn().await;
                self.table.read(self.limit).await
            };
            match self.stop.run_until_cancelled(read).await.ok_or_else(Error::unavailable)? {
                Ok((rows, more)) => (self.read, self.more) = (rows.into(), more),
                Err(error) if error.is_statement_timeout() && self.limit > FEWEST => self.limit /= 10,
                Err(error) => return Err(self.table.refused(error)),
            }
        }
        Ok(())
    }

    /// What was read, up to the size of a piece.
    fn piece(&mut self) -> Result<Piece, csv::Error> {
        let mut writer = Writer::from_writer(Vec::new());
        if !std::mem::replace(&mut self.begun, true) {
            writer.write_record(self.table.columns())?;
        }
        let mut rows = 0;
        while writer.get_ref().len() < PIECE
            && let Some(row) = self.read.pop_front()
        {
            writer.write_record(self.table.cells(&row))?;
            writer.flush()?;
            rows += 1;
        }
        let chunk = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(Piece { chunk, rows })
    }
}
