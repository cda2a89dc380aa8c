//! A5, A7, A12 and A15: what the policies of a campaign make of attempts, and flags of contacts.

mod common;

use common::*;
use proto::attribution as v1;
use tonic::Code;
use v1::{
    EligibilityPolicy, FlagCause, InactiveReason, Outcome, SelfReferralPolicy, UnresolvedReason,
    UpdateCampaignRequest,
};

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn update(tenant: &Tenant, change: UpdateCampaignRequest) -> v1::Campaign {
    let change = UpdateCampaignRequest { campaign_id: "spring".into(), ..change };
    tenant.campaigns().update_campaign(change).await.unwrap().into_inner().campaign.unwrap()
}

async fn self_referral(tenant: &Tenant, policy: SelfReferralPolicy) {
    update(tenant, UpdateCampaignRequest { self_referral: policy.into(), ..Default::default() }).await;
}

async fn eligibility(tenant: &Tenant, policy: EligibilityPolicy) {
    update(tenant, UpdateCampaignRequest { eligibility: policy.into(), ..Default::default() }).await;
}

fn why(result: &v1::AttemptResult) -> (Outcome, InactiveReason, UnresolvedReason) {
    (result.outcome(), result.inactive_reason(), result.unresolved_reason())
}

const ATTRIBUTED: (Outcome, InactiveReason, UnresolvedReason) =
    (Outcome::Attributed, InactiveReason::Unspecified, UnresolvedReason::Unspecified);

fn inactive(reason: InactiveReason) -> (Outcome, InactiveReason, UnresolvedReason) {
    (Outcome::LoggedInactive, reason, UnresolvedReason::Unspecified)
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn flag(tenant: &Tenant, name: &str, reason: &str) -> Vec<v1::ContactFlag> {
    let request =
        v1::FlagContactRequest { contact: Some(email(name)), reason: reason.into(), occurred_at: None };
    tenant.contacts().flag_contact(request).await.unwrap().into_inner().contact.unwrap().flags
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn unflag(tenant: &Tenant, name: &str, reason: &str) -> Vec<v1::ContactFlag> {
    let request =
        v1::UnflagContactRequest { contact: Some(email(name)), reason: reason.into(), occurred_at: None };
    tenant.contacts().unflag_contact(request).await.unwrap().into_inner().contact.unwrap().flags
}

async fn flag_facts(tenant: &Tenant) -> Vec<Fact> {
    let facts = tenant.facts().await.into_iter();
    facts.filter(|fact| matches!(fact, Fact::ContactFlagged(_) | Fact::ContactUnflagged(_))).collect()
}

#[tokio::test]
async fn a7_a_campaign_that_flags_self_referrals_lets_them_count_and_flags_the_contact_once() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    self_referral(&acme, SelfReferralPolicy::Flag).await;
    let result = acme.record(by_code("ann", "ANN10")).await;
    assert_eq!(why(&result), ATTRIBUTED);
    assert_eq!(result.in_force.unwrap().advocate_id, ann);
    let flags = acme.get(email("ann")).await.unwrap().flags;
    assert_eq!(flags.len(), 1);
    assert_eq!((flags[0].cause(), flags[0].lifted_at), (FlagCause::SelfReferral, None));
    let flagged = v1::ContactFlagged { contact_id: ann.clone(), cause: FlagCause::SelfReferral.into() };
    assert_eq!(flag_facts(&acme).await, [Fact::ContactFlagged(flagged)]);
    // lifted by a person, it is not raised by what is no news
    unflag(&acme, "ann", "asked her").await;
    assert_eq!(acme.record(by_code("ann", "ANN10")).await.outcome(), Outcome::AlreadyAttributed);
    assert!(acme.get(email("ann")).await.unwrap().flags[0].lifted_at.is_some());
    assert_eq!(flag_facts(&acme).await.len(), 2);
}

#[tokio::test]
async fn a7_self_referrals_are_blocked_by_default_and_count_where_they_are_allowed() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let blocked = acme.record(by_code("ann", "ANN10")).await;
    assert_eq!(why(&blocked), inactive(InactiveReason::SelfReferral));
    // the same address in another form is the same contact
    let shouted = v1::Attempt { contact: Some(email("  ANN")), ..by_code("ann", "ANN10") };
    assert_eq!(why(&acme.record(shouted).await), inactive(InactiveReason::SelfReferral));
    self_referral(&acme, SelfReferralPolicy::Allow).await;
    let allowed = acme.record(by_code("ann", "ANN10")).await;
    assert_eq!(why(&allowed), ATTRIBUTED);
    assert_eq!(allowed.in_force.unwrap().attempts, 3);
    assert!(acme.get(email("ann")).await.unwrap().flags.is_empty());
    // what is active stays so, whatever the policy is now
    self_referral(&acme, SelfReferralPolicy::Block).await;
    assert_eq!(acme.record(by_code("ann", "ANN10")).await.outcome(), Outcome::AlreadyAttributed);
}

