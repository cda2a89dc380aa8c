//! The order whose trace is looked for, and what must not be seen of it.

use laurel::client::Clients;
use proto::attribution::UpsertContactRequest;
use proto::orders::RecordOrderRequest;
use tonic::metadata::MetadataValue;

/// Who buys: nothing of this may be seen outside of attribution's tables.
pub(crate) const EMAIL: &str = "zebulon.quux@example.com";
pub(crate) const FIRST_NAME: &str = "Zebulonius";

/// The caller's own span.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// What the caller's own tracing wants to hear again.
pub(crate) const TRACESTATE: &str = "shop=checkout";
pub(crate) const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
pub(crate) const CALLER: u64 = 0x00f0_67aa_0ba9_02b7;

/// Campaign, advocate, journey and program; then the order of a contact whose name is known.
pub(crate) async fn play(clients: &Clients) -> anyhow::Result<()> {
    tests::story::prepare(clients).await?;
    clients.clone().contacts.upsert_contact(name()).await?;
    clients.clone().orders.record_order(order()).await?;
    Ok(())
}

/// The order, with the context of the caller's trace.
pub(crate) fn order() -> tonic::Request<RecordOrderRequest> {
    let order = tests::story::order("o-1", EMAIL);
    let mut request = tonic::Request::new(RecordOrderRequest { order: Some(order), ..Default::default() });
    request.metadata_mut().insert("traceparent", MetadataValue::from_static(TRACEPARENT));
    request.metadata_mut().insert("tracestate", MetadataValue::from_static(TRACESTATE));
    request
}

/// What the referred contact is called.
fn name() -> UpsertContactRequest {
    UpsertContactRequest { email: EMAIL.to_owned(), first_name: FIRST_NAME.to_owned(), ..Default::default() }
}
