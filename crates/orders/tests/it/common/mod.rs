//! Orders and attribution in this process, on a database of the test's own, with a network between them that can fail.

mod network;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use orders::{Settings, Upstream};
use pg::Database;
use proto::attribution as att;
use proto::common::ContactRef;
use proto::google::r#type::Money;
use proto::orders as v1;
use proto::orders::order_event::Fact;
use proto::orders::order_service_client::OrderServiceClient;
use rpc::Channel;
use rpc::server::ServiceRoutes;
use runtime::Lifecycle;
use testkit::Sandbox;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use types::{ManualClock, Timestamp};

pub(crate) use network::Network;

/// What the clock shows when a test begins.
pub(crate) const NOW: Timestamp = time::macros::datetime!(2025-06-01 12:00 UTC);

/// The two services.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) lifecycle: Lifecycle,
    /// Between orders and attribution.
    pub(crate) network: Network,
    pub(crate) db: Database,
    attribution: ServiceRoutes,
    orders: ServiceRoutes,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let sandbox = sandbox().await;
        let db = sandbox.database(orders::SCHEMA).await.unwrap();
        Self::on(sandbox, db, settings).await
    }

    /// Orders works on `db`.
    pub(crate) async fn on(sandbox: Sandbox, db: Database, settings: Settings) -> Self {
        let clock = ManualClock::at(NOW);
        let lifecycle = Lifecycle::default();
        let upstream = sandbox.database(attribution::SCHEMA).await.unwrap();
        let attribution = attribution::start(upstream, Arc::new(clock.clone()), &lifecycle).await.unwrap();
        let network = Network::default();
        let upstream = Upstream { attribution: network.over(attribution.channel()) };
        let orders =
            orders::start(db.clone(), Arc::new(clock.clone()), &lifecycle, upstream, settings).await.unwrap();
        Self { sandbox, lifecycle, network, db, attribution, orders }
    }

    /// Another server of orders on the same database, over connections of its own.
    pub(crate) async fn second(&self) -> ServiceRoutes {
        let db = self.sandbox.database(orders::SCHEMA).await.unwrap();
        let upstream = Upstream { attribution: self.network.over(self.attribution.channel()) };
        let clock = Arc::new(ManualClock::at(NOW));
        orders::start(db, clock, &self.lifecycle, upstream, Settings::default()).await.unwrap()
    }

    /// The services as a tenant sees them, orders through this server.
    pub(crate) fn through(&self, orders: &ServiceRoutes, tenant: &str) -> Caller {
        let orders = rpc::channel::for_tenant(orders.channel(), &tenant.parse().unwrap());
        Caller { orders, ..self.of(tenant) }
    }

    /// The services as a tenant sees them.
    pub(crate) fn of(&self, tenant: &str) -> Caller {
        let tenant = tenant.parse().unwrap();
        Caller {
            orders: rpc::channel::for_tenant(self.orders.channel(), &tenant),
            attribution: rpc::channel::for_tenant(self.attribution.channel(), &tenant),
        }
    }

    /// The services as another of our services sees them.
    pub(crate) fn for_service(&self) -> Caller {
        Caller {
            orders: rpc::channel::for_service(self.orders.channel(), "tests"),
            attribution: rpc::channel::for_service(self.attribution.channel(), "tests"),
        }
    }

    /// A number out of the schema of orders.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(self.db.read()).await.unwrap()
    }

    /// Waits until the attribution stream is followed.
    pub(crate) async fn follows(&self) {
        let followed = async {
            let mut commits = self.db.commits();
            while outbox::subscription::stored(&self.db, "orders.attribution").await.unwrap().is_none() {
                let _ = tokio::time::timeout(Duration::from_millis(20), commits.changed()).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), followed).await.unwrap();
    }
}

/// A database with both schemas.
pub(crate) async fn sandbox() -> Sandbox {
    let parts = [(attribution::SCHEMA, attribution::MIGRATIONS), (orders::SCHEMA, orders::MIGRATIONS)];
    Sandbox::new(&parts).await.unwrap()
}

/// Clients of one caller.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) orders: Channel,
    pub(crate) attribution: Channel,
}

