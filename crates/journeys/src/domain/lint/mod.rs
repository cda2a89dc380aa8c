//! What is wrong with a definition, and what is odd about it (J12): a list of findings, each by a rule with a name.
//!
//! | module | rules |
//! |---|---|
//! | [`entries`] | stages that only calls enter, triggers on stages that are not there |
//! | [`timers`] | timers that never fire, waits without a way out |
//! | [`circles`] | stages that enter each other |
//! | [`program`] | what a reward program says of the journey |

mod circles;
mod entries;
mod program;
#[cfg(test)]
mod tests;
mod timers;

use std::sync::Arc;

use definitions::yaml::Problem;

use super::definition::Definition;
use super::yaml;

/// Findings of one definition, at most.
const MAX_FINDINGS: usize = 100;

/// What a finding is one of; the contract's comment on `Finding.rule` explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It cannot be applied.
    InvalidDefinition,
    /// The reward program cannot be read.
    InvalidProgram,
    /// Nothing but calls enters the stage.
    ByCallOnly,
    /// A trigger that never enters its stage.
    TriggerNeverFires,
    /// A timer that never enters its stage.
    TimerNeverFires,
    /// A wait that no exception ends.
    WaitWithoutExit,
    /// A trigger on a stage that is not there.
    UnknownSource,
    /// Stages that enter each other in a circle.
    EndlessRepeats,
    /// A reward for a stage that is not there.
    UnknownStage,
    /// A reward, and nothing that answers a refund.
    NoRefundPath,
}

impl Rule {
    /// As findings are told by.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidDefinition => "invalid-definition",
            Self::InvalidProgram => "invalid-program",
            Self::ByCallOnly => "by-call-only",
            Self::TriggerNeverFires => "trigger-never-fires",
            Self::TimerNeverFires => "timer-never-fires",
            Self::WaitWithoutExit => "wait-without-exit",
            Self::UnknownSource => "unknown-source",
            Self::EndlessRepeats => "endless-repeats",
            Self::UnknownStage => "unknown-stage",
            Self::NoRefundPath => "no-refund-path",
        }
    }

    /// Whether it is an error, and no mere warning.
    pub fn is_error(self) -> bool {
        matches!(self, Self::InvalidDefinition | Self::InvalidProgram)
    }

    /// Whether its place is in the reward program.
    pub fn is_of_program(self) -> bool {
        matches!(self, Self::InvalidProgram | Self::UnknownStage | Self::NoRefundPath)
    }
}

/// One thing that is wrong or odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is one of.
    pub rule: Rule,
    /// What it is, and where.
    pub problem: Problem,
}

/// Looks at a definition, beside the other journeys in force of its tenant and the reward program that goes with it.
/// Errors come first, then those by their place, those of the definition before those of the program.
pub fn lint(text: &str, others: &[Arc<Definition>], program: Option<&str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match yaml::parse(text) {
        Err(problems) => findings.extend(problems.into_iter().map(|p| (Rule::InvalidDefinition, p))),
        Ok((definition, campaigns)) => {
            let others: Vec<&Definition> =
                others.iter().map(|other| &**other).filter(|o| o.journey != definition.journey).collect();
            // each place is looked for anew, and who has this many reads no more
            let mut say = |rule, path: String, message: String| {
                if findings.len() < MAX_FINDINGS {
                    findings.push((rule, Problem::of_path(text, path, message)));
                }
            };
            entries::look(&definition, &campaigns, &others, &mut say);
            timers::look(&definition, &mut say);
            circles::look(&definition, &others, &mut say);
            if let Some(program) = program {
                findings.extend(program::look(&definition, program));
            }
        }
    }
    findings.sort_by_key(|(rule, problem)| {
        (!rule.is_error(), rule.is_of_program(), problem.line, problem.column)
    });
    findings.into_iter().map(|(rule, problem)| Finding { rule, problem }).collect()
}
