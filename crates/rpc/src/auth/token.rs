//! Bearer tokens: JWTs signed with a key of the issuer's set.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use quick_cache::sync::Cache;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tonic::Code;
use types::Clock;

use super::keys::{Key, Keys, KeysError};
use super::{Credential, Settings, identity, invalid};
use crate::{Error, Reason};

/// Verified tokens remembered: checking a signature costs more than the rest of a call.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
pub(super) struct Tokens {
    keys: Keys,
    issuer: String,
    audience: String,
    skew: i64,
    clock: Arc<dyn Clock>,
    // by hash, so that no token lies about in memory
    seen: Cache<[u8; 32], Arc<Verified>>,
}

#[derive(Debug)]
struct Verified {
    credential: Credential,
    expires: i64,
    /// The key set it was verified by; when that changes, a key may have been withdrawn.
    generation: u64,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    exp: i64,
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
    pub(super) async fn load(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, KeysError> {
        if settings.issuer.is_empty() || settings.audience.is_empty() {
            return Err(KeysError::Incomplete);
        }
        Ok(Self {
            keys: Keys::load(&settings.jwks).await?,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            skew: i64::try_from(settings.clock_skew.as_secs()).unwrap_or(0),
            clock,
            seen: Cache::new(REMEMBERED),
        })
    }

    pub(super) async fn verify(&self, token: &str) -> Result<Credential, Error> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let generation = self.keys.generation();
        if let Some(seen) = self.seen.get(&hash).filter(|seen| seen.generation == generation) {
            self.keys.refresh_if_stale();
            return if seen.expires.saturating_add(self.skew) > self.clock.now().unix_timestamp() {
                Ok(seen.credential.clone())
            } else {
                Err(untimely("the token has expired"))
            };
        }
        let header = decode_header(token).map_err(|_| invalid("the token is not a signed JWT"))?;
        let key = self.keys.find(header.kid.as_deref()).await;
        let key = key.ok_or_else(|| invalid("the token is signed with a key that is not in the key set"))?;
        let generation = self.keys.generation();
        let claims = self.claims(token, &key)?;
        let scopes = claims.scope.split_whitespace().map(str::to_owned).chain(claims.scopes).collect();
        let caller =
            identity(&claims.sub, claims.tenant.as_deref(), claims.service.as_deref()).map_err(invalid)?;
        let credential = Credential { caller, scopes };
        let verified = Verified { credential: credential.clone(), expires: claims.exp, generation };
        self.seen.insert(hash, Arc::new(verified));
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
        validation.leeway = u64::try_from(self.skew).unwrap_or(0);
        let token = decode::<Claims>(token, &key.decoding, &validation);
        token.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => untimely("the token has expired"),
            ErrorKind::ImmatureSignature => untimely("the token is not valid yet"),
            ErrorKind::InvalidIssuer => invalid("the token is of another issuer"),
            ErrorKind::InvalidAudience => invalid("the token is for another audience"),
            ErrorKind::InvalidAlgorithm => invalid("the token's algorithm is not the key's"),
            ErrorKind::MissingRequiredClaim(claim) => invalid(format!("the token lacks the claim `{claim}`")),
            _ => invalid("the token's signature or claims are not valid"),
        })
    }
}

fn untimely(message: &str) -> Error {
    Error::new(Code::Unauthenticated, Reason::CredentialExpired, message)
}
