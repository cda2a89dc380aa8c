//! What the tests across services share: the `laurel` command and the four services as processes of their own.

pub mod authority;
pub mod cdnow;
pub mod forwarder;
pub mod process;
mod running;
pub mod story;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use laurel::client::Clients;
use pg::embedded::Cluster;
use pg::sqlx::ConnectOptions;
use pg::sqlx::postgres::{PgConnectOptions, PgConnection};
use running::Running;

/// Longest wait for a fact.
const PATIENCE: Duration = Duration::from_mins(1);

/// A data directory that Postgres may reach even as another user, gone when dropped.
pub struct DataDir(tempfile::TempDir);

impl DataDir {
    /// Nothing in it yet.
    pub fn new() -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("laurel-e2e-").tempdir()?;
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711))?;
        Ok(Self(directory))
    }

    /// What to give as `--data-dir`.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

/// The embedded cluster of a running process, as its administrator.
pub async fn database(data_dir: &Path) -> anyhow::Result<PgConnection> {
    let options = PgConnectOptions::new_without_pgpass()
        .host("localhost")
        .username(Cluster::SUPERUSER)
        .socket(data_dir.join("run"))
        .port(Cluster::PORT)
        .database("laurel");
    Ok(options.connect().await?)
}

/// The `laurel` command on a data directory, with nothing of our own environment in its settings.
pub fn laurel(arguments: &[&str], data_dir: &Path) -> anyhow::Result<Command> {
    let mut command = program("laurel")?;
    command.args(arguments).arg("--data-dir").arg(data_dir);
    Ok(command)
}

/// A program of ours, built beside this test, with nothing of our own environment in its settings.
pub fn program(name: &str) -> anyhow::Result<Command> {
    let deps = std::env::current_exe()?;
    let program = deps.parent().and_then(Path::parent).context("no target directory")?.join(name);
    anyhow::ensure!(program.exists(), "{} is not built: cargo build --bins", program.display());
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LAUREL_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// What a command says on standard output, if all goes well.
pub fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// A running `laurel up`; killed when dropped.
pub struct Up {
    running: Running,
    /// Where it listens.
    pub address: String,
}

impl Up {
    /// Starts it on any free port and waits for the `ready` line.
    pub fn start(data_dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(data_dir, &[])
    }

    /// The same with settings in its environment.
    pub fn start_with(data_dir: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut command = laurel(&["up", "--listen", "127.0.0.1:0"], data_dir)?;
        command.envs(settings.iter().copied());
        Self::spawn(command)
    }

    /// The same, as `command` has it.
    pub fn spawn(command: Command) -> anyhow::Result<Self> {
        let running = Running::spawn(command)?;
        let address = running.address.clone();
        Ok(Self { running, address })
    }

    /// Clients of a tenant over the network.
    pub fn clients(&self, tenant: &str) -> anyhow::Result<Clients> {
        let channel = rpc::channel::connect(&format!("http://{}", self.address))?;
        Ok(Clients::new(channel, &tenant.parse().map_err(|e| anyhow::anyhow!("tenant {e}"))?))
    }

    /// `kill -9`.
    pub fn kill(self) -> anyhow::Result<()> {
        self.running.kill()
    }

    /// Waits until it ends by itself, and how it ended.
    pub fn ended(self) -> anyhow::Result<ExitStatus> {
        self.running.ended()
    }

    /// Waits for a line with `what` in its log.
    pub fn logged(&self, what: &str) -> anyhow::Result<String> {
        self.running.logged(what)
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        self.running.log()
    }

    /// SIGTERM, how it ended, and all that it logged.
    pub fn terminate_with_log(self) -> anyhow::Result<(ExitStatus, String)> {
        self.running.terminate()?;
        self.running.ended_with_log()
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(self) -> anyhow::Result<ExitStatus> {
        self.running.terminate()?;
        self.running.ended()
    }
}
