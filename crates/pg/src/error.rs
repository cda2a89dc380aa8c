//! What a failed statement means for whoever asked for it.

/// SQLSTATE `query_canceled`.
const STATEMENT_TIMEOUT: &str = "57014";

/// A database failure, classed by what may be done about it. Its text is for the log, never for a client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server could not be reached, is going away, or is out of resources. Nothing was committed.
    #[error("database unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Lost against another transaction: serialization, deadlock, lock or statement time-out. Repeat the whole.
    #[error("database contention: {0}")]
    Contention(#[source] sqlx::Error),
    /// The data is at fault (SQLSTATE classes 22 and 23): the same again fails the same way.
    #[error("data refused by the database: {0}")]
    Data(#[source] sqlx::Error),
    /// COMMIT was sent and not answered: it may or may not have happened. Never repeated here; the caller's retry
    /// meets the natural key.
    #[error("outcome of a commit is unknown: {0}")]
    CommitUnknown(#[source] sqlx::Error),
    /// Anything else: wrong SQL, a row that cannot be read. A bug.
    #[error("unexpected database failure: {0}")]
    Bug(#[source] sqlx::Error),
}

impl Error {
    /// Whether the same work may be repeated and may then succeed, nothing having been committed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Contention(_) => true,
            Self::Data(_) | Self::CommitUnknown(_) | Self::Bug(_) => false,
        }
    }

    /// Whether a statement was given up because it took longer than one may.
    pub fn is_statement_timeout(&self) -> bool {
        let Self::Contention(sqlx::Error::Database(error)) = self else { return false };
        error.code().as_deref() == Some(STATEMENT_TIMEOUT)
    }

    /// Nobody answered in time; nothing is known of what was asked.
    pub fn no_answer() -> Self {
        Self::Unavailable(sqlx::Error::PoolTimedOut)
    }

    /// A stored value that the code cannot read, named by table and column.
    pub fn unreadable(place: &str, value: impl std::fmt::Display) -> Self {
        Self::Bug(sqlx::Error::Decode(format!("{place}: unreadable value `{value}`").into()))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => {
                let code = db.code().unwrap_or_default().into_owned();
                match code.as_str() {
                    "40001" | "40P01" | "55P03" | STATEMENT_TIMEOUT => Self::Contention(error),
                    // idle-in-transaction time-out, and the classes connection, resources, operator intervention
                    "25P03" => Self::Unavailable(error),
                    _ => match code.get(..2) {
                        Some("08" | "53" | "57" | "58") => Self::Unavailable(error),
                        Some("22" | "23") => Self::Data(error),
                        _ => Self::Bug(error),
                    },
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Self::Unavailable(error),
            _ => Self::Bug(error),
        }
    }
}
