//! Contacts, segments, campaigns and codes (A9, A15), on a real database.

mod common;

use common::*;
use proto::attribution as v1;
use tonic::Code;
use v1::ContactStatus;

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn upsert(tenant: &Tenant, request: v1::UpsertContactRequest) -> v1::UpsertContactResponse {
    tenant.contacts().upsert_contact(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn an_upsert_with_a_request_id_is_carried_out_once() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let asked = v1::UpsertContactRequest { request_id: "r-1".into(), ..keys("ann@example.com", "") };
    let first = acme.contacts().upsert_contact(asked.clone()).await.unwrap().into_inner();
    let renamed = v1::UpsertContactRequest { first_name: "Ann".into(), ..keys("ann@example.com", "") };
    let now = acme.contacts().upsert_contact(renamed).await.unwrap().into_inner().contact;
    let again = acme.contacts().upsert_contact(asked.clone()).await.unwrap().into_inner();
    assert_eq!((first.created, first.replayed, again.created, again.replayed), (true, false, false, true));
    assert_eq!(again.contact, now, "as it is now");
    let other = v1::UpsertContactRequest { last_name: "Ray".into(), ..asked };
    refused(acme.contacts().upsert_contact(other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
}

fn keys(email: &str, uid: &str) -> v1::UpsertContactRequest {
    v1::UpsertContactRequest { email: email.into(), uid: uid.into(), ..Default::default() }
}

#[tokio::test]
async fn a15_one_key_known_and_the_other_new_is_added() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let first = upsert(&acme, keys("ann@example.com", "")).await;
    assert!(first.created);
    let second = upsert(&acme, keys(" ANN@example.com", "u-1")).await;
    assert!(!second.created);
    let ann = second.contact.unwrap();
    assert_eq!(ann.contact_id, first.contact.unwrap().contact_id);
    for who in [email("ann"), uid("u-1"), id(&ann.contact_id)] {
        assert_eq!(acme.get(who).await.unwrap(), ann);
    }
}

#[tokio::test]
async fn a15_keys_of_two_contacts_are_a_conflict_that_names_both() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let ann = upsert(&acme, keys("ann@example.com", "")).await.contact.unwrap();
    let bob = upsert(&acme, keys("", "u-bob")).await.contact.unwrap();
    let status = acme.contacts().upsert_contact(keys("ann@example.com", "u-bob")).await.unwrap_err();
    let info = tonic_types::StatusExt::get_details_error_info(&status).unwrap();
    assert_eq!((status.code(), info.reason.as_str()), (Code::AlreadyExists, "CONTACT_CONFLICT"));
    let mut named: Vec<_> = info.metadata.values().cloned().collect();
    named.sort_unstable();
    let mut both = vec![ann.contact_id, bob.contact_id];
    both.sort_unstable();
    assert_eq!(named, both);
    // an item of a batch says as much
    let mut both = email("ann");
    both.uid = "u-bob".into();
    let attempt = v1::Attempt { contact: Some(both), ..Default::default() };
    let error = acme.batch(vec![attempt]).await.results.remove(0).error.unwrap();
    assert_eq!(error.metadata, info.metadata);

    let mut disagreeing = email("ann");
    disagreeing.uid = "u-bob".into();
    refused(acme.get(disagreeing).await, Code::AlreadyExists, "CONTACT_CONFLICT");
    let mut half_known = email("ann");
    half_known.uid = "u-nobody".into();
    refused(acme.get(half_known).await, Code::NotFound, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn a15_changing_an_email_keeps_the_contact() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let old = upsert(&acme, keys("old@example.com", "u-1")).await.contact.unwrap();
    let new = upsert(&acme, keys("new@example.com", "u-1")).await.contact.unwrap();
    assert_eq!((new.contact_id, new.email.as_str()), (old.contact_id.clone(), "new@example.com"));
    refused(acme.get(email("old")).await, Code::NotFound, "CONTACT_NOT_FOUND");
    // the address is free again
    let other = upsert(&acme, keys("old@example.com", "")).await;
    assert!(other.created && other.contact.unwrap().contact_id != old.contact_id);
}

#[tokio::test]
async fn a15_empty_fields_leave_what_is_stored() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let full = v1::UpsertContactRequest {
        first_name: "Ann".into(),
        last_name: "Lee".into(),
        company: "Acme".into(),
        locale: "de-AT".into(),
        ..keys("ann@example.com", "u-1")
    };
    upsert(&acme, full).await;
    let change = v1::UpsertContactRequest { last_name: "Ray".into(), ..keys("ann@example.com", "") };
    let ann = upsert(&acme, change).await.contact.unwrap();
    assert_eq!((ann.first_name.as_str(), ann.last_name.as_str()), ("Ann", "Ray"));
    assert_eq!((ann.company.as_str(), ann.locale.as_str(), ann.uid.as_str()), ("Acme", "de-AT", "u-1"));
    assert_eq!(ann.created_at, Some(wire_time(NOW)));
}

#[tokio::test]
async fn upserts_at_once_make_one_contact() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let acme = acme.clone();
        calls.spawn(async move { upsert(&acme, keys("ann@example.com", "u-1")).await.created });
    }
    let created = calls.join_all().await.into_iter().filter(|created| *created).count();
    assert_eq!((created, service.count("SELECT count(*) FROM contacts").await), (1, 1));
}

