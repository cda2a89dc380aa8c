//! UpdateOrder: content (O6), and linking an order once (O4).

use prost_types::FieldMask;
use proto::attribution::{self as att, Outcome, UnresolvedReason};
use proto::orders::order_event::Fact;
use proto::orders::{self as v1, OrderChangeKind as Kind};
use tonic::{Code, Status};

use crate::common::*;

impl Caller {
    pub(crate) async fn change(
        &self,
        request: v1::UpdateOrderRequest,
    ) -> Result<v1::UpdateOrderResponse, Status> {
        Ok(self.orders().update_order(request).await?.into_inner())
    }

    pub(crate) async fn link(&self, order_id: &str, code: &str) -> Result<v1::UpdateOrderResponse, Status> {
        self.change(linking(order_id, code)).await
    }
}

pub(crate) fn change(order_id: &str) -> v1::UpdateOrderRequest {
    v1::UpdateOrderRequest { order_id: order_id.into(), ..Default::default() }
}

fn linking(order_id: &str, code: &str) -> v1::UpdateOrderRequest {
    let evidence = att::Evidence { shortcode: code.into(), ..Default::default() };
    v1::UpdateOrderRequest { evidence: Some(evidence), ..change(order_id) }
}

/// An order in a campaign, without evidence.
fn in_campaign(order_id: &str, name: &str, campaign: &str) -> v1::NewOrder {
    v1::NewOrder { campaign_id: campaign.into(), ..order(order_id, name, 10_000) }
}

#[expect(clippy::unnecessary_wraps, reason = "as the field has it")]
fn only(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() })
}

/// The facts so far, in words.
async fn told(caller: &Caller) -> Vec<String> {
    let tell = |fact| match fact {
        Fact::OrderRecorded(_) => "recorded".to_owned(),
        Fact::OrderUpdated(fact) => format!("updated {}", fact.order.unwrap().advocate_id),
        Fact::OrderRefunded(fact) => format!("refunded {}", fact.amount.unwrap().units),
        other => panic!("{other:?}"),
    };
    caller.facts().await.into_iter().map(tell).collect()
}

#[tokio::test]
async fn o6_an_update_touches_what_it_names() {
    let world = World::start().await;
    let acme = world.of("acme");
    let line =
        v1::LineItem { sku: "a-1".into(), quantity: 1, unit_price: Some(usd(100)), ..Default::default() };
    let given = v1::NewOrder {
        external_status: "open".into(),
        line_items: vec![line.clone()],
        ..order("o-1", "eve", 10_000)
    };
    acme.record(given).await;
    // without a mask what is given
    let won = v1::UpdateOrderRequest { hubspot_dealstage: "won".into(), ..change("o-1") };
    let answer = acme.change(won.clone()).await.unwrap();
    let order = answer.order.unwrap();
    assert_eq!((order.external_status.as_str(), order.hubspot_dealstage.as_str()), ("open", "won"));
    assert_eq!((order.line_items, order.revenue, answer.replayed), (vec![line], Some(usd(10_000)), false));
    assert_eq!(acme.get("o-1").await.unwrap().hubspot_dealstage, "won");
    // what is so already is left alone
    assert!(acme.change(won).await.unwrap().replayed);
    assert!(acme.change(change("o-1")).await.unwrap().replayed);
    // what the mask names is emptied, what is given beside it is not looked at
    let emptied = v1::UpdateOrderRequest {
        update_mask: only(&["external_status", "line_items"]),
        hubspot_dealstage: "lost".into(),
        ..change("o-1")
    };
    let order = acme.change(emptied).await.unwrap().order.unwrap();
    assert_eq!((order.external_status.as_str(), order.hubspot_dealstage.as_str()), ("", "won"));
    assert_eq!((order.line_items.len(), acme.get("o-1").await.unwrap().line_items.len()), (0, 0));
    assert_eq!(world.count("SELECT count(*) FROM events").await, 3);
    assert_eq!(world.count("SELECT count(*) FROM order_changes WHERE kind = 'UPDATED'").await, 2);
}

