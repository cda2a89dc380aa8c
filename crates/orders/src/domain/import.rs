//! How far an import is, and what it refused (O10).

use std::fmt;

use types::{TenantId, Timestamp};

/// Refused rows that are kept of one import, at most.
const KEPT_ROWS: u64 = 100_000;
/// Bytes of these, at most.
const KEPT_BYTES: u64 = 64 * 1024 * 1024;

/// Counts of rows so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Rows answered, whatever the result.
    pub(crate) rows: u64,
    /// New orders.
    pub(crate) recorded: u64,
    /// Stored before with the same content.
    pub(crate) already_recorded: u64,
    /// Stored before with other content, and updated.
    pub(crate) updated: u64,
    /// Refused.
    pub(crate) rejected: u64,
}

/// What an import is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImportKey {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// As the caller chose it.
    pub(crate) import_id: String,
}

/// An import that bears an id, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// Keyed hash of its options and of the file's header.
    pub(crate) hash: Vec<u8>,
    /// The names of the file's columns as one CSV record.
    pub(crate) header: Vec<u8>,
    /// Whether nothing is recorded.
    pub(crate) dry_run: bool,
    /// Its first rows, as many as are done in their order.
    pub(crate) progress: Progress,
    /// Keyed hash of these; empty if there are none.
    pub(crate) rows_hash: Vec<u8>,
    /// What is kept of those that were refused.
    pub(crate) kept: Kept,
    /// Who began it.
    pub(crate) principal: String,
    /// When it began (real clock).
    pub(crate) started_at: Timestamp,
    /// When this was kept (real clock).
    pub(crate) updated_at: Timestamp,
    /// When all rows were done (real clock), if they are.
    pub(crate) finished_at: Option<Timestamp>,
}

/// A row as it was sent. `Debug` shows no part of it (A13).
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Which of the file's rows it is, from 1.
    pub(crate) n: u64,
    /// Line it begins on, from 1.
    pub(crate) line: u64,
    /// Keyed hash of it and all rows before it; empty if the import bears no id.
    pub(crate) hash: Vec<u8>,
    /// Its bytes, if a report is kept and they are not too many.
    pub(crate) record: Option<Vec<u8>>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("n", &self.n).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Sent {
    /// Bytes that are held for it.
    pub(crate) fn weight(&self) -> usize {
        self.record.as_ref().map_or(0, Vec::len)
    }
}

/// Why a row is refused, as callers are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The column at fault; empty if the row as a whole is.
    pub(crate) column: String,
    /// Name of the public reason.
    pub(crate) reason: String,
    /// For people; quotes nothing of the row.
    pub(crate) message: String,
}

/// A row that was refused, as the report of its import has it. `Debug` shows no part of the record (A13).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// Which of the file's rows it is, from 1.
    pub(crate) n: u64,
    /// Line it begins on, from 1.
    pub(crate) line: u64,
    /// Why.
    pub(crate) fault: Fault,
    /// Its bytes, unless they are too many.
    pub(crate) record: Option<Vec<u8>>,
    /// By what it may name contacts; see [`super::names`].
    pub(crate) names: Vec<String>,
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n, line, fault, .. } = self;
        f.debug_struct("Rejected")
            .field("n", n)
            .field("line", line)
            .field("fault", fault)
            .finish_non_exhaustive()
    }
}

impl Rejected {
    /// Bytes it takes, about.
    pub(crate) fn weight(&self) -> usize {
        let names: usize = self.names.iter().map(String::len).sum();
        self.record.as_ref().map_or(0, Vec::len) + names + self.fault.message.len()
    }
}

/// How much is kept of what an import refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Rows.
    pub(crate) rows: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

impl Kept {
    /// This and one more row, if there is room for it.
    pub(crate) fn and(self, row: &Rejected) -> Option<Self> {
        let bytes = self.bytes + row.weight() as u64;
        let fits = self.rows < KEPT_ROWS && bytes <= KEPT_BYTES;
        fits.then_some(Self { rows: self.rows + 1, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes: usize) -> Rejected {
        let record = Some(vec![b'x'; bytes]);
        Rejected { n: 1, line: 2, fault: Fault::default(), record, names: vec!["ann@example.com".to_owned()] }
    }

    #[test]
    fn o10_so_many_refused_rows_are_kept_and_no_more() {
        let last = Kept { rows: KEPT_ROWS - 1, bytes: 0 }.and(&row(5));
        assert_eq!(last, Some(Kept { rows: KEPT_ROWS, bytes: 20 }));
        assert_eq!(last.and_then(|kept| kept.and(&row(5))), None);
        let nearly_full = Kept { rows: 1, bytes: KEPT_BYTES - 20 };
        assert_eq!(nearly_full.and(&row(6)), None);
        assert!(nearly_full.and(&row(5)).is_some(), "a smaller one fits");
    }

    #[test]
    fn a13_debug_shows_no_part_of_a_record() {
        let sent = Sent { record: row(5).record, ..Sent::default() };
        let shown = format!("{sent:?} {:?}", row(5));
        assert!(!shown.contains("120") && !shown.contains("ann"), "{shown}");
    }
}
