//! Refunds, cancellations and history (O8, O12).

use proto::google::r#type::Money;
use proto::orders::order_event::Fact;
use proto::orders::{self as v1, OrderChangeKind as Kind};
use tonic::{Code, Status};

use crate::common::*;

fn refund(order_id: &str, refund_id: &str, amount: Option<Money>) -> v1::RefundOrderRequest {
    v1::RefundOrderRequest {
        order_id: order_id.into(),
        refund_id: refund_id.into(),
        amount,
        ..Default::default()
    }
}

impl Caller {
    async fn refund(&self, request: v1::RefundOrderRequest) -> Result<v1::RefundOrderResponse, Status> {
        Ok(self.orders().refund_order(request).await?.into_inner())
    }

    async fn cancel(&self, order_id: &str) -> Result<v1::CancelOrderResponse, Status> {
        let (order_id, reason) = (order_id.into(), "never sent".into());
        let request = v1::CancelOrderRequest { order_id, reason, ..Default::default() };
        Ok(self.orders().cancel_order(request).await?.into_inner())
    }

    /// All of an order's history, so many entries a page.
    async fn history(&self, order_id: &str, page_size: i32) -> Result<Vec<v1::OrderChange>, Status> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let order_id = order_id.to_owned();
            let request =
                v1::GetOrderHistoryRequest { order_id, page_size, page_token, ..Default::default() };
            let page = self.orders().get_order_history(request).await?.into_inner();
            all.extend(page.changes);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }
}

#[tokio::test]
async fn o8_refunds_add_up_and_never_exceed_what_is_left() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let first = acme.refund(refund("o-1", "r-1", Some(usd(3_000)))).await.unwrap();
    assert_eq!(first.refund.unwrap().amount, Some(usd(3_000)));
    let order = first.order.unwrap();
    assert_eq!((order.revenue, order.refunded), (Some(usd(10_000)), Some(usd(3_000))));
    let beyond = acme.refund(refund("o-1", "r-2", Some(usd(7_001)))).await;
    let beyond = refused(beyond, Code::FailedPrecondition, "REFUND_EXCEEDS_ORDER");
    assert_eq!(detail(&beyond, "left"), "70.00 USD");
    // without an amount: all that is left
    let rest = acme.refund(refund("o-1", "r-2", None)).await.unwrap();
    assert_eq!(rest.refund.unwrap().amount, Some(usd(7_000)));
    assert_eq!(acme.get("o-1").await.unwrap().refunded, Some(usd(10_000)));
    let nothing = acme.refund(refund("o-1", "r-3", None)).await;
    refused(nothing, Code::FailedPrecondition, "REFUND_EXCEEDS_ORDER");
}

#[tokio::test]
async fn o8_the_same_refund_again_answers_with_the_stored_one() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    acme.record(order("o-2", "eve", 10_000)).await;
    let asked = v1::RefundOrderRequest { reason: "broken".into(), ..refund("o-1", "r-1", Some(usd(3_000))) };
    let first = acme.refund(asked.clone()).await.unwrap();
    let again = acme.refund(asked.clone()).await.unwrap();
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!((first.order, first.refund), (again.order, again.refund));
    // what is left out does not differ
    assert!(acme.refund(refund("o-1", "r-1", None)).await.unwrap().replayed);
    let other = v1::RefundOrderRequest { reason: "late".into(), ..refund("o-1", "r-1", Some(usd(3_001))) };
    let differs = refused(acme.refund(other).await, Code::AlreadyExists, "REFUND_DIFFERS");
    assert_eq!(detail(&differs, "fields"), "amount,reason");
    // of another order it is another refund
    assert!(!acme.refund(refund("o-2", "r-1", Some(usd(5)))).await.unwrap().replayed);
    assert_eq!(world.count("SELECT count(*) FROM order_changes").await, 2);
}

#[tokio::test]
async fn a_request_id_names_one_refund() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let with_id = |id: &str, asked| v1::RefundOrderRequest { request_id: id.into(), ..asked };
    let asked = with_id("q-1", refund("o-1", "r-1", Some(usd(100))));
    acme.refund(asked.clone()).await.unwrap();
    acme.refund(refund("o-1", "r-2", Some(usd(100)))).await.unwrap();
    let again = acme.refund(asked).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.order.unwrap().refunded, Some(usd(200)), "as it is now");
    let other = acme.refund(with_id("q-1", refund("o-1", "r-3", Some(usd(100))))).await;
    refused(other, Code::AlreadyExists, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn o8_refunds_at_once_never_exceed_the_order() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let ids: Vec<String> = (0..40).map(|n| format!("r-{n}")).collect();
    let calls = ids.iter().map(|id| acme.refund(refund("o-1", id, Some(usd(900)))));
    let answers = futures::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 11);
    assert_eq!(acme.get("o-1").await.unwrap().refunded, Some(usd(9_900)));
    assert_eq!(world.count("SELECT sum(amount_minor)::int8 FROM order_changes").await, 9_900);
}

