//! The process under test: `laurel up` on a data directory of its own, reached over loopback as any client would.

use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

/// A running `laurel up`.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) socket_dir: PathBuf,
    /// What callers bring, if it asks for something.
    pub(crate) token: Option<String>,
    child: Child,
    _directory: tempfile::TempDir,
}

/// What every call passes at the edge.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Edge<'a> {
    /// Believed, and not traced.
    Bare,
    /// A token is asked for.
    Authenticated,
    /// A token is asked for, and the spans of one call in ten go to the collector at this address: as the production overlay
    /// has it.
    Sampled(&'a str),
    /// The same, with the spans of every call.
    Full(&'a str),
}

/// The tenant of the load.
pub(crate) const TENANT: &str = "bench";
const SCOPES: &str = "attribution.admin attribution.write attribution.read orders.write orders.read";

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
    pub(crate) fn start(last: &str, edge: Edge<'_>) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("laurel-bench-").tempdir()?;
        make_passable(directory.path())?;
        let data_dir = directory.path().join("data");
        let mut command = laurel()?;
        command
            .args(["up", "--up-to", last, "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(&data_dir)
            .env("LAUREL_LOG", "warn")
            .stdout(Stdio::piped());
        let token = match edge {
            Edge::Bare => None,
            Edge::Authenticated | Edge::Sampled(_) | Edge::Full(_) => {
                Some(authenticate(&mut command, &directory.path().join("keys"))?)
            }
        };
        if let Edge::Sampled(collector) | Edge::Full(collector) = edge {
            command.env("LAUREL_OTLP_ENDPOINT", collector);
        }
        if let Edge::Sampled(_) = edge {
            command
                .env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
                .env("OTEL_TRACES_SAMPLER_ARG", "0.1");
        }
        let mut child = command.spawn().context("cannot run laurel")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("ready ").context("laurel up did not get ready")?;
        let (address, socket_dir) = (format!("http://{address}"), data_dir.join("run"));
        Ok(Self { address, socket_dir, token, child, _directory: directory })
    }

    /// CPU of the server and of the Postgres under it, from /proc.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let server = nanoseconds(self.child.id())?;
        let below = descendants(self.child.id());
        let postgres = below.iter().map(|pid| ticks(*pid).unwrap_or(0.0)).sum();
        Ok(Cpu { server, postgres })
    }

    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

/// A measurement that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `laurel` beside this program.
fn laurel() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe()?.with_file_name("laurel")))
}

/// Has `command` ask for tokens, and makes one.
fn authenticate(command: &mut Command, keys: &Path) -> anyhow::Result<String> {
    let made = laurel()?.args(["keys", "--out"]).arg(keys).output()?;
    anyhow::ensure!(made.status.success(), "laurel keys: {}", String::from_utf8_lossy(&made.stderr));
    command
        .env("LAUREL_JWKS", keys.join("jwks.json"))
        .env("LAUREL_ISSUER", "laurel-development")
        .env("LAUREL_AUDIENCE", "laurel");
    let key = keys.join("signing.pem");
    let token = laurel()?
        .args(["token", "--tenant", TENANT, "--scope", SCOPES, "--expires", "1d", "--key"])
        .arg(key)
        .output()?;
    anyhow::ensure!(token.status.success(), "laurel token: {}", String::from_utf8_lossy(&token.stderr));
    Ok(String::from_utf8(token.stdout)?.trim().to_owned())
}

/// Postgres runs as another user when we are root, and has to get through.
fn make_passable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))
}

/// The fields of /proc/PID/stat after the command's name.
fn stat(pid: u32) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(')').context("unreadable /proc stat")?;
    Ok(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

/// Seconds of CPU of a process's threads, as the scheduler counts it: exactly, where hundredths would not tell one call from
/// another. What threads used that have ended is not in it; those that serve do not end.
fn nanoseconds(pid: u32) -> anyhow::Result<f64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"))?;
    let of = |path: PathBuf| -> Option<u64> {
        std::fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
    };
    let sum: u64 = threads.flatten().filter_map(|thread| of(thread.path())).sum();
    Ok(Duration::from_nanos(sum).as_secs_f64())
}

/// User and system time of a process and of its ended children.
const TIMES: Range<usize> = 11..15;

/// Seconds of CPU of a process and of its ended children; the kernel counts in hundredths.
fn ticks(pid: u32) -> anyhow::Result<f64> {
    let fields = stat(pid)?;
    let own = fields.get(TIMES).context("short /proc stat")?;
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
