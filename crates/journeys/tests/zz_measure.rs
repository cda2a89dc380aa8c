//! Temporary.
mod common;
use common::*;
use pg::sqlx;
use proto::attribution as a;
use proto::google::r#type::Money;
use proto::orders as o;
use proto::orders::order_event::Fact;
use types::EventId;

const CONTACTS: u128 = 23_570;
const ORDERS: u128 = 69_659;

fn contact(n: u128) -> String {
    uuid::Uuid::from_u128(0x0189_0000_0000_7000_8000_0000_0000_0000 + n).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure() {
    let stack = Stack::start_with(false, false).await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: OPTIONAL", &LIFECYCLE)).await;
    let adb = stack.sandbox.database(attribution::SCHEMA).await.unwrap();
    let mut events = Vec::new();
    for n in 0..CONTACTS {
        let id: EventId = types::new_id(NOW);
        events.push(a::AttributionEvent {
            event_id: id.to_string(),
            tenant_id: TENANT.into(),
            occurred_at: Some(at(0)),
            recorded_at: Some(at(0)),
            fact: Some(a::attribution_event::Fact::ContactCreated(a::ContactCreated {
                contact_id: contact(n),
                status: 1,
            })),
            ..Default::default()
        });
        if n % 10 != 0 {
            let id: EventId = types::new_id(NOW);
            let att = a::Attribution {
                attribution_id: id.to_string(),
                campaign_id: "c".into(),
                advocate_id: contact(n / 10 * 10),
                contact_id: contact(n),
                state: 1,
                effective_from: Some(at(0)),
                ..Default::default()
            };
            events.push(a::AttributionEvent {
                event_id: id.to_string(),
                tenant_id: TENANT.into(),
                occurred_at: Some(at(0)),
                recorded_at: Some(at(0)),
                fact: Some(a::attribution_event::Fact::AttributionActivated(a::AttributionActivated {
                    attribution: Some(att),
                })),
                ..Default::default()
            });
        }
    }
    for chunk in events.chunks(1000) {
        let mut tx = adb.write().await.unwrap();
        outbox::append(&mut tx, chunk).await.unwrap();
        tx.commit().await.unwrap();
    }
    let odb = stack.sandbox.database(orders::SCHEMA).await.unwrap();
    let mut oevents = Vec::new();
    for n in 0..ORDERS {
        let id: EventId = types::new_id(NOW);
        let c = if n % 3 == 0 { n / 3 } else { (n * 7919) % CONTACTS };
        let order = o::OrderSnapshot {
            order_id: format!("cdnow-{n}"),
            contact_id: contact(c % CONTACTS),
            campaign_id: "c".into(),
            attribution_id: id.to_string(),
            advocate_id: contact(1),
            revenue: Some(Money { currency_code: "USD".into(), units: 25, nanos: 0 }),
            refunded: Some(Money { currency_code: "USD".into(), units: 0, nanos: 0 }),
            occurred_at: Some(at(0)),
            ..Default::default()
        };
        oevents.push(o::OrderEvent {
            event_id: id.to_string(),
            tenant_id: TENANT.into(),
            occurred_at: Some(at(0)),
            recorded_at: Some(at(0)),
            fact: Some(Fact::OrderRecorded(o::OrderRecorded { order: Some(order) })),
            ..Default::default()
        });
    }
    for chunk in oevents.chunks(1000) {
        let mut tx = odb.write().await.unwrap();
        outbox::append(&mut tx, chunk).await.unwrap();
        tx.commit().await.unwrap();
    }
    let until = |name: &'static str, count: usize| {
        let db = stack.db.clone();
        async move {
            let mut commits = db.commits();
            loop {
                let at: Option<i64> =
                    sqlx::query_scalar("SELECT position FROM subscriptions WHERE subscription = $1")
                        .bind(name)
                        .fetch_optional(db.read())
                        .await
                        .unwrap();
                if at.unwrap_or(0) >= i64::try_from(count).unwrap() {
                    return;
                }
                commits.changed().await.unwrap();
            }
        }
    };
    let start = std::time::Instant::now();
    stack.attribution_gate.send_replace(true);
    until("journeys.attribution", events.len()).await;
    let t = start.elapsed();
    eprintln!(
        "attribution: {} events in {t:?}: {:.0}/s",
        events.len(),
        events.len() as f64 / t.as_secs_f64()
    );
    let start = std::time::Instant::now();
    stack.orders_gate.send_replace(true);
    until("journeys.orders", oevents.len()).await;
    let t = start.elapsed();
    eprintln!("orders: {} events in {t:?}: {:.0}/s", oevents.len(), oevents.len() as f64 / t.as_secs_f64());
    if true { tokio::time::sleep(std::time::Duration::from_secs(1)).await; }
    let start = std::time::Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..256_u128 {
        let tenant = tenant.clone();
        calls.spawn(async move {
            for k in 0..40 {
                tenant.enter(&contact(n * 40 + k), "repeat-purchase", &format!("x{k}")).await.unwrap();
            }
        });
    }
    while calls.join_next().await.is_some() {}
    let t = start.elapsed();
    eprintln!("calls: {} in {t:?}: {:.0}/s", 256 * 40, 256.0 * 40.0 / t.as_secs_f64());
    let mut admin = stack.sandbox.admin().await.unwrap();
    let rows: Vec<(String, i64, i64, i64, i64, i64)> = sqlx::query_as("SELECT relname::text, seq_scan, seq_tup_read, coalesce(idx_scan,0), coalesce(idx_tup_fetch,0), n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = 'journeys' ORDER BY 3 DESC").fetch_all(&mut admin).await.unwrap();
    for row in rows { eprintln!("{row:?}"); }
}
