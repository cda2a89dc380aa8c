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
//! | [`state`] | the states of a reward, and which may follow which (R3) |
//! | [`reward`] | what moves a reward from state to state (R3, R7, R9, A9) |
//! | [`refund`] | what refunds of an order leave of a reward (R9) |
//! | [`standing`] | flags and bans of contacts (A9) |
//! | [`receivables`] | what beneficiaries owe back (R9) |
//! | [`book`] | what a slice of the stream does to rewards (R9, A9) |
//! | [`ledger`] | accounts and postings (R10) |
//! | [`effects`] | what a slice of work changes |
//! | [`audit`] | deriving everything again from what was recorded (R10) |

pub mod audit;
pub mod book;
pub mod condition;
pub mod decision;
pub mod definition;
pub mod effects;
pub mod explain;
pub mod ledger;
pub mod program;
pub mod receivables;
pub mod refund;
pub mod retry;
pub mod reward;
pub mod standing;
pub mod state;

#[cfg(test)]
mod tests;
