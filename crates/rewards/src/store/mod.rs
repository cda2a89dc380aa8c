//! The only SQL. Loads and saves slices with a fixed number of statements; a transaction is the handle.
//!
//! | module | what |
//! |---|---|
//! | [`programs`] | program versions, compiled once and kept |
//! | [`decisions`] | decisions: save, which exist, load and replace, explain, list |
//! | [`rewards`] | rewards: save, load for a change, due holds, list |
//! | [`postings`] | the ledger: append, list, balances |
//! | [`moves`] | recorded hand moves |
//! | [`turns`] | what facts and debts did to rewards |
//! | [`facts`] | refunds of orders, flags and statuses of contacts |
//! | [`receivables`] | what beneficiaries owe back |
//! | [`credits`] | account credit |
//! | [`clocks`] | test clocks |
//! | [`effects`] | writing what a slice decided, events included |
//! | [`erasures`] | what goes with an erased contact |
//! | [`audit`] | reading everything again for verification |
//! | [`codes`], [`row`] | enumerations as stored numbers; rows to strict types |

pub(crate) mod audit;
pub(crate) mod clocks;
pub(crate) mod codes;
pub(crate) mod credits;
pub(crate) mod decisions;
pub(crate) mod effects;
pub(crate) mod erasures;
pub(crate) mod facts;
pub(crate) mod moves;
pub(crate) mod postings;
pub(crate) mod programs;
pub(crate) mod receivables;
pub(crate) mod rewards;
pub(crate) mod row;
pub(crate) mod turns;
