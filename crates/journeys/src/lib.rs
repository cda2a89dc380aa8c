//! The journeys service: definitions, runs, transitions and funnels (J).
//!
//! | room | what |
//! |---|---|
//! | [`rpc`] | the edge, and the only tonic |
//! | [`wire`] | domain to proto, for answers and for the stream |
//! | [`domain`] | the rules, pure: definitions, runs, what an event or a call does |
//! | [`store`] | the only SQL: load and save slices, lists, counters |
//! | [`commands`] | ApplyJourney, EnterStage, timers that are due; counting funnels anew |
//! | [`timers`] | the task that fires them in time |
//! | [`subscribers`] | the streams of attribution and orders |
//!
//! The way of an order event: [`subscribers::orders`] holds it until its attribution is known and reads it;
//! [`store::load`] brings the contact's runs; [`domain::slice`] judges the triggers of all journeys; [`store::save`]
//! writes runs, transitions and counters; [`commands::conclude`] appends the events. One transaction, cursor included.

mod commands;
pub mod domain;
mod rpc;
mod store;
mod subscribers;
mod timers;
mod wire;

use std::sync::Arc;

use ::rpc::Channel;
use ::rpc::channel::for_service;
use ::rpc::server::ServiceRoutes;
use batch::Batcher;
use outbox::{Erasures, Follower, Source};
use pg::Database;
use proto::journeys::audit_service_server::AuditServiceServer;
use proto::journeys::erasure_service_server::ErasureServiceServer;
use proto::journeys::funnel_service_server::FunnelServiceServer;
use proto::journeys::journey_service_server::JourneyServiceServer;
use proto::journeys::run_service_server::RunServiceServer;
use runtime::Lifecycle;
use sqlx::migrate::Migrator;
use types::Clock;

use crate::commands::Engine;
use crate::commands::enter_stage::EnterStages;
use crate::commands::fire_timers::FireTimers;
use crate::store::definitions::Definitions;
pub use crate::subscribers::attribution::AttributionEvents;
pub use crate::subscribers::orders::OrderEvents;
use crate::timers::Alarm;

static OWN: Migrator = sqlx::migrate!("./migrations");

/// The JSON Schema of definitions, for editors; it takes whatever [`domain::yaml`] takes, as far as a schema can say it.
pub const DEFINITION_SCHEMA: &str = include_str!("../../../docs/schemas/journey.schema.json");

/// The service's schema.
pub const SCHEMA: pg::Schema = pg::Schema { name: "journeys" };

/// What makes the schema.
pub static MIGRATIONS: &[&Migrator] = &[&outbox::MIGRATIONS, &pg::audit::MIGRATIONS, &OWN];

/// The services whose streams this one follows.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Attribution.
    pub attribution: Channel,
    /// Orders.
    pub orders: Channel,
}

/// Both subscriptions of this service, ready to be followed.
pub fn subscribers(
    db: &Database,
    clock: &Arc<dyn Clock>,
    upstream: Upstream,
) -> (AttributionEvents, OrderEvents) {
    let (definitions, alarm) = (Definitions::default(), Alarm::default());
    let engine = Engine { definitions, clock: Arc::clone(clock), alarm };
    let timers = FireTimers { db: db.clone(), engine };
    let attribution =
        AttributionEvents { channel: for_service(upstream.attribution, "journeys"), timers: timers.clone() };
    let orders = OrderEvents {
        channel: for_service(upstream.orders, "journeys"),
        timers,
        attribution: subscribers::orders::AttributionCursor::new(db.clone()),
        erasures: Erasures::new(db.clone()),
    };
    (attribution, orders)
}

/// Starts the service: its followers and batchers as tasks of `lifecycle`, its servers as routes.
pub async fn start(
    db: Database,
    clock: Arc<dyn Clock>,
    lifecycle: &Lifecycle,
    upstream: Upstream,
) -> anyhow::Result<ServiceRoutes> {
    let (attribution, orders) = subscribers(&db, &clock, upstream);
    let engine = attribution.timers.engine.clone();
    commands::recount_funnels::recount_funnels(&db, &engine.definitions).await?;
    let stop = lifecycle.stop();
    let follower = Follower::new(db.clone(), attribution.clone(), Arc::clone(&clock));
    lifecycle.spawn("journeys.attribution", follower.run(stop.clone()));
    let follower = Follower::new(db.clone(), orders.clone(), Arc::clone(&clock));
    lifecycle.spawn("journeys.orders", follower.run(stop.clone()));
    lifecycle.spawn("journeys.timers", timers::run(attribution.timers.clone(), stop.clone()));
    let work = EnterStages { db: db.clone(), engine: engine.clone() };
    let audits = rpc::audit::Audits(db.clone());
    let erasures = rpc::erasures::ErasureRpcs(orders.erasures.clone());
    let server = rpc::Server {
        source: Source::open(db.clone(), stop).await?,
        entries: Batcher::start(work, batch::Options::default()),
        db,
        engine,
        attribution,
        orders,
    };
    Ok(ServiceRoutes::default()
        .with(JourneyServiceServer::new(server.clone()))
        .with(RunServiceServer::new(server.clone()))
        .with(FunnelServiceServer::new(server))
        .with(ErasureServiceServer::new(erasures))
        .with(AuditServiceServer::new(audits)))
}
