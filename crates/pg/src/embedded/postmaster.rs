//! The server process: spawned, watched until it is ready, stopped.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::binaries::Binaries;
use super::error::{Error, io, last_lines};
use super::home::Home;
use super::process::{self, wait_until};
use super::{Tuning, orphans, settings};

/// After a crash the server replays its log first: up to `max_wal_size` of it.
const START: Duration = Duration::from_mins(5);
/// How often to say that it is taking long.
const START_NOTICE: Duration = Duration::from_secs(10);

/// A fast shutdown cuts the sessions off and writes a checkpoint.
const FAST: Duration = Duration::from_secs(20);
/// An immediate one cuts everything off; the next start recovers.
const IMMEDIATE: Duration = Duration::from_secs(5);
const KILLED: Duration = Duration::from_secs(5);

/// The running server, a child of ours. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Postmaster {
    child: Child,
    home: PathBuf,
    data: PathBuf,
    /// Keeps the thread that spawned the server alive: see [`spawn`].
    _parent: mpsc::Sender<()>,
}

impl Postmaster {
    /// Spawns the server and waits until it accepts connections.
    pub(super) fn start(home: &Home, binaries: &Binaries, tuning: Tuning) -> Result<Self, Error> {
        let mut log = home.open_log()?;
        let log_start = log.seek(SeekFrom::End(0)).map_err(io("read", &home.log()))?;
        let copy = log.try_clone().map_err(io("open", &home.log()))?;
        let program = binaries.postgres();
        let mut command = process::command(&program, home.user(), "SIGINT");
        command
            .args(settings::arguments(&home.data(), home.socket_dir(), tuning, binaries.major))
            .current_dir(home.dir())
            .stdout(copy)
            .stderr(log);
        let (child, parent) = spawn(command, &program)?;
        let (dir, data) = (home.dir().to_owned(), home.data());
        let mut server = Self { child, home: dir, data, _parent: parent };
        server.wait_ready(&home.socket()).map_err(|reason| Error::StartFailed {
            reason,
            log: home.log(),
            tail: last_lines(&read_from(&home.log(), log_start)),
        })?;
        Ok(server)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn has_exited(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn wait_ready(&mut self, socket: &Path) -> Result<(), String> {
        let mut waited = Duration::ZERO;
        while waited < START {
            let mut exited = None;
            let done = wait_until(START_NOTICE, || {
                exited = self.child.try_wait().ok().flatten();
                exited.is_some() || self.is_ready(socket)
            });
            match exited {
                Some(status) => return Err(describe(status)),
                None if done => return Ok(()),
                None => waited += START_NOTICE,
            }
            tracing::info!(pid = self.pid(), ?waited, "waiting for postgres, which may be recovering");
        }
        Err(format!("not ready after {} s", START.as_secs()))
    }

    fn is_ready(&self, socket: &Path) -> bool {
        let file = PidFile::read(&self.data);
        file.is_some_and(|file| file.ready && file.pid == self.pid()) && UnixStream::connect(socket).is_ok()
    }

    /// Stops the server, if it has not stopped already: SIGINT, then SIGQUIT, then SIGKILL.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        for (signal, limit) in [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE)] {
            if self.end_by(signal, limit) {
                return Ok(());
            }
            tracing::warn!(pid = self.pid(), ?signal, ?limit, "postgres outlived a signal");
        }
        // Its own children are in sessions of their own: they must be found and killed one by one.
        let killed = self.end_by(Signal::KILL, KILLED);
        orphans::end(&self.home, &self.data)?;
        if killed { Ok(()) } else { Err(Error::StopFailed { pid: self.pid() }) }
    }

    fn end_by(&mut self, signal: Signal, limit: Duration) -> bool {
        if self.has_exited() {
            return true;
        }
        // Not reaped yet, so the process id cannot be anybody else's.
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw)
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(pid = self.pid(), %error, "failed to signal postgres");
        }
        wait_until(limit, || self.has_exited())
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "failed to stop postgres");
        }
    }
}

/// Spawns the server from a thread that does nothing else and lives as long as the sender that is returned.
///
/// The parent-death signal comes when the spawning *thread* ends. The caller's may be a test's or a pool's and end
/// long before the server should.
fn spawn(mut command: Command, program: &Path) -> Result<(Child, mpsc::Sender<()>), Error> {
    let (parent, until_dropped) = mpsc::channel::<()>();
    let (report, result) = mpsc::sync_channel(1);
    let run = move || {
        let spawned = report.send(command.spawn());
        drop(command);
        if spawned.is_ok() {
            // Nothing is ever sent: this returns when the sender is gone, and the server stopped.
            let _closed = until_dropped.recv();
        }
    };
    let started = thread::Builder::new().name("postgres-parent".to_owned()).spawn(run);
    started.map_err(io("start a thread to run", program))?;
    let child = result.recv().unwrap_or_else(|_| Err(std::io::ErrorKind::BrokenPipe.into()));
    Ok((child.map_err(io("run", program))?, parent))
}

fn describe(status: ExitStatus) -> String {
    status.code().map_or_else(|| format!("ended by {status}"), |code| format!("exited with status {code}"))
}

/// What was written to a file after `start`; nothing if it cannot be read.
fn read_from(path: &Path, start: u64) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(start))?;
        file.take(1 << 20).read_to_end(&mut text)
    });
    if let Err(error) = read {
        tracing::warn!(%error, path = %path.display(), "failed to read log");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// What the server says of itself in `postmaster.pid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: u32,
    pub(super) ready: bool,
}

impl PidFile {
    /// Reads the file of the cluster in `data`, if there is one and it makes sense.
    pub(super) fn read(data: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)
    }

    /// Line 1 is the process id, line 8 the status, padded with blanks; the server adds lines as it comes up.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let ready = lines.nth(6).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, ready })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str = "4711\n/d/pg\n1700000000\n5432\n/d/run\n\n   131111         3\nready   \n";

    #[test]
    fn the_status_is_on_line_8_even_if_no_address_is_on_line_6() {
        assert_eq!(PidFile::parse(READY), Some(PidFile { pid: 4711, ready: true }));
    }

    #[test]
    fn a_server_that_comes_up_or_goes_is_not_ready() {
        for status in ["starting", "stopping", "standby ", ""] {
            let text = READY.replace("ready   ", status);
            assert_eq!(PidFile::parse(&text), Some(PidFile { pid: 4711, ready: false }), "{status}");
        }
        assert_eq!(PidFile::parse("4711\n/d/pg\n"), Some(PidFile { pid: 4711, ready: false }));
    }

    #[test]
    fn a_file_without_a_process_id_says_nothing() {
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("ready\n"), None);
    }
}
