//! A12: the log of attempts, by which an integration that sends wrong codes is found; and look-ups, which are none.

mod common;

use common::*;
use proto::attribution as v1;
use proto::common::ContactRef;
use tonic::Code;
use v1::{EvidenceKind, InactiveReason, ListAttemptsRequest, Outcome, UnresolvedReason};

#[tokio::test]
async fn a16_attributions_are_listed_by_where_they_came_from() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.record(from("crm", by_code("eve", "ANN10"))).await;
    acme.record(from("shop", by_code("fay", "ANN10"))).await;
    acme.record(from("crm", by_code("fay", "BOB10"))).await;
    let listed = async |filter: &str| {
        let request = v1::ListAttributionsRequest { filter: filter.into(), ..Default::default() };
        let listed = acme.attributions().list_attributions(request).await.unwrap().into_inner().attributions;
        listed.into_iter().map(|row| (row.source.clone(), row.state())).collect::<Vec<_>>()
    };
    let (active, inactive) = (v1::AttributionState::Active, v1::AttributionState::Inactive);
    assert_eq!(listed("source = crm").await, [("crm".to_owned(), inactive), ("crm".to_owned(), active)]);
    assert_eq!(listed("source = shop").await, [("shop".to_owned(), active)]);
    assert_eq!(listed("source = web").await, []);
}

fn from(source: &str, attempt: v1::Attempt) -> v1::Attempt {
    v1::Attempt { source: source.into(), ..attempt }
}

#[tokio::test]
async fn a12_attempts_are_listed_by_reason_code_and_source() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    service.of("other").program().await;
    service.of("other").batch(vec![by_code("joe", "NOSUCH"), by_code("joe", "ANN10")]).await;
    acme.batch(vec![
        from("shop", by_code("joe", "ann10")),
        from("crm", by_code("joe", "BOB10")),
        from("crm", by_code("ann", "ANN10")),
        from("shop", by_code("jim", "NOSUCH")),
        from("crm", by_code("jim", "Spring-10")),
        from("", by_name("jim", "nobody")),
    ])
    .await;
    let all = acme.attempts().await;
    assert_eq!(all.len(), 6);
    let any = ListAttemptsRequest::default;
    let code = |code: &str| ListAttemptsRequest { shortcode: code.into(), ..any() };
    let source = |source: &str| ListAttemptsRequest { source: source.into(), ..any() };
    let inactive = |reason: InactiveReason| ListAttemptsRequest { inactive_reason: reason.into(), ..any() };
    let unknown = || ListAttemptsRequest { unresolved_reason: UnresolvedReason::UnknownCode.into(), ..any() };
    // by their places in the list, newest first
    for (request, expected) in [
        (inactive(InactiveReason::Duplicate), vec![4]),
        (inactive(InactiveReason::SelfReferral), vec![3]),
        (unknown(), vec![0, 1, 2]),
        (ListAttemptsRequest { source: "crm".into(), ..unknown() }, vec![1]),
        (ListAttemptsRequest { outcome: Outcome::Attributed.into(), ..unknown() }, vec![]),
        (code("Ann10"), vec![3, 5]),
        (code("nosuch"), vec![2]),
        (code("Spring-10"), vec![1]),
        (code("SPRING-10"), vec![]),
        (source("crm"), vec![1, 3, 4]),
        (source("CRM"), vec![]),
        (ListAttemptsRequest { outcome: Outcome::Attributed.into(), ..code("ANN10") }, vec![5]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|n: usize| all[n].clone()).collect();
        assert_eq!(acme.attempts_by(request.clone()).await, expected, "{request:?}");
    }
}

#[tokio::test]
async fn a12_a_page_of_attempts_goes_on_only_with_the_same_filters() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let wrong = || from("shop", by_code("joe", "NOSUCH"));
    acme.batch(vec![wrong(), by_code("jim", "ANN10"), wrong(), by_code("jim", "NOSUCH"), wrong()]).await;
    let all = acme.attempts().await;
    let first = ListAttemptsRequest {
        page_size: 2,
        unresolved_reason: UnresolvedReason::UnknownCode.into(),
        shortcode: "NOSUCH".into(),
        source: "shop".into(),
        ..Default::default()
    };
    let page = acme.attributions().list_attempts(first.clone()).await.unwrap().into_inner();
    assert_eq!(page.attempts, [all[0].clone(), all[2].clone()]);
    let next = ListAttemptsRequest { page_token: page.next_page_token, ..first };
    for other in [
        ListAttemptsRequest { outcome: Outcome::Unresolved.into(), ..next.clone() },
        ListAttemptsRequest { inactive_reason: InactiveReason::Duplicate.into(), ..next.clone() },
        ListAttemptsRequest { unresolved_reason: 0, ..next.clone() },
        ListAttemptsRequest { shortcode: String::new(), ..next.clone() },
        ListAttemptsRequest { source: "crm".into(), ..next.clone() },
    ] {
        let refusal = acme.attributions().list_attempts(other).await;
        refused(refusal, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    }
    let page = acme.attributions().list_attempts(next).await.unwrap().into_inner();
    assert_eq!((page.attempts, page.next_page_token.as_str()), (vec![all[4].clone()], ""));
}

