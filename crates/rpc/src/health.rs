//! `grpc.health.v1`, split as probes ask for it: `startup` once the service has begun, `live` as long as the process
//! answers, `ready` while it takes calls; besides, each gRPC service by its name, and the empty name as `ready`.

use std::future::Future;

use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus::{self, NotServing, Serving};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// What a process says of itself. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

impl Health {
    /// Alive, and neither started nor ready.
    pub async fn new() -> Self {
        let reporter = HealthReporter::new();
        let health = Self { reporter };
        health.set(&["live"], Serving).await;
        health.set(&["startup", "ready", ""], NotServing).await;
        health
    }

    pub(crate) fn server(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    pub(crate) async fn ready(&self, services: &[&'static str]) {
        self.set(services, Serving).await;
        self.set(&["startup", "ready", ""], Serving).await;
    }

    pub(crate) async fn draining(&self, services: &[&'static str]) {
        self.set(services, NotServing).await;
        self.set(&["ready", ""], NotServing).await;
    }

    async fn set(&self, names: &[&'static str], status: ServingStatus) {
        for name in names {
            self.reporter.set_service_status(*name, status).await;
        }
    }

    /// Serves health alone, in plain text and to everybody: for probes, which know neither TLS nor tokens.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        Server::builder()
            .add_service(self.server())
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), shutdown)
            .await
    }
}
