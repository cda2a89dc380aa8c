//! The service in this process, on a database of the test's own.
#![expect(dead_code, reason = "each test file uses its part")]
#![expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]

pub(crate) mod files;
pub(crate) mod moves;

use std::sync::Arc;
use std::time::Duration;

use proto::attribution as v1;
use proto::attribution::attribution_service_client::AttributionServiceClient;
use proto::attribution::campaign_service_client::CampaignServiceClient;
use proto::attribution::code_service_client::CodeServiceClient;
use proto::attribution::contact_service_client::ContactServiceClient;
use proto::attribution::segment_service_client::SegmentServiceClient;
use proto::attribution::test_clock_service_client::TestClockServiceClient;
use proto::common::ContactRef;
use rpc::Channel;
use rpc::server::ServiceRoutes;
use runtime::Lifecycle;
use testkit::Sandbox;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use types::{ManualClock, Timestamp};

pub(crate) use v1::attribution_event::Fact;

/// What the clock shows when a test begins.
pub(crate) const NOW: Timestamp = time::macros::datetime!(2025-06-01 12:00 UTC);

/// A running service.
pub(crate) struct Service {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: ManualClock,
    pub(crate) lifecycle: Lifecycle,
    routes: ServiceRoutes,
}

impl Service {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        let sandbox = Sandbox::new(&[(attribution::SCHEMA, attribution::MIGRATIONS)]).await.unwrap();
        let clock = ManualClock::at(NOW);
        let lifecycle = Lifecycle::default();
        let db = sandbox.database(attribution::SCHEMA).await.unwrap();
        let routes = attribution::start(db, Arc::new(clock.clone()), &lifecycle).await.unwrap();
        Self { sandbox, clock, lifecycle, routes }
    }

    /// The service as a tenant sees it.
    pub(crate) fn of(&self, tenant: &str) -> Tenant {
        Tenant(rpc::channel::for_tenant(self.routes.channel(), &tenant.parse().unwrap()))
    }

    /// The service as another of our services sees it.
    pub(crate) fn for_service(&self) -> Tenant {
        Tenant(rpc::channel::for_service(self.routes.channel(), "tests"))
    }

    /// A number out of the database.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        let db = self.sandbox.database(attribution::SCHEMA).await.unwrap();
        sqlx::query_scalar(query).fetch_one(db.read()).await.unwrap()
    }
}

/// Clients of one caller.
#[derive(Clone)]
pub(crate) struct Tenant(pub(crate) Channel);

impl Tenant {
    pub(crate) fn contacts(&self) -> ContactServiceClient<Channel> {
        ContactServiceClient::new(self.0.clone())
    }

    pub(crate) fn segments(&self) -> SegmentServiceClient<Channel> {
        SegmentServiceClient::new(self.0.clone())
    }

    pub(crate) fn campaigns(&self) -> CampaignServiceClient<Channel> {
        CampaignServiceClient::new(self.0.clone())
    }

    pub(crate) fn codes(&self) -> CodeServiceClient<Channel> {
        CodeServiceClient::new(self.0.clone())
    }

    pub(crate) fn attributions(&self) -> AttributionServiceClient<Channel> {
        AttributionServiceClient::new(self.0.clone())
    }

    pub(crate) fn clock(&self) -> TestClockServiceClient<Channel> {
        TestClockServiceClient::new(self.0.clone())
    }

    /// Segment `vips`, campaign `spring` since 2025-01-01, and advocates ann (ANN10) and bob (BOB10): their ids.
    pub(crate) async fn program(&self) -> (String, String) {
        self.segment("vips").await;
        self.campaign("spring").await;
        (self.advocate("ann", "ANN10").await, self.advocate("bob", "BOB10").await)
    }

    pub(crate) async fn segment(&self, id: &str) {
        let request = v1::CreateSegmentRequest { segment_id: id.into(), ..Default::default() };
        self.segments().create_segment(request).await.unwrap();
    }

    pub(crate) async fn campaign(&self, id: &str) {
        self.campaigns().create_campaign(new_campaign(id)).await.unwrap();
    }

    /// Enrols `name` in `vips`, with a code in `spring`: the contact's id.
    pub(crate) async fn advocate(&self, name: &str, code: &str) -> String {
        let id = self.enroll(name, &["vips"]).await;
        self.code("spring", name, code).await;
        id
    }

    pub(crate) async fn code(&self, campaign: &str, name: &str, code: &str) {
        let request = v1::IssueShortcodeRequest {
            campaign_id: campaign.into(),
            advocate: Some(email(name)),
            shortcode: code.into(),
        };
        self.codes().issue_shortcode(request).await.unwrap();
    }

    pub(crate) async fn enroll(&self, name: &str, segments: &[&str]) -> String {
        let request = v1::EnrollContactRequest {
            contact: Some(email(name)),
            segment_ids: segments.iter().map(|s| (*s).to_owned()).collect(),
            occurred_at: None,
        };
        self.contacts().enroll_contact(request).await.unwrap().into_inner().contact.unwrap().contact_id
    }

    pub(crate) async fn set_status(
        &self,
        name: &str,
        status: v1::ContactStatus,
    ) -> Result<v1::Contact, Status> {
        let request = v1::UpdateContactStatusRequest {
            contact: Some(email(name)),
            status: status.into(),
            ..Default::default()
        };
        let response = self.contacts().update_contact_status(request).await?;
        Ok(response.into_inner().contact.unwrap())
    }

    pub(crate) async fn get(&self, who: ContactRef) -> Result<v1::Contact, Status> {
        let response = self.contacts().get_contact(v1::GetContactRequest { contact: Some(who) }).await?;
        Ok(response.into_inner().contact.unwrap())
    }

