//! RecordOrder, rule by rule.

use orders::Settings;
use proto::attribution::{InactiveReason, Outcome, UnresolvedReason};
use proto::common::ContactRef;
use proto::orders::{self as v1, OnUnattributed, RecordResult};
use tonic::Code;

use crate::common::*;

#[tokio::test]
async fn o1_an_order_is_known_by_tenant_and_order_id() {
    let world = World::start().await;
    let (acme, other) = (world.of("acme"), world.of("other"));
    let (first, result) = acme.record(order("o-1", "eve", 100)).await;
    assert_eq!(result, RecordResult::Recorded);
    let (again, result) = acme.record(order("o-1", "eve", 100)).await;
    assert_eq!((again, result), (first.clone(), RecordResult::AlreadyRecorded));
    let (theirs, result) = other.record(order("o-1", "eve", 999)).await;
    assert_eq!(result, RecordResult::Recorded);
    assert_ne!(theirs.contact_id, first.contact_id);
    assert_eq!(acme.get("o-1").await.unwrap(), first);
    // source is an attribute
    let moved = v1::NewOrder { source: "crm".into(), ..order("o-1", "eve", 100) };
    let status = refused(acme.try_record(moved).await, Code::AlreadyExists, "ORDER_DIFFERS");
    assert_eq!(detail(&status, "fields"), "source");
}

#[tokio::test]
async fn o1_a_tenant_may_scope_order_ids_by_source() {
    let world = World::with(Settings { scope_by_source: ["acme".parse().unwrap()].into() }).await;
    let acme = world.of("acme");
    let of = |source: &str, cents| v1::NewOrder { source: source.into(), ..order("o-1", "eve", cents) };
    for (source, cents) in [("shop", 100), ("crm", 200), ("", 300)] {
        let (recorded, result) = acme.record(of(source, cents)).await;
        assert_eq!((recorded.revenue, result), (Some(usd(cents)), RecordResult::Recorded), "{source}");
    }
    let get = v1::GetOrderRequest { order_id: "o-1".into(), source: "crm".into() };
    let found = acme.orders().get_order(get).await.unwrap().into_inner().order.unwrap();
    assert_eq!(found.revenue, Some(usd(200)));
}

#[tokio::test]
async fn o2_an_order_has_all_its_parts() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let line = |sku: &str, quantity, cents| v1::LineItem {
        sku: sku.into(),
        name: format!("a {sku}"),
        quantity,
        unit_price: Some(usd(cents)),
    };
    let whole = v1::NewOrder {
        source: "shop".into(),
        campaign_id: "spring".into(),
        external_status: "closedwon".into(),
        hubspot_dealstage: "won".into(),
        line_items: vec![line("pen", 2, 50), line("ink", 1, 900)],
        occurred_at: Some(wire_time(time::macros::datetime!(2025-05-01 08:00:00.123456 UTC))),
        ..order("o-1", "eve", 1_000)
    };
    let (recorded, _) = acme.record(whole.clone()).await;
    assert_eq!(recorded.source, "shop");
    assert_eq!(recorded.campaign_id, "spring");
    assert_eq!(
        (recorded.external_status.as_str(), recorded.hubspot_dealstage.as_str()),
        ("closedwon", "won")
    );
    assert_eq!(recorded.line_items, whole.line_items);
    assert_eq!((recorded.revenue.clone(), recorded.refunded.clone()), (Some(usd(1_000)), Some(usd(0))));
    assert_eq!(recorded.occurred_at, whole.occurred_at);
    assert_eq!(recorded.recorded_at, Some(wire_time(NOW)));
    assert_eq!(acme.get("o-1").await.unwrap(), recorded);
    // the same again, lines and all
    assert_eq!(acme.record(whole).await, (recorded, RecordResult::AlreadyRecorded));
}

