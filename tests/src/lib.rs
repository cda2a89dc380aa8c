//! What the tests across services share: the `laurel` command as a process of its own.

pub mod cdnow;
pub mod process;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

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
    log: Arc<Log>,
    reader: JoinHandle<()>,
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
    pub fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        // its log must not fill a pipe that nobody reads
        let stderr = child.stderr.take().context("no standard error")?;
        let log = Arc::<Log>::default();
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || log.read(stderr)
        });
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if let Some(address) = line.trim().strip_prefix("ready ") {
            return Ok(Self { child, log, reader, address: address.to_owned() });
        }
        let _ = child.kill();
        child.wait()?;
        let _ = reader.join();
        anyhow::bail!("not ready: {}", log.text())
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

    /// Waits for a line with `what` in its log.
    pub fn logged(&self, what: &str) -> anyhow::Result<String> {
        self.log.wait_for(what).with_context(|| format!("no {what:?} in the log:\n{}", self.log.text()))
    }

    /// All that it has logged so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// SIGTERM, how it ended, and all that it logged.
    pub fn terminate_with_log(mut self) -> anyhow::Result<(ExitStatus, String)> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let ended = self.child.wait()?;
        // it is closed when the process is gone
        while !self.reader.is_finished() {
            std::thread::yield_now();
        }
        Ok((ended, self.log.text()))
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

/// Longest wait for a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a process says on standard error. Read as it comes: a pipe that nobody reads would stop it.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Log {
    fn read(&self, stderr: ChildStderr) {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            self.more.notify_all();
        }
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    fn wait_for(&self, what: &str) -> Option<String> {
        let find = |lines: &[String]| lines.iter().find(|line| line.contains(what)).cloned();
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let (lines, _) = self
            .more
            .wait_timeout_while(lines, PATIENCE, |lines| find(lines).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        find(&lines)
    }
}
