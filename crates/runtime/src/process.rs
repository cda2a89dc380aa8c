//! A whole service process: what the four thin binaries have in common.

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use pg::sqlx::migrate::Migrator;
use pg::sqlx::postgres::PgConnectOptions;
use pg::{Access, Database, Schema, Server};
use rpc::server::ServiceRoutes;
use tokio::net::TcpListener;
use types::{Clock, SystemClock};

use crate::{Config, Lifecycle, telemetry};

/// What a service gets to start with.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its schema, migrated.
    pub db: Database,
    /// The clock (M4).
    pub clock: Arc<dyn Clock>,
    /// Its settings.
    pub config: Config,
    /// Where its tasks belong.
    pub lifecycle: Lifecycle,
}

/// Runs one service until it is told to stop: settings, schema, migrations, serving, drain.
pub fn run<F, Fut>(
    port: u16,
    schema: Schema,
    migrations: &'static [&'static Migrator],
    start: F,
) -> anyhow::Result<()>
where
    F: FnOnce(Start) -> Fut,
    Fut: Future<Output = anyhow::Result<ServiceRoutes>>,
{
    telemetry::start("info");
    let config = Config::load(port)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = bind(config.listen).await?;
        let server = external_server(&config.database_url)?;
        server.create_schemas(&[schema]).await.context("preparing the schema")?;
        server.migrate(schema, migrations).await.context("migrating the schema")?;
        let db = Database::connect(server.service(schema), schema, config.connections).await?;
        let lifecycle = Lifecycle::new();
        let routes =
            start(Start { db, clock: Arc::new(SystemClock), config, lifecycle: lifecycle.clone() }).await?;
        serve(&lifecycle, routes, listener)?;
        if lifecycle.run_to_end().await? { Ok(()) } else { anyhow::bail!("a task failed; see the log") }
    })
}

/// Binds a socket, or says in one line why not.
pub async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{address} is in use by another process; stop it, or listen elsewhere (port 0 takes any free port)"
        ),
        _ => anyhow::anyhow!("cannot listen on {address}: {error}"),
    })
}

/// The database of a URL, on a server that is not ours.
pub fn external_server(url: &str) -> anyhow::Result<Server> {
    // the parser's own message could repeat the password
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| anyhow::anyhow!("LAUREL_DATABASE_URL is not a postgres:// URL"))?;
    let database = options.get_database().unwrap_or("laurel").to_owned();
    Ok(Server::new(options, &database, Access::SetRole))
}

/// Serves `routes` as a task of `lifecycle`; prints one `ready` line with the address on standard output.
pub fn serve(lifecycle: &Lifecycle, routes: ServiceRoutes, listener: TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let stop = lifecycle.stop();
    lifecycle.spawn("server", async move {
        rpc::server::serve(routes, listener, rpc::layers::Limits::default(), stop.cancelled_owned()).await
    });
    tracing::info!(%address, "ready");
    Ok(())
}
