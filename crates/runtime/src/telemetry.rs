//! Structured logs on standard error. Never logged: personal data, credentials, request bodies (A13).

use tracing_subscriber::EnvFilter;

/// Starts logging: JSON lines if `LAUREL_LOG_FORMAT=json`, else text; what is logged is set by `LAUREL_LOG`
/// (`info` unless set, in the syntax of tracing's `EnvFilter`).
pub fn start(default: &str) {
    let filter = EnvFilter::try_from_env("LAUREL_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let json = std::env::var("LAUREL_LOG_FORMAT").is_ok_and(|format| format == "json");
    // a second start, in tests, leaves the first in place
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
}
