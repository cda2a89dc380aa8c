//! Runs a command with a throwaway Postgres cluster beside it: `with-postgres COMMAND [ARGUMENT ...]`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context;
use pg::embedded::{Cluster, Options, Tuning};

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("usage: with-postgres COMMAND [ARGUMENT ...]")?;
    // in memory where there is room: a test's database is then made in milliseconds
    let root =
        Some(PathBuf::from("/dev/shm")).filter(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir);
    let directory = tempfile::Builder::new().prefix("laurel-test-").tempdir_in(root)?;
    make_passable(directory.path())?;
    let data_dir = directory.path().join("pg");
    let cluster = Cluster::start(&Options { data_dir, tuning: Tuning::Throwaway })?;
    let status = Command::new(&program).args(arguments).env(testkit::CLUSTER, cluster.socket_dir()).status();
    cluster.stop()?;
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// Postgres runs as another user when we are root, and has to get through.
fn make_passable(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))
}
