//! A1 to A12 and A16: attempts to attribute, on a real database.

mod common;

use common::*;
use proto::attribution as v1;
use time::Duration;
use tonic::Code;
use v1::{InactiveReason, Outcome, UnresolvedReason};

fn unresolved(result: &v1::AttemptResult) -> UnresolvedReason {
    assert_eq!(result.outcome(), Outcome::Unresolved);
    result.unresolved_reason()
}

#[tokio::test]
async fn a1_a_contact_may_be_referred_in_many_campaigns() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.campaign("autumn").await;
    acme.code("autumn", "bob", "BOBFALL").await;
    assert_eq!(acme.record(by_code("joe", "ANN10")).await.outcome(), Outcome::Attributed);
    assert_eq!(acme.record(by_code("joe", "BOBFALL")).await.outcome(), Outcome::Attributed);
    assert_eq!(acme.lookup("spring", "joe", None).await.unwrap().advocate_id, ann);
    assert_eq!(acme.lookup("autumn", "joe", None).await.unwrap().advocate_id, bob);
}

#[tokio::test]
async fn a2_second_advocate_is_logged_inactive() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let first = acme.record(by_code("joe", "ANN10")).await;
    assert_eq!(first.outcome(), Outcome::Attributed);
    let second = acme.record(by_code("joe", "BOB10")).await;
    assert_eq!(second.outcome(), Outcome::LoggedInactive);
    assert_eq!(second.inactive_reason(), InactiveReason::Duplicate);
    assert_eq!(second.in_force, first.in_force);
    let inactive = second.inactive.unwrap();
    assert_eq!((inactive.advocate_id, inactive.attempts), (bob, 1));
    assert_eq!(inactive.state, i32::from(v1::AttributionState::Inactive));
    assert_eq!(first.in_force.unwrap().advocate_id, ann);
}

#[tokio::test]
async fn a2_attempts_are_counted_on_one_row_per_advocate() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    // in one slice and across slices
    acme.batch(vec![by_code("joe", "ANN10"), by_code("joe", "BOB10"), by_code("joe", "ANN10")]).await;
    assert_eq!(acme.record(by_code("joe", "ANN10")).await.outcome(), Outcome::AlreadyAttributed);
    acme.record(by_code("joe", "BOB10")).await;
    let mut attempts: Vec<i32> = acme.all_attributions().await.iter().map(|a| a.attempts).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, [2, 3]);
    // stored once, told once
    let facts = acme.facts().await;
    let logged = facts.iter().filter(|fact| matches!(fact, Fact::AttributionLoggedInactive(_))).count();
    let activated = facts.iter().filter(|fact| matches!(fact, Fact::AttributionActivated(_))).count();
    assert_eq!((logged, activated), (1, 1));
}

#[tokio::test]
async fn a2_a_duplicate_becomes_active_when_nobody_is() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (_, bob) = acme.program().await;
    // joe's own code is the strongest, so bob's claim is stored inactive though nobody is active
    let joe = acme.advocate("joe", "JOE10").await;
    let mut own = by_name("joe", "bob");
    own.evidence.as_mut().unwrap().shortcode = "JOE10".into();
    let result = acme.record(own).await;
    assert_eq!(result.inactive_reason(), InactiveReason::SelfReferral);
    assert_eq!(result.inactive.unwrap().advocate_id, joe);
    assert_eq!(result.in_force, None);
    assert_eq!(acme.all_attributions().await.len(), 2);

    let later = acme.record(at(by_code("joe", "BOB10"), NOW + Duration::HOUR)).await;
    assert_eq!(later.outcome(), Outcome::Attributed);
    let active = later.in_force.unwrap();
    assert_eq!((active.advocate_id.as_str(), active.attempts), (bob.as_str(), 2));
    assert_eq!(active.effective_from, Some(wire_time(NOW + Duration::HOUR)));
    assert_eq!(acme.all_attributions().await.len(), 2);
}

#[tokio::test]
async fn a2_concurrent_attempts_leave_exactly_one_active() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..100 {
        let acme = acme.clone();
        let code = if n % 2 == 0 { "ANN10" } else { "BOB10" };
        calls.spawn(async move { acme.record(by_code(&format!("joe{}", n % 10), code)).await });
    }
    let results = calls.join_all().await;
    let attributed = results.iter().filter(|result| result.outcome() == Outcome::Attributed).count();
    assert_eq!(attributed, 10);
    let active = service.count("SELECT count(*) FROM attributions WHERE inactive_reason = 0").await;
    let attempts = service.count("SELECT sum(attempts) FROM attributions").await;
    assert_eq!((active, attempts), (10, 100));
}

