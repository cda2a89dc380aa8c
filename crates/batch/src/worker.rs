//! The worker's side: drain, prepare, apply, answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use opentelemetry::trace::SpanContext;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, Span};

use crate::observed::Observed;
use crate::queue::{Queued, Room};
use crate::{Answers, Prepared, Refused, Work};

/// Times a slice that lost against other transactions is repeated.
const CONTENTION_RETRIES: usize = 3;
/// Longest time for one step of a slice. Every statement has a shorter limit on the server; this is for a server that does
/// not answer at all.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where an answer goes, and the room in the queue that it frees.
type Reply<W> = (oneshot::Sender<Result<<W as Work>::Answer, <W as Work>::Error>>, Room);

struct Slice<W: Work> {
    prepared: Vec<W::Prepared>,
    replies: Vec<Reply<W>>,
    span: Span,
}

/// Two tasks with room for one slice between them, so that one slice is prepared while the other commits.
pub(crate) fn spawn<W: Work>(work: Arc<W>, commands: mpsc::UnboundedReceiver<Queued<W>>, slice: usize) {
    let (ready, slices) = mpsc::channel(1);
    let (applying, beside) = watch::channel(0);
    tokio::spawn(prepare_all(Arc::clone(&work), commands, ready, beside, slice));
    tokio::spawn(apply_all(work, slices, applying));
}

/// Takes at least one command, up to `limit`. Beside a slice that is being applied it waits until as many are there, or
/// that one is done: those whom it answers come back at once, and a slice of the first few of them would cost as much as
/// one of all. A lone caller never waits.
async fn take<W: Work>(
    commands: &mut mpsc::UnboundedReceiver<Queued<W>>,
    beside: &mut watch::Receiver<usize>,
    limit: usize,
) -> Vec<Queued<W>> {
    let mut taken = Vec::with_capacity(limit);
    commands.recv_many(&mut taken, limit).await;
    // whoever is about to queue, such as a batch call that has only begun to, gets to
    tokio::task::yield_now().await;
    while taken.len() < limit {
        match commands.try_recv() {
            Ok(command) => taken.push(command),
            Err(_) => break,
        }
    }
    while taken.len() < limit.min(*beside.borrow_and_update()) {
        let room = limit - taken.len();
        tokio::select! {
            more = commands.recv_many(&mut taken, room) => if more == 0 { break },
            changed = beside.changed() => if changed.is_err() { break },
        }
    }
    taken
}

async fn prepare_all<W: Work>(
    work: Arc<W>,
    mut commands: mpsc::UnboundedReceiver<Queued<W>>,
    ready: mpsc::Sender<Slice<W>>,
    mut beside: watch::Receiver<usize>,
    limit: usize,
) {
    let observed = Observed::new(W::name());
    loop {
        // reserved before draining: what waits meanwhile joins the slice
        let Ok(permit) = ready.reserve().await else { return };
        let queued = take(&mut commands, &mut beside, limit).await;
        if queued.is_empty() {
            return;
        }
        let span = observed.slice(queued.len(), calls(&queued));
        let (commands, replies): (Vec<_>, Vec<_>) =
            queued.into_iter().map(|q| (q.command, (q.reply, q.room))).unzip();
        let prepared = AssertUnwindSafe(work.prepare(commands)).catch_unwind().instrument(span.clone());
        let results = match tokio::time::timeout(PATIENCE, prepared).await {
            Ok(Ok(results)) => results,
            Ok(Err(_panic)) => {
                tracing::error!(commands = replies.len(), "preparing a slice panicked");
                refuse_all::<W>(replies, Refused::Bug);
                continue;
            }
            Err(_elapsed) => {
                refuse_all::<W>(replies, Refused::Unavailable);
                continue;
            }
        };
        let mut slice = Slice { prepared: Vec::with_capacity(results.len()), replies: Vec::new(), span };
        for (result, (reply, room)) in results.into_iter().zip(replies) {
            match result {
                Prepared::Answered(answer) => drop(reply.send(answer)),
                Prepared::Apply(prepared) => {
                    slice.prepared.push(prepared);
                    slice.replies.push((reply, room));
                }
            }
        }
        if !slice.prepared.is_empty() {
            permit.send(slice);
        }
    }
}

async fn apply_all<W: Work>(
    work: Arc<W>,
    mut slices: mpsc::Receiver<Slice<W>>,
    applying: watch::Sender<usize>,
) {
    while let Some(slice) = slices.recv().await {
        applying.send_replace(slice.prepared.len());
        let answers = apply(work.as_ref(), &slice.prepared).instrument(slice.span).await;
        applying.send_replace(0);
        for (answer, (reply, room)) in answers.into_iter().zip(slice.replies) {
            // a caller that went away gets no answer; what it asked for stands
            drop(reply.send(answer));
            drop(room);
        }
    }
}

fn calls<W: Work>(queued: &[Queued<W>]) -> impl Iterator<Item = &SpanContext> + Clone {
    queued.iter().filter_map(|q| q.call.as_ref())
}

fn refuse_all<W: Work>(replies: Vec<Reply<W>>, why: Refused) {
    for (reply, _room) in replies {
        drop(reply.send(Err(why.into())));
    }
}

/// Why a slice was not applied.
enum Failed {
    Database(pg::Error),
    /// A bug that one of the commands brings out.
    Panicked,
    /// Nobody answered for too long; whether COMMIT was among what was sent is unknown.
    TimedOut,
}

/// Applies a slice; data errors and panics split it by halves until the bad command is alone with its error, lost races
/// repeat it whole. Nothing is repeated once COMMIT was sent.
fn apply<'a, W: Work>(work: &'a W, slice: &'a [W::Prepared]) -> BoxFuture<'a, Answers<W>> {
    Box::pin(async move {
        let mut tries = 0;
        loop {
            let applied = AssertUnwindSafe(work.apply(slice)).catch_unwind();
            let failed = match tokio::time::timeout(PATIENCE, applied).await {
                Ok(Ok(Ok(answers))) => return answers,
                Ok(Ok(Err(error))) => Failed::Database(error),
                Ok(Err(_panic)) => Failed::Panicked,
                Err(_elapsed) => Failed::TimedOut,
            };
            match failed {
                Failed::Database(error @ pg::Error::Contention(_)) if tries < CONTENTION_RETRIES => {
                    tracing::debug!(%error, tries, "repeat slice");
                    tries += 1;
                }
                Failed::Database(pg::Error::Data(_)) | Failed::Panicked if slice.len() > 1 => {
                    let (first, second) = slice.split_at(slice.len() / 2);
                    let mut answers = apply(work, first).await;
                    answers.extend(apply(work, second).await);
                    return answers;
                }
                failed => return fail(slice.len(), &failed),
            }
        }
    })
}

fn fail<A, E: From<Refused>>(count: usize, failed: &Failed) -> Vec<Result<A, E>> {
    let refused = match failed {
        Failed::Database(error) => {
            tracing::error!(%error, commands = count, "slice failed");
            match error {
                pg::Error::Contention(_) => Refused::Contention,
                pg::Error::Unavailable(_) | pg::Error::CommitUnknown(_) => Refused::Unavailable,
                pg::Error::Data(_) | pg::Error::Bug(_) => Refused::Bug,
            }
        }
        Failed::Panicked => {
            tracing::error!(commands = count, "applying a command panicked");
            Refused::Bug
        }
        Failed::TimedOut => {
            tracing::error!(commands = count, "slice timed out");
            Refused::Unavailable
        }
    };
    (0..count).map(|_| Err(refused.into())).collect()
}