#[tokio::test]
async fn a7_a_campaign_for_new_contacts_takes_only_those_whom_the_attempt_makes_known() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    eligibility(&acme, EligibilityPolicy::NewContactsOnly).await;
    acme.enroll("old", &[]).await;
    let known = acme.record(by_code("old", "ANN10")).await;
    assert_eq!(why(&known), inactive(InactiveReason::NotEligible));
    assert_eq!(known.inactive.unwrap().inactive_reason(), InactiveReason::NotEligible);
    assert_eq!(why(&acme.record(by_code("old", "BOB10")).await), inactive(InactiveReason::NotEligible));
    assert_eq!(why(&acme.record(by_code("new", "ANN10")).await), ATTRIBUTED);
    assert_eq!(acme.record(by_code("new", "ANN10")).await.outcome(), Outcome::AlreadyAttributed);
    assert_eq!(why(&acme.record(by_code("new", "BOB10")).await), inactive(InactiveReason::Duplicate));
    // A2: it is not let in by more evidence, but by another policy
    assert_eq!(why(&acme.record(by_code("old", "ANN10")).await), inactive(InactiveReason::NotEligible));
    eligibility(&acme, EligibilityPolicy::AnyContact).await;
    assert_eq!(why(&acme.record(by_code("old", "ANN10")).await), ATTRIBUTED);
    assert_eq!(why(&acme.record(by_code("old", "BOB10")).await), inactive(InactiveReason::Duplicate));
}

#[tokio::test]
async fn a12_a_contact_that_two_attempts_of_one_slice_name_is_new_to_the_first_only() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    eligibility(&acme, EligibilityPolicy::NewContactsOnly).await;
    let nowhere = v1::Attempt { occurred_at: None, ..by_code("joe", "NOSUCH") };
    let answers = acme.batch(vec![nowhere, by_code("joe", "ANN10"), by_code("jim", "ANN10")]).await.results;
    let outcomes: Vec<_> = answers.into_iter().map(|answer| why(&answer.result.unwrap())).collect();
    let unknown = (Outcome::Unresolved, InactiveReason::Unspecified, UnresolvedReason::UnknownCode);
    assert_eq!(outcomes, [unknown, inactive(InactiveReason::NotEligible), ATTRIBUTED]);
    let request =
        v1::ListAttemptsRequest { inactive_reason: InactiveReason::NotEligible.into(), ..Default::default() };
    assert_eq!(acme.attempts_by(request).await.len(), 1);
}

#[tokio::test]
async fn a5_a_paused_campaign_takes_no_new_attributions_and_keeps_those_it_has() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.record(by_code("joe", "ANN10")).await;
    assert!(update(&acme, UpdateCampaignRequest { paused: true, ..Default::default() }).await.paused);
    let refused = acme.record(by_code("jim", "ANN10")).await;
    let not_active = (Outcome::Unresolved, InactiveReason::Unspecified, UnresolvedReason::CampaignNotActive);
    assert_eq!(why(&refused), not_active);
    assert!(acme.lookup("spring", "joe", None).await.is_ok());
    // false is no news unless the mask says so
    assert!(update(&acme, UpdateCampaignRequest::default()).await.paused);
    let update_mask = Some(prost_types::FieldMask { paths: vec!["paused".into()] });
    assert!(!update(&acme, UpdateCampaignRequest { update_mask, ..Default::default() }).await.paused);
    assert_eq!(why(&acme.record(by_code("jim", "ANN10")).await), ATTRIBUTED);
}

