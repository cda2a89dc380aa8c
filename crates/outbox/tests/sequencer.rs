//! Position order is commit order, because writers hold the sequencer lock; without it, followers miss events.

use std::time::Duration;

use outbox::{Event, Scope, Source};
use pg::sqlx::{Connection, PgConnection, raw_sql};
use pg::{Database, Schema};
use proto::attribution::{AttributionEvent, WatchAttributionEventsRequest, WatchAttributionEventsResponse};
use testkit::Sandbox;
use tokio::sync::Barrier;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

const UPSTREAM: Schema = Schema { name: "upstream" };
const WRITERS: usize = 4;
const TRANSACTIONS: usize = 100;

async fn sandbox() -> anyhow::Result<Sandbox> {
    Sandbox::new(&[(UPSTREAM, &[&outbox::MIGRATIONS])]).await
}

fn event(writer: usize, n: usize) -> AttributionEvent {
    AttributionEvent { event_id: format!("{writer}/{n}"), tenant_id: "acme".to_owned(), ..Default::default() }
}

/// Follows by position, as a watch does, until every event was seen or the writers are done and nothing more comes.
async fn follow(db: Database, expected: usize) -> anyhow::Result<Vec<String>> {
    let source = Source::open(db, CancellationToken::new()).await?;
    let request = WatchAttributionEventsRequest::default();
    let mut watch = source.watch::<WatchAttributionEventsResponse>(Scope::All, &request).await?;
    let mut seen = Vec::new();
    let read = async {
        while seen.len() < expected {
            let Some(message) = watch.next().await else { break };
            seen.extend(message?.events.into_iter().map(|e| e.event_id));
        }
        anyhow::Ok(())
    };
    // without the lock events are missed, and it would wait for ever
    match tokio::time::timeout(Duration::from_secs(5), read).await {
        Ok(done) => done?,
        Err(_elapsed) => {}
    }
    Ok(seen)
}

async fn write_with_lock(db: &Database, writer: usize, n: usize) -> anyhow::Result<()> {
    let mut tx = db.write().await?;
    outbox::append(&mut tx, pg::Inserts::default(), &[event(writer, n)]).await?;
    Ok(tx.commit().await?)
}

/// What a writer that forgot the lock would do, with the backstop trigger taken away too.
async fn write_without_lock(connection: &mut PgConnection, writer: usize, n: usize) -> anyhow::Result<()> {
    let payload = prost::Message::encode_to_vec(&event(writer, n));
    raw_sql("BEGIN").execute(&mut *connection).await?;
    pg::sqlx::query("INSERT INTO events (tenant_id, payload) VALUES ('acme', $1)")
        .bind(payload)
        .execute(&mut *connection)
        .await?;
    // the time a writer needs for the rest of its work
    raw_sql("SELECT pg_sleep(random() * 0.003)").execute(&mut *connection).await?;
    raw_sql("COMMIT").execute(&mut *connection).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_writers_lose_no_event_and_keep_their_order() -> anyhow::Result<()> {
    let sandbox = sandbox().await?;
    let db = sandbox.database(UPSTREAM).await?;
    let reader = tokio::spawn(follow(db.clone(), WRITERS * TRANSACTIONS));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        // each as if in a process of its own: within one, writers take turns anyway
        let db = sandbox.database(UPSTREAM).await?;
        writers.spawn(async move {
            for n in 0..TRANSACTIONS {
                write_with_lock(&db, writer, n).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    let seen = reader.await??;
    assert_eq!(seen.len(), WRITERS * TRANSACTIONS);
    for writer in 0..WRITERS {
        let own: Vec<&String> = seen.iter().filter(|id| id.starts_with(&format!("{writer}/"))).collect();
        let expected: Vec<String> = (0..TRANSACTIONS).map(|n| format!("{writer}/{n}")).collect();
        assert!(own.into_iter().eq(expected.iter()), "writer {writer} out of order");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_lock_the_same_race_misses_events() -> anyhow::Result<()> {
    let sandbox = sandbox().await?;
    let db = sandbox.database(UPSTREAM).await?;
    raw_sql("ALTER TABLE upstream.events DISABLE TRIGGER events_sequencer")
        .execute(&mut sandbox.admin().await?)
        .await?;
    let reader = tokio::spawn(follow(db.clone(), WRITERS * TRANSACTIONS));
    let start = std::sync::Arc::new(Barrier::new(WRITERS));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (db, start) = (db.clone(), start.clone());
        writers.spawn(async move {
            let mut connection = PgConnection::connect_with(&db.read().connect_options()).await?;
            start.wait().await;
            for n in 0..TRANSACTIONS {
                write_without_lock(&mut connection, writer, n).await?;
                db.wake();
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done??;
    }
    let seen = reader.await??;
    assert!(
        seen.len() < WRITERS * TRANSACTIONS,
        "the race was not lost once in {} tries",
        WRITERS * TRANSACTIONS
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backstop_trigger_holds_a_writer_that_forgot_the_lock() -> anyhow::Result<()> {
    let sandbox = sandbox().await?;
    let db = sandbox.database(UPSTREAM).await?;
    let holder = db.write().await?;
    let mut forgetful = PgConnection::connect_with(&db.read().connect_options()).await?;
    raw_sql("SET lock_timeout = '50ms'").execute(&mut forgetful).await?;
    let refused = write_without_lock(&mut forgetful, 0, 0).await;
    assert!(refused.is_err(), "an append went past the sequencer lock");
    holder.rollback().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_its_own_events_only_and_resumes_at_its_cursor() -> anyhow::Result<()> {
    let sandbox = sandbox().await?;
    let db = sandbox.database(UPSTREAM).await?;
    for (n, tenant) in ["acme", "other", "acme", "other", "acme"].into_iter().enumerate() {
        let mut tx = db.write().await?;
        outbox::append(
            &mut tx,
            pg::Inserts::default(),
            &[AttributionEvent { tenant_id: tenant.to_owned(), ..event(0, n) }],
        )
        .await?;
        tx.commit().await?;
    }
    let source = Source::open(db, CancellationToken::new()).await?;
    let acme = Scope::Tenant("acme".parse()?);
    let request = WatchAttributionEventsRequest::default();
    let mut watch = source.watch::<WatchAttributionEventsResponse>(acme.clone(), &request).await?;
    let first = watch.next().await.ok_or_else(|| anyhow::anyhow!("no message"))??;
    let ids: Vec<&str> = first.events.iter().map(Event::event_id).collect();
    assert_eq!(ids, ["0/0", "0/2", "0/4"]);

    let resumed =
        WatchAttributionEventsRequest { cursor: first.events[0].cursor.clone(), ..Default::default() };
    let mut watch = source.watch::<WatchAttributionEventsResponse>(acme, &resumed).await?;
    let second = watch.next().await.ok_or_else(|| anyhow::anyhow!("no message"))??;
    let ids: Vec<&str> = second.events.iter().map(Event::event_id).collect();
    assert_eq!(ids, ["0/2", "0/4"]);

    let other = Scope::Tenant("other".parse()?);
    let refused = source.watch::<WatchAttributionEventsResponse>(other, &resumed).await.err();
    assert_eq!(refused.map(|s| s.code()), Some(tonic::Code::InvalidArgument));
    Ok(())
}
