//! A14: coupon codes, issued and drawn; what they are as evidence (A4, A9, A12, O3).

mod common;

use std::collections::BTreeSet;

use common::*;
use futures::future::join_all;
use proto::attribution as v1;
use tonic::{Code, Status};
use v1::{CodeKind, CodeState, EvidenceKind, IssueCouponCodesRequest, Outcome, UnresolvedReason};

async fn try_issue(tenant: &Tenant, ask: IssueCouponCodesRequest) -> Result<Vec<v1::Code>, Status> {
    Ok(tenant.codes().issue_coupon_codes(ask).await?.into_inner().codes)
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn issue(tenant: &Tenant, ask: IssueCouponCodesRequest) -> Vec<v1::Code> {
    try_issue(tenant, ask).await.unwrap()
}

/// One code for each of these advocates.
fn for_advocates(campaign: &str, names: &[&str], request_id: &str) -> IssueCouponCodesRequest {
    IssueCouponCodesRequest {
        campaign_id: campaign.into(),
        advocates: names.iter().map(|name| email(name)).collect(),
        request_id: request_id.into(),
        ..Default::default()
    }
}

/// So many for a pool.
fn for_pool(campaign: &str, count: i32) -> IssueCouponCodesRequest {
    IssueCouponCodesRequest {
        campaign_id: campaign.into(),
        count,
        prefix: "sum_mer-".into(),
        request_id: format!("{campaign} {count}"),
        ..Default::default()
    }
}

fn by_coupon(name: &str, code: &str) -> v1::Attempt {
    let evidence = v1::Evidence { coupon_code: code.into(), ..Default::default() };
    v1::Attempt { contact: Some(email(name)), evidence: Some(evidence), ..Default::default() }
}

fn within(campaign: &str, attempt: v1::Attempt) -> v1::Attempt {
    v1::Attempt { campaign_id: campaign.into(), ..attempt }
}

#[track_caller]
fn unresolved(result: &v1::AttemptResult, reason: UnresolvedReason) {
    assert_eq!((result.outcome(), result.unresolved_reason()), (Outcome::Unresolved, reason));
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn listed(tenant: &Tenant, request: v1::ListCodesRequest) -> Vec<v1::Code> {
    tenant.codes().list_codes(request).await.unwrap().into_inner().codes
}

async fn resolve(tenant: &Tenant, code: &str) -> Result<v1::ResolveCodeResponse, Status> {
    let response = tenant.codes().resolve_code(v1::ResolveCodeRequest { code: code.into() }).await?;
    Ok(response.into_inner())
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn enroll(tenant: &Tenant, name: &str) -> (String, Vec<String>) {
    let request = v1::EnrollContactRequest {
        contact: Some(email(name)),
        segment_ids: vec!["vips".into()],
        occurred_at: None,
    };
    let response = tenant.contacts().enroll_contact(request).await.unwrap().into_inner();
    (response.contact.unwrap().contact_id, response.coupon_codes)
}

#[tokio::test]
async fn a14_codes_are_made_for_all_advocates_or_none_and_once_for_a_request() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.enroll("outsider", &[]).await;
    let ask = for_advocates("spring", &["ann", "outsider"], "r-1");
    let refusal = try_issue(&acme, ask).await.unwrap_err();
    assert_eq!(told(&refusal), (Code::FailedPrecondition, "ADVOCATE_NOT_ELIGIBLE".into(), String::new()));
    assert_eq!(service.count("SELECT count(*) FROM coupon_codes").await, 0);

    let ask = for_advocates("spring", &["ann", "bob"], "r-1");
    let made = issue(&acme, ask.clone()).await;
    let owners: Vec<_> = made.iter().map(|code| (&code.advocate_id, code.campaign_id.as_str())).collect();
    assert_eq!(owners, [(&ann, "spring"), (&bob, "spring")]);
    assert!(made.iter().all(|c| (c.kind(), c.state()) == (CodeKind::CouponCode, CodeState::Assigned)));
    let again = acme.codes().issue_coupon_codes(ask.clone()).await.unwrap().into_inner();
    assert_eq!((again.codes, again.replayed), (made, true));
    let other = IssueCouponCodesRequest { single_use: true, ..ask };
    refused(try_issue(&acme, other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_eq!(service.count("SELECT count(*) FROM coupon_codes").await, 2);
}

#[tokio::test]
async fn a14_an_advocate_draws_one_code_of_the_pool_at_enrolment_and_each_code_is_drawn_once() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.segment("vips").await;
    acme.campaign("spring").await;
    assert_eq!(enroll(&acme, "early").await.1, Vec::<String>::new(), "there is no pool, and no error");
    let pool = issue(&acme, for_pool("spring", 5)).await;
    assert!(pool.iter().all(|c| c.state() == CodeState::Unassigned && c.code.starts_with("SUM_MER-")));
    unresolved(&acme.record(by_coupon("joe", &pool[0].code)).await, UnresolvedReason::CodeNotAssigned);
    refused(resolve(&acme, &pool[0].code).await, Code::NotFound, "CODE_NOT_FOUND");

    let names: Vec<String> = (0..8).map(|n| format!("advocate{n}")).collect();
    let drawn = join_all(names.iter().map(|name| enroll(&acme, name))).await;
    let codes: Vec<_> = drawn.iter().flat_map(|(_, codes)| codes.clone()).collect();
    let distinct: BTreeSet<_> = codes.iter().collect();
    assert_eq!((codes.len(), distinct.len()), (5, 5));
    for (name, (id, codes)) in names.iter().zip(&drawn) {
        assert!(enroll(&acme, name).await.1.is_empty(), "it has one, or there is none");
        for code in codes {
            assert_eq!(resolve(&acme, code).await.unwrap().advocate_id, *id);
        }
    }
    let referred = acme.record(by_coupon("joe", &codes[0].to_lowercase())).await;
    assert_eq!((referred.outcome(), referred.campaign_id.as_str()), (Outcome::Attributed, "spring"));
    assert_eq!(referred.in_force.unwrap().evidence(), EvidenceKind::CouponCode);
}

#[tokio::test]
async fn a14_a_single_use_code_that_its_own_advocate_tries_in_vain_is_free_for_the_next() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let ask = IssueCouponCodesRequest { single_use: true, ..for_advocates("spring", &["ann"], "r-1") };
    let code = issue(&acme, ask).await.remove(0).code;
    let own = acme.record(by_coupon("ann", &code)).await;
    assert_eq!(own.inactive_reason(), v1::InactiveReason::SelfReferral);
    assert_eq!(acme.record(by_coupon("joe", &code)).await.outcome(), Outcome::Attributed);
    unresolved(&acme.record(by_coupon("eve", &code)).await, UnresolvedReason::CodeUsed);
}

#[tokio::test]
async fn a14_a_single_use_code_is_used_by_one_contact_whoever_comes_at_the_same_time() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let ask = IssueCouponCodesRequest { single_use: true, ..for_advocates("spring", &["ann"], "r-1") };
    let code = issue(&acme, ask).await.remove(0).code;
    let names: Vec<String> = (0..16).map(|n| format!("customer{n}")).collect();
    let results = join_all(names.iter().map(|name| acme.record(by_coupon(name, &code)))).await;
    let (winners, losers): (Vec<_>, Vec<_>) =
        names.iter().zip(&results).partition(|(_, result)| result.outcome() == Outcome::Attributed);
    let [(winner, result)] = winners.as_slice() else { panic!("{winners:?}") };
    for (_, result) in losers {
        unresolved(result, UnresolvedReason::CodeUsed);
    }
    assert_eq!(acme.record(by_coupon(winner, &code)).await.outcome(), Outcome::AlreadyAttributed);
    let used =
        listed(&acme, v1::ListCodesRequest { state: CodeState::Used.into(), ..Default::default() }).await;
    assert_eq!((used.len(), &used[0].used_by), (1, &result.contact_id));
    assert_eq!(resolve(&acme, &code).await.unwrap().state(), CodeState::Used);
}

#[tokio::test]
async fn a14_an_attempt_that_comes_to_nobody_does_not_use_a_code() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let ask = IssueCouponCodesRequest { single_use: true, ..for_advocates("spring", &["ann"], "r-1") };
    let code = issue(&acme, ask).await.remove(0).code;
    let early = at(by_coupon("joe", &code), time::macros::datetime!(2024-12-31 00:00 UTC));
    unresolved(&acme.record(early).await, UnresolvedReason::CampaignNotActive);
    assert_eq!(acme.record(by_coupon("jim", &code)).await.outcome(), Outcome::Attributed);
}

