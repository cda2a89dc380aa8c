//! An advocate with a shortcode, orders of those who heard of it, and a reward for each.

use anyhow::Context;
use laurel::client::Clients;
use proto::attribution as a;
use proto::common::ContactRef;
use proto::google::r#type::Money;
use proto::journeys::ApplyJourneyRequest;
use proto::orders::NewOrder;
use proto::rewards::{ApplyProgramRequest, RewardEvent, WatchRewardEventsRequest, reward_event};
use tokio::time::timeout;

use crate::PATIENCE;

/// What the story needs of a user who tells it, and then looks what came of it.
pub const SCOPES: &str = "attribution.write attribution.admin orders.read orders.write journeys.read journeys.admin \
                          rewards.read rewards.admin";

const JOURNEY: &str = "\
journey: lifecycle
name: Purchases
sequence: OPTIONAL
campaigns: [spring]
stages:
  - stage: bought
    name: Bought
    enter_on:
      - event: order.recorded
";
const PROGRAM: &str = "\
program: Spring
campaign: spring
effective_from: 2020-01-01
rules:
  - {key: advocate, journey: lifecycle, stage: bought, action: CREATE, beneficiary: ADVOCATE,
     amount: {fixed: 10.00 USD}, hold: 30d, fulfilment: ON_APPROVAL}
";

fn contact(email: &str) -> ContactRef {
    ContactRef { email: email.to_owned(), ..Default::default() }
}

/// Campaign, advocate with a shortcode, journey and program.
pub async fn prepare(clients: &Clients) -> anyhow::Result<()> {
    let mut clients = clients.clone();
    let segment_ids = vec!["fans".to_owned()];
    let segment = a::CreateSegmentRequest { segment_id: "fans".to_owned(), ..Default::default() };
    clients.segments.create_segment(segment).await?;
    let campaign = a::CreateCampaignRequest {
        campaign_id: "spring".to_owned(),
        currency_code: "USD".to_owned(),
        segment_ids: segment_ids.clone(),
        ..Default::default()
    };
    clients.campaigns.create_campaign(campaign).await?;
    let advocate = contact("ann@example.com");
    let enroll =
        a::EnrollContactRequest { contact: Some(advocate.clone()), segment_ids, ..Default::default() };
    clients.contacts.enroll_contact(enroll).await?;
    let code = a::IssueShortcodeRequest {
        campaign_id: "spring".to_owned(),
        advocate: Some(advocate),
        shortcode: "ANN10".to_owned(),
    };
    clients.codes.issue_shortcode(code).await?;
    let journey = ApplyJourneyRequest { definition: JOURNEY.to_owned(), ..Default::default() };
    clients.journeys.apply_journey(journey).await?;
    let program = ApplyProgramRequest { definition: PROGRAM.to_owned(), ..Default::default() };
    clients.programs.apply_program(program).await?;
    Ok(())
}

/// An order of a customer who has the advocate's shortcode.
pub fn order(id: &str, email: &str) -> NewOrder {
    NewOrder {
        order_id: id.to_owned(),
        customer: Some(contact(email)),
        revenue: Some(Money { currency_code: "USD".to_owned(), units: 80, nanos: 0 }),
        campaign_id: "spring".to_owned(),
        evidence: Some(a::Evidence { shortcode: "ANN10".to_owned(), ..Default::default() }),
        ..Default::default()
    }
}

/// Waits for `count` rewards: the orders that they were created for, in this order.
pub async fn rewarded(clients: &Clients, count: usize) -> anyhow::Result<Vec<String>> {
    let types = vec!["reward_created".to_owned()];
    let request = WatchRewardEventsRequest { types, ..Default::default() };
    let mut watch = clients.clone().rewards.watch_reward_events(request).await?.into_inner();
    let mut orders = Vec::new();
    let read = async {
        while orders.len() < count {
            let message = watch.message().await?.context("the watch ended")?;
            orders.extend(message.events.into_iter().filter_map(order_of));
        }
        anyhow::Ok(())
    };
    let read = timeout(PATIENCE, read).await;
    read.with_context(|| format!("{} of {count} rewards in time", orders.len()))??;
    Ok(orders)
}

fn order_of(event: RewardEvent) -> Option<String> {
    match event.fact? {
        reward_event::Fact::RewardCreated(created) => Some(created.reward?.order_id),
        _ => None,
    }
}
