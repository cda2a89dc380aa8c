//! Finding the Postgres server binaries.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::Error;
use super::home::Home;
use super::process::path_dirs;

const VARIABLE: &str = "LAUREL_POSTGRES_BIN";
const DEBIAN: &str = "/usr/lib/postgresql";

/// A directory with `postgres` and `initdb`, of one major version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) dir: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn postgres(&self) -> PathBuf {
        self.dir.join("postgres")
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.dir.join("initdb")
    }

    /// Asks the binary, for a directory whose name does not tell.
    fn ask(dir: PathBuf) -> Option<Self> {
        if !has_both(&dir) {
            return None;
        }
        let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
        let major = major_of_server(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { dir, major })
    }
}

/// The binaries for a home whose data was made by `made_by`, or for a new cluster.
pub(super) fn choose(home: &Home, made_by: Option<u32>) -> Result<Binaries, Error> {
    let named = match std::env::var_os(VARIABLE).filter(|dir| !dir.is_empty()).map(PathBuf::from) {
        Some(dir) => Some(Binaries::ask(dir.clone()).ok_or(Error::BinariesUnusable { dir })?),
        None => None,
    };
    // Asking what is on the PATH takes a process each: only if nothing before it will do.
    let candidates = named.into_iter().chain(newest_first(debian(Path::new(DEBIAN))));
    let candidates = candidates.chain(path_dirs().filter_map(Binaries::ask));
    match pick(candidates, made_by) {
        Ok(binaries) => Ok(binaries),
        Err(first) => Err(match (first, made_by) {
            (Some(Binaries { dir: bin, major: found }), Some(made_by)) => {
                Error::VersionMismatch { dir: home.dir().to_owned(), made_by, bin, found }
            }
            _ => Error::BinariesNotFound,
        }),
    }
}

/// The first candidate that will do; else the first there was, to say what is wrong with it.
fn pick(mut all: impl Iterator<Item = Binaries>, made_by: Option<u32>) -> Result<Binaries, Option<Binaries>> {
    let Some(first) = all.next() else { return Err(None) };
    match made_by {
        Some(major) if first.major != major => all.find(|other| other.major == major).ok_or(Some(first)),
        _ => Ok(first),
    }
}

fn newest_first(mut all: Vec<Binaries>) -> Vec<Binaries> {
    all.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
    all
}

/// Debian keeps every major version in a directory of its own: `/usr/lib/postgresql/15/bin`.
fn debian(root: &Path) -> Vec<Binaries> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let one = |entry: std::fs::DirEntry| {
        let major = entry.file_name().to_str()?.parse().ok()?;
        Some(Binaries { dir: entry.path().join("bin"), major }).filter(|found| has_both(&found.dir))
    };
    entries.filter_map(|entry| one(entry.ok()?)).collect()
}

fn has_both(dir: &Path) -> bool {
    dir.join("postgres").is_file() && dir.join("initdb").is_file()
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0)` is 15.
fn major_of_server(version: &str) -> Option<u32> {
    version.split_once("(PostgreSQL)").and_then(|(_, rest)| major(rest))
}

/// The number a version begins with: 15 of `15`, `15.4` and `15beta1`.
pub(super) fn major(version: &str) -> Option<u32> {
    let version = version.trim_start();
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(majors: &[u32]) -> Vec<Binaries> {
        majors.iter().map(|&major| Binaries { dir: format!("/pg/{major}").into(), major }).collect()
    }

    #[test]
    fn versions_are_read_from_files_and_from_the_server() {
        assert_eq!(major("15\n"), Some(15));
        assert_eq!(major("9.6"), Some(9));
        assert_eq!(major(""), None);
        assert_eq!(major("x15"), None);
        assert_eq!(major_of_server("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of_server("postgres (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major_of_server("usage: postgres"), None);
    }

    #[test]
    fn a_new_cluster_gets_the_newest() {
        let found = pick(newest_first(some(&[9, 15, 14])).into_iter(), None);
        assert_eq!(found.map(|binaries| binaries.major), Ok(15));
    }

    #[test]
    fn old_data_gets_exactly_its_version() {
        let found = pick(some(&[17, 16, 15]).into_iter(), Some(15));
        assert_eq!(found.map(|binaries| binaries.major), Ok(15));
    }

    #[test]
    fn without_its_version_the_first_choice_is_to_blame() {
        let found = pick(some(&[17, 16]).into_iter(), Some(15));
        assert_eq!(found, Err(some(&[17]).pop()));
        assert_eq!(pick(std::iter::empty(), Some(15)), Err(None));
    }
}
