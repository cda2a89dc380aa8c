//! A2, A3, A5, A7, A10, A11: what people do to attributions by hand, and what is told of it.

mod common;

use common::moves::{activate, deactivate, history, reassign, to};
use common::*;
use proto::attribution as v1;
use time::Duration;
use tonic::Code;
use types::Timestamp;
use v1::{AttributionState, ContactStatus, EvidenceKind, InactiveReason, Outcome};

fn hours(n: i64) -> Timestamp {
    NOW + Duration::hours(n)
}

/// Who was in force for joe, hour by hour.
async fn advocate_at(of: &Tenant, at: Timestamp) -> Option<String> {
    of.lookup("spring", "joe", Some(at)).await.ok().map(|attribution| attribution.advocate_id)
}

#[tokio::test]
async fn a3_reassignment_moves_later_facts_to_the_new_advocate_and_earlier_ones_never() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let first = acme.record(at(by_code("joe", "ANN10"), hours(-3))).await.in_force.unwrap();
    let moved = reassign(&acme, to(email("joe"), id(&bob), Some(hours(-1)))).await.unwrap();
    let (now, before) = (moved.attribution.unwrap(), moved.deactivated.unwrap());
    assert_eq!(
        (now.state(), now.evidence(), now.attempts),
        (AttributionState::Active, EvidenceKind::ByHand, 0)
    );
    assert_eq!(before.attribution_id, first.attribution_id);
    assert_eq!(before.inactive_reason(), InactiveReason::Deactivated);
    assert_eq!(before.deactivated_at, Some(wire_time(hours(-1))));
    assert!(!moved.replayed);
    for (hour, who) in [(-4, None), (-3, Some(&ann)), (-2, Some(&ann)), (-1, Some(&bob)), (0, Some(&bob))] {
        assert_eq!(advocate_at(&acme, hours(hour)).await.as_ref(), who, "at hour {hour}");
    }
    // an order with the first advocate's code goes to whom the contact belongs now
    let late = acme.record(by_code("joe", "ANN10")).await;
    assert_eq!(
        (late.outcome(), late.inactive_reason()),
        (Outcome::LoggedInactive, InactiveReason::Deactivated)
    );
    assert_eq!(late.in_force.unwrap().advocate_id, bob);
    let facts = acme.facts().await;
    let told: Vec<_> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::AttributionActivated(f) => Some(("on", f.attribution.as_ref()?.advocate_id.as_str())),
            Fact::AttributionDeactivated(f) => Some(("off", f.attribution.as_ref()?.advocate_id.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(told, [("on", ann.as_str()), ("off", &ann), ("on", &bob)]);
}

#[tokio::test]
async fn a3_reassigned_back_and_forth_each_time_belongs_to_whom_it_did() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.record(at(by_code("joe", "ANN10"), hours(-9))).await;
    for (hour, who) in [(-7, &bob), (-5, &ann), (-3, &bob), (-1, &ann)] {
        reassign(&acme, to(email("joe"), id(who), Some(hours(hour)))).await.unwrap();
    }
    for (hour, who) in [
        (-9, &ann),
        (-8, &ann),
        (-7, &bob),
        (-6, &bob),
        (-5, &ann),
        (-4, &ann),
        (-3, &bob),
        (-2, &bob),
        (-1, &ann),
    ] {
        assert_eq!(advocate_at(&acme, hours(hour)).await.as_ref(), Some(who), "at hour {hour}");
    }
    // one row per advocate (A2)
    assert_eq!(acme.all_attributions().await.len(), 2);
    assert_eq!(acme.record(by_code("joe", "ANN10")).await.outcome(), Outcome::AlreadyAttributed);
}

