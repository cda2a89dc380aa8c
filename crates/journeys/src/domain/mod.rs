//! The rules of journeys (J), pure: no database, no network, no clock of its own.
//!
//! | module | what |
//! |---|---|
//! | [`definition`] | a journey at one version (J1, J2, J14) |
//! | [`yaml`] | from YAML to a definition, mistakes by line |
//! | [`conditions`] | what conditions of triggers may read (J7) |
//! | [`event`] | events, entries, transitions |
//! | [`run`] | runs and what waits for them (J3) |
//! | [`rules`] | whether a stage may be entered (J2, J4-J6) |
//! | [`walk`] | one event or call on the runs of one journey (J4, J7) |
//! | [`slice`] | many events and calls, in order (J9, M4) |
//! | [`timers`] | timers that are set, moot, due (J7) |
//! | [`effects`] | what is to be saved for them |
//! | [`attribution`] | which attribution was in force when (J9) |
//! | [`lint`] | what is wrong with a definition, and what is odd about it (J12) |
//! | [`draw`] | a journey as a drawing (J12) |
//! | [`publish`] | what applying a definition does (J1) |
//! | [`funnel`] | what a run counts for (J11), and how near the goal is (J1) |
//! | [`cohort`] | which runs are counted together (J11) |
//! | [`times`] | times in stages, within 1 % (J11) |

pub mod attribution;
pub mod cohort;
pub mod conditions;
pub mod definition;
pub mod draw;
pub mod effects;
pub mod event;
pub mod funnel;
pub mod lint;
pub mod publish;
pub mod rules;
pub mod run;
pub mod slice;
pub mod timers;
pub mod times;
pub mod walk;
pub mod yaml;

#[cfg(test)]
mod tests;
