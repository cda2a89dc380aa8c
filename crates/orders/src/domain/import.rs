//! How far an import is (O10).

use types::{TenantId, Timestamp};

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
    /// Its first rows, as many as are done in their order.
    pub(crate) progress: Progress,
    /// Who began it.
    pub(crate) principal: String,
    /// When it began (real clock).
    pub(crate) started_at: Timestamp,
    /// When this was kept (real clock).
    pub(crate) updated_at: Timestamp,
    /// When all rows were done (real clock), if they are.
    pub(crate) finished_at: Option<Timestamp>,
}
