//! CSV in constant memory: records out of a file that comes in pieces cut anywhere, and files that go out in pieces.
//!
//! | module | what |
//! |---|---|
//! | here | records |
//! | [`columns`] | which column of a file is which field, and the cells of its rows |
//! | [`import`] | an upload from its first message to its last row |
//! | [`export`] | a table as a file, piece by piece |
//! | `quotes` | whether a record is quoted as RFC 4180 has it |

use std::fmt;

use csv_core::ReadRecordResult;

use self::quotes::Quotes;

pub mod columns;
pub mod export;
pub mod import;
mod quotes;

pub use self::quotes::Fault;

/// Bytes of one record, at most, quotes not counted: an order with as many and as long lines as there can be fits.
const MAX_RECORD: usize = 256 * 1024;
/// Bytes of one record as it was sent that are kept, at most.
const MAX_SENT: usize = 64 * 1024;
/// Fields of one record, at most.
const MAX_FIELDS: usize = 1024;
/// What may stand before a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One record of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Line it begins on, from 1.
    pub line: u64,
    /// Its fields, without their quotes, or why they cannot be told.
    pub fields: Result<Fields<'a>, Malformed>,
    /// Its bytes as they were sent, without the line break that ends it; `None` if they are more than 64 KiB.
    pub sent: Option<&'a [u8]>,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// It is longer than a record may be.
    TooLong {
        /// Line of the quote that was open when it became so.
        quote: Option<u64>,
    },
    /// Its quotes are not as they must be.
    Quotes(Fault),
}

impl Malformed {
    /// The field at fault, from 0; `None` if the record as a whole is.
    pub fn column(&self) -> Option<usize> {
        match self {
            Self::TooLong { .. } => None,
            Self::Quotes(fault) => Some(fault.column),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, fields) = ("is longer than 256 KiB", "has over 1,024 fields");
        match self {
            Self::TooLong { quote: None } => write!(f, "{bytes}, or {fields}"),
            Self::TooLong { quote: Some(line) } => {
                write!(f, "{bytes}, or {fields}: is the quote that opens on line {line} closed?")
            }
            Self::Quotes(fault) => fault.fmt(f),
        }
    }
}

/// The fields of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// They, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (bytes, ends) = (self.bytes, self.ends);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(ends).map(move |(start, end)| bytes.get(start..*end).unwrap_or_default())
    }
}

/// Reads records. Feed it the pieces with [`RecordReader::next`], then call [`RecordReader::finish`].
#[derive(Debug)]
pub struct RecordReader {
    csv: csv_core::Reader,
    bytes: Box<[u8]>,
    ends: Box<[usize]>,
    /// How much of the two is filled by the present record.
    filled: (usize, usize),
    /// The present record as it was sent, as far as it is kept, and how long it is.
    sent: (Vec<u8>, usize),
    quotes: Quotes,
    /// What is wrong with the present record, the first in the file.
    malformed: Option<Malformed>,
    /// Bytes of a byte-order mark seen; `None` once it is decided whether there is one.
    mark: Option<usize>,
    line: u64,
    /// Line the present record began on, if one has.
    began: Option<u64>,
}

impl Default for RecordReader {
    fn default() -> Self {
        Self::new()
    }
}