#[tokio::test]
async fn a12_a_listed_attempt_names_the_evidence_that_was_passed_over() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let both = |name: &str, advocate: &str| {
        let evidence = v1::Evidence {
            shortcode: "NO-SUCH".into(),
            advocate: Some(email(advocate)),
            ..Default::default()
        };
        v1::Attempt { evidence: Some(evidence), ..by_name(name, advocate) }
    };
    acme.batch(vec![by_code("joe", "ANN10"), both("jim", "bob"), both("jane", "nobody")]).await;
    let (code, advocate) = (i32::from(EvidenceKind::Shortcode), i32::from(EvidenceKind::Advocate));
    let listed: Vec<_> = acme.attempts().await.into_iter().map(|a| (a.outcome(), a.passed_over)).collect();
    let expected = [
        (Outcome::Unresolved, vec![code, advocate]),
        (Outcome::Attributed, vec![code]),
        (Outcome::Attributed, vec![]),
    ];
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn a12_what_cannot_be_a_shortcode_is_an_outcome_and_kept_as_it_was_sent() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let longest = "\u{e4}".repeat(64);
    for sent in ["SPRING-10", "AB", " ", "A\0B", &"A".repeat(33), &longest] {
        let single = acme.record(by_code("joe", sent)).await;
        let batched = acme.batch(vec![by_code("joe", sent)]).await.results.remove(0).result.unwrap();
        assert_eq!(single, batched, "{sent:?}");
        assert_eq!(single.outcome(), Outcome::Unresolved);
        assert_eq!(single.unresolved_reason(), UnresolvedReason::UnknownCode);
        assert_eq!(single.passed_over, [i32::from(EvidenceKind::Shortcode)]);
        let request = ListAttemptsRequest { shortcode: sent.into(), ..Default::default() };
        let listed = acme.attempts_by(request).await;
        assert_eq!(listed.len(), 2, "{sent:?}");
        assert!(listed.iter().all(|attempt| attempt.shortcode == sent.replace('\0', "\u{fffd}")));
    }
    let too_long = acme.batch(vec![by_code("joe", &"\u{e4}".repeat(65))]).await.results.remove(0).error;
    assert_eq!(too_long.unwrap().field, "evidence.shortcode");
}

#[tokio::test]
async fn a12_a_repeated_request_answers_also_for_what_cannot_be_a_shortcode() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let request =
        v1::RecordAttributionRequest { attempt: Some(by_code("joe", "SPRING-10")), request_id: "r-1".into() };
    let first = acme.attributions().record_attribution(request.clone()).await.unwrap().into_inner();
    let again = acme.attributions().record_attribution(request).await.unwrap().into_inner();
    assert_eq!((again.result, again.replayed), (first.result, true));
    assert_eq!(acme.attempts().await.len(), 1);
}

#[tokio::test]
async fn a6_a_look_up_of_known_contacts_only_creates_and_changes_nothing() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let joe = acme.record(by_code("joe", "ANN10")).await;
    let before = (acme.events().await, acme.get(email("joe")).await.unwrap());
    let only = |contact: ContactRef| v1::Attempt {
        contact: Some(contact),
        known_contact_only: true,
        ..look_up("joe")
    };
    let with_new_uid = ContactRef { uid: "u-joe".into(), ..email("joe") };
    let unknown_id = id("0193e0a0-0000-7000-8000-000000000000");
    let answers = acme.batch(vec![only(with_new_uid), only(email("eve")), only(unknown_id)]).await.results;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.result.unwrap()).collect();
    assert_eq!((&answers[0].contact_id, &answers[0].in_force), (&joe.contact_id, &joe.in_force));
    for nobody in &answers[1..] {
        assert_eq!((nobody.contact_id.as_str(), &nobody.in_force), ("", &None));
        assert_eq!(nobody.unresolved_reason(), UnresolvedReason::NoEvidence);
    }
    assert_eq!((acme.events().await, acme.get(email("joe")).await.unwrap()), before);
    refused(acme.get(email("eve")).await, Code::NotFound, "CONTACT_NOT_FOUND");
    assert_eq!(acme.attempts().await.len(), 1);
}
