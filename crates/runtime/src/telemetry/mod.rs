//! Logs, traces and metrics of a process; `docs/telemetry.md` says how to switch them on.
//!
//! | module | what |
//! |---|---|
//! | [`logs`] | lines on standard error, with the ids of the trace they belong to |
//! | [`traces`] | spans to an OpenTelemetry collector |
//! | [`metrics`] | what Prometheus reads |
//!
//! Never logged, exported or counted by: personal data, credentials, bodies of calls (A13).

mod logs;
mod metrics;
mod traces;

use std::time::Duration;

use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Runtime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How long the last spans may take to be sent.
const FLUSH: Duration = Duration::from_secs(3);

/// Telemetry of this process, as long as it is held. Hold it longest: what was not sent yet is sent when it is dropped.
#[derive(Debug, Default)]
#[must_use = "dropped at once, nothing is exported"]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    /// Threads of its own: telemetry works until the very end, and takes no turns of those who serve.
    executor: Option<Runtime>,
}

/// Starts what the environment asks for: logs always, at `level` unless `LAUREL_LOG` says otherwise; traces of `service` if a
/// collector is named; metrics if an address to serve them on is. A collector that cannot be reached is no reason to fail.
pub fn start(level: &str, service: &'static str) -> anyhow::Result<Telemetry> {
    let endpoint = traces::endpoint();
    let listener = metrics::bind()?;
    if endpoint.is_none() && listener.is_none() {
        logs::start(level, None);
        return Ok(Telemetry::default());
    }
    let executor = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("telemetry")
        .enable_all()
        .build()?;
    let _within = executor.enter();
    let traced = endpoint.map(|endpoint| traces::provider(&endpoint, service));
    let (provider, wrong) = match traced {
        Some(Ok(provider)) => (Some(provider), None),
        Some(Err(wrong)) => (None, Some(wrong)),
        None => (None, None),
    };
    logs::start(level, provider.as_ref());
    if let Some(error) = wrong {
        tracing::error!(%error, "traces are not exported");
    }
    if let Some(listener) = listener {
        metrics::serve(listener)?;
    }
    Ok(Telemetry { traces: provider, executor: Some(executor) })
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.traces.take()
            && let Err(error) = provider.shutdown_with_timeout(FLUSH)
        {
            tracing::debug!(%error, "last spans not sent");
        }
        if let Some(executor) = self.executor.take() {
            executor.shutdown_background();
        }
    }
}

/// A setting from environment or file, such as `metrics_listen`; an empty one is none. What is wrong with the rest is said
/// when all is read.
fn setting(name: &str) -> Option<String> {
    crate::config::one(name).filter(|value| !value.is_empty())
}

/// Installs what logs and traces are made of; a second time, in tests, leaves the first in place.
fn install(layers: impl SubscriberExt + Into<tracing::Dispatch>) {
    let _ = layers.try_init();
}
