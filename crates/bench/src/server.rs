//! The process under test: `laurel up` on a data directory of its own, reached over loopback as any client would.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// A running `laurel up`.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) socket_dir: PathBuf,
    child: Child,
    _directory: tempfile::TempDir,
}

/// CPU seconds used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) server: f64,
    pub(crate) postgres: f64,
}

impl Cpu {
    pub(crate) fn since(self, before: Self) -> Self {
        Self { server: self.server - before.server, postgres: self.postgres - before.postgres }
    }
}

impl Server {
    /// Starts the services up to `last`.
    pub(crate) fn start(last: &str) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("laurel-bench-").tempdir()?;
        make_passable(directory.path())?;
        let data_dir = directory.path().join("data");
        let program = std::env::current_exe()?.with_file_name("laurel");
        let mut child = Command::new(&program)
            .args(["up", "--up-to", last, "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data_dir)
            .env("LAUREL_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("ready ").context("laurel up did not get ready")?;
        let (address, socket_dir) = (format!("http://{address}"), data_dir.join("run"));
        Ok(Self { address, socket_dir, child, _directory: directory })
    }

    /// CPU of the server and of the Postgres under it, from /proc.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let server = ticks(self.child.id(), OWN)?;
        let below = descendants(self.child.id());
        let postgres = below.iter().map(|pid| ticks(*pid, WITH_ENDED).unwrap_or(0.0)).sum();
        Ok(Cpu { server, postgres })
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Postgres runs as another user when we are root, and has to get through.
fn make_passable(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))
}

/// The fields of /proc/PID/stat after the command's name.
fn stat(pid: u32) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').context("unreadable /proc stat")?;
    Ok(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

/// User and system time of a process.
const OWN: Range<usize> = 11..13;
/// Those of its ended children as well.
const WITH_ENDED: Range<usize> = 11..15;

/// Seconds of CPU; the kernel counts in hundredths.
fn ticks(pid: u32, which: Range<usize>) -> anyhow::Result<f64> {
    let fields = stat(pid)?;
    let own = fields.get(which).context("short /proc stat")?;
    let sum: u32 = own.iter().map(|f| f.parse().unwrap_or(0)).sum();
    Ok(f64::from(sum) / 100.0)
}

fn descendants(root: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid).ok()?.get(1)?.parse().ok()?)))
        .collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|(_, above)| *above == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}