#[tokio::test]
async fn a2_the_database_refuses_a_second_active_attribution() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.batch(vec![by_code("joe", "ANN10"), by_code("joe", "BOB10")]).await;
    let db = service.sandbox.database(attribution::SCHEMA).await.unwrap();
    let forced = sqlx::query("UPDATE attributions SET inactive_reason = 0").execute(db.read()).await;
    let error = forced.unwrap_err().into_database_error().unwrap();
    assert_eq!(error.constraint(), Some("attributions_one_active"));
}

#[tokio::test]
async fn a6_the_referred_contact_is_created_as_a_prospect() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let mut attempt = by_code("joe", "ann10");
    attempt.contact.as_mut().unwrap().email = "  JOE@Example.Com ".into();
    let result = acme.record(attempt).await;
    let joe = acme.get(email("joe")).await.unwrap();
    assert_eq!(
        (joe.contact_id.as_str(), joe.status()),
        (result.contact_id.as_str(), v1::ContactStatus::Prospect)
    );
    let created = acme
        .facts()
        .await
        .into_iter()
        .any(|fact| matches!(fact, Fact::ContactCreated(c) if c.contact_id == joe.contact_id));
    assert!(created);
    // a look-up creates too, once
    let looked_up = acme.batch(vec![look_up("jim"), look_up("jim")]).await;
    let ids: Vec<_> = looked_up.results.into_iter().map(|r| r.result.unwrap().contact_id).collect();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(acme.get(email("jim")).await.unwrap().contact_id, ids[0]);
}

#[tokio::test]
async fn a11_an_attribution_is_in_force_from_the_fact_that_brought_it() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.record(by_code("joe", "ANN10")).await;
    let earlier = NOW - Duration::DAY;
    // without evidence nothing was in force then
    let result = acme.record(at(by_code("joe", "BOB10"), earlier)).await;
    assert_eq!((result.outcome(), result.in_force), (Outcome::LoggedInactive, None));
    assert_eq!(result.inactive.unwrap().advocate_id, bob);
    let result = acme.batch(vec![at(look_up("joe"), earlier), at(look_up("joe"), NOW)]).await.results;
    let in_force = |n: usize| result[n].result.clone().unwrap().in_force.map(|a| a.advocate_id);
    assert_eq!((in_force(0), in_force(1)), (None, Some(ann.clone())));
    // evidence that names the active advocate finds her, even when dated earlier
    let result = acme.record(at(by_code("joe", "ANN10"), earlier)).await;
    assert_eq!(result.in_force.unwrap().advocate_id, ann);
}

#[tokio::test]
async fn a11_evidence_in_a_batch_counts_for_the_items_after_it() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    let results = acme.batch(vec![look_up("joe"), by_code("joe", "ANN10"), look_up("joe")]).await.results;
    let outcomes: Vec<_> = results.iter().map(|r| r.result.as_ref().unwrap().outcome()).collect();
    assert_eq!(outcomes, [Outcome::Unresolved, Outcome::Attributed, Outcome::AlreadyAttributed]);
    assert_eq!(results[2].result.as_ref().unwrap().in_force.as_ref().unwrap().advocate_id, ann);
}

#[tokio::test]
async fn a12_every_attempt_is_listed_with_what_was_sent_and_its_outcome() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    acme.campaign("autumn").await;
    let mut attempt = by_code("joe", "NOSUCH");
    attempt.source = "shop".into();
    acme.record(attempt).await;
    acme.record(by_code("joe", "ANN10")).await;
    let mut mismatch = by_code("joe", "ANN10");
    mismatch.campaign_id = "autumn".into();
    let result = acme.record(mismatch).await;
    assert_eq!(unresolved(&result), UnresolvedReason::CampaignMismatch);
    acme.batch(vec![look_up("jim")]).await;

    let attempts = acme.attempts().await;
    assert_eq!(attempts.len(), 3, "a look-up is no attempt");
    assert_eq!(attempts[0].unresolved_reason(), UnresolvedReason::CampaignMismatch);
    assert_eq!(
        (attempts[1].advocate_id.as_str(), attempts[1].outcome()),
        (ann.as_str(), Outcome::Attributed)
    );
    let first = &attempts[2];
    assert_eq!((first.shortcode.as_str(), first.source.as_str()), ("NOSUCH", "shop"));
    assert_eq!(first.unresolved_reason(), UnresolvedReason::UnknownCode);

    let only =
        v1::ListAttemptsRequest { outcome: Outcome::Unresolved.into(), page_size: 1, ..Default::default() };
    let page = acme.attributions().list_attempts(only.clone()).await.unwrap().into_inner();
    assert_eq!(page.attempts, attempts[..1]);
    let next = v1::ListAttemptsRequest { page_token: page.next_page_token, ..only };
    let page = acme.attributions().list_attempts(next).await.unwrap().into_inner();
    assert_eq!((page.attempts, page.next_page_token.as_str()), (attempts[2..].to_vec(), ""));
}

