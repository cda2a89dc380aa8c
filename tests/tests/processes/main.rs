//! The four services as processes of their own: the story through all of them, and one that ends under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use proto::common::ContactRef;
use proto::google::r#type::Money;
use proto::orders::order_service_client::OrderServiceClient;
use proto::orders::{ListOrdersRequest, NewOrder, RecordOrderRequest};
use rpc::channel::{Access, Token, connect_as};
use serde_json::Value;
use tests::process::{Deployment, SERVICES, Service};
use tests::{cdnow, program};
use tonic::Code;

const TENANT: &str = "test-cdnow";
const SCOPES: &str = "attribution.read attribution.write attribution.admin attribution.clock orders.read orders.write \
                      journeys.read journeys.admin rewards.read rewards.admin";

fn start_all(deployment: &Deployment) -> anyhow::Result<Vec<Service>> {
    let mut running = Vec::new();
    for service in SERVICES {
        let upstream: Vec<&Service> = running.iter().collect();
        let started = deployment.start(service, &upstream)?;
        running.push(started);
    }
    Ok(running)
}

#[tokio::test]
async fn the_story_on_four_processes_has_the_same_totals() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let running = start_all(&deployment)?;
    let addresses: Vec<String> =
        SERVICES.iter().zip(&running).map(|(name, service)| format!("{name}={}", service.url())).collect();
    let token = deployment.token(&["--tenant", TENANT, "--scope", SCOPES])?;
    let demo = program("laurel")?
        .args(["demo", "--json", "--address", &addresses.join(",")])
        .arg("--token")
        .arg(token)
        .output()?;
    assert!(demo.status.success(), "{}", String::from_utf8_lossy(&demo.stderr));
    let mut totals: Value = serde_json::from_slice(&demo.stdout)?;
    assert!(totals.as_object_mut().is_some_and(|totals| totals.remove("seconds").is_some()));
    assert_eq!(totals, cdnow::independent()?);
    for service in running.into_iter().rev() {
        service.terminate()?;
        assert!(service.ended()?.success());
    }
    Ok(())
}

/// A client with the retry policy of docs/clients.md: UNAVAILABLE is repeated unchanged. It needs no
/// back-off, since it turns to the other replica, which is there.
struct Client {
    replicas: Vec<OrderServiceClient<rpc::Channel>>,
}

impl Client {
    async fn record(&mut self, n: u64) -> Result<(), tonic::Status> {
        let customer = ContactRef { email: format!("c{n}@shop.example"), ..Default::default() };
        let order = NewOrder {
            order_id: format!("o-{n}"),
            customer: Some(customer),
            revenue: Some(Money { currency_code: "USD".to_owned(), units: 1, nanos: 0 }),
            ..Default::default()
        };
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

#[tokio::test]
async fn a_replica_that_ends_under_load_fails_no_call_of_a_client_that_retries() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let attribution = deployment.start("attribution", &[])?;
    let replicas =
        [deployment.start("orders", &[&attribution])?, deployment.start("orders", &[&attribution])?];
    let token = deployment.token(&["--tenant", TENANT, "--scope", "orders.write orders.read"])?;
    let access = Access { token: Token::fixed(&token)?, ..Access::default() };
    let connect =
        |service: &Service| anyhow::Ok(OrderServiceClient::new(connect_as(&service.url(), &access)?));
    let (next, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let clients = (0..16).map(|n| {
        let mut replicas: Vec<_> = replicas.iter().map(connect).collect::<Result<_, _>>()?;
        replicas.rotate_left(n % 2);
        let (next, stop) = (Arc::clone(&next), Arc::clone(&stop));
        anyhow::Ok(tokio::spawn(async move {
            let mut client = Client { replicas };
            while !stop.load(Ordering::Relaxed) {
                client.record(next.fetch_add(1, Ordering::Relaxed)).await?;
            }
            Ok::<_, tonic::Status>(())
        }))
    });
    let clients: Vec<_> = clients.collect::<Result<_, _>>()?;
    until(&next, 200).await?;
    let [first, second] = replicas;
    first.terminate()?;
    let ended = tokio::task::spawn_blocking(move || first.ended()).await??;
    assert!(ended.success(), "{ended:?}");
    let so_far = next.load(Ordering::Relaxed);
    until(&next, so_far + 200).await?;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await??;
    }
    let recorded = count(&mut connect(&second)?).await?;
    assert_eq!(recorded, next.load(Ordering::Relaxed), "every call recorded its order once");
    Ok(())
}

async fn until(counter: &AtomicU64, reached: u64) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        while counter.load(Ordering::Relaxed) < reached {
            tick.tick().await;
        }
    };
    Ok(tokio::time::timeout(Duration::from_mins(1), wait).await?)
}

async fn count(orders: &mut OrderServiceClient<rpc::Channel>) -> anyhow::Result<u64> {
    let (mut count, mut page_token) = (0, String::new());
    loop {
        let request = ListOrdersRequest { page_size: 1000, page_token, ..Default::default() };
        let page = orders.list_orders(request).await?.into_inner();
        count += page.orders.len() as u64;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(count);
        }
    }
}

#[tokio::test]
async fn a_service_says_in_one_line_what_is_wrong_with_its_settings() -> anyhow::Result<()> {
    let deployment = Deployment::new().await?;
    let wrong = [
        ("LAUREL_LISTEN", "0.0.0.0:0", "will not listen on 0.0.0.0:0 without authentication"),
        ("LAUREL_TLS_CERT", "/nowhere.pem", "LAUREL_TLS_CERT needs LAUREL_TLS_KEY beside it"),
        ("LAUREL_JWKS", "/nowhere.json", "LAUREL_JWKS needs LAUREL_ISSUER and LAUREL_AUDIENCE beside it"),
        ("LAUREL_DATABASE_URL_FILE", "/nowhere", "LAUREL_DATABASE_URL_FILE: cannot read /nowhere"),
        ("LAUREL_LISTNE", "127.0.0.1:0", "unknown field"),
    ];
    for (name, value, said) in wrong {
        let output = deployment.command("orders")?.env(name, value).output()?;
        assert!(!output.status.success(), "{name}");
        let text = String::from_utf8(output.stderr)?;
        assert!(text.contains(said), "{name}: {text}");
    }
    Ok(())
}
