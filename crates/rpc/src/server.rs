//! Serving: on a socket, with health and reflection, or in memory.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic_health::pb::health_server;
use tonic_reflection::pb::v1::server_reflection_server as v1;
use tonic_reflection::pb::v1alpha::server_reflection_server as v1alpha;
use tonic_reflection::server as reflection;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, layer};

use crate::auth::{Gate, MethodsError};
use crate::channel::Channel;
use crate::health::Health;
use crate::layers::Stack;
use crate::limits::Limits;

/// How long a connection may be silent, unless somebody is in a hurry.
pub const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Why serving failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The descriptors of the contracts cannot be served.
    #[error("reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The socket failed.
    #[error("serving failed: {0}")]
    Transport(#[from] tonic::transport::Error),
}

type Adder = Arc<dyn Fn(Routes) -> Routes + Send + Sync>;

/// The gRPC servers of one service.
#[derive(Clone, Default)]
pub struct ServiceRoutes {
    adders: Vec<Adder>,
    names: Vec<&'static str>,
}

impl std::fmt::Debug for ServiceRoutes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceRoutes").field("names", &self.names).finish_non_exhaustive()
    }
}

impl ServiceRoutes {
    /// Adds one generated gRPC server.
    #[must_use]
    pub fn with<S>(mut self, server: S) -> Self
    where
        S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.adders.push(Arc::new(move |routes| routes.add_service(server.clone())));
        self.names.push(S::NAME);
        self
    }

    /// These servers and those of `other`.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        self.adders.extend(other.adders.iter().cloned());
        self.names.extend(&other.names);
        self
    }

    /// Names of the gRPC services, such as `laurel.orders.v1.OrderService`.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// A channel to these servers that never leaves memory.
    pub fn channel(&self) -> Channel {
        BoxCloneSyncService::new(
            Stack::inner(self.routes(), Limits::default())
                .map_request(crate::trace::inject)
                .map_err(|never| match never {}),
        )
    }

    fn routes(&self) -> Routes {
        self.adders.iter().fold(Routes::default(), |routes, add| add(routes))
    }
}

/// How to serve.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who is let in.
    pub gate: Gate,
    /// Bounds of the edge.
    pub limits: Limits,
    /// Certificate and key, and the CA of client certificates; none for plain text.
    pub tls: Option<ServerTlsConfig>,
    /// A connection takes no new calls when it is about this old, and closes when those on it are done, so that clients spread over
    /// new replicas; none: never. [`Limits::stream_age`] sees to it that streams are done some day.
    pub connection_age: Option<Duration>,
    /// A connection that has been silent for so long is asked whether anybody is there, and closed after as long again.
    pub keep_alive: Duration,
}

impl Options {
    /// Plain text, for callers who are believed: loopback only.
    pub fn open() -> Result<Self, MethodsError> {
        Ok(Self {
            gate: Gate::open()?,
            limits: Limits::default(),
            tls: None,
            connection_age: None,
            keep_alive: KEEP_ALIVE,
        })
    }
}

/// Serves `services` with health and reflection until `shutdown`; then stops accepting and lets calls finish.
pub async fn serve(
    services: ServiceRoutes,
    listener: TcpListener,
    options: Options,
    health: Health,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let Options { gate, limits, tls, connection_age, keep_alive } = options;
    let names = services.names.clone();
    let routes = services
        .routes()
        .add_service(health.server())
        // older clients, Python's among them, know only v1alpha
        .add_service(reflection(&names).build_v1alpha()?)
        .add_service(reflection(&names).build_v1()?);
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(keep_alive))
        .http2_keepalive_timeout(Some(keep_alive));
    if let Some(age) = connection_age {
        // its own grace would cut off calls without a word when both are over, and say nothing to clients before
        server = server.max_connection_age(age);
    }
    if let Some(tls) = tls {
        server = server.tls_config(tls)?;
    }
    health.ready(&names).await;
    let serving = names.clone();
    let stop = CancellationToken::new();
    let told = stop.clone();
    let stopping = async {
        shutdown.await;
        health.draining(&serving).await;
        // who watches the health has heard it by now, and would keep its connection for ever
        told.cancel();
    };
    server
        .layer(layer::layer_fn(move |routes: Routes| {
            Stack::edge(routes, &names, limits, gate.clone(), stop.clone())
        }))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming(listener), stopping)
        .await?;
    Ok(())
}

/// Tells of all contracts, since files import each other, and lists the services that are served.
fn reflection(names: &[&str]) -> reflection::Builder<'static> {
    let beside = [health_server::SERVICE_NAME, v1::SERVICE_NAME, v1alpha::SERVICE_NAME];
    let files = [
        proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let builder = files
        .into_iter()
        .fold(reflection::Builder::configure(), reflection::Builder::register_encoded_file_descriptor_set);
    names.iter().copied().chain(beside).fold(builder, reflection::Builder::with_service_name)
}

// Nagle would hold back small answers
fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// What a client of HTTP/2 begins with: that it is one, and settings, of which there are none.
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    /// How a frame begins that asks whether anybody is there: 8 bytes long, of kind 6, no answer.
    const PING: &[u8] = b"\0\0\x08\x06\0";

    #[tokio::test]
    async fn a_peer_that_answers_no_ping_is_hung_up_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let options = Options { keep_alive: Duration::from_millis(50), ..Options::open().unwrap() };
        let (health, never) = (Health::new().await, std::future::pending());
        let serving = tokio::spawn(serve(ServiceRoutes::default(), listener, options, health, never));
        peer.write_all(PREFACE).await.unwrap();
        let mut said = Vec::new();
        let hung_up = tokio::time::timeout(Duration::from_secs(20), peer.read_to_end(&mut said)).await;
        assert!(hung_up.is_ok(), "still connected, after {said:?}");
        assert!(said.windows(PING.len()).any(|bytes| bytes == PING), "hung up without a question: {said:?}");
        serving.abort();
    }
}