impl Caller {
    pub(crate) fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.orders.clone())
    }

    /// Segment `vips`, campaigns `spring` and `autumn` since 2025-01-01, advocates ann (ANN10) and bob (BOB10) of spring:
    /// their contact ids.
    pub(crate) async fn program(&self) -> (String, String) {
        let mut segments = att::segment_service_client::SegmentServiceClient::new(self.attribution.clone());
        let vips = att::CreateSegmentRequest { segment_id: "vips".into(), ..Default::default() };
        segments.create_segment(vips).await.unwrap();
        for campaign in ["spring", "autumn"] {
            let mut campaigns =
                att::campaign_service_client::CampaignServiceClient::new(self.attribution.clone());
            let request = att::CreateCampaignRequest {
                campaign_id: campaign.into(),
                currency_code: "USD".into(),
                segment_ids: vec!["vips".into()],
                starts_at: Some(wire_time(time::macros::datetime!(2025-01-01 00:00 UTC))),
                ..Default::default()
            };
            campaigns.create_campaign(request).await.unwrap();
        }
        (self.advocate("ann", "ANN10").await, self.advocate("bob", "BOB10").await)
    }

    /// Enrols `name` in `vips`, with a code in `spring`: the contact's id.
    pub(crate) async fn advocate(&self, name: &str, code: &str) -> String {
        let mut contacts = att::contact_service_client::ContactServiceClient::new(self.attribution.clone());
        let request = att::EnrollContactRequest {
            contact: Some(email(name)),
            segment_ids: vec!["vips".into()],
            occurred_at: None,
        };
        let contact = contacts.enroll_contact(request).await.unwrap().into_inner().contact.unwrap();
        let mut codes = att::code_service_client::CodeServiceClient::new(self.attribution.clone());
        let request = att::IssueShortcodeRequest {
            campaign_id: "spring".into(),
            advocate: Some(email(name)),
            shortcode: code.into(),
        };
        codes.issue_shortcode(request).await.unwrap();
        contact.contact_id
    }

    pub(crate) async fn set_clock(&self, now: Timestamp) {
        let mut clocks =
            att::test_clock_service_client::TestClockServiceClient::new(self.attribution.clone());
        clocks.set_test_clock(att::SetTestClockRequest { now: Some(wire_time(now)) }).await.unwrap();
    }

    pub(crate) async fn upsert_contact(&self, name: &str, uid: &str) -> String {
        let mut contacts = att::contact_service_client::ContactServiceClient::new(self.attribution.clone());
        let request = att::UpsertContactRequest {
            email: format!("{name}@example.com"),
            uid: uid.into(),
            ..Default::default()
        };
        contacts.upsert_contact(request).await.unwrap().into_inner().contact.unwrap().contact_id
    }

    /// Every contact, newest first.
    pub(crate) async fn contacts(&self) -> Vec<att::Contact> {
        let mut contacts = att::contact_service_client::ContactServiceClient::new(self.attribution.clone());
        let request = att::ListContactsRequest::default();
        contacts.list_contacts(request).await.unwrap().into_inner().contacts
    }

    /// Every attempt to attribute, newest first.
    pub(crate) async fn attempts(&self) -> Vec<att::LoggedAttempt> {
        let mut client =
            att::attribution_service_client::AttributionServiceClient::new(self.attribution.clone());
        let request = att::ListAttemptsRequest::default();
        client.list_attempts(request).await.unwrap().into_inner().attempts
    }

    pub(crate) async fn send(
        &self,
        request: v1::RecordOrderRequest,
    ) -> Result<v1::RecordOrderResponse, Status> {
        Ok(self.orders().record_order(request).await?.into_inner())
    }

    /// Records an order, which must succeed: it, and what the call did.
    pub(crate) async fn record(&self, order: v1::NewOrder) -> (v1::Order, v1::RecordResult) {
        let response = self.send(request(order)).await.unwrap();
        let result = response.result();
        (response.order.unwrap(), result)
    }

    pub(crate) async fn try_record(&self, order: v1::NewOrder) -> Result<v1::RecordOrderResponse, Status> {
        self.send(request(order)).await
    }

    pub(crate) async fn update(&self, order: v1::NewOrder) -> Result<v1::RecordOrderResponse, Status> {
        self.send(updating(order)).await
    }

    pub(crate) async fn batch(
        &self,
        requests: Vec<v1::RecordOrderRequest>,
    ) -> Vec<v1::BatchRecordOrdersResult> {
        let request = v1::BatchRecordOrdersRequest { requests };
        self.orders().batch_record_orders(request).await.unwrap().into_inner().results
    }

    pub(crate) async fn get(&self, order_id: &str) -> Result<v1::Order, Status> {
        let request = v1::GetOrderRequest { order_id: order_id.into(), source: String::new() };
        Ok(self.orders().get_order(request).await?.into_inner().order.unwrap())
    }

    pub(crate) async fn list(&self) -> Vec<v1::Order> {
        let request = v1::ListOrdersRequest { page_size: 1000, ..Default::default() };
        self.orders().list_orders(request).await.unwrap().into_inner().orders
    }

    /// Imports `chunks` of a file: rejected rows, and the summary or the error it ended with.
    pub(crate) async fn import(
        &self,
        options: v1::ImportOrdersOptions,
        chunks: Vec<Vec<u8>>,
    ) -> (Vec<v1::RejectedRow>, Result<v1::ImportProgress, Status>) {
        let first = v1::ImportOrdersRequest { options: Some(options), chunk: Vec::new() };
        let pieces = chunks.into_iter().map(|chunk| v1::ImportOrdersRequest { options: None, chunk });
        self.import_messages(std::iter::once(first).chain(pieces).collect()).await
    }

    pub(crate) async fn import_messages(
        &self,
        messages: Vec<v1::ImportOrdersRequest>,
    ) -> (Vec<v1::RejectedRow>, Result<v1::ImportProgress, Status>) {
        let mut rejected = Vec::new();
        let answers = self.orders().import_orders(tokio_stream::iter(messages)).await;
        let read = |answer: v1::ImportOrdersResponse| {
            rejected.extend(answer.rejected);
            answer.summary
        };
        let summary = testkit::summary(answers, read).await;
        (rejected, summary)
    }

    /// Every event so far, in order.
    pub(crate) async fn events(&self) -> Vec<v1::OrderEvent> {
        self.events_until(|_| true).await
    }

    /// Every event so far, in order, once they are what is waited for.
    pub(crate) async fn events_until(
        &self,
        enough: impl Fn(&[v1::OrderEvent]) -> bool,
    ) -> Vec<v1::OrderEvent> {
        let request = v1::WatchOrderEventsRequest::default();
        let mut watch = self.orders().watch_order_events(request).await.unwrap().into_inner();
        let read = async {
            let mut events = Vec::new();
            loop {
                let message = watch.message().await.unwrap().unwrap();
                events.extend(message.events);
                if message.checkpoint.unwrap().lag == 0 && enough(&events) {
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

/// An order of `name` for so many cents.
pub(crate) fn order(order_id: &str, name: &str, cents: i64) -> v1::NewOrder {
    v1::NewOrder {
        order_id: order_id.into(),
        customer: Some(email(name)),
        revenue: Some(usd(cents)),
        ..Default::default()
    }
}

/// The same, with a shortcode.
pub(crate) fn by_code(order_id: &str, name: &str, code: &str) -> v1::NewOrder {
    let evidence = att::Evidence { shortcode: code.into(), ..Default::default() };
    v1::NewOrder { evidence: Some(evidence), ..order(order_id, name, 10_000) }
}

pub(crate) fn request(order: v1::NewOrder) -> v1::RecordOrderRequest {
    v1::RecordOrderRequest { order: Some(order), ..Default::default() }
}

pub(crate) fn updating(order: v1::NewOrder) -> v1::RecordOrderRequest {
    v1::RecordOrderRequest { on_conflict: v1::OnConflict::Update.into(), ..request(order) }
}

/// A file of rows with columns order_id, email, revenue.
pub(crate) fn options(columns: &[(&str, &str)]) -> v1::ImportOrdersOptions {
    let columns: HashMap<String, String> =
        columns.iter().map(|(column, field)| ((*column).to_owned(), (*field).to_owned())).collect();
    v1::ImportOrdersOptions { columns, default_currency: "USD".into(), ..Default::default() }
}

pub(crate) fn usd(cents: i64) -> Money {
    money(cents, "USD")
}

/// `minor` hundredths of `currency`.
pub(crate) fn money(minor: i64, currency: &str) -> Money {
    let nanos = i32::try_from(minor % 100).unwrap() * 10_000_000;
    Money { currency_code: currency.into(), units: minor / 100, nanos }
}

/// A contact by the address of `name`.
pub(crate) fn email(name: &str) -> ContactRef {
    ContactRef { email: format!("{name}@example.com"), ..Default::default() }
}

pub(crate) fn uid(uid: &str) -> ContactRef {
    ContactRef { uid: uid.into(), ..Default::default() }
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

/// A detail of an error.
pub(crate) fn detail(status: &Status, key: &str) -> String {
    let details = status.get_error_details();
    details.error_info().and_then(|info| info.metadata.get(key).cloned()).unwrap_or_default()
}

/// Asserts code and reason of an error, and returns it.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) -> Status {
    let status = answer.unwrap_err();
    let (got, why, _) = told(&status);
    assert_eq!((got, why.as_str()), (code, reason), "{status:?}");
    status
}

/// Asserts that a field is at fault.
#[track_caller]
pub(crate) fn bad_field<T: std::fmt::Debug>(answer: Result<T, Status>, path: &str) {
    let (code, reason, field) = told(&answer.unwrap_err());
    assert_eq!((code, reason.as_str(), field.as_str()), (Code::InvalidArgument, "INVALID_FIELD", path));
}
