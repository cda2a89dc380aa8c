//! GetOrder and ListOrders.

use proto::orders as v1;
use tonic::Code;

use crate::common::*;

async fn page(caller: &Caller, request: v1::ListOrdersRequest) -> (Vec<String>, String) {
    let response = caller.orders().list_orders(request).await.unwrap().into_inner();
    (response.orders.into_iter().map(|order| order.order_id).collect(), response.next_page_token)
}

#[tokio::test]
async fn orders_are_listed_newest_first_page_by_page() {
    let world = World::start().await;
    let acme = world.of("acme");
    for n in 0..5 {
        acme.record(order(&format!("o-{n}"), "eve", 100)).await;
    }
    world.of("other").record(order("theirs", "eve", 100)).await;
    let request = v1::ListOrdersRequest { page_size: 2, ..Default::default() };
    let (first, token) = page(&acme, request.clone()).await;
    // what is new meanwhile does not shift the pages
    acme.record(order("o-9", "eve", 100)).await;
    let (second, token) = page(&acme, v1::ListOrdersRequest { page_token: token, ..request.clone() }).await;
    let (third, end) = page(&acme, v1::ListOrdersRequest { page_token: token.clone(), ..request }).await;
    assert_eq!([first, second, third].concat(), ["o-4", "o-3", "o-2", "o-1", "o-0"]);
    assert_eq!(end, "");
    let stolen = v1::ListOrdersRequest { page_size: 2, page_token: token, ..Default::default() };
    let answer = world.of("other").orders().list_orders(stolen).await;
    refused(answer, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn orders_are_listed_by_campaign_and_customer() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let spring = |id: &str, name: &str| v1::NewOrder { campaign_id: "spring".into(), ..order(id, name, 100) };
    let (eve, _) = acme.record(spring("o-1", "eve")).await;
    acme.record(order("o-2", "eve", 100)).await;
    acme.record(spring("o-3", "mallory")).await;
    let by = |campaign: &str, contact: &str| v1::ListOrdersRequest {
        campaign_id: campaign.into(),
        contact_id: contact.into(),
        ..Default::default()
    };
    assert_eq!(page(&acme, by("spring", "")).await.0, ["o-3", "o-1"]);
    assert_eq!(page(&acme, by("", &eve.contact_id)).await.0, ["o-2", "o-1"]);
    assert_eq!(page(&acme, by("spring", &eve.contact_id)).await.0, ["o-1"]);
    assert!(page(&acme, by("autumn", "")).await.0.is_empty());
}

#[tokio::test]
async fn lists_carry_the_lines() {
    let world = World::start().await;
    let acme = world.of("acme");
    let line = |sku: &str| v1::LineItem {
        sku: sku.into(),
        name: String::new(),
        quantity: 1,
        unit_price: Some(usd(5)),
    };
    acme.record(v1::NewOrder { line_items: vec![line("a"), line("b")], ..order("o-1", "eve", 10) }).await;
    acme.record(order("o-2", "eve", 10)).await;
    let listed = acme.list().await;
    assert_eq!(listed[0].line_items, []);
    assert_eq!(listed[1].line_items, [line("a"), line("b")]);
}

#[tokio::test]
async fn orders_are_listed_oldest_first_on_request() {
    let world = World::start().await;
    let acme = world.of("acme");
    for n in 0..3 {
        acme.record(order(&format!("o-{n}"), "eve", 100)).await;
    }
    let by = |order_by: &str, page_token: &str| v1::ListOrdersRequest {
        page_size: 2,
        order_by: order_by.into(),
        page_token: page_token.into(),
        ..Default::default()
    };
    let (first, token) = page(&acme, by("recorded_at", "")).await;
    let (second, end) = page(&acme, by("recorded_at", &token)).await;
    assert_eq!([first, second].concat(), ["o-0", "o-1", "o-2"]);
    assert_eq!(end, "");
    assert_eq!(page(&acme, by(" recorded_at  desc", "")).await.0, ["o-2", "o-1"]);
    let answer = acme.orders().list_orders(by("", &token)).await;
    refused(answer, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    for wrong in ["revenue", "recorded_at asc", "recorded_at, order_id", "id desc"] {
        bad_field(acme.orders().list_orders(by(wrong, "")).await, "order_by");
    }
}
