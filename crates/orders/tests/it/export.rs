//! ExportOrders (O11), and its way back through ImportOrders (O10).

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use proto::orders as v1;
use proto::orders::property_value::Value;
use tonic::Status;

use crate::common::*;

/// The whole file, and the rows that each piece says it has.
async fn export(caller: &Caller, request: v1::ExportOrdersRequest) -> Result<(Vec<u8>, Vec<i32>), Status> {
    let mut pieces = caller.orders().export_orders(request).await?.into_inner();
    let (mut file, mut rows) = (Vec::new(), Vec::new());
    while let Some(piece) = pieces.message().await? {
        file.extend(piece.chunk);
        rows.push(piece.rows);
    }
    Ok((file, rows))
}

fn all() -> v1::ExportOrdersRequest {
    v1::ExportOrdersRequest::default()
}

/// The values of a column.
fn column(file: &[u8], name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(file);
    let place = reader.headers().unwrap().iter().position(|header| header == name).unwrap();
    reader.records().map(|record| record.unwrap()[place].to_owned()).collect()
}

#[tokio::test]
async fn o11_an_export_has_what_the_list_shows_in_the_same_order() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let shelf = v1::LineItem {
        sku: "a-1".into(),
        name: "Shelf; \"white\"".into(),
        quantity: 2,
        unit_price: Some(usd(990)),
    };
    let first = v1::NewOrder {
        external_status: "closed, won".into(),
        line_items: vec![shelf],
        ..by_code("o-1", "eve", "ANN10")
    };
    acme.record(first).await;
    acme.record(by_code("o-2", "eve", "BOB10")).await;
    acme.record(v1::NewOrder { revenue: Some(money(123_400, "JPY")), ..order("o-3", "mallory", 1) }).await;
    let cancel = v1::CancelOrderRequest { order_id: "o-3".into(), ..Default::default() };
    acme.orders().cancel_order(cancel).await.unwrap();
    let (file, rows) = export(&acme, all()).await.unwrap();
    assert_eq!(rows, [3]);
    let listed = acme.list().await;
    for (name, of) in [
        ("order_id", (|o| o.order_id.clone()) as fn(&v1::Order) -> String),
        ("contact_id", |o| o.contact_id.clone()),
        ("campaign", |o| o.campaign_id.clone()),
        ("attribution_id", |o| o.attribution_id.clone()),
        ("advocate_id", |o| o.advocate_id.clone()),
        ("inactive_attribution_id", |o| o.inactive_attribution_id.clone()),
        ("external_status", |o| o.external_status.clone()),
        ("currency", |o| o.revenue.as_ref().unwrap().currency_code.clone()),
    ] {
        assert_eq!(column(&file, name), listed.iter().map(of).collect::<Vec<_>>(), "{name}");
    }
    assert_eq!(column(&file, "revenue"), ["1234", "100.00", "100.00"]);
    assert_eq!(column(&file, "refunded"), ["1234", "0.00", "0.00"]);
    assert_eq!(column(&file, "cancelled_at"), ["2025-06-01T12:00:00Z", "", ""]);
    assert_eq!(column(&file, "outcome"), ["UNRESOLVED", "LOGGED_INACTIVE", "ATTRIBUTED"]);
    assert_eq!(column(&file, "outcome_reason"), ["NO_EVIDENCE", "DUPLICATE", ""]);
    let lines = r#"[{"sku":"a-1","name":"Shelf; \"white\"","quantity":2,"unit_price":"9.90"}]"#;
    assert_eq!(column(&file, "line_items"), ["", "", lines]);
    let some = v1::ExportOrdersRequest {
        filter: "revenue.currency_code = USD".into(),
        order_by: "recorded_at".into(),
        campaign_id: "spring".into(),
        ..all()
    };
    assert_eq!(column(&export(&acme, some).await.unwrap().0, "order_id"), ["o-1", "o-2"]);
    let odd = v1::ExportOrdersRequest { filter: "colour = red".into(), ..all() };
    bad_field(export(&acme, odd).await, "filter");
    let (nothing, rows) = export(&world.of("other"), all()).await.unwrap();
    assert_eq!((column(&nothing, "order_id").len(), rows), (0, vec![0]), "a header and no more");
}

