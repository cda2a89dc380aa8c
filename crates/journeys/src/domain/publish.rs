//! What applying a definition does to the journey in force (J1, J14).

use types::StageKey;

use super::definition::{Campaigns, Definition};
use super::slice::Applied;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publishing {
    /// It is in force already, for these campaigns.
    Nothing,
    /// Only the campaigns change; they are not part of the version.
    Campaigns,
    /// A new version.
    Version {
        /// Its number.
        version: i32,
        /// Stages that it has no more: no run under way may stand in one.
        removed: Vec<StageKey>,
        /// Whether the funnel has to be counted anew.
        recount: bool,
    },
}

/// The version that a caller built on is no longer in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseVersionChanged {
    /// The one in force; 0 if there is none.
    pub in_force: i32,
}

/// Compares what is in force with what is to be applied. The same content again changes nothing, whatever version
/// the caller built on: it may repeat a call whose answer was lost.
pub fn decide(
    in_force: Option<&Applied>,
    definition: &Definition,
    campaigns: &Campaigns,
    base_version: Option<i32>,
) -> Result<Publishing, BaseVersionChanged> {
    let same = in_force.is_some_and(|applied| *applied.definition == *definition);
    if same && in_force.is_some_and(|applied| applied.campaigns == *campaigns) {
        return Ok(Publishing::Nothing);
    }
    let version = in_force.map_or(0, |applied| applied.version);
    if base_version.is_some_and(|base| base != version) {
        return Err(BaseVersionChanged { in_force: version });
    }
    let Some(applied) = in_force else {
        return Ok(Publishing::Version { version: 1, removed: Vec::new(), recount: false });
    };
    if same {
        return Ok(Publishing::Campaigns);
    }
    let gone =
        applied.definition.stages.iter().map(|s| &s.key).filter(|key| definition.index_of(key).is_none());
    Ok(Publishing::Version {
        version: version + 1,
        removed: gone.cloned().collect(),
        recount: !applied.definition.counts_like(definition),
    })
}
