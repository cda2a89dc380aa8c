//! Attribution, orders and journeys in one process, on a database of the test's own.
#![expect(dead_code, reason = "every test file uses its own part of it")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod things;

use std::sync::Arc;
use std::time::Duration;

use journeys::{MIGRATIONS, SCHEMA, Upstream};
use outbox::{Follower, Subscriber};
use pg::Database;
use proto::attribution as a;
use proto::attribution::attribution_service_client::AttributionServiceClient;
use proto::attribution::campaign_service_client::CampaignServiceClient;
use proto::attribution::code_service_client::CodeServiceClient;
use proto::attribution::contact_service_client::ContactServiceClient;
use proto::attribution::segment_service_client::SegmentServiceClient;
use proto::attribution::test_clock_service_client::TestClockServiceClient;
use proto::journeys as j;
use proto::journeys::funnel_service_client::FunnelServiceClient;
use proto::journeys::journey_event::Fact;
use proto::journeys::journey_service_client::JourneyServiceClient;
use proto::journeys::run_service_client::RunServiceClient;
use proto::orders as o;
use proto::orders::order_service_client::OrderServiceClient;
use rpc::Channel;
use rpc::channel::for_tenant;
use rpc::server::ServiceRoutes;
use runtime::Lifecycle;
use testkit::Sandbox;
use tokio::sync::watch;
use tonic::Status;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use types::{Clock, ManualClock, Timestamp};

pub(crate) use things::*;

/// What the clock of all tests shows.
pub(crate) const NOW: Timestamp = time::macros::datetime!(2026-03-01 12:00 UTC);
/// The tenant of tests that need only one.
pub(crate) const TENANT: &str = "acme";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The three services.
pub(crate) struct Stack {
    pub(crate) sandbox: Sandbox,
    pub(crate) db: Database,
    pub(crate) clock: ManualClock,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) upstream: Upstream,
    attribution: ServiceRoutes,
    orders: ServiceRoutes,
    journeys: ServiceRoutes,
    /// Open for what journeys follows.
    pub(crate) attribution_gate: watch::Sender<bool>,
    pub(crate) orders_gate: watch::Sender<bool>,
}

/// A tenant whose order ids are scoped by source.
pub(crate) const SCOPED: &str = "scoped";

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::start_with(true, true).await
    }

    /// With streams to journeys held back until their gate is opened.
    pub(crate) async fn start_with(attribution_open: bool, orders_open: bool) -> Self {
        let parts = [
            (attribution::SCHEMA, attribution::MIGRATIONS),
            (orders::SCHEMA, orders::MIGRATIONS),
            (SCHEMA, MIGRATIONS),
        ];
        let sandbox = Sandbox::new(&parts).await.unwrap();
        let clock = ManualClock::at(NOW);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let lifecycle = Lifecycle::default();
        let db = sandbox.database(attribution::SCHEMA).await.unwrap();
        let attribution = attribution::start(db, Arc::clone(&shared), &lifecycle).await.unwrap();
        let db = sandbox.database(orders::SCHEMA).await.unwrap();
        let upstream = orders::Upstream { attribution: attribution.channel() };
        let settings = orders::Settings { scope_by_source: [SCOPED.parse().unwrap()].into() };
        let orders = orders::start(db, Arc::clone(&shared), &lifecycle, upstream, settings).await.unwrap();
        let db = sandbox.database(SCHEMA).await.unwrap();
        let (attribution_gate, orders_gate) =
            (watch::Sender::new(attribution_open), watch::Sender::new(orders_open));
        let held = Upstream {
            attribution: gated(attribution.channel(), &attribution_gate),
            orders: gated(orders.channel(), &orders_gate),
        };
        let journeys = journeys::start(db.clone(), shared, &lifecycle, held).await.unwrap();
        let upstream = Upstream { attribution: attribution.channel(), orders: orders.channel() };
        Self {
            sandbox,
            db,
            clock,
            lifecycle,
            upstream,
            attribution,
            orders,
            journeys,
            attribution_gate,
            orders_gate,
        }
    }

    pub(crate) fn tenant(&self, tenant: &str) -> Tenant {
        let id = tenant.parse().unwrap();
        Tenant {
            db: self.db.clone(),
            attribution: for_tenant(self.attribution.channel(), &id),
            orders: for_tenant(self.orders.channel(), &id),
            journeys: for_tenant(self.journeys.channel(), &id),
        }
    }

    /// The service once more, beside the one that runs.
    pub(crate) async fn start_journeys_again(&self) {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let started = journeys::start(self.db.clone(), clock, &self.lifecycle, self.upstream.clone()).await;
        drop(started.unwrap());
    }

    /// Another pair of followers of the same subscriptions, which does not stand by.
    pub(crate) fn follow_once_more(&self) {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let (attribution, orders) = journeys::subscribers(&self.db, &clock, self.upstream.clone());
        self.follow(attribution);
        self.follow(orders);
    }

    fn follow<S: Subscriber>(&self, subscriber: S) {
        let follower =
            Follower::new(self.db.clone(), subscriber, Arc::new(self.clock.clone())).without_stand_by();
        self.lifecycle.spawn(S::NAME, follower.run(self.lifecycle.stop()));
    }

    /// Waits until both subscriptions have read all there is.
    pub(crate) async fn caught_up(&self) {
        let mut admin = self.sandbox.admin().await.unwrap();
        let query = "SELECT coalesce((SELECT max(position) FROM attribution.events), 0)
                          = coalesce((SELECT position FROM journeys.subscriptions
                                       WHERE subscription = 'journeys.attribution'), 0)
                        AND coalesce((SELECT max(position) FROM orders.events), 0)
                          = coalesce((SELECT position FROM journeys.subscriptions
                                       WHERE subscription = 'journeys.orders'), 0)";
        let mut commits = self.db.commits();
        let wait = async {
            loop {
                let done: bool = pg::sqlx::query_scalar(query).fetch_one(&mut admin).await.unwrap();
                if done {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), commits.changed()).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the followers catch up");
    }
}

