//! A4, A5, A7 and A9: which evidence counts, on a real database.

mod common;

use common::*;
use proto::attribution as v1;
use time::macros::datetime;
use tonic::Code;
use v1::{EvidenceKind, InactiveReason, Outcome, UnresolvedReason};

fn unresolved(result: &v1::AttemptResult) -> UnresolvedReason {
    assert_eq!(result.outcome(), Outcome::Unresolved);
    result.unresolved_reason()
}

#[tokio::test]
async fn a4_the_strongest_evidence_wins_and_the_others_are_stored_inactive() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let mut both = by_name("joe", "bob");
    both.evidence.as_mut().unwrap().shortcode = "ANN10".into();
    let result = acme.record(both).await;
    assert_eq!(result.outcome(), Outcome::Attributed);
    assert_eq!(result.in_force.unwrap().advocate_id, ann);
    let inactive = acme.all_attributions().await.into_iter().find(|a| a.advocate_id == bob).unwrap();
    assert_eq!(inactive.inactive_reason, i32::from(InactiveReason::Duplicate));
    assert_eq!(acme.attempts().await.len(), 2);
}

#[tokio::test]
async fn a4_evidence_that_resolves_to_nothing_is_passed_over_and_named() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (_, bob) = acme.program().await;
    let mut wrong_code = by_name("joe", "bob");
    wrong_code.evidence.as_mut().unwrap().shortcode = "NOSUCH".into();
    let result = acme.record(wrong_code).await;
    assert_eq!(result.outcome(), Outcome::Attributed);
    assert_eq!(result.in_force.unwrap().advocate_id, bob);
    assert_eq!(result.passed_over, [i32::from(EvidenceKind::Shortcode)]);

    let mut both_wrong = by_name("jim", "nobody");
    both_wrong.evidence.as_mut().unwrap().shortcode = "NOSUCH".into();
    let result = acme.record(both_wrong).await;
    assert_eq!(unresolved(&result), UnresolvedReason::UnknownCode);
    assert_eq!(result.passed_over, [i32::from(EvidenceKind::Shortcode), i32::from(EvidenceKind::Advocate)]);
}

#[tokio::test]
async fn a5_the_advocate_must_be_enrolled_and_in_a_segment_of_the_campaign() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.enroll("outsider", &[]).await;
    let result = acme.record(by_name("joe", "outsider")).await;
    assert_eq!(unresolved(&result), UnresolvedReason::AdvocateNotEligible);
    acme.set_status("ann", v1::ContactStatus::Prospect).await.unwrap();
    let result = acme.record(by_code("joe", "ANN10")).await;
    assert_eq!(unresolved(&result), UnresolvedReason::AdvocateNotEligible);
    assert_eq!(result.campaign_id, "spring");
    assert!(acme.all_attributions().await.is_empty());
}

#[tokio::test]
async fn a5_the_campaign_must_be_active_when_it_happened() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let before = acme.record(at(by_code("joe", "ANN10"), datetime!(2024-12-31 23:59:59 UTC))).await;
    assert_eq!(unresolved(&before), UnresolvedReason::CampaignNotActive);
    let first_moment = acme.record(at(by_code("joe", "ANN10"), datetime!(2025-01-01 00:00 UTC))).await;
    assert_eq!(first_moment.outcome(), Outcome::Attributed);

    let end = v1::UpdateCampaignRequest {
        campaign_id: "spring".into(),
        ends_at: Some(wire_time(NOW)),
        ..Default::default()
    };
    acme.campaigns().update_campaign(end).await.unwrap();
    let after = acme.record(by_code("jim", "ANN10")).await;
    assert_eq!(unresolved(&after), UnresolvedReason::CampaignNotActive);
    // what it holds runs on
    let held = acme.batch(vec![look_up("joe")]).await.results.remove(0).result.unwrap();
    assert_eq!(held.outcome(), Outcome::AlreadyAttributed);
}

#[tokio::test]
async fn a5_an_unknown_campaign_is_an_error_and_leaves_no_trace() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let mut attempt = by_code("joe", "ANN10");
    attempt.campaign_id = "nosuch".into();
    refused(acme.try_record(attempt).await, Code::NotFound, "CAMPAIGN_NOT_FOUND");
    refused(acme.get(email("joe")).await, Code::NotFound, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn a7_self_referral_is_stored_inactive() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    let mut own = by_code("ann", "ANN10");
    own.contact = Some(id(&ann));
    let result = acme.record(own).await;
    assert_eq!(result.outcome(), Outcome::LoggedInactive);
    assert_eq!(result.inactive_reason(), InactiveReason::SelfReferral);
    assert_eq!(result.in_force, None);
    // it never becomes active
    assert_eq!(acme.record(by_code("ann", "ANN10")).await.outcome(), Outcome::LoggedInactive);
    refused(acme.lookup("spring", "ann", None).await, Code::NotFound, "ATTRIBUTION_NOT_FOUND");
}

#[tokio::test]
async fn a9_codes_of_banned_and_unsubscribed_advocates_resolve_to_nothing() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    acme.record(by_code("kim", "ANN10")).await;
    let resolve = || async {
        let request = v1::ResolveCodeRequest { code: "ann10".into() };
        acme.codes().resolve_code(request).await.map(tonic::Response::into_inner)
    };
    assert_eq!(resolve().await.unwrap().advocate_id, ann);
    for status in [v1::ContactStatus::Banned, v1::ContactStatus::Unsubscribed] {
        acme.set_status("ann", status).await.unwrap();
        refused(resolve().await, Code::NotFound, "CODE_NOT_FOUND");
        let result = acme.record(by_code("joe", "ANN10")).await;
        assert_eq!(unresolved(&result), UnresolvedReason::AdvocateNotEligible);
        assert_eq!(result.campaign_id, "");
    }
    // what she has keeps earning, and enrolling again restores her codes
    assert_eq!(acme.lookup("spring", "kim", None).await.unwrap().advocate_id, ann);
    acme.enroll("ann", &[]).await;
    assert_eq!(acme.record(by_code("joe", "ANN10")).await.outcome(), Outcome::Attributed);
}
