//! Why a command was not carried out.

use batch::Refused;

use super::Declined;
use crate::domain::Violation;

/// Why an order is not recorded, updated or reversed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A rule of orders forbids it.
    #[error("a rule forbids it: {0:?}")]
    Violation(Violation),
    /// More than a day in the future (M3); the field that says so.
    #[error("in the future")]
    InFuture(&'static str),
    /// The request id was used with another request.
    #[error("request id reused")]
    RequestIdReused,
    /// The import id was used with other options, or with another file.
    #[error("import differs")]
    ImportDiffers,
    /// Attribution refused its part.
    #[error("attribution declined")]
    Declined(Declined),
    /// Attribution did not answer: without its word nothing is recorded.
    #[error("attribution did not answer")]
    NoAnswer,
    /// The writing failed.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Error {
    /// Whether the same command may succeed if it is repeated unchanged.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer => true,
            Self::Refused(refused) => refused.is_transient(),
            Self::Violation(_)
            | Self::InFuture(_)
            | Self::RequestIdReused
            | Self::ImportDiffers
            | Self::Declined(_) => false,
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// What a failed read means for the commands that needed it.
impl From<pg::Error> for Error {
    fn from(error: pg::Error) -> Self {
        tracing::error!(%error, "read failed");
        Self::Refused(match error {
            pg::Error::Unavailable(_) | pg::Error::CommitUnknown(_) => Refused::Unavailable,
            pg::Error::Contention(_) => Refused::Contention,
            pg::Error::Data(_) | pg::Error::Bug(_) => Refused::Bug,
        })
    }
}
