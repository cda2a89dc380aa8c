//! The order stream, and the attribution stream behind it.

use std::time::Duration;

use prost::Message;
use proto::attribution::{AttributionEvent, ClockMoved, attribution_event};
use proto::orders::order_event::Fact;
use proto::orders::{self as v1};
use tonic::Code;

use crate::common::*;

#[tokio::test]
async fn a_recorded_order_goes_out_with_its_snapshot_and_the_head_of_attribution() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (ann, _) = acme.program().await;
    let placed = time::macros::datetime!(2025-05-01 12:00 UTC);
    let given = v1::NewOrder {
        occurred_at: Some(wire_time(placed)),
        external_status: "won".into(),
        source: "shop".into(),
        ..by_code("o-1", "eve", "ANN10")
    };
    let (order, _) = acme.record(given).await;
    let [event] = acme.events().await.try_into().unwrap();
    assert_eq!(event.tenant_id, "acme");
    assert_eq!((event.occurred_at, event.recorded_at), (Some(wire_time(placed)), Some(wire_time(NOW))));
    assert!(event.attribution_head.unwrap().position > 0);
    let Some(Fact::OrderRecorded(fact)) = event.fact else { panic!("{:?}", event.fact) };
    let snapshot = v1::OrderSnapshot {
        key: "o-1".into(),
        order_id: "o-1".into(),
        source: "shop".into(),
        contact_id: order.contact_id,
        campaign_id: "spring".into(),
        attribution_id: order.attribution_id,
        advocate_id: ann,
        revenue: Some(usd(10_000)),
        refunded: Some(usd(0)),
        external_status: "won".into(),
        hubspot_dealstage: String::new(),
        occurred_at: Some(wire_time(placed)),
    };
    assert_eq!(fact.order, Some(snapshot));
}

#[tokio::test]
async fn the_head_of_attribution_covers_what_the_order_rests_on() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let (order, _) = acme.record(by_code("o-1", "eve", "ANN10")).await;
    let head = acme.events().await[0].attribution_head.unwrap();
    let admin = world.sandbox.database(attribution::SCHEMA).await.unwrap();
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT position, payload FROM events").fetch_all(admin.read()).await.unwrap();
    let activated = rows.into_iter().find_map(|(position, payload)| {
        match AttributionEvent::decode(&*payload).unwrap().fact? {
            attribution_event::Fact::AttributionActivated(fact) => {
                (fact.attribution?.attribution_id == order.attribution_id).then_some(position)
            }
            _ => None,
        }
    });
    assert!(activated.unwrap() <= head.position);
}

#[tokio::test]
async fn o6_an_update_goes_out_and_revenue_lowered_as_a_refund_of_the_difference() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    for cents in [15_000, 8_000, 0] {
        acme.update(order("o-1", "eve", cents)).await.unwrap();
    }
    let facts = acme.facts().await;
    // net revenue, whatever the way, is what the snapshot says: revenue less refunded
    let told: Vec<(&str, i64, i64)> = facts
        .iter()
        .map(|fact| match fact {
            Fact::OrderRecorded(f) => ("recorded", net(f.order.as_ref()), 0),
            Fact::OrderUpdated(f) => ("updated", net(f.order.as_ref()), 0),
            Fact::OrderRefunded(f) => ("refunded", net(f.order.as_ref()), cents(f.amount.as_ref())),
            Fact::OrderCancelled(_) | Fact::ClockMoved(_) | Fact::ContactErased(_) => panic!("{fact:?}"),
        })
        .collect();
    let expected = [
        ("recorded", 10_000, 0),
        ("updated", 15_000, 0),
        ("updated", 8_000, 0),
        ("refunded", 8_000, 7_000),
        ("updated", 0, 0),
        ("refunded", 0, 8_000),
    ];
    assert_eq!(told, expected);
}

fn net(order: Option<&v1::OrderSnapshot>) -> i64 {
    let order = order.unwrap();
    cents(order.revenue.as_ref()) - cents(order.refunded.as_ref())
}

fn cents(money: Option<&proto::google::r#type::Money>) -> i64 {
    let money = money.unwrap();
    money.units * 100 + i64::from(money.nanos / 10_000_000)
}

#[tokio::test]
async fn what_changes_nothing_goes_nowhere() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 100)).await;
    acme.record(order("o-1", "eve", 100)).await;
    acme.update(order("o-1", "eve", 100)).await.unwrap();
    acme.try_record(order("o-1", "eve", 200)).await.unwrap_err();
    assert_eq!(acme.facts().await.len(), 1);
}

#[tokio::test]
async fn a_watch_resumes_after_its_cursor_and_filters_by_type() {
    let world = World::start().await;
    let acme = world.of("acme");
    for n in 0..3 {
        acme.record(order(&format!("o-{n}"), "eve", 100)).await;
    }
    acme.update(order("o-0", "eve", 50)).await.unwrap();
    let events = acme.events().await;
    let after = |cursor: &str, types: &[&str]| v1::WatchOrderEventsRequest {
        cursor: cursor.into(),
        types: types.iter().map(|t| (*t).to_owned()).collect(),
        ..Default::default()
    };
    let first = |request| {
        let acme = acme.clone();
        async move {
            let mut watch = acme.orders().watch_order_events(request).await.unwrap().into_inner();
            watch.message().await.unwrap().unwrap().events
        }
    };
    assert_eq!(first(after(&events[1].cursor, &[])).await, events[2..]);
    assert_eq!(first(after("", &["order_refunded"])).await, events[4..]);
    let foreign = world.of("other").orders().watch_order_events(after(&events[1].cursor, &[])).await;
    refused(foreign.map(|_| ()), Code::InvalidArgument, "INVALID_CURSOR");
    let odd = acme.orders().watch_order_events(after("", &["order_lost"])).await;
    bad_field(odd.map(|_| ()), "types[0]");
}

