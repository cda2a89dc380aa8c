//! Networks and connections that fail.

use std::path::Path;

use orders::Settings;
use pg::Database;
use proto::attribution::Outcome;
use proto::common::ErrorReason as Reason;
use proto::orders::{self as v1, RecordResult};
use testkit::Proxy;
use tonic::Code;

use crate::common::*;

#[tokio::test]
async fn o7_without_attributions_word_nothing_is_recorded() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    world.network.lose(1);
    refused(acme.try_record(by_code("o-1", "eve", "ANN10")).await, Code::Unavailable, "UNAVAILABLE");
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM events").await, 0);
    let (recorded, result) = acme.record(by_code("o-1", "eve", "ANN10")).await;
    assert_eq!((result, recorded.outcome()), (RecordResult::Recorded, Outcome::Attributed));
}

#[tokio::test]
async fn what_is_recorded_already_is_answered_without_attribution() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 100)).await;
    world.network.lose(usize::MAX);
    assert_eq!(acme.record(order("o-1", "eve", 100)).await.1, RecordResult::AlreadyRecorded);
    assert_eq!(acme.update(order("o-1", "eve", 80)).await.unwrap().result(), RecordResult::Updated);
}

#[tokio::test]
async fn nothing_of_a_batch_overtakes_an_order_that_failed() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    // several slices; the first call for attribution is lost, the others would arrive
    let mut requests = vec![request(by_code("o-0", "eve", "ANN10"))];
    requests.extend((1..1000).map(|n| {
        request(v1::NewOrder { campaign_id: "spring".into(), ..order(&format!("o-{n}"), "eve", 100) })
    }));
    world.network.lose(1);
    let answers = acme.batch(requests.clone()).await;
    let unavailable = |a: &v1::BatchRecordOrdersResult| {
        a.error.as_ref().is_some_and(|error| error.reason() == Reason::Unavailable)
    };
    assert!(answers.iter().all(unavailable));
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
    // the same batch again: every order has the attribution that the first one brought
    assert!(acme.batch(requests).await.iter().all(|answer| answer.response.is_some()));
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE attribution_id IS NOT NULL").await, 1000);
}

#[tokio::test]
async fn o10_an_import_tries_again_and_keeps_its_order() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let mut file =
        "order_id,email,revenue,campaign,shortcode\no-0,eve@example.com,1,spring,ANN10\n".to_owned();
    file.extend((1..1500).map(|n| format!("o-{n},eve@example.com,1,spring,\n")));
    world.network.lose(2);
    let (rejected, summary) = acme.import(options(&[]), vec![file.into_bytes()]).await;
    assert_eq!(rejected, []);
    assert_eq!(summary.unwrap().recorded, 1500);
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE attribution_id IS NOT NULL").await, 1500);
    // recorded in the order of the file
    let disorder = "SELECT count(*) FROM (
                        SELECT substr(order_id, 3)::int - lag(substr(order_id, 3)::int) OVER (ORDER BY id) AS step
                          FROM orders) AS steps
                     WHERE step <> 1";
    assert_eq!(world.count(disorder).await, 0);
}

#[tokio::test]
async fn o10_an_import_that_cannot_go_on_ends_and_may_be_run_again() {
    let world = World::start().await;
    let acme = world.of("acme");
    let file = b"order_id,email,revenue\no-1,eve@example.com,1\no-2,eve@example.com,2\n".to_vec();
    world.network.lose(usize::MAX);
    let (_, end) = acme.import(options(&[]), vec![file.clone()]).await;
    refused(end, Code::Unavailable, "UNAVAILABLE");
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
    world.network.lose(0);
    let (_, summary) = acme.import(options(&[]), vec![file]).await;
    assert_eq!(summary.unwrap().recorded, 2);
}

