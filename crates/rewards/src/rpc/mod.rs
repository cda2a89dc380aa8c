//! The edge, and the only tonic servers: proto to domain with field paths, one command or query, and back.
//!
//! | module | what |
//! |---|---|
//! | [`programs`] | `ProgramService` |
//! | [`rewards`] | `RewardService` |
//! | [`ledger`] | `LedgerService` |
//! | [`audit`] | `AuditService` |
//! | [`erasures`] | `ErasureService` |
//! | [`errors`] | what each violation is to a client |

mod audit;
mod erasures;
mod errors;
mod ledger;
mod programs;
mod rewards;

pub(crate) use audit::Audits;
pub(crate) use erasures::ErasureRpcs;
pub(crate) use ledger::Ledger;
pub(crate) use programs::Programs;
pub(crate) use rewards::Rewards;
