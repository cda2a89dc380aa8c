//! Wrong input is refused with the path of the field.

mod common;

use common::*;
use proto::attribution as v1;
use proto::common::ContactRef;
use tonic::Code;

fn bad_refs() -> Vec<(Option<ContactRef>, &'static str)> {
    vec![
        (None, ""),
        (Some(ContactRef::default()), ""),
        (Some(ContactRef { email: "nonsense".into(), ..Default::default() }), ".email"),
        (Some(ContactRef { contact_id: "nonsense".into(), ..Default::default() }), ".contact_id"),
        (Some(ContactRef { uid: "u".repeat(129), ..Default::default() }), ".uid"),
        (Some(ContactRef { uid: "a\0b".into(), ..Default::default() }), ".uid"),
    ]
}

const BAD_TIME: Option<prost_types::Timestamp> = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });

#[tokio::test]
async fn references_to_contacts() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for (who, path) in bad_refs() {
        let contact = format!("contact{path}");
        let get = v1::GetContactRequest { contact: who.clone() };
        bad_field(acme.contacts().get_contact(get).await, &contact);
        let enroll = v1::EnrollContactRequest { contact: who.clone(), ..Default::default() };
        bad_field(acme.contacts().enroll_contact(enroll).await, &contact);
        let update = v1::UpdateContactStatusRequest { contact: who.clone(), status: 1, ..Default::default() };
        bad_field(acme.contacts().update_contact_status(update).await, &contact);
        let tag = v1::TagContactRequest { contact: who.clone(), ..Default::default() };
        bad_field(acme.contacts().tag_contact(tag).await, &contact);
        let lookup =
            v1::LookupAttributionRequest { campaign_id: "spring".into(), contact: who.clone(), at: None };
        bad_field(acme.attributions().lookup_attribution(lookup).await, &contact);
        let issue = v1::IssueShortcodeRequest {
            campaign_id: "spring".into(),
            advocate: who.clone(),
            shortcode: String::new(),
        };
        bad_field(acme.codes().issue_shortcode(issue).await, &format!("advocate{path}"));
        let mut attempt = by_code("joe", "ANN10");
        attempt.contact = who.clone();
        bad_field(acme.try_record(attempt).await, &format!("attempt.contact{path}"));
        if let Some(who) = who {
            let add = v1::UpdateSegmentMembersRequest {
                segment_id: "vips".into(),
                add: vec![email("ann"), who],
                ..Default::default()
            };
            bad_field(acme.segments().update_segment_members(add).await, &format!("add[1]{path}"));
        }
    }
}

#[tokio::test]
async fn upsert_contact() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let good = v1::UpsertContactRequest { email: "a@example.com".into(), ..Default::default() };
    let long = "x".repeat(201);
    for (request, path) in [
        (v1::UpsertContactRequest::default(), "email"),
        (v1::UpsertContactRequest { email: "a@".into(), ..good.clone() }, "email"),
        (v1::UpsertContactRequest { uid: " u".into(), ..good.clone() }, "uid"),
        (v1::UpsertContactRequest { first_name: long.clone(), ..good.clone() }, "first_name"),
        (v1::UpsertContactRequest { last_name: "a\nb".into(), ..good.clone() }, "last_name"),
        (v1::UpsertContactRequest { company: long, ..good.clone() }, "company"),
        (v1::UpsertContactRequest { locale: "de_AT".into(), ..good.clone() }, "locale"),
        (v1::UpsertContactRequest { locale: "a-".repeat(18), ..good }, "locale"),
    ] {
        bad_field(acme.contacts().upsert_contact(request).await, path);
    }
}

#[tokio::test]
async fn changes_of_contacts() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let enroll = v1::EnrollContactRequest { contact: Some(email("ann")), ..Default::default() };
    for (request, path) in [
        (
            v1::EnrollContactRequest { segment_ids: vec!["ok".into(), "No".into()], ..enroll.clone() },
            "segment_ids[1]",
        ),
        (v1::EnrollContactRequest { segment_ids: vec!["a".into(); 21], ..enroll.clone() }, "segment_ids"),
        (v1::EnrollContactRequest { occurred_at: BAD_TIME, ..enroll }, "occurred_at"),
    ] {
        bad_field(acme.contacts().enroll_contact(request).await, path);
    }
    for status in [0, 5, -1, 70_000] {
        let request =
            v1::UpdateContactStatusRequest { contact: Some(email("a")), status, ..Default::default() };
        bad_field(acme.contacts().update_contact_status(request).await, "status");
    }
    let tag = v1::TagContactRequest { contact: Some(email("ann")), ..Default::default() };
    for (request, path) in [
        (v1::TagContactRequest { add: vec!["ok".into(), " ".into()], ..tag.clone() }, "add[1]"),
        (v1::TagContactRequest { add: vec!["x".repeat(65)], ..tag.clone() }, "add[0]"),
        (v1::TagContactRequest { add: vec!["a\u{1f}b".into()], ..tag.clone() }, "add[0]"),
        (v1::TagContactRequest { add: vec!["a".into(); 21], ..tag.clone() }, "add"),
        (v1::TagContactRequest { remove: vec!["a".into(); 21], ..tag }, "remove"),
    ] {
        bad_field(acme.contacts().tag_contact(request).await, path);
    }
}

