//! Erasures on their way (A13): slice by slice, through crashes, and counted once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, what cannot be had fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use outbox::erasure::{Open, Removed};
use outbox::{EraseError, Eraser, Erasures};
use pg::sqlx::{query, query_as, query_scalar, raw_sql};
use pg::{Database, Schema, WriteTx};
use prost::Message;
use proto::common::{Erasure, ErasurePart, RemovedData};
use proto::rewards::reward_event::Fact;
use proto::rewards::{ContactErased, RewardEvent};
use testkit::Sandbox;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use types::{Clock, ContactId, SystemClock, TenantId, Timestamp, new_id};

const SCHEMA: Schema = Schema { name: "rewards" };
const NOTES: i64 = 25;
/// Notes that one transaction removes.
const AT_ONCE: i64 = 10;

/// Removes notes that name a contact, as often as it may.
#[derive(Clone)]
struct Notes {
    /// Slices that it may remove before it hangs, as a process does that was killed.
    slices: Arc<Semaphore>,
    /// How often its names were given back.
    released: Arc<AtomicUsize>,
    /// How often giving them back fails first.
    refusals: usize,
}

impl Notes {
    fn of(slices: usize) -> Self {
        Self { slices: Arc::new(Semaphore::new(slices)), released: Arc::default(), refusals: 0 }
    }
}

impl Eraser for Notes {
    type Event = RewardEvent;

    async fn names(&self, _: &Open) -> Result<Vec<String>, EraseError> {
        Ok(vec!["ann".to_owned()])
    }

    async fn remove(&self, tx: &mut WriteTx, _: &Open, names: &[String]) -> Result<Removed, pg::Error> {
        let done = query("DELETE FROM notes WHERE n IN (SELECT n FROM notes WHERE name = ANY ($1) LIMIT $2)")
            .bind(names)
            .bind(AT_ONCE)
            .execute(&mut **tx)
            .await?;
        // nothing of this slice is committed yet
        self.slices.acquire().await.unwrap().forget();
        Ok(vec![("notes", done.rows_affected())])
    }

    async fn release(&self, _: &Open) -> Result<(), EraseError> {
        if self.released.fetch_add(1, Ordering::SeqCst) < self.refusals {
            return Err(Status::unavailable("upstream is away").into());
        }
        Ok(())
    }

    fn event(&self, done: &Open, _: Timestamp) -> RewardEvent {
        let (contact_id, parts) = (done.contact.to_string(), done.receipt.parts.clone());
        let fact = Some(Fact::ContactErased(ContactErased { contact_id, parts }));
        RewardEvent { tenant_id: done.tenant.to_string(), fact, ..Default::default() }
    }
}

struct World {
    db: Database,
    tenant: TenantId,
    contact: ContactId,
    _sandbox: Sandbox,
}

impl World {
    async fn new() -> anyhow::Result<Self> {
        let sandbox = Sandbox::new(&[(SCHEMA, &[&outbox::MIGRATIONS])]).await?;
        let db = sandbox.database(SCHEMA).await?;
        raw_sql("CREATE TABLE notes (n serial, name text)").execute(db.read()).await?;
        query("INSERT INTO notes (name) SELECT name FROM generate_series(1, $1), (VALUES ('ann'), ('bob')) v (name)")
            .bind(NOTES)
            .execute(db.read())
            .await?;
        let tenant = "acme".parse().map_err(|e| anyhow::anyhow!("tenant {e}"))?;
        Ok(Self { db, tenant, contact: new_id(SystemClock.now()), _sandbox: sandbox })
    }

    fn erasures(&self) -> Erasures {
        Erasures::new(self.db.clone())
    }

    /// Word comes from journeys; whether it is new.
    async fn told(&self, erasures: &Erasures) -> anyhow::Result<bool> {
        let now = SystemClock.now();
        let mut tx = self.db.write().await?;
        let journeys =
            ErasurePart { completed_at: Some(rpc::fields::wire_time(now)), ..part("journeys", &[]) };
        let open = Open::new((&self.tenant, self.contact), now, &[journeys], None);
        let is_new = erasures.begin(&mut tx, open, &vec![("contacts", 1)], now).await?;
        tx.commit().await?;
        Ok(is_new)
    }

    fn run(erasures: &Erasures, eraser: Notes) -> (tokio::task::JoinHandle<()>, CancellationToken) {
        let stop = CancellationToken::new();
        let running = erasures.clone().run(eraser, Arc::new(SystemClock), stop.clone());
        (tokio::spawn(async { running.await.unwrap_or_else(|never| match never {}) }), stop)
    }