#[tokio::test]
async fn a14_a_global_code_takes_the_campaign_from_the_call() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    acme.campaign("summer").await;
    let codes = issue(&acme, for_advocates("", &["ann"], "r-1")).await;
    let code = codes[0].code.as_str();
    assert_eq!(codes[0].campaign_id, "");
    for campaign in ["spring", "summer"] {
        let result = acme.record(within(campaign, by_coupon("joe", code))).await;
        assert_eq!(
            (result.outcome(), result.in_force.unwrap().advocate_id),
            (Outcome::Attributed, ann.clone())
        );
    }
    unresolved(&acme.record(by_coupon("jim", code)).await, UnresolvedReason::CampaignNotActive);

    let once = IssueCouponCodesRequest { single_use: true, ..for_advocates("", &["bob"], "r-2") };
    let once = issue(&acme, once).await.remove(0).code;
    let first = acme.record(within("spring", by_coupon("kim", &once))).await;
    assert_eq!(first.outcome(), Outcome::Attributed);
    let elsewhere = acme.record(within("summer", by_coupon("kim", &once))).await;
    unresolved(&elsewhere, UnresolvedReason::CodeUsed);
}

#[tokio::test]
async fn o3_a_coupon_code_supplies_the_campaign_and_must_be_of_the_one_given() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    acme.campaign("summer").await;
    let code = issue(&acme, for_advocates("summer", &["bob"], "r-1")).await.remove(0).code;
    let result = acme.record(by_coupon("joe", &code)).await;
    assert_eq!((result.outcome(), result.campaign_id.as_str()), (Outcome::Attributed, "summer"));
    let mismatch = acme.record(within("spring", by_coupon("joe", &code))).await;
    unresolved(&mismatch, UnresolvedReason::CampaignMismatch);
    // a stronger code says which campaign it is, and this one is passed over
    let mut both = by_coupon("jim", &code);
    both.evidence.as_mut().unwrap().shortcode = "ANN10".into();
    let result = acme.record(both).await;
    assert_eq!((result.outcome(), result.campaign_id.as_str()), (Outcome::Attributed, "spring"));
    assert_eq!(result.passed_over, [i32::from(EvidenceKind::CouponCode)]);
    assert_eq!(result.in_force.unwrap().advocate_id, ann);
}