#[tokio::test]
async fn o2_a_customer_is_created_when_unknown_and_found_when_known() {
    let world = World::start().await;
    let acme = world.of("acme");
    let eve = acme.upsert_contact("eve", "u-7").await;
    let by_uid = v1::NewOrder { customer: Some(uid("u-7")), ..order("o-1", "eve", 100) };
    assert_eq!(acme.record(by_uid).await.0.contact_id, eve);
    let (new, _) = acme.record(order("o-2", "mallory", 100)).await;
    assert_eq!(acme.record(order("o-3", "MALLORY", 100)).await.0.contact_id, new.contact_id);
    let stranger =
        ContactRef { contact_id: "018f0000-0000-7000-8000-000000000000".into(), ..Default::default() };
    let unknown = v1::NewOrder { customer: Some(stranger), ..order("o-4", "eve", 100) };
    refused(acme.try_record(unknown).await, Code::NotFound, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn o3_one_call_makes_contact_attribution_and_order() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (ann, _) = acme.program().await;
    let (recorded, _) = acme.record(by_code("o-1", "eve", "ann10")).await;
    assert_eq!(recorded.campaign_id, "spring", "the code supplies the campaign");
    assert_eq!(recorded.advocate_id, ann);
    assert_eq!(recorded.outcome(), Outcome::Attributed);
    assert!(!recorded.attribution_id.is_empty());
    assert_eq!(recorded.inactive_attribution_id, "");
    // later orders need no evidence, only the campaign
    let later = v1::NewOrder { campaign_id: "spring".into(), ..order("o-2", "eve", 100) };
    let (later, _) = acme.record(later).await;
    assert_eq!(
        (later.outcome(), later.attribution_id),
        (Outcome::AlreadyAttributed, recorded.attribution_id)
    );
}

#[tokio::test]
async fn o3_an_advocate_may_be_named_instead_of_a_code() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (_, bob) = acme.program().await;
    let evidence = proto::attribution::Evidence { advocate: Some(email("bob")), ..Default::default() };
    let named =
        v1::NewOrder { campaign_id: "spring".into(), evidence: Some(evidence), ..order("o-1", "eve", 100) };
    let (recorded, _) = acme.record(named).await;
    assert_eq!((recorded.advocate_id.as_str(), recorded.outcome()), (bob.as_str(), Outcome::Attributed));
}

#[tokio::test]
async fn o3_an_attempt_that_lost_is_kept_beside_the_active_one() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (ann, _) = acme.program().await;
    acme.record(by_code("o-1", "eve", "ANN10")).await;
    let (second, _) = acme.record(by_code("o-2", "eve", "BOB10")).await;
    assert_eq!(second.advocate_id, ann, "the order goes to the active one (A11)");
    assert_eq!(second.outcome(), Outcome::LoggedInactive);
    assert_eq!(second.inactive_reason(), InactiveReason::Duplicate);
    assert!(!second.inactive_attribution_id.is_empty());
    assert_ne!(second.inactive_attribution_id, second.attribution_id);
}

#[tokio::test]
async fn o3_a_code_of_another_campaign_is_refused() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let mismatch = v1::NewOrder { campaign_id: "autumn".into(), ..by_code("o-1", "eve", "ANN10") };
    refused(acme.try_record(mismatch).await, Code::FailedPrecondition, "CAMPAIGN_MISMATCH");
    refused(acme.get("o-1").await, Code::NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn o4_the_database_refuses_to_change_an_attribution() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    acme.record(by_code("o-1", "eve", "ANN10")).await;
    acme.record(order("o-2", "mallory", 100)).await;
    for change in [
        "UPDATE orders SET attribution_id = gen_random_uuid() WHERE order_id = 'o-1'",
        "UPDATE orders SET attribution_id = NULL, advocate_id = NULL WHERE order_id = 'o-1'",
        "UPDATE orders SET advocate_id = gen_random_uuid() WHERE order_id = 'o-1'",
    ] {
        let error = sqlx::query(change).execute(world.db.read()).await.unwrap_err();
        assert!(matches!(pg::Error::from(error), pg::Error::Data(_)), "{change}");
    }
    // one recorded without may be linked once
    let link = "UPDATE orders SET attribution_id = gen_random_uuid(), advocate_id = gen_random_uuid()
                 WHERE order_id = 'o-2'";
    assert_eq!(sqlx::query(link).execute(world.db.read()).await.unwrap().rows_affected(), 1);
    assert!(sqlx::query(link).execute(world.db.read()).await.is_err());
    // what else changes, changes
    let other = "UPDATE orders SET external_status = 'x' WHERE order_id = 'o-1'";
    assert!(sqlx::query(other).execute(world.db.read()).await.is_ok());
}

