//! The callers' side: a queue bounded in count and bytes.

use std::sync::Arc;

use observe::metrics::Watched;
use opentelemetry::trace::SpanContext;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::lane::{Lane, Place};
use crate::{Options, Work, observed, worker};

/// Why a command got no answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full; nothing was done.
    #[error("the write queue is full")]
    Full,
    /// The outcome is unknown or the database is away; the caller's retry meets the natural key.
    #[error("the write could not be confirmed")]
    Unavailable,
    /// The write kept losing against others; nothing was done.
    #[error("the write kept losing against others")]
    Contention,
    /// A command before it in its lane met a transient failure; nothing was done.
    #[error("a write before this one could not be confirmed")]
    Behind,
    /// A bug; nothing was done.
    #[error("the write failed unexpectedly")]
    Bug,
}

impl Refused {
    /// Whether the same command may well succeed when it is repeated.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Full | Self::Unavailable | Self::Contention | Self::Behind => true,
            Self::Bug => false,
        }
    }
}

pub(crate) struct Queued<W: Work> {
    pub(crate) command: W::Command,
    pub(crate) reply: oneshot::Sender<Result<W::Answer, W::Error>>,
    // given back when the command is answered, so that what is being worked on counts too
    pub(crate) room: Room,
    /// Its place among the commands that it must not overtake, if there are any.
    pub(crate) place: Option<Place>,
    /// The span of whoever handed it in, if that is traced.
    pub(crate) call: Option<SpanContext>,
}

pub(crate) struct Room {
    _count: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

/// Hands commands to the worker and answers back to callers. Cheap to clone; the worker ends with the last clone.
pub struct Batcher<W: Work> {
    queue: mpsc::UnboundedSender<Queued<W>>,
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    options: Options,
    watched: Arc<Watched>,
}

impl<W: Work> Clone for Batcher<W> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            count: Arc::clone(&self.count),
            bytes: Arc::clone(&self.bytes),
            options: self.options,
            watched: Arc::clone(&self.watched),
        }
    }
}

impl<W: Work> std::fmt::Debug for Batcher<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batcher").field("options", &self.options).finish_non_exhaustive()
    }
}

/// A command that is queued; await it for the answer.
pub struct Pending<W: Work>(oneshot::Receiver<Result<W::Answer, W::Error>>);

impl<W: Work> Pending<W> {
    /// Waits for the answer.
    pub async fn answer(self) -> Result<W::Answer, W::Error> {
        self.0.await.unwrap_or_else(|_| Err(Refused::Unavailable.into()))
    }
}

impl<W: Work> Batcher<W> {
    /// Starts the worker on the current runtime.
    pub fn start(work: W, options: Options) -> Self {
        let (queue, commands) = mpsc::unbounded_channel();
        worker::spawn(Arc::new(work), commands, options.slice);
        let count = Arc::new(Semaphore::new(options.queue_count));
        let bytes = Arc::new(Semaphore::new(options.queue_bytes));
        let watched = Arc::new(observed::watch_queue(&W::name(), &count, options.queue_count));
        Self { queue, count, bytes, options, watched }
    }

    /// Runs one command; a full queue is refused at once. For unary calls.
    pub async fn run(&self, command: W::Command) -> Result<W::Answer, W::Error> {
        let room = self.try_room(1, W::weight(&command)).ok_or(Refused::Full)?;
        self.push(command, room, None).answer().await
    }

    /// Queues one command behind those of its lane, waiting for room. For streams and imports.
    pub async fn enqueue(&self, command: W::Command, lane: &mut Lane) -> Pending<W> {
        let bytes = self.clamp(W::weight(&command));
        let count = Arc::clone(&self.count).acquire_many_owned(1).await;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await;
        match (count, bytes) {
            (Ok(count), Ok(bytes)) => {
                self.push(command, Room { _count: count, _bytes: bytes }, Some(lane.place()))
            }
            // the semaphores are never closed
            _ => Pending(oneshot::channel().1),
        }
    }

    /// Runs commands as a lane of their own, waiting for room; one answer each, in the same order. For batch calls.
    pub async fn run_all(&self, commands: Vec<W::Command>) -> Vec<Result<W::Answer, W::Error>> {
        let mut lane = Lane::default();
        let mut pending = Vec::with_capacity(commands.len());
        for command in commands {
            pending.push(self.enqueue(command, &mut lane).await);
        }
        let mut answers = Vec::with_capacity(pending.len());
        for command in pending {
            answers.push(command.answer().await);
        }
        answers
    }

    /// Commands queued or being worked on.
    pub fn depth(&self) -> usize {
        self.options.queue_count - self.count.available_permits()
    }

    fn try_room(&self, count: u32, bytes: usize) -> Option<Room> {
        let count = Arc::clone(&self.count).try_acquire_many_owned(count).ok()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(self.clamp(bytes)).ok()?;
        Some(Room { _count: count, _bytes: bytes })
    }

    /// A command heavier than the whole queue takes all of it.
    fn clamp(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.options.queue_bytes)).unwrap_or(u32::MAX)
    }

    fn push(&self, command: W::Command, room: Room, place: Option<Place>) -> Pending<W> {
        let (reply, answer) = oneshot::channel();
        // if the worker is gone, the reply is dropped and the caller gets UNAVAILABLE
        let _ = self.queue.send(Queued { command, reply, room, place, call: observe::trace::current() });
        Pending(answer)
    }
}
