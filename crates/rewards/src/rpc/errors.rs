//! What each violation is to a client: the one place that maps them.

use definitions::yaml::Problem;
use rpc::{Error, Reason};
use tonic::Code;
use types::{CampaignId, RewardId};

use crate::commands::{apply_program, move_rewards, retry_decision, verify_ledger};
use crate::domain::reward::NotAllowed;
use crate::wire;

impl From<apply_program::Error> for Error {
    fn from(error: apply_program::Error) -> Self {
        match error {
            apply_program::Error::Invalid(problems) => {
                Self::fields(Reason::InvalidDefinition, problems.iter().map(violation).collect())
            }
            apply_program::Error::BaseChanged { newest } => {
                let message = format!("version {newest} of the program is the newest");
                Self::new(Code::Aborted, Reason::BaseVersionChanged, message)
                    .with("version", newest.to_string())
            }
            apply_program::Error::Database(error) => error.into(),
        }
    }
}

/// `definition:LINE:COLUMN`, and what is wrong there.
fn violation(problem: &Problem) -> (String, String) {
    let place = match problem.line {
        0 => "definition".to_owned(),
        line => format!("definition:{line}:{}", problem.column),
    };
    let message = if problem.path.is_empty() {
        problem.message.clone()
    } else {
        format!("{}: {}", problem.path, problem.message)
    };
    (place, message)
}

impl From<move_rewards::Error> for Error {
    fn from(error: move_rewards::Error) -> Self {
        match error {
            move_rewards::Error::NotFound(reward) => no_reward(reward),
            move_rewards::Error::NotAllowed(NotAllowed(state)) => {
                let state = wire::state(state).as_str_name().trim_start_matches("REWARD_STATE_");
                Self::precondition(Reason::RewardState, format!("the reward is {state}")).with("state", state)
            }
            move_rewards::Error::Refused(refused) => refused.into(),
        }
    }
}

impl From<retry_decision::Error> for Error {
    fn from(error: retry_decision::Error) -> Self {
        match error {
            retry_decision::Error::NotFound(key) => {
                let name = format!("{}/{}", key.transition, key.rule);
                Self::not_found(Reason::DecisionNotFound, "decision", name)
            }
            retry_decision::Error::Database(error) => error.into(),
        }
    }
}

impl From<verify_ledger::Error> for Error {
    fn from(error: verify_ledger::Error) -> Self {
        match error {
            verify_ledger::Error::Database(error) => error.into(),
            verify_ledger::Error::Journeys(status) => {
                tracing::warn!(code = ?status.code(), message = status.message(), "journeys did not answer");
                Self::unavailable()
            }
        }
    }
}

/// NOT_FOUND, REWARD_NOT_FOUND.
pub(super) fn no_reward(reward: RewardId) -> Error {
    Error::not_found(Reason::RewardNotFound, "reward", reward.to_string())
}

/// NOT_FOUND, PROGRAM_NOT_FOUND.
pub(super) fn no_program(campaign: &CampaignId) -> Error {
    Error::not_found(Reason::ProgramNotFound, "program", campaign.as_str())
}
