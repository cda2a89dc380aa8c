//! What can go wrong with the embedded cluster, each in one line that also says what to do.

use std::io;
use std::path::{Path, PathBuf};

/// Why the embedded cluster could not be started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no Postgres on this machine.
    #[error(
        "no Postgres server binaries found; install them with `apt-get install postgresql` or set LAUREL_POSTGRES_BIN"
    )]
    BinariesNotFound,

    /// `LAUREL_POSTGRES_BIN` names a directory without a working server.
    #[error(
        "LAUREL_POSTGRES_BIN is {}, which has no working `postgres` and `initdb`; \
         set it to the directory that holds both, or unset it", dir.display()
    )]
    BinariesUnusable {
        /// What the variable says.
        dir: PathBuf,
    },

    /// Another living process holds the lock of the data directory.
    #[error(
        "data directory {} is in use by {}; stop that process or choose another data directory",
        dir.display(), holder(*pid)
    )]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// The process that holds it, as it wrote it into the lock file.
        pid: Option<u32>,
    },

    /// The data was made by another major version of Postgres than the one that is installed.
    #[error(
        "data directory {} was made by Postgres {made_by}, but {} has Postgres {found}; \
         {}choose another data directory",
        dir.display(), bin.display(), install(*made_by)
    )]
    VersionMismatch {
        /// The data directory.
        dir: PathBuf,
        /// The major version in its `PG_VERSION`.
        made_by: u32,
        /// Where the binaries are.
        bin: PathBuf,
        /// Their major version.
        found: u32,
    },

    /// What was named, or something on the way to it, is a file or a device.
    #[error("{} is not a directory; choose another data directory", path.display())]
    NotADirectory {
        /// What is no directory.
        path: PathBuf,
    },

    /// There is a `pg` directory that is no Postgres data.
    #[error("{} is not a Postgres data directory; move it away or choose another data directory", dir.display())]
    NotACluster {
        /// The directory.
        dir: PathBuf,
    },

    /// We run as root, Postgres refuses to, and the user it runs as cannot reach the directory.
    #[error(
        "data directory {} is out of reach for the user `{user}`, as whom Postgres runs because it refuses root: \
         {} is closed to it; run `chmod o+x` on that or choose another data directory",
        dir.display(), ancestor.display()
    )]
    NotPassable {
        /// The directory to be reached.
        dir: PathBuf,
        /// The directory on the way that is closed.
        ancestor: PathBuf,
        /// The user Postgres would run as.
        user: String,
    },

    /// The data belongs to somebody else.
    #[error(
        "{} belongs to the user with id {owner}, but Postgres would run as the one with id {user}; \
         start as its owner, `chown -R` it, or choose another data directory", dir.display()
    )]
    WrongOwner {
        /// The directory.
        dir: PathBuf,
        /// The id of its owner.
        owner: u32,
        /// The id of the user Postgres would run as.
        user: u32,
    },

    /// We run as root and there is no other user to run Postgres as.
    #[error(
        "Postgres refuses to run as root, and there is no user `postgres` or `nobody` in /etc/passwd; \
         add one or start as another user"
    )]
    NoUser,

    /// Neither the data directory nor the temporary directory has room for the name of a socket.
    #[error(
        "the socket path {} is longer than the {limit} bytes a unix socket may have; \
         choose a data directory with a shorter path", path.display()
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// What would be allowed.
        limit: usize,
    },

    /// Server processes of an earlier run are still there and do not go.
    #[error(
        "Postgres processes left in {} by an earlier run do not exit ({pids:?}); end them, then start again",
        dir.display()
    )]
    OrphansStay {
        /// Their data directory.
        dir: PathBuf,
        /// Their process ids.
        pids: Vec<u32>,
    },

    /// `initdb` failed.
    #[error("initdb could not make a cluster in {}; put right what it says, then start again: {output}", dir.display())]
    InitFailed {
        /// The directory it was to fill.
        dir: PathBuf,
        /// The last lines it wrote, on one line.
        output: String,
    },

    /// The server did not come up.
    #[error("Postgres did not start ({reason}); put right what {} says, then start again: {tail}", log.display())]
    StartFailed {
        /// What was seen from outside.
        reason: String,
        /// The server's log.
        log: PathBuf,
        /// The last lines this start wrote to it, on one line.
        tail: String,
    },

    /// The server outlived every signal.
    #[error(
        "Postgres (process {pid}) does not exit, not even by SIGKILL; look for a stuck disk, then end it by hand"
    )]
    StopFailed {
        /// The postmaster.
        pid: u32,
    },

    /// A file or a program could not be used.
    #[error("cannot {action} {}: {source}; check its owner, permissions and disk, then start again", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// How to get a major version, if it is one that there are packages of: what is in a file may be any number.
fn install(major: u32) -> String {
    match major {
        12..=25 => format!("install it with `apt-get install postgresql-{major}` or "),
        _ => String::new(),
    }
}

/// For `map_err`: an [`Error::Io`] that says what was tried with which path.
pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { action, path: path.to_owned(), source }
}

/// For results where "it is not there" is a fine answer.
pub(super) fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The last lines of a program's output, on one line.
pub(super) fn last_lines(text: &str) -> String {
    const LINES: usize = 6;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "(it wrote nothing)".to_owned();
    }
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cut_to_its_last_lines() {
        assert_eq!(last_lines("a\n\nb\nc\nd\ne\nf\n\ng\n"), "b | c | d | e | f | g");
        assert_eq!(last_lines("one\n"), "one");
        assert_eq!(last_lines(" \n"), "(it wrote nothing)");
    }

    #[test]
    fn the_holder_of_a_directory_is_named_if_known() {
        let in_use = |pid| Error::InUse { dir: "/d".into(), pid }.to_string();
        assert!(in_use(Some(7)).starts_with("data directory /d is in use by process 7;"));
        assert!(in_use(None).starts_with("data directory /d is in use by another process;"));
    }

    #[test]
    fn only_a_version_that_there_may_be_is_advised_to_be_installed() {
        let mismatch = |made_by| {
            let error = Error::VersionMismatch { dir: "/d".into(), made_by, bin: "/b".into(), found: 15 };
            error.to_string()
        };
        let advice = "install it with `apt-get install postgresql-16` or choose another data directory";
        assert!(mismatch(16).ends_with(advice));
        for strange in [9, 11, 26, 99] {
            let wanted = format!(
                "data directory /d was made by Postgres {strange}, but /b has Postgres 15; choose another data directory"
            );
            assert_eq!(mismatch(strange), wanted);
        }
    }
}