#[tokio::test]
async fn a4_a_coupon_code_is_stronger_than_a_name_and_weaker_than_a_shortcode() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let code = issue(&acme, for_advocates("spring", &["bob"], "r-1")).await.remove(0).code;
    let with = |name: &str, shortcode: &str, advocate: &str| {
        let evidence = v1::Evidence {
            shortcode: shortcode.into(),
            coupon_code: code.clone(),
            advocate: Some(email(advocate)),
            ..Default::default()
        };
        within("spring", v1::Attempt { evidence: Some(evidence), ..by_coupon(name, &code) })
    };
    let by_shortcode = acme.record(with("joe", "ANN10", "bob")).await;
    assert_eq!(by_shortcode.in_force.unwrap().advocate_id, ann);
    let by_coupon = acme.record(with("jim", "", "ann")).await;
    assert_eq!(by_coupon.in_force.unwrap().advocate_id, bob);
    let losers = acme.all_attributions().await.into_iter().filter(|a| a.deactivated_at.is_none());
    assert_eq!(losers.filter(|a| a.inactive_reason() == v1::InactiveReason::Duplicate).count(), 2);
}

#[tokio::test]
async fn a9_coupon_codes_of_the_banned_and_unsubscribed_resolve_to_nothing_until_they_are_enrolled_again() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let code = issue(&acme, for_advocates("spring", &["ann"], "r-1")).await.remove(0).code;
    for status in [v1::ContactStatus::Banned, v1::ContactStatus::Unsubscribed] {
        acme.set_status("ann", status).await.unwrap();
        unresolved(&acme.record(by_coupon("joe", &code)).await, UnresolvedReason::AdvocateNotEligible);
        refused(resolve(&acme, &code).await, Code::NotFound, "CODE_NOT_FOUND");
    }
    acme.set_status("ann", v1::ContactStatus::Enrolled).await.unwrap();
    assert_eq!(acme.record(by_coupon("joe", &code)).await.outcome(), Outcome::Attributed);
}

