//! Group commit: coalesces concurrent commands into one transaction (3-architecture, Batch first).
//!
//! A [`Batcher`] drains whatever commands wait, without a timer, up to [`Options::slice`]; prepares them (decode, calls to
//! other services), then applies them in one writing transaction, and answers each caller. While one slice is applied, the
//! next is being prepared, if it is as large, else once that one is done: small slices beside large ones cost as much and
//! bring less. Commands keep their order, those of one [`Lane`] also when one of them meets a transient failure. One bad command
//! fails alone.

mod lane;
mod observed;
mod queue;
mod worker;

pub use lane::Lane;
pub use queue::{Batcher, Refused};

use std::future::Future;

/// What a prepared command goes on to.
#[derive(Debug)]
pub enum Prepared<P, A, E> {
    /// It is answered already, and needs no transaction.
    Answered(Result<A, E>),
    /// It is to be applied.
    Apply(P),
}

/// One answer per command of a slice, in the same order.
pub type Answers<W> = Vec<Result<<W as Work>::Answer, <W as Work>::Error>>;

/// One kind of command, and how a slice of them is carried out.
pub trait Work: Send + Sync + 'static {
    /// What callers hand in.
    type Command: Send + 'static;
    /// A command ready to be applied.
    type Prepared: Send + Sync + 'static;
    /// What a caller gets.
    type Answer: Send + 'static;
    /// A rule violation, or a failure of the whole slice.
    type Error: From<Refused> + Send + 'static;

    /// What spans and metrics call it: `orders.RecordOrders`.
    fn name() -> String {
        observed::short_name(std::any::type_name::<Self>())
    }

    /// Bytes a command takes in the queue, about.
    fn weight(command: &Self::Command) -> usize;

    /// Whether the same command may well succeed when it is repeated: then those behind it in its [`Lane`] wait for that.
    fn is_transient(error: &Self::Error) -> bool;

    /// Everything that needs no transaction, for a slice in order; one result per command, in the same order.
    fn prepare(
        &self,
        commands: Vec<Self::Command>,
    ) -> impl Future<Output = Vec<Prepared<Self::Prepared, Self::Answer, Self::Error>>> + Send;

    /// The writing transaction: load for all, decide each in order, save all, append events, commit. One result per
    /// command, in the same order. An `Err` means that nothing of the slice took effect, but for
    /// [`pg::Error::CommitUnknown`].
    fn apply(
        &self,
        slice: &[Self::Prepared],
    ) -> impl Future<Output = Result<Answers<Self>, pg::Error>> + Send;
}

/// Bounds of a batcher.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Commands in one transaction, at most.
    pub slice: usize,
    /// Commands in the queue, at most.
    pub queue_count: usize,
    /// Bytes in the queue, at most.
    pub queue_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { slice: 256, queue_count: 4096, queue_bytes: 8 * 1024 * 1024 }
    }
}
