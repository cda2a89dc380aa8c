//! M3, M4 and M6: business and real time, test clocks, tenants; request ids and the stream.

mod common;

use common::*;
use proto::attribution as v1;
use proto::common::{ErrorReason, StreamStart};
use time::Duration;
use time::macros::datetime;
use tonic::Code;
use v1::Outcome;

const SIM: types::Timestamp = datetime!(1997-01-01 00:00 UTC);

async fn set_clock(tenant: &Tenant, to: types::Timestamp) -> Result<v1::SetTestClockResponse, tonic::Status> {
    let request = v1::SetTestClockRequest { now: Some(wire_time(to)) };
    Ok(tenant.clock().set_test_clock(request).await?.into_inner())
}

#[tokio::test]
async fn m3_events_carry_business_and_real_time() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let then = NOW - Duration::DAY;
    acme.record(at(by_code("joe", "ANN10"), then)).await;
    let event = acme.events().await.pop().unwrap();
    assert_eq!((event.occurred_at, event.recorded_at), (Some(wire_time(then)), Some(wire_time(NOW))));
}

#[tokio::test]
async fn m3_more_than_a_day_ahead_of_both_clocks_is_refused() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let ahead = NOW + Duration::DAY;
    let too_far = at(by_code("joe", "ANN10"), ahead + Duration::MICROSECOND);
    bad_field(acme.try_record(too_far.clone()).await, "attempt.occurred_at");
    let item = acme.batch(vec![too_far]).await.results.remove(0).error.unwrap();
    assert_eq!(
        (item.code, item.reason(), item.field.as_str()),
        (3, ErrorReason::InvalidField, "occurred_at")
    );
    acme.record(at(by_code("joe", "ANN10"), ahead)).await;
    // the later of the two clocks counts
    let sandbox = service.of("test-a");
    set_clock(&sandbox, NOW + Duration::days(100)).await.unwrap();
    let enroll = |days| v1::EnrollContactRequest {
        contact: Some(email("ann")),
        occurred_at: Some(wire_time(NOW + Duration::days(days))),
        ..Default::default()
    };
    sandbox.contacts().enroll_contact(enroll(101)).await.unwrap();
    bad_field(sandbox.contacts().enroll_contact(enroll(102)).await, "occurred_at");
}

