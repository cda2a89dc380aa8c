//! Who did what: every call that changes something leaves a row that names its principal and what it changed.

mod common;

use common::*;
use proto::attribution as v1;
use proto::attribution::audit_service_client::AuditServiceClient;
use proto::common::AuditEntry;
use tonic::Status;

/// Entries of a caller's tenant, newest first.
async fn list(
    tenant: &Tenant,
    request: v1::ListAuditEntriesRequest,
) -> Result<(Vec<AuditEntry>, String), Status> {
    let mut client = AuditServiceClient::new(tenant.0.clone());
    let response = client.list_audit_entries(request).await?.into_inner();
    Ok((response.entries, response.next_page_token))
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn entries(tenant: &Tenant) -> Vec<AuditEntry> {
    list(tenant, v1::ListAuditEntriesRequest::default()).await.unwrap().0
}

/// Methods and resources of a caller's tenant, oldest first; all must be of `principal`.
async fn told(tenant: &Tenant, principal: &str) -> Vec<(String, Vec<String>)> {
    let mut entries = entries(tenant).await;
    entries.reverse();
    assert!(entries.iter().all(|entry| entry.principal == principal), "{entries:?}");
    let name = |entry: &AuditEntry| entry.method.rsplit('/').next().unwrap_or_default().to_owned();
    entries.into_iter().map(|entry| (name(&entry), entry.resources)).collect()
}

fn call(method: &str, resources: &[&str]) -> (String, Vec<String>) {
    (method.to_owned(), resources.iter().map(|id| (*id).to_owned()).collect())
}

impl Service {
    /// `tenant`, called by one of our services.
    fn by_service(&self, name: &'static str, tenant: &str) -> Tenant {
        Tenant(rpc::channel::for_service(self.of(tenant).0, name))
    }
}

/// Changes of every kind, each made twice: the second time there is nothing to change.
#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn change_everything(acme: &Tenant) -> (String, String) {
    acme.segment("vips").await;
    acme.segment("vips").await;
    acme.campaign("spring").await;
    acme.campaign("spring").await;
    let ann = acme.enroll("ann", &["vips"]).await;
    acme.enroll("ann", &["vips"]).await;
    acme.code("spring", "ann", "ANN10").await;
    acme.code("spring", "ann", "ANN10").await;
    let attempt =
        v1::RecordAttributionRequest { attempt: Some(by_code("eve", "ANN10")), request_id: "r-1".into() };
    for _ in 0..2 {
        acme.attributions().record_attribution(attempt.clone()).await.unwrap();
    }
    let update = v1::UpdateCampaignRequest {
        campaign_id: "spring".into(),
        name: "Spring!".into(),
        ..Default::default()
    };
    let upsert = v1::UpsertContactRequest {
        email: "ann@example.com".into(),
        first_name: "Ann".into(),
        ..Default::default()
    };
    let tag =
        v1::TagContactRequest { contact: Some(email("ann")), add: vec!["vip".into()], ..Default::default() };
    let members = v1::UpdateSegmentMembersRequest {
        segment_id: "vips".into(),
        remove: vec![email("ann")],
        ..Default::default()
    };
    for _ in 0..2 {
        acme.campaigns().update_campaign(update.clone()).await.unwrap();
        acme.contacts().upsert_contact(upsert.clone()).await.unwrap();
        acme.contacts().tag_contact(tag.clone()).await.unwrap();
        acme.segments().update_segment_members(members.clone()).await.unwrap();
        acme.set_status("ann", v1::ContactStatus::Banned).await.unwrap();
    }
    let eve = acme.get(email("eve")).await.unwrap().contact_id;
    (ann, eve)
}

#[tokio::test]
async fn every_change_leaves_one_row_with_principal_and_resource_and_a_replay_leaves_none() {
    let service = Service::start().await;
    let acme = service.by_service("crm", "acme");
    let (ann, eve) = change_everything(&acme).await;
    let attribution = acme.all_attributions().await.remove(0).attribution_id;
    let wanted = [
        call("CreateSegment", &["vips"]),
        call("CreateCampaign", &["spring"]),
        call("EnrollContact", &[&ann, "vips"]),
        call("IssueShortcode", &["ANN10"]),
        call("RecordAttribution", &[&eve, &attribution]),
        call("UpdateCampaign", &["spring"]),
        call("UpsertContact", &[&ann]),
        call("TagContact", &[&ann]),
        call("UpdateSegmentMembers", &[&ann, "vips"]),
        call("UpdateContactStatus", &[&ann]),
    ];
    assert_eq!(told(&acme, "service:crm").await, wanted);
    let newest = entries(&acme).await.remove(0);
    assert_eq!(newest.method, "laurel.attribution.v1.ContactService/UpdateContactStatus");
    assert_eq!(newest.recorded_at, Some(wire_time(NOW)));
}

#[tokio::test]
async fn a_test_clock_that_moves_leaves_a_row_and_one_that_is_told_again_none() {
    let service = Service::start().await;
    let sandbox = service.of("test-acme");
    let set = v1::SetTestClockRequest { now: Some(wire_time(NOW)) };
    let advance = v1::AdvanceTestClockRequest { seconds: 60, request_id: "r-1".into() };
    for _ in 0..2 {
        sandbox.clock().set_test_clock(set).await.unwrap();
    }
    for _ in 0..2 {
        sandbox.clock().advance_test_clock(advance.clone()).await.unwrap();
    }
    let wanted = [call("SetTestClock", &["test-acme"]), call("AdvanceTestClock", &["test-acme"])];
    assert_eq!(told(&sandbox, "anonymous").await, wanted);
}

