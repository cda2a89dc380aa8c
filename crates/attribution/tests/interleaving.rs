//! A2 and A14 under any interleaving: two servers on one database, and evidence of all kinds at the same time.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::*;
use futures::future::join_all;
use proptest::prelude::*;
use proto::attribution as v1;
use proto::attribution::visit_service_client::VisitServiceClient;
use runtime::Lifecycle;
use v1::Outcome;

const ADVOCATES: [&str; 3] = ["ann", "bob", "cyd"];

/// One attempt: which contact, and which advocate by each kind of evidence, strongest first.
#[derive(Debug, Clone)]
struct Step {
    contact: usize,
    by: [Option<usize>; 4],
    single_use: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let advocate = || prop::option::of(0..ADVOCATES.len());
    let by = [advocate(), advocate(), advocate(), advocate()];
    let step = (0..4_usize, by, any::<bool>());
    let step = step.prop_map(|(contact, by, single_use)| Step { contact, by, single_use });
    let claims = |step: &Step| step.by.iter().any(Option::is_some);
    prop::collection::vec(step.prop_filter("an attempt has evidence", claims), 8..40)
}

/// Codes of the advocates, in their order.
struct Coupons {
    unlimited: Vec<String>,
    single_use: Vec<String>,
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn prepare(acme: &Tenant) -> Coupons {
    acme.program().await;
    acme.advocate("cyd", "CYD10").await;
    for (name, code) in ADVOCATES.iter().zip(["ANN10", "BOB10", "CYD10"]) {
        let visit = v1::RecordVisitRequest {
            shortcode: code.into(),
            visitor_id: format!("browser of {name}"),
            occurred_at: Some(wire_time(NOW)),
            ..Default::default()
        };
        VisitServiceClient::new(acme.0.clone()).record_visit(visit).await.unwrap();
    }
    let issue = async |single_use: bool| {
        let request = v1::IssueCouponCodesRequest {
            campaign_id: "spring".into(),
            advocates: ADVOCATES.iter().map(|name| email(name)).collect(),
            single_use,
            request_id: format!("single use: {single_use}"),
            ..Default::default()
        };
        let codes = acme.codes().issue_coupon_codes(request).await.unwrap().into_inner().codes;
        codes.into_iter().map(|code| code.code).collect()
    };
    Coupons { unlimited: issue(false).await, single_use: issue(true).await }
}

fn attempt(step: &Step, coupons: &Coupons) -> v1::Attempt {
    let codes = if step.single_use { &coupons.single_use } else { &coupons.unlimited };
    let [shortcode, coupon, advocate, visitor] = step.by;
    let evidence = v1::Evidence {
        shortcode: shortcode.map(|n| format!("{}10", ADVOCATES[n])).unwrap_or_default(),
        coupon_code: coupon.map(|n| codes[n].clone()).unwrap_or_default(),
        advocate: advocate.map(|n| email(ADVOCATES[n])),
        visitor_id: visitor.map(|n| format!("browser of {}", ADVOCATES[n])).unwrap_or_default(),
    };
    v1::Attempt {
        contact: Some(email(&format!("customer{}", step.contact))),
        campaign_id: "spring".into(),
        evidence: Some(evidence),
        ..Default::default()
    }
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn hold(steps: Vec<Step>) {
    let service = Service::start().await;
    let db = service.sandbox.database(attribution::SCHEMA).await.unwrap();
    let lifecycle = Lifecycle::default();
    let second = attribution::start(db, Arc::new(service.clock.clone()), &lifecycle).await.unwrap();
    let acme = service.of("acme");
    let other = Tenant(rpc::channel::for_tenant(second.channel(), &"acme".parse().unwrap()));
    let coupons = prepare(&acme).await;
    let record = steps.iter().enumerate().map(|(n, step)| {
        let server = if n % 2 == 0 { &acme } else { &other };
        server.record(attempt(step, &coupons))
    });
    let results = join_all(record).await;

    let mut attributed = BTreeMap::<String, usize>::new();
    for result in &results {
        let count = attributed.entry(result.contact_id.clone()).or_default();
        *count += usize::from(result.outcome() == Outcome::Attributed);
    }
    let rows = acme.all_attributions().await;
    for (contact, count) in attributed {
        let active =
            rows.iter().filter(|a| a.contact_id == contact && a.state() == v1::AttributionState::Active);
        assert_eq!((count, active.count()), (count.min(1), count), "of {contact}");
    }
    // A14: who was attributed by a single use code alone is who used it
    let by_another = "SELECT count(*) FROM coupon_codes c JOIN attempts a ON a.coupon_code = c.code
                       WHERE c.single_use AND a.outcome = 1 AND a.shortcode IS NULL
                         AND a.advocate_id = c.advocate_id AND a.passed_over & 8 = 0 AND a.contact_id <> c.used_by";
    assert_eq!(service.count(by_another).await, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn a2_at_most_one_is_active_whatever_comes_over_two_servers_at_the_same_time(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(hold(steps));
    }
}
