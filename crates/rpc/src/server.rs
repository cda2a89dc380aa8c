//! Serving: on a socket, with health and reflection, or in memory.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, layer};

use crate::channel::Channel;
use crate::layers::{Limits, Stack};

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
            Stack::inner(self.routes(), Limits::default()).map_err(|never| match never {}),
        )
    }

    fn routes(&self) -> Routes {
        self.adders.iter().fold(Routes::default(), |routes, add| add(routes))
    }
}

/// Serves `services` with health and reflection until `shutdown`; then stops accepting and lets calls finish.
pub async fn serve(
    services: ServiceRoutes,
    listener: TcpListener,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    set_serving(&health, services.names()).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let names = services.names.clone();
    let routes = services
        .routes()
        .add_service(health_service)
        // older clients, Python's among them, know only v1alpha
        .add_service(reflection().build_v1alpha()?)
        .add_service(reflection().build_v1()?);
    // Nagle would hold back small answers
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .layer(layer::layer_fn(move |routes: Routes| Stack::edge(routes, &names, limits)))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await?;
    Ok(())
}

async fn set_serving(health: &HealthReporter, names: &[&'static str]) {
    for name in names {
        health.set_service_status(*name, tonic_health::ServingStatus::Serving).await;
    }
}
