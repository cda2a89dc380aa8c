//! A process of ours: started, told to end, and what it says meanwhile.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context;

use crate::PATIENCE;

/// A running process that serves; killed when dropped.
pub(crate) struct Running {
    child: Child,
    log: Arc<Log>,
    reader: JoinHandle<()>,
    /// Where it listens.
    pub(crate) address: String,
}

impl Running {
    /// Starts it and waits for its `ready` line.
    pub(crate) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        // its log must not fill a pipe that nobody reads
        let stderr = child.stderr.take().context("no standard error")?;
        let log = Arc::<Log>::default();
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || log.read(stderr)
        });
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if let Some(address) = line.trim().strip_prefix("ready ") {
            return Ok(Self { child, log, reader, address: address.to_owned() });
        }
        let _ = child.kill();
        child.wait()?;
        let _ = reader.join();
        anyhow::bail!("not ready: {}", log.text())
    }

    /// SIGTERM; it may take a while to end.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        Ok(())
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until it ends, and how it ended.
    pub(crate) fn ended(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// The same, and all that it logged.
    pub(crate) fn ended_with_log(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let ended = self.child.wait()?;
        // it is closed when the process is gone
        while !self.reader.is_finished() {
            std::thread::yield_now();
        }
        Ok((ended, self.log.text()))
    }

    /// Waits for a line with `what` in its log.
    pub(crate) fn logged(&self, what: &str) -> anyhow::Result<String> {
        self.log.wait_for(what).with_context(|| format!("no {what:?} in the log:\n{}", self.log.text()))
    }

    /// All that it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process says on standard error. Read as it comes: a pipe that nobody reads would stop it.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Log {
    fn read(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            self.more.notify_all();
        }
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    fn wait_for(&self, what: &str) -> Option<String> {
        let find = |lines: &[String]| lines.iter().find(|line| line.contains(what)).cloned();
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, _) = self
            .more
            .wait_timeout_while(lines, PATIENCE, |lines| find(lines).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        find(&lines)
    }
}
