//! Where the data is: an embedded cluster that lives as long as we do, or a server of somebody else's.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use pg::embedded::{Cluster, Options, Tuning};
use pg::sqlx::postgres::PgConnectOptions;
use pg::{Access, Server};
use secrecy::ExposeSecret;

use crate::cli::StorageArguments;

/// Name of the database in an embedded cluster.
const DATABASE: &str = "laurel";

/// How often to look whether the embedded Postgres is still there.
const LOOK: Duration = Duration::from_millis(500);

/// A database server, and the embedded cluster behind it, if it is ours.
#[derive(Debug)]
pub struct Storage {
    /// How to reach it.
    pub server: Server,
    cluster: Option<Cluster>,
}

impl Storage {
    /// Starts the embedded cluster, or uses the server that was named. To be called on the main thread.
    pub fn open(arguments: &StorageArguments) -> anyhow::Result<Self> {
        // environment and file are read as the services read them
        let named =
            arguments.database_url.clone().map_or_else(runtime::config::database_url, |url| Ok(Some(url)))?;
        if let Some(url) = named {
            return Ok(Self {
                server: runtime::process::external_server(url.expose_secret())?,
                cluster: None,
            });
        }
        let data_dir = arguments.data_dir.clone().map_or_else(default_data_dir, Ok)?;
        let cluster = Cluster::start(&Options { data_dir, tuning: Tuning::Durable })?;
        let options = PgConnectOptions::from_str("postgres://localhost")?
            .username(Cluster::SUPERUSER)
            .socket(cluster.socket_dir())
            .port(Cluster::PORT);
        Ok(Self { server: Server::new(options, DATABASE, Access::Login), cluster: Some(cluster) })
    }

    /// Waits until the embedded Postgres ends though nobody stopped it; for ever if the server is somebody else's.
    pub async fn lost(&mut self) -> anyhow::Error {
        let Some(cluster) = &mut self.cluster else { return std::future::pending().await };
        while !cluster.has_exited() {
            tokio::time::sleep(LOOK).await;
        }
        anyhow::anyhow!(
            "the embedded Postgres ended by itself; its log says why: {}",
            cluster.log().display()
        )
    }

    /// Whether nobody else can write there: the cluster is ours, and we hold the lock of its directory.
    pub fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Stops what we started.
    pub fn close(self) -> anyhow::Result<()> {
        match self.cluster {
            Some(cluster) => cluster.stop().context("stopping Postgres"),
            None => Ok(()),
        }
    }
}

fn default_data_dir() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/laurel"));
    }
    let data_home = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let base = data_home.or_else(home).context("no home directory; say where the data is with --data-dir")?;
    Ok(base.join("laurel"))
}
