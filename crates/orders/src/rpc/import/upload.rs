//! The file as the caller sends it: options, then pieces cut anywhere.

use pg::requests::Hasher;
use proto::orders::ImportOrdersRequest;
use rpc::csv::import::broken_off;
use rpc::csv::{Record, RecordReader};
use rpc::{Error, fields};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::header::{Columns, Options};
use super::row::RowReader;
use crate::commands::{self, Journal, Row};
use crate::domain::Definitions;

/// What was received, and how far it is read.
pub(super) struct Upload {
    messages: Streaming<ImportOrdersRequest>,
    records: RecordReader,
    chunk: Vec<u8>,
    read: usize,
}

/// The rows of the file that are done, and how far one has come (O10).
pub(super) struct Done<'a> {
    /// How many they are, and their hash.
    rows: (u64, Vec<u8>),
    /// What hashes rows; none if the import bears no id.
    hasher: Option<&'a Hasher>,
    /// The row one is at, from 1.
    n: u64,
    /// Hash of all up to it, each chained to those before it.
    hash: Vec<u8>,
}

impl<'a> Done<'a> {
    /// What a journal says is done.
    pub(super) fn of(journal: Option<&Journal>, hasher: &'a Hasher) -> Self {
        let rows = journal.map(|journal| (journal.progress().rows, journal.rows_hash().to_vec()));
        Self { rows: rows.unwrap_or_default(), hasher: journal.map(|_| hasher), n: 0, hash: Vec::new() }
    }

    /// All rows of an import that is finished.
    pub(super) fn all(rows: u64, hash: Vec<u8>, hasher: &'a Hasher) -> Self {
        Self { rows: (rows, hash), hasher: Some(hasher), n: 0, hash: Vec::new() }
    }

    /// Goes on to the next row. True if it is done; an error if what is done is not what was sent before.
    fn passes(&mut self, record: &Record<'_>) -> Result<bool, Error> {
        self.n += 1;
        if let Some(hasher) = self.hasher {
            let mut bytes = std::mem::take(&mut self.hash);
            match (record.sent, record.fields) {
                (Some(sent), _) => bytes.extend(sent),
                (None, Ok(fields)) => fields.iter().for_each(|field| bytes.extend([field, b"\xff"].concat())),
                // whatever it holds, it was refused
                (None, Err(_)) => {}
            }
            self.hash = hasher.hash(&bytes);
        }
        // one that was begun before hashes were kept has none
        let is_known = !self.rows.1.is_empty();
        if self.n == self.rows.0 && is_known && self.hash != self.rows.1 {
            return Err(commands::Error::ImportDiffers.into());
        }
        Ok(self.n <= self.rows.0)
    }

    /// The file ends: if it has fewer rows than are done, it is another one, or was cut.
    fn ends(&self) -> Result<(), Error> {
        if self.n < self.rows.0 { Err(commands::Error::ImportDiffers.into()) } else { Ok(()) }
    }
}

impl Upload {
    /// Before the first message.
    pub(super) fn new(messages: Streaming<ImportOrdersRequest>) -> Self {
        Self { messages, records: RecordReader::new(), chunk: Vec::new(), read: 0 }
    }

    /// The first message.
    pub(super) async fn options(&mut self) -> Result<Options, Error> {
        let first = self.messages.message().await.map_err(|status| broken_off(&status))?.unwrap_or_default();
        let options = Options::read(fields::required("options", first.options.as_ref())?)?;
        self.chunk = first.chunk;
        Ok(options)
    }

    /// The first record.
    pub(super) async fn header(
        &mut self,
        options: &Options,
        definitions: &Definitions,
    ) -> Result<Columns, Error> {
        loop {
            let mut input = self.chunk.get(self.read..).unwrap_or_default();
            let record = self.records.next(&mut input);
            let read = self.chunk.len() - input.len();
            if let Some(record) = record {
                let columns = columns(&record, options, definitions);
                self.read = read;
                return columns;
            }
            if !self.receive().await? {
                let missing = || Error::field("chunk", "is empty: a file begins with a header line");
                return columns(&self.records.finish().ok_or_else(missing)?, options, definitions);
            }
        }
    }

    /// All other records but those that are done, in their order, until nobody wants them any more.
    pub(super) async fn rows(
        &mut self,
        reader: &RowReader<'_>,
        mut done: Done<'_>,
        rows: mpsc::Sender<Row>,
    ) -> Result<(), Error> {
        loop {
            let mut input = self.chunk.get(self.read..).unwrap_or_default();
            while let Some(record) = self.records.next(&mut input) {
                if done.passes(&record)? {
                    continue;
                }
                if rows.send(reader.read(record, done.n, done.hash.clone())).await.is_err() {
                    return Ok(());
                }
            }
            self.read = self.chunk.len();
            let more = tokio::select! {
                more = self.receive() => more?,
                () = rows.closed() => return Ok(()),
            };
            if !more {
                if let Some(record) = self.records.finish()
                    && !done.passes(&record)?
                {
                    // nobody wants it: nothing is lost
                    drop(rows.send(reader.read(record, done.n, done.hash.clone())).await);
                }
                return done.ends();
            }
        }
    }

    /// Reads a file that was imported to its end; an error if it is not the same.
    pub(super) async fn is_same(&mut self, reader: &RowReader<'_>, done: Done<'_>) -> Result<(), Error> {
        let (rows, mut more) = mpsc::channel(1);
        let others = async {
            let is_more = more.recv().await.is_some();
            drop(more);
            if is_more { Err(commands::Error::ImportDiffers.into()) } else { Ok(()) }
        };
        let (read, same) = tokio::join!(self.rows(reader, done, rows), others);
        read.and(same)
    }

    /// The next piece; false at the end of the file.
    async fn receive(&mut self) -> Result<bool, Error> {
        match self.messages.message().await.map_err(|status| broken_off(&status))? {
            None => Ok(false),
            Some(ImportOrdersRequest { options: Some(_), .. }) => {
                Err(Error::field("options", "belongs in the first message only"))
            }
            Some(ImportOrdersRequest { chunk, options: None }) => {
                self.chunk = chunk;
                self.read = 0;
                Ok(true)
            }
        }
    }
}

fn columns(header: &Record<'_>, options: &Options, definitions: &Definitions) -> Result<Columns, Error> {
    let fields = header.fields.map_err(|malformed| match malformed.column() {
        Some(n) => Error::field(format!("header[{n}]"), format!("is not well-formed: {malformed}")),
        None => Error::field("header", malformed),
    })?;
    Columns::read(&fields, options, definitions)
}
