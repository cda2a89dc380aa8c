//! Running services: where they are, and how to prove who we are to them.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::Context;
use rpc::Channel;
use rpc::channel::{self, Access, Token};
use secrecy::ExposeSecret;

use crate::cli::{Credentials, Target};
use crate::client::Clients;
use crate::refusal::ConnectionError;

/// What the services are called in an address.
const SERVICES: [&str; 4] = ["attribution", "orders", "journeys", "rewards"];

/// Does `work` with clients of the services that `target` names; an error of the connection names the address.
pub(crate) fn speak(
    target: &Target,
    work: impl AsyncFnOnce(Clients) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(async {
        let clients = clients(&target.address, &target.tenant, &target.credentials)?;
        work(clients).await.map_err(|error| with_address(error, &target.address))
    })
}

/// An error of the connection with the address before it; any other as it is.
fn with_address(error: anyhow::Error, address: &str) -> anyhow::Error {
    if error.is::<ConnectionError>() { error.context(address.to_owned()) } else { error }
}

/// Clients of the services at `address` that act for `tenant`.
pub fn clients(address: &str, tenant: &str, credentials: &Credentials) -> anyhow::Result<Clients> {
    let tenant = tenant.parse().map_err(|e| anyhow::anyhow!("tenant `{tenant}` {e}"))?;
    let access = access(credentials)?;
    let channel = if address.contains('=') { each(address, &access)? } else { one(address, &access)? };
    Ok(Clients::new(channel, &tenant))
}

fn one(address: &str, access: &Access) -> anyhow::Result<Channel> {
    let unfit = || anyhow::anyhow!("`{address}` is not an address such as http://127.0.0.1:7600");
    anyhow::ensure!(is_http(address), "{}: it has to begin with http:// or https://", unfit());
    channel::connect_as(address, access).map_err(|_| unfit())
}

/// `orders=URL,...`: each call goes to the service whose it is.
fn each(addresses: &str, access: &Access) -> anyhow::Result<Channel> {
    let mut channels = HashMap::new();
    for part in addresses.split(',') {
        let (service, address) =
            part.split_once('=').with_context(|| format!("`{part}` is not SERVICE=URL"))?;
        let service = service.trim();
        let known = SERVICES.iter().find(|known| **known == service);
        let known = known.with_context(|| format!("`{service}` is none of {}", SERVICES.join(", ")))?;
        channels.insert(format!("laurel.{known}.v1"), one(address.trim(), access)?);
    }
    Ok(channel::by_package(channels))
}

/// Whether an address is of a scheme that we speak.
fn is_http(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("http" | "https"))
}

fn access(credentials: &Credentials) -> anyhow::Result<Access> {
    let token = match (&credentials.token, &credentials.token_file) {
        (Some(token), _) => Token::fixed(token.expose_secret())?,
        (None, Some(path)) => Token::file(path)?,
        (None, None) => Token::None,
    };
    let read =
        |path: &PathBuf| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let ca = credentials.tls_ca.as_ref().map(read).transpose()?;
    let identity = match (&credentials.client_cert, &credentials.client_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        _ => None,
    };
    Ok(Access { token, ca, identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_https_are_spoken() {
        assert!(is_http("http://127.0.0.1:7600") && is_http("HTTPS://laurel.test"));
        assert!(!is_http("ftp://127.0.0.1:1") && !is_http("127.0.0.1:1") && !is_http("unix:///tmp/s"));
    }

    #[test]
    fn only_an_error_of_the_connection_names_the_address() {
        let named = |error: anyhow::Error| format!("{:#}", with_address(error, "http://h:1"));
        assert!(named(ConnectionError::Failed.into()).starts_with("http://h:1: connection failed;"));
        assert!(named(ConnectionError::ImportLost.into()).starts_with("http://h:1: connection lost;"));
        assert_eq!(named(anyhow::anyhow!("other")), "other");
    }
}