#[tokio::test]
async fn enrolling_again_changes_nothing() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.segment("vips").await;
    let ann = acme.enroll("ann", &["vips"]).await;
    let facts = acme.facts().await;
    assert!(matches!(&facts[0], Fact::ContactCreated(f) if f.contact_id == ann));
    assert!(matches!(&facts[1], Fact::ContactStatusChanged(f)
            if f.from() == ContactStatus::Prospect && f.to() == ContactStatus::Enrolled));
    assert!(matches!(&facts[2], Fact::SegmentJoined(f) if f.segment_id == "vips"));
    assert_eq!(acme.enroll("ann", &["vips"]).await, ann);
    assert_eq!(acme.facts().await.len(), 3);
    let stored = acme.get(email("ann")).await.unwrap();
    assert_eq!((stored.status(), stored.segment_ids), (ContactStatus::Enrolled, vec!["vips".to_owned()]));
}

#[tokio::test]
async fn a_banned_contact_cannot_be_enrolled_until_its_status_is_changed() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.enroll("ann", &[]).await;
    acme.set_status("ann", ContactStatus::Banned).await.unwrap();
    let request = v1::EnrollContactRequest { contact: Some(email("ann")), ..Default::default() };
    let refusal = acme.contacts().enroll_contact(request.clone()).await;
    refused(refusal, Code::FailedPrecondition, "CONTACT_BANNED");
    acme.set_status("ann", ContactStatus::Prospect).await.unwrap();
    acme.contacts().enroll_contact(request).await.unwrap();
    refused(acme.set_status("nobody", ContactStatus::Banned).await, Code::NotFound, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn an_unknown_segment_refuses_the_whole_enrolment() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let request = v1::EnrollContactRequest {
        contact: Some(email("ann")),
        segment_ids: vec!["nosuch".into()],
        occurred_at: None,
    };
    refused(acme.contacts().enroll_contact(request).await, Code::NotFound, "SEGMENT_NOT_FOUND");
    refused(acme.get(email("ann")).await, Code::NotFound, "CONTACT_NOT_FOUND");
}

#[tokio::test]
async fn tags_are_added_and_removed_once() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.enroll("ann", &[]).await;
    let tag = |add: &[&str], remove: &[&str]| v1::TagContactRequest {
        contact: Some(email("ann")),
        add: add.iter().map(|t| (*t).to_owned()).collect(),
        remove: remove.iter().map(|t| (*t).to_owned()).collect(),
        occurred_at: None,
    };
    let calls = [tag(&["vip", "press", "vip"], &[]), tag(&["vip"], &["nosuch"]), tag(&[], &["press"])];
    let mut tags = Vec::new();
    for call in calls {
        tags.push(acme.contacts().tag_contact(call).await.unwrap().into_inner().contact.unwrap().tags);
    }
    assert_eq!(tags, [vec!["press", "vip"], vec!["press", "vip"], vec!["vip"]]);
    assert_eq!(acme.get(email("ann")).await.unwrap().tags, ["vip"]);
    let tagged: Vec<_> = acme
        .facts()
        .await
        .into_iter()
        .filter_map(|fact| if let Fact::ContactTagged(f) = fact { Some((f.added, f.removed)) } else { None })
        .collect();
    let strings = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
    assert_eq!(tagged, [(strings(&["press", "vip"]), vec![]), (vec![], strings(&["press"]))]);
}