#[tokio::test]
async fn a3_to_whom_it_belongs_already_changes_nothing() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let stored = acme.record(by_code("joe", "ANN10")).await.in_force.unwrap();
    let again = reassign(&acme, to(email("joe"), id(&ann), None)).await.unwrap();
    assert_eq!((again.attribution, again.deactivated, again.replayed), (Some(stored.clone()), None, true));
    let again = activate(&acme, &stored.attribution_id, None).await.unwrap();
    assert_eq!((again.attribution, again.replayed), (Some(stored.clone()), true));
    let off = deactivate(&acme, &stored.attribution_id, None).await.unwrap();
    let again = deactivate(&acme, &stored.attribution_id, None).await.unwrap();
    assert_eq!((again.attribution, again.replayed, off.replayed), (off.attribution, true, false));
    assert_eq!(history(&acme, &stored.attribution_id).await.len(), 2);
    // where nobody is active it activates, and nothing was deactivated
    let moved = reassign(&acme, to(email("joe"), id(&bob), None)).await.unwrap();
    assert_eq!((moved.attribution.unwrap().advocate_id, moved.deactivated), (bob, None));
}

#[tokio::test]
async fn a3_a_request_id_answers_a_late_repeat_with_what_it_made() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.record(at(by_code("joe", "ANN10"), hours(-2))).await;
    let request =
        v1::ReassignAttributionRequest { request_id: "r1".into(), ..to(email("joe"), id(&bob), None) };
    let first = reassign(&acme, request.clone()).await.unwrap();
    reassign(&acme, to(email("joe"), id(&ann), None)).await.unwrap();
    // without the id this would move it again
    let late = reassign(&acme, request.clone()).await.unwrap();
    assert!(late.replayed);
    assert_eq!(late.attribution.unwrap().attribution_id, first.attribution.unwrap().attribution_id);
    assert_eq!(late.deactivated.unwrap().attribution_id, first.deactivated.unwrap().attribution_id);
    assert_eq!(advocate_at(&acme, NOW).await, Some(ann));
    let other = v1::ReassignAttributionRequest { reason: "another".into(), ..request };
    refused(reassign(&acme, other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn a2_one_deactivated_by_hand_stays_so_until_activated_by_hand() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let active = acme.record(at(by_code("joe", "ANN10"), hours(-2))).await.in_force.unwrap();
    let off = deactivate(&acme, &active.attribution_id, Some(hours(-1))).await.unwrap().attribution.unwrap();
    assert_eq!(
        (off.state(), off.inactive_reason()),
        (AttributionState::Inactive, InactiveReason::Deactivated)
    );
    let again = acme.record(by_code("joe", "ANN10")).await;
    assert_eq!(
        (again.outcome(), again.inactive_reason()),
        (Outcome::LoggedInactive, InactiveReason::Deactivated)
    );
    assert_eq!((again.in_force, again.inactive.unwrap().attempts), (None, 2));
    let on = activate(&acme, &active.attribution_id, None).await.unwrap().attribution.unwrap();
    assert_eq!((on.state(), on.advocate_id.as_str()), (AttributionState::Active, ann.as_str()));
    // evidence for another advocate makes that one active, once nobody is
    deactivate(&acme, &active.attribution_id, None).await.unwrap();
    let other = acme.record(by_code("joe", "BOB10")).await;
    assert_eq!((other.outcome(), other.in_force.unwrap().advocate_id), (Outcome::Attributed, bob));
}

#[tokio::test]
async fn a2_a_duplicate_deactivated_by_hand_stays_so_and_nothing_is_told() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.record(by_code("joe", "ANN10")).await;
    let duplicate = acme.record(by_code("joe", "BOB10")).await.inactive.unwrap();
    let told = acme.facts().await.len();
    let off = deactivate(&acme, &duplicate.attribution_id, None).await.unwrap().attribution.unwrap();
    assert_eq!((off.inactive_reason(), off.deactivated_at), (InactiveReason::Deactivated, None));
    assert_eq!(acme.facts().await.len(), told);
}

