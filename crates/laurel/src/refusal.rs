//! Why a command failed: one line for people, an exit code for scripts.

use std::collections::HashMap;
use std::fmt;
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use runtime::process::one_line;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// How the command ends, as `laurel --help` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// A rule forbids it, or something else failed.
    Failed = 1,
    /// An argument, or a file, is wrong. That is what clap exits with, too.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// Nobody answered, or they were too busy: repeating it is safe, and may help.
    Unreachable = 4,
    /// An import left rows out.
    PartlyRejected = 5,
    /// The credential is not accepted, or does not allow it.
    NotPermitted = 6,
}

/// The exit codes, for the end of `laurel --help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused by a rule, or failed
  2  an argument or a file is wrong
  3  not found
  4  no connection, or too busy: repeat it unchanged
  5  an import rejected some rows; the others are in
  6  the credential is not accepted, or lacks the scope";

/// The connection to the services could not be made, or broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionError {
    /// The call was not answered.
    Failed,
    /// An import was under way.
    ImportLost,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "connection failed; is `laurel up` running there?",
            Self::ImportLost => "connection lost; what was recorded stands: run it again",
        })
    }
}

impl std::error::Error for ConnectionError {}

/// What the services, or we ourselves, refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    exit: Exit,
    text: String,
    /// Path of a field of the request, and what is wrong with it.
    fields: Vec<(String, String)>,
}

impl Refused {
    /// With what is said of it.
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into(), fields: Vec::new() }
    }

    /// A field of the request that we see to be wrong ourselves; `what` follows its name.
    pub fn field(path: &str, what: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, text: String::new(), fields: vec![(path.to_owned(), what.to_string())] }
    }

    /// One line, with `name` for the path of a field.
    fn line(&self, name: impl Fn(&str) -> String) -> String {
        if self.fields.is_empty() {
            return self.text.clone();
        }
        let lines = self.fields.iter().map(|(path, what)| format!("{} {what}", name(path)));
        lines.collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(str::to_owned))
    }
}

impl std::error::Error for Refused {}

/// A status as one line for people: every field violation, else the message.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub fn explain(status: Status) -> anyhow::Error {
    let details = status.get_error_details();
    if details.error_info().is_none() && is_of_transport(status.code(), status.message()) {
        return ConnectionError::Failed.into();
    }
    let exit = exit_of(status.code(), &details);
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let fields: Vec<_> = violations.into_iter().map(|v| (v.field, v.description)).collect();
    let name = details.resource_info().map_or("", |resource| resource.resource_name.as_str());
    Refused { exit, text: sentence(status.code(), status.message(), name), fields }.into()
}

/// The same, with the caller's own words for a field and what is wrong with it. A [`ConnectionError`] stays one.
pub(crate) fn explain_fields(status: Status, words: impl Fn(&str, &str) -> String) -> anyhow::Error {
    let error = explain(status);
    match error.downcast_ref::<Refused>() {
        Some(refused) if !refused.fields.is_empty() => {
            let lines = refused.fields.iter().map(|(path, what)| words(path, what));
            Refused::new(refused.exit, lines.collect::<Vec<_>>().join("; ")).into()
        }
        _ => error,
    }
}

fn exit_of(code: Code, details: &ErrorDetails) -> Exit {
    match code {
        Code::InvalidArgument | Code::OutOfRange => Exit::Usage,
        Code::NotFound => Exit::NotFound,
        Code::Unavailable | Code::Aborted | Code::DeadlineExceeded => Exit::Unreachable,
        Code::ResourceExhausted if details.retry_info().is_some() => Exit::Unreachable,
        Code::Unauthenticated | Code::PermissionDenied => Exit::NotPermitted,
        _ => Exit::Failed,
    }
}

/// Whether a status without a reason of ours says that the connection is at fault.
fn is_of_transport(code: Code, message: &str) -> bool {
    match code {
        Code::Unavailable | Code::Unknown => true,
        Code::Internal | Code::Cancelled => message.starts_with("h2 protocol error"),
        _ => false,
    }
}

/// A code, a message, and the name of what it speaks of, if it has one.
fn sentence(code: Code, message: &str, name: &str) -> String {
    let name = if name.is_empty() { String::new() } else { format!(" {name}") };
    match code {
        Code::Unknown => format!("{message}{name}"),
        code => format!("{}: {message}{name}", code_words(code)),
    }
}

