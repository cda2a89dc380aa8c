//! Filters of ListOrders (O11, AIP-160).

use proto::google::r#type::Money;
use proto::orders as v1;
use tonic::{Code, Status};

use crate::common::*;

async fn try_list(caller: &Caller, filter: &str) -> Result<Vec<String>, Status> {
    let request = v1::ListOrdersRequest { filter: filter.into(), ..Default::default() };
    let listed = caller.orders().list_orders(request).await?.into_inner().orders;
    Ok(listed.into_iter().map(|order| order.order_id).collect())
}

/// An attributed order; one whose attempt lost; one without campaign; one with a code that nobody has. The attributed
/// one, and its advocate's contact id.
async fn four(acme: &Caller) -> (v1::Order, String) {
    let (ann, _) = acme.program().await;
    let first = v1::NewOrder {
        source: "shop".into(),
        external_status: "closedwon".into(),
        hubspot_dealstage: "it's won".into(),
        occurred_at: Some(wire_time(time::macros::datetime!(2025-02-01 00:00 UTC))),
        ..by_code("o-1", "eve", "ANN10")
    };
    let (attributed, _) = acme.record(first).await;
    acme.record(by_code("o-2", "eve", "BOB10")).await;
    acme.record(v1::NewOrder { revenue: Some(money(123_400, "JPY")), ..order("o-3", "mallory", 1) }).await;
    let dinars = Money { currency_code: "KWD".into(), units: 1, nanos: 5_000_000 };
    acme.record(v1::NewOrder { revenue: Some(dinars), ..by_code("o-4", "mallory", "N0B0DY") }).await;
    let cancel = v1::CancelOrderRequest { order_id: "o-3".into(), ..Default::default() };
    acme.orders().cancel_order(cancel).await.unwrap();
    (attributed, ann)
}

#[tokio::test]
async fn o11_each_field_filters_what_it_should() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (first, ann) = four(&acme).await;
    for (filter, expected) in [
        ("order_id = o-1", "o-1"),
        ("source = shop", "o-1"),
        ("-source:*", "o-4 o-3 o-2"),
        (&format!("contact_id = {}", first.contact_id), "o-2 o-1"),
        ("campaign_id = spring", "o-2 o-1"),
        ("campaign_id != spring", "o-4 o-3"),
        ("NOT campaign_id = spring", "o-4 o-3"),
        (&format!("attribution_id = '{}'", first.attribution_id), "o-2 o-1"),
        (&format!("advocate_id = {ann}"), "o-2 o-1"),
        (&format!("advocate_id != {ann}"), "o-4 o-3"),
        ("inactive_attribution_id:*", "o-2"),
        ("outcome = ATTRIBUTED", "o-1"),
        ("outcome = OUTCOME_LOGGED_INACTIVE", "o-2"),
        ("inactive_reason = DUPLICATE", "o-2"),
        ("inactive_reason:*", "o-2"),
        ("unresolved_reason = UNKNOWN_CODE", "o-4"),
        ("revenue = 100", "o-2 o-1"),
        ("revenue != 100.000", "o-4 o-3"),
        ("revenue >= 1234", "o-3"),
        ("revenue < 1.0050001 revenue > 1.0049999", "o-4"),
        ("revenue > 99999999999999999999999.5", ""),
        ("revenue.currency_code = JPY", "o-3"),
        ("refunded = 0 refunded <= 0", "o-4 o-2 o-1"),
        ("refunded = 1234", "o-3"),
        ("cancelled_at:*", "o-3"),
        ("-cancelled_at:*", "o-4 o-2 o-1"),
        ("cancelled_at <= 2025-06-01T12:00:00Z", "o-3"),
        ("external_status = closedwon", "o-1"),
        (r#"hubspot_dealstage = "it's won""#, "o-1"),
        ("occurred_at < 2025-03-01T00:00:00+01:00", "o-1"),
        ("occurred_at = '2025-02-01T00:00:00Z'", "o-1"),
        ("recorded_at >= 2025-06-01T12:00:00Z", "o-4 o-3 o-2 o-1"),
        ("recorded_at > 0001-01-01T00:00:00Z recorded_at < 9999-12-31T23:59:59Z", "o-4 o-3 o-2 o-1"),
        ("revenue > 50 AND order_id = o-1 OR order_id = o-4", "o-1"),
        ("(revenue > 50 order_id = o-1) OR order_id = o-4", "o-4 o-1"),
        ("-(source:* OR -campaign_id:*)", "o-2"),
        ("  ", "o-4 o-3 o-2 o-1"),
    ] {
        assert_eq!(try_list(&acme, filter).await.unwrap().join(" "), expected, "{filter}");
    }
}