impl RecordReader {
    /// Before the first byte.
    pub fn new() -> Self {
        let mut csv = csv_core::Reader::new();
        // an empty line, which is skipped: the mark is our business, as it may come in two pieces
        csv.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            csv,
            bytes: vec![0; MAX_RECORD + 1].into_boxed_slice(),
            ends: vec![0; MAX_FIELDS + 1].into_boxed_slice(),
            filled: (0, 0),
            sent: (Vec::new(), 0),
            quotes: Quotes::at(1),
            malformed: None,
            mark: Some(0),
            line: 1,
            began: None,
        }
    }

    /// The next record that ends within `input`, which is cut to what comes after it. `None`: all of `input` is read.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Record<'_>> {
        self.skip_mark(input);
        let line = self.advance(input)?;
        // one byte ended it: of two that make a line break, the other is skipped
        Some(self.record(line, 1))
    }

    /// The last record, if the file does not end with a line break.
    pub fn finish(&mut self) -> Option<Record<'_>> {
        if let Some(seen) = self.mark.take() {
            self.advance(&mut &BYTE_ORDER_MARK[..seen]);
        }
        let line = self.began.take()?;
        let never_closed = self.quotes.never_closed();
        while let ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull = self.read(&[]).0 {}
        // the worst, whatever else is wrong: it took the rest of the file
        self.malformed = never_closed.map(Malformed::Quotes).or(self.malformed);
        Some(self.record(line, 0))
    }

    /// Decides whether the file begins with a byte-order mark, which may be cut anywhere.
    fn skip_mark(&mut self, input: &mut &[u8]) {
        while let (Some(seen), Some((first, rest))) = (self.mark, input.split_first()) {
            if BYTE_ORDER_MARK.get(seen) == Some(first) {
                *input = rest;
                self.mark = (seen + 1 < BYTE_ORDER_MARK.len()).then_some(seen + 1);
            } else {
                self.mark = None;
                // what looked like one is content; too little to end a record
                self.advance(&mut &BYTE_ORDER_MARK[..seen]);
            }
        }
    }

    /// Reads on to the end of a record; returns the line it began on.
    fn advance(&mut self, input: &mut &[u8]) -> Option<u64> {
        if self.began.is_none() {
            self.skip_line_breaks(input);
        }
        while !input.is_empty() {
            if self.began.is_none() {
                self.began = Some(self.line);
                self.filled = (0, 0);
                self.sent.0.clear();
                self.sent.1 = 0;
                self.quotes = Quotes::at(self.line);
                self.malformed = None;
            }
            let (result, read) = self.read(input);
            self.line = self.quotes.line();
            let (read, rest) = input.split_at(read);
            self.keep(read);
            *input = rest;
            if matches!(result, ReadRecordResult::Record) {
                return self.began.take();
            }
        }
        None
    }

    /// One step of the parser. A record that does not fit is read on, and thrown away.
    fn read(&mut self, input: &[u8]) -> (ReadRecordResult, usize) {
        let (bytes, ends) = (&mut self.bytes[self.filled.0..], &mut self.ends[self.filled.1..]);
        let (result, read, bytes, ends) = self.csv.read_record(input, bytes, ends);
        self.filled = (self.filled.0 + bytes, self.filled.1 + ends);
        self.quotes.read(&input[..read]);
        self.malformed = self.malformed.or(self.quotes.fault().map(Malformed::Quotes));
        if matches!(result, ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull) {
            self.malformed.get_or_insert(Malformed::TooLong { quote: self.quotes.open() });
            self.filled = (0, 0);
        }
        (result, read)
    }

    /// Keeps what was sent, and no more than there is room for.
    fn keep(&mut self, bytes: &[u8]) {
        let (kept, length) = &mut self.sent;
        let room = (MAX_SENT + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        *length += bytes.len();
    }

    /// Empty lines are no records.
    fn skip_line_breaks(&mut self, input: &mut &[u8]) {
        let end = input.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(input.len());
        let (breaks, rest) = input.split_at(end);
        self.line += line_breaks(breaks);
        *input = rest;
    }

    /// The present record, which the last `ended_by` bytes are no part of.
    fn record(&self, line: u64, ended_by: usize) -> Record<'_> {
        let fields = Fields { bytes: &self.bytes[..self.filled.0], ends: &self.ends[..self.filled.1] };
        let length = self.sent.1.saturating_sub(ended_by);
        let sent = self.sent.0.get(..length).filter(|sent| sent.len() <= MAX_SENT);
        Record { line, fields: self.malformed.map_or(Ok(fields), Err), sent }
    }
}

fn line_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().map(|b| u64::from(*b == b'\n')).sum()
}

#[cfg(test)]
mod tests;
