//! `laurel keys` and `laurel token`: a key set and tokens for development. In production they come from your own issuer.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use types::{Clock, SystemClock};

use crate::cli::TokenArguments;

/// Name of the key in tokens and key set.
const KEY_ID: &str = "development";

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
}

/// Makes a key pair; refuses to replace one, since tokens of the old one would stop working.
pub fn keys(out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    // ECDSA on P-256
    let pem = rcgen::KeyPair::generate().context("a key cannot be made")?.serialize_pem();
    let path = out.join("signing.pem");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(pem.as_bytes())?;
    let key = EncodingKey::from_ec_pem(pem.as_bytes())?;
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256)?;
    jwk.common.key_id = Some(KEY_ID.to_owned());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let set = serde_json::to_string_pretty(&JwkSet { keys: vec![jwk] })?;
    let path = out.join("jwks.json");
    std::fs::write(&path, set + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// Prints a token.
pub fn token(arguments: &TokenArguments) -> anyhow::Result<()> {
    let pem = std::fs::read(&arguments.key);
    let pem = pem.with_context(|| format!("cannot read {}", arguments.key.display()))?;
    let key = EncodingKey::from_ec_pem(&pem).context("the key is not one that `laurel keys` made")?;
    let now = SystemClock.now().unix_timestamp();
    let service = arguments.service.as_deref();
    let scope = match service {
        Some(service) if arguments.scope.is_empty() => needs_of(service)?.to_owned(),
        _ => arguments.scope.clone(),
    };
    let claims = Claims {
        iss: &arguments.issuer,
        aud: &arguments.audience,
        sub: &arguments.subject,
        iat: now,
        exp: now.saturating_add(i64::try_from(arguments.expires.as_secs()).unwrap_or(i64::MAX)),
        scope,
        tenant: arguments.tenant.as_deref(),
        service,
    };
    let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
    println!("{}", encode(&header, &claims, &key)?);
    Ok(())
}

/// The scopes of the calls that a service makes.
fn needs_of(service: &str) -> anyhow::Result<&'static str> {
    Ok(match service {
        "orders" => "attribution.read attribution.write attribution.erased",
        "journeys" => "attribution.read orders.read",
        "rewards" => "journeys.read",
        "attribution" => "",
        _ => anyhow::bail!("`{service}` is none of attribution, orders, journeys and rewards"),
    })
}