#[tokio::test]
async fn members_of_a_segment_change_all_or_none() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.segment("vips").await;
    acme.enroll("ann", &["vips"]).await;
    acme.enroll("bob", &[]).await;
    let update = |add: &[&str], remove: &[&str]| v1::UpdateSegmentMembersRequest {
        segment_id: "vips".into(),
        add: add.iter().map(|name| email(name)).collect(),
        remove: remove.iter().map(|name| email(name)).collect(),
        occurred_at: None,
    };
    let refusal = acme.segments().update_segment_members(update(&["bob", "nobody"], &[])).await.unwrap_err();
    let info = tonic_types::StatusExt::get_details_error_info(&refusal).unwrap();
    assert_eq!((info.reason.as_str(), info.metadata["field"].as_str()), ("CONTACT_NOT_FOUND", "add[1]"));
    for _ in 0..2 {
        let response = acme.segments().update_segment_members(update(&["bob"], &["ann"])).await.unwrap();
        assert_eq!(response.into_inner().segment.unwrap().members, 1);
    }
    assert_eq!(acme.get(email("bob")).await.unwrap().segment_ids, ["vips"]);
    assert!(acme.get(email("ann")).await.unwrap().segment_ids.is_empty());
    let left = acme.facts().await.into_iter().filter(|fact| matches!(fact, Fact::SegmentLeft(_))).count();
    assert_eq!(left, 1);
    let nowhere = v1::UpdateSegmentMembersRequest { segment_id: "nosuch".into(), ..Default::default() };
    let refusal = acme.segments().update_segment_members(nowhere).await;
    refused(refusal, Code::NotFound, "SEGMENT_NOT_FOUND");
}

#[tokio::test]
async fn segments_are_created_once_and_listed_by_id() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for id in ["b", "a", "c", "a"] {
        acme.segment(id).await;
    }
    let other =
        v1::CreateSegmentRequest { segment_id: "a".into(), name: "Other".into(), ..Default::default() };
    refused(acme.segments().create_segment(other).await, Code::AlreadyExists, "SEGMENT_EXISTS");
    let page = v1::ListSegmentsRequest { page_size: 2, ..Default::default() };
    let first = acme.segments().list_segments(page.clone()).await.unwrap().into_inner();
    let next = v1::ListSegmentsRequest { page_token: first.next_page_token, ..page };
    let second = acme.segments().list_segments(next).await.unwrap().into_inner();
    let ids: Vec<_> = first.segments.into_iter().chain(second.segments).map(|s| s.segment_id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let get = v1::GetSegmentRequest { segment_id: "nosuch".into() };
    refused(acme.segments().get_segment(get).await, Code::NotFound, "SEGMENT_NOT_FOUND");
}

#[tokio::test]
async fn campaigns_are_created_once_and_changed_within_bounds() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let refusal = acme.campaigns().create_campaign(new_campaign("spring")).await;
    refused(refusal, Code::NotFound, "SEGMENT_NOT_FOUND");
    acme.segment("vips").await;
    let mut now = new_campaign("spring");
    now.starts_at = None;
    let created = acme.campaigns().create_campaign(now.clone()).await.unwrap().into_inner().campaign.unwrap();
    assert_eq!((created.starts_at, created.name.as_str()), (Some(wire_time(NOW)), "spring"));
    service.clock.set(NOW + time::Duration::DAY);
    let again = acme.campaigns().create_campaign(now.clone()).await.unwrap().into_inner().campaign.unwrap();
    assert_eq!(again, created);
    now.currency_code = "EUR".into();
    refused(acme.campaigns().create_campaign(now).await, Code::AlreadyExists, "CAMPAIGN_EXISTS");

    let rename = v1::UpdateCampaignRequest {
        campaign_id: "spring".into(),
        name: "Spring".into(),
        ends_at: Some(wire_time(NOW + time::Duration::WEEK)),
        ..Default::default()
    };
    acme.campaigns().update_campaign(rename).await.unwrap();
    let get = v1::GetCampaignRequest { campaign_id: "spring".into() };
    let got = acme.campaigns().get_campaign(get).await.unwrap().into_inner().campaign.unwrap();
    assert_eq!((got.name.as_str(), got.starts_at), ("Spring", created.starts_at));
    let listed = acme.campaigns().list_campaigns(v1::ListCampaignsRequest::default()).await.unwrap();
    assert_eq!(listed.into_inner().campaigns, [got]);

    let inverted = v1::UpdateCampaignRequest {
        campaign_id: "spring".into(),
        ends_at: created.starts_at,
        ..Default::default()
    };
    bad_field(acme.campaigns().update_campaign(inverted.clone()).await, "ends_at");
    let unknown = v1::UpdateCampaignRequest { campaign_id: "nosuch".into(), ..inverted };
    refused(acme.campaigns().update_campaign(unknown).await, Code::NotFound, "CAMPAIGN_NOT_FOUND");
    let unknown = v1::GetCampaignRequest { campaign_id: "nosuch".into() };
    refused(acme.campaigns().get_campaign(unknown).await, Code::NotFound, "CAMPAIGN_NOT_FOUND");
}