#[tokio::test]
async fn a_filter_narrows_what_the_single_fields_leave() {
    let world = World::start().await;
    let acme = world.of("acme");
    four(&acme).await;
    let request = v1::ListOrdersRequest {
        campaign_id: "spring".into(),
        filter: "order_id = o-2 OR order_id = o-3".into(),
        ..Default::default()
    };
    let listed = acme.orders().list_orders(request).await.unwrap().into_inner().orders;
    assert_eq!(listed.iter().map(|order| order.order_id.as_str()).collect::<Vec<_>>(), ["o-2"]);
}

#[tokio::test]
async fn no_filter_shows_another_tenants_orders() {
    let world = World::start().await;
    let (acme, other) = (world.of("acme"), world.of("other"));
    acme.record(order("mine", "eve", 100)).await;
    other.record(order("theirs", "eve", 100)).await;
    for filter in
        ["order_id = theirs OR order_id = mine", "-order_id = theirs OR -order_id = mine", "revenue = 1"]
    {
        assert_eq!(try_list(&acme, filter).await.unwrap(), ["mine"], "{filter}");
        assert_eq!(try_list(&other, filter).await.unwrap(), ["theirs"], "{filter}");
    }
    assert!(try_list(&acme, r#"source = "') OR ('' = '""#).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_page_token_is_of_one_filter() {
    let world = World::start().await;
    let acme = world.of("acme");
    four(&acme).await;
    let by = |filter: &str, page_token: &str| v1::ListOrdersRequest {
        page_size: 1,
        filter: filter.into(),
        page_token: page_token.into(),
        ..Default::default()
    };
    let first = acme.orders().list_orders(by("campaign_id = spring", "")).await.unwrap().into_inner();
    let token = first.next_page_token.as_str();
    let second = acme.orders().list_orders(by("campaign_id = spring", token)).await.unwrap().into_inner();
    assert_eq!((second.orders[0].order_id.as_str(), second.next_page_token.as_str()), ("o-1", ""));
    for filter in ["", "campaign_id != spring", "outcome = ATTRIBUTED"] {
        let answer = acme.orders().list_orders(by(filter, token)).await;
        refused(answer, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    }
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_with_the_place() {
    let world = World::start().await;
    let acme = world.of("acme");
    for filter in
        ["shop", "nosuch = 1", "revenue = cheap", "source < shop", "contact_id = eve", "(source = shop"]
    {
        bad_field(try_list(&acme, filter).await, "filter");
    }
    let status = try_list(&acme, "source = shop AND outcome = WON").await.unwrap_err();
    let outcomes = "ATTRIBUTED, ALREADY_ATTRIBUTED, LOGGED_INACTIVE, UNRESOLVED";
    assert_eq!(status.message(), format!("filter at character 29: expected one of {outcomes}"));
    bad_field(try_list(&acme, &format!("source = {}", "x".repeat(2000))).await, "filter");
}

#[tokio::test]
async fn a_filter_that_takes_longer_than_a_statement_may_is_told_so_and_is_not_worth_repeating() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 100)).await;
    // a row takes longer to look at than a statement may
    let slow = "ALTER TABLE orders.orders ENABLE ROW LEVEL SECURITY; ALTER TABLE orders.orders FORCE ROW LEVEL SECURITY;
                CREATE POLICY slow ON orders.orders USING (pg_sleep(60) IS NOT NULL)";
    let mut admin = world.sandbox.admin().await.unwrap();
    sqlx::raw_sql(slow).execute(&mut admin).await.unwrap();
    let refused = try_list(&acme, "external_status = won").await.unwrap_err();
    let (code, reason, _) = told(&refused);
    assert_eq!((code, reason.as_str()), (Code::ResourceExhausted, "QUERY_TOO_COSTLY"));
}