#[tokio::test]
async fn o8_a_cancellation_gives_back_what_is_left_and_is_final() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    acme.refund(refund("o-1", "r-1", Some(usd(4_000)))).await.unwrap();
    let cancelled = acme.cancel("o-1").await.unwrap();
    let order = cancelled.order.unwrap();
    assert_eq!((order.revenue, order.refunded), (Some(usd(10_000)), Some(usd(10_000))));
    assert_eq!((order.cancelled_at, cancelled.replayed), (Some(wire_time(NOW)), false));
    let again = acme.cancel("o-1").await.unwrap();
    assert_eq!((again.order.unwrap().cancelled_at, again.replayed), (Some(wire_time(NOW)), true));
    // the refund of before is answered as ever, a new one is not made
    assert!(acme.refund(refund("o-1", "r-1", None)).await.unwrap().replayed);
    let new = acme.refund(refund("o-1", "r-2", Some(usd(1)))).await;
    refused(new, Code::FailedPrecondition, "ORDER_CANCELLED");
    // its revenue stays; what it is called elsewhere may change
    let raised = acme.update(crate::common::order("o-1", "eve", 20_000)).await;
    refused(raised, Code::FailedPrecondition, "ORDER_CANCELLED");
    let status =
        v1::NewOrder { external_status: "lost".into(), ..crate::common::order("o-1", "eve", 10_000) };
    assert!(acme.update(status).await.is_ok());
}

#[tokio::test]
async fn o8_both_go_out_as_events_with_the_totals() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    acme.refund(refund("o-1", "r-1", Some(usd(4_000)))).await.unwrap();
    acme.cancel("o-1").await.unwrap();
    acme.record(order("o-2", "eve", 0)).await;
    acme.cancel("o-2").await.unwrap();
    let told: Vec<String> = acme
        .facts()
        .await
        .into_iter()
        .map(|fact| match fact {
            Fact::OrderRecorded(fact) => format!("recorded {}", fact.order.unwrap().order_id),
            Fact::OrderRefunded(fact) => {
                let (order, amount) = (fact.order.unwrap(), fact.amount.unwrap());
                let all = order.refunded.unwrap().units;
                format!("refunded {} {} by {}, {all} in all", order.order_id, amount.units, fact.refund_id)
            }
            Fact::OrderCancelled(fact) => {
                let (order, amount) = (fact.order.unwrap(), fact.amount.unwrap());
                format!(
                    "cancelled {} {}, {} in all",
                    order.order_id,
                    amount.units,
                    order.refunded.unwrap().units
                )
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "recorded o-1",
            "refunded o-1 40 by r-1, 40 in all",
            "cancelled o-1 60, 100 in all",
            "recorded o-2",
            "cancelled o-2 0, 0 in all",
        ]
    );
}

#[tokio::test]
async fn o12_the_history_tells_who_did_what_and_why() {
    let world = World::start().await;
    let acme = world.of("acme");
    let shelf = |quantity| v1::LineItem {
        sku: "a-1".into(),
        quantity,
        unit_price: Some(usd(500)),
        ..Default::default()
    };
    let placed = v1::NewOrder {
        line_items: vec![shelf(2)],
        occurred_at: Some(wire_time(NOW - time::Duration::DAY)),
        ..order("o-1", "eve", 10_000)
    };
    let by_service = v1::NewOrder { tenant_id: "acme".into(), ..placed.clone() };
    world.for_service().batch(vec![request(by_service)]).await;
    let changed = v1::NewOrder {
        external_status: "sent".into(),
        line_items: vec![shelf(1), shelf(1)],
        revenue: Some(usd(9_000)),
        ..placed
    };
    acme.update(changed).await.unwrap();
    let earlier = Some(wire_time(NOW - time::Duration::HOUR));
    let asked = v1::RefundOrderRequest {
        reason: "broken".into(),
        occurred_at: earlier,
        ..refund("o-1", "r-1", Some(usd(500)))
    };
    acme.refund(asked).await.unwrap();
    acme.cancel("o-1").await.unwrap();
    let history = acme.history("o-1", 100).await.unwrap();
    let kinds: Vec<Kind> = history.iter().map(v1::OrderChange::kind).collect();
    assert_eq!(kinds, [Kind::Recorded, Kind::Updated, Kind::Refunded, Kind::Cancelled]);
    let principals: Vec<_> = history.iter().map(|change| change.principal.as_str()).collect();
    assert_eq!(principals, ["service:tests", "anonymous", "anonymous", "anonymous"]);
    let field = |field: &str, before: &str, after: &str| v1::FieldChange {
        field: field.into(),
        before: before.into(),
        after: after.into(),
    };
    assert_eq!(
        history[1].fields,
        [
            field("revenue", "100.00 USD", "90.00 USD"),
            field("external_status", "", "sent"),
            field("line_items", "2 x a-1 at 5.00 USD", "1 x a-1 at 5.00 USD; 1 x a-1 at 5.00 USD")
        ]
    );
    let amounts: Vec<_> = history.iter().map(|change| change.amount.clone()).collect();
    assert_eq!(amounts, [None, Some(usd(1_000)), Some(usd(500)), Some(usd(8_500))]);
    let reasons: Vec<_> = history.iter().map(|change| change.reason.as_str()).collect();
    assert_eq!(reasons, ["", "", "broken", "never sent"]);
    assert_eq!((history[2].refund_id.as_str(), history[2].occurred_at), ("r-1", earlier));
    for page_size in 1..=5 {
        assert_eq!(acme.history("o-1", page_size).await.unwrap(), history, "pages of {page_size}");
    }
}

