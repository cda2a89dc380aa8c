//! What is wrong is named by its path.

use proto::attribution::Evidence;
use proto::common::ContactRef;
use proto::orders as v1;
use tonic::Code;

use crate::common::*;

fn base() -> v1::NewOrder {
    order("o-1", "eve", 100)
}

fn line(sku: &str, quantity: i32, price: Option<proto::google::r#type::Money>) -> v1::LineItem {
    v1::LineItem { sku: sku.into(), name: String::new(), quantity, unit_price: price }
}

#[tokio::test]
async fn record_order_names_the_field_at_fault() {
    let world = World::start().await;
    let acme = world.of("acme");
    let customer = |customer: ContactRef| v1::NewOrder { customer: Some(customer), ..base() };
    let advocate = |advocate: ContactRef| v1::NewOrder {
        evidence: Some(Evidence { advocate: Some(advocate), ..Default::default() }),
        ..base()
    };
    let lines = |line: v1::LineItem| v1::NewOrder { line_items: vec![line], ..base() };
    let long = |n: usize| "x".repeat(n);
    let year_zero = prost_types::Timestamp { seconds: -62_135_596_801, nanos: 0 };
    let negative_nanos = prost_types::Timestamp { seconds: 0, nanos: -1 };
    for (order, path) in [
        (v1::NewOrder { order_id: String::new(), ..base() }, "order.order_id"),
        (v1::NewOrder { order_id: " o".into(), ..base() }, "order.order_id"),
        (v1::NewOrder { order_id: "a\0b".into(), ..base() }, "order.order_id"),
        (v1::NewOrder { order_id: long(129), ..base() }, "order.order_id"),
        (v1::NewOrder { tenant_id: "other".into(), ..base() }, "order.tenant_id"),
        (v1::NewOrder { source: long(65), ..base() }, "order.source"),
        (v1::NewOrder { customer: None, ..base() }, "order.customer"),
        (customer(ContactRef::default()), "order.customer"),
        (customer(email("no body")), "order.customer.email"),
        (customer(uid(&long(129))), "order.customer.uid"),
        (customer(ContactRef { contact_id: "7".into(), ..Default::default() }), "order.customer.contact_id"),
        (v1::NewOrder { revenue: None, ..base() }, "order.revenue"),
        (v1::NewOrder { revenue: Some(usd(-1)), ..base() }, "order.revenue"),
        (v1::NewOrder { revenue: Some(money(1, "XXX")), ..base() }, "order.revenue.currency_code"),
        (v1::NewOrder { campaign_id: "Spring!".into(), ..base() }, "order.campaign_id"),
        (by_code("o-1", "eve", &long(65)), "order.evidence.shortcode"),
        (advocate(email("no body")), "order.evidence.advocate.email"),
        (v1::NewOrder { external_status: long(65), ..base() }, "order.external_status"),
        (v1::NewOrder { hubspot_dealstage: "a\nb".into(), ..base() }, "order.hubspot_dealstage"),
        (lines(line("", 1, Some(usd(1)))), "order.line_items[0].sku"),
        (lines(line(&long(129), 1, Some(usd(1)))), "order.line_items[0].sku"),
        (lines(line("a", 0, Some(usd(1)))), "order.line_items[0].quantity"),
        (lines(line("a", 1_000_001, Some(usd(1)))), "order.line_items[0].quantity"),
        (lines(line("a", 1, None)), "order.line_items[0].unit_price"),
        (lines(line("a", 1, Some(usd(-1)))), "order.line_items[0].unit_price"),
        (lines(line("a", 1, Some(money(1, "EUR")))), "order.line_items[0].unit_price.currency_code"),
        (v1::NewOrder { line_items: vec![line("a", 1, Some(usd(1))); 201], ..base() }, "order.line_items"),
        (v1::NewOrder { occurred_at: Some(year_zero), ..base() }, "order.occurred_at"),
        (v1::NewOrder { occurred_at: Some(negative_nanos), ..base() }, "order.occurred_at"),
    ] {
        bad_field(acme.try_record(order).await, path);
    }
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
}

#[tokio::test]
async fn record_order_names_what_is_wrong_beside_the_order() {
    let world = World::start().await;
    let acme = world.of("acme");
    bad_field(acme.send(v1::RecordOrderRequest::default()).await, "order");
    let request = request(base());
    for (request, path) in [
        (v1::RecordOrderRequest { on_conflict: 9, ..request.clone() }, "on_conflict"),
        (v1::RecordOrderRequest { on_unattributed: 9, ..request.clone() }, "on_unattributed"),
        (v1::RecordOrderRequest { request_id: "x".repeat(65), ..request }, "request_id"),
    ] {
        bad_field(acme.send(request).await, path);
    }
}

#[tokio::test]
async fn a_batch_must_have_1_to_1000_orders() {
    let world = World::start().await;
    let acme = world.of("acme");
    for count in [0, 1001] {
        let request = v1::BatchRecordOrdersRequest { requests: vec![request(base()); count] };
        bad_field(acme.orders().batch_record_orders(request).await, "requests");
    }
}

#[tokio::test]
async fn get_order_names_the_field_at_fault_or_what_is_not_there() {
    let world = World::start().await;
    let acme = world.of("acme");
    bad_field(acme.get("").await, "order_id");
    let get = v1::GetOrderRequest { order_id: "o-1".into(), source: "x".repeat(65) };
    bad_field(acme.orders().get_order(get).await, "source");
    refused(acme.get("o-1").await, Code::NotFound, "ORDER_NOT_FOUND");
    // of another tenant
    world.of("other").record(base()).await;
    refused(acme.get("o-1").await, Code::NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn list_orders_names_the_field_at_fault() {
    let world = World::start().await;
    let acme = world.of("acme");
    let list = |request: v1::ListOrdersRequest| {
        let acme = acme.clone();
        async move { acme.orders().list_orders(request).await }
    };
    let base = v1::ListOrdersRequest::default;
    bad_field(list(v1::ListOrdersRequest { page_size: 1001, ..base() }).await, "page_size");
    bad_field(list(v1::ListOrdersRequest { campaign_id: "X".into(), ..base() }).await, "campaign_id");
    bad_field(list(v1::ListOrdersRequest { contact_id: "7".into(), ..base() }).await, "contact_id");
    let token = list(v1::ListOrdersRequest { page_token: "junk".into(), ..base() }).await;
    refused(token, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn a_service_must_say_whose_orders_it_reads() {
    let world = World::start().await;
    bad_field(world.for_service().get("o-1").await, "laurel-tenant");
}
