//! Settings of one service process: environment over file over defaults.

use std::net::SocketAddr;
use std::time::Duration;

use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use rpc::auth::CertificateRule;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Settings of one service process. Each is the environment variable `LAUREL_<NAME>` in capitals, or a key of the TOML
/// file that `LAUREL_CONFIG` names. What each means stands in [`crate::config_table`], and from there in
/// `docs/configuration.md`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "described once, in config_table")]
pub struct Config {
    pub config: String,
    pub listen: SocketAddr,
    #[serde(deserialize_with = "none_if_empty")]
    pub health_listen: Option<SocketAddr>,
    #[serde(deserialize_with = "none_if_empty")]
    pub metrics_listen: Option<SocketAddr>,
    #[serde(serialize_with = "never")]
    pub database_url: SecretString,
    pub database_url_file: String,
    pub connections: u32,
    pub migrate: Migrate,
    pub attribution_url: String,
    pub orders_url: String,
    pub journeys_url: String,
    pub token_file: String,
    pub tls_ca: String,
    pub client_cert: String,
    pub client_key: String,
    pub jwks: String,
    pub issuer: String,
    pub audience: String,
    pub clock_skew_seconds: u32,
    pub tls_cert: String,
    pub tls_key: String,
    pub tls_client_ca: String,
    pub certificates: Vec<CertificateRule>,
    pub service_in_flight: u32,
    pub service_streams: u32,
    pub tenant_in_flight: u32,
    pub tenant_streams: u32,
    pub tenant_per_second: u32,
    pub deadline_seconds: u32,
    pub connection_age_seconds: u32,
    pub connection_grace_seconds: u32,
    pub drain_seconds: u32,
    pub scope_orders_by_source: String,
    pub log: String,
    pub log_format: LogFormat,
    pub otlp_endpoint: String,
}

/// Who applies migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Migrate {
    /// The process itself, when it starts.
    OnStart,
    /// Somebody else, with `migrate`.
    Never,
}

/// What log lines look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: JSON lines.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            config: String::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 7600)),
            health_listen: None,
            metrics_listen: None,
            database_url: SecretString::default(),
            database_url_file: String::new(),
            connections: 16,
            migrate: Migrate::OnStart,
            attribution_url: "http://127.0.0.1:7601".to_owned(),
            orders_url: "http://127.0.0.1:7602".to_owned(),
            journeys_url: "http://127.0.0.1:7603".to_owned(),
            token_file: String::new(),
            tls_ca: String::new(),
            client_cert: String::new(),
            client_key: String::new(),
            jwks: String::new(),
            issuer: String::new(),
            audience: String::new(),
            clock_skew_seconds: 30,
            tls_cert: String::new(),
            tls_key: String::new(),
            tls_client_ca: String::new(),
            certificates: Vec::new(),
            service_in_flight: 2048,
            service_streams: 1024,
            tenant_in_flight: 0,
            tenant_streams: 0,
            tenant_per_second: 0,
            deadline_seconds: 60,
            connection_age_seconds: 300,
            // as long as the longest deadline that is heeded: an import of an hour is not cut off
            connection_grace_seconds: 3600,
            drain_seconds: 10,
            scope_orders_by_source: String::new(),
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: String::new(),
        }
    }
}