    /// Waits for a state of the database.
    async fn until(&self, what: &'static str) -> anyhow::Result<()> {
        let mut commits = self.db.commits();
        let reached = async {
            while !query_scalar::<_, bool>(what).fetch_one(self.db.read()).await? {
                let _ = tokio::time::timeout(Duration::from_millis(50), commits.changed()).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await?
    }

    async fn events(&self) -> anyhow::Result<Vec<Vec<ErasurePart>>> {
        let rows: Vec<(Vec<u8>,)> =
            query_as("SELECT payload FROM events ORDER BY position").fetch_all(self.db.read()).await?;
        let parts = |(payload,): (Vec<u8>,)| {
            let fact = RewardEvent::decode(payload.as_slice()).unwrap().fact;
            let Some(Fact::ContactErased(erased)) = fact else { panic!("{fact:?}") };
            erased.parts
        };
        Ok(rows.into_iter().map(parts).collect())
    }
}

fn part(service: &str, removed: &[(&str, i64)]) -> ErasurePart {
    let data = |(kind, count): &(&str, i64)| RemovedData { kind: (*kind).to_owned(), count: *count };
    let removed = removed.iter().map(data).collect();
    ErasurePart { service: service.to_owned(), removed, completed_at: None }
}

/// Without its times.
fn timeless(mut parts: Vec<ErasurePart>) -> Vec<ErasurePart> {
    for part in &mut parts {
        part.completed_at = None;
    }
    parts
}

#[tokio::test]
async fn a13_a_crash_half_way_loses_nothing_and_counts_nothing_twice() -> anyhow::Result<()> {
    let world = World::new().await?;
    let erasures = world.erasures();
    assert!(world.told(&erasures).await?);
    assert!(!world.told(&erasures).await?, "told again by the stream, it is known");
    // killed in the second slice: what it has removed is not committed
    let (killed, _) = World::run(&erasures, Notes::of(1));
    world.until("SELECT count(*) = 15 FROM notes WHERE name = 'ann'").await?;
    killed.abort();
    assert!(killed.await.is_err_and(|error| error.is_cancelled()));
    assert!(world.events().await?.is_empty());
    let Erasure { parts, complete, .. } = erasures.receipt(&world.tenant, world.contact).await.unwrap();
    assert_eq!(
        (timeless(parts), complete),
        (vec![part("journeys", &[])], false),
        "its own part is not complete"
    );

    let (running, stop) = World::run(&world.erasures(), Notes::of(100));
    world.until("SELECT completed_at IS NOT NULL FROM erasures").await?;
    stop.cancel();
    running.await?;
    let parts = [part("journeys", &[]), part("rewards", &[("contacts", 1), ("notes", NOTES)])];
    assert_eq!(world.events().await?.into_iter().map(timeless).collect::<Vec<_>>(), [parts.to_vec()]);
    world.until("SELECT array_agg(DISTINCT name) = '{bob}' AND count(*) = 25 FROM notes").await?;
    let receipt = erasures.receipt(&world.tenant, world.contact).await.unwrap();
    assert!(receipt.complete, "rewards is the last");
    Ok(())
}

#[tokio::test]
async fn a13_it_is_complete_only_once_the_names_are_given_back() -> anyhow::Result<()> {
    let world = World::new().await?;
    let erasures = world.erasures();
    let eraser = Notes { refusals: 1, ..Notes::of(100) };
    let (running, stop) = World::run(&erasures, eraser.clone());
    world.told(&erasures).await?;
    world.until("SELECT completed_at IS NOT NULL FROM erasures").await?;
    assert_eq!(eraser.released.load(Ordering::SeqCst), 2, "refused once, and asked again");
    assert_eq!(world.events().await?.len(), 1);
    stop.cancel();
    running.await?;
    Ok(())
}

#[tokio::test]
async fn a13_two_processes_at_the_same_erasure_pass_it_on_once() -> anyhow::Result<()> {
    let world = World::new().await?;
    let (one, other) = (world.erasures(), world.erasures());
    world.told(&one).await?;
    let (first, stop_first) = World::run(&one, Notes::of(100));
    let (second, stop_second) = World::run(&other, Notes::of(100));
    world.until("SELECT completed_at IS NOT NULL FROM erasures").await?;
    stop_first.cancel();
    stop_second.cancel();
    first.await?;
    second.await?;
    let told = world.events().await?;
    let own = |parts: &Vec<ErasurePart>| parts.last().map(|part| part.removed.clone());
    let counted = part("rewards", &[("contacts", 1), ("notes", NOTES)]).removed;
    assert_eq!(told.iter().map(own).collect::<Vec<_>>(), [Some(counted)]);
    Ok(())
}
