//! The edge, and the only tonic: one file per group of RPCs. Convert, call, convert.

mod audit;
mod convert;
mod erasures;
mod errors;
mod export;
mod history;
mod import;
mod lines;
mod properties;
mod read;
mod record;
mod report;
mod reversals;
mod update;
mod watch;

pub(crate) use audit::Audits;
pub(crate) use erasures::ErasureRpcs;
pub(crate) use properties::OrderProperties;

use std::pin::Pin;
use std::sync::Arc;

use batch::Batcher;
use futures::Stream;
use outbox::Source;
use outbox::source::Watch;
use pg::Database;
use pg::requests::Hasher;
use proto::orders as wire;
use proto::orders::order_service_server::OrderService;
use rpc::csv::export::Places;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use types::Clock;

use crate::Settings;
use crate::commands::{RecordOrders, ReverseOrders, UpdateOrders};
use crate::subscribers::AttributionStream;

/// Behind `laurel.orders.v1.OrderService`.
#[derive(Debug)]
pub(crate) struct Orders {
    /// For reads.
    pub(crate) db: Database,
    /// The real clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Hashes requests.
    pub(crate) hasher: Hasher,
    /// Records orders.
    pub(crate) batcher: Batcher<RecordOrders>,
    /// Checks orders, and records none.
    pub(crate) unbatched: Arc<RecordOrders>,
    /// Updates and links orders.
    pub(crate) updates: Batcher<UpdateOrders>,
    /// Refunds and cancels orders.
    pub(crate) reversals: Batcher<ReverseOrders>,
    /// Places of exports and reports that read.
    pub(crate) exports: Places,
    /// The order stream.
    pub(crate) source: Source,
    /// What parked events are retried with.
    pub(crate) attribution: AttributionStream,
    /// How order ids are scoped.
    pub(crate) settings: Arc<Settings>,
    /// Ends imports and exports when the process drains.
    pub(crate) stop: CancellationToken,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl OrderService for Orders {
    type ImportOrdersStream = Pin<Box<dyn Stream<Item = Result<wire::ImportOrdersResponse, Status>> + Send>>;
    type WatchOrderEventsStream = Watch<wire::WatchOrderEventsResponse>;

    async fn record_order(
        &self,
        request: Request<wire::RecordOrderRequest>,
    ) -> Answer<wire::RecordOrderResponse> {
        Ok(self.record(request).await.map(Response::new)?)
    }

    async fn batch_record_orders(
        &self,
        request: Request<wire::BatchRecordOrdersRequest>,
    ) -> Answer<wire::BatchRecordOrdersResponse> {
        Ok(self.batch_record(request).await.map(Response::new)?)
    }

    async fn import_orders(
        &self,
        request: Request<Streaming<wire::ImportOrdersRequest>>,
    ) -> Answer<Self::ImportOrdersStream> {
        Ok(self.import(request).map(Response::new)?)
    }

    async fn get_import(&self, request: Request<wire::GetImportRequest>) -> Answer<wire::GetImportResponse> {
        Ok(self.find_import(request).await.map(Response::new)?)
    }

    type DownloadImportReportStream =
        Pin<Box<dyn Stream<Item = Result<wire::DownloadImportReportResponse, Status>> + Send>>;

    async fn download_import_report(
        &self,
        request: Request<wire::DownloadImportReportRequest>,
    ) -> Answer<Self::DownloadImportReportStream> {
        Ok(Response::new(self.report(request).await?))
    }

    async fn get_order(&self, request: Request<wire::GetOrderRequest>) -> Answer<wire::GetOrderResponse> {
        Ok(self.get(request).await.map(Response::new)?)
    }

    async fn list_orders(
        &self,
        request: Request<wire::ListOrdersRequest>,
    ) -> Answer<wire::ListOrdersResponse> {
        Ok(self.list(request).await.map(Response::new)?)
    }

    type ExportOrdersStream = Pin<Box<dyn Stream<Item = Result<wire::ExportOrdersResponse, Status>> + Send>>;

    async fn export_orders(
        &self,
        request: Request<wire::ExportOrdersRequest>,
    ) -> Answer<Self::ExportOrdersStream> {
        Ok(Response::new(self.export(request).await?))
    }

    async fn update_order(
        &self,
        request: Request<wire::UpdateOrderRequest>,
    ) -> Answer<wire::UpdateOrderResponse> {
        Ok(self.update(request).await.map(Response::new)?)
    }

    async fn refund_order(
        &self,
        request: Request<wire::RefundOrderRequest>,
    ) -> Answer<wire::RefundOrderResponse> {
        Ok(self.refund(request).await.map(Response::new)?)
    }

    async fn cancel_order(
        &self,
        request: Request<wire::CancelOrderRequest>,
    ) -> Answer<wire::CancelOrderResponse> {
        Ok(self.cancel(request).await.map(Response::new)?)
    }

    async fn get_order_history(
        &self,
        request: Request<wire::GetOrderHistoryRequest>,
    ) -> Answer<wire::GetOrderHistoryResponse> {
        Ok(self.history(request).await.map(Response::new)?)
    }

    async fn watch_order_events(
        &self,
        request: Request<wire::WatchOrderEventsRequest>,
    ) -> Answer<Self::WatchOrderEventsStream> {
        self.watch(request).await.map(Response::new)
    }

    async fn list_parked(
        &self,
        request: Request<wire::ListParkedRequest>,
    ) -> Answer<wire::ListParkedResponse> {
        Ok(self.parked(request).await.map(Response::new)?)
    }

    async fn retry_parked(
        &self,
        request: Request<wire::RetryParkedRequest>,
    ) -> Answer<wire::RetryParkedResponse> {
        Ok(self.retry(request).await.map(Response::new)?)
    }
}