#[tokio::test]
async fn a12_attempts_are_listed_by_the_coupon_code_that_was_sent() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let code = issue(&acme, for_advocates("spring", &["ann"], "r-1")).await.remove(0).code;
    for sent in [code.to_lowercase().as_str(), "no_such-code", "a\0b c"] {
        let result = acme.record(by_coupon("joe", sent)).await;
        let is_known = sent.eq_ignore_ascii_case(&code);
        let passed_over = if is_known { vec![] } else { vec![i32::from(EvidenceKind::CouponCode)] };
        assert_eq!((result.outcome() == Outcome::Attributed, result.passed_over), (is_known, passed_over));
        let request = v1::ListAttemptsRequest { coupon_code: sent.into(), ..Default::default() };
        let attempts = acme.attempts_by(request.clone()).await;
        let kept = if is_known || sent.contains('_') { sent.to_uppercase() } else { "a\u{fffd}b c".into() };
        assert_eq!(attempts.iter().map(|a| a.coupon_code.as_str()).collect::<Vec<_>>(), [kept]);
        assert!(service.of("other").attempts_by(request).await.is_empty());
    }
}

#[tokio::test]
async fn a14_no_code_has_the_text_of_another_kind_and_other_tenants_have_their_own() {
    let service = Service::start().await;
    let (acme, other) = (service.of("acme"), service.of("other"));
    acme.program().await;
    other.program().await;
    let code = issue(&acme, for_advocates("spring", &["ann"], "r-1")).await.remove(0).code;
    let shortcode = v1::IssueShortcodeRequest {
        campaign_id: "spring".into(),
        advocate: Some(email("ann")),
        shortcode: code.to_lowercase(),
    };
    let taken = acme.codes().issue_shortcode(shortcode.clone()).await;
    refused(taken, Code::AlreadyExists, "CODE_TAKEN");
    unresolved(&other.record(by_coupon("joe", &code)).await, UnresolvedReason::UnknownCode);
    refused(resolve(&other, &code).await, Code::NotFound, "CODE_NOT_FOUND");
    assert!(other.codes().issue_shortcode(shortcode).await.unwrap().into_inner().created);
    assert_eq!(resolve(&other, &code).await.unwrap().kind(), CodeKind::Shortcode);
}

