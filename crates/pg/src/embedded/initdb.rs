//! Making a new cluster.

use std::fs::{self, File};
use std::time::Instant;

use super::binaries::Binaries;
use super::error::{Error, io, last_lines, unless_missing};
use super::home::{Home, create_private};
use super::{Cluster, Tuning, process};

/// The socket's directory lets nobody else in, and there is no TCP: whoever gets here may be whom they say.
const HBA: &str = "local all all trust\n";

/// Makes the cluster beside its place and then moves it there, so that one half made is never taken for one.
pub(super) fn run(home: &Home, binaries: &Binaries, tuning: Tuning) -> Result<(), Error> {
    let begin = Instant::now();
    let fresh = home.dir().join("pg.new");
    unless_missing(fs::remove_dir_all(&fresh)).map_err(io("remove", &fresh))?;
    create_private(&fresh, home.user())?;

    let program = binaries.initdb();
    let output = process::command(&program, home.user(), "SIGTERM")
        .current_dir(home.dir())
        .arg("--pgdata")
        .arg(&fresh)
        .arg(format!("--username={}", Cluster::SUPERUSER))
        // Collation by bytes: fast, and no upgrade of the C library can break an index.
        .args(["--encoding=UTF8", "--locale=C", "--lc-ctype=C.UTF-8", "--auth=trust", "--no-sync"])
        .output()
        .map_err(io("run", &program))?;
    if !output.status.success() || !fresh.join("PG_VERSION").is_file() {
        let said = [output.stdout, output.stderr].concat();
        return Err(Error::InitFailed { dir: fresh, output: last_lines(&String::from_utf8_lossy(&said)) });
    }

    let hba = fresh.join("pg_hba.conf");
    fs::write(&hba, HBA).map_err(io("write", &hba))?;
    if tuning == Tuning::Durable {
        // Everything at once: file by file takes several times as long.
        let opened = File::open(&fresh).map_err(io("open", &fresh))?;
        rustix::fs::syncfs(&opened).map_err(|errno| io("sync", &fresh)(errno.into()))?;
    }
    let data = home.data();
    fs::rename(&fresh, &data).map_err(io("move the new cluster to", &data))?;
    if tuning == Tuning::Durable {
        File::open(home.dir()).and_then(|dir| dir.sync_all()).map_err(io("sync", home.dir()))?;
    }
    tracing::info!(
        version = binaries.major,
        data_dir = %home.dir().display(),
        elapsed = ?begin.elapsed(),
        "made new postgres cluster"
    );
    Ok(())
}
