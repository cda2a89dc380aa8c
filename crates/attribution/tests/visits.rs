//! A8: visits, and for how long they are evidence.

mod common;

use common::*;
use proto::attribution as v1;
use proto::attribution::visit_service_client::VisitServiceClient;
use time::Duration;
use time::macros::datetime;
use tonic::{Code, Status};
use types::Timestamp;
use v1::{EvidenceKind, Outcome, RecordVisitRequest, UnresolvedReason};

/// When the visits happen.
const THEN: Timestamp = datetime!(2025-03-01 12:00 UTC);

fn through(shortcode: &str, visitor: &str) -> RecordVisitRequest {
    RecordVisitRequest {
        shortcode: shortcode.into(),
        visitor_id: visitor.into(),
        occurred_at: Some(wire_time(THEN)),
        ..Default::default()
    }
}

async fn try_visit(tenant: &Tenant, visit: RecordVisitRequest) -> Result<(v1::Visit, bool), Status> {
    let answer = VisitServiceClient::new(tenant.0.clone()).record_visit(visit).await?.into_inner();
    Ok((answer.visit.ok_or_else(|| Status::internal("no visit"))?, answer.created))
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn visit(tenant: &Tenant, visit: RecordVisitRequest) -> v1::Visit {
    try_visit(tenant, visit).await.unwrap().0
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn listed(tenant: &Tenant, request: v1::ListVisitsRequest) -> Vec<v1::Visit> {
    VisitServiceClient::new(tenant.0.clone()).list_visits(request).await.unwrap().into_inner().visits
}

/// `name` comes to `spring`, so long after the visits.
fn by_visit(name: &str, visitor: &str, after: Duration) -> v1::Attempt {
    let evidence = v1::Evidence { visitor_id: visitor.into(), ..Default::default() };
    let attempt = v1::Attempt {
        contact: Some(email(name)),
        campaign_id: "spring".into(),
        evidence: Some(evidence),
        ..Default::default()
    };
    at(attempt, THEN + after)
}

#[track_caller]
fn unresolved(result: &v1::AttemptResult, reason: UnresolvedReason) {
    assert_eq!((result.outcome(), result.unresolved_reason()), (Outcome::Unresolved, reason));
}

#[tokio::test]
async fn a8_a_visit_counts_within_the_window_of_its_campaign_to_the_second() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    let window = v1::UpdateCampaignRequest {
        campaign_id: "spring".into(),
        attribution_window_days: 30,
        ..Default::default()
    };
    acme.campaigns().update_campaign(window).await.unwrap();
    visit(&acme, through("ann10", "b-1")).await;
    let (last, late) = (Duration::days(30), Duration::days(30) + Duration::SECOND);
    unresolved(&acme.record(by_visit("jim", "b-1", late)).await, UnresolvedReason::OutsideWindow);
    unresolved(&acme.record(by_visit("jim", "b-1", -Duration::SECOND)).await, UnresolvedReason::UnknownCode);
    unresolved(&acme.record(by_visit("jim", "b-2", last)).await, UnresolvedReason::UnknownCode);
    let result = acme.record(by_visit("joe", "b-1", last)).await;
    assert_eq!(result.outcome(), Outcome::Attributed);
    let in_force = result.in_force.unwrap();
    assert_eq!((in_force.advocate_id.as_str(), in_force.evidence()), (ann.as_str(), EvidenceKind::Visitor));
    // a code that is given has no window
    let code = at(by_code("kim", "ANN10"), THEN + late);
    assert_eq!(acme.record(code).await.outcome(), Outcome::Attributed);
}

#[tokio::test]
async fn a8_the_newest_visit_of_a_person_counts_and_those_of_machines_never() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (_, bob) = acme.program().await;
    visit(&acme, through("ANN10", "b-1")).await;
    let later = |hours| Some(wire_time(THEN + Duration::hours(hours)));
    visit(&acme, RecordVisitRequest { occurred_at: later(1), ..through("BOB10", "b-1") }).await;
    let bot = RecordVisitRequest { user_agent: "Googlebot/2.1".into(), ..through("ANN10", "b-1") };
    assert!(visit(&acme, RecordVisitRequest { occurred_at: later(2), ..bot.clone() }).await.bot);
    let result = acme.record(by_visit("joe", "b-1", Duration::DAY)).await;
    assert_eq!(result.in_force.unwrap().advocate_id, bob);
    // a caller knows better than a list
    let known = RecordVisitRequest { bot: Some(false), occurred_at: later(3), ..bot.clone() };
    assert!(!visit(&acme, known).await.bot);
    let marked = RecordVisitRequest { bot: Some(true), visitor_id: "b-2".into(), ..through("ANN10", "") };
    assert!(visit(&acme, marked).await.bot);
    unresolved(&acme.record(by_visit("jim", "b-2", Duration::DAY)).await, UnresolvedReason::UnknownCode);
}