#[tokio::test]
async fn what_is_refused_or_only_looked_up_leaves_no_row() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.record(by_code("eve", "ANN10")).await;
    let before = entries(&acme).await;
    assert!(acme.set_status("nobody", v1::ContactStatus::Banned).await.is_err());
    let nowhere = v1::Attempt { campaign_id: "nowhere".into(), ..by_code("eve", "ANN10") };
    assert!(acme.try_record(nowhere).await.is_err());
    let taken =
        v1::CreateSegmentRequest { segment_id: "vips".into(), name: "Other".into(), ..Default::default() };
    assert!(acme.segments().create_segment(taken).await.is_err());
    acme.batch(vec![look_up("eve")]).await;
    assert_eq!(entries(&acme).await, before);
}

#[tokio::test]
async fn a_slice_of_two_principals_leaves_two_rows() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let calls = (0..64).map(async |n| {
        let principal = ["crm", "shop"][n % 2];
        service.by_service(principal, "acme").enroll(&format!("c{n}"), &[]).await
    });
    let enrolled = futures::future::join_all(calls).await;
    let mut named: Vec<String> = entries(&acme).await.into_iter().flat_map(|entry| entry.resources).collect();
    named.sort_unstable();
    let mut all = enrolled;
    all.sort_unstable();
    assert_eq!(named, all, "each is named once");
    let repeated = "SELECT count(*) - count(DISTINCT (xmin::text, principal)) FROM audit";
    assert_eq!(service.count(repeated).await, 0);
    let shared = "SELECT count(*) FROM (SELECT FROM audit GROUP BY xmin::text HAVING count(*) = 2) AS s";
    assert!(service.count(shared).await > 0);
}

#[tokio::test]
async fn rows_of_one_tenant_are_not_seen_by_another() {
    let service = Service::start().await;
    let (acme, other) = (service.of("acme"), service.of("other"));
    acme.segment("theirs").await;
    other.segment("ours").await;
    let attempts = ["acme", "other"].map(|tenant| {
        let ann = uid(&format!("{tenant}-ann"));
        v1::Attempt { tenant_id: tenant.into(), contact: Some(ann), ..Default::default() }
    });
    service.for_service().batch(attempts.into()).await;
    for (tenant, segment) in [(&acme, "theirs"), (&other, "ours")] {
        let entries = entries(tenant).await;
        let principals: Vec<_> = entries.iter().map(|entry| entry.principal.as_str()).collect();
        assert_eq!(principals, ["service:tests", "anonymous"]);
        assert_eq!(
            (entries[0].resources.len(), entries[1].resources.as_slice()),
            (1, &[segment.to_owned()][..])
        );
    }
}

#[tokio::test]
async fn entries_come_in_pages_newest_first() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for n in 0..5 {
        acme.segment(&format!("s{n}")).await;
    }
    let mut request =
        v1::ListAuditEntriesRequest { page_size: 2, method: "CreateSegment".into(), ..Default::default() };
    let mut seen = Vec::new();
    loop {
        let (page, next) = list(&acme, request.clone()).await.unwrap();
        assert!(page.len() <= 2);
        seen.extend(page.into_iter().flat_map(|entry| entry.resources));
        if next.is_empty() {
            break;
        }
        request.page_token = next;
    }
    assert_eq!(seen, ["s4", "s3", "s2", "s1", "s0"]);
    // a token is of its query and tenant
    request.page_token.clear();
    request.page_token = list(&acme, request.clone()).await.unwrap().1;
    let reason = |status: Status| common::told(&status).1;
    assert_eq!(
        list(&service.of("other"), request.clone()).await.map_err(reason),
        Err("INVALID_PAGE_TOKEN".into())
    );
    request.principal = "else".into();
    assert_eq!(list(&acme, request).await.map_err(reason), Err("INVALID_PAGE_TOKEN".into()));
}

#[tokio::test]
async fn bad_queries_are_refused_by_field() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let default = v1::ListAuditEntriesRequest::default;
    let odd = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    bad_field(list(&acme, v1::ListAuditEntriesRequest { page_size: 1001, ..default() }).await, "page_size");
    bad_field(list(&acme, v1::ListAuditEntriesRequest { since: odd, ..default() }).await, "since");
    bad_field(list(&acme, v1::ListAuditEntriesRequest { until: odd, ..default() }).await, "until");
    let long = "m".repeat(513);
    bad_field(list(&acme, v1::ListAuditEntriesRequest { method: long.clone(), ..default() }).await, "method");
    bad_field(list(&acme, v1::ListAuditEntriesRequest { principal: long, ..default() }).await, "principal");
    let same = Some(wire_time(NOW));
    bad_field(
        list(&acme, v1::ListAuditEntriesRequest { since: same, until: same, ..default() }).await,
        "until",
    );
}

#[tokio::test]
async fn events_carry_the_trace_of_the_call_that_caused_them() {
    let service = Service::start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let traced = rpc::channel::with_metadata(
        service.of("acme").0,
        "traceparent",
        &http::HeaderValue::from_static(trace),
    );
    let (traced, plain) = (Tenant(traced), service.of("acme"));
    plain.segment("vips").await;
    traced.enroll("ann", &["vips"]).await;
    plain.enroll("bob", &["vips"]).await;
    let events = plain.events().await;
    let traces: Vec<_> = events.iter().map(|event| event.traceparent.as_str()).collect();
    // created, enrolled and in the segment, both
    assert_eq!(traces, [trace, trace, trace, "", "", ""]);
    assert_eq!(entries(&plain).await[1].traceparent, trace);
}