#[tokio::test]
async fn a14_codes_are_listed_by_campaign_advocate_kind_and_state() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.campaign("summer").await;
    acme.code("spring", "ann", "ANNA").await;
    service.of("other").program().await;
    let own = issue(&acme, for_advocates("summer", &["ann"], "r-1")).await.remove(0);
    let pool = issue(&acme, for_pool("spring", 2)).await;
    let all = listed(&acme, v1::ListCodesRequest::default()).await;
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted_by_key(|code| code.code.clone()));
    let any = v1::ListCodesRequest::default;
    let of = |codes: Vec<v1::Code>| codes.into_iter().map(|c| c.code).collect::<BTreeSet<_>>();
    let shortcodes = ["ANN10", "ANNA", "BOB10"].map(str::to_owned);
    for (request, expected) in [
        (v1::ListCodesRequest { kind: CodeKind::Shortcode.into(), ..any() }, shortcodes.to_vec()),
        (v1::ListCodesRequest { campaign_id: "summer".into(), ..any() }, vec![own.code.clone()]),
        (
            v1::ListCodesRequest { advocate: Some(email("ann")), ..any() },
            vec!["ANN10".to_owned(), "ANNA".to_owned(), own.code.clone()],
        ),
        (
            v1::ListCodesRequest { state: CodeState::Unassigned.into(), ..any() },
            pool.iter().map(|c| c.code.clone()).collect(),
        ),
        (v1::ListCodesRequest { state: CodeState::Used.into(), ..any() }, vec![]),
    ] {
        assert_eq!(of(listed(&acme, request.clone()).await), BTreeSet::from_iter(expected), "{request:?}");
    }
    let nobody = v1::ListCodesRequest { advocate: Some(email("nobody")), ..any() };
    refused(acme.codes().list_codes(nobody).await, Code::NotFound, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn a14_what_cannot_be_issued_is_refused_by_its_field() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let (pool, named) = (for_pool("spring", 1), for_advocates("spring", &["ann"], "r"));
    for (odd, field) in [
        (IssueCouponCodesRequest { count: 0, ..pool.clone() }, "count"),
        (IssueCouponCodesRequest { count: 1001, ..pool.clone() }, "count"),
        (IssueCouponCodesRequest { count: 1, ..named.clone() }, "count"),
        (IssueCouponCodesRequest { campaign_id: String::new(), ..pool.clone() }, "campaign_id"),
        (IssueCouponCodesRequest { prefix: "a b".into(), ..pool.clone() }, "prefix"),
        (IssueCouponCodesRequest { request_id: String::new(), ..pool.clone() }, "request_id"),
        (
            IssueCouponCodesRequest {
                advocates: vec![proto::common::ContactRef::default()],
                ..named.clone()
            },
            "advocates[0]",
        ),
    ] {
        bad_field(try_issue(&acme, odd).await, field);
    }
    let nowhere = IssueCouponCodesRequest { campaign_id: "nowhere".into(), ..pool };
    refused(try_issue(&acme, nowhere).await, Code::NotFound, "CAMPAIGN_NOT_FOUND");
    let stranger = IssueCouponCodesRequest { advocates: vec![email("ann"), email("eve")], ..named };
    refused(try_issue(&acme, stranger).await, Code::NotFound, "CONTACT_NOT_FOUND");
    bad_field(acme.try_record(by_coupon("joe", &"x".repeat(65))).await, "attempt.evidence.coupon_code");
}

#[tokio::test]
async fn a14_who_has_a_code_of_the_campaign_already_draws_none_whatever_other_codes_there_are() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.campaign("summer").await;
    issue(&acme, for_advocates("summer", &["ann"], "own")).await;
    issue(&acme, for_pool("spring", 3)).await;
    issue(&acme, for_pool("summer", 3)).await;
    // ann has one in summer, and gets one of spring; bob gets one of each; nobody gets another by joining again
    for (name, drawn) in [("ann", 1), ("bob", 2), ("ann", 0), ("bob", 0)] {
        let leave = v1::UpdateSegmentMembersRequest {
            segment_id: "vips".into(),
            remove: vec![email(name)],
            ..Default::default()
        };
        acme.segments().update_segment_members(leave).await.unwrap();
        assert_eq!(enroll(&acme, name).await.1.len(), drawn, "{name}");
    }
    assert_eq!(service.count("SELECT count(*) FROM coupon_codes WHERE advocate_id IS NULL").await, 3);
}