#[tokio::test]
async fn m4_a_sandbox_lives_by_its_test_clock() {
    let service = Service::start().await;
    let sandbox = service.of("test-a");
    let unset = sandbox.clock().get_test_clock(v1::GetTestClockRequest {}).await;
    refused(unset, Code::NotFound, "TEST_CLOCK_NOT_FOUND");
    set_clock(&sandbox, SIM).await.unwrap();
    sandbox.enroll("ann", &[]).await;
    assert_eq!(sandbox.get(email("ann")).await.unwrap().created_at, Some(wire_time(SIM)));
    let event = sandbox.events().await.pop().unwrap();
    assert_eq!((event.occurred_at, event.recorded_at), (Some(wire_time(SIM)), Some(wire_time(NOW))));
    assert_eq!(
        service.of("test-b").clock().get_test_clock(v1::GetTestClockRequest {}).await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn m4_the_clock_moves_forward_only_and_tells_once() {
    let service = Service::start().await;
    let sandbox = service.of("test-a");
    for to in [SIM, SIM, SIM + Duration::DAY] {
        assert_eq!(set_clock(&sandbox, to).await.unwrap().now, Some(wire_time(to)));
    }
    refused(set_clock(&sandbox, SIM).await, Code::FailedPrecondition, "CLOCK_BACKWARDS");
    refused(set_clock(&service.of("acme"), SIM).await, Code::FailedPrecondition, "NOT_A_SANDBOX");
    let events = sandbox.events().await;
    let moved: Vec<_> = events
        .iter()
        .map(|event| match event.fact.as_ref().unwrap() {
            Fact::ClockMoved(moved) => (event.occurred_at, moved.to),
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    let at = |at| (Some(wire_time(at)), Some(wire_time(at)));
    assert_eq!(moved, [at(SIM), at(SIM + Duration::DAY)]);
}

#[tokio::test]
async fn m4_advancing_again_with_the_same_request_id_moves_nothing() {
    let service = Service::start().await;
    let sandbox = service.of("test-a");
    let advance = |seconds, id: &str| v1::AdvanceTestClockRequest { seconds, request_id: id.into() };
    let unset = sandbox.clock().advance_test_clock(advance(60, "r1")).await;
    refused(unset, Code::NotFound, "TEST_CLOCK_NOT_FOUND");
    set_clock(&sandbox, SIM).await.unwrap();
    for replayed in [false, true] {
        let moved = sandbox.clock().advance_test_clock(advance(60, "r1")).await.unwrap().into_inner();
        assert_eq!((moved.now, moved.replayed), (Some(wire_time(SIM + Duration::MINUTE)), replayed));
    }
    let told = observe::metrics::text();
    assert!(told.contains("laurel_duplicates_suppressed_total{reason=\"request_id\"} 1\n"), "{told}");
    let reused = sandbox.clock().advance_test_clock(advance(61, "r1")).await;
    refused(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let moved = sandbox.clock().advance_test_clock(advance(60, "r2")).await.unwrap().into_inner();
    assert_eq!(moved.now, Some(wire_time(SIM + Duration::minutes(2))));
}

#[tokio::test]
async fn m6_one_slice_with_the_same_email_and_code_in_two_tenants() {
    let service = Service::start().await;
    let (red, blue) = (service.of("red"), service.of("blue"));
    let (red_ann, _) = red.program().await;
    let (blue_ann, _) = blue.program().await;
    let item = |tenant: &str, attempt: v1::Attempt| v1::Attempt { tenant_id: tenant.into(), ..attempt };
    let mut attempts = Vec::new();
    for _ in 0..2 {
        attempts.push(item("red", by_code("joe", "ANN10")));
        attempts.push(item("blue", by_code("joe", "ANN10")));
        attempts.push(item("green", look_up("joe")));
    }
    let results = service.for_service().batch(attempts).await.results;
    let result = |n: usize| results[n].result.clone().unwrap();
    assert_eq!(result(0).in_force.unwrap().advocate_id, red_ann);
    assert_eq!(result(1).in_force.unwrap().advocate_id, blue_ann);
    assert_ne!(result(0).contact_id, result(1).contact_id);
    assert_eq!(results[2].error.clone().unwrap().reason(), ErrorReason::CampaignNotFound);
    assert_eq!(result(3).outcome(), Outcome::AlreadyAttributed);
    assert_eq!(result(3).contact_id, result(0).contact_id);
    for (tenant, name) in [(&red, "red"), (&blue, "blue")] {
        assert!(tenant.events().await.iter().all(|event| event.tenant_id == name));
        assert_eq!(tenant.all_attributions().await.len(), 1);
        assert_eq!(tenant.attempts().await.len(), 2);
    }
    let other = red.get(id(&result(1).contact_id)).await;
    refused(other, Code::NotFound, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn m6_tenants_name_no_other_tenant_and_services_must_name_one() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let foreign = v1::Attempt { tenant_id: "other".into(), ..look_up("joe") };
    for (caller, attempt) in [(acme, foreign), (service.for_service(), look_up("joe"))] {
        let error = caller.batch(vec![attempt]).await.results.remove(0).error.unwrap();
        assert_eq!((error.reason(), error.field.as_str()), (ErrorReason::InvalidField, "tenant_id"));
    }
    let list = service.for_service().contacts().list_contacts(v1::ListContactsRequest::default()).await;
    bad_field(list, "laurel-tenant");
}

async fn record(
    tenant: &Tenant,
    attempt: v1::Attempt,
    id: &str,
) -> Result<v1::RecordAttributionResponse, tonic::Status> {
    let request = v1::RecordAttributionRequest { attempt: Some(attempt), request_id: id.into() };
    Ok(tenant.attributions().record_attribution(request).await?.into_inner())
}

#[tokio::test]
async fn a_repeated_request_answers_with_what_the_first_made() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let first = record(&acme, by_code("joe", "ANN10"), "r1").await.unwrap();
    assert!(!first.replayed);
    acme.record(by_code("joe", "ANN10")).await;
    let repeat = record(&acme, by_code("joe", "ANN10"), "r1").await.unwrap();
    assert!(repeat.replayed);
    let (first, repeat) = (first.result.unwrap(), repeat.result.unwrap());
    assert_eq!((repeat.outcome(), &repeat.contact_id), (Outcome::Attributed, &first.contact_id));
    // the attribution is as it is now, and the repeat did not count
    assert_eq!(repeat.in_force.unwrap().attempts, 2);
    let reused = record(&acme, by_code("joe", "BOB10"), "r1").await;
    refused(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");

    let lost = record(&acme, by_code("joe", "BOB10"), "r2").await.unwrap().result;
    let again = record(&acme, by_code("joe", "BOB10"), "r2").await.unwrap();
    assert_eq!((again.replayed, again.result), (true, lost));
    let mut passed = by_name("jim", "nobody");
    passed.evidence.as_mut().unwrap().shortcode = "NOSUCH".into();
    let unresolved = record(&acme, passed.clone(), "r3").await.unwrap().result;
    assert_eq!(record(&acme, passed, "r3").await.unwrap().result, unresolved);
}

#[tokio::test]
async fn the_same_request_id_at_once_counts_once_per_tenant() {
    let service = Service::start().await;
    for tenant in ["red", "blue"] {
        service.of(tenant).program().await;
    }
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..40 {
        let tenant = service.of(if n % 2 == 0 { "red" } else { "blue" });
        calls.spawn(async move { record(&tenant, by_code("joe", "ANN10"), "r1").await.unwrap().replayed });
    }
    let fresh = calls.join_all().await.into_iter().filter(|replayed| !replayed).count();
    assert_eq!(fresh, 2);
    assert_eq!(service.count("SELECT sum(attempts) FROM attributions").await, 2);
}

#[tokio::test]
async fn an_error_is_not_remembered_under_its_request_id() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.segment("vips").await;
    let mut attempt = by_code("joe", "ANN10");
    attempt.campaign_id = "spring".into();
    refused(record(&acme, attempt.clone(), "r1").await, Code::NotFound, "CAMPAIGN_NOT_FOUND");
    acme.campaign("spring").await;
    acme.advocate("ann", "ANN10").await;
    assert!(!record(&acme, attempt, "r1").await.unwrap().replayed);
}

#[tokio::test]
async fn the_head_of_a_batch_covers_all_it_rests_on() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let head = acme.batch(vec![by_code("joe", "ANN10")]).await.head.unwrap();
    let position = service.count("SELECT max(position) FROM events").await;
    let epoch = service.count("SELECT epoch FROM stream").await;
    assert_eq!((head.position, head.epoch.cast_signed()), (position, epoch));
    // a look-up of what is known writes nothing
    let again = acme.batch(vec![look_up("joe")]).await.head.unwrap();
    assert_eq!(again.position, position);
}

#[tokio::test]
async fn a_watch_sees_its_tenant_only_and_a_service_sees_all() {
    let service = Service::start().await;
    let (red, blue) = (service.of("red"), service.of("blue"));
    red.enroll("ann", &[]).await;
    blue.enroll("ann", &[]).await;
    let tenants =
        |events: Vec<v1::AttributionEvent>| events.into_iter().map(|e| e.tenant_id).collect::<Vec<_>>();
    assert_eq!(tenants(red.events().await), ["red", "red"]);
    assert_eq!(tenants(service.for_service().events().await), ["red", "red", "blue", "blue"]);

    // resumed after the first event, and from now on
    let cursor = red.events().await.remove(0).cursor;
    let resume = v1::WatchAttributionEventsRequest { cursor, ..Default::default() };
    let mut watch = red.attributions().watch_attribution_events(resume.clone()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().events.len(), 1);
    let foreign = blue.attributions().watch_attribution_events(resume).await;
    refused(foreign.map(|_| ()), Code::InvalidArgument, "INVALID_CURSOR");
    let now = v1::WatchAttributionEventsRequest { start: StreamStart::Now.into(), ..Default::default() };
    let mut watch = red.attributions().watch_attribution_events(now).await.unwrap().into_inner();
    assert!(watch.message().await.unwrap().unwrap().events.is_empty());
    red.enroll("bob", &[]).await;
    let next = async {
        loop {
            let events = watch.message().await.unwrap().unwrap().events;
            if !events.is_empty() {
                return events.len();
            }
        }
    };
    assert_eq!(tokio::time::timeout(std::time::Duration::from_secs(10), next).await.unwrap(), 2);
}

#[tokio::test]
async fn a13_no_event_holds_personal_data() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.record(by_code("joe", "ANN10")).await;
    let leaks = service
        .count("SELECT count(*) FROM events WHERE position('example.com'::bytea IN payload) > 0")
        .await;
    assert_eq!(leaks, 0);
}
