//! `laurel up`: all four services in one process until told to stop.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rpc::health::Health;
use runtime::{Config, Lifecycle, telemetry};
use tokio::net::TcpListener;
use types::SystemClock;

use crate::cli::{Service, StorageArguments, UpArguments};
use crate::platform::{Platform, tenants};
use crate::storage::Storage;

/// Serves until SIGTERM or SIGINT.
pub fn run(arguments: &UpArguments) -> anyhow::Result<()> {
    let _telemetry = telemetry::start("info", "laurel")?;
    let config = Config::load_edge(arguments.listen)?;
    with_platform(&arguments.storage, config.drain(), arguments.up_to, |platform, lifecycle| async move {
        let listener = runtime::process::bind(arguments.listen).await?;
        serve(&platform, &lifecycle, listener, &config, |address| {
            // whoever started us may not read it
            let _ = writeln!(std::io::stdout(), "ready {address}");
        })
        .await?;
        end(&lifecycle).await
    })
}

/// Opens storage, starts the platform, runs `work`, and takes everything down in the opposite order.
pub(crate) fn with_platform<F, Fut>(
    storage: &StorageArguments,
    drain: Duration,
    last: Service,
    work: F,
) -> anyhow::Result<()>
where
    F: FnOnce(Platform, Lifecycle) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let scoped = tenants(&storage.scope_orders_by_source)?;
    let mut storage = Storage::open(storage)?;
    let lifecycle = Lifecycle::new(drain);
    // half of the cores: Postgres, which is mostly on the same machine, has as much to do
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = cores.div_ceil(2);
    let executor =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let done = executor.block_on(async {
        lifecycle.heed_signals()?;
        let platform = Platform::start(&storage, &lifecycle, scoped, last).await?;
        let done = tokio::select! {
            done = work(platform, lifecycle.clone()) => done,
            lost = storage.lost() => Err(lost),
        };
        lifecycle.drain().await;
        done
    });
    drop(executor);
    storage.close()?;
    done
}

/// Serves on `listener` as a task, and says where.
pub(crate) async fn serve(
    platform: &Platform,
    lifecycle: &Lifecycle,
    listener: TcpListener,
    config: &Config,
    say: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let health = Health::new().await;
    runtime::process::serve_health(lifecycle, config, &health).await?;
    let options = runtime::edge::options(config, Arc::new(SystemClock)).await?;
    say(listener.local_addr()?);
    runtime::process::serve(lifecycle, platform.routes.clone(), listener, options, health)
}

/// Waits for the end; an error if a task failed.
pub(crate) async fn end(lifecycle: &Lifecycle) -> anyhow::Result<()> {
    anyhow::ensure!(lifecycle.run_to_end().await, "a task failed; see the log");
    Ok(())
}
