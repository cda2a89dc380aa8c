//! The directory of a cluster: `lock`, `postgres.log`, `pg` (the data) and `run` (the socket).

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{Error, io, unless_missing};
use super::process::wait_until;
use super::user::User;
use super::{Cluster, binaries};

/// Bytes in a unix socket's path (108 with the closing zero).
const SOCKET_PATH_LIMIT: usize = 107;

/// How long a lock may stay taken before its directory counts as in use: a killed holder needs a moment to go.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// The log is set aside at a start that finds it larger than this.
const LOG_LIMIT: u64 = 16 << 20;

/// An open home: its lock is held until it is dropped.
#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    socket_dir: PathBuf,
    user: Option<User>,
    _lock: File,
}

impl Home {
    /// Makes what is missing, checks that the server's user can reach it, and takes the lock.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let dir = std::path::absolute(dir).map_err(io("resolve", dir))?;
        let user = User::for_data(&dir.join("pg"))?;
        let dir = create_reachable(&dir, user.as_ref())?;
        let lock = lock(&dir, user.as_ref())?;
        let socket_dir = socket_dir(&dir, user.as_ref())?;
        Ok(Self { dir, socket_dir, user, _lock: lock })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.join("pg")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }

    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    pub(super) fn socket(&self) -> PathBuf {
        socket_in(&self.socket_dir)
    }

    pub(super) fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// The major version that made the data, or `None` when there is no data yet.
    pub(super) fn version(&self) -> Result<Option<u32>, Error> {
        let data = self.data();
        let file = data.join("PG_VERSION");
        match fs::read_to_string(&file) {
            Ok(text) => match binaries::major(&text) {
                Some(major) => Ok(Some(major)),
                None => Err(Error::NotACluster { dir: data }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && !data.exists() => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NotACluster { dir: data }),
            Err(error) => Err(io("read", &file)(error)),
        }
    }

    /// Opens the server's log for appending, setting a large one aside first.
    pub(super) fn open_log(&self) -> Result<File, Error> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_LIMIT) {
            let aside = self.dir.join("postgres.log.1");
            fs::rename(&path, &aside).map_err(io("set aside", &path))?;
        }
        let mut options = OpenOptions::new();
        let log = options.append(true).create(true).mode(0o600).open(&path).map_err(io("open", &path))?;
        if let Some(user) = &self.user {
            user.own(&path)?;
        }
        Ok(log)
    }

    /// Removes what a server that is gone left behind. Nothing of it may be running.
    pub(super) fn sweep(&self) -> Result<(), Error> {
        let pid_file = self.data().join("postmaster.pid");
        unless_missing(fs::remove_file(&pid_file)).map_err(io("remove", &pid_file))?;
        let entries = fs::read_dir(&self.socket_dir).map_err(io("list", &self.socket_dir))?;
        for entry in entries {
            let path = entry.map_err(io("list", &self.socket_dir))?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".s.PGSQL.")) {
                unless_missing(fs::remove_file(&path)).map_err(io("remove", &path))?;
            }
        }
        Ok(())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A socket directory outside our own would be litter. It is not empty if a server is still there.
        if !self.socket_dir.starts_with(&self.dir)
            && let Err(error) = fs::remove_dir(&self.socket_dir)
        {
            tracing::debug!(%error, dir = %self.socket_dir.display(), "left socket directory");
        }
    }
}

/// Makes `path` a directory that only the server's user can enter.
pub(super) fn create_private(path: &Path, user: Option<&User>) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_owner(path, user)?,
        result => result.map_err(io("create", path))?,
    }
    fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(io("set permissions of", path))?;
    user.map_or(Ok(()), |user| user.own(path))
}

/// A directory of that name which was there before must be ours: the temporary directory is open to everybody.
fn check_owner(path: &Path, user: Option<&User>) -> Result<(), Error> {
    let found = fs::symlink_metadata(path).map_err(io("look at", path))?;
    if !found.is_dir() {
        return Err(io("use", path)(io::ErrorKind::NotADirectory.into()));
    }
    let me = rustix::process::geteuid().as_raw();
    if found.uid() == me || user.is_some_and(|user| user.uid == found.uid()) {
        return Ok(());
    }
    let user = user.map_or(me, |user| user.uid);
    Err(Error::WrongOwner { dir: path.to_owned(), owner: found.uid(), user })
}

