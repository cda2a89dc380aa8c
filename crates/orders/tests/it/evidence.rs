//! What is asked of attribution about an order, and what must not come of it.

use proto::attribution::{self as att, Outcome, UnresolvedReason};
use proto::common::ContactRef;
use proto::orders::{self as v1, OnUnattributed, RecordResult};
use tonic::Code;

use crate::common::*;

/// The outcome of an order that came to nobody.
fn unknown_code(order: &v1::Order) -> bool {
    (order.outcome(), order.unresolved_reason()) == (Outcome::Unresolved, UnresolvedReason::UnknownCode)
}

#[tokio::test]
async fn o7_a_malformed_shortcode_does_not_lose_the_order() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let coded = |order_id: &str, code: &str| v1::NewOrder {
        campaign_id: "spring".into(),
        source: "shop".into(),
        ..by_code(order_id, "eve", code)
    };
    let (single, result) = acme.record(coded("o-1", "SPRING-10")).await;
    assert_eq!(result, RecordResult::Recorded);
    assert!(unknown_code(&single));
    assert_eq!((single.campaign_id.as_str(), single.attribution_id.as_str()), ("spring", ""));

    let codes = ["AB", " ", "a\0b", &"\u{e4}".repeat(64)];
    let batch = codes.iter().enumerate().map(|(n, code)| request(coded(&format!("b-{n}"), code)));
    for answer in acme.batch(batch.collect()).await {
        assert!(unknown_code(&answer.response.unwrap().order.unwrap()));
    }

    let file =
        b"order_id,email,revenue,campaign,shortcode\ni-1,eve@example.com,1,spring,SPRING 10\n".to_vec();
    let (rejected, summary) = acme.import(options(&[]), vec![file]).await;
    assert_eq!((rejected, summary.unwrap().recorded), (vec![], 1));
    assert!(unknown_code(&acme.get("i-1").await.unwrap()));

    let mut sent: Vec<_> = acme.attempts().await.into_iter().map(|attempt| attempt.shortcode).collect();
    sent.reverse();
    assert_eq!(sent, ["SPRING-10", "AB", " ", "a\u{fffd}b", &"\u{e4}".repeat(64), "SPRING 10"]);
}

#[tokio::test]
async fn o7_a_malformed_shortcode_is_passed_over_for_weaker_evidence() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (_, bob) = acme.program().await;
    let evidence =
        att::Evidence { shortcode: "SPRING-10".into(), advocate: Some(email("bob")), ..Default::default() };
    let order =
        v1::NewOrder { campaign_id: "spring".into(), evidence: Some(evidence), ..order("o-1", "eve", 100) };
    let (recorded, _) = acme.record(order).await;
    assert_eq!((recorded.advocate_id, recorded.outcome), (bob, Outcome::Attributed.into()));
}

#[tokio::test]
async fn o7_a_caller_may_ask_for_a_malformed_shortcode_to_be_refused() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let strict = v1::RecordOrderRequest {
        on_unattributed: OnUnattributed::Reject.into(),
        ..request(by_code("o-1", "eve", "SPRING-10"))
    };
    let status = refused(acme.send(strict).await, Code::FailedPrecondition, "ORDER_UNATTRIBUTED");
    assert_eq!(detail(&status, "outcome"), "UNRESOLVED(UNKNOWN_CODE)");
}

#[tokio::test]
async fn o6_an_order_refused_for_its_customer_creates_no_contact() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 100)).await;
    let before = acme.contacts().await;
    let unknown_id =
        ContactRef { contact_id: "018f0000-0000-7000-8000-000000000000".into(), ..Default::default() };
    for customer in [email("mallory"), uid("u-mallory"), unknown_id] {
        let other = v1::NewOrder { customer: Some(customer), ..order("o-1", "eve", 100) };
        for attempt in [request(other.clone()), updating(other)] {
            let status = refused(acme.send(attempt).await, Code::AlreadyExists, "ORDER_DIFFERS");
            assert_eq!(detail(&status, "fields"), "customer");
        }
    }
    assert_eq!(acme.contacts().await, before);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 1);
}

#[tokio::test]
async fn o6_an_order_that_differs_changes_no_contact() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 100)).await;
    let mallory = acme.upsert_contact("mallory", "").await;
    let before = acme.contacts().await;
    // a uid that is new would be added to the contact (A15)
    let other = v1::NewOrder {
        customer: Some(ContactRef { uid: "u-1".into(), ..email("mallory") }),
        ..order("o-1", "eve", 100)
    };
    refused(acme.try_record(other).await, Code::AlreadyExists, "ORDER_DIFFERS");
    assert_eq!(acme.contacts().await, before);
    assert!(before.iter().any(|contact| contact.contact_id == mallory && contact.uid.is_empty()));
    // the same customer by another text is still the same
    let same = v1::NewOrder {
        customer: Some(ContactRef { uid: "u-2".into(), ..email("eve") }),
        ..order("o-1", "eve", 100)
    };
    assert_eq!(acme.record(same).await.1, RecordResult::AlreadyRecorded);
    assert_eq!(acme.contacts().await, before);
}

/// A coupon code of `name`'s in `spring`.
async fn coupon(acme: &Caller, name: &str) -> String {
    let mut codes = att::code_service_client::CodeServiceClient::new(acme.attribution.clone());
    let request = att::IssueCouponCodesRequest {
        campaign_id: "spring".into(),
        advocates: vec![email(name)],
        request_id: name.into(),
        ..Default::default()
    };
    codes.issue_coupon_codes(request).await.unwrap().into_inner().codes.remove(0).code
}

#[tokio::test]
async fn o3_an_order_takes_campaign_and_advocate_from_its_coupon_code() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (_, bob) = acme.program().await;
    let code = coupon(&acme, "bob").await;
    let evidence = att::Evidence { coupon_code: code.to_lowercase(), ..Default::default() };
    let order = v1::NewOrder { evidence: Some(evidence), ..order("o-1", "eve", 100) };
    let (recorded, _) = acme.record(order).await;
    assert_eq!((recorded.advocate_id.as_str(), recorded.campaign_id.as_str()), (bob.as_str(), "spring"));

    let file = format!(
        "order_id,email,revenue,Coupon\ni-1,fay@example.com,1,{code}\ni-2,gus@example.com,1,NOSUCH\n"
    );
    let chunks = vec![file.into_bytes()];
    let (bad, summary) = acme.import(options(&[("Coupon", "coupon_code")]), chunks).await;
    assert_eq!((bad.len(), summary.unwrap().recorded), (0, 2));
    assert_eq!(acme.get("i-1").await.unwrap().advocate_id, bob);
    assert_eq!(acme.get("i-2").await.unwrap().unresolved_reason(), UnresolvedReason::UnknownCode);
}
