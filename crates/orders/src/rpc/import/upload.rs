//! The file as the caller sends it: options, then pieces cut anywhere.

use proto::orders::{ImportOrdersRequest, RejectedRow};
use rpc::csv::import::broken_off;
use rpc::csv::{Record, RecordReader};
use rpc::{Error, fields};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::header::{Columns, Options};
use super::row::RowReader;
use crate::commands::{self, Row};
use crate::domain::Definitions;

/// What was received, and how far it is read.
pub(super) struct Upload {
    messages: Streaming<ImportOrdersRequest>,
    records: RecordReader,
    chunk: Vec<u8>,
    read: usize,
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

    /// All other records but the first `done`, in their order, until nobody wants them any more.
    pub(super) async fn rows(
        &mut self,
        reader: &RowReader<'_>,
        mut done: u64,
        rows: mpsc::Sender<Row<RejectedRow>>,
    ) -> Result<(), Error> {
        loop {
            let mut input = self.chunk.get(self.read..).unwrap_or_default();
            while let Some(record) = self.records.next(&mut input) {
                if done > 0 {
                    done -= 1;
                    continue;
                }
                if rows.send(reader.read(record)).await.is_err() {
                    return Ok(());
                }
            }
            self.read = self.chunk.len();
            let more = tokio::select! {
                more = self.receive() => more?,
                () = rows.closed() => return Ok(()),
            };
            if !more {
                match self.records.finish() {
                    // nobody wants it: nothing is lost
                    Some(record) if done == 0 => drop(rows.send(reader.read(record)).await),
                    Some(_) if done == 1 => {}
                    // it has fewer rows than are done: it is another file, or was cut
                    _ if done > 0 => return Err(commands::Error::ImportDiffers.into()),
                    _ => {}
                }
                return Ok(());
            }
        }
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
