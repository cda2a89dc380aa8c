//! The rules, purely: no SQL, no gRPC, no clock of its own. Everything works on a [`Book`]: what a slice of commands has
//! loaded of one tenant, changed step by step, and written back as a whole.
//!
//! | module | what |
//! |---|---|
//! | [`book`] | the book, and what is recorded in it |
//! | [`contact`], [`people`] | contacts; finding them by id, e-mail or uid |
//! | [`contact_commands`] | upsert, enrol, status, tags, segment membership |
//! | [`contact_import`] | rows of a file |
//! | [`flag`] | flags of contacts |
//! | [`rule`] | rules of segments |
//! | [`campaign`] | campaigns, their policies, and when they are active |
//! | [`code`], [`coupon`] | shortcodes and coupon codes |
//! | [`attribution`] | one attribution; those of a contact in a campaign |
//! | [`visit`] | visits |
//! | [`outcome`] | what is attempted, how it ends, what is kept of it (A12) |
//! | `standing` | a claim against those before it, and against policies (A2, A7) |
//! | `evidence` | weighing what an attempt comes with (A4-A9) |
//! | [`attempt`] | what comes of it (A2-A12) |
//! | [`lifecycle`] | activating, deactivating and reassigning by hand (A3) |
//! | [`history`] | what became of attributions and contacts (A10) |
//! | [`erasure`] | what is gone of an erased contact at once (A13) |
//! | [`test_clock`] | moving a test clock |
//! | [`event`] | what goes out on the stream |
//! | [`violation`] | every way a command can breach a rule |

mod evidence;
mod numbered;
mod standing;
#[cfg(test)]
mod tests;

pub(crate) mod attempt;
pub(crate) mod attribution;
pub(crate) mod book;
pub(crate) mod campaign;
pub(crate) mod code;
pub(crate) mod contact;
pub(crate) mod contact_commands;
pub(crate) mod contact_import;
pub(crate) mod coupon;
pub(crate) mod erasure;
pub(crate) mod event;
pub(crate) mod flag;
pub(crate) mod history;
pub(crate) mod lifecycle;
pub(crate) mod outcome;
pub(crate) mod people;
pub(crate) mod rule;
pub(crate) mod test_clock;
pub(crate) mod violation;
pub(crate) mod visit;

pub(crate) use attribution::{Attribution, EvidenceKind, InactiveReason, Period, Standing};
pub(crate) use book::{Book, Books, Moment, Tracked};
pub(crate) use campaign::{Campaign, Policies};
pub(crate) use contact::{Contact, ContactRef, ContactStatus, Profile, Uid};
pub(crate) use event::{Event, Fact};
pub(crate) use flag::{Flag, FlagCause, Statement};
pub(crate) use outcome::{
    Attempt, AttemptId, Evidence, Judgement, LoggedAttempt, Outcome, Sent, UnresolvedReason,
};
pub(crate) use violation::Violation;
