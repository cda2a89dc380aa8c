//! The orders service: purchases and deals, tied for good to the attribution in force (O1-O12).
//!
//! | room | what |
//! |---|---|
//! | `rpc/` | the edge, and the only tonic: one file per group of RPCs; proto to domain with field paths |
//! | `domain/` | pure: what an order is, what recording it again does, what an update may change |
//! | `store/` | the only SQL: load and save slices, read lists |
//! | `commands/` | one file per command: an orders slice, asking attribution, importing |
//! | `subscribers/` | the attribution stream: test clocks, erasures |

mod commands;
mod domain;
mod rpc;
mod store;
mod subscribers;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ::rpc::Channel;
use ::rpc::csv::export::Places;
use ::rpc::server::ServiceRoutes;
use batch::{Batcher, Options};
use outbox::{Erasures, Follower, Registry, Source};
use pg::requests::{self, Hasher};
use pg::{Database, Schema};
use proto::orders::audit_service_server::AuditServiceServer;
use proto::orders::erasure_service_server::ErasureServiceServer;
use proto::orders::order_property_service_server::OrderPropertyServiceServer;
use proto::orders::order_service_server::OrderServiceServer;
use runtime::Lifecycle;
use sqlx::migrate::Migrator;
use types::{Clock, OrderId, TenantId};

use crate::commands::{RecordOrders, ReverseOrders, Sweeper, UpdateOrders};
use crate::domain::OrderKey;
use crate::rpc::{Audits, ErasureRpcs, OrderProperties, Orders};
use crate::subscribers::AttributionStream;

/// This service's schema.
pub const SCHEMA: Schema = Schema { name: "orders" };

static OWN: Migrator = sqlx::migrate!("./migrations");

/// All that makes the schema.
pub static MIGRATIONS: &[&Migrator] =
    &[&outbox::MIGRATIONS, &requests::MIGRATIONS, &pg::audit::MIGRATIONS, &OWN];

/// How often old request ids and imports are dropped.
const MAINTENANCE: Duration = Duration::from_hours(1);

/// The services that this one calls.
#[derive(Debug)]
pub struct Upstream {
    /// Attribution.
    pub attribution: Channel,
}

/// What is configured per tenant.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Tenants whose systems use the same order ids: there an order is known by source and id (O1).
    pub scope_by_source: HashSet<TenantId>,
}

impl Settings {
    /// What an order is known by.
    fn key(&self, tenant: &TenantId, source: &str, order_id: OrderId) -> OrderKey {
        let source_scope =
            if self.scope_by_source.contains(tenant) { source.to_owned() } else { String::new() };
        OrderKey { tenant: tenant.clone(), source_scope, order_id }
    }
}

/// Starts the service on its migrated schema; its tasks belong to `lifecycle`.
pub async fn start(
    db: Database,
    clock: Arc<dyn Clock>,
    lifecycle: &Lifecycle,
    upstream: Upstream,
    settings: Settings,
) -> anyhow::Result<ServiceRoutes> {
    requests::maintain(&db, clock.now()).await?;
    commands::forget_imports(&db, clock.now()).await?;
    let hasher = Hasher::load(&db).await?;
    let channel = ::rpc::channel::for_service(upstream.attribution, SCHEMA.name);
    let source = Source::open(db.clone(), lifecycle.stop()).await?;
    let work = RecordOrders::new(db.clone(), Arc::clone(&clock), hasher.clone(), channel.clone());
    let batcher = Batcher::start(work, Options::default());
    let unbatched = RecordOrders::new(db.clone(), Arc::clone(&clock), hasher.clone(), channel.clone());
    let unbatched = Arc::new(unbatched);
    let updates = UpdateOrders::new(db.clone(), Arc::clone(&clock), channel.clone());
    let updates = Batcher::start(updates, Options::default());
    let reversals =
        Batcher::start(ReverseOrders { db: db.clone(), clock: Arc::clone(&clock) }, Options::default());
    let erasures = Erasures::new(db.clone());
    let sweep = erasures.clone().run(Sweeper::new(channel.clone()), Arc::clone(&clock), lifecycle.stop());
    lifecycle.spawn("orders.erasures", sweep);
    let attribution = AttributionStream::new(channel, erasures.clone(), Arc::clone(&clock));
    let follower = Follower::new(db.clone(), attribution.clone(), Arc::clone(&clock));
    lifecycle.spawn("orders.attribution", follower.run(lifecycle.stop()));
    lifecycle.spawn("orders.maintenance", maintain(db.clone(), Arc::clone(&clock), lifecycle.clone()));
    let settings = Arc::new(settings);
    let stop = lifecycle.stop();
    let audits = Audits(db.clone());
    let properties = Registry {
        table: store::properties::DEFINITIONS,
        clock: Arc::clone(&clock),
        erasures: erasures.clone(),
    };
    let exports = Places::default();
    let orders = Orders {
        db,
        clock,
        hasher,
        batcher,
        unbatched,
        updates,
        reversals,
        exports,
        source,
        attribution,
        settings,
        stop,
    };
    let routes = ServiceRoutes::default().with(OrderServiceServer::new(orders));
    Ok(routes
        .with(OrderPropertyServiceServer::new(OrderProperties(properties)))
        .with(ErasureServiceServer::new(ErasureRpcs(erasures)))
        .with(AuditServiceServer::new(audits)))
}

/// Keeps the tables of request ids and imports in bounds; a failed round is made up for by the next.
async fn maintain(db: Database, clock: Arc<dyn Clock>, lifecycle: Lifecycle) -> Result<(), pg::Error> {
    let stop = lifecycle.stop();
    while stop.run_until_cancelled(tokio::time::sleep(MAINTENANCE)).await.is_some() {
        if let Err(error) = requests::maintain(&db, clock.now()).await {
            tracing::warn!(%error, "old request ids are still there");
        }
        if let Err(error) = commands::forget_imports(&db, clock.now()).await {
            tracing::warn!(%error, "old imports are still there");
        }
    }
    Ok(())
}
