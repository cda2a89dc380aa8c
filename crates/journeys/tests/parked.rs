//! Events that cannot be understood are set aside, and nothing else is; two followers do the work of one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::*;
use pg::sqlx;
use prost::Message;
use proto::google::r#type::Money;
use proto::journeys as j;
use proto::orders as o;
use proto::orders::order_event::Fact;

/// An order as the orders service could never have told it.
fn raw(contact: &str, currency: &str) -> o::OrderEvent {
    let order = o::OrderSnapshot {
        order_id: "o1".into(),
        contact_id: contact.into(),
        campaign_id: "c".into(),
        revenue: Some(Money { currency_code: currency.into(), units: 5, nanos: 0 }),
        occurred_at: Some(at(0)),
        ..Default::default()
    };
    o::OrderEvent {
        event_id: "01890000-0000-7000-8000-00000000000e".into(),
        tenant_id: TENANT.into(),
        occurred_at: Some(at(0)),
        fact: Some(Fact::OrderRecorded(o::OrderRecorded { order: Some(order) })),
        ..Default::default()
    }
}

async fn parked(tenant: &Tenant) -> Vec<proto::common::ParkedEvent> {
    tenant.runs().list_parked(j::ListParkedRequest::default()).await.unwrap().into_inner().parked
}

/// A line of what Prometheus reads.
fn is_told(line: &str) -> bool {
    observe::metrics::text().lines().any(|told| told == line)
}

#[tokio::test]
async fn an_event_that_cannot_be_understood_is_parked_with_those_behind_it_and_retried_in_order() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &LIFECYCLE)).await;
    let contact = tenant.contact("a@example.com").await;
    let mut admin = stack.sandbox.admin().await.unwrap();
    let insert = "INSERT INTO orders.events (tenant_id, payload) VALUES ($1, $2)";
    let payload = raw(&contact, "XXX").encode_to_vec();
    sqlx::query(insert).bind(TENANT).bind(payload).execute(&mut admin).await.unwrap();
    for id in ["o2", "o3"] {
        tenant.record(order(id, "a@example.com", 10)).await;
    }
    let other = tenant.record(order("o4", "b@example.com", 10)).await;
    assert_eq!(story(&tenant.run_of(&other.contact_id, 1).await), ["first-purchase/o4"]);
    let list = tenant
        .eventually(async || {
            let list = parked(&tenant).await;
            (list.len() == 3).then_some(list)
        })
        .await;
    assert!(list[0].reason.starts_with("order.revenue.currency_code "), "{}", list[0].reason);
    assert!(list[1..].iter().all(|e| e.reason.contains("behind") && e.contact_id == contact));
    assert_eq!(reason(&tenant.run(&contact).await.unwrap_err()), "RUN_NOT_FOUND");
    let told = async |count| {
        let line = format!(r#"laurel_parked_events{{subscription="journeys.orders"}} {count}"#);
        tenant.eventually(async || is_told(&line).then_some(())).await;
    };
    told(3).await;

    let retry = j::RetryParkedRequest { parked_id: list[0].parked_id };
    let failed = tenant.runs().retry_parked(retry).await.unwrap().into_inner();
    assert_eq!((failed.applied, failed.reason.is_empty()), (0, false));
    assert_eq!(parked(&tenant).await[0].attempts, 2);

    let mend = "UPDATE journeys.parked SET payload = $1 WHERE parked_id = $2";
    let payload = raw(&contact, "USD").encode_to_vec();
    sqlx::query(mend).bind(payload).bind(list[0].parked_id).execute(&mut admin).await.unwrap();
    let mended = tenant.runs().retry_parked(retry).await.unwrap().into_inner();
    assert_eq!((mended.applied, &*mended.reason), (3, ""));
    let run = tenant.run(&contact).await.unwrap();
    assert_eq!(story(&run), ["first-purchase/o1", "repeat-purchase/o2", "repeat-purchase/o3"]);
    assert!(parked(&tenant).await.is_empty());
    told(0).await;
}

#[tokio::test]
async fn two_followers_of_one_subscription_have_exactly_the_effects_of_one() {
    // the first pair of followers is held back; these race each other
    let stack = Stack::start_with(false, false).await;
    let tenant = stack.tenant(TENANT);
    tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &LIFECYCLE)).await;
    let requests = (0..300).map(|n| {
        let email = format!("c{}@example.com", n % 60);
        let id = format!("o{n}");
        let order = if n < 60 { referred(&id, &email, 10, "ANN10") } else { order(&id, &email, 10) };
        o::RecordOrderRequest { order: Some(order), ..Default::default() }
    });
    let request = o::BatchRecordOrdersRequest { requests: requests.collect() };
    stack.follow_once_more();
    stack.follow_once_more();
    tenant.orders().batch_record_orders(request).await.unwrap();
    stack.caught_up().await;
    let counts = |query: &'static str| sqlx::query_scalar::<_, i64>(query).fetch_one(stack.db.read());
    assert_eq!(counts("SELECT count(*) FROM transitions").await.unwrap(), 360);
    assert_eq!(counts("SELECT count(*) FROM runs WHERE transitions = 6").await.unwrap(), 60);
    assert_eq!(counts("SELECT max(number)::bigint FROM transitions").await.unwrap(), 6);
    let entered = "SELECT count(*) FROM events WHERE position > 0";
    let enrolled = 1;
    assert_eq!(counts(entered).await.unwrap(), 360 + enrolled);
    let stages = tenant.funnel().await.stages;
    assert_eq!(
        stages.iter().map(|s| (s.entered, s.transitions)).collect::<Vec<_>>(),
        [(60, 60), (60, 60), (60, 240)]
    );
}

#[tokio::test]
async fn j7_reading_a_stream_again_from_the_beginning_has_no_second_effect() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &LIFECYCLE)).await;
    tenant.record(referred("o1", "a@example.com", 10, "ANN10")).await;
    let order = tenant.record(order("o2", "a@example.com", 10)).await;
    tenant.run_of(&order.contact_id, 3).await;
    let mut admin = stack.sandbox.admin().await.unwrap();
    sqlx::query("UPDATE journeys.subscriptions SET position = 0").execute(&mut admin).await.unwrap();
    // the next event meets the fence, and the followers start again
    let latest = tenant.record(common::referred("o3", "b@example.com", 10, "ANN10")).await;
    tenant.run_of(&latest.contact_id, 2).await;
    stack.caught_up().await;
    let redelivered = r#"laurel_duplicates_suppressed_total{reason="redelivered_event"}"#;
    assert!(!is_told(&format!("{redelivered} 0")), "what met the fence was delivered again");
    let run = tenant.run(&order.contact_id).await.unwrap();
    assert_eq!(story(&run), ["referred-lead/", "first-purchase/o1", "repeat-purchase/o2"]);
    assert_eq!((run.refused.len(), run.waiting.len(), parked(&tenant).await.len()), (0, 0, 0));
    assert_eq!(tenant.funnel().await.stages.iter().map(|s| s.transitions).collect::<Vec<_>>(), [2, 2, 1]);
}
