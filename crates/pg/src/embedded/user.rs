//! The user that Postgres runs as. It refuses root, so root needs another.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use super::error::{Error, io};

/// A user other than root, for the server and the directories it owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl User {
    /// The user for the cluster in `data`: nobody in particular (`None`) unless we are root; then the owner of
    /// the data if there is some, `postgres`, or `nobody`.
    pub(super) fn for_data(data: &Path) -> Result<Option<Self>, Error> {
        let owner = fs::symlink_metadata(data).ok();
        let me = rustix::process::geteuid().as_raw();
        if me != 0 {
            return match owner.map(|owner| owner.uid()) {
                Some(owner) if owner != me => {
                    Err(Error::WrongOwner { dir: data.to_owned(), owner, user: me })
                }
                _ => Ok(None),
            };
        }
        let file = Path::new("/etc/passwd");
        let passwd = fs::read_to_string(file).map_err(io("read", file))?;
        let usual = || {
            let named = |name: &str| parse(&passwd).find(|user| user.name == name && user.uid != 0);
            named("postgres").or_else(|| named("nobody")).ok_or(Error::NoUser)
        };
        match owner {
            None => usual().map(Some),
            Some(owner) if owner.uid() == 0 => {
                Err(Error::WrongOwner { dir: data.to_owned(), owner: 0, user: usual()?.uid })
            }
            Some(owner) => {
                let name = parse(&passwd).find(|user| user.uid == owner.uid()).map(|user| user.name);
                let name = name.unwrap_or_else(|| owner.uid().to_string());
                Ok(Some(Self { name, uid: owner.uid(), gid: owner.gid() }))
            }
        }
    }

    /// Makes this user the owner of `path`.
    pub(super) fn own(&self, path: &Path) -> Result<(), Error> {
        lchown(path, Some(self.uid), Some(self.gid)).map_err(io("change the owner of", path))
    }

    /// Whether this user may pass through a directory. (It has no supplementary groups.)
    pub(super) fn may_pass(&self, dir: &Metadata) -> bool {
        may_pass(self, dir.mode(), dir.uid(), dir.gid())
    }
}

fn may_pass(user: &User, mode: u32, owner: u32, group: u32) -> bool {
    let bit = if owner == user.uid {
        0o100
    } else if group == user.gid {
        0o010
    } else {
        0o001
    };
    mode & bit != 0
}

fn parse(passwd: &str) -> impl Iterator<Item = User> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User { name, uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines_are_read_and_others_skipped() {
        let text = "root:x:0:0:root:/root:/bin/bash\n\n# a comment\n+nis\nshort:x:1\npostgres:x:101:104:P,,:/v:/bin/sh\n";
        let names: Vec<_> = parse(text).map(|user| (user.name, user.uid, user.gid)).collect();
        assert_eq!(names, [("root".to_owned(), 0, 0), ("postgres".to_owned(), 101, 104)]);
    }

    #[test]
    fn only_the_most_specific_class_of_a_mode_counts() {
        let user = User { name: "postgres".to_owned(), uid: 101, gid: 104 };
        assert!(may_pass(&user, 0o40711, 0, 0));
        assert!(!may_pass(&user, 0o40710, 0, 0));
        assert!(may_pass(&user, 0o40710, 0, 104));
        assert!(!may_pass(&user, 0o40701, 0, 104));
        assert!(may_pass(&user, 0o40700, 101, 0));
        assert!(!may_pass(&user, 0o40677, 101, 0));
    }
}
