//! Clients that record orders while something happens to the services.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use proto::orders::order_service_client::OrderServiceClient;
use proto::orders::{NewOrder, RecordOrderRequest};
use rpc::Channel;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::Status;

/// What clients are told.
const CLIENTS: &str = include_str!("../../../docs/clients.md");
/// Longest wait for a fact.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Some clients, each recording one order after the other.
pub(crate) struct Load {
    recorded: watch::Sender<u64>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Load {
    /// Starts `clients` that share the replicas; the nth order is `order(n)`.
    pub(crate) fn start(
        clients: usize,
        replicas: &[OrderServiceClient<Channel>],
        order: fn(u64) -> NewOrder,
    ) -> anyhow::Result<Self> {
        let policy = Policy::published()?;
        let (next, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let recorded = watch::Sender::new(0);
        let clients = (0..clients).map(|n| {
            let (before, after) = replicas.split_at(n % replicas.len());
            let replicas = [after, before].concat();
            let (next, stop, recorded) = (Arc::clone(&next), Arc::clone(&stop), recorded.clone());
            let policy = policy.clone();
            tokio::spawn(async move {
                let mut client = Client { replicas, policy };
                while !stop.load(Ordering::Relaxed) {
                    client.record(order(next.fetch_add(1, Ordering::Relaxed))).await?;
                    recorded.send_modify(|recorded| *recorded += 1);
                }
                Ok(())
            })
        });
        let clients = clients.collect();
        Ok(Self { recorded, stop, clients })
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

/// The retry policy that docs/clients.md publishes, as gRPC's service config has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    max_attempts: u32,
    retryable_status_codes: Vec<String>,
}

impl Policy {
    fn published() -> anyhow::Result<Self> {
        let (_, rest) = CLIENTS.split_once("```json\n").context("no service config")?;
        let (config, _) = rest.split_once("```").context("the service config has no end")?;
        let mut config: serde_json::Value = serde_json::from_str(config)?;
        Ok(serde_json::from_value(config["methodConfig"][0]["retryPolicy"].take())?)
    }

    /// Whether it repeats what ended like this; `DEADLINE_EXCEEDED` there is `DeadlineExceeded` here.
    fn repeats(&self, status: &Status) -> bool {
        let ended = format!("{:?}", status.code());
        self.retryable_status_codes.iter().any(|code| code.replace('_', "").eq_ignore_ascii_case(&ended))
    }
}

/// A client that takes turns over the replicas, and repeats as the policy says, but without its pauses: what succeeds at once
/// succeeds after them, too.
struct Client {
    replicas: Vec<OrderServiceClient<Channel>>,
    policy: Policy,
}

impl Client {
    async fn record(&mut self, order: NewOrder) -> anyhow::Result<()> {
        for attempts in 1..=self.policy.max_attempts {
            let request = RecordOrderRequest { order: Some(order.clone()), ..Default::default() };
            match self.replicas[0].record_order(request).await {
                Err(status) if self.policy.repeats(&status) && attempts < self.policy.max_attempts => {
                    self.replicas.rotate_left(1);
                }
                answer => return Ok(answer.map(drop)?),
            }
        }
        anyhow::bail!("the policy allows no attempt")
    }
}