#[tokio::test]
async fn a4_a_visit_is_the_weakest_evidence_and_supplies_the_campaign_where_none_is_given() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.campaign("summer").await;
    acme.code("summer", "bob", "BOBS").await;
    visit(&acme, through("ANN10", "b-1")).await;
    let mut named = by_visit("joe", "b-1", Duration::DAY);
    named.evidence.as_mut().unwrap().advocate = Some(email("bob"));
    assert_eq!(acme.record(named).await.in_force.unwrap().advocate_id, bob);

    let anywhere = |name| v1::Attempt { campaign_id: String::new(), ..by_visit(name, "b-1", Duration::DAY) };
    let result = acme.record(anywhere("jim")).await;
    assert_eq!((result.campaign_id.as_str(), result.in_force.unwrap().advocate_id), ("spring", ann));
    // also where the visit alone says which campaign it is about
    let mut named = anywhere("lou");
    named.evidence.as_mut().unwrap().advocate = Some(email("bob"));
    let result = acme.record(named).await;
    assert_eq!((result.campaign_id.as_str(), result.in_force.unwrap().advocate_id), ("spring", bob));
    let next =
        RecordVisitRequest { occurred_at: Some(wire_time(THEN + Duration::HOUR)), ..through("BOBS", "b-1") };
    visit(&acme, next).await;
    assert_eq!(acme.record(anywhere("kim")).await.campaign_id, "summer");
    let given = acme.record(by_visit("kim", "b-1", Duration::DAY)).await;
    assert_eq!((given.campaign_id.as_str(), given.outcome()), ("spring", Outcome::Attributed));
}

#[tokio::test]
async fn a9_a_visit_through_the_code_of_one_who_is_banned_is_not_logged_and_earlier_ones_do_not_count() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    visit(&acme, through("ANN10", "b-1")).await;
    acme.set_status("ann", v1::ContactStatus::Banned).await.unwrap();
    let banned = acme.record(by_visit("joe", "b-1", Duration::DAY)).await;
    unresolved(&banned, UnresolvedReason::AdvocateNotEligible);
    for (code, tenant) in [("ANN10", "acme"), ("NOSUCH", "acme"), ("BOB10", "other")] {
        let refusal = try_visit(&service.of(tenant), through(code, "b-2")).await;
        refused(refusal, Code::NotFound, "CODE_NOT_FOUND");
    }
    assert_eq!(service.count("SELECT count(*) FROM visits").await, 1);
}

#[tokio::test]
async fn a8_of_a_person_no_more_is_kept_than_must_be() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let told = RecordVisitRequest {
        channel: "e-mail".into(),
        landing_path: "/offer?email=joe@example.com#joe".into(),
        user_agent: "Mozilla/5.0".into(),
        ip: "203.0.113.77".into(),
        ..through("ANN10", "b-1")
    };
    let kept = visit(&acme, told).await;
    assert_eq!((kept.network.as_str(), kept.landing_path.as_str()), ("203.0.113.0/24", "/offer"));
    let six = RecordVisitRequest { ip: "2001:db8:1:2::3".into(), ..through("ANN10", "b-2") };
    assert_eq!(visit(&acme, six).await.network, "2001:db8:1::/48");
    let traces = "SELECT count(*) FROM visits v WHERE v::text LIKE '%.77%' OR v::text LIKE '%joe%' OR v::text LIKE '%::3%'";
    assert_eq!(service.count(traces).await, 0);
}

#[tokio::test]
async fn a8_the_same_visit_told_again_is_one_visit() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let first = try_visit(&acme, through("ANN10", "b-1")).await.unwrap();
    let other = RecordVisitRequest { channel: "other".into(), ..through("ann10", "b-1") };
    assert_eq!(try_visit(&acme, other).await.unwrap(), (first.0.clone(), false));
    let together = (0..8).map(async |_| visit(&acme, through("BOB10", "b-1")).await.visit_id);
    let ids = futures::future::join_all(together).await;
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(service.count("SELECT count(*) FROM visits").await, 2);
}