#[tokio::test]
async fn a_write_that_keeps_losing_is_aborted_and_may_be_repeated() {
    let world = World::start().await;
    let acme = world.of("acme");
    let mut admin = world.sandbox.admin().await.unwrap();
    let lose = "CREATE FUNCTION orders.lose() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = 'serialization_failure'; END $$;
                CREATE TRIGGER lose BEFORE INSERT ON orders.orders EXECUTE FUNCTION orders.lose();
                GRANT EXECUTE ON FUNCTION orders.lose() TO PUBLIC";
    sqlx::raw_sql(lose).execute(&mut admin).await.unwrap();
    refused(acme.try_record(order("o-1", "eve", 100)).await, Code::Aborted, "CONTENTION");
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
    sqlx::raw_sql("DROP TRIGGER lose ON orders.orders").execute(&mut admin).await.unwrap();
    assert_eq!(acme.record(order("o-1", "eve", 100)).await.1, RecordResult::Recorded);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_records_what_it_took() {
    let world = World::start().await;
    let acme = world.of("acme");
    // whoever writes waits for this, and the queue fills up behind it
    let mut admin = world.sandbox.admin().await.unwrap();
    sqlx::raw_sql("SELECT pg_advisory_lock(hashtext('orders'), 0)").execute(&mut admin).await.unwrap();
    let heavy = |n: usize| {
        let line = v1::LineItem {
            sku: "s".repeat(128),
            name: "n".repeat(200),
            quantity: 1,
            unit_price: order("o", "eve", 1).revenue,
        };
        v1::NewOrder { line_items: vec![line; 200], ..order(&format!("o-{n}"), "eve", 100) }
    };
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..300 {
        let (acme, order) = (acme.clone(), heavy(n));
        calls.spawn(async move { acme.try_record(order).await });
    }
    let first = calls.join_next().await.unwrap().unwrap();
    refused(first, Code::ResourceExhausted, "OVERLOADED");
    sqlx::raw_sql("SELECT pg_advisory_unlock(hashtext('orders'), 0)").execute(&mut admin).await.unwrap();
    let mut recorded = 0;
    for answer in calls.join_all().await {
        match answer {
            Ok(_) => recorded += 1,
            Err(status) => drop(refused::<()>(Err(status), Code::ResourceExhausted, "OVERLOADED")),
        }
    }
    assert!(recorded > 0);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, recorded);
}

/// Orders behind a proxy that can cut its connections.
async fn behind_a_proxy() -> (World, Proxy) {
    let socket = std::env::var(testkit::CLUSTER).unwrap();
    let proxy = Proxy::start(Path::new(&socket)).unwrap();
    let sandbox = sandbox().await;
    let through = sandbox.server().service(orders::SCHEMA).socket(proxy.socket_dir());
    let db = Database::connect(through, orders::SCHEMA, 8).await.unwrap();
    let world = World::on(sandbox, db, Settings::default()).await;
    // so that the next commit is the one meant
    world.follows().await;
    (world, proxy)
}

#[tokio::test]
async fn a_connection_cut_between_commit_and_its_answer_leaves_exactly_one_order() {
    let (world, proxy) = behind_a_proxy().await;
    let acme = world.of("acme");
    acme.program().await;
    acme.record(order("warm-up", "mallory", 1)).await;
    proxy.cut_next_commit();
    refused(acme.try_record(by_code("o-1", "eve", "ANN10")).await, Code::Unavailable, "UNAVAILABLE");
    assert!(proxy.has_cut());
    // it was committed, and the caller's retry meets the natural key
    let (recorded, result) = acme.record(by_code("o-1", "eve", "ANN10")).await;
    assert_eq!((result, recorded.outcome()), (RecordResult::AlreadyRecorded, Outcome::Attributed));
    assert_eq!(world.count("SELECT count(*) FROM orders WHERE order_id = 'o-1'").await, 1);
    assert_eq!(acme.events().await.len(), 2, "the warm-up and this one");
}

#[tokio::test]
async fn a_connection_cut_in_an_import_loses_and_doubles_nothing() {
    let (world, proxy) = behind_a_proxy().await;
    let acme = world.of("acme");
    acme.record(order("warm-up", "mallory", 1)).await;
    let mut file = "order_id,email,revenue\n".to_owned();
    file.extend((0..2000).map(|n| format!("o-{n},c{}@example.com,1\n", n % 50)));
    proxy.cut_next_commit();
    let (rejected, summary) = acme.import(options(&[]), vec![file.into_bytes()]).await;
    assert!(proxy.has_cut());
    let summary = summary.unwrap();
    assert_eq!((rejected.len(), summary.rows), (0, 2000));
    assert!(summary.already_recorded > 0, "the slice whose answer was lost");
    assert_eq!(summary.recorded + summary.already_recorded, 2000);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 2001);
    assert_eq!(world.count("SELECT count(*) FROM events").await, 2001);
}