/// A code in words.
fn code_words(code: Code) -> &'static str {
    match code {
        Code::Ok => "fine",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid argument",
        Code::DeadlineExceeded => "deadline exceeded",
        Code::NotFound => "not found",
        Code::AlreadyExists => "already exists",
        Code::PermissionDenied => "permission denied",
        Code::ResourceExhausted => "resource exhausted",
        Code::FailedPrecondition => "failed precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out of range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// What the user typed for the fields of a request. An argument has the name of its field as its id.
#[derive(Debug, Default)]
pub struct Flags(HashMap<String, String>);

impl Flags {
    /// Those of the command that `matches` has chosen.
    pub fn of(command: &Command, matches: &ArgMatches) -> Self {
        let mut flags = Self::default();
        let (mut command, mut matches) = (command, matches);
        loop {
            for argument in command.get_arguments() {
                let name = argument.get_long().map_or_else(|| place(argument), |long| format!("--{long}"));
                flags.0.insert(argument.get_id().to_string(), name);
            }
            let Some((name, chosen)) = matches.subcommand() else { return flags };
            let Some(found) = command.find_subcommand(name) else { return flags };
            (command, matches) = (found, chosen);
        }
    }

    /// The argument a path leads to, by its last part that is one: `order.customer.email` is `--contact`. Of one of several
    /// it says which, and what of it: `--line-items (2) quantity`.
    fn name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        let known = |n: usize| {
            let (name, index) = parts[n].split_once('[').unwrap_or((parts[n], ""));
            let flag = self.0.get(name)?;
            let index = index.trim_end_matches(']');
            let Ok(index) = index.parse::<usize>() else {
                return Some(format!("{flag} {index}").trim_end().to_owned());
            };
            let of_it = parts[n + 1..].join(".");
            Some(format!("{flag} ({}) {of_it}", index + 1).trim_end().to_owned())
        };
        (0..parts.len()).rev().find_map(known).unwrap_or_else(|| path.to_owned())
    }

    /// Says why the command failed, in one line, and how it is to exit. Whoever reads what we print may stop reading.
    pub fn report(&self, error: &anyhow::Error) -> Option<(String, ExitCode)> {
        let broken = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
        };
        if error.chain().any(broken) {
            return None;
        }
        let refused = error.downcast_ref::<Refused>();
        let line = match refused {
            Some(refused) if !refused.fields.is_empty() => refused.line(|path| self.name(path)),
            _ => one_line(error),
        };
        let exit = match refused {
            Some(refused) => refused.exit,
            None if error.is::<ConnectionError>() => Exit::Unreachable,
            None => Exit::Failed,
        };
        Some((line, ExitCode::from(exit as u8)))
    }
}

/// An argument that has its place instead of a name.
fn place(argument: &clap::Arg) -> String {
    let name = argument.get_value_names().and_then(|names| names.first());
    name.map_or_else(|| argument.get_id().as_str().to_uppercase(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rpc::{Error, Reason};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn what_is_not_found_is_named_and_its_code_is_readable() {
        let status = Status::from(Error::not_found(Reason::JourneyNotFound, "journey", "nosuch"));
        assert_eq!(explain(status).to_string(), "not found: no such journey nosuch");
        let status = Status::from(Error::precondition(Reason::RewardState, "the reward is HELD"));
        assert_eq!(explain(status).to_string(), "failed precondition: the reward is HELD");
    }

    #[test]
    fn every_field_violation_is_told_in_the_words_asked_for() {
        let two = vec![("a".to_owned(), "is required".to_owned()), ("b".to_owned(), "is long".to_owned())];
        let status = Status::from(Error::fields(Reason::InvalidField, two));
        assert_eq!(explain(status.clone()).to_string(), "a is required; b is long");
        let told = explain_fields(status, |field, what| format!("<{field}> {what}"));
        assert_eq!(told.to_string(), "<a> is required; <b> is long");
    }

    #[test]
    fn only_what_the_transport_says_is_a_connection_error() {
        let lost = |status: Status| explain(status).is::<ConnectionError>();
        assert!(lost(Status::unavailable("connection failed")));
        assert!(lost(Status::unknown("error reading a body from connection")));
        assert!(lost(Status::internal("h2 protocol error: http2 error")));
        assert!(!lost(Status::internal("failed to decode Protobuf message")));
        assert!(!lost(Error::unavailable().into()));
    }

    #[test]
    fn the_exit_code_tells_what_repeating_can_help_with() {
        let exit = |error: Error| explain(error.into()).downcast::<Refused>().unwrap().exit;
        assert_eq!(exit(Error::field("a", "is wrong")), Exit::Usage);
        assert_eq!(exit(Error::not_found(Reason::OrderNotFound, "order", "o")), Exit::NotFound);
        assert_eq!(exit(Error::unavailable()), Exit::Unreachable);
        assert_eq!(exit(Error::overloaded()), Exit::Unreachable);
        let costly = Error::new(Code::ResourceExhausted, Reason::QueryTooCostly, "too costly");
        assert_eq!(exit(costly), Exit::Failed);
        let denied = Error::new(Code::PermissionDenied, Reason::ScopeMissing, "no scope");
        assert_eq!(exit(denied), Exit::NotPermitted);
        assert_eq!(exit(Error::precondition(Reason::RewardState, "no")), Exit::Failed);
    }

    #[test]
    fn a_field_is_called_by_what_was_typed_for_it() {
        let line = ["laurel", "orders", "record", "o-1", "--contact", "a@b", "--revenue", "1", "--currency"];
        let command = Cli::command();
        let matches = command.clone().get_matches_from(line.into_iter().chain(["EUR"]));
        let flags = Flags::of(&command, &matches);
        let name = |path: &str| flags.name(path);
        assert_eq!(name("order.order_id"), "ORDER_ID");
        assert_eq!(name("order.customer.email"), "--contact");
        assert_eq!(name("order.line_items[1].quantity"), "--line-items (2) quantity");
        assert_eq!(name("line_items[1]"), "--line-items (2)");
        assert_eq!(name("order.evidence.shortcode"), "--code");
        assert_eq!(name("order.colour"), "order.colour");
    }

    #[test]
    fn who_stops_reading_is_no_failure() {
        let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(Flags::default().report(&anyhow::Error::from(closed).context("writing")).is_none());
    }
}