#[tokio::test]
async fn an_advocate_gets_the_same_generated_code_again() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.segment("vips").await;
    acme.campaign("spring").await;
    let ann = acme.enroll("ann", &["vips"]).await;
    let request = v1::IssueShortcodeRequest {
        campaign_id: "spring".into(),
        advocate: Some(email("ann")),
        shortcode: String::new(),
    };
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut codes, request) = (acme.codes(), request.clone());
        calls.spawn(async move { codes.issue_shortcode(request).await.unwrap().into_inner() });
    }
    let issued = calls.join_all().await;
    let code = issued[0].shortcode.clone();
    assert_eq!(code.len(), 8);
    assert!(issued.iter().all(|i| i.shortcode == code));
    assert_eq!(issued.iter().filter(|i| i.created).count(), 1);
    let resolved =
        acme.codes().resolve_code(v1::ResolveCodeRequest { code: code.to_lowercase() }).await.unwrap();
    assert_eq!(resolved.into_inner().advocate_id, ann);
}

#[tokio::test]
async fn a_code_belongs_to_one_eligible_advocate_in_one_campaign() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.enroll("outsider", &[]).await;
    let issue = |campaign: &str, name: &str, code: &str| v1::IssueShortcodeRequest {
        campaign_id: campaign.into(),
        advocate: Some(email(name)),
        shortcode: code.into(),
    };
    let again = acme.codes().issue_shortcode(issue("spring", "ann", "ann10")).await.unwrap().into_inner();
    assert_eq!((again.shortcode.as_str(), again.created), ("ANN10", false));
    let second = acme.codes().issue_shortcode(issue("spring", "ann", "ANNA")).await.unwrap().into_inner();
    assert!(second.created);
    for (request, code, reason) in [
        (issue("spring", "bob", "ANN10"), Code::AlreadyExists, "CODE_TAKEN"),
        (issue("spring", "outsider", ""), Code::FailedPrecondition, "ADVOCATE_NOT_ELIGIBLE"),
        (issue("nosuch", "ann", ""), Code::NotFound, "CAMPAIGN_NOT_FOUND"),
        (issue("spring", "nobody", ""), Code::NotFound, "CONTACT_NOT_FOUND"),
    ] {
        refused(acme.codes().issue_shortcode(request).await, code, reason);
    }
}

#[tokio::test]
async fn contacts_are_listed_newest_first_in_pages() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for name in ["a", "b", "c"] {
        acme.enroll(name, &[]).await;
    }
    service.of("other").enroll("d", &[]).await;
    let page = v1::ListContactsRequest { page_size: 2, ..Default::default() };
    let first = acme.contacts().list_contacts(page.clone()).await.unwrap().into_inner();
    let next = v1::ListContactsRequest { page_token: first.next_page_token, ..page };
    let second = acme.contacts().list_contacts(next.clone()).await.unwrap().into_inner();
    let emails: Vec<_> = first.contacts.into_iter().chain(second.contacts).map(|c| c.email).collect();
    assert_eq!(emails, ["c@example.com", "b@example.com", "a@example.com"]);
    let stolen = service.of("other").contacts().list_contacts(next).await;
    refused(stolen, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
}
