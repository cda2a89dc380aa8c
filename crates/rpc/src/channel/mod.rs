//! One client transport for both ways: to another process, or within this one.

mod balance;
mod token;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, Uri};
use tonic::body::Body;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status, TimeoutExpired};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use self::balance::Pace;
pub use self::token::{Token, TokenFile};
use crate::Reason;

/// What generated clients speak through.
pub type Channel = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// Longest wait for a connection, and again for its TLS handshake.
const CONNECT: Duration = Duration::from_secs(5);

const PACE: Pace = Pace { look_up: Duration::from_secs(5), retry: Duration::from_secs(1), patience: CONNECT };

/// How to prove who we are to other servers, and how to know them. The default is plain text without a credential.
/// Its `Debug` shows no secret.
#[derive(Clone, Default)]
pub struct Access {
    /// The bearer token of every call.
    pub token: Token,
    /// PEM of the CA that signed the servers' certificates, for `https://` addresses; none: the system's.
    pub ca: Option<Vec<u8>>,
    /// PEM of our certificate and its key, for servers that ask for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, ca, identity } = self;
        f.debug_struct("Access")
            .field("token", token)
            .field("ca", &ca.is_some())
            .field("identity", &identity.is_some())
            .finish()
    }
}

/// Why a channel cannot be made; one clear line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address or a certificate is not usable.
    #[error("cannot connect to {0}: {1}")]
    Endpoint(String, #[source] tonic::transport::Error),
    /// The token is not one.
    #[error("the token has a character that no token has")]
    Token,
    /// The token file is not there.
    #[error("the token file {0} cannot be read: {1}")]
    TokenFile(String, #[source] std::io::Error),
}

/// A channel to `address`, such as `http://127.0.0.1:7600`, in plain text and without a credential.
pub fn connect(address: &str) -> Result<Channel, Error> {
    connect_as(address, &Access::default())
}

/// A channel to `address`, from within a runtime. If its host is a name, calls take turns over all addresses of that name, and follow
/// them as they change; an IP address has one connection, which is made when first used, and again when lost.
pub fn connect_as(address: &str, access: &Access) -> Result<Channel, Error> {
    let (channel, token) = (transport(address, access)?, access.token.clone());
    Ok(BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        let mut request = crate::trace::inject(request);
        let (channel, token) = (channel.clone(), token.clone());
        async move {
            if let Some(header) = token.header().await {
                request.headers_mut().insert(AUTHORIZATION, header);
            }
            channel.oneshot(request).await
        }
    })))
}

fn transport(address: &str, access: &Access) -> Result<Channel, Error> {
    let wrong = |error| Error::Endpoint(address.to_owned(), error);
    let mut endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(wrong)?
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(20));
    if address.starts_with("https://") {
        endpoint = endpoint.tls_config(tls(access)).map_err(wrong)?;
    }
    if let Some((host, port)) = name(address) {
        let look_up = move || {
            let host = host.clone();
            async move { Ok(tokio::net::lookup_host((host.as_str(), port)).await?.collect()) }
        };
        return Ok(balance::balance(endpoint, look_up, PACE));
    }
    let channel = endpoint.connect_timeout(CONNECT).connect_lazy();
    Ok(BoxCloneSyncService::new(channel.map_err(|error| lost(&error))))
}

/// Host and port of an address, if the host is a name.
fn name(address: &str) -> Option<(String, u16)> {
    let uri: Uri = address.parse().ok()?;
    let usual = match uri.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = uri.host()?;
    let is_literal = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    (!is_literal).then(|| (host.to_owned(), uri.port_u16().unwrap_or(usual)))
}

/// What a call comes to that got no answer.
fn lost(error: &tonic::transport::Error) -> Status {
    if is_deadline(error) {
        let message = "the deadline passed before the answer";
        return crate::Error::new(Code::DeadlineExceeded, Reason::DeadlineExceeded, message).into();
    }
    Status::unavailable("connection failed")
}

/// Whether the caller's deadline passed, which says nothing about the connection.
fn is_deadline(error: &tonic::transport::Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.any(<dyn std::error::Error>::is::<TimeoutExpired>)
}

fn tls(access: &Access) -> ClientTlsConfig {
    let tls = match &access.ca {
        Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let tls = tls.timeout(CONNECT);
    match &access.identity {
        Some((certificate, key)) => tls.identity(Identity::from_pem(certificate, key)),
        None => tls,
    }
}

/// A channel that sends each call to the channel of its package, such as `laurel.orders.v1`.
pub fn by_package(channels: impl IntoIterator<Item = (String, Channel)>) -> Channel {
    let channels: HashMap<String, Channel> = channels.into_iter().collect();
    BoxCloneSyncService::new(tower::service_fn(move |request: Request<Body>| {
        let path = request.uri().path().trim_start_matches('/');
        let package =
            path.split('/').next().and_then(|service| service.rsplit_once('.')).map(|(package, _)| package);
        let channel = package.and_then(|package| channels.get(package)).cloned();
        async move {
            let Some(channel) = channel else {
                return Err(Status::unavailable("no address for this service"));
            };
            channel.oneshot(request).await
        }
    }))
}

/// The same channel, with `name: value` added to the metadata of every call.
pub fn with_metadata(channel: Channel, name: &'static str, value: &HeaderValue) -> Channel {
    let value = value.clone();
    BoxCloneSyncService::new(channel.map_request(move |mut request: Request<Body>| {
        request.headers_mut().insert(name, value.clone());
        request
    }))
}

/// A channel that acts for `tenant`.
pub fn for_tenant(channel: Channel, tenant: &types::TenantId) -> Channel {
    // a tenant id is plain ASCII
    let value = HeaderValue::from_str(tenant.as_str()).unwrap_or(HeaderValue::from_static(""));
    with_metadata(channel, crate::caller::TENANT_METADATA, &value)
}

/// A channel that acts as one of our services, where there is no authentication.
pub fn for_service(channel: Channel, service: &'static str) -> Channel {
    with_metadata(channel, crate::caller::SERVICE_METADATA, &HeaderValue::from_static(service))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_credentials_is_not_secret() {
        let identity = Some((b"CERTIFICATE".to_vec(), b"PRIVATE KEY".to_vec()));
        let token = Token::Fixed(HeaderValue::from_static("Bearer secret"));
        let access = Access { token, ca: Some(b"CA".to_vec()), identity };
        assert_eq!(format!("{access:?}"), "Access { token: Fixed(..), ca: true, identity: true }");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "secret").unwrap();
        let path = file.path().to_str().unwrap();
        let shown = format!("{:?}", Token::file(path).unwrap());
        assert_eq!(shown, format!("File(TokenFile {{ path: {path:?}, .. }})"));
    }

    #[test]
    fn only_names_are_looked_up() {
        let of = |address| name(address).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(of("http://laurel-orders.laurel.svc:7602").unwrap(), "laurel-orders.laurel.svc 7602");
        assert_eq!(of("https://laurel.test").unwrap(), "laurel.test 443");
        assert_eq!(of("http://localhost/").unwrap(), "localhost 80");
        for literal in ["http://127.0.0.1:7600", "https://[::1]:7600", "unix:///run/laurel", "localhost:7600"]
        {
            assert_eq!(of(literal), None, "{literal}");
        }
    }
}
