//! Tasks that live as long as the process, and its end: stop accepting, drain, then cut.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Hands out the stop signal, and keeps track of tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    drain: Duration,
    stop: CancellationToken,
    failed: CancellationToken,
    tasks: TaskTracker,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new(Duration::from_secs(10))
    }
}

impl Lifecycle {
    /// Nothing runs yet; once told to end, tasks may take as long as `drain`.
    pub fn new(drain: Duration) -> Self {
        Self {
            drain,
            stop: CancellationToken::new(),
            failed: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Cancelled when the process is to end.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a task until it ends by itself; it should watch [`Lifecycle::stop`]. One that fails or panics ends the process.
    pub fn spawn<E>(&self, name: &'static str, task: impl Future<Output = Result<(), E>> + Send + 'static)
    where
        E: std::fmt::Display + Send,
    {
        let lifecycle = self.clone();
        self.tasks.spawn(async move {
            match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => tracing::error!(task = name, %error, "task died"),
                Err(_panic) => tracing::error!(task = name, "task panicked"),
            }
            lifecycle.failed.cancel();
            lifecycle.stop.cancel();
        });
    }

    /// Runs a task that nobody waits for; it is cut off with the process.
    pub fn spawn_beside(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    /// Asks everything to end.
    pub fn shut_down(&self) {
        self.stop.cancel();
    }

    /// Takes SIGTERM and SIGINT as the wish to end, from now on: also while the process still starts, and as the first
    /// process of a container, which nothing ends otherwise.
    pub fn heed_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("stop on SIGTERM"),
                _ = interrupt.recv() => tracing::info!("stop on SIGINT"),
            }
            stop.cancel();
        });
        Ok(())
    }

    /// Waits for a signal or a failed task, then for the tasks to end. Whether all went well.
    pub async fn run_to_end(&self) -> bool {
        self.stop.cancelled().await;
        self.drain().await
    }

    /// Tells all tasks to end and waits for them, but not for ever: a client that will not let go of its connection is cut
    /// off. Whether no task failed.
    pub async fn drain(&self) -> bool {
        self.stop.cancel();
        self.tasks.close();
        let drained = tokio::time::timeout(self.drain, self.tasks.wait()).await.is_ok();
        if !drained {
            tracing::warn!("tasks still running are cut off");
        }
        !self.failed.is_cancelled()
    }
}