#[tokio::test]
async fn o11_an_export_goes_on_over_pages_and_pieces_with_one_header() {
    let world = World::start().await;
    let acme = world.of("acme");
    let wide =
        v1::LineItem { sku: "s".repeat(128), name: "n".repeat(200), quantity: 1, unit_price: Some(usd(1)) };
    let requests = (0..1_000).map(|n| {
        let line_items = vec![wide.clone(); if n % 100 == 0 { 200 } else { 0 }];
        request(v1::NewOrder { line_items, ..order(&format!("o-{n}"), "eve", 100) })
    });
    acme.batch(requests.collect()).await;
    let (file, rows) = export(&acme, all()).await.unwrap();
    let expected: Vec<String> = (0..1_000).rev().map(|n| format!("o-{n}")).collect();
    assert_eq!(column(&file, "order_id"), expected);
    assert!(rows.len() > 2 && rows.iter().sum::<i32>() == 1_000, "{rows:?}");
    // also the widest there can be
    assert_eq!(imported_again(&acme, &file).await, 1_000);
}

#[tokio::test]
async fn an_export_ends_when_the_process_drains_and_does_not_look_like_a_whole_one() {
    let world = World::start().await;
    let acme = world.of("acme");
    let requests = (0..1_000).map(|n| request(order(&format!("o-{n}"), "eve", 100)));
    acme.batch(requests.collect()).await;
    let mut pieces = acme.orders().export_orders(all()).await.unwrap().into_inner();
    assert!(pieces.message().await.unwrap().is_some());
    world.lifecycle.shut_down();
    let end = loop {
        match pieces.message().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert_eq!(end.map(|_| ()).unwrap_err().code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn an_export_from_the_oldest_ends_with_what_was_there_when_it_began() {
    let world = World::start().await;
    let acme = world.of("acme");
    let requests = (0..1_000).map(|n| request(order(&format!("o-{n}"), "eve", 100)));
    acme.batch(requests.collect()).await;
    let oldest = v1::ExportOrdersRequest { order_by: "recorded_at".into(), ..all() };
    let mut pieces = acme.orders().export_orders(oldest).await.unwrap().into_inner();
    let mut rows = pieces.message().await.unwrap().unwrap().rows;
    acme.record(order("late", "eve", 100)).await;
    while let Some(piece) = pieces.message().await.unwrap() {
        rows += piece.rows;
    }
    assert_eq!(rows, 1_000);
}

/// How many rows of an export are found to be stored already, which must be all: nothing changes by it.
async fn imported_again(caller: &Caller, file: &[u8]) -> i64 {
    let events = caller.events().await.len();
    let update = v1::ImportOrdersOptions { on_conflict: v1::OnConflict::Update.into(), ..Default::default() };
    let chunks = file.chunks(100_000).map(<[u8]>::to_vec).collect();
    let (rejected, summary) = caller.import(update, chunks).await;
    assert_eq!(rejected, []);
    let summary = summary.unwrap();
    assert_eq!(summary.rows, summary.already_recorded);
    assert_eq!(caller.events().await.len(), events);
    summary.rows
}

/// What is given of these, as the properties that `define_all` defines.
fn properties_of(
    (color, size, weight, gift): (Option<String>, Option<i64>, Option<String>, Option<bool>),
) -> HashMap<String, v1::PropertyValue> {
    let given = [
        ("color", color.map(Value::StringValue)),
        ("size", size.map(Value::IntegerValue)),
        ("weight", weight.map(Value::DecimalValue)),
        ("gift", gift.map(Value::BooleanValue)),
    ];
    let wire = |(name, value): (&str, Option<Value>)| {
        Some((name.to_owned(), v1::PropertyValue { value: Some(value?) }))
    };
    given.into_iter().filter_map(wire).collect()
}

/// An order with whatever texts the contract takes.
fn any_order(n: usize) -> impl Strategy<Value = v1::NewOrder> {
    let text = || "[ -~]{0,15}|[,;\"' =\\\\]{0,15}|\\PC{0,15}";
    let line = ("[ -~]{1,15}|\\PC{1,15}", text(), 1..1_000_000, 0_i64..1_000_000);
    let lines = prop::collection::vec(line, 0..4);
    let properties = (
        prop::option::of(text()),
        prop::option::of(any::<i64>()),
        prop::option::of("-?[0-9]{1,20}(\\.[0-9]{1,9})?"),
        prop::option::of(any::<bool>()),
    );
    let at = prop::option::of(-60_000_000_000_000_000_i64..1_700_000_000_000_000);
    // a dot after the number, so that no two are the same
    ("[!-~]{0,5}", text(), text(), text(), 0_i64..10_000_000, lines, properties, at).prop_map(
        move |(id, source, external_status, hubspot_dealstage, cents, lines, properties, micros)| {
            let line = |(sku, name, quantity, price)| v1::LineItem {
                sku,
                name,
                quantity,
                unit_price: Some(usd(price)),
            };
            let at = |micros: i64| prost_types::Timestamp {
                seconds: micros.div_euclid(1_000_000),
                nanos: i32::try_from(micros.rem_euclid(1_000_000)).unwrap() * 1_000,
            };
            v1::NewOrder {
                source,
                external_status,
                hubspot_dealstage,
                line_items: lines.into_iter().map(line).collect(),
                properties: properties_of(properties),
                occurred_at: micros.map(at),
                ..order(&format!("o-{n}.{id}"), &format!("c{}", n % 7), cents)
            }
        },
    )
}

#[tokio::test]
async fn o11_export_then_import_is_the_identity() {
    let settings = orders::Settings { scope_by_source: ["scoped".parse().unwrap()].into() };
    let world = World::with(settings).await;
    let (acme, scoped) = (world.of("acme"), world.of("scoped"));
    acme.program().await;
    for caller in [&acme, &scoped] {
        caller.define_all().await;
    }
    let mut runner = TestRunner::default();
    for n in 0..100 {
        let any = any_order(n).new_tree(&mut runner).unwrap().current();
        for caller in [&acme, &scoped] {
            caller.try_record(any.clone()).await.unwrap_or_else(|status| panic!("{status}: {any:?}"));
        }
    }
    acme.record(by_code("coded", "eve", "ANN10")).await;
    for currency in ["JPY", "KWD", "CLF"] {
        acme.record(v1::NewOrder { revenue: Some(money(700, currency)), ..order(currency, "eve", 1) }).await;
    }
    let order_id = "KWD".to_owned();
    let half = Some(money(300, "KWD"));
    let refund =
        v1::RefundOrderRequest { order_id, refund_id: "r".into(), amount: half, ..Default::default() };
    acme.orders().refund_order(refund).await.unwrap();
    let cancel = v1::CancelOrderRequest { order_id: "JPY".into(), ..Default::default() };
    acme.orders().cancel_order(cancel).await.unwrap();
    for (caller, rows) in [(&acme, 104), (&scoped, 100)] {
        let before = caller.list().await;
        let (file, _) = export(caller, all()).await.unwrap();
        assert_eq!(imported_again(caller, &file).await, rows);
        assert_eq!(caller.list().await, before);
    }
}

#[tokio::test]
async fn o10_an_import_takes_lines_and_says_what_is_wrong_with_them() {
    let world = World::start().await;
    let acme = world.of("acme");
    let file = b"order_id,email,revenue,currency,line_items\n\
        o-1,eve@example.com,20,USD,\"[{\"\"sku\"\":\"\"a-1\"\",\"\"quantity\"\":2,\"\"unit_price\"\":\"\"9.90\"\"}]\"\n\
        o-2,eve@example.com,20,USD,\"[{\"\"sku\"\":\"\"a-1\"\",\"\"quantity\"\":0,\"\"unit_price\"\":\"\"9.90\"\"}]\"\n";
    let (rejected, summary) = acme.import(v1::ImportOrdersOptions::default(), vec![file.to_vec()]).await;
    assert_eq!((rejected.len(), summary.unwrap().recorded), (1, 1));
    assert_eq!((rejected[0].line, rejected[0].column.as_str()), (3, "line_items"));
    assert!(rejected[0].message.contains("[0].quantity"), "{}", rejected[0].message);
    let line = &acme.get("o-1").await.unwrap().line_items[0];
    assert_eq!((line.sku.as_str(), line.quantity, line.unit_price.clone()), ("a-1", 2, Some(usd(990))));
}
