//! Upstream streams, one file per stream.

mod journeys;

pub use journeys::Journeys;
pub(crate) use journeys::read;

/// Name of the subscription to journeys' transitions.
pub(crate) const JOURNEYS: &str = "rewards.journeys";