/// Why the settings are not usable; one clear line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value is missing or malformed.
    #[error("configuration: {}", told(.0))]
    Invalid(Box<figment::Error>),
    /// No database was named.
    #[error("LAUREL_DATABASE_URL is not set; name the Postgres to use, such as postgres://user@host/laurel")]
    NoDatabase,
    /// A server without authentication may listen on loopback only.
    #[error(
        "will not listen on {0} without authentication; set LAUREL_JWKS, or LAUREL_TLS_CLIENT_CA and certificates, \
         or use a loopback address such as 127.0.0.1:7600"
    )]
    NotLoopback(SocketAddr),
    /// A setting that is of no use without another.
    #[error("{0} needs {1} beside it")]
    Incomplete(&'static str, &'static str),
    /// Calls would go nowhere, and nobody would be told.
    #[error("{0} has to begin with http:// or https://, such as http://127.0.0.1:7601")]
    NotHttp(&'static str),
    /// A file that a setting names is not there.
    #[error("{0}: cannot read {1}: {2}")]
    File(&'static str, String, #[source] std::io::Error),
}

impl Config {
    /// Reads file and environment. `port` is the service's own, unless `listen` says otherwise.
    pub fn load(port: u16) -> Result<Self, Error> {
        let defaults = Self { listen: SocketAddr::from(([127, 0, 0, 1], port)), ..Self::default() };
        let mut config = read(defaults)?;
        if !config.database_url_file.is_empty() {
            config.database_url = read_url(&config.database_url_file)?;
        }
        if config.database_url.expose_secret().is_empty() {
            return Err(Error::NoDatabase);
        }
        config.check()?;
        Ok(config)
    }

    /// The same for a process that gets its address from its own arguments, and may have storage of its own.
    pub fn load_edge(listen: SocketAddr) -> Result<Self, Error> {
        let mut config = read(Self::default())?;
        config.listen = listen;
        config.check()?;
        Ok(config)
    }

    /// Whether callers have to prove who they are.
    pub fn is_authenticated(&self) -> bool {
        !self.jwks.is_empty() || !self.tls_client_ca.is_empty()
    }

    /// How long calls may still take once the process is told to end.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds.into())
    }

    fn check(&self) -> Result<(), Error> {
        let together = [
            (&self.tls_cert, "LAUREL_TLS_CERT", &self.tls_key, "LAUREL_TLS_KEY"),
            (&self.client_cert, "LAUREL_CLIENT_CERT", &self.client_key, "LAUREL_CLIENT_KEY"),
        ];
        for (one, one_name, other, other_name) in together {
            match (one.is_empty(), other.is_empty()) {
                (false, true) => return Err(Error::Incomplete(one_name, other_name)),
                (true, false) => return Err(Error::Incomplete(other_name, one_name)),
                _ => {}
            }
        }
        let upstream = [
            (&self.attribution_url, "LAUREL_ATTRIBUTION_URL"),
            (&self.orders_url, "LAUREL_ORDERS_URL"),
            (&self.journeys_url, "LAUREL_JOURNEYS_URL"),
        ];
        let is_http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
        if let Some((_, name)) = upstream.into_iter().find(|(url, _)| !is_http(url)) {
            return Err(Error::NotHttp(name));
        }
        if !self.tls_client_ca.is_empty() && self.tls_cert.is_empty() {
            return Err(Error::Incomplete("LAUREL_TLS_CLIENT_CA", "LAUREL_TLS_CERT"));
        }
        if !self.tls_client_ca.is_empty() && self.certificates.is_empty() && self.jwks.is_empty() {
            return Err(Error::Incomplete("LAUREL_TLS_CLIENT_CA", "LAUREL_CERTIFICATES"));
        }
        if !self.jwks.is_empty() && self.tls_cert.is_empty() && !self.listen.ip().is_loopback() {
            tracing::warn!(
                "tokens come in plain text: let nothing but a mesh that encrypts reach this address"
            );
        }
        if self.is_authenticated() || self.listen.ip().is_loopback() {
            Ok(())
        } else {
            Err(Error::NotLoopback(self.listen))
        }
    }
}

/// An address, or none for an empty text: what is set for all processes can be taken back for one.
fn none_if_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

/// Writes a secret as if it were not set.
fn never<S: serde::Serializer>(_: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("")
}

/// A variable that is neither a setting nor of the `laurel` command is refused, being misspelt.
fn read(defaults: Config) -> Result<Config, Error> {
    let environment = Env::prefixed("LAUREL_").ignore(&crate::config_table::command_names());
    let mut figment = Figment::from(Serialized::defaults(defaults));
    if let Ok(path) = std::env::var("LAUREL_CONFIG") {
        figment = figment.merge(Toml::file_exact(path));
    }
    figment.merge(Texts(environment)).extract().map_err(|e| Error::Invalid(Box::new(e)))
}

/// The environment, with texts as they stand there: figment would read an audience of digits as a number.
struct Texts(Env);

impl Provider for Texts {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let texts = Serialized::defaults(Config::default()).data()?;
        let is_text =
            |name: &str| texts.values().any(|dict| matches!(dict.get(name), Some(Value::String(..))));
        let mut data = self.0.data()?;
        for (name, value) in data.values_mut().flatten() {
            if let Some(text) = Env::var(&format!("LAUREL_{name}")).filter(|_| is_text(name)) {
                *value = text.into();
            }
        }
        Ok(data)
    }
}

/// Without the picture that the parser of TOML draws of the line in question, which may hold a secret.
fn told(error: &figment::Error) -> String {
    let is_picture =
        |line: &str| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').starts_with('|');
    let text = error.to_string();
    let said: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !is_picture(line)).collect();
    said.join("; ")
}

/// One setting by its name, for what begins before all of them are read.
pub(crate) fn one(name: &str) -> Option<String> {
    let mut figment = Figment::new();
    if let Ok(path) = std::env::var("LAUREL_CONFIG") {
        figment = figment.merge(Toml::file(path));
    }
    figment.merge(Env::prefixed("LAUREL_").only(&[name])).extract_inner(name).ok()
}

/// The database that environment or file name, if they do: for a process that may have one of its own.
pub fn database_url() -> Result<Option<SecretString>, Error> {
    match one("database_url_file").filter(|path| !path.is_empty()) {
        Some(path) => read_url(&path).map(Some),
        None => Ok(one("database_url").map(Into::into)),
    }
}

fn read_url(path: &str) -> Result<SecretString, Error> {
    let url = read_file("LAUREL_DATABASE_URL_FILE", path)?;
    Ok(String::from_utf8_lossy(&url).trim().into())
}

/// What `setting` names; its error tells both.
pub(crate) fn read_file(setting: &'static str, path: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| Error::File(setting, path.to_owned(), error))
}
