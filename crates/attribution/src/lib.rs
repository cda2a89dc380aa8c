//! The attribution service: contacts, segments, campaigns, codes, visits, attributions, test clocks. It listens to nobody, and
//! everything begins here.
//!
//! | room | what |
//! |---|---|
//! | `rpc/` | the edge: one file per gRPC service; contract to domain with field paths, and errors |
//! | `domain/` | the rules, purely |
//! | `store/` | the only SQL: slices in, slices out |
//! | `commands/` | one file per command: load, decide each, save all, append events, commit |
//! | `wire.rs` | the domain in the form of the contract, for answers and events alike |
//!
//! An attempt goes: `rpc/attributions.rs` reads it; `commands/record_attempts.rs` puts it into a slice, loads what the
//! slice needs through `store/`; `domain/evidence.rs` weighs the evidence, `domain/attempt.rs` decides; `store/` saves
//! and appends the events; the answer goes back through `wire.rs`.

mod commands;
mod domain;
mod rpc;
mod store;
mod wire;

use std::sync::Arc;

use ::rpc::csv::export::Places;
use ::rpc::server::ServiceRoutes;
use batch::{Batcher, Options};
use commands::change_contacts::ChangeContacts;
use commands::erase_contact::Sweeper;
use commands::fill_segments::Filler;
use commands::import_coupons::ImportCoupons;
use commands::issue_shortcodes::IssueShortcodes;
use commands::maintain;
use commands::move_attributions::MoveAttributions;
use commands::record_attempts::RecordAttempts;
use commands::record_visits::RecordVisits;
use commands::rules::Rules;
use outbox::{Erasures, Registry, Source};
use pg::Database;
use pg::requests::Hasher;
use pg::sqlx::migrate::Migrator;
use runtime::Lifecycle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use types::Clock;

/// The service's schema.
pub const SCHEMA: pg::Schema = pg::Schema { name: "attribution" };

static OWN: Migrator = pg::sqlx::migrate!("./migrations");

/// What makes the schema.
pub static MIGRATIONS: &[&Migrator] =
    &[&outbox::MIGRATIONS, &pg::requests::MIGRATIONS, &pg::audit::MIGRATIONS, &OWN];

/// What every call works with.
#[derive(Debug)]
struct App {
    db: Database,
    clock: Arc<dyn Clock>,
    source: Source,
    hasher: Hasher,
    attempts: Batcher<RecordAttempts>,
    moves: Batcher<MoveAttributions>,
    contacts: Batcher<ChangeContacts>,
    codes: Batcher<IssueShortcodes>,
    coupons: Batcher<ImportCoupons>,
    visits: Batcher<RecordVisits>,
    erasures: Erasures,
    properties: Registry,
    /// Places of exports that read.
    exports: Places,
    /// Compiled rules of segments.
    rules: Rules,
    /// Wakes what fills segments by their rules.
    fill: Arc<Notify>,
    /// Ends what goes on by itself.
    stop: CancellationToken,
}

/// Starts the service on its schema: upkeep, the stream, the batchers. What it returns is to be served.
pub async fn start(
    db: Database,
    clock: Arc<dyn Clock>,
    lifecycle: &Lifecycle,
) -> anyhow::Result<ServiceRoutes> {
    maintain::once(&db, &*clock).await?;
    lifecycle.spawn("attribution upkeep", maintain::run(db.clone(), Arc::clone(&clock), lifecycle.stop()));
    let erasures = Erasures::new(db.clone());
    let sweep = erasures.clone().run(Sweeper, Arc::clone(&clock), lifecycle.stop());
    lifecycle.spawn("attribution erasures", sweep);
    let (rules, fill) = (Rules::default(), Arc::new(Notify::new()));
    let filler =
        Filler { db: db.clone(), clock: Arc::clone(&clock), rules: rules.clone(), wake: Arc::clone(&fill) };
    lifecycle.spawn("attribution segments", filler.run(lifecycle.stop()));
    let app = App {
        source: Source::open(db.clone(), lifecycle.stop()).await?,
        hasher: Hasher::load(&db).await?,
        attempts: Batcher::start(
            RecordAttempts { db: db.clone(), clock: Arc::clone(&clock), rules: rules.clone() },
            Options::default(),
        ),
        moves: Batcher::start(
            MoveAttributions { db: db.clone(), clock: Arc::clone(&clock) },
            Options::default(),
        ),
        contacts: Batcher::start(
            ChangeContacts { db: db.clone(), clock: Arc::clone(&clock), rules: rules.clone() },
            Options::default(),
        ),
        codes: Batcher::start(
            IssueShortcodes { db: db.clone(), clock: Arc::clone(&clock) },
            Options::default(),
        ),
        coupons: Batcher::start(
            ImportCoupons { db: db.clone(), clock: Arc::clone(&clock) },
            Options::default(),
        ),
        visits: Batcher::start(
            RecordVisits { db: db.clone(), clock: Arc::clone(&clock) },
            Options::default(),
        ),
        properties: Registry {
            table: store::DEFINITIONS,
            clock: Arc::clone(&clock),
            erasures: erasures.clone(),
        },
        erasures,
        exports: Places::default(),
        rules,
        fill,
        stop: lifecycle.stop(),
        db,
        clock,
    };
    Ok(rpc::routes(&Arc::new(app)))
}