#[tokio::test]
async fn a8_visits_are_listed_by_campaign_advocate_and_visitor_and_forgotten_after_400_days() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    service.of("other").program().await;
    visit(&service.of("other"), through("ANN10", "b-1")).await;
    for (code, visitor) in [("ANN10", "b-1"), ("BOB10", "b-1"), ("ANN10", "b-2")] {
        visit(&acme, through(code, visitor)).await;
    }
    let any = v1::ListVisitsRequest::default;
    let all = listed(&acme, any()).await;
    assert_eq!(all.len(), 3);
    for (request, places) in [
        (v1::ListVisitsRequest { campaign_id: "spring".into(), ..any() }, vec![0, 1, 2]),
        (v1::ListVisitsRequest { campaign_id: "summer".into(), ..any() }, vec![]),
        (v1::ListVisitsRequest { advocate: Some(email("ann")), ..any() }, vec![0, 2]),
        (v1::ListVisitsRequest { visitor_id: "b-1".into(), ..any() }, vec![1, 2]),
    ] {
        let expected: Vec<_> = places.into_iter().map(|n: usize| all[n].clone()).collect();
        assert_eq!(listed(&acme, request.clone()).await, expected, "{request:?}");
    }
    service.clock.set(NOW + Duration::days(401));
    let db = service.sandbox.database(attribution::SCHEMA).await.unwrap();
    let again = runtime::Lifecycle::default();
    attribution::start(db, std::sync::Arc::new(service.clock.clone()), &again).await.unwrap();
    assert_eq!(service.count("SELECT count(*) FROM visits").await, 0);
}

#[tokio::test]
async fn a8_a_malformed_visit_is_refused_by_its_field() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let fine = || through("ANN10", "b-1");
    for (odd, field) in [
        (RecordVisitRequest { shortcode: "A-1".into(), ..fine() }, "shortcode"),
        (RecordVisitRequest { visitor_id: " b".into(), ..fine() }, "visitor_id"),
        (RecordVisitRequest { visitor_id: "b".repeat(129), ..fine() }, "visitor_id"),
        (RecordVisitRequest { ip: "203.0.113".into(), ..fine() }, "ip"),
        (RecordVisitRequest { user_agent: "x".repeat(1001), ..fine() }, "user_agent"),
        (
            RecordVisitRequest { occurred_at: Some(wire_time(NOW + Duration::days(2))), ..fine() },
            "occurred_at",
        ),
    ] {
        bad_field(try_visit(&acme, odd).await, field);
    }
    let too_long = by_visit("joe", &"b".repeat(129), Duration::DAY);
    bad_field(acme.try_record(too_long).await, "attempt.evidence.visitor_id");
}

#[tokio::test]
async fn a8_the_newest_visit_whose_advocate_is_eligible_counts_however_many_machines_came_since() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let later = |hours| Some(wire_time(THEN + Duration::hours(hours)));
    visit(&acme, through("ANN10", "b-1")).await;
    visit(&acme, RecordVisitRequest { occurred_at: later(1), ..through("BOB10", "b-1") }).await;
    let visits = "INSERT INTO visits SELECT tenant_id, gen_random_uuid(), visitor_id, shortcode, campaign_id, advocate_id,
                         channel, source, landing_path, user_agent, network, true, occurred_at + n * interval '1 s', recorded_at
                    FROM visits CROSS JOIN generate_series(1, 2000) AS n";
    let db = service.sandbox.database(attribution::SCHEMA).await.unwrap();
    sqlx::query(visits).execute(db.read()).await.unwrap();
    let result = acme.record(by_visit("joe", "b-1", Duration::DAY)).await;
    assert_eq!(result.in_force.unwrap().advocate_id, bob);
    // bob's visit is newer, and comes to nothing
    acme.set_status("bob", v1::ContactStatus::Unsubscribed).await.unwrap();
    let result = acme.record(by_visit("jim", "b-1", Duration::DAY)).await;
    assert_eq!(result.in_force.unwrap().advocate_id, ann);
    // also where the campaign is not given, and the newest visit was in one that has ended
    acme.campaign("summer").await;
    acme.code("summer", "ann", "ANNS").await;
    visit(&acme, RecordVisitRequest { occurred_at: later(2), ..through("ANNS", "b-1") }).await;
    let pause =
        v1::UpdateCampaignRequest { campaign_id: "summer".into(), ends_at: later(3), ..Default::default() };
    acme.campaigns().update_campaign(pause).await.unwrap();
    let anywhere = v1::Attempt { campaign_id: String::new(), ..by_visit("kim", "b-1", Duration::DAY) };
    assert_eq!(acme.record(anywhere).await.campaign_id, "spring");
    acme.set_status("ann", v1::ContactStatus::Banned).await.unwrap();
    let nobody = acme.record(by_visit("lou", "b-1", Duration::DAY)).await;
    unresolved(&nobody, UnresolvedReason::AdvocateNotEligible);
}