#[tokio::test]
async fn segments_and_campaigns() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for (segment_id, name, path) in [
        ("", "", "segment_id"),
        ("-a", "", "segment_id"),
        ("a", "\u{7}", "name"),
        ("a", &*"x".repeat(201), "name"),
    ] {
        let request = v1::CreateSegmentRequest {
            segment_id: segment_id.into(),
            name: name.into(),
            ..Default::default()
        };
        bad_field(acme.segments().create_segment(request).await, path);
    }
    let get = v1::GetSegmentRequest { segment_id: "A".into() };
    bad_field(acme.segments().get_segment(get).await, "segment_id");
    let many = v1::UpdateSegmentMembersRequest {
        segment_id: "vips".into(),
        add: vec![email("a"); 1001],
        ..Default::default()
    };
    bad_field(acme.segments().update_segment_members(many).await, "add");

    acme.segment("vips").await;
    let good = new_campaign("spring");
    for (request, path) in [
        (v1::CreateCampaignRequest { campaign_id: String::new(), ..good.clone() }, "campaign_id"),
        (v1::CreateCampaignRequest { currency_code: "usd".into(), ..good.clone() }, "currency_code"),
        (v1::CreateCampaignRequest { segment_ids: vec![], ..good.clone() }, "segment_ids"),
        (v1::CreateCampaignRequest { segment_ids: vec!["!".into()], ..good.clone() }, "segment_ids[0]"),
        (v1::CreateCampaignRequest { starts_at: BAD_TIME, ..good.clone() }, "starts_at"),
        (v1::CreateCampaignRequest { ends_at: good.starts_at, ..good.clone() }, "ends_at"),
    ] {
        bad_field(acme.campaigns().create_campaign(request).await, path);
    }
    let update = v1::UpdateCampaignRequest { campaign_id: "UP".into(), ..Default::default() };
    bad_field(acme.campaigns().update_campaign(update).await, "campaign_id");
    bad_field(acme.campaigns().get_campaign(v1::GetCampaignRequest::default()).await, "campaign_id");
}

#[tokio::test]
async fn codes_and_clocks() {
    let service = Service::start().await;
    let acme = service.of("test-acme");
    for shortcode in ["ab", "ann-10", &"A".repeat(33)] {
        let request = v1::IssueShortcodeRequest {
            campaign_id: "spring".into(),
            advocate: Some(email("ann")),
            shortcode: shortcode.into(),
        };
        bad_field(acme.codes().issue_shortcode(request).await, "shortcode");
    }
    bad_field(acme.codes().resolve_code(v1::ResolveCodeRequest::default()).await, "code");
    bad_field(acme.clock().set_test_clock(v1::SetTestClockRequest::default()).await, "now");
    bad_field(acme.clock().set_test_clock(v1::SetTestClockRequest { now: BAD_TIME }).await, "now");
    for (seconds, id, path) in [
        (0, "r", "seconds"),
        (-1, "r", "seconds"),
        (i64::MAX, "r", "seconds"),
        (1, "", "request_id"),
        (1, &*"r".repeat(65), "request_id"),
    ] {
        let request = v1::AdvanceTestClockRequest { seconds, request_id: id.into() };
        bad_field(acme.clock().advance_test_clock(request).await, path);
    }
    let end = time::macros::datetime!(9999-12-31 23:00 UTC);
    acme.clock().set_test_clock(v1::SetTestClockRequest { now: Some(wire_time(end)) }).await.unwrap();
    let over = v1::AdvanceTestClockRequest { seconds: 7200, request_id: "r".into() };
    bad_field(acme.clock().advance_test_clock(over).await, "seconds");
}

