//! A whole service process: what the four thin binaries have in common.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use pg::sqlx::migrate::Migrator;
use pg::sqlx::postgres::PgConnectOptions;
use pg::{Access, Database, Schema, Server};
use rpc::channel;
use rpc::health::Health;
use rpc::server::{Options, ServiceRoutes};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use types::{Clock, SystemClock};

use crate::config::Migrate;
use crate::{Config, Lifecycle, edge, telemetry};

/// What a service gets to start with.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its schema, migrated.
    pub db: Database,
    /// The clock (M4).
    pub clock: Arc<dyn Clock>,
    /// Its settings.
    pub config: Config,
    /// How to call other services.
    pub access: channel::Access,
    /// Where its tasks belong.
    pub lifecycle: Lifecycle,
}

/// Runs what the arguments say: the service until it is told to stop, or its migrations. What goes wrong is one line, causes
/// included: an operator has no use for a backtrace.
pub fn run<F, Fut>(port: u16, schema: Schema, migrations: &'static [&'static Migrator], start: F) -> ExitCode
where
    F: FnOnce(Start) -> Fut,
    Fut: Future<Output = anyhow::Result<ServiceRoutes>>,
{
    match obey(port, schema, migrations, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "laurel-{}: {}", schema.name, one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes. Many a library's error repeats its cause: what was said already is not said again.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().lines().collect::<Vec<_>>().join(" ");
        if !line.contains(&text) {
            line = if line.is_empty() { text } else { format!("{line}: {text}") };
        }
    }
    line
}

fn obey<F, Fut>(
    port: u16,
    schema: Schema,
    migrations: &'static [&'static Migrator],
    start: F,
) -> anyhow::Result<()>
where
    F: FnOnce(Start) -> Fut,
    Fut: Future<Output = anyhow::Result<ServiceRoutes>>,
{
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let migrate_only = match arguments[..] {
        [] | ["serve"] => false,
        ["migrate"] => true,
        ["--version"] => {
            println!("laurel-{} {}", schema.name, env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
        _ => anyhow::bail!(
            "usage: laurel-{} [serve | migrate | --version]; settings: docs/configuration.md",
            schema.name
        ),
    };
    let _telemetry = telemetry::start("info", schema.name)?;
    let config = Config::load(port)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let server = external_server(config.database_url.expose_secret())?;
        let lifecycle = Lifecycle::new(config.drain());
        lifecycle.heed_signals()?;
        if migrate_only {
            // what was not committed is rolled back, and done by the next that migrates
            let migrated = lifecycle.stop().run_until_cancelled(migrate(&server, schema, migrations)).await;
            return migrated.unwrap_or_else(|| anyhow::bail!("told to end before the schema was migrated"));
        }
        let begun = begin(&lifecycle, &config, schema, migrations, &server, start);
        match lifecycle.stop().run_until_cancelled(begun).await {
            Some(begun) => begun?,
            None => return Ok(()),
        }
        anyhow::ensure!(lifecycle.run_to_end().await, "a task failed; see the log");
        Ok(())
    })
}

/// Health first, so that probes are answered while the schema is migrated; then the service.
async fn begin<F, Fut>(
    lifecycle: &Lifecycle,
    config: &Config,
    schema: Schema,
    migrations: &'static [&'static Migrator],
    server: &Server,
    start: F,
) -> anyhow::Result<()>
where
    F: FnOnce(Start) -> Fut,
    Fut: Future<Output = anyhow::Result<ServiceRoutes>>,
{
    let health = Health::new().await;
    serve_health(lifecycle, config, &health).await?;
    let listener = bind(config.listen).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = edge::options(config, Arc::clone(&clock)).await?;
    if config.migrate == Migrate::OnStart {
        migrate(server, schema, migrations).await?;
    }
    let db = Database::connect(server.service(schema), schema, config.connections).await?;
    let access = edge::access(config)?;
    let start = start(Start { db, clock, config: config.clone(), access, lifecycle: lifecycle.clone() });
    let routes = start.await?;
    // whoever started us may not read it
    let _ = writeln!(std::io::stdout(), "ready {}", listener.local_addr()?);
    serve(lifecycle, routes, listener, options, health)
}

async fn migrate(
    server: &Server,
    schema: Schema,
    migrations: &'static [&'static Migrator],
) -> anyhow::Result<()> {
    server.create_schemas(&[schema]).await.context("preparing the schema")?;
    server.migrate(schema, migrations).await.context("migrating the schema")
}

/// Serves health on an address of its own, if there is one.
pub async fn serve_health(lifecycle: &Lifecycle, config: &Config, health: &Health) -> anyhow::Result<()> {
    if let Some(address) = config.health_listen {
        let (listener, health) = (bind(address).await?, health.clone());
        // answers until the very end: a probe that gets no answer is taken for a dead process
        lifecycle.spawn_beside(async move {
            if let Err(error) = health.serve(listener, std::future::pending()).await {
                tracing::error!(%error, "health is not served any more");
            }
        });
    }
    Ok(())
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
    // the parser takes any scheme, and its own message could repeat the password
    let is_ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let options = Some(url).filter(|_| is_ours).and_then(|url| PgConnectOptions::from_str(url).ok());
    let options = options.context("LAUREL_DATABASE_URL is not a postgres:// URL")?;
    let database = options.get_database().unwrap_or("laurel").to_owned();
    Ok(Server::new(options, &database, Access::SetRole))
}

/// Serves `routes` as a task of `lifecycle`.
pub fn serve(
    lifecycle: &Lifecycle,
    routes: ServiceRoutes,
    listener: TcpListener,
    options: Options,
    health: Health,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let stop = lifecycle.stop();
    lifecycle.spawn("server", async move {
        rpc::server::serve(routes, listener, options, health, stop.cancelled_owned()).await
    });
    tracing::info!(%address, "ready");
    Ok(())
}
