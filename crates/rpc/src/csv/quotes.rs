//! Whether the quotes of a record are as RFC 4180 has them, in constant memory.
//!
//! The parser of records forgives every mistake, and so changes what is in the file. This looks at the same bytes, with
//! the same idea of where a field ends, and tells the mistakes.

use std::fmt;

/// The first mistake in the quotes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Its field, from 0.
    pub column: usize,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// `"a"b`, and the lines of the two quotes.
    TextAfterQuote { opened: u64, closed: u64 },
    /// `a"b`.
    QuoteInText,
    /// `"a`, and nothing more.
    NeverClosed { opened: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::TextAfterQuote { opened, closed } if opened == closed => {
                f.write_str("text after the closing quote")
            }
            What::TextAfterQuote { opened, closed } => write!(
                f,
                "text after the closing quote: the quote that opens on line {opened} is closed on line {closed}, \
                 and all between was read as one field"
            ),
            What::QuoteInText => f.write_str("a quote inside a field that is not quoted"),
            What::NeverClosed { opened } => write!(
                f,
                "line {opened}: the quote that opens here is never closed; the rest of the file was not read"
            ),
        }
    }
}

/// Where in a field it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before its first byte.
    Start,
    /// In one that is not quoted, or after a mistake.
    Plain,
    /// Between quotes.
    Quoted,
    /// After a quote between quotes: the closing one, or the first of two.
    Quote,
}

/// Follows the quotes of one record. Feed it the pieces with [`Quotes::read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Quotes {
    state: State,
    line: u64,
    column: usize,
    /// Line of the last quote that opened.
    opened: u64,
    fault: Option<Fault>,
}

impl Quotes {
    /// Before the first byte of a record that begins on `line`.
    pub(super) fn at(line: u64) -> Self {
        Self { state: State::Start, line, column: 0, opened: line, fault: None }
    }

    /// Reads on; `bytes` go no further than the line break that ends the record.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) -> State {
        self.line += u64::from(byte == b'\n');
        match (self.state, byte) {
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) | (State::Quote, b'"') => State::Quoted,
            (_, b',') => {
                self.column += 1;
                State::Start
            }
            (_, b'\r' | b'\n') => State::Start,
            (State::Start, b'"') => {
                self.opened = self.line;
                State::Quoted
            }
            (State::Quote, _) => {
                self.mistake(What::TextAfterQuote { opened: self.opened, closed: self.line })
            }
            (State::Plain, b'"') => self.mistake(What::QuoteInText),
            (State::Start | State::Plain, _) => State::Plain,
        }
    }

    /// What follows a mistake is read as not quoted, as the parser of records does.
    fn mistake(&mut self, what: What) -> State {
        self.fault.get_or_insert(Fault { column: self.column, what });
        State::Plain
    }

    /// The line it has come to.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Line of the quote that is open.
    pub(super) fn open(&self) -> Option<u64> {
        (self.state == State::Quoted).then_some(self.opened)
    }

    /// The first mistake so far.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The mistake it is that the file ends here.
    pub(super) fn never_closed(&self) -> Option<Fault> {
        self.open().map(|opened| Fault { column: self.column, what: What::NeverClosed { opened } })
    }
}

#[cfg(test)]
mod tests;