#[tokio::test]
async fn a3_another_active_one_is_named() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let active = acme.record(by_code("joe", "ANN10")).await.in_force.unwrap();
    let duplicate = acme.record(by_code("joe", "BOB10")).await.inactive.unwrap();
    let error = activate(&acme, &duplicate.attribution_id, None).await.unwrap_err();
    let details = tonic_types::StatusExt::get_error_details(&error);
    let info = details.error_info().unwrap();
    assert_eq!(
        (error.code(), info.reason.as_str()),
        (Code::FailedPrecondition, "ANOTHER_ATTRIBUTION_ACTIVE")
    );
    assert_eq!(info.metadata["attribution_id"], active.attribution_id);
}

#[tokio::test]
async fn a5_and_a7_hold_by_hand_as_well() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let active = acme.record(at(by_code("joe", "ANN10"), hours(-2))).await.in_force.unwrap();
    deactivate(&acme, &active.attribution_id, Some(hours(-1))).await.unwrap();
    let joe = acme.enroll("joe", &["vips"]).await;
    let precondition = Code::FailedPrecondition;
    refused(reassign(&acme, to(id(&joe), id(&joe), None)).await, precondition, "SELF_REFERRAL");
    acme.set_status("ann", ContactStatus::Banned).await.unwrap();
    refused(activate(&acme, &active.attribution_id, None).await, precondition, "ADVOCATE_NOT_ELIGIBLE");
    refused(reassign(&acme, to(id(&joe), id(&ann), None)).await, precondition, "ADVOCATE_NOT_ELIGIBLE");
    let early = Some(time::macros::datetime!(2024-12-31 00:00 UTC));
    refused(reassign(&acme, to(id(&joe), id(&bob), early)).await, precondition, "CAMPAIGN_NOT_ACTIVE");
    // nothing was done in part
    assert_eq!(history(&acme, &active.attribution_id).await.len(), 2);
    assert_eq!(acme.all_attributions().await.len(), 1);
}

#[tokio::test]
async fn a11_no_two_are_in_force_at_one_time() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let active = acme.record(at(by_code("joe", "ANN10"), hours(-6))).await.in_force.unwrap();
    bad_field(deactivate(&acme, &active.attribution_id, Some(hours(-7))).await, "occurred_at");
    bad_field(reassign(&acme, to(email("joe"), id(&bob), Some(hours(-7)))).await, "occurred_at");
    deactivate(&acme, &active.attribution_id, Some(hours(-2))).await.unwrap();
    bad_field(activate(&acme, &active.attribution_id, Some(hours(-3))).await, "occurred_at");
    bad_field(reassign(&acme, to(email("joe"), id(&bob), Some(hours(-3)))).await, "occurred_at");
    bad_field(activate(&acme, &active.attribution_id, Some(hours(25))).await, "occurred_at");
    // a fact that is told late: what was ann's stays hers, bob's is in force since
    let late = acme.record(at(by_code("joe", "BOB10"), hours(-4))).await;
    let now = late.in_force.unwrap();
    assert_eq!((now.advocate_id.as_str(), now.effective_from), (bob.as_str(), Some(wire_time(hours(-2)))));
    for (hour, who) in [(-6, &ann), (-3, &ann), (-2, &bob)] {
        assert_eq!(advocate_at(&acme, hours(hour)).await.as_ref(), Some(who), "at hour {hour}");
    }
}

