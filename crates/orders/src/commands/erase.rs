//! Forgetting an erased customer (A13): attribution says by what it was known, for reports of rejected rows hold that and
//! no id.

use outbox::erasure::{Open, Removed};
use outbox::{EraseError, Eraser};
use pg::WriteTx;
use proto::attribution::erasure_service_client::ErasureServiceClient;
use proto::attribution::{ForgetErasedNamesRequest, GetErasedNamesRequest};
use proto::orders::OrderEvent;
use rpc::Channel;
use rpc::channel::for_tenant;
use types::Timestamp;

use super::events;
use crate::store;

/// Removes what names a contact here.
#[derive(Debug)]
pub(crate) struct Sweeper {
    attribution: Channel,
}

impl Sweeper {
    /// Asks through `attribution`, which acts as a service.
    pub(crate) fn new(attribution: Channel) -> Self {
        Self { attribution }
    }

    /// A service acts for all tenants, until it says for which one.
    fn attribution(&self, open: &Open) -> ErasureServiceClient<Channel> {
        ErasureServiceClient::new(for_tenant(self.attribution.clone(), &open.tenant))
    }
}

impl Eraser for Sweeper {
    type Event = OrderEvent;

    async fn names(&self, open: &Open) -> Result<Vec<String>, EraseError> {
        let request = GetErasedNamesRequest { contact_id: open.contact.to_string() };
        Ok(self.attribution(open).get_erased_names(request).await?.into_inner().names)
    }

    async fn remove(&self, tx: &mut WriteTx, open: &Open, names: &[String]) -> Result<Removed, pg::Error> {
        store::erasures::remove(tx, open, names).await
    }

    async fn release(&self, open: &Open) -> Result<(), EraseError> {
        let request = ForgetErasedNamesRequest { contact_id: open.contact.to_string() };
        self.attribution(open).forget_erased_names(request).await?;
        Ok(())
    }

    fn event(&self, done: &Open, now: Timestamp) -> OrderEvent {
        events::erased(done, now)
    }
}
