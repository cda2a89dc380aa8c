//! A client outside that watches a replica which ends.

use std::collections::HashSet;

use anyhow::Context;
use proto::orders::order_event::Fact;
use proto::orders::order_service_client::OrderServiceClient;
use proto::orders::{OrderEvent, WatchOrderEventsRequest, WatchOrderEventsResponse};
use rpc::Channel;
use tests::process::Deployment;
use tonic::{Code, Streaming};

use crate::drain::{end, plain};
use crate::load::Load;
use crate::replicas::Replicas;

/// What a client remembers that watches orders, as docs/clients.md tells it to.
#[derive(Default)]
pub(crate) struct Seen {
    cursor: String,
    orders: Vec<String>,
}

impl Seen {
    /// Watches from where it stands.
    pub(crate) async fn resume(
        &self,
        orders: &OrderServiceClient<Channel>,
    ) -> anyhow::Result<Streaming<WatchOrderEventsResponse>> {
        let request = WatchOrderEventsRequest { cursor: self.cursor.clone(), ..Default::default() };
        Ok(orders.clone().watch_order_events(request).await?.into_inner())
    }

    /// Reads until `enough` orders were seen, or the watch has ended: whether it goes on.
    pub(crate) async fn read(
        &mut self,
        watch: &mut Streaming<WatchOrderEventsResponse>,
        enough: u64,
    ) -> anyhow::Result<bool> {
        while (self.orders.len() as u64) < enough {
            let message = match watch.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(false),
                Err(status) if status.code() == Code::Unavailable => return Ok(false),
                Err(status) => return Err(status.into()),
            };
            self.orders.extend(message.events.into_iter().filter_map(order_of));
            self.cursor = message.checkpoint.context("no checkpoint")?.cursor;
        }
        Ok(true)
    }

    /// Holds that it was told of each of so many orders, and of none twice.
    pub(crate) fn each_once(&self, recorded: u64) {
        let distinct: HashSet<&String> = self.orders.iter().collect();
        let (told, distinct) = (self.orders.len() as u64, distinct.len() as u64);
        assert_eq!((told, distinct), (recorded, recorded), "each order is told of once");
    }
}

fn order_of(event: OrderEvent) -> Option<String> {
    match event.fact? {
        Fact::OrderRecorded(recorded) => Some(recorded.order?.order_id),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_at_the_other_replica_after_its_cursor() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let replicas = Replicas::start(&deployment)?;
    let [first, second] = &replicas.clients;
    let load = Load::start(4, &replicas.clients, plain)?;

    let mut seen = Seen::default();
    let mut watch = seen.resume(first).await?;
    assert!(seen.read(&mut watch, 100).await?);
    let ended = tokio::spawn(end(replicas.first));
    assert!(!seen.read(&mut watch, u64::MAX).await?, "the watch ends with its replica");
    ended.await??;
    load.further(100).await?;
    let recorded = load.stop().await?;
    let mut watch = seen.resume(second).await?;
    let rest = tokio::time::timeout(crate::load::PATIENCE, seen.read(&mut watch, recorded)).await;
    assert!(rest.with_context(|| format!("{} of {recorded} orders", seen.orders.len()))??);
    seen.each_once(recorded);
    Ok(())
}