#[tokio::test]
async fn m4_a_moved_test_clock_goes_on_in_the_order_stream_and_dates_orders() {
    let world = World::start().await;
    let sandbox = world.of("test-acme");
    let then = time::macros::datetime!(1997-01-01 00:00 UTC);
    sandbox.set_clock(then).await;
    let events = sandbox.events_until(|events| !events.is_empty()).await;
    let Some(Fact::ClockMoved(fact)) = &events[0].fact else { panic!("{events:?}") };
    assert_eq!((fact.to, events[0].occurred_at), (Some(wire_time(then)), Some(wire_time(then))));
    assert_eq!(events[0].recorded_at, Some(wire_time(NOW)));
    let (recorded, _) = sandbox.record(order("o-1", "eve", 100)).await;
    assert_eq!(recorded.occurred_at, Some(wire_time(then)), "the tenant's now (M3)");
    assert_eq!(recorded.recorded_at, Some(wire_time(NOW)), "the real clock (M3)");
    // an update happens at the tenant's now as well
    sandbox.update(order("o-1", "eve", 50)).await.unwrap();
    assert_eq!(sandbox.events().await.last().unwrap().occurred_at, Some(wire_time(then)));
}

#[tokio::test]
async fn m3_a_test_clock_in_the_future_lets_orders_be_placed_there() {
    let world = World::start().await;
    let sandbox = world.of("test-acme");
    let then = NOW + time::Duration::days(365);
    let placed = v1::NewOrder { occurred_at: Some(wire_time(then)), ..order("o-1", "eve", 100) };
    bad_field(sandbox.try_record(placed.clone()).await, "order.occurred_at");
    sandbox.set_clock(then).await;
    sandbox.events_until(|events| !events.is_empty()).await;
    assert!(sandbox.try_record(placed.clone()).await.is_ok());
    // other tenants have no part in it
    bad_field(world.of("test-other").try_record(placed).await, "order.occurred_at");
}

async fn park(world: &World, tenant: &str, to: Option<prost_types::Timestamp>) -> i64 {
    let event = AttributionEvent {
        event_id: "018f0000-0000-7000-8000-000000000000".into(),
        tenant_id: tenant.into(),
        fact: Some(attribution_event::Fact::ClockMoved(ClockMoved { to })),
        ..Default::default()
    };
    sqlx::query_scalar(
        "INSERT INTO parked (tenant_id, subscription, event_id, contact_id, payload, reason, parked_at)
         VALUES ($1, 'orders.attribution', $2, '', $3, 'test', now()) RETURNING parked_id",
    )
    .bind(tenant)
    .bind(event.event_id.clone())
    .bind(event.encode_to_vec())
    .fetch_one(world.db.read())
    .await
    .unwrap()
}

#[tokio::test]
async fn parked_events_are_listed_and_tried_again() {
    let world = World::start().await;
    let sandbox = world.of("test-acme");
    let then = time::macros::datetime!(1997-01-01 00:00 UTC);
    let sound = park(&world, "test-acme", Some(wire_time(then))).await;
    let broken = park(&world, "test-acme", None).await;
    let list = v1::ListParkedRequest { page_size: 1, ..Default::default() };
    let page = sandbox.orders().list_parked(list.clone()).await.unwrap().into_inner();
    assert_eq!(
        (page.parked[0].parked_id, page.parked[0].subscription.as_str()),
        (sound, "orders.attribution")
    );
    let next = v1::ListParkedRequest { page_token: page.next_page_token, ..list };
    let page = sandbox.orders().list_parked(next).await.unwrap().into_inner();
    assert_eq!((page.parked[0].parked_id, page.next_page_token.as_str()), (broken, ""));

    let retry = |parked_id| {
        let sandbox = sandbox.clone();
        async move { sandbox.orders().retry_parked(v1::RetryParkedRequest { parked_id }).await }
    };
    assert_eq!(retry(sound).await.unwrap().into_inner().applied, 1);
    assert!(matches!(sandbox.facts().await[..], [Fact::ClockMoved(_)]));
    let again = retry(broken).await.unwrap().into_inner();
    assert_eq!((again.applied, again.reason.is_empty()), (0, false));
    refused(retry(sound).await, Code::NotFound, "PARKED_EVENT_NOT_FOUND");
    let theirs =
        world.of("test-other").orders().retry_parked(v1::RetryParkedRequest { parked_id: broken }).await;
    refused(theirs, Code::NotFound, "PARKED_EVENT_NOT_FOUND");
}

#[tokio::test]
async fn watches_end_when_the_process_drains() {
    let world = World::start().await;
    let mut watch = world
        .of("acme")
        .orders()
        .watch_order_events(v1::WatchOrderEventsRequest::default())
        .await
        .unwrap()
        .into_inner();
    world.lifecycle.shut_down();
    let ended = async { while watch.message().await.unwrap().is_some() {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
}
