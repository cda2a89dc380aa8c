//! The four services in one process. They call each other through the same generated clients as across a network, over
//! channels that never leave memory; each has its own schema and its own role.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Context;
use pg::{Database, Server};
use rpc::Channel;
use rpc::server::ServiceRoutes;
use runtime::Lifecycle;
use types::{Clock, SystemClock, TenantId};

use crate::cli::Service;
use crate::storage::Storage;

/// Connections in each service's pool; four services share the cluster's hundred.
const CONNECTIONS: u32 = 10;

/// All four services, running.
#[derive(Debug)]
pub struct Platform {
    /// What they serve.
    pub routes: ServiceRoutes,
}

impl Platform {
    /// Prepares the database, then starts the services up to `last`, upstream first.
    pub async fn start(
        storage: &Storage,
        lifecycle: &Lifecycle,
        scope_orders_by_source: HashSet<TenantId>,
        last: Service,
    ) -> anyhow::Result<Self> {
        let server = &storage.server;
        prepare(server).await.context("preparing the database")?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let open = async |schema| {
            let db = Database::connect(server.service(schema), schema, CONNECTIONS).await?;
            Ok::<_, pg::Error>(if storage.is_private() { db.alone() } else { db })
        };

        let attribution =
            attribution::start(open(attribution::SCHEMA).await?, Arc::clone(&clock), lifecycle).await?;
        let upstream = orders::Upstream { attribution: attribution.channel() };
        let settings = orders::Settings { scope_by_source: scope_orders_by_source };
        let orders =
            orders::start(open(orders::SCHEMA).await?, Arc::clone(&clock), lifecycle, upstream, settings)
                .await?;
        let routes = attribution.merge(&orders);
        if last < Service::Journeys {
            return Ok(Self { routes });
        }
        let upstream = journeys::Upstream { attribution: routes.channel(), orders: routes.channel() };
        let journeys =
            journeys::start(open(journeys::SCHEMA).await?, Arc::clone(&clock), lifecycle, upstream).await?;
        let routes = routes.merge(&journeys);
        if last < Service::Rewards {
            return Ok(Self { routes });
        }
        let upstream = rewards::Upstream { journeys: journeys.channel() };
        let rewards = rewards::start(open(rewards::SCHEMA).await?, clock, lifecycle, upstream).await?;

        Ok(Self { routes: routes.merge(&rewards) })
    }

    /// A channel to the services that never leaves memory.
    pub fn channel(&self) -> Channel {
        self.routes.channel()
    }
}

/// Database, roles, schemas, migrations.
async fn prepare(server: &Server) -> Result<(), pg::Error> {
    server.create_database().await?;
    let schemas = [attribution::SCHEMA, orders::SCHEMA, journeys::SCHEMA, rewards::SCHEMA];
    server.create_schemas(&schemas).await?;
    server.migrate(attribution::SCHEMA, attribution::MIGRATIONS).await?;
    server.migrate(orders::SCHEMA, orders::MIGRATIONS).await?;
    server.migrate(journeys::SCHEMA, journeys::MIGRATIONS).await?;
    server.migrate(rewards::SCHEMA, rewards::MIGRATIONS).await
}

/// Reads a comma-separated list of tenants.
pub fn tenants(list: &str) -> anyhow::Result<HashSet<TenantId>> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| name.parse().map_err(|e| anyhow::anyhow!("tenant `{name}` {e}"))).collect()
}
