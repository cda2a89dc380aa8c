//! Calls that do not arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use rpc::Channel;
use tonic::Status;
use tonic::body::Body;
use tower::util::BoxCloneSyncService;
use tower::{ServiceExt, service_fn};

/// Passes calls on, or loses them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    losing: Arc<AtomicUsize>,
    losing_erasures: Arc<AtomicUsize>,
    batches: Arc<AtomicUsize>,
}

impl Network {
    /// A channel through this network.
    pub(crate) fn over(&self, channel: Channel) -> Channel {
        let network = self.clone();
        BoxCloneSyncService::new(service_fn(move |request: Request<Body>| {
            let (network, channel) = (network.clone(), channel.clone());
            async move { network.pass(channel, request).await }
        }))
    }

    /// Loses the next `calls` for attribution.
    pub(crate) fn lose(&self, calls: usize) {
        self.losing.store(calls, Ordering::SeqCst);
    }

    /// Loses the next `calls` about erasures.
    pub(crate) fn lose_erasures(&self, calls: usize) {
        self.losing_erasures.store(calls, Ordering::SeqCst);
    }

    /// Calls for attribution so far, lost ones too.
    pub(crate) fn asked(&self) -> usize {
        self.batches.load(Ordering::SeqCst)
    }

    async fn pass(&self, channel: Channel, request: Request<Body>) -> Result<Response<Body>, Status> {
        if request.uri().path().ends_with("/BatchRecordAttributions") {
            self.batches.fetch_add(1, Ordering::SeqCst);
            let lost = self.losing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if lost.is_ok() {
                return Err(Status::unavailable("the network is down"));
            }
        }
        if request.uri().path().contains(".ErasureService/") {
            let losing = &self.losing_erasures;
            let lost = losing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if lost.is_ok() {
                return Err(Status::unavailable("the network is down"));
            }
        }
        channel.oneshot(request).await
    }
}