#[tokio::test]
async fn o4_an_order_keeps_its_attribution_when_it_comes_again_with_other_evidence() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let (first, _) = acme.record(by_code("o-1", "eve", "ANN10")).await;
    let asked = world.network.asked();
    let (again, result) = acme.record(by_code("o-1", "eve", "BOB10")).await;
    assert_eq!((again, result), (first, RecordResult::AlreadyRecorded));
    assert_eq!(world.network.asked(), asked, "evidence is judged once");
}

#[tokio::test]
async fn o5_an_order_without_campaign_is_recorded() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (recorded, _) = acme.record(order("o-1", "eve", 100)).await;
    assert_eq!((recorded.campaign_id.as_str(), recorded.attribution_id.as_str()), ("", ""));
    assert_eq!(recorded.unresolved_reason(), UnresolvedReason::NoEvidence);
}

#[tokio::test]
async fn o6_different_content_is_refused_naming_the_fields() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 100)).await;
    let other = v1::NewOrder { external_status: "won".into(), ..order("o-1", "mallory", 200) };
    let status = refused(acme.try_record(other).await, Code::AlreadyExists, "ORDER_DIFFERS");
    assert_eq!(detail(&status, "fields"), "customer,revenue,external_status");
    assert_eq!(acme.get("o-1").await.unwrap().revenue, Some(usd(100)));
}

#[tokio::test]
async fn o6_the_same_customer_may_be_named_by_another_reference() {
    let world = World::start().await;
    let acme = world.of("acme");
    let eve = acme.upsert_contact("eve", "u-7").await;
    acme.record(order("o-1", "eve", 100)).await;
    let by_id = ContactRef { contact_id: eve, ..Default::default() };
    for customer in [uid("u-7"), by_id] {
        let again = v1::NewOrder { customer: Some(customer), ..order("o-1", "eve", 100) };
        assert_eq!(acme.record(again).await.1, RecordResult::AlreadyRecorded);
    }
    assert_eq!(world.count("SELECT count(*) FROM events").await, 1);
}

#[tokio::test]
async fn o6_an_update_changes_status_and_lines() {
    let world = World::start().await;
    let acme = world.of("acme");
    let line =
        v1::LineItem { sku: "pen".into(), quantity: 1, unit_price: Some(usd(100)), ..Default::default() };
    let first = v1::NewOrder { line_items: vec![line.clone()], ..order("o-1", "eve", 100) };
    let (stored, _) = acme.record(first.clone()).await;
    let lines = vec![line.clone(), v1::LineItem { sku: "ink".into(), ..line }];
    let second = v1::NewOrder { external_status: "won".into(), line_items: lines.clone(), ..first };
    let response = acme.update(second.clone()).await.unwrap();
    assert_eq!(response.result(), RecordResult::Updated);
    let updated = response.order.unwrap();
    assert_eq!(updated, v1::Order { external_status: "won".into(), line_items: lines, ..stored });
    assert_eq!(acme.get("o-1").await.unwrap(), updated);
    assert_eq!(acme.update(second).await.unwrap().result(), RecordResult::AlreadyRecorded);
    // taken away again
    let response = acme.update(order("o-1", "eve", 100)).await.unwrap();
    assert_eq!(response.order.unwrap().line_items, []);
    assert_eq!(world.count("SELECT count(*) FROM line_items").await, 0);
}

