//! What the tests across services share: the `laurel` command as a process of its own.

pub mod cdnow;
pub mod process;

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use anyhow::Context;
use laurel::client::Clients;

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

/// A running `laurel up`; killed when dropped.
pub struct Up {
    child: Child,
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
        let mut child = command.envs(settings.iter().copied()).spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        // its log must not fill a pipe that nobody reads
        let stderr = child.stderr.take().context("no standard error")?;
        let log = std::thread::spawn(move || read_all(stderr));
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if let Some(address) = line.trim().strip_prefix("ready ") {
            return Ok(Self { child, address: address.to_owned() });
        }
        let _ = child.kill();
        child.wait()?;
        anyhow::bail!("not ready: {}", log.join().unwrap_or_default())
    }

    /// Clients of a tenant over the network.
    pub fn clients(&self, tenant: &str) -> anyhow::Result<Clients> {
        let channel = rpc::channel::connect(&format!("http://{}", self.address))?;
        Ok(Clients::new(channel, &tenant.parse().map_err(|e| anyhow::anyhow!("tenant {e}"))?))
    }

    /// What a client command says of it for a tenant on standard output.
    pub fn says(&self, tenant: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let address = format!("http://{}", self.address);
        let mut command = program("laurel")?;
        let output = command.args(arguments).args(["--address", &address, "--tenant", tenant]).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// `kill -9`.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits until it ends by itself, and how it ended.
    pub fn ended(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_all(mut stderr: ChildStderr) -> String {
    let mut text = String::new();
    let _ = stderr.read_to_string(&mut text);
    text
}
