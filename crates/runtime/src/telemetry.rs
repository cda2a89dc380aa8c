//! Structured logs on standard error. Never logged: personal data, credentials, request bodies (A13).

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging: JSON lines if `LAUREL_LOG_FORMAT=json`, else text; what is logged is set by `LAUREL_LOG`
/// (`info` unless set, in the syntax of tracing's `EnvFilter`).
pub fn start(default: &str) {
    // what migrations find in place already is no news
    let default = format!("{default},sqlx::postgres::notice=warn");
    let said = std::env::var("LAUREL_LOG").ok().filter(|text| !text.is_empty());
    let parsed = said.map(|text| EnvFilter::try_new(&text).map_err(|error| (text, error)));
    let (filter, wrong) = match parsed {
        Some(Ok(filter)) => (filter, None),
        Some(Err(wrong)) => (EnvFilter::new(&default), Some(wrong)),
        None => (EnvFilter::new(&default), None),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // nobody reads standard error any more: that is no reason to die
        .log_internal_errors(false);
    let json = std::env::var("LAUREL_LOG_FORMAT").is_ok_and(|format| format == "json");
    // a second start, in tests, leaves the first in place
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
    if let Some((text, error)) = wrong {
        tracing::warn!(LAUREL_LOG = text, %error, "log filter not understood, default used");
    }
}
