//! A private Postgres cluster that this process starts and stops itself.
//!
//! It is reached over a unix socket only, in a directory that no other user can enter, so it needs no password.
//! A lock held by the living process decides whether a data directory is in use. When this process dies, however
//! it dies, the kernel asks Postgres to shut down; what is left behind all the same, the next start clears away.
//!
//! The API blocks: start it before the async runtime, or from a blocking task.

mod binaries;
mod error;
mod home;
mod initdb;
mod orphans;
mod postmaster;
mod process;
mod settings;
mod user;

use std::path::{Path, PathBuf};

pub use self::error::Error;
pub use self::settings::Tuning;

use self::home::Home;
use self::postmaster::Postmaster;

/// Where the cluster lives and what it is for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of the cluster; made, with the cluster in it, if it is not there.
    pub data_dir: PathBuf,
    /// What the server is tuned for. It may differ from one start to the next.
    pub tuning: Tuning,
}

/// A running cluster. Dropping it stops Postgres and then gives the data directory free.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: the lock in `home` must outlive the server.
    postmaster: Postmaster,
    home: Home,
}

impl Cluster {
    /// The name of the superuser; it needs no password.
    pub const SUPERUSER: &str = "postgres";

    /// The port in the name of the socket (`.s.PGSQL.5432`). There is no TCP listener.
    pub const PORT: u16 = 5432;

    /// Starts the cluster in `options.data_dir`, making it first if need be, and returns once it accepts
    /// connections.
    ///
    /// Call it on the main thread, before the process becomes busy. (A thread of its own stands as the parent of
    /// Postgres, since the parent-death signal follows the spawning *thread*; so a pool thread does no harm.)
    pub fn start(options: &Options) -> Result<Self, Error> {
        let home = Home::open(&options.data_dir)?;
        orphans::clear(&home)?;
        let made_by = home.version()?;
        let binaries = binaries::choose(&home, made_by)?;
        if made_by.is_none() {
            initdb::run(&home, &binaries, options.tuning)?;
        }
        let postmaster = Postmaster::start(&home, &binaries, options.tuning)?;
        tracing::info!(
            pid = postmaster.pid(),
            version = binaries.major,
            data_dir = %home.dir().display(),
            "started embedded postgres"
        );
        Ok(Self { postmaster, home })
    }

    /// The directory of the unix socket: the `host` of a connection string.
    pub fn socket_dir(&self) -> &Path {
        self.home.socket_dir()
    }

    /// What the server writes: notices, warnings, and why it ended.
    pub fn log(&self) -> PathBuf {
        self.home.log()
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.postmaster.pid()
    }

    /// Whether the postmaster has exited, though nobody stopped it.
    pub fn has_exited(&mut self) -> bool {
        self.postmaster.has_exited()
    }

    /// Stops Postgres: fast shutdown first, harder after a time-out. Dropping does the same, quietly.
    pub fn stop(mut self) -> Result<(), Error> {
        self.postmaster.stop()
    }
}
