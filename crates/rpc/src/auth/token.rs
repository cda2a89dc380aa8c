//! Bearer tokens: JWTs signed with a key of the issuer's set.

use std::sync::Arc;
use std::time::Instant;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use quick_cache::sync::Cache;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::keys::{Key, Keys, KeysError};
use super::{Credential, Settings, identity};
use crate::Error;

/// Verified tokens remembered: checking a signature costs more than the rest of a call.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(super) struct Tokens {
    keys: Keys,
    issuer: String,
    audience: String,
    skew: u64,
    // by hash, so that no token lies about in memory
    seen: Cache<[u8; 32], Arc<Verified>>,
}

#[derive(Debug)]
struct Verified {
    credential: Credential,
    /// The key set it was verified by; when that changes, a key may have been withdrawn.
    generation: u64,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    /// RFC 7519 allows fractions.
    exp: f64,
    tenant: Option<String>,
    service: Option<String>,
    /// Separated by spaces, as OAuth has it.
    #[serde(default)]
    scope: String,
    /// The same as a list, as some issuers have it.
    #[serde(default)]
    scopes: Vec<String>,
}

impl Tokens {
    pub(super) async fn load(settings: &Settings) -> Result<Self, KeysError> {
        if settings.issuer.is_empty() || settings.audience.is_empty() {
            return Err(KeysError::Incomplete);
        }
        Ok(Self {
            keys: Keys::load(&settings.jwks).await?,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            skew: settings.clock_skew.as_secs(),
            seen: Cache::new(REMEMBERED),
        })
    }

    /// What a token says, if it is to be believed. One that was seen before may have expired since.
    pub(super) async fn verify(&self, token: &str) -> Result<Credential, Error> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let now = Instant::now();
        self.keys.freshen(now).await;
        let generation = self.keys.generation();
        if let Some(seen) = self.seen.get(&hash).filter(|seen| seen.generation == generation) {
            return Ok(seen.credential.clone());
        }
        let header = decode_header(token).map_err(|_| Error::not_proved("the token is not a signed JWT"))?;
        // none is known here, and what is critical must not be passed over (RFC 7515, 4.1.11)
        if header.crit.is_some() {
            return Err(Error::not_proved("the token's header has critical extensions"));
        }
        let unknown = || Error::not_proved("the token is signed with a key that is not in the key set");
        let (key, generation) = self.keys.find(header.kid.as_deref(), now).await.ok_or_else(unknown)?;
        let claims = self.claims(token, &key)?;
        let scopes = claims.scope.split_whitespace().map(str::to_owned).chain(claims.scopes).collect();
        let caller = identity(&claims.sub, claims.tenant.as_deref(), claims.service.as_deref())
            .map_err(Error::not_proved)?;
        #[expect(clippy::cast_possible_truncation, reason = "a time beyond all times is the last there is")]
        let credential = Credential { caller, scopes, expires: claims.exp as i64 };
        self.seen.insert(hash, Arc::new(Verified { credential: credential.clone(), generation }));
        Ok(credential)
    }

    fn claims(&self, token: &str, key: &Key) -> Result<Claims, Error> {
        // the key says which algorithms there are, never the token
        let mut validation = Validation::default();
        validation.algorithms.clone_from(&key.algorithms);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = self.skew;
        let token = decode::<Claims>(token, &key.decoding, &validation);
        token.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Error::expired("the token has expired"),
            ErrorKind::ImmatureSignature => Error::expired("the token is not valid yet"),
            ErrorKind::InvalidIssuer => Error::not_proved("the token is of another issuer"),
            ErrorKind::InvalidAudience => Error::not_proved("the token is for another audience"),
            ErrorKind::InvalidAlgorithm => Error::not_proved("the token's algorithm is not the key's"),
            ErrorKind::MissingRequiredClaim(claim) => {
                Error::not_proved(format!("the token lacks the claim `{claim}`"))
            }
            _ => Error::not_proved("the token's signature or claims are not valid"),
        })
    }
}
