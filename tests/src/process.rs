//! The four services as processes of their own, on a database of the test cluster, with authentication.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;

use anyhow::Context;
use pg::sqlx::postgres::PgConnectOptions;
use pg::sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};

use crate::program;

/// Names of the services, upstream first.
pub const SERVICES: [&str; 4] = ["attribution", "orders", "journeys", "rewards"];

/// A database, and keys that all processes of a deployment share.
pub struct Deployment {
    files: tempfile::TempDir,
    socket: String,
    database: String,
}

impl Deployment {
    /// An empty database and a new key set.
    pub async fn new() -> anyhow::Result<Self> {
        let files = tempfile::tempdir()?;
        let socket = std::env::var("LAUREL_TEST_POSTGRES").context("run it by `make test`")?;
        let database = format!("deployment_{:016x}", rand::random::<u64>());
        let options = PgConnectOptions::from_str("postgres://postgres@localhost/postgres")?.socket(&socket);
        let create = format!("CREATE DATABASE {database}");
        raw_sql(AssertSqlSafe(create)).execute(&mut options.connect().await?).await?;
        let keys = program("laurel")?.arg("keys").arg("--out").arg(files.path()).status()?;
        anyhow::ensure!(keys.success(), "laurel keys");
        Ok(Self { files, socket, database })
    }

    /// A token made by `laurel token` with these arguments.
    pub fn token(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = program("laurel")?;
        let output =
            command.arg("token").arg("--key").arg(self.file("signing.pem")).args(arguments).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Starts a service; `upstream` are the addresses of those before it, in their order.
    pub fn start(&self, service: &str, upstream: &[&Service]) -> anyhow::Result<Service> {
        let token = self.file(&format!("{service}.token"));
        std::fs::write(&token, self.token(&["--service", service])?)?;
        let mut command = self.command(service)?;
        command.env("LAUREL_TOKEN_FILE", token).env("LAUREL_LISTEN", "127.0.0.1:0").env("LAUREL_LOG", "warn");
        command.env("LAUREL_JWKS", self.file("jwks.json"));
        command.env("LAUREL_ISSUER", "laurel-development").env("LAUREL_AUDIENCE", "laurel");
        for (name, service) in SERVICES.iter().zip(upstream) {
            command.env(format!("LAUREL_{}_URL", name.to_uppercase()), service.url());
        }
        Service::spawn(command)
    }

    /// The program of a service, knowing its database.
    pub fn command(&self, service: &str) -> anyhow::Result<Command> {
        let mut command = program(&format!("laurel-{service}"))?;
        let url = format!("postgres://postgres@localhost/{}?host={}", self.database, self.socket);
        command.env("LAUREL_DATABASE_URL", url);
        Ok(command)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}

/// A running process; killed when dropped.
pub struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let Some(address) = line.trim().strip_prefix("ready ") else {
            let _ = child.kill();
            anyhow::bail!("not ready: {:?}", child.wait()?)
        };
        Ok(Self { child, address: address.to_owned() })
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGTERM; it may take a while to end.
    pub fn terminate(&self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        Ok(())
    }

    /// Waits until it ends, and how it ended.
    pub fn ended(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