#[tokio::test]
async fn o6_an_update_never_changes_customer_campaign_source_currency_or_time() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    acme.record(order("o-1", "eve", 100)).await;
    let base = order("o-1", "eve", 200);
    for (changed, fields) in [
        (v1::NewOrder { customer: Some(email("mallory")), ..base.clone() }, "customer,revenue"),
        (v1::NewOrder { campaign_id: "spring".into(), ..base.clone() }, "revenue,campaign_id"),
        (v1::NewOrder { source: "crm".into(), ..base.clone() }, "source,revenue"),
        (v1::NewOrder { revenue: Some(money(100, "EUR")), ..base.clone() }, "revenue.currency_code"),
        (
            v1::NewOrder {
                occurred_at: Some(wire_time(time::macros::datetime!(2025-05-01 0:00 UTC))),
                ..base
            },
            "revenue,occurred_at",
        ),
    ] {
        let status = refused(acme.update(changed).await, Code::AlreadyExists, "ORDER_DIFFERS");
        assert_eq!(detail(&status, "fields"), fields);
    }
}

#[tokio::test]
async fn o6_revenue_is_not_lowered_below_what_was_refunded() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let (order_id, refund_id) = ("o-1".to_owned(), "r-1".to_owned());
    let refund =
        v1::RefundOrderRequest { order_id, refund_id, amount: Some(usd(3_000)), ..Default::default() };
    acme.orders().refund_order(refund).await.unwrap();
    refused(acme.update(order("o-1", "eve", 2_999)).await, Code::FailedPrecondition, "BELOW_REFUNDED");
    let lowered = acme.update(order("o-1", "eve", 8_000)).await.unwrap().order.unwrap();
    assert_eq!((lowered.revenue, lowered.refunded), (Some(usd(8_000)), Some(usd(3_000))));
}

#[tokio::test]
async fn o7_an_unknown_referrer_does_not_lose_the_order() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let unknown = v1::NewOrder { campaign_id: "spring".into(), ..by_code("o-1", "eve", "NOBODY") };
    let (recorded, result) = acme.record(unknown).await;
    assert_eq!(result, RecordResult::Recorded);
    assert_eq!((recorded.outcome(), recorded.attribution_id.as_str()), (Outcome::Unresolved, ""));
    assert_eq!(recorded.unresolved_reason(), UnresolvedReason::UnknownCode);
    assert_eq!(recorded.campaign_id, "spring");
}

#[tokio::test]
async fn o7_a_caller_may_ask_for_it_to_be_refused() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let strict =
        |order| v1::RecordOrderRequest { on_unattributed: OnUnattributed::Reject.into(), ..request(order) };
    let unknown = acme.send(strict(by_code("o-1", "eve", "NOBODY"))).await;
    let status = refused(unknown, Code::FailedPrecondition, "ORDER_UNATTRIBUTED");
    assert_eq!(detail(&status, "outcome"), "UNRESOLVED(UNKNOWN_CODE)");
    // ann buys with her own code (A7)
    let own = acme.send(strict(by_code("o-1", "ann", "ANN10"))).await;
    let status = refused(own, Code::FailedPrecondition, "ORDER_UNATTRIBUTED");
    assert_eq!(detail(&status, "outcome"), "LOGGED_INACTIVE(SELF_REFERRAL)");
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
    assert!(acme.send(strict(by_code("o-1", "eve", "ANN10"))).await.is_ok());
    assert!(acme.send(strict(order("o-2", "mallory", 100))).await.is_ok(), "nothing was claimed");
}

#[tokio::test]
async fn m1_amounts_are_kept_in_their_currency_to_the_minor_unit() {
    let world = World::start().await;
    let acme = world.of("acme");
    for (n, amount) in [money(1_050, "USD"), money(120_000, "JPY"), money(1, "EUR")].into_iter().enumerate() {
        let order = v1::NewOrder { revenue: Some(amount.clone()), ..order(&format!("o-{n}"), "eve", 0) };
        assert_eq!(acme.record(order).await.0.revenue, Some(amount));
    }
    let fine = v1::NewOrder { revenue: Some(money(150, "JPY")), ..order("o-9", "eve", 0) };
    bad_field(acme.try_record(fine).await, "order.revenue");
}

