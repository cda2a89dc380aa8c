//! Who did what to journeys and runs, and under which trace it goes on.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::*;
use pg::sqlx;
use prost::Message;
use proto::common::AuditEntry;
use proto::journeys as j;
use proto::journeys::journey_event::Fact;
use proto::orders as o;
use tonic::Request;

/// A trace of a caller's.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Entries of the tenant, oldest first.
async fn entries(tenant: &Tenant) -> Vec<AuditEntry> {
    let mut client = j::audit_service_client::AuditServiceClient::new(tenant.journeys.clone());
    let request = j::ListAuditEntriesRequest::default();
    let mut entries = client.list_audit_entries(request).await.unwrap().into_inner().entries;
    entries.reverse();
    entries
}

/// The same, as principal, method and resources.
async fn told(tenant: &Tenant) -> Vec<(String, String, Vec<String>)> {
    let method = |entry: &AuditEntry| entry.method.rsplit('/').next().unwrap_or_default().to_owned();
    let entries = entries(tenant).await.into_iter();
    entries.map(|entry| (entry.principal.clone(), method(&entry), entry.resources)).collect()
}

fn call(method: &str, resource: &str) -> (String, String, Vec<String>) {
    ("service:crm".to_owned(), method.to_owned(), vec![resource.to_owned()])
}

fn by_service(tenant: Tenant) -> Tenant {
    Tenant { journeys: rpc::channel::for_service(tenant.journeys, "crm"), ..tenant }
}

fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", TRACE.parse().unwrap());
    request
}

#[tokio::test]
async fn journeys_applied_and_stages_entered_are_named_and_replays_and_refusals_are_not() {
    let stack = Stack::start().await;
    let tenant = by_service(stack.tenant(TENANT));
    tenant.campaign("ANN10").await;
    let definition = journey("sequence: REQUIRED", &[("one", ""), ("two", ""), ("three", "")]);
    tenant.apply(&definition).await;
    tenant.apply(&definition).await;
    let contact = tenant.contact("a@example.com").await;
    let first = tenant.enter(&contact, "one", "").await.unwrap().transition.unwrap();
    tenant.enter(&contact, "one", "").await.unwrap();
    assert_eq!(reason(&tenant.enter(&contact, "three", "").await.unwrap_err()), "STAGE_OUT_OF_ORDER");
    assert!(tenant.try_apply("journey: [", 0).await.is_err());
    let wanted = [call("ApplyJourney", "j"), call("EnterStage", &first.transition_id)];
    assert_eq!(told(&tenant).await, wanted);
    assert!(entries(&stack.tenant("other")).await.is_empty());
}

#[tokio::test]
async fn a_transition_carries_the_trace_of_the_call_that_entered_it_or_recorded_its_order() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &[("by-hand", ""), LIFECYCLE[1]])).await;
    let contact = tenant.contact("a@example.com").await;
    let enter = j::EnterStageRequest {
        journey: "j".into(),
        campaign_id: "c".into(),
        contact_id: contact.clone(),
        stage: "by-hand".into(),
        ..Default::default()
    };
    tenant.runs().enter_stage(traced(enter)).await.unwrap();
    let record = |id: &str| o::RecordOrderRequest {
        order: Some(order(id, "b@example.com", 10)),
        ..Default::default()
    };
    tenant.orders().record_order(traced(record("o1"))).await.unwrap();
    let entered = |fact: &Fact| matches!(fact, Fact::StageEntered(e) if e.transition.as_ref().unwrap().to_stage == "first-purchase");
    let events = tenant.facts_until(entered).await;
    let stages = events.iter().filter(|event| matches!(event.fact, Some(Fact::StageEntered(_))));
    assert_eq!(stages.map(|event| event.traceparent.as_str()).collect::<Vec<_>>(), [TRACE, TRACE]);
    // the follower leaves no row: the order event names its cause
    let methods: Vec<_> = told(&tenant).await.into_iter().map(|(_, method, _)| method).collect();
    assert_eq!(methods, ["ApplyJourney", "EnterStage"]);
    assert_eq!(entries(&tenant).await[1].traceparent, TRACE);
}

#[tokio::test]
async fn retrying_a_parked_event_names_the_event_and_one_that_fails_again_does_not() {
    let stack = Stack::start().await;
    let tenant = by_service(stack.tenant(TENANT));
    tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &LIFECYCLE)).await;
    tenant.record(order("o1", "a@example.com", 10)).await;
    let mut admin = stack.sandbox.admin().await.unwrap();
    stack.caught_up().await;
    let payload: Vec<u8> =
        sqlx::query_scalar("SELECT payload FROM orders.events LIMIT 1").fetch_one(&mut admin).await.unwrap();
    let mut event = o::OrderEvent::decode(&*payload).unwrap();
    event.event_id = "01890000-0000-7000-8000-00000000000e".into();
    let sound = event.encode_to_vec();
    event.occurred_at = None;
    let insert = "INSERT INTO orders.events (tenant_id, payload) VALUES ($1, $2)";
    sqlx::query(insert).bind(TENANT).bind(event.encode_to_vec()).execute(&mut admin).await.unwrap();
    let list = || async {
        let request = j::ListParkedRequest::default();
        tenant.runs().list_parked(request).await.unwrap().into_inner().parked.pop()
    };
    let parked = tenant.eventually(list).await;
    let retry = j::RetryParkedRequest { parked_id: parked.parked_id };
    assert_eq!(tenant.runs().retry_parked(retry).await.unwrap().into_inner().applied, 0);
    assert_eq!(told(&tenant).await, [call("ApplyJourney", "j")]);
    let mend = "UPDATE journeys.parked SET payload = $1";
    sqlx::query(mend).bind(sound).execute(&mut admin).await.unwrap();
    assert_eq!(tenant.runs().retry_parked(retry).await.unwrap().into_inner().applied, 1);
    assert_eq!(told(&tenant).await, [call("ApplyJourney", "j"), call("RetryParked", &event.event_id)]);
}
