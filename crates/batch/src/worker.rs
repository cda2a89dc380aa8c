//! The worker's side: drain, prepare, apply, answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use opentelemetry::trace::SpanContext;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{Instrument, Span};

use crate::lane::Place;
use crate::observed::Observed;
use crate::queue::{Queued, Room};
use crate::{Answers, Prepared, Refused, Work};

/// Times a slice that lost against other transactions is repeated.
const CONTENTION_RETRIES: usize = 3;
/// Longest time for one step of a slice. Every statement has a shorter limit on the server; this is for a server that does
/// not answer at all.
const PATIENCE: Duration = Duration::from_mins(1);

type Answer<W> = Result<<W as Work>::Answer, <W as Work>::Error>;

/// Where an answer goes, and the room in the queue that it frees.
struct Reply<W: Work> {
    to: oneshot::Sender<Answer<W>>,
    _room: Room,
    place: Option<Place>,
}

impl<W: Work> Reply<W> {
    fn is_held_up(&self) -> bool {
        self.place.as_ref().is_some_and(Place::is_held_up)
    }

    /// Takes note of a transient failure: what is behind it in its lane must not overtake it.
    fn note(&self, answer: &Answer<W>) {
        if let (Some(place), Err(error)) = (&self.place, answer)
            && W::is_transient(error)
        {
            place.break_off();
        }
    }

    /// A caller that went away gets no answer; what it asked for stands.
    fn send(self, answer: Answer<W>) {
        self.note(&answer);
        drop(self.to.send(answer));
    }
}

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
        let (commands, replies): (Vec<_>, Vec<_>) = queued
            .into_iter()
            .map(|q| (q.command, Reply { to: q.reply, _room: q.room, place: q.place }))
            .unzip();
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
        for (result, reply) in results.into_iter().zip(replies) {
            match result {
                // whatever was found out for it may be of before what it is behind
                _ if reply.is_held_up() => reply.send(Err(Refused::Behind.into())),
                Prepared::Answered(answer) => reply.send(answer),
                Prepared::Apply(prepared) => {
                    slice.prepared.push(prepared);
                    slice.replies.push(reply);
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
        let answers = in_lanes(work.as_ref(), &slice.prepared, &slice.replies).instrument(slice.span).await;
        applying.send_replace(0);
        for (answer, reply) in answers.into_iter().zip(slice.replies) {
            reply.send(answer);
        }
    }
}

fn calls<W: Work>(queued: &[Queued<W>]) -> impl Iterator<Item = &SpanContext> + Clone {
    queued.iter().filter_map(|q| q.call.as_ref())
}

fn refuse_all<W: Work>(replies: Vec<Reply<W>>, why: Refused) {
    for reply in replies {
        reply.send(Err(why.into()));
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

/// Applies what is not held up, and holds up what is behind a transient failure.
fn in_lanes<'a, W: Work>(
    work: &'a W,
    slice: &'a [W::Prepared],
    replies: &'a [Reply<W>],
) -> BoxFuture<'a, Answers<W>> {
    Box::pin(async move {
        let mut answers = Vec::with_capacity(slice.len());
        while answers.len() < slice.len() {
            let from = answers.len();
            let held_up = replies[from].is_held_up();
            let alike = replies[from..].iter().take_while(|reply| reply.is_held_up() == held_up).count();
            let these = from..from + alike;
            if held_up {
                answers.extend(these.map(|_| Err(Refused::Behind.into())));
                continue;
            }
            let applied = apply(work, &slice[these.clone()], &replies[these.clone()]).await;
            applied.iter().zip(&replies[these]).for_each(|(answer, reply)| reply.note(answer));
            answers.extend(applied);
        }
        answers
    })
}

/// Applies a slice; data errors and panics split it by halves until the bad command is alone with its error, lost races
/// repeat it whole. Nothing is repeated once COMMIT was sent.
async fn apply<W: Work>(work: &W, slice: &[W::Prepared], replies: &[Reply<W>]) -> Answers<W> {
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
                let half = slice.len() / 2;
                let mut answers = in_lanes(work, &slice[..half], &replies[..half]).await;
                answers.extend(in_lanes(work, &slice[half..], &replies[half..]).await);
                return answers;
            }
            failed => return fail(slice.len(), &failed),
        }
    }
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