    pub(crate) async fn try_record(&self, attempt: v1::Attempt) -> Result<v1::AttemptResult, Status> {
        let request = v1::RecordAttributionRequest { attempt: Some(attempt), request_id: String::new() };
        let response = self.attributions().record_attribution(request).await?;
        Ok(response.into_inner().result.unwrap())
    }

    pub(crate) async fn record(&self, attempt: v1::Attempt) -> v1::AttemptResult {
        self.try_record(attempt).await.unwrap()
    }

    pub(crate) async fn batch(&self, attempts: Vec<v1::Attempt>) -> v1::BatchRecordAttributionsResponse {
        let request = v1::BatchRecordAttributionsRequest { attempts };
        self.attributions().batch_record_attributions(request).await.unwrap().into_inner()
    }

    pub(crate) async fn lookup(
        &self,
        campaign: &str,
        name: &str,
        at: Option<Timestamp>,
    ) -> Result<v1::Attribution, Status> {
        let request = v1::LookupAttributionRequest {
            campaign_id: campaign.into(),
            contact: Some(email(name)),
            at: at.map(wire_time),
        };
        let response = self.attributions().lookup_attribution(request).await?;
        Ok(response.into_inner().attribution.unwrap())
    }

    pub(crate) async fn attempts(&self) -> Vec<v1::LoggedAttempt> {
        self.attempts_by(v1::ListAttemptsRequest::default()).await
    }

    pub(crate) async fn attempts_by(&self, request: v1::ListAttemptsRequest) -> Vec<v1::LoggedAttempt> {
        self.attributions().list_attempts(request).await.unwrap().into_inner().attempts
    }

    pub(crate) async fn all_attributions(&self) -> Vec<v1::Attribution> {
        let request = v1::ListAttributionsRequest::default();
        self.attributions().list_attributions(request).await.unwrap().into_inner().attributions
    }

    /// Every event so far, in order.
    pub(crate) async fn events(&self) -> Vec<v1::AttributionEvent> {
        let request = v1::WatchAttributionEventsRequest::default();
        let mut watch = self.attributions().watch_attribution_events(request).await.unwrap().into_inner();
        let read = async {
            let mut events = Vec::new();
            loop {
                let message = watch.message().await.unwrap().unwrap();
                events.extend(message.events);
                if message.checkpoint.unwrap().lag == 0 {
                    return events;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.unwrap()
    }

    /// What happened so far, in order.
    pub(crate) async fn facts(&self) -> Vec<Fact> {
        self.events().await.into_iter().filter_map(|event| event.fact).collect()
    }
}

pub(crate) fn new_campaign(id: &str) -> v1::CreateCampaignRequest {
    v1::CreateCampaignRequest {
        campaign_id: id.into(),
        currency_code: "USD".into(),
        segment_ids: vec!["vips".into()],
        starts_at: Some(wire_time(time::macros::datetime!(2025-01-01 00:00 UTC))),
        ..Default::default()
    }
}

/// A contact by the address of `name`.
pub(crate) fn email(name: &str) -> ContactRef {
    ContactRef { email: format!("{name}@example.com"), ..Default::default() }
}

pub(crate) fn uid(uid: &str) -> ContactRef {
    ContactRef { uid: uid.into(), ..Default::default() }
}

pub(crate) fn id(id: &str) -> ContactRef {
    ContactRef { contact_id: id.into(), ..Default::default() }
}

/// `name` comes with a shortcode.
pub(crate) fn by_code(name: &str, code: &str) -> v1::Attempt {
    let evidence = v1::Evidence { shortcode: code.into(), ..Default::default() };
    v1::Attempt { contact: Some(email(name)), evidence: Some(evidence), ..Default::default() }
}

/// `name` comes to `spring` naming an advocate.
pub(crate) fn by_name(name: &str, advocate: &str) -> v1::Attempt {
    let evidence = v1::Evidence { advocate: Some(email(advocate)), ..Default::default() };
    v1::Attempt {
        contact: Some(email(name)),
        campaign_id: "spring".into(),
        evidence: Some(evidence),
        ..Default::default()
    }
}

/// Who referred `name` in `spring`.
pub(crate) fn look_up(name: &str) -> v1::Attempt {
    v1::Attempt { contact: Some(email(name)), campaign_id: "spring".into(), ..Default::default() }
}

pub(crate) fn at(attempt: v1::Attempt, at: Timestamp) -> v1::Attempt {
    v1::Attempt { occurred_at: Some(wire_time(at)), ..attempt }
}

pub(crate) fn wire_time(at: Timestamp) -> prost_types::Timestamp {
    rpc::fields::wire_time(at)
}

/// Code, reason and first field at fault of an error.
pub(crate) fn told(status: &Status) -> (Code, String, String) {
    let details = status.get_error_details();
    let reason = details.error_info().map_or_else(String::new, |info| info.reason.clone());
    let field = details.bad_request().and_then(|bad| bad.field_violations.first().cloned());
    (status.code(), reason, field.map_or_else(String::new, |violation| violation.field))
}

/// Asserts code and reason of an error.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) {
    let (got, why, _) = told(&answer.unwrap_err());
    assert_eq!((got, why.as_str()), (code, reason));
}

/// Asserts that a field is at fault.
#[track_caller]
pub(crate) fn bad_field<T: std::fmt::Debug>(answer: Result<T, Status>, path: &str) {
    let (code, reason, field) = told(&answer.unwrap_err());
    assert_eq!((code, reason.as_str(), field.as_str()), (Code::InvalidArgument, "INVALID_FIELD", path));
}