#[tokio::test]
async fn a12_unresolved_attempts_are_kept_90_days() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.batch(vec![by_code("joe", "NOSUCH"), by_code("joe", "ANN10")]).await;
    for (days, left) in [(89, 2), (91, 1)] {
        service.clock.set(NOW + Duration::days(days));
        // starting does the upkeep
        let db = service.sandbox.database(attribution::SCHEMA).await.unwrap();
        let clock = std::sync::Arc::new(service.clock.clone());
        attribution::start(db, clock, &service.lifecycle).await.unwrap();
        assert_eq!(acme.attempts().await.len(), left, "after {days} days");
    }
}

#[tokio::test]
async fn a12_without_a_campaign_nothing_is_guessed() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let mut named = by_name("joe", "ann");
    named.campaign_id.clear();
    assert_eq!(unresolved(&acme.record(named).await), UnresolvedReason::NoEvidence);
    let mut nothing = look_up("joe");
    nothing.campaign_id.clear();
    let result = acme.batch(vec![nothing]).await.results.remove(0).result.unwrap();
    assert_eq!(unresolved(&result), UnresolvedReason::NoEvidence);
}

#[tokio::test]
async fn a16_who_referred_this_contact_is_one_call() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    refused(acme.lookup("spring", "joe", None).await, Code::NotFound, "CONTACT_NOT_FOUND");
    let recorded = acme.record(by_code("joe", "ANN10")).await.in_force.unwrap();
    assert_eq!(acme.lookup("spring", "joe", None).await.unwrap(), recorded);
    assert_eq!(recorded.advocate_id, ann);
    let before = acme.lookup("spring", "joe", Some(NOW - Duration::SECOND)).await;
    refused(before, Code::NotFound, "ATTRIBUTION_NOT_FOUND");
    refused(acme.lookup("nosuch", "joe", None).await, Code::NotFound, "CAMPAIGN_NOT_FOUND");
    let get = v1::GetAttributionRequest { attribution_id: recorded.attribution_id.clone() };
    let got = acme.attributions().get_attribution(get.clone()).await.unwrap().into_inner();
    assert_eq!(got.attribution, Some(recorded));
    let other = service.of("other").attributions().get_attribution(get).await;
    refused(other, Code::NotFound, "ATTRIBUTION_NOT_FOUND");
}

#[tokio::test]
async fn attributions_are_listed_by_campaign_and_state_in_pages() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.campaign("autumn").await;
    acme.code("autumn", "ann", "ANNFALL").await;
    acme.batch(vec![
        by_code("a", "ANN10"),
        by_code("b", "ANN10"),
        by_code("b", "BOB10"),
        by_code("a", "ANNFALL"),
    ])
    .await;
    let active = v1::ListAttributionsRequest {
        page_size: 1,
        campaign_id: "spring".into(),
        state: v1::AttributionState::Active.into(),
        ..Default::default()
    };
    let first = acme.attributions().list_attributions(active.clone()).await.unwrap().into_inner();
    let next = v1::ListAttributionsRequest { page_token: first.next_page_token, ..active };
    let second = acme.attributions().list_attributions(next.clone()).await.unwrap().into_inner();
    assert_eq!((first.attributions.len(), second.attributions.len()), (1, 1));
    assert!(first.attributions[0].attribution_id > second.attributions[0].attribution_id);
    assert_eq!(second.next_page_token, "");
    let elsewhere = v1::ListAttributionsRequest { campaign_id: "autumn".into(), ..next };
    let refusal = acme.attributions().list_attributions(elsewhere).await;
    refused(refusal, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
}
