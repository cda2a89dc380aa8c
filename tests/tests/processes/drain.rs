//! A replica that gets SIGTERM under load: nobody notices, neither callers nor the services that follow its stream.

use std::collections::HashSet;

use proto::common::ContactRef;
use proto::google::r#type::Money;
use proto::orders::order_service_client::OrderServiceClient;
use proto::orders::{ListOrdersRequest, NewOrder};
use proto::rewards::{VerifyLedgerRequest, VerifyLedgerResponse};
use tests::forwarder::Forwarder;
use tests::process::{Deployment, Service};
use tests::story;

use crate::TENANT;
use crate::load::Load;
use crate::replicas::Replicas;

/// SIGTERM, and the end that a replica owes.
pub(crate) async fn end(replica: Service) -> anyhow::Result<()> {
    replica.terminate()?;
    tokio::task::spawn_blocking(move || replica.ended()).await?
}

/// An order that no campaign knows of.
pub(crate) fn plain(n: u64) -> NewOrder {
    NewOrder {
        order_id: format!("o-{n}"),
        customer: Some(ContactRef { email: format!("c{n}@shop.example"), ..Default::default() }),
        revenue: Some(Money { currency_code: "USD".to_owned(), units: 1, nanos: 0 }),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_ends_under_load_fails_no_call_of_a_client_that_retries() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let replicas = Replicas::start(&deployment)?;
    let load = Load::start(16, &replicas.clients, plain)?;
    load.further(200).await?;
    end(replicas.first).await?;
    load.further(200).await?;
    let recorded = load.stop().await?;
    assert_eq!(count(&replicas.clients[1]).await?, recorded, "every call recorded its order once");
    Ok(())
}

async fn count(orders: &OrderServiceClient<rpc::Channel>) -> anyhow::Result<u64> {
    let (mut count, mut page_token) = (0, String::new());
    loop {
        let request = ListOrdersRequest { page_size: 1000, page_token, ..Default::default() };
        let page = orders.clone().list_orders(request).await?.into_inner();
        count += page.orders.len() as u64;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(count);
        }
    }
}

/// Two replicas behind one address; the first is in use.
struct Pair {
    first: Service,
    second: Service,
    balancer: Forwarder,
}

impl Pair {
    async fn start(deployment: &Deployment, service: &str, upstream: &[&str]) -> anyhow::Result<Self> {
        let first = deployment.start(service, upstream)?;
        let second = deployment.start(service, upstream)?;
        let balancer = Forwarder::to(first.address()).await?;
        Ok(Self { first, second, balancer })
    }

    /// Ends the first; who is connected to it has to come back by itself, and meets the second.
    async fn end_first(self) -> anyhow::Result<(Service, Forwarder, [String; 2])> {
        let turns = [&self.first, &self.second].map(|replica| replica.address().to_owned());
        self.balancer.turn_to(self.second.address());
        end(self.first).await?;
        Ok((self.second, self.balancer, turns))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_resume_at_the_other_replica_and_every_order_is_rewarded_once() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let attribution = Pair::start(&deployment, "attribution", &[]).await?;
    let mut upstream = vec![attribution.balancer.address().to_owned()];
    let orders = Pair::start(&deployment, "orders", &texts(&upstream)).await?;
    upstream.push(orders.balancer.address().to_owned());
    let journeys = Pair::start(&deployment, "journeys", &texts(&upstream)).await?;
    upstream.push(journeys.balancer.address().to_owned());
    let rewards = deployment.start("rewards", &texts(&upstream))?;

    let access = deployment.token_access(TENANT, story::SCOPES)?;
    let clients = |orders: &Service| {
        let [attribution, journeys] = [&attribution.second, &journeys.second].map(Service::address);
        deployment.clients(&[attribution, orders.address(), journeys, rewards.address()], TENANT, &access)
    };
    let clients = [clients(&orders.first)?, clients(&orders.second)?];
    story::prepare(&clients[1]).await?;
    let order = |n| story::order(&format!("o-{n}"), &format!("c{n}@shop.example"));
    let load = Load::start(4, &clients.each_ref().map(|clients| clients.orders.clone()), order)?;
    // what is rewarded has come through the first of each
    story::rewarded(&clients[1], 20).await?;
    let mut still_here = Vec::new();
    for pair in [attribution, orders, journeys] {
        let (second, balancer, turns) = pair.end_first().await?;
        load.further(50).await?;
        still_here.push((second, balancer, turns));
    }
    let recorded = load.stop().await?;
    rewarded_once(&clients[1], recorded).await?;
    for (_, balancer, turns) in &still_here {
        assert_eq!(balancer.turns(), turns);
    }
    Ok(())
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Holds that each of `recorded` orders has made one transition and one reward.
async fn rewarded_once(clients: &laurel::client::Clients, recorded: u64) -> anyhow::Result<()> {
    let orders = story::rewarded(clients, usize::try_from(recorded)?).await?;
    let distinct: HashSet<&String> = orders.iter().collect();
    assert_eq!(distinct.len(), orders.len(), "an order was rewarded twice");
    let ledger = clients.ledger.clone().verify_ledger(VerifyLedgerRequest {}).await?.into_inner();
    let count = i64::try_from(recorded)?;
    let VerifyLedgerResponse { balanced, rewards, transitions, .. } = ledger;
    assert_eq!((balanced, rewards, transitions), (true, count, count), "{:?}", ledger.differences);
    Ok(())
}
