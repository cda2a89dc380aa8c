//! The one way an error reaches a client: a canonical code, a public reason, and details. Internal text cannot get in:
//! every message is written for the caller.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use proto::attribution::ItemError;
use proto::common::ErrorReason as Reason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use proto::codec::{fitting, fitting_text};

pub use proto::codec::ERROR_DOMAIN as DOMAIN;

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    code: Code,
    reason: Reason,
    message: String,
    fields: Vec<(String, String)>,
    metadata: Vec<(Cow<'static, str>, String)>,
    // boxed, being rare, to keep every `Result` small
    resource: Option<Box<(&'static str, String)>>,
    retry: Option<Duration>,
}

impl Error {
    /// An error of any kind; the constructors below cover most.
    pub fn new(code: Code, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            fields: Vec::new(),
            metadata: Vec::new(),
            resource: None,
            retry: None,
        }
    }

    /// INVALID_ARGUMENT: the field at `path` is wrong; `what` follows its name ("is required").
    pub fn field(path: impl Into<String>, what: impl std::fmt::Display) -> Self {
        Self::fields(Reason::InvalidField, vec![(path.into(), what.to_string())])
    }

    /// INVALID_ARGUMENT with several violations, each a path and what is wrong.
    pub fn fields(reason: Reason, fields: Vec<(String, String)>) -> Self {
        let message = match fields.first() {
            Some((path, what)) => format!("{path} {what}"),
            None => "invalid request".to_owned(),
        };
        Self { fields, ..Self::new(Code::InvalidArgument, reason, message) }
    }

    /// NOT_FOUND: there is no `kind` named `name` for this tenant.
    pub fn not_found(reason: Reason, kind: &'static str, name: impl Into<String>) -> Self {
        let name = name.into();
        let message = format!("no such {kind}");
        Self { resource: Some(Box::new((kind, name))), ..Self::new(Code::NotFound, reason, message) }
    }

    /// FAILED_PRECONDITION: a rule forbids it in the present state.
    pub fn precondition(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Code::FailedPrecondition, reason, message)
    }

    /// ALREADY_EXISTS: it is there, with other content.
    pub fn already_exists(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Code::AlreadyExists, reason, message)
    }

    /// UNAVAILABLE: a transient failure; repeating the call unchanged is safe.
    pub fn unavailable() -> Self {
        let message = "temporarily unavailable; repeat the call unchanged";
        Self::new(Code::Unavailable, Reason::Unavailable, message).retry(Duration::from_millis(200))
    }

    /// RESOURCE_EXHAUSTED: too much is waiting already.
    pub fn overloaded() -> Self {
        let message = "too many writes are waiting; try again shortly";
        Self::new(Code::ResourceExhausted, Reason::Overloaded, message).retry(Duration::from_millis(500))
    }

    /// RESOURCE_EXHAUSTED: the tenant does more than its limit allows.
    pub fn rate_limited() -> Self {
        let message = "the tenant's limit is reached; try again shortly";
        Self::new(Code::ResourceExhausted, Reason::RateLimited, message).retry(Duration::from_secs(1))
    }

    /// DEADLINE_EXCEEDED: the answer would come too late, or go on for too long.
    pub(crate) fn deadline_passed() -> Self {
        Self::new(Code::DeadlineExceeded, Reason::DeadlineExceeded, "the deadline passed")
    }

    /// UNAUTHENTICATED: the credential is not what it must be.
    pub(crate) fn not_proved(message: impl Into<String>) -> Self {
        Self::new(Code::Unauthenticated, Reason::CredentialInvalid, message)
    }

    /// UNAUTHENTICATED: the credential's time has not come, or is over.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(Code::Unauthenticated, Reason::CredentialExpired, message)
    }

    /// What the codec refused of a stream: the fields of a message that breaches its contract.
    pub fn refused_by_codec(status: &Status) -> Option<Self> {
        let fields = status.get_details_bad_request()?.field_violations.into_iter();
        let fields = fields.map(|breach| (breach.field, breach.description)).collect();
        Some(Self::fields(Reason::InvalidField, fields))
    }

    /// ABORTED: it kept losing against others, or nobody had time for it.
    pub fn contention() -> Self {
        let message = "it kept losing against others, or the database is too busy; repeat it";
        Self::new(Code::Aborted, Reason::Contention, message).retry(Duration::from_millis(100))
    }

    /// INTERNAL: a bug. What it was goes to the log where it is caught, not here.
    pub fn internal() -> Self {
        Self::new(Code::Internal, Reason::Internal, "internal error")
    }

    /// Adds a machine-readable detail to `ErrorInfo.metadata`.
    #[must_use]
    pub fn with(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Puts `prefix` before the path of every field: errors of a nested message, named from the outside.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        for (path, what) in &mut self.fields {
            *path = if path.is_empty() { prefix.to_owned() } else { format!("{prefix}.{path}") };
            self.message = format!("{path} {what}");
        }
        self
    }

    /// The canonical code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The public reason.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Path of the first field at fault; empty if none is.
    pub fn first_field(&self) -> &str {
        self.fields.first().map_or("", |(path, _)| path)
    }

    fn retry(mut self, after: Duration) -> Self {
        self.retry = Some(after);
        self
    }
}