#[tokio::test]
async fn o6_revenue_lowered_counts_as_a_refund_of_the_difference() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let worth = |cents| v1::UpdateOrderRequest { revenue: Some(usd(cents)), ..change("o-1") };
    let refund = v1::RefundOrderRequest {
        order_id: "o-1".into(),
        refund_id: "r-1".into(),
        amount: Some(usd(3_000)),
        ..Default::default()
    };
    acme.orders().refund_order(refund).await.unwrap();
    refused(acme.change(worth(2_999)).await, Code::FailedPrecondition, "BELOW_REFUNDED");
    let lowered = acme.change(worth(8_000)).await.unwrap().order.unwrap();
    assert_eq!((lowered.revenue, lowered.refunded), (Some(usd(8_000)), Some(usd(3_000))));
    acme.change(worth(9_000)).await.unwrap();
    let expected = ["recorded", "refunded 30", "updated ", "refunded 20", "updated "];
    assert_eq!(told(&acme).await, expected, "raised, it gives nothing back");
    let cancel = v1::CancelOrderRequest { order_id: "o-1".into(), ..Default::default() };
    acme.orders().cancel_order(cancel).await.unwrap();
    refused(acme.change(worth(9_001)).await, Code::FailedPrecondition, "ORDER_CANCELLED");
    // what it is called elsewhere may change
    let status = v1::UpdateOrderRequest { external_status: "lost".into(), ..change("o-1") };
    assert_eq!(acme.change(status).await.unwrap().order.unwrap().external_status, "lost");
}

#[tokio::test]
async fn what_is_wrong_with_an_update_is_named_by_its_field() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let line =
        |price| v1::LineItem { sku: "a".into(), quantity: 1, unit_price: Some(price), name: String::new() };
    let blank = || change("o-1");
    for (request, path) in [
        (v1::UpdateOrderRequest { update_mask: only(&["revenue"]), ..blank() }, "revenue"),
        (v1::UpdateOrderRequest { update_mask: only(&["*"]), ..blank() }, "revenue"),
        (v1::UpdateOrderRequest { update_mask: only(&["customer"]), ..blank() }, "update_mask"),
        (v1::UpdateOrderRequest { revenue: Some(usd(-1)), ..blank() }, "revenue"),
        (v1::UpdateOrderRequest { revenue: Some(money(100, "EUR")), ..blank() }, "revenue.currency_code"),
        (
            v1::UpdateOrderRequest { line_items: vec![line(money(100, "EUR"))], ..blank() },
            "line_items[0].unit_price.currency_code",
        ),
        (
            v1::UpdateOrderRequest { line_items: vec![line(usd(1)), line(money(100, "EUR"))], ..blank() },
            "line_items[1].unit_price.currency_code",
        ),
        (v1::UpdateOrderRequest { external_status: "\n".into(), ..blank() }, "external_status"),
    ] {
        bad_field(acme.change(request).await, path);
    }
    refused(acme.change(change("o-2")).await, Code::NotFound, "ORDER_NOT_FOUND");
    refused(acme.link("o-2", "ANN10").await, Code::NotFound, "ORDER_NOT_FOUND");
    refused(world.of("other").change(change("o-1")).await, Code::NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn o4_an_order_recorded_without_attribution_may_be_linked_once() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (ann, _) = acme.program().await;
    let (recorded, _) = acme.record(order("o-1", "eve", 10_000)).await;
    assert_eq!((recorded.outcome(), recorded.attribution_id.as_str()), (Outcome::Unresolved, ""));
    let linked = acme.link("o-1", "ANN10").await.unwrap();
    let order = linked.order.unwrap();
    assert_eq!((order.advocate_id.as_str(), order.campaign_id.as_str()), (ann.as_str(), "spring"));
    assert_eq!((order.outcome(), linked.replayed), (Outcome::Attributed, false));
    assert_eq!(acme.get("o-1").await.unwrap(), order);
    // the same advocate named again, by whatever evidence, changes nothing
    assert!(acme.link("o-1", "ann10").await.unwrap().replayed);
    let by_email = att::Evidence { advocate: Some(email("ann")), ..Default::default() };
    let again = v1::UpdateOrderRequest { evidence: Some(by_email), ..change("o-1") };
    assert!(acme.change(again).await.unwrap().replayed);
    for code in ["BOB10", "NOBODY"] {
        refused(acme.link("o-1", code).await, Code::FailedPrecondition, "ORDER_ATTRIBUTED");
    }
    assert_eq!(acme.get("o-1").await.unwrap(), order);
    // one event, which carries how far attribution's answer reached
    let events = acme.events().await;
    let [_, event] = events.as_slice() else { panic!("{events:?}") };
    assert!(event.attribution_head.unwrap().position > events[0].attribution_head.unwrap().position);
    assert_eq!(told(&acme).await, ["recorded".to_owned(), format!("updated {ann}")]);
    let request = v1::GetOrderHistoryRequest { order_id: "o-1".into(), ..Default::default() };
    let history = acme.orders().get_order_history(request).await.unwrap().into_inner().changes;
    assert_eq!(history.iter().map(v1::OrderChange::kind).collect::<Vec<_>>(), [Kind::Recorded, Kind::Linked]);
    let fields: Vec<_> = history[1].fields.iter().map(|f| (f.field.as_str(), f.after.as_str())).collect();
    let expected = [
        ("campaign_id", "spring"),
        ("attribution_id", order.attribution_id.as_str()),
        ("advocate_id", ann.as_str()),
        ("outcome", "ATTRIBUTED"),
    ];
    assert_eq!(fields, expected);
}

