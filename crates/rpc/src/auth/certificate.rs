//! Client certificates: a name in the certificate, a URI or DNS name of its subject alternative names, stands for an
//! identity that is configured. TLS has checked by then that our CA signed it.

use std::sync::Arc;

use http::Extensions;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Credential, KeysError, identity};
use crate::{Caller, Error};

/// Certificates remembered.
const REMEMBERED: usize = 1024;

/// What the holder of a certificate may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRule {
    /// A URI or DNS name in the certificate, such as `spiffe://example.org/orders`.
    pub name: String,
    /// The tenant it acts for; or else `service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The service of this deployment that it is, such as `orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Certificates {
    known: Vec<Known>,
    seen: Cache<[u8; 32], Option<Credential>>,
}

#[derive(Debug)]
struct Known {
    name: String,
    caller: Caller,
    scopes: Arc<[String]>,
}

impl Certificates {
    pub(super) fn new(rules: Vec<CertificateRule>) -> Result<Self, KeysError> {
        let read = |rule: CertificateRule| {
            let caller = identity(&rule.name, rule.tenant.as_deref(), rule.service.as_deref())
                .map_err(|what| KeysError::Certificate(rule.name.clone(), what))?;
            Ok(Known { name: rule.name, caller, scopes: rule.scopes.into() })
        };
        let known = rules.into_iter().map(read).collect::<Result<_, KeysError>>()?;
        Ok(Self { known, seen: Cache::new(REMEMBERED) })
    }

    /// The identity of the connection's certificate; none without a certificate.
    pub(super) fn of(&self, connection: &Extensions) -> Result<Option<Credential>, Error> {
        let tls = connection.get::<TlsConnectInfo<TcpConnectInfo>>();
        let Some(chain) = tls.and_then(TlsConnectInfo::peer_certs) else { return Ok(None) };
        let Some(leaf) = chain.first() else { return Ok(None) };
        let key: [u8; 32] = Sha256::digest(leaf.as_ref()).into();
        let found = self.seen.get(&key).unwrap_or_else(|| {
            let found = self.look_up(leaf.as_ref());
            self.seen.insert(key, found.clone());
            found
        });
        let found = found.ok_or_else(|| Error::not_proved("no name in the client certificate is known here"));
        found.map(Some)
    }

    fn look_up(&self, der: &[u8]) -> Option<Credential> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        let known = names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(name) | GeneralName::DNSName(name) => {
                self.known.iter().find(|k| k.name == *name)
            }
            _ => None,
        })?;
        let expires = certificate.validity().not_after.timestamp();
        Some(Credential { caller: known.caller.clone(), scopes: known.scopes.clone(), expires })
    }
}