#[tokio::test]
async fn what_is_no_refund_of_this_order_is_refused_by_field() {
    let world = World::start().await;
    let (acme, other) = (world.of("acme"), world.of("other"));
    acme.record(order("o-1", "eve", 10_000)).await;
    let fine = Money { currency_code: "USD".into(), units: 0, nanos: 1_000_000 };
    for (amount, field) in [
        (usd(0), "amount"),
        (usd(-100), "amount"),
        (money(100, "EUR"), "amount.currency_code"),
        (money(100, "XXQ"), "amount.currency_code"),
        (fine, "amount"),
    ] {
        bad_field(acme.refund(refund("o-1", "r-1", Some(amount))).await, field);
    }
    let late = Some(wire_time(NOW + time::Duration::days(2)));
    let early = Some(wire_time(NOW - time::Duration::SECOND));
    for occurred_at in [late, early] {
        let untimely = v1::RefundOrderRequest { occurred_at, ..refund("o-1", "r-1", None) };
        bad_field(acme.refund(untimely).await, "occurred_at");
        let untimely = v1::CancelOrderRequest { order_id: "o-1".into(), occurred_at, ..Default::default() };
        bad_field(acme.orders().cancel_order(untimely).await, "occurred_at");
    }
    bad_field(acme.refund(refund("o-1", "", None)).await, "refund_id");
    // another tenant's order is no different from none
    refused(other.refund(refund("o-1", "r-1", None)).await, Code::NotFound, "ORDER_NOT_FOUND");
    refused(other.cancel("o-1").await, Code::NotFound, "ORDER_NOT_FOUND");
    refused(other.history("o-1", 1).await, Code::NotFound, "ORDER_NOT_FOUND");
    assert_eq!(acme.get("o-1").await.unwrap().refunded, Some(usd(0)));
    assert_eq!(world.count("SELECT count(*) FROM order_changes").await, 0);
}

#[tokio::test]
async fn what_is_refused_or_done_already_leaves_nothing_behind() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    acme.refund(refund("o-1", "r-1", Some(usd(4_000)))).await.unwrap();
    acme.cancel("o-1").await.unwrap();
    let left = async || {
        let mut left = Vec::new();
        for query in [
            "SELECT count(*) FROM events",
            "SELECT count(*) FROM audit",
            "SELECT count(*) FROM order_changes",
        ] {
            left.push(world.count(query).await);
        }
        left
    };
    let before = left().await;
    acme.refund(refund("o-1", "r-1", None)).await.unwrap();
    acme.cancel("o-1").await.unwrap();
    acme.refund(refund("o-1", "r-2", None)).await.unwrap_err();
    acme.refund(refund("o-9", "r-1", None)).await.unwrap_err();
    assert_eq!(left().await, before);
}

#[tokio::test]
async fn m4_a_reversal_happens_at_the_tenants_now() {
    let world = World::start().await;
    let sandbox = world.of("test-acme");
    let then = time::macros::datetime!(1997-01-01 00:00 UTC);
    sandbox.set_clock(then).await;
    sandbox.events_until(|events| !events.is_empty()).await;
    sandbox.record(order("o-1", "eve", 10_000)).await;
    let made = sandbox.refund(refund("o-1", "r-1", Some(usd(1)))).await.unwrap().refund.unwrap();
    assert_eq!((made.occurred_at, made.recorded_at), (Some(wire_time(then)), Some(wire_time(NOW))));
    assert_eq!(sandbox.cancel("o-1").await.unwrap().order.unwrap().cancelled_at, Some(wire_time(then)));
    let cancelled = sandbox.events().await.pop().unwrap();
    assert_eq!(cancelled.occurred_at, Some(wire_time(then)));
}

#[tokio::test]
async fn o1_a_reversal_names_the_source_where_ids_are_scoped_by_it() {
    let scoped = orders::Settings { scope_by_source: ["acme".parse().unwrap()].into() };
    let world = World::with(scoped).await;
    let acme = world.of("acme");
    for source in ["shop", "phone"] {
        acme.record(v1::NewOrder { source: source.into(), ..order("o-1", "eve", 100) }).await;
    }
    let of_shop = v1::RefundOrderRequest { source: "shop".into(), ..refund("o-1", "r-1", None) };
    assert_eq!(acme.refund(of_shop).await.unwrap().order.unwrap().source, "shop");
    let history = async |source: &str| {
        let (order_id, source) = ("o-1".to_owned(), source.to_owned());
        let request = v1::GetOrderHistoryRequest { order_id, source, ..Default::default() };
        acme.orders().get_order_history(request).await.map(|page| page.into_inner().changes.len())
    };
    assert_eq!((history("shop").await.unwrap(), history("phone").await.unwrap()), (2, 1));
    refused(history("").await, Code::NotFound, "ORDER_NOT_FOUND");
}
