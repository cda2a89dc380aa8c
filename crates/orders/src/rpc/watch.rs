//! WatchOrderEvents, ListParked and RetryParked.

use outbox::source::Watch;
use outbox::{Scope, parked};
use proto::orders as wire;
use rpc::{Caller, Error};
use tonic::{Request, Status};

use super::Orders;

impl Orders {
    pub(super) async fn watch(
        &self,
        request: Request<wire::WatchOrderEventsRequest>,
    ) -> Result<Watch<wire::WatchOrderEventsResponse>, Status> {
        let scope = Scope::of(&Caller::of(&request)?);
        self.source.watch(scope, request.get_ref()).await
    }

    pub(super) async fn parked(
        &self,
        request: Request<wire::ListParkedRequest>,
    ) -> Result<wire::ListParkedResponse, Error> {
        let tenant = rpc::caller::tenant(&request)?;
        let request = request.into_inner();
        let (parked, next_page_token) =
            parked::list(&self.db, &tenant, request.page_size, &request.page_token).await?;
        Ok(wire::ListParkedResponse { parked, next_page_token })
    }

    pub(super) async fn retry(
        &self,
        request: Request<wire::RetryParkedRequest>,
    ) -> Result<wire::RetryParkedResponse, Error> {
        let tenant = rpc::caller::tenant(&request)?;
        let origin = rpc::caller::origin(&request)?;
        let parked_id = request.into_inner().parked_id;
        let now = self.clock.now();
        let (applied, reason) =
            parked::retry(&self.db, &self.attribution, &tenant, parked_id, &origin, now).await?;
        Ok(wire::RetryParkedResponse { applied, reason })
    }
}