/// Makes `dir` with its ancestors and returns its real path. Those that are there already must let the server's
/// user pass; if one does not, nothing is made.
fn create_reachable(dir: &Path, user: Option<&User>) -> Result<PathBuf, Error> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|path| !path.exists()).collect();
    let existing = dir.ancestors().nth(missing.len()).unwrap_or(Path::new("/"));
    let existing = existing.canonicalize().map_err(io("resolve", existing))?;
    if !existing.is_dir() {
        return Err(Error::NotADirectory { path: existing });
    }
    check_passable(&existing, dir, user)?;
    let mode = if user.is_some() { 0o711 } else { 0o700 };
    for path in missing.into_iter().rev() {
        match DirBuilder::new().create(path) {
            // Another start may be making it at the same moment; the lock will sort us out.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result.map_err(io("create", path))?,
        }
        // Not at creation: there the umask would count.
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(io("set permissions of", path))?;
    }
    dir.canonicalize().map_err(io("resolve", dir))
}

fn check_passable(path: &Path, dir: &Path, user: Option<&User>) -> Result<(), Error> {
    let Some(user) = user else { return Ok(()) };
    for ancestor in path.ancestors() {
        let found = fs::metadata(ancestor).map_err(io("look at", ancestor))?;
        if !user.may_pass(&found) {
            let (dir, ancestor) = (dir.to_owned(), ancestor.to_owned());
            return Err(Error::NotPassable { dir, ancestor, user: user.name.clone() });
        }
    }
    Ok(())
}

fn lock(dir: &Path, user: Option<&User>) -> Result<File, Error> {
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(io("open", &path))?;
    let mut taken = file.try_lock();
    wait_until(LOCK_PATIENCE, || {
        taken = file.try_lock();
        !matches!(taken, Err(TryLockError::WouldBlock))
    });
    match taken {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let read = file.read_to_string(&mut pid);
            let pid = read.ok().and_then(|_| pid.trim().parse().ok());
            return Err(Error::InUse { dir: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(io("lock", &path)(error)),
    }
    file.set_len(0).map_err(io("write", &path))?;
    writeln!(file, "{}", std::process::id()).map_err(io("write", &path))?;
    if let Some(user) = user {
        user.own(&path)?;
    }
    Ok(file)
}

/// `run` in the home, or a directory of its own under the temporary one when that would be too long a path.
fn socket_dir(home: &Path, user: Option<&User>) -> Result<PathBuf, Error> {
    let mut run = home.join("run");
    if !fits(&run) {
        let id = fs::metadata(home).map_err(io("look at", home))?;
        let temp = std::env::temp_dir();
        let temp = temp.canonicalize().map_err(io("resolve", &temp))?;
        check_passable(&temp, &temp, user)?;
        // The same name for the same home at every start, so that a killed process leaves one at most.
        run = temp.join(format!("laurel-pg-{:x}-{:x}", id.dev(), id.ino()));
    }
    if !fits(&run) {
        return Err(Error::SocketPathTooLong { path: socket_in(&run), limit: SOCKET_PATH_LIMIT });
    }
    create_private(&run, user)?;
    Ok(run)
}

fn socket_in(dir: &Path) -> PathBuf {
    dir.join(format!(".s.PGSQL.{}", Cluster::PORT))
}

fn fits(dir: &Path) -> bool {
    OsStr::len(socket_in(dir).as_os_str()) <= SOCKET_PATH_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_may_have_107_bytes() {
        let room = SOCKET_PATH_LIMIT - "/.s.PGSQL.5432".len();
        assert!(fits(Path::new(&format!("/{}", "d".repeat(room - 1)))));
        assert!(!fits(Path::new(&format!("/{}", "d".repeat(room)))));
    }

    #[test]
    fn a_file_in_the_place_of_a_directory_is_named() {
        for dir in ["/dev/null", "/dev/null/data", "/dev/null/data/deeper"] {
            let refused = create_reachable(Path::new(dir), None).unwrap_err().to_string();
            assert_eq!(refused, "/dev/null is not a directory; choose another data directory");
        }
    }
}
