//! Definitions as code: YAML with line numbers and CEL conditions.
//!
//! Pure code that the journeys and the rewards service share to read what people write by hand:
//!
//! - [`yaml`]: strict YAML into serde types; a mistake is a [`yaml::Problem`] with line, column and path.
//! - [`condition`]: CEL conditions, type-checked when a definition is applied and cheap to evaluate.
//! - [`duration`]: durations as people write them, `30d` or `12h`.
//! - [`key`]: keys, the names that definitions give to journeys, stages and rules.
//! - [`outline`]: as much of a reward program as those need who only look at which stages it rewards.

pub mod condition;
pub mod duration;
pub mod key;
pub mod outline;
pub mod yaml;