#[tokio::test]
async fn a10_every_change_is_kept_with_who_when_from_to_and_why() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let first = acme.record(at(by_code("joe", "ANN10"), hours(-3))).await.in_force.unwrap();
    let second = acme.record(by_code("joe", "BOB10")).await.inactive.unwrap();
    // counting an attempt is no change
    acme.record(by_code("joe", "BOB10")).await;
    reassign(&acme, to(email("joe"), id(&bob), Some(hours(-1)))).await.unwrap();
    deactivate(&acme, &second.attribution_id, None).await.unwrap();
    let changes = history(&acme, &first.attribution_id).await;
    // either names the story of both
    assert_eq!(changes, history(&acme, &second.attribution_id).await);
    let on = (AttributionState::Active, InactiveReason::Unspecified);
    let off = |reason| (AttributionState::Inactive, reason);
    let told: Vec<_> = changes
        .iter()
        .map(|c| {
            let from = (c.from_state(), c.from_reason());
            (
                c.advocate_id.as_str(),
                from,
                (c.to_state(), c.to_reason()),
                c.method.as_str(),
                c.reason.as_str(),
            )
        })
        .collect();
    let none = (AttributionState::Unspecified, InactiveReason::Unspecified);
    let wanted = [
        (ann.as_str(), none, on, "RecordAttribution", ""),
        (bob.as_str(), none, off(InactiveReason::Duplicate), "RecordAttribution", ""),
        (ann.as_str(), on, off(InactiveReason::Deactivated), "ReassignAttribution", "the wrong one"),
        (bob.as_str(), off(InactiveReason::Duplicate), on, "ReassignAttribution", "the wrong one"),
        (bob.as_str(), on, off(InactiveReason::Deactivated), "DeactivateAttribution", "a mistake"),
    ];
    assert_eq!(told, wanted);
    assert!(changes.iter().all(|change| change.principal == "anonymous"));
    assert_eq!(changes[2].occurred_at, Some(wire_time(hours(-1))));
    assert_eq!(changes[2].recorded_at, Some(wire_time(NOW)));
}

#[tokio::test]
async fn a10_every_change_of_a_contacts_status_is_kept() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let request = v1::UpdateContactStatusRequest {
        contact: Some(email("ann")),
        status: ContactStatus::Banned.into(),
        occurred_at: None,
        reason: "fraud".into(),
    };
    for _ in 0..2 {
        acme.contacts().update_contact_status(request.clone()).await.unwrap();
    }
    let request = v1::GetContactHistoryRequest { contact: Some(email("ann")), ..Default::default() };
    let changes = acme.contacts().get_contact_history(request.clone()).await.unwrap().into_inner().changes;
    let told: Vec<_> = changes
        .iter()
        .map(|c| (c.from_status(), c.to_status(), c.method.as_str(), c.reason.as_str()))
        .collect();
    let wanted = [
        (ContactStatus::Prospect, ContactStatus::Enrolled, "EnrollContact", ""),
        (ContactStatus::Enrolled, ContactStatus::Banned, "UpdateContactStatus", "fraud"),
    ];
    assert_eq!(told, wanted);
    let other = service.of("other");
    refused(other.contacts().get_contact_history(request).await, Code::NotFound, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn a3_what_is_anothers_or_unknown_is_not_found() {
    let service = Service::start().await;
    let (acme, other) = (service.of("acme"), service.of("other"));
    let (ann, _) = acme.program().await;
    other.program().await;
    let stored = acme.record(by_code("joe", "ANN10")).await.in_force.unwrap();
    let unknown = types::new_id::<types::AttributionId>(NOW).to_string();
    for (who, attribution) in [(&other, &stored.attribution_id), (&acme, &unknown)] {
        let missing = "ATTRIBUTION_NOT_FOUND";
        refused(activate(who, attribution, None).await, Code::NotFound, missing);
        refused(deactivate(who, attribution, None).await, Code::NotFound, missing);
        let request =
            v1::GetAttributionHistoryRequest { attribution_id: attribution.clone(), ..Default::default() };
        refused(who.attributions().get_attribution_history(request).await, Code::NotFound, missing);
    }
    refused(reassign(&other, to(email("joe"), id(&ann), None)).await, Code::NotFound, "CONTACT_NOT_FOUND");
    let error = reassign(&acme, to(email("joe"), email("nobody"), None)).await.unwrap_err();
    let details = tonic_types::StatusExt::get_error_details(&error);
    assert_eq!(details.error_info().unwrap().metadata["field"], "advocate");
    let nowhere =
        v1::ReassignAttributionRequest { campaign_id: "autumn".into(), ..to(email("joe"), id(&ann), None) };
    refused(reassign(&acme, nowhere).await, Code::NotFound, "CAMPAIGN_NOT_FOUND");
}
