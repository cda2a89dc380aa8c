//! What changes state, one file per command: load, decide each in order, save all, append events, commit.
//!
//! | module | what |
//! |---|---|
//! | [`apply_program`] | publishing a program's next version |
//! | [`follow`] | a slice of the transition stream, for its follower: transitions, refunds, flags |
//! | [`judge_transitions`] | rules on stage transitions |
//! | [`retry_decision`] | judging a parked decision again |
//! | [`erase`] | forgetting an erased contact |
//! | [`fire_holds`] | approving what is pending when its hold is over |
//! | [`move_rewards`] | approving, denying, reopening, fulfilling by hand |
//! | [`verify_ledger`] | deriving everything again and comparing; changes nothing |

pub(crate) mod apply_program;
pub(crate) mod erase;
pub(crate) mod fire_holds;
pub(crate) mod follow;
pub(crate) mod judge_transitions;
pub(crate) mod move_rewards;
pub(crate) mod retry_decision;
pub(crate) mod verify_ledger;
