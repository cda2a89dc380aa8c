//! From settings to the edge of a process: who is let in, and how we prove who we are to others.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rpc::auth::{Gate, Settings};
use rpc::channel::{Access, Token};
use rpc::limits::Limits;
use rpc::server::{KEEP_ALIVE, Options};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use types::Clock;

use crate::Config;
use crate::config::{Error, read_file};

/// How to serve.
pub async fn options(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Options> {
    let gate = if config.is_authenticated() {
        let settings = Settings {
            jwks: config.jwks.clone(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            clock_skew: seconds(config.clock_skew_seconds),
            certificates: config.certificates.clone(),
        };
        Gate::closed(settings, clock).await.context("authentication")?
    } else {
        Gate::open()?
    };
    let age = Some(seconds(config.connection_age_seconds)).filter(|age| !age.is_zero());
    let grace = seconds(config.connection_grace_seconds);
    Ok(Options {
        gate,
        limits: Limits {
            in_flight: usize::try_from(config.service_in_flight)?,
            streams: usize::try_from(config.service_streams)?,
            tenant_in_flight: usize::try_from(config.tenant_in_flight)?,
            tenant_streams: usize::try_from(config.tenant_streams)?,
            tenant_per_second: config.tenant_per_second,
            deadline: seconds(config.deadline_seconds),
            stream_age: age.map(|age| age + grace),
        },
        tls: tls(config)?,
        connection_age: age,
        keep_alive: KEEP_ALIVE,
    })
}

/// How to call other services.
pub fn access(config: &Config) -> anyhow::Result<Access> {
    let token = match config.token_file.as_str() {
        "" => Token::None,
        path => Token::file(path)?,
    };
    let ca = given(&config.tls_ca).map(|path| read_file("LAUREL_TLS_CA", path)).transpose()?;
    let identity = match given(&config.client_cert) {
        Some(path) => Some((
            read_file("LAUREL_CLIENT_CERT", path)?,
            read_file("LAUREL_CLIENT_KEY", &config.client_key)?,
        )),
        None => None,
    };
    Ok(Access { token, ca, identity })
}

fn tls(config: &Config) -> Result<Option<ServerTlsConfig>, Error> {
    let Some(path) = given(&config.tls_cert) else { return Ok(None) };
    let certificate = read_file("LAUREL_TLS_CERT", path)?;
    let key = read_file("LAUREL_TLS_KEY", &config.tls_key)?;
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(certificate, key));
    let Some(path) = given(&config.tls_client_ca) else { return Ok(Some(tls)) };
    let ca = Certificate::from_pem(read_file("LAUREL_TLS_CLIENT_CA", path)?);
    // who has no certificate may have a token
    Ok(Some(tls.client_ca_root(ca).client_auth_optional(true)))
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
