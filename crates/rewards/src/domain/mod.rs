//! Pure rules: no SQL, no gRPC, no clock.
//!
//! | module | what |
//! |---|---|
//! | [`program`] | rules and versions of a program, and which version judges a transition (R1) |
//! | [`definition`] | a program written as YAML, checked by line |
//! | [`condition`] | what a rule's condition may read |
//! | [`decision`] | judging a transition by a rule: amount, or why not (R2, R4, R12, M2, M5) |
//! | [`retry`] | judging a parked decision's rule again (R1, R12) |
//! | [`explain`] | a decision in words |
//! | [`reward`] | the states of a reward and what moves it (R3, R7) |
//! | [`ledger`] | accounts and postings (R10) |
//! | [`effects`] | what a slice of work changes |
//! | [`audit`] | deriving everything again from what was recorded (R10) |

pub mod audit;
pub mod condition;
pub mod decision;
pub mod definition;
pub mod effects;
pub mod explain;
pub mod ledger;
pub mod program;
pub mod retry;
pub mod reward;

#[cfg(test)]
mod tests;
