//! Who did what: orders recorded one by one, in batches and from files.

use proto::attribution as att;
use proto::common::AuditEntry;
use proto::orders as v1;
use proto::orders::RecordResult;
use tonic::Code;

use crate::common::*;

/// Entries of the tenant, oldest first: principal, method and resources.
fn told(mut entries: Vec<AuditEntry>) -> Vec<(String, String, Vec<String>)> {
    entries.reverse();
    let method = |entry: &AuditEntry| entry.method.rsplit('/').next().unwrap_or_default().to_owned();
    entries.into_iter().map(|entry| (entry.principal.clone(), method(&entry), entry.resources)).collect()
}

fn call(principal: &str, method: &str, resources: &[&str]) -> (String, String, Vec<String>) {
    let resources = resources.iter().map(|id| (*id).to_owned()).collect();
    (principal.to_owned(), method.to_owned(), resources)
}

impl Caller {
    async fn audited(&self) -> Vec<AuditEntry> {
        let mut client = v1::audit_service_client::AuditServiceClient::new(self.orders.clone());
        let request = v1::ListAuditEntriesRequest::default();
        client.list_audit_entries(request).await.unwrap().into_inner().entries
    }

    async fn audited_by_attribution(&self) -> Vec<AuditEntry> {
        let mut client = att::audit_service_client::AuditServiceClient::new(self.attribution.clone());
        let request = att::ListAuditEntriesRequest::default();
        client.list_audit_entries(request).await.unwrap().into_inner().entries
    }

    /// The same tenant, called by one of our services.
    fn by_service(self, name: &'static str) -> Self {
        Self { orders: rpc::channel::for_service(self.orders, name), ..self }
    }
}

#[tokio::test]
async fn every_order_that_is_recorded_or_updated_is_named_with_its_principal() {
    let world = World::start().await;
    let acme = world.of("acme").by_service("shop");
    acme.record(order("o-1", "eve", 100)).await;
    acme.update(order("o-1", "eve", 90)).await.unwrap();
    acme.batch((2..5).map(|n| request(order(&format!("o-{n}"), "eve", 100))).collect()).await;
    let file = b"order_id,email,revenue\no-5,eve@example.com,1\no-6,eve@example.com,1\n".to_vec();
    acme.import(options(&[]), vec![file]).await.1.unwrap();
    let entries = told(acme.audited().await);
    let (unary, more) = entries.split_at(2);
    assert_eq!(
        unary,
        [call("service:shop", "RecordOrder", &["o-1"]), call("service:shop", "RecordOrder", &["o-1"])]
    );
    // the rows of a batch or a file may have been written by several transactions
    let named = |method: &str| -> Vec<String> {
        let of_method = more.iter().filter(|(principal, by, _)| principal == "service:shop" && by == method);
        of_method.flat_map(|(_, _, resources)| resources.clone()).collect()
    };
    assert_eq!(named("BatchRecordOrders"), ["o-2", "o-3", "o-4"]);
    assert_eq!(named("ImportOrders"), ["o-5", "o-6"]);
}

#[tokio::test]
async fn a_replay_and_a_refusal_leave_no_row() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 100)).await;
    let before = acme.audited().await;
    assert_eq!(told(before.clone()), [call("anonymous", "RecordOrder", &["o-1"])]);
    assert_eq!(acme.record(order("o-1", "eve", 100)).await.1, RecordResult::AlreadyRecorded);
    // a request id is kept, but nothing is changed
    let named = v1::RecordOrderRequest { request_id: "r-1".into(), ..request(order("o-1", "eve", 100)) };
    acme.send(named).await.unwrap();
    refused(acme.try_record(order("o-1", "eve", 99)).await, Code::AlreadyExists, "ORDER_DIFFERS");
    assert_eq!(acme.audited().await, before);
    assert!(world.of("other").audited().await.is_empty());
}

#[tokio::test]
async fn what_recording_an_order_makes_in_attribution_is_the_doing_of_orders() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let (recorded, _) = acme.record(by_code("o-1", "eve", "ANN10")).await;
    let last = told(acme.audited_by_attribution().await).pop();
    let wanted = [recorded.contact_id.as_str(), recorded.attribution_id.as_str()];
    assert_eq!(last, Some(call("service:orders", "BatchRecordAttributions", &wanted)));
    // a look-up changes nothing there
    let before = acme.audited_by_attribution().await;
    acme.record(order("o-2", "eve", 100)).await;
    assert_eq!(acme.audited_by_attribution().await, before);
}

#[tokio::test]
async fn an_order_whose_transaction_fails_leaves_no_row() {
    let world = World::start().await;
    let acme = world.of("acme");
    let mut admin = world.sandbox.admin().await.unwrap();
    let refuse = "ALTER TABLE orders.orders ADD CONSTRAINT none CHECK (order_id <> 'o-1')";
    sqlx::query(refuse).execute(&mut admin).await.unwrap();
    assert!(acme.try_record(order("o-1", "eve", 100)).await.is_err());
    assert!(acme.audited().await.is_empty());
    acme.record(order("o-2", "eve", 100)).await;
    assert_eq!(told(acme.audited().await), [call("anonymous", "RecordOrder", &["o-2"])]);
}

#[tokio::test]
async fn events_of_one_slice_carry_each_the_trace_of_its_own_call() {
    let world = World::start().await;
    let acme = world.of("acme");
    let traces = [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ];
    let calls = [0, 1].map(|n| {
        let mut call = tonic::Request::new(request(order(&format!("o-{n}"), "eve", 100)));
        call.metadata_mut().insert("traceparent", traces[n].parse().unwrap());
        let mut client = acme.orders();
        async move { client.record_order(call).await }
    });
    futures::future::try_join_all(calls).await.unwrap();
    acme.update(order("o-0", "eve", 50)).await.unwrap();
    let events = acme.events().await;
    let mut carried: Vec<_> = events.iter().map(|event| event.traceparent.as_str()).collect();
    carried[..2].sort_unstable();
    // updated and refunded by a call that was not traced
    assert_eq!(carried, [traces[0], traces[1], "", ""]);
    for (n, trace) in traces.iter().enumerate() {
        let of_trace = events.iter().find(|event| event.traceparent == *trace).unwrap();
        let Some(v1::order_event::Fact::OrderRecorded(fact)) = &of_trace.fact else { panic!("{of_trace:?}") };
        assert_eq!(fact.order.as_ref().unwrap().order_id, format!("o-{n}"));
    }
}