/// A channel whose calls wait until the gate is open.
fn gated(channel: Channel, gate: &watch::Sender<bool>) -> Channel {
    let gate = gate.subscribe();
    BoxCloneSyncService::new(tower::service_fn(move |request| {
        let (channel, mut gate) = (channel.clone(), gate.clone());
        async move {
            let open = gate.wait_for(|open| *open).await.map(|_| ());
            open.map_err(|_| Status::unavailable("the test is over"))?;
            channel.oneshot(request).await
        }
    }))
}

/// The services as one tenant sees them.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) db: Database,
    pub(crate) attribution: Channel,
    pub(crate) orders: Channel,
    pub(crate) journeys: Channel,
}

impl Tenant {
    pub(crate) fn journeys(&self) -> JourneyServiceClient<Channel> {
        JourneyServiceClient::new(self.journeys.clone())
    }

    pub(crate) fn runs(&self) -> RunServiceClient<Channel> {
        RunServiceClient::new(self.journeys.clone())
    }

    pub(crate) fn funnels(&self) -> FunnelServiceClient<Channel> {
        FunnelServiceClient::new(self.journeys.clone())
    }

    pub(crate) fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.orders.clone())
    }

    pub(crate) fn contacts(&self) -> ContactServiceClient<Channel> {
        ContactServiceClient::new(self.attribution.clone())
    }

    /// Campaign `c` with segment `s`, and an enrolled advocate with a shortcode; the advocate's contact id.
    pub(crate) async fn campaign(&self, shortcode: &str) -> String {
        let segment = a::CreateSegmentRequest { segment_id: "s".into(), ..Default::default() };
        SegmentServiceClient::new(self.attribution.clone()).create_segment(segment).await.unwrap();
        let campaign = a::CreateCampaignRequest {
            campaign_id: "c".into(),
            currency_code: "USD".into(),
            segment_ids: vec!["s".into()],
            starts_at: Some(at(0)),
            ..Default::default()
        };
        CampaignServiceClient::new(self.attribution.clone()).create_campaign(campaign).await.unwrap();
        self.advocate(&format!("{shortcode}@example.com"), shortcode).await
    }

    /// Another advocate of campaign `c`; the contact id.
    pub(crate) async fn advocate(&self, email: &str, shortcode: &str) -> String {
        let enroll = a::EnrollContactRequest {
            contact: Some(by_email(email)),
            segment_ids: vec!["s".into()],
            occurred_at: None,
        };
        let contact = self.contacts().enroll_contact(enroll).await.unwrap().into_inner().contact.unwrap();
        let code = a::IssueShortcodeRequest {
            campaign_id: "c".into(),
            advocate: Some(by_email(email)),
            shortcode: shortcode.into(),
        };
        CodeServiceClient::new(self.attribution.clone()).issue_shortcode(code).await.unwrap();
        contact.contact_id
    }

    /// A contact that journeys knows of; its id.
    pub(crate) async fn contact(&self, email: &str) -> String {
        let request = a::UpsertContactRequest { email: email.into(), ..Default::default() };
        let response = self.contacts().upsert_contact(request).await.unwrap().into_inner();
        let id = response.contact.unwrap().contact_id;
        let query = "SELECT EXISTS (SELECT FROM contacts WHERE contact_id::text = $1)";
        self.eventually(async || {
            let known: bool =
                pg::sqlx::query_scalar(query).bind(&id).fetch_one(self.db.read()).await.unwrap();
            known.then_some(())
        })
        .await;
        id
    }

    /// Refers a contact to the advocate of a shortcode.
    pub(crate) async fn refer(&self, email: &str, shortcode: &str) -> a::AttemptResult {
        let attempt = a::Attempt {
            contact: Some(by_email(email)),
            evidence: Some(a::Evidence { shortcode: shortcode.into(), ..Default::default() }),
            ..Default::default()
        };
        let request = a::RecordAttributionRequest { attempt: Some(attempt), request_id: String::new() };
        let mut client = AttributionServiceClient::new(self.attribution.clone());
        client.record_attribution(request).await.unwrap().into_inner().result.unwrap()
    }

    pub(crate) async fn set_clock(&self, to: prost_types::Timestamp) {
        let request = a::SetTestClockRequest { now: Some(to) };
        TestClockServiceClient::new(self.attribution.clone()).set_test_clock(request).await.unwrap();
    }

    pub(crate) async fn record(&self, order: o::NewOrder) -> o::Order {
        self.record_with(order, o::OnConflict::Refuse).await
    }

    pub(crate) async fn record_with(&self, order: o::NewOrder, on_conflict: o::OnConflict) -> o::Order {
        let request = o::RecordOrderRequest {
            order: Some(order),
            on_conflict: on_conflict.into(),
            ..Default::default()
        };
        self.orders().record_order(request).await.unwrap().into_inner().order.unwrap()
    }

    pub(crate) async fn apply(&self, definition: &str) -> j::Journey {
        self.try_apply(definition, 0).await.unwrap().journey.unwrap()
    }

    pub(crate) async fn try_apply(
        &self,
        definition: &str,
        base: i32,
    ) -> Result<j::ApplyJourneyResponse, Status> {
        let request = j::ApplyJourneyRequest { definition: definition.into(), base_version: base };
        Ok(self.journeys().apply_journey(request).await?.into_inner())
    }

    pub(crate) async fn enter(
        &self,
        contact: &str,
        stage: &str,
        key: &str,
    ) -> Result<j::EnterStageResponse, Status> {
        let request = j::EnterStageRequest {
            journey: "j".into(),
            campaign_id: "c".into(),
            contact_id: contact.into(),
            stage: stage.into(),
            occurrence_key: key.into(),
            occurred_at: None,
        };
        Ok(self.runs().enter_stage(request).await?.into_inner())
    }

    /// The run of a contact through journey `j` in campaign `c`.
    pub(crate) async fn run(&self, contact: &str) -> Result<j::GetRunResponse, Status> {
        let request = j::GetRunRequest {
            run_id: String::new(),
            journey: "j".into(),
            campaign_id: "c".into(),
            contact_id: contact.into(),
        };
        Ok(self.runs().get_run(request).await?.into_inner())
    }

    /// Waits until the contact's run has `count` transitions.
    pub(crate) async fn run_of(&self, contact: &str, count: usize) -> j::GetRunResponse {
        self.eventually(async || self.run(contact).await.ok().filter(|run| run.transitions.len() >= count))
            .await
    }

    pub(crate) async fn funnel(&self) -> j::GetFunnelResponse {
        self.funnel_of("").await
    }

    pub(crate) async fn funnel_of(&self, campaign: &str) -> j::GetFunnelResponse {
        let request = j::GetFunnelRequest { campaign_id: campaign.into(), ..Default::default() };
        self.ask_funnel(request).await.unwrap()
    }

    /// The funnel of journey `j`.
    pub(crate) async fn ask_funnel(
        &self,
        request: j::GetFunnelRequest,
    ) -> Result<j::GetFunnelResponse, Status> {
        let request = j::GetFunnelRequest { journey: "j".into(), ..request };
        Ok(self.funnels().get_funnel(request).await?.into_inner())
    }

    /// Facts of the stream from the beginning, until one fits.
    pub(crate) async fn facts_until(&self, last: impl Fn(&Fact) -> bool) -> Vec<j::JourneyEvent> {
        let request = j::WatchStageTransitionsRequest::default();
        let mut stream = self.runs().watch_stage_transitions(request).await.unwrap().into_inner();
        let collect = async {
            let mut events = Vec::new();
            loop {
                for event in stream.message().await.unwrap().unwrap().events {
                    let done = event.fact.as_ref().is_some_and(&last);
                    events.push(event);
                    if done {
                        return events;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, collect).await.expect("the fact comes")
    }

    /// Asks until there is an answer.
    pub(crate) async fn eventually<T>(&self, ask: impl AsyncFn() -> Option<T>) -> T {
        let mut commits = self.db.commits();
        let wait = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), commits.changed()).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it comes about")
    }
}
