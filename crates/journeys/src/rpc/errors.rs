//! Violations to public errors: the one place.

use definitions::yaml::Problem;
use proto::common::ErrorReason as Reason;
use rpc::Error;
use tonic::Code;

use crate::commands::{apply_journey, enter_stage};
use crate::domain::event::Refusal;
use crate::domain::slice::Violation;
use crate::store::pending;

/// Of a call that the rules forbid.
pub(crate) fn of_violation(violation: Violation) -> Error {
    match violation {
        Violation::JourneyNotFound(journey) => journey_not_found(journey.as_str()),
        Violation::StageNotFound(stage) => Error::not_found(Reason::StageNotFound, "stage", stage.as_str()),
        Violation::ContactNotFound(contact) => {
            Error::not_found(Reason::ContactNotFound, "contact", contact.to_string())
        }
        Violation::NotApplied => Error::precondition(
            Reason::JourneyNotApplied,
            "the journey is not applied to this campaign; see `campaigns` in its definition",
        ),
        Violation::InFuture => Error::field("occurred_at", "is more than 24 hours in the future"),
        Violation::Refused(refusal) => of_refusal(&refusal),
    }
}

fn of_refusal(refusal: &Refusal) -> Error {
    let message = match refusal {
        // to a caller it is the same whether the missing step could still be entered under this key
        Refusal::OutOfOrder { expected } | Refusal::OutOfReach { expected } => {
            let message = format!("the stage `{expected}` has to be entered first");
            return Error::precondition(Reason::StageOutOfOrder, message).with("expected", expected.as_str());
        }
        Refusal::GoingBack => "a later stage was entered already, and this journey does not go back",
        Refusal::NotRepeatable => "it was entered under another occurrence key, and is not repeatable",
        Refusal::RunEnded => "the run, or this occurrence of it, has ended",
        Refusal::ExceptionCannotStart => "an exception stage cannot start a run",
        // only entries by trigger are refused for these
        Refusal::StageNotFound | Refusal::ConditionFailed { .. } => return Error::internal(),
    };
    Error::precondition(pending::reason(refusal), message)
}

/// Of EnterStage.
pub(crate) fn of_entry(error: enter_stage::Error) -> Error {
    match error {
        enter_stage::Error::Violation(violation) => of_violation(violation),
        enter_stage::Error::Refused(refused) => refused.into(),
    }
}

/// Of ApplyJourney.
pub(crate) fn of_applying(error: apply_journey::Error) -> Error {
    match error {
        apply_journey::Error::Database(error) => error.into(),
        apply_journey::Error::BaseVersion(changed) => {
            let message =
                format!("version {} is in force; look at what changed, and apply again", changed.in_force);
            Error::new(Code::Aborted, Reason::BaseVersionChanged, message)
                .with("version", changed.in_force.to_string())
        }
        apply_journey::Error::Occupied(stage) => {
            let message =
                format!("runs under way stand in the stage `{stage}`, which the definition has no more");
            Error::precondition(Reason::InvalidDefinition, message).with("stage", stage)
        }
    }
}

/// Of a definition that cannot be read.
pub(crate) fn of_definition(problems: Vec<Problem>) -> Error {
    of_document("definition", problems)
}

/// Of the document in a field.
pub(crate) fn of_document(name: &str, problems: Vec<Problem>) -> Error {
    let field = |problem: Problem| {
        let path = match problem.line {
            0 => name.to_owned(),
            line => format!("{name}:{line}:{}", problem.column),
        };
        let place = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
        (path, format!("{place}{}", problem.message))
    };
    Error::fields(Reason::InvalidDefinition, problems.into_iter().map(field).collect())
}

/// NOT_FOUND, JOURNEY_NOT_FOUND.
pub(crate) fn journey_not_found(journey: &str) -> Error {
    Error::not_found(Reason::JourneyNotFound, "journey", journey)
}

/// NOT_FOUND, RUN_NOT_FOUND.
pub(crate) fn run_not_found(run: impl Into<String>) -> Error {
    Error::not_found(Reason::RunNotFound, "run", run)
}
