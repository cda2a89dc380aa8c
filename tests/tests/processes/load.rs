//! Clients that record orders while something happens to the services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proto::orders::order_service_client::OrderServiceClient;
use proto::orders::{NewOrder, RecordOrderRequest};
use rpc::Channel;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::{Code, Status};

/// Longest wait for a fact.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Some clients, each recording one order after the other.
pub(crate) struct Load {
    recorded: watch::Sender<u64>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Result<(), Status>>>,
}

impl Load {
    /// Starts `clients` that share the replicas; the nth order is `order(n)`.
    pub(crate) fn start(
        clients: usize,
        replicas: &[OrderServiceClient<Channel>],
        order: fn(u64) -> NewOrder,
    ) -> Self {
        let (next, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let recorded = watch::Sender::new(0);
        let clients = (0..clients).map(|n| {
            let (before, after) = replicas.split_at(n % replicas.len());
            let replicas = [after, before].concat();
            let (next, stop, recorded) = (Arc::clone(&next), Arc::clone(&stop), recorded.clone());
            tokio::spawn(async move {
                let mut client = Client { replicas };
                while !stop.load(Ordering::Relaxed) {
                    client.record(order(next.fetch_add(1, Ordering::Relaxed))).await?;
                    recorded.send_modify(|recorded| *recorded += 1);
                }
                Ok(())
            })
        });
        let clients = clients.collect();
        Self { recorded, stop, clients }
    }

    /// Waits for so many more orders.
    pub(crate) async fn further(&self, count: u64) -> anyhow::Result<()> {
        let mut recorded = self.recorded.subscribe();
        let wanted = *recorded.borrow() + count;
        tokio::time::timeout(PATIENCE, recorded.wait_for(|recorded| *recorded >= wanted)).await??;
        Ok(())
    }

    /// Ends it: how many orders were recorded, which is every one that was tried.
    pub(crate) async fn stop(self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await??;
        }
        Ok(*self.recorded.borrow())
    }
}

/// A client with the retry policy of docs/clients.md: UNAVAILABLE is repeated unchanged. It needs no
/// back-off, since it turns to the other replica, which is there.
struct Client {
    replicas: Vec<OrderServiceClient<Channel>>,
}

impl Client {
    async fn record(&mut self, order: NewOrder) -> Result<(), Status> {
        for attempt in 1.. {
            let request = RecordOrderRequest { order: Some(order.clone()), ..Default::default() };
            match self.replicas[0].record_order(request).await {
                Err(status) if status.code() == Code::Unavailable && attempt < 5 => {
                    self.replicas.rotate_left(1);
                }
                answer => return answer.map(drop),
            }
        }
        Ok(())
    }
}