#[tokio::test]
async fn o4_evidence_is_judged_in_the_orders_campaign_and_at_its_time() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (ann, _) = acme.program().await;
    acme.record(in_campaign("o-1", "eve", "autumn")).await;
    refused(acme.link("o-1", "ANN10").await, Code::FailedPrecondition, "CAMPAIGN_MISMATCH");
    // before the campaign began
    let early = Some(wire_time(time::macros::datetime!(2024-05-01 12:00 UTC)));
    acme.record(v1::NewOrder { occurred_at: early, ..in_campaign("o-2", "eve", "spring") }).await;
    let status = refused(acme.link("o-2", "ANN10").await, Code::FailedPrecondition, "ORDER_UNATTRIBUTED");
    assert_eq!(detail(&status, "outcome"), "UNRESOLVED(CAMPAIGN_NOT_ACTIVE)");
    // nothing of a refused attempt stays with the order
    let order = acme.get("o-2").await.unwrap();
    assert_eq!(order.unresolved_reason(), UnresolvedReason::NoEvidence);
    // evidence for another than the one who is active: the order goes to the active one, and keeps what lost (A11)
    acme.record(order_of("o-3", "eve")).await;
    acme.record(by_code("o-4", "eve", "ANN10")).await;
    let lost = acme.link("o-3", "BOB10").await.unwrap().order.unwrap();
    assert_eq!((lost.advocate_id.as_str(), lost.outcome()), (ann.as_str(), Outcome::LoggedInactive));
    assert!(!lost.inactive_attribution_id.is_empty());
}

fn order_of(order_id: &str, name: &str) -> v1::NewOrder {
    order(order_id, name, 10_000)
}

#[tokio::test]
async fn o4_evidence_that_comes_to_nobody_changes_nothing() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    acme.record(order("o-1", "ann", 10_000)).await;
    for (code, outcome) in
        [("NOBODY", "UNRESOLVED(UNKNOWN_CODE)"), ("ANN10", "LOGGED_INACTIVE(SELF_REFERRAL)")]
    {
        // all of a call takes effect, or nothing
        let both = v1::UpdateOrderRequest { external_status: "won".into(), ..linking("o-1", code) };
        let status = refused(acme.change(both).await, Code::FailedPrecondition, "ORDER_UNATTRIBUTED");
        assert_eq!(detail(&status, "outcome"), outcome);
    }
    assert_eq!(acme.get("o-1").await.unwrap().external_status, "");
    assert_eq!(world.count("SELECT count(*) FROM events").await, 1);
    // a link and content at once: one event of what the order became
    let both = v1::UpdateOrderRequest { revenue: Some(usd(9_000)), ..linking("o-1", "BOB10") };
    let order = acme.change(both).await.unwrap().order.unwrap();
    let expected =
        ["recorded".to_owned(), format!("updated {}", order.advocate_id), "refunded 10".to_owned()];
    assert_eq!(told(&acme).await, expected);
}

#[tokio::test]
async fn without_attributions_word_nothing_is_linked() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    acme.record(order("o-1", "eve", 10_000)).await;
    world.network.lose(1);
    refused(acme.link("o-1", "ANN10").await, Code::Unavailable, "UNAVAILABLE");
    // what needs no word of attribution's does not wait for it
    let status = v1::UpdateOrderRequest { external_status: "won".into(), ..change("o-1") };
    assert_eq!(acme.change(status).await.unwrap().order.unwrap().attribution_id, "");
    assert!(!acme.link("o-1", "ANN10").await.unwrap().replayed);
}

#[tokio::test]
async fn a_request_id_names_one_update() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let asked = |cents| v1::UpdateOrderRequest {
        revenue: Some(usd(cents)),
        request_id: "q-1".into(),
        ..change("o-1")
    };
    acme.change(asked(9_000)).await.unwrap();
    acme.update(order("o-1", "eve", 8_000)).await.unwrap();
    let again = acme.change(asked(9_000)).await.unwrap();
    assert_eq!((again.order.unwrap().revenue, again.replayed), (Some(usd(8_000)), true), "as it is now");
    refused(acme.change(asked(7_000)).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
}