#[tokio::test]
async fn attempts() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let good = by_code("joe", "ANN10");
    let with = |evidence: v1::Evidence| v1::Attempt { evidence: Some(evidence), ..by_code("joe", "ANN10") };
    for (attempt, path) in [
        (v1::Attempt { evidence: None, ..good.clone() }, "evidence"),
        (with(v1::Evidence::default()), "evidence"),
        (with(v1::Evidence { shortcode: "a".repeat(65), ..Default::default() }), "evidence.shortcode"),
        (
            with(v1::Evidence { advocate: Some(ContactRef::default()), ..Default::default() }),
            "evidence.advocate",
        ),
        (v1::Attempt { campaign_id: "No".into(), ..good.clone() }, "campaign_id"),
        (v1::Attempt { source: "s".repeat(65), ..good.clone() }, "source"),
        (v1::Attempt { known_contact_only: true, ..good.clone() }, "known_contact_only"),
        (v1::Attempt { occurred_at: BAD_TIME, ..good.clone() }, "occurred_at"),
        (v1::Attempt { tenant_id: "other".into(), ..good.clone() }, "tenant_id"),
    ] {
        bad_field(acme.try_record(attempt).await, &format!("attempt.{path}"));
    }
    let none = v1::RecordAttributionRequest::default();
    bad_field(acme.attributions().record_attribution(none).await, "attempt");
    let long = v1::RecordAttributionRequest { attempt: Some(good.clone()), request_id: "r".repeat(65) };
    bad_field(acme.attributions().record_attribution(long).await, "request_id");
    for count in [0, 1001] {
        let request = v1::BatchRecordAttributionsRequest { attempts: vec![good.clone(); count] };
        bad_field(acme.attributions().batch_record_attributions(request).await, "attempts");
    }
}

#[tokio::test]
async fn a_bad_item_fails_alone() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let unknown_id =
        v1::Attempt { contact: Some(id("0193e0a0-0000-7000-8000-000000000000")), ..look_up("x") };
    let items = vec![
        by_code("joe", "ANN10"),
        v1::Attempt { contact: None, ..look_up("x") },
        unknown_id,
        v1::Attempt { campaign_id: "nosuch".into(), ..look_up("jim") },
        look_up("joe"),
    ];
    let results = acme.batch(items).await.results;
    let error = |n: usize| {
        let error = results[n].error.clone().unwrap();
        (Code::from_i32(error.code), error.field)
    };
    assert_eq!(error(1), (Code::InvalidArgument, "contact".to_owned()));
    assert_eq!(error(2), (Code::NotFound, String::new()));
    assert_eq!(error(3), (Code::NotFound, String::new()));
    assert_eq!(results[4].result.clone().unwrap().outcome(), v1::Outcome::AlreadyAttributed);
}

#[tokio::test]
async fn lists() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for page_size in [-1, 1001] {
        let request = v1::ListContactsRequest { page_size, ..Default::default() };
        bad_field(acme.contacts().list_contacts(request).await, "page_size");
    }
    let token = "nonsense".to_owned();
    let request = v1::ListSegmentsRequest { page_token: token.clone(), ..Default::default() };
    refused(acme.segments().list_segments(request).await, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    let request = v1::ListCampaignsRequest { page_token: token, ..Default::default() };
    refused(acme.campaigns().list_campaigns(request).await, Code::InvalidArgument, "INVALID_PAGE_TOKEN");
    let request = v1::ListAttributionsRequest { state: 9, ..Default::default() };
    bad_field(acme.attributions().list_attributions(request).await, "state");
    let request = v1::ListAttributionsRequest { campaign_id: "A B".into(), ..Default::default() };
    bad_field(acme.attributions().list_attributions(request).await, "campaign_id");
    let any = v1::ListAttemptsRequest::default;
    for (request, path) in [
        (v1::ListAttemptsRequest { outcome: 9, ..any() }, "outcome"),
        (v1::ListAttemptsRequest { inactive_reason: 9, ..any() }, "inactive_reason"),
        (v1::ListAttemptsRequest { unresolved_reason: -1, ..any() }, "unresolved_reason"),
        (v1::ListAttemptsRequest { shortcode: "x".repeat(65), ..any() }, "shortcode"),
        (v1::ListAttemptsRequest { source: "x".repeat(65), ..any() }, "source"),
    ] {
        bad_field(acme.attributions().list_attempts(request).await, path);
    }
    let request = v1::GetAttributionRequest { attribution_id: "x".into() };
    bad_field(acme.attributions().get_attribution(request).await, "attribution_id");
    let request = v1::LookupAttributionRequest {
        campaign_id: "spring".into(),
        contact: Some(email("a")),
        at: BAD_TIME,
    };
    bad_field(acme.attributions().lookup_attribution(request).await, "at");
    let request = v1::WatchAttributionEventsRequest { cursor: "nonsense".into(), ..Default::default() };
    let refusal = acme.attributions().watch_attribution_events(request).await.map(|_| ());
    refused(refusal, Code::InvalidArgument, "INVALID_CURSOR");
}
