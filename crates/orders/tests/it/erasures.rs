//! A13: what orders removes of a customer that was erased.

use proto::attribution as att;
use proto::attribution::erasure_service_client::ErasureServiceClient as Attribution;
use proto::common::{ContactRef, Erasure};
use proto::orders::erasure_service_client::ErasureServiceClient;
use proto::orders::order_event::Fact;
use proto::orders::property_value::Value;
use proto::orders::{self as v1, OrderPropertyType as Type};

use crate::common::*;
use crate::properties::{held, text};
use crate::update::change;

/// What gives eve away.
const TRACES: [&str; 4] = ["eve@example.com", "for evelyn", "evelyn moved", "garden gate"];

impl Caller {
    fn attribution_erasures(&self) -> Attribution<rpc::Channel> {
        Attribution::new(self.attribution.clone())
    }

    /// Erases eve: her id.
    async fn erase_eve(&self) -> String {
        let contact = ContactRef { email: "eve@example.com".into(), ..Default::default() };
        let request = att::EraseContactRequest { contact: Some(contact), ..Default::default() };
        let answer = self.attribution_erasures().erase_contact(request).await.unwrap().into_inner();
        answer.erasure.unwrap().contact_id
    }

    /// Refunds some of an order, and says why.
    async fn give_back(&self, order_id: &str, reason: &str) {
        let refund = v1::RefundOrderRequest {
            order_id: order_id.into(),
            refund_id: "r-1".into(),
            amount: Some(usd(100)),
            reason: reason.into(),
            ..Default::default()
        };
        self.orders().refund_order(refund).await.unwrap();
    }

    /// The receipt, once it has come this far.
    async fn receipt(&self, contact_id: &str) -> Erasure {
        let finished = async {
            loop {
                let request = v1::GetErasureRequest { contact_id: contact_id.into() };
                let answer = ErasureServiceClient::new(self.orders.clone()).get_erasure(request).await;
                match answer.map(|answer| answer.into_inner().erasure.unwrap()) {
                    Ok(erasure) if erasure.parts.len() == 2 => return erasure,
                    Ok(_) => {}
                    Err(status) => {
                        refused::<()>(Err(status), tonic::Code::NotFound, "ERASURE_NOT_FOUND");
                    }
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), finished).await.unwrap()
    }
}

#[tokio::test]
async fn a13_personal_properties_and_reasons_go_and_what_is_declared_otherwise_stays() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define("note", Type::String).await;
    acme.define("size", Type::Integer).await;
    let open = |name: &str, personal| v1::UpdateOrderPropertyRequest {
        name: name.into(),
        personal: Some(personal),
        ..Default::default()
    };
    acme.redefine(open("note", false)).await.unwrap();
    acme.redefine(open("size", false)).await.unwrap();
    let properties = held([("note", text("for Evelyn")), ("size", Value::IntegerValue(3))]);
    acme.record(v1::NewOrder { properties, ..order("o-1", "eve", 10_000) }).await;
    acme.record(order("o-2", "fay", 10_000)).await;
    let properties = held([("note", text("garden gate")), ("size", Value::IntegerValue(4))]);
    acme.change(v1::UpdateOrderRequest { properties, ..change("o-1") }).await.unwrap();
    acme.give_back("o-1", "Evelyn moved").await;
    // declared personal only after it got into the history
    acme.redefine(open("note", true)).await.unwrap();
    let held_in = world.sandbox.tables_with(orders::SCHEMA, &TRACES).await.unwrap();
    assert_eq!(held_in, ["order_changes", "orders"], "the test looks where they are");

    let eve = acme.erase_eve().await;
    let receipt = acme.receipt(&eve).await;
    let [_, part] = &receipt.parts[..] else { panic!("{receipt:?}") };
    let removed: Vec<_> = part.removed.iter().map(|data| (data.kind.as_str(), data.count)).collect();
    assert_eq!((part.service.as_str(), &removed[..]), ("orders", &[("orders", 1), ("order_changes", 2)][..]));
    for schema in [orders::SCHEMA, attribution::SCHEMA] {
        assert_eq!(world.sandbox.tables_with(schema, &TRACES).await.unwrap(), [""; 0]);
    }
    let left = acme.get("o-1").await.unwrap();
    assert_eq!(
        (left.properties, left.contact_id.as_str()),
        (held([("size", Value::IntegerValue(4))]), eve.as_str())
    );
    // the order comes again as it was: it is known, and takes nothing personal, however it is sent
    let properties = held([("note", text("garden gate")), ("size", Value::IntegerValue(4))]);
    let (_, result) =
        acme.record(v1::NewOrder { properties: properties.clone(), ..order("o-1", "eve", 10_000) }).await;
    assert_eq!(result, v1::RecordResult::AlreadyRecorded);
    acme.update(v1::NewOrder { properties: properties.clone(), ..order("o-1", "eve", 9_000) }).await.unwrap();
    acme.change(v1::UpdateOrderRequest { properties, ..change("o-1") }).await.unwrap();
    let cancel =
        v1::CancelOrderRequest { order_id: "o-1".into(), reason: "for Evelyn".into(), ..Default::default() };
    acme.orders().cancel_order(cancel).await.unwrap();
    assert_eq!(world.sandbox.tables_with(orders::SCHEMA, &TRACES).await.unwrap(), [""; 0]);
    // what was not declared personal goes when it is
    acme.redefine(open("size", true)).await.unwrap();
    let cleared = async {
        while !acme.get("o-1").await.unwrap().properties.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), cleared).await.unwrap();
    let told = acme.facts().await;
    let told: Vec<_> = told.into_iter().filter(|fact| matches!(fact, Fact::ContactErased(_))).collect();
    let Some(Fact::ContactErased(told)) = told.last() else { panic!("{told:?}") };
    assert_eq!((told.contact_id.as_str(), told.parts.len()), (eve.as_str(), 2));
}

#[tokio::test]
async fn a13_an_order_that_was_under_way_while_its_customer_was_erased_keeps_nothing_personal() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define("note", Type::String).await;
    acme.record(order("o-1", "eve", 10_000)).await;
    // attribution has answered for the order, and its transaction waits
    let mut tx = world.db.write().await.unwrap();
    let properties = held([("note", text("garden gate"))]);
    let late = v1::NewOrder { properties, ..order("o-2", "eve", 10_000) };
    let (asked, caller) = (world.network.asked(), acme.clone());
    let recording = tokio::spawn(async move { caller.record(late).await });
    while world.network.asked() == asked {
        tokio::task::yield_now().await;
    }
    let eve = acme.get("o-1").await.unwrap().contact_id;
    sqlx::query("INSERT INTO erasures (tenant_id, contact_id, receipt, recorded_at) VALUES ('acme', $1::uuid, '', now())")
        .bind(&eve)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    recording.await.unwrap();
    let stored = acme.get("o-2").await.unwrap();
    assert_eq!((stored.contact_id, stored.properties.len()), (eve, 0));
}

#[tokio::test]
async fn a13_orders_goes_on_where_attribution_could_not_be_asked() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    world.network.lose_erasures(2);
    let eve = acme.erase_eve().await;
    acme.receipt(&eve).await;
    let request = att::GetErasedNamesRequest { contact_id: eve };
    let names = acme.attribution_erasures().get_erased_names(request).await.unwrap().into_inner().names;
    assert_eq!(names, [""; 0], "attribution keeps them no longer");
}