#[tokio::test]
async fn m3_occurred_at_defaults_to_now_and_may_be_a_day_ahead() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (recorded, _) = acme.record(order("o-1", "eve", 100)).await;
    assert_eq!(recorded.occurred_at, Some(wire_time(NOW)));
    let at = |at| v1::NewOrder { occurred_at: Some(wire_time(at)), ..order("o-2", "eve", 100) };
    let late = NOW + time::Duration::days(1) + time::Duration::SECOND;
    bad_field(acme.try_record(at(late)).await, "order.occurred_at");
    assert!(acme.try_record(at(NOW + time::Duration::days(1))).await.is_ok());
}

#[tokio::test]
async fn a_repeated_request_id_answers_with_the_order_as_it_is_now() {
    let world = World::start().await;
    let acme = world.of("acme");
    let with_id = |order, id: &str| v1::RecordOrderRequest { request_id: id.into(), ..request(order) };
    let first = with_id(order("o-1", "eve", 100), "r-1");
    assert_eq!(acme.send(first.clone()).await.unwrap().result(), RecordResult::Recorded);
    acme.update(order("o-1", "eve", 80)).await.unwrap();
    let replayed = acme.send(first).await.unwrap();
    assert_eq!(replayed.result(), RecordResult::AlreadyRecorded);
    assert_eq!(replayed.order.unwrap().revenue, Some(usd(80)), "as it is now");
    let other = acme.send(with_id(order("o-2", "eve", 100), "r-1")).await;
    refused(other, Code::AlreadyExists, "REQUEST_ID_REUSED");
    refused(acme.get("o-2").await, Code::NotFound, "ORDER_NOT_FOUND");
    // of another tenant it is another request
    assert!(world.of("other").send(with_id(order("o-2", "eve", 100), "r-1")).await.is_ok());
}

#[tokio::test]
async fn a13_no_personal_data_is_kept_or_sent_on() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let customer = ContactRef { uid: "secret-uid".into(), ..email("secret-name") };
    let recorded = v1::NewOrder { customer: Some(customer), ..by_code("o-1", "eve", "ANN10") };
    acme.send(v1::RecordOrderRequest { request_id: "r-1".into(), ..request(recorded) }).await.unwrap();
    let (order_id, reason) = ("o-1".to_owned(), "secret reason".to_owned());
    let refund = v1::RefundOrderRequest {
        order_id: order_id.clone(),
        refund_id: "r-1".into(),
        amount: Some(usd(1)),
        reason: reason.clone(),
        request_id: "r-2".into(),
        ..Default::default()
    };
    acme.orders().refund_order(refund).await.unwrap();
    let cancel = v1::CancelOrderRequest { order_id, reason, request_id: "r-3".into(), ..Default::default() };
    acme.orders().cancel_order(cancel).await.unwrap();
    for table in [
        "SELECT count(*) FROM orders o WHERE o::text ILIKE '%secret%'",
        "SELECT count(*) FROM requests r WHERE r::text ILIKE '%secret%'",
        "SELECT count(*) FROM audit a WHERE a::text ILIKE '%secret%'",
        "SELECT count(*) FROM events WHERE encode(payload, 'escape') ILIKE '%secret%'",
    ] {
        assert_eq!(world.count(table).await, 0, "{table}");
    }
    // the same customer of another tenant has another hash
    world.of("other").record(order("o-1", "eve", 100)).await;
    acme.record(order("o-2", "eve", 100)).await;
    let hashes = "SELECT count(DISTINCT customer_hash) FROM orders WHERE order_id IN ('o-1', 'o-2')";
    assert_eq!(world.count(hashes).await, 3);
}
