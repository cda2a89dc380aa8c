//! Child processes that die with us, and waiting for facts that nobody reports.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::user::User;

/// A command for a server program: as `user`, in a process group of its own (a Ctrl-C is for us to handle, not
/// for Postgres), and with `death_signal` to come when the thread that spawns it dies.
pub(super) fn command(program: &Path, user: Option<&User>, death_signal: &str) -> Command {
    let mut command = if let Some(setpriv) = on_path("setpriv") {
        let mut command = Command::new(setpriv);
        command.args(["--pdeathsig", death_signal, "--"]).arg(program);
        command
    } else {
        tracing::warn!("found no setpriv: postgres will outlive this process if that is killed");
        Command::new(program)
    };
    command.process_group(0).stdin(Stdio::null());
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    // Settings meant for somebody else's Postgres: PGDATA, PGOPTIONS, PGTZ and the like.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C");
    command
}

/// Where on the `PATH` a program is.
pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    path_dirs().map(|dir| dir.join(program)).find(|path| path.is_file())
}

/// The absolute directories of the `PATH`.
pub(super) fn path_dirs() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths::<OsStr>(&path).filter(|dir| dir.is_absolute()).collect();
    dirs.into_iter()
}

/// Asks again and again until the answer is yes (true) or the time is over (false).
pub(super) fn wait_until(limit: Duration, mut fact: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if fact() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing tells when a server is ready or a foreign process is gone"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(4));
}