/// The reason as `ErrorInfo` carries it: the enum value's name without its prefix.
pub fn reason_name(reason: Reason) -> &'static str {
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}

/// What the error says goes into a header, and is cut to the room there is.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let metadata: HashMap<String, String> =
            error.metadata.into_iter().map(|(key, value)| (key.into_owned(), fitting_text(&value))).collect();
        let message = fitting_text(&error.message);
        let mut details = ErrorDetails::with_error_info(reason_name(error.reason), DOMAIN, metadata);
        let breaches = error.fields.iter().map(|(path, what)| (path.as_str(), what.as_str()));
        let breaches = fitting(breaches);
        if !breaches.is_empty() {
            details.set_bad_request(breaches);
        }
        if error.code == Code::FailedPrecondition {
            details.add_precondition_failure_violation(reason_name(error.reason), "", &message);
        }
        if let Some(resource) = error.resource {
            let (kind, name) = *resource;
            details.set_resource_info(kind, fitting_text(&name), "", &message);
        }
        if let Some(after) = error.retry {
            details.set_retry_info(Some(after));
        }
        Self::with_error_details(error.code, message, details)
    }
}

/// An error as one item of a batch carries it.
impl From<&Error> for ItemError {
    fn from(error: &Error) -> Self {
        let resource = error.resource.iter().flat_map(|resource| {
            let (kind, name) = resource.as_ref();
            [("resource_type".to_owned(), (*kind).to_owned()), ("resource_name".to_owned(), name.clone())]
        });
        let details = error.metadata.iter().map(|(key, value)| (key.clone().into_owned(), value.clone()));
        Self {
            code: error.code.into(),
            reason: error.reason.into(),
            field: error.first_field().to_owned(),
            message: error.message.clone(),
            metadata: details.chain(resource).collect(),
        }
    }
}

impl From<pg::Error> for Error {
    fn from(error: pg::Error) -> Self {
        tracing::error!(%error, "database failure");
        match error {
            pg::Error::Unavailable(_) | pg::Error::CommitUnknown(_) => Self::unavailable(),
            pg::Error::Contention(_) => Self::contention(),
            pg::Error::Data(_) | pg::Error::Bug(_) => Self::internal(),
        }
    }
}

impl From<pg::sqlx::Error> for Error {
    fn from(error: pg::sqlx::Error) -> Self {
        pg::Error::from(error).into()
    }
}

impl From<batch::Refused> for Error {
    fn from(refused: batch::Refused) -> Self {
        match refused {
            batch::Refused::Full => Self::overloaded(),
            batch::Refused::Unavailable | batch::Refused::Behind => Self::unavailable(),
            batch::Refused::Contention => Self::contention(),
            batch::Refused::Bug => Self::internal(),
        }
    }
}

impl From<types::IdError> for Error {
    fn from(error: types::IdError) -> Self {
        Self::field("", error)
    }
}
