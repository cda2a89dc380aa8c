//! What each setting means, in one place: `docs/configuration.md` is made of it, and a test holds both complete.

use std::fmt::Write;

use serde_json::Value;

use crate::Config;

/// Name of the key, and what it is.
const SETTINGS: &[(&str, &str)] = &[
    (
        "config",
        "Path of a TOML file with these settings, in lower case without the prefix; the environment goes before it",
    ),
    (
        "listen",
        "Where to listen for calls. Each service has its own port, see below. Beyond loopback only with authentication",
    ),
    (
        "health_listen",
        "A second address that serves `grpc.health.v1` alone, in plain text and to everybody: for probes. Empty: none",
    ),
    ("metrics_listen", "Where Prometheus finds `/metrics`, in plain text. Empty: nowhere"),
    (
        "database_url",
        "`postgres://` URL of the database, as a user who may log in as, or become, the service's role. Secret",
    ),
    ("database_url_file", "Path of a file with that URL, instead of it"),
    (
        "connections",
        "Connections of the pool, one of which waits for wake-ups. Two more are kept for writing and hot reads, and one for each stream that is followed: one in orders, two in journeys, one in rewards",
    ),
    (
        "migrate",
        "`on-start`: the process prepares schema and role itself; `never`: `laurel-<service> migrate` has done it",
    ),
    ("attribution_url", "Address of the attribution service; `http://` or `https://`"),
    ("orders_url", "Address of the orders service"),
    ("journeys_url", "Address of the journeys service"),
    (
        "token_file",
        "Path of the bearer token for calls to other services; read again every 10 seconds. Secret",
    ),
    ("tls_ca", "Path of the CA (PEM) that signed the certificates of other services; default: the system's"),
    ("client_cert", "Path of the certificate (PEM) for calls to other services"),
    ("client_key", "Path of its key (PEM). Secret"),
    (
        "jwks",
        "Path or https URL of the issuer's public keys (JWKS); switches tokens on. Read again every 5 minutes, and when a token names a new key",
    ),
    ("issuer", "The `iss` that tokens must have"),
    ("audience", "The `aud` that tokens must have"),
    ("clock_skew_seconds", "How far the issuer's clock may be from ours"),
    ("tls_cert", "Path of the server's certificate chain (PEM); switches TLS on"),
    ("tls_key", "Path of its key (PEM). Secret"),
    ("tls_client_ca", "Path of the CA (PEM) of client certificates; switches them on, see `certificates`"),
    (
        "certificates",
        "What holders of client certificates may do: a list of `{name, tenant or service, scopes}`, where `name` is a URI or DNS name in the certificate. Best in the file",
    ),
    (
        "service_in_flight",
        "Calls of one service that may be under way at once; more are RESOURCE_EXHAUSTED, OVERLOADED",
    ),
    (
        "service_streams",
        "Watches, imports and exports of one service that may be open at once; more are refused likewise",
    ),
    (
        "tenant_in_flight",
        "Calls of one tenant that may be under way at once; more are RESOURCE_EXHAUSTED, RATE_LIMITED; 0: no limit",
    ),
    ("tenant_streams", "Watches, imports and exports of one tenant that may be open at once; 0: no limit"),
    ("tenant_per_second", "Calls a second of one tenant; 0: no limit"),
    (
        "deadline_seconds",
        "Time a call may take if it names no deadline itself; one that is named is heeded up to an hour",
    ),
    (
        "connection_age_seconds",
        "A connection of about this age takes no new calls, and closes when those on it are done, so that clients spread over new replicas; 0: never",
    ),
    (
        "connection_grace_seconds",
        "How much longer than that age watches, imports, exports and other streams may last. They end with UNAVAILABLE, not all at once (up to a tenth later), and watches go on elsewhere after their cursor",
    ),
    ("drain_seconds", "How long calls may still take after SIGTERM"),
    (
        "scope_orders_by_source",
        "Tenants whose order ids are scoped by source (O1), separated by commas; orders only",
    ),
    ("log", "What is logged, in the syntax of tracing's `EnvFilter`"),
    ("log_format", "`text`, or `json` for JSON lines"),
    (
        "otlp_endpoint",
        "Address of an OpenTelemetry collector (OTLP over gRPC), such as `http://127.0.0.1:4317`; default: `OTEL_EXPORTER_OTLP_ENDPOINT`, else none",
    ),
];

/// Variables of the `laurel` command that are no settings of a service: one may be exported where a service starts.
const COMMAND: &[(&str, &str)] = &[
    ("address", "Address of running services, for client commands; see `laurel orders --help`"),
    ("tenant", "Tenant that client commands act for"),
    ("token", "Bearer token of client commands. Secret"),
    ("data_dir", "Data directory of the embedded Postgres, for `laurel up` and `laurel demo`"),
    (
        "postgres_bin",
        "Directory with the programs of the Postgres to embed; default: the newest that Debian has installed",
    ),
];

/// Names of the variables that only the `laurel` command reads.
pub(crate) fn command_names() -> Vec<&'static str> {
    COMMAND.iter().map(|(name, _)| *name).collect()
}

/// The two tables of `docs/configuration.md`.
pub fn markdown() -> String {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut table = String::from("| variable | default | what |\n|---|---|---|\n");
    for (name, what) in SETTINGS {
        let default = match &defaults[*name] {
            Value::Null => String::new(),
            Value::String(text) if text.is_empty() => String::new(),
            Value::Array(list) if list.is_empty() => String::new(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        // writing to a String never fails
        let _ = writeln!(table, "| `LAUREL_{}` | {default} | {what} |", name.to_uppercase());
    }
    table.push_str("\n| variable of the `laurel` command | what |\n|---|---|\n");
    for (name, what) in COMMAND {
        let _ = writeln!(table, "| `LAUREL_{}` | {what} |", name.to_uppercase());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_described_once() {
        let defaults = serde_json::to_value(Config::default()).unwrap();
        let mut fields: Vec<_> = defaults.as_object().unwrap().keys().cloned().collect();
        let mut described: Vec<_> = SETTINGS.iter().map(|(name, _)| (*name).to_owned()).collect();
        fields.sort();
        described.sort();
        assert_eq!(fields, described);
    }

    #[test]
    fn the_document_has_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let document = std::fs::read_to_string(path).unwrap();
        let table = markdown();
        assert!(document.contains(&table), "docs/configuration.md must have this table:\n{table}");
    }
}
