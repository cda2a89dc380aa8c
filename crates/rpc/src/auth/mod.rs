//! Who may do what (M6): a bearer token or a client certificate says who calls, for which tenant and with which scopes; the
//! contract says which scope a method needs.

mod certificate;
mod keys;
mod methods;
mod token;

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::request::Parts;
use tonic::Code;
use types::Clock;

pub use certificate::CertificateRule;
pub use keys::KeysError;
pub use methods::{Method, Methods, MethodsError};
use token::Tokens;

use crate::caller::named_tenant;
use crate::{Caller, Error, Reason};

/// Open to everybody, so that a balancer without a credential can ask.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// How callers prove who they are.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Path or https URL of the JWKS with the issuer's public keys; empty: no tokens.
    pub jwks: String,
    /// The `iss` of every token.
    pub issuer: String,
    /// The `aud` of every token.
    pub audience: String,
    /// How far the clocks of issuer and server may be apart.
    pub clock_skew: Duration,
    /// What the holders of client certificates may do; empty: no certificates.
    pub certificates: Vec<CertificateRule>,
}

/// The services of a deployment: nobody else is let in as one.
const SERVICES: [&str; 4] = ["attribution", "orders", "journeys", "rewards"];

/// An identity that was proved.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    caller: Caller,
    scopes: Arc<[String]>,
    /// Seconds since the epoch.
    expires: i64,
}

/// A caller who was let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    /// How long its credential is still good; none where there is none.
    pub(crate) left: Option<Duration>,
}

/// Lets callers in, or says why not.
#[derive(Debug, Clone)]
pub struct Gate {
    methods: Arc<Methods>,
    proof: Option<Arc<Proof>>,
}

#[derive(Debug)]
struct Proof {
    tokens: Option<Tokens>,
    certificates: certificate::Certificates,
    skew: i64,
    clock: Arc<dyn Clock>,
}

impl Gate {
    /// Believes what callers say of themselves: for loopback only.
    pub fn open() -> Result<Self, MethodsError> {
        Ok(Self { methods: Arc::new(Methods::load()?), proof: None })
    }

    /// Asks everybody for a credential.
    pub async fn closed(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, KeysError> {
        let tokens = if settings.jwks.is_empty() { None } else { Some(Tokens::load(&settings).await?) };
        let certificates = certificate::Certificates::new(settings.certificates)?;
        let skew = i64::try_from(settings.clock_skew.as_secs()).unwrap_or(0);
        let methods = Arc::new(Methods::load()?);
        Ok(Self { methods, proof: Some(Arc::new(Proof { tokens, certificates, skew, clock })) })
    }

    /// The method at `path`, if it is one of our contracts.
    pub(crate) fn method(&self, path: &str) -> Option<&Method> {
        self.methods.get(path)
    }

    /// The caller of `request`, if it may make this call.
    pub(crate) async fn admit(&self, request: &Parts) -> Result<Admitted, Error> {
        let Some(proof) = &self.proof else {
            return Ok(Admitted { caller: Caller::from_headers(&request.headers)?, left: None });
        };
        let path = request.uri.path();
        if path.starts_with(HEALTH) {
            return Ok(Admitted { caller: Caller::anonymous(), left: None });
        }
        let credential = proof.of(request).await?;
        let left = proof.left(&credential)?;
        let Credential { caller, scopes, .. } = credential;
        let named = named_tenant(&request.headers)?;
        if let (Some(named), Some(own)) = (&named, caller.acts_for())
            && named != own
        {
            let message = "the credential is of another tenant";
            return Err(Error::new(Code::PermissionDenied, Reason::TenantNotPermitted, message));
        }
        match self.method(path).map(Method::scope) {
            Some(needed) if !scopes.iter().any(|scope| scope == needed) => {
                let message = format!("the call needs the scope {needed}");
                Err(Error::new(Code::PermissionDenied, Reason::ScopeMissing, message).with("scope", needed))
            }
            // what is not of our contracts, such as reflection, needs no scope
            _ => Ok(Admitted { caller: caller.narrowed(named), left: Some(left) }),
        }
    }
}

impl Proof {
    /// A token goes before a certificate: it is what a caller behind a mesh adds for itself.
    async fn of(&self, request: &Parts) -> Result<Credential, Error> {
        if let Some(header) = request.headers.get(AUTHORIZATION) {
            let text =
                header.to_str().map_err(|_| Error::not_proved("the authorization is not plain text"))?;
            let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let (_, token) =
                token.ok_or_else(|| Error::not_proved("the authorization is not a bearer token"))?;
            let tokens = self.tokens.as_ref();
            let tokens = tokens.ok_or_else(|| Error::not_proved("tokens are not accepted here"))?;
            return tokens.verify(token.trim()).await;
        }
        self.certificates.of(&request.extensions)?.ok_or_else(|| {
            let message =
                "a credential is required: `authorization: Bearer <token>`, or a client certificate";
            Error::new(Code::Unauthenticated, Reason::CredentialMissing, message)
        })
    }

    /// How long a credential is still good: one that is remembered, or the certificate of a long connection, may have
    /// expired since it was checked.
    fn left(&self, credential: &Credential) -> Result<Duration, Error> {
        let end = credential.expires.saturating_add(self.skew);
        let left = end.saturating_sub(self.clock.now().unix_timestamp());
        match u64::try_from(left) {
            Ok(left) if left > 0 => Ok(Duration::from_secs(left)),
            _ => Err(Error::expired("the token or certificate has expired")),
        }
    }
}

/// The identity that claims or a certificate's rule give: a service, or the principal of one tenant.
fn identity(principal: &str, tenant: Option<&str>, service: Option<&str>) -> Result<Caller, &'static str> {
    let printable =
        |text: &str| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    match (tenant, service) {
        (None, Some(name)) if SERVICES.contains(&name) => Ok(Caller::service(name)),
        (None, Some(_)) => Err("the credential names a service that there is not"),
        // nobody but a service is called one
        (Some(_), None) if principal.starts_with("service:") => {
            Err("the subject of the credential is reserved")
        }
        (Some(tenant), None) if printable(principal) => {
            let tenant = tenant.parse().map_err(|_| "the tenant of the credential is not a tenant id")?;
            Ok(Caller::for_tenant(principal, tenant))
        }
        (Some(_), None) => Err("the subject of the credential must be 1 to 128 printable ASCII characters"),
        _ => Err("the credential must name either a tenant or a service"),
    }
}
