//! Records an order with a shortcode and waits for the reward, with the generated Rust clients.
//!
//! `record_order ADDRESS TENANT ORDER_ID SHORTCODE`; environment: `LAUREL_TOKEN`, where the services ask for one.

use anyhow::Context;
use laurel::client::Clients;
use proto::attribution::Evidence;
use proto::common::{ContactRef, StreamStart};
use proto::google::r#type::Money;
use proto::orders::{NewOrder, RecordOrderRequest};
use proto::rewards::WatchRewardEventsRequest;
use proto::rewards::reward_event::Fact;
use rpc::channel::{Access, Token, connect_as};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, tenant, order_id, shortcode] = &arguments[..] else {
        anyhow::bail!("usage: record_order ADDRESS TENANT ORDER_ID SHORTCODE");
    };
    let token = std::env::var("LAUREL_TOKEN").map_or(Ok(Token::None), |token| Token::fixed(&token))?;
    let access = Access { token, ..Access::default() };
    let tenant = tenant.parse().map_err(|e| anyhow::anyhow!("tenant {e}"))?;
    let mut clients = Clients::new(connect_as(address, &access)?, &tenant);

    let order = NewOrder {
        order_id: order_id.clone(),
        customer: Some(ContactRef { email: format!("{order_id}@shop.example"), ..Default::default() }),
        revenue: Some(Money { currency_code: "USD".to_owned(), units: 49, nanos: 990_000_000 }),
        campaign_id: "spring".to_owned(),
        evidence: Some(Evidence { shortcode: shortcode.clone(), ..Default::default() }),
        ..Default::default()
    };
    let request = RecordOrderRequest { order: Some(order), ..Default::default() };
    let recorded = clients.orders.record_order(request).await?.into_inner().order.context("no order")?;
    println!("order {}, advocate {}", recorded.order_id, recorded.advocate_id);

    let types = vec!["reward_created".to_owned()];
    let start = StreamStart::Beginning.into();
    let watch = WatchRewardEventsRequest { start, types, ..Default::default() };
    let mut events = clients.rewards.watch_reward_events(watch).await?.into_inner();
    while let Some(batch) = events.message().await? {
        for event in batch.events {
            let Some(Fact::RewardCreated(created)) = event.fact else { continue };
            let Some(reward) = created.reward.filter(|reward| reward.order_id == *order_id) else { continue };
            let amount = reward.amount.unwrap_or_default();
            println!("reward {} {} to {}", amount.units, amount.currency_code, reward.beneficiary_id);
            return Ok(());
        }
    }
    anyhow::bail!("the stream ended")
}
