//! Settings of one service process: environment over file over defaults.

use std::net::SocketAddr;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

/// Settings of one service process. Each is the environment variable `LAUREL_<NAME>` in capitals, or a key of the TOML
/// file that `LAUREL_CONFIG` names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen. Loopback only, as there is no authentication yet.
    pub listen: SocketAddr,
    /// `postgres://` URL of the database, as a user who may log in as, or become, the service's role.
    pub database_url: String,
    /// Connections of the pool.
    pub connections: u32,
    /// Address of the attribution service, such as `http://127.0.0.1:7601`.
    pub attribution_url: String,
    /// Address of the orders service.
    pub orders_url: String,
    /// Address of the journeys service.
    pub journeys_url: String,
    /// Tenants whose order ids are scoped by source (O1), separated by commas.
    pub scope_orders_by_source: String,
    /// Where the TOML file was; read before the rest.
    pub config: String,
    /// What is logged; see `telemetry`.
    pub log: String,
    /// `json` for JSON lines.
    pub log_format: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7600)),
            database_url: String::new(),
            connections: 16,
            attribution_url: "http://127.0.0.1:7601".to_owned(),
            orders_url: "http://127.0.0.1:7602".to_owned(),
            journeys_url: "http://127.0.0.1:7603".to_owned(),
            scope_orders_by_source: String::new(),
            config: String::new(),
            log: "info".to_owned(),
            log_format: "text".to_owned(),
        }
    }
}

/// Why the settings are not usable; one clear line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value is missing or malformed.
    #[error("configuration: {0}")]
    Invalid(Box<figment::Error>),
    /// No database was named.
    #[error("LAUREL_DATABASE_URL is not set; name the Postgres to use, such as postgres://user@host/laurel")]
    NoDatabase,
    /// A server without authentication may listen on loopback only.
    #[error("will not listen on {0} without authentication; use a loopback address such as 127.0.0.1:7600")]
    NotLoopback(SocketAddr),
}

impl Config {
    /// Reads file and environment. `port` is the service's own, unless `listen` says otherwise.
    pub fn load(port: u16) -> Result<Self, Error> {
        let defaults = Self { listen: SocketAddr::from(([127, 0, 0, 1], port)), ..Self::default() };
        let mut figment = Figment::from(Serialized::defaults(defaults));
        if let Ok(path) = std::env::var("LAUREL_CONFIG") {
            figment = figment.merge(Toml::file_exact(path));
        }
        let config: Self =
            figment.merge(Env::prefixed("LAUREL_")).extract().map_err(|e| Error::Invalid(Box::new(e)))?;
        if config.database_url.is_empty() {
            return Err(Error::NoDatabase);
        }
        loopback_only(config.listen)?;
        Ok(config)
    }
}

/// Refuses addresses that others can reach, as long as there is no authentication.
pub fn loopback_only(address: SocketAddr) -> Result<(), Error> {
    if address.ip().is_loopback() { Ok(()) } else { Err(Error::NotLoopback(address)) }
}