#[tokio::test]
async fn a7_policies_are_told_changed_one_by_one_and_taken_back_to_the_defaults() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.segment("vips").await;
    let new = v1::CreateCampaignRequest {
        self_referral: SelfReferralPolicy::Flag.into(),
        attribution_window_days: 30,
        ..new_campaign("spring")
    };
    let made = acme.campaigns().create_campaign(new.clone()).await.unwrap().into_inner().campaign.unwrap();
    let told = |c: &v1::Campaign| (c.self_referral(), c.eligibility(), c.attribution_window_days, c.paused);
    let any = EligibilityPolicy::AnyContact;
    assert_eq!(told(&made), (SelfReferralPolicy::Flag, any, 30, false));
    acme.campaigns().create_campaign(new).await.unwrap();
    let other = acme.campaigns().create_campaign(new_campaign("spring")).await;
    refused(other, Code::AlreadyExists, "CAMPAIGN_EXISTS");
    let longer = UpdateCampaignRequest { attribution_window_days: 365, ..Default::default() };
    assert_eq!(told(&update(&acme, longer).await), (SelfReferralPolicy::Flag, any, 365, false));
    let paths = ["self_referral", "attribution_window_days"].map(str::to_owned).to_vec();
    let update_mask = Some(prost_types::FieldMask { paths });
    let back = update(&acme, UpdateCampaignRequest { update_mask, ..Default::default() }).await;
    assert_eq!(told(&back), (SelfReferralPolicy::Block, any, 90, false));
    let listed = acme.campaigns().list_campaigns(v1::ListCampaignsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().campaigns, [back]);
    for days in [-1, 366] {
        let odd = v1::CreateCampaignRequest { attribution_window_days: days, ..new_campaign("odd") };
        bad_field(acme.campaigns().create_campaign(odd).await, "attribution_window_days");
    }
}

#[tokio::test]
async fn a15_a_flag_by_hand_says_why_and_who_and_the_stream_only_that_there_is_one() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let ann = acme.enroll("ann", &[]).await;
    let flags = flag(&acme, "ann", " knows the \"shop\" ").await;
    let [raised] = flags.as_slice() else { panic!("{flags:?}") };
    let by_hand = i32::from(FlagCause::ByHand);
    let told = (raised.cause, raised.reason.as_str(), raised.principal.as_str());
    assert_eq!(told, (by_hand, "knows the \"shop\"", "anonymous"));
    assert_eq!((raised.flagged_at, raised.lifted_at), (Some(wire_time(NOW)), None));
    let again = acme.events().await.len();
    assert_eq!(flag(&acme, "ann", "knows the \"shop\"").await, flags);
    assert_eq!(flag(&acme, "ann", "something else").await[0].reason, "something else");
    assert_eq!(acme.events().await.len(), again, "it was flagged already");
    let lifted = unflag(&acme, "ann", "it was her sister").await.remove(0);
    assert_eq!(
        (lifted.lift_reason.as_str(), lifted.lift_principal.as_str()),
        ("it was her sister", "anonymous")
    );
    assert_eq!(unflag(&acme, "ann", "twice").await, [lifted]);
    let flagged = v1::ContactFlagged { contact_id: ann.clone(), cause: by_hand };
    let facts =
        [Fact::ContactFlagged(flagged), Fact::ContactUnflagged(v1::ContactUnflagged { contact_id: ann })];
    assert_eq!(flag_facts(&acme).await, facts);
}

#[tokio::test]
async fn a15_a_flag_needs_a_contact_of_the_tenant_and_a_reason() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.enroll("ann", &[]).await;
    let request = |name: &str, reason: &str| v1::FlagContactRequest {
        contact: Some(email(name)),
        reason: reason.into(),
        occurred_at: None,
    };
    for reason in ["", "  ", "a\0b", &"x".repeat(1001)] {
        bad_field(acme.contacts().flag_contact(request("ann", reason)).await, "reason");
    }
    let other = service.of("other").contacts().flag_contact(request("ann", "why")).await;
    refused(other, Code::NotFound, "CONTACT_NOT_FOUND");
    assert!(acme.get(email("ann")).await.unwrap().flags.is_empty());
}
