//! What Prometheus reads: `http://LAUREL_METRICS_LISTEN/metrics`.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use super::setting;

/// Binds the address that `LAUREL_METRICS_LISTEN` names; none if it names none. It may be one that others can reach: metrics
/// hold counts, and names that the code knows.
pub(super) fn bind() -> anyhow::Result<Option<TcpListener>> {
    let Some(text) = setting("metrics_listen") else { return Ok(None) };
    let address: SocketAddr = text
        .parse()
        .map_err(|_| anyhow::anyhow!("LAUREL_METRICS_LISTEN is not an address such as 127.0.0.1:9464"))?;
    let listener =
        TcpListener::bind(address).with_context(|| format!("cannot serve metrics on {address}"))?;
    Ok(Some(listener))
}

/// Serves metrics on the executor one is in, until that ends.
pub(super) fn serve(listener: TcpListener) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let routes = Router::new().route("/metrics", get(metrics));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "metrics are served no more");
        }
    });
    tracing::info!(%address, "serve metrics");
    Ok(())
}

async fn metrics() -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, observe::metrics::CONTENT_TYPE)], observe::metrics::text())
}
