//! The rewards service: reward programs and rules, decisions, rewards, the ledger (R).
//!
//! | room | what |
//! |---|---|
//! | `rpc` | the edge: one file per group of RPCs |
//! | [`domain`] | pure rules: judging transitions, states of rewards, postings, verification |
//! | `store` | the only SQL |
//! | `commands` | what changes state: load, decide, save, append events, commit |
//! | [`subscribers`] | the stream of stage transitions |
//! | `holds` | the task that fires holds when they are over |
//! | `events`, `wire` | domain facts and values as the contract writes them |

mod commands;
pub mod domain;
mod events;
mod holds;
mod rpc;
mod store;
pub mod subscribers;
mod wire;

use std::sync::Arc;

use ::rpc::Channel;
use ::rpc::server::ServiceRoutes;
use batch::Batcher;
use commands::erase::Sweeper;
use commands::fire_holds::FireHolds;
use commands::move_rewards::MoveRewards;
use outbox::{Follower, Source};
use pg::Database;
use proto::rewards::audit_service_server::AuditServiceServer;
use proto::rewards::erasure_service_server::ErasureServiceServer;
use proto::rewards::ledger_service_server::LedgerServiceServer;
use proto::rewards::program_service_server::ProgramServiceServer;
use proto::rewards::reward_service_server::RewardServiceServer;
use runtime::Lifecycle;
use sqlx::migrate::Migrator;
use types::Clock;

use crate::rpc::{Audits, ErasureRpcs, Ledger, Programs, Rewards};

/// The schema of this service.
pub const SCHEMA: pg::Schema = pg::Schema { name: "rewards" };

/// What makes the schema.
pub static MIGRATIONS: &[&Migrator] =
    &[&outbox::MIGRATIONS, &pg::requests::MIGRATIONS, &pg::audit::MIGRATIONS, &OWN];

static OWN: Migrator = sqlx::migrate!("./migrations");

/// The services this one listens to.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Journeys: the stream of stage transitions.
    pub journeys: Channel,
}

/// Starts the service: its tasks belong to `lifecycle`, its RPCs are returned.
pub async fn start(
    db: Database,
    clock: Arc<dyn Clock>,
    lifecycle: &Lifecycle,
    upstream: Upstream,
) -> anyhow::Result<ServiceRoutes> {
    pg::requests::maintain(&db, clock.now()).await?;
    store::effects::count_from_zero();
    let source = Source::open(db.clone(), lifecycle.stop()).await?;

    let channel = ::rpc::channel::for_service(upstream.journeys.clone(), "rewards");
    let journeys = subscribers::Journeys::new(db.clone(), Arc::clone(&clock), channel);
    let follower = Follower::new(db.clone(), journeys.clone(), Arc::clone(&clock));
    lifecycle.spawn("rewards.journeys", follower.run(lifecycle.stop()));

    let erasures = journeys.erasures().clone();
    let sweep = erasures.clone().run(Sweeper, Arc::clone(&clock), lifecycle.stop());
    lifecycle.spawn("rewards.erasures", sweep);

    let fire = FireHolds::new(db.clone(), Arc::clone(&clock));
    lifecycle.spawn("rewards.holds", holds::run(db.clone(), Arc::clone(&clock), fire, lifecycle.stop()));

    let work = MoveRewards { db: db.clone(), clock: Arc::clone(&clock) };
    let moves = Batcher::start(work, batch::Options::default());
    let programs = store::programs::Programs::default();
    let rewards = Rewards::new(db.clone(), moves, source, journeys, programs.clone(), Arc::clone(&clock));
    Ok(ServiceRoutes::default()
        .with(ProgramServiceServer::new(Programs::new(db.clone(), Arc::clone(&clock))))
        .with(RewardServiceServer::new(rewards))
        .with(ErasureServiceServer::new(ErasureRpcs(erasures)))
        .with(AuditServiceServer::new(Audits(db.clone())))
        .with(LedgerServiceServer::new(Ledger::new(db, upstream.journeys, programs))))
}
