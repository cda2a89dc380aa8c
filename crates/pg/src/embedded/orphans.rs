//! Server processes that an earlier run left behind.
//!
//! The process id in `postmaster.pid` proves nothing: it may be another program's by now. A process is the
//! server's if its program is `postgres` and its working directory is the data directory. We hold the lock, so
//! whatever still runs there has lost its owner.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::error::Error;
use super::home::Home;
use super::postmaster::PidFile;
use super::process::wait_until;

/// A fast shutdown writes a checkpoint; usually it is under way before we look.
const FAST: Duration = Duration::from_secs(20);
const IMMEDIATE: Duration = Duration::from_secs(5);
const KILLED: Duration = Duration::from_secs(5);

/// Ends what is left of an earlier run, then removes its files.
pub(super) fn clear(home: &Home) -> Result<(), Error> {
    end(home.dir(), &home.data())?;
    home.sweep()
}

/// Ends every server process on `data`: kindly by its postmaster if that still lives, then all of them.
pub(super) fn end(home: &Path, data: &Path) -> Result<(), Error> {
    let left = find(home, data);
    if left.is_empty() {
        return Ok(());
    }
    tracing::warn!(pids = ?left, data_dir = %home.display(), "found postgres processes of an earlier run");
    let gone = |limit| wait_until(limit, || find(home, data).is_empty());
    let postmaster = PidFile::read(data).map(|file| file.pid).filter(|pid| left.contains(pid));
    if let Some(postmaster) = postmaster {
        signal(postmaster, Signal::INT);
        if gone(FAST) {
            return Ok(());
        }
    }
    for (kind, limit) in [(Signal::QUIT, IMMEDIATE), (Signal::KILL, KILLED)] {
        for pid in find(home, data) {
            signal(pid, kind);
        }
        if gone(limit) {
            return Ok(());
        }
    }
    Err(Error::OrphansStay { dir: data.to_owned(), pids: find(home, data) })
}

fn signal(pid: u32, signal: Signal) {
    let target = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(target) = target
        && let Err(error) = kill_process(target, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(pid, %error, "failed to signal postgres");
    }
}

/// The server processes on `data`. A server has `home` as its working directory until it has changed to `data`.
fn find(home: &Path, data: &Path) -> Vec<u32> {
    let place = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let places: Vec<_> = [home, data].into_iter().filter_map(place).collect();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let process = Path::new("/proc").join(pid.to_string());
        if !fs::read(process.join("comm")).is_ok_and(|name| name == b"postgres\n") {
            return false;
        }
        match fs::metadata(process.join("cwd")) {
            Ok(found) => places.contains(&(found.dev(), found.ino())),
            // Even root may lack the right to look, in a container; the command line is open to all.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => serves(&process, data),
            Err(_) => false, // gone, or a zombie
        }
    })
    .collect()
}

/// Whether a process was started with `data` as its data directory. Only the postmaster's command line says so.
fn serves(process: &Path, data: &Path) -> bool {
    let wanted = data.as_os_str().as_encoded_bytes();
    fs::read(process.join("cmdline"))
        .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == wanted))
}
