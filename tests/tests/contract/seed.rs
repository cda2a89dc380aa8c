//! A tenant with at least three of everything, made by the public methods only.

use anyhow::Context;
use laurel::client::Clients;
use prost_types::Timestamp;
use proto::attribution as a;
use proto::attribution::visit_service_client::VisitServiceClient;
use proto::common::ContactRef;
use proto::google::r#type::Money;
use proto::journeys as j;
use proto::journeys::run_service_client::RunServiceClient;
use proto::orders as o;
use proto::orders::order_property_service_client::OrderPropertyServiceClient;
use proto::rewards as r;
use proto::rewards::reward_event::Fact;
use rpc::Channel;
use time::OffsetDateTime;
use time::macros::datetime;

use crate::world::{TENANT, World};

/// What the test clock shows when all begins.
const BEGIN: OffsetDateTime = datetime!(2025-01-01 0:00 UTC);

/// Journeys: one that everybody goes, one that refuses what the orders want of it, one that is entered by call only.
pub(crate) const JOURNEYS: [&str; 3] = [
    "journey: way
campaigns: [spring]
sequence: OPTIONAL
stages:
  - stage: lead
    enter_on: [{event: attribution.activated}]
  - stage: bought
    enter_on: [{event: order.recorded, when: order.revenue_minor > 0}]
",
    "journey: strict
campaigns: [spring]
sequence: REQUIRED
on_gap: REFUSE
stages:
  - stage: asked
  - stage: signed
    enter_on: [{event: order.recorded}]
",
    "journey: plain
campaigns: none
sequence: OPTIONAL
stages: [{stage: one}, {stage: two}]
",
];

/// The reward program of a campaign, in force from a date.
pub(crate) fn program(campaign: &str, from: &str) -> String {
    format!(
        "program: {campaign} of {from}
campaign: {campaign}
effective_from: {from}
rules:
  - {{key: held, journey: way, stage: bought, action: CREATE, beneficiary: ADVOCATE, amount: {{fixed: 10.00 USD}}, hold: 30d}}
  - {{key: share, journey: way, stage: bought, action: CREATE, beneficiary: CONTACT, amount: {{percent: 5%}}, approval: BY_HAND, fulfilment: BY_HAND}}
"
    )
}

/// Ids of what was made, newest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    pub(crate) contacts: Vec<String>,
    pub(crate) attributions: Vec<String>,
    pub(crate) runs: Vec<String>,
    pub(crate) transitions: Vec<String>,
    pub(crate) rewards: Vec<String>,
    /// Contacts that were erased.
    pub(crate) erased: Vec<String>,
}

/// Fills [`TENANT`].
pub(crate) async fn fill(world: &World) -> anyhow::Result<Ids> {
    fill_as(world, TENANT).await
}

/// Fills a tenant.
pub(crate) async fn fill_as(world: &World, tenant: &str) -> anyhow::Result<Ids> {
    let channel = world.channel_as(Some(&world.all_scopes_of(tenant)))?;
    let clients = Clients::new(channel.clone(), &tenant.parse().map_err(|e| anyhow::anyhow!("{e}"))?);
    begin(&clients).await?;
    definitions(&clients).await?;
    advocates(&clients).await?;
    visits(world, tenant).await?;
    attributions(&clients).await?;
    contact_properties(&clients).await?;
    properties(OrderPropertyServiceClient::new(channel.clone())).await?;
    let erased = vec![erased(&clients).await?];
    orders(&clients).await?;
    let mut runs = RunServiceClient::new(channel);
    settled(world, tenant).await?;
    let contacts = clients
        .contacts
        .clone()
        .list_contacts(a::ListContactsRequest::default())
        .await?
        .into_inner()
        .contacts;
    for contact in contacts.iter().take(3) {
        let (journey, stage, contact_id) = ("plain".to_owned(), "one".to_owned(), contact.contact_id.clone());
        runs.enter_stage(j::EnterStageRequest { journey, stage, contact_id, ..Default::default() }).await?;
    }
    let attributions =
        clients.attributions.clone().list_attributions(a::ListAttributionsRequest::default()).await?;
    let rewards = clients.rewards.clone().list_rewards(r::ListRewardsRequest::default()).await?;
    let transitions = runs.list_transitions(j::ListTransitionsRequest::default()).await?;
    let runs = runs.list_runs(j::ListRunsRequest::default()).await?;
    Ok(Ids {
        contacts: contacts.into_iter().map(|c| c.contact_id).collect(),
        attributions: attributions.into_inner().attributions.into_iter().map(|a| a.attribution_id).collect(),
        runs: runs.into_inner().runs.into_iter().map(|r| r.run_id).collect(),
        transitions: transitions.into_inner().transitions.into_iter().map(|t| t.transition_id).collect(),
        rewards: rewards.into_inner().rewards.into_iter().map(|r| r.reward_id).collect(),
        erased,
    })
}

#[expect(clippy::unnecessary_wraps, reason = "as the field has it")]
fn wire(at: OffsetDateTime) -> Option<Timestamp> {
    Some(rpc::fields::wire_time(at))
}

fn by_email(name: &str) -> ContactRef {
    ContactRef { email: format!("{name}@example.com"), ..Default::default() }
}

async fn begin(clients: &Clients) -> anyhow::Result<()> {
    clients.test_clock.clone().set_test_clock(a::SetTestClockRequest { now: wire(BEGIN) }).await?;
    for segment in ["advocates", "friends", "others"] {
        let request = a::CreateSegmentRequest { segment_id: segment.to_owned(), ..Default::default() };
        clients.segments.clone().create_segment(request).await?;
    }
    for campaign in ["spring", "summer", "autumn"] {
        let request = a::CreateCampaignRequest {
            campaign_id: campaign.to_owned(),
            currency_code: "USD".to_owned(),
            segment_ids: vec!["advocates".to_owned()],
            starts_at: wire(BEGIN),
            ..Default::default()
        };
        clients.campaigns.clone().create_campaign(request).await?;
    }
    Ok(())
}

async fn definitions(clients: &Clients) -> anyhow::Result<()> {
    // versions of the first, before that in force
    let earlier = ["first", "second"].map(|name| format!("{}name: {name}\n", JOURNEYS[0]));
    for definition in earlier.into_iter().chain(JOURNEYS.map(str::to_owned)) {
        let request = j::ApplyJourneyRequest { definition, base_version: 0 };
        clients.journeys.clone().apply_journey(request).await?;
    }
    for campaign in ["spring", "summer"] {
        for from in ["2025-01-01", "2098-01-01", "2099-01-01"] {
            let request = r::ApplyProgramRequest { definition: program(campaign, from), base_version: 0 };
            clients.programs.clone().apply_program(request).await?;
        }
    }
    Ok(())
}

async fn advocates(clients: &Clients) -> anyhow::Result<()> {
    for (name, shortcode) in [("ann", "ANN10"), ("bob", "BOB10"), ("cyd", "CYD10")] {
        let contact = Some(by_email(name));
        let segment_ids = vec!["advocates".to_owned()];
        let request = a::EnrollContactRequest { contact: contact.clone(), segment_ids, occurred_at: None };
        clients.contacts.clone().enroll_contact(request).await?;
        let (campaign_id, shortcode) = ("spring".to_owned(), shortcode.to_owned());
        let request = a::IssueShortcodeRequest { campaign_id, advocate: contact, shortcode };
        clients.codes.clone().issue_shortcode(request).await?;
    }
    Ok(())
}

async fn visits(world: &World, tenant: &str) -> anyhow::Result<()> {
    let channel = world.channel_as(Some(&world.all_scopes_of(tenant)))?;
    for shortcode in ["ANN10", "BOB10", "CYD10"] {
        let request = a::RecordVisitRequest {
            shortcode: shortcode.to_owned(),
            visitor_id: "b-1".to_owned(),
            occurred_at: wire(BEGIN),
            ..Default::default()
        };
        VisitServiceClient::new(channel.clone()).record_visit(request).await?;
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "as the field has it")]
fn evidence(shortcode: &str) -> Option<a::Evidence> {
    Some(a::Evidence { shortcode: shortcode.to_owned(), ..Default::default() })
}

async fn attributions(clients: &Clients) -> anyhow::Result<()> {
    for (name, shortcode) in [
        ("eve", "ANN10"),
        ("eve", "BOB10"),
        ("fay", "BOB10"),
        ("gus", "CYD10"),
        ("hal", "NOBODY"),
        ("ann", "ANN10"),
    ] {
        let attempt = a::Attempt {
            contact: Some(by_email(name)),
            campaign_id: "spring".to_owned(),
            evidence: evidence(shortcode),
            source: "web".to_owned(),
            ..Default::default()
        };
        let request = a::RecordAttributionRequest { attempt: Some(attempt), ..Default::default() };
        clients.attributions.clone().record_attribution(request).await?;
    }
    Ok(())
}

async fn contact_properties(clients: &Clients) -> anyhow::Result<()> {
    for name in ["plan", "seats", "size"] {
        let kind = a::ContactPropertyType::String.into();
        let request =
            a::CreateContactPropertyRequest { name: name.to_owned(), r#type: kind, ..Default::default() };
        clients.contact_properties.clone().create_contact_property(request).await?;
    }
    Ok(())
}

async fn properties(mut client: OrderPropertyServiceClient<Channel>) -> anyhow::Result<()> {
    for name in ["color", "size", "weight"] {
        let kind = o::OrderPropertyType::String.into();
        let request =
            o::CreateOrderPropertyRequest { name: name.to_owned(), r#type: kind, ..Default::default() };
        client.create_order_property(request).await?;
    }
    Ok(())
}

async fn orders(clients: &Clients) -> anyhow::Result<()> {
    for (order_id, name) in [("o-1", "eve"), ("o-2", "fay"), ("o-3", "gus"), ("o-4", "ida")] {
        let order = o::NewOrder {
            order_id: order_id.to_owned(),
            customer: Some(by_email(name)),
            revenue: Some(Money { currency_code: "USD".to_owned(), units: 100, nanos: 0 }),
            campaign_id: "spring".to_owned(),
            evidence: evidence("ANN10"),
            ..Default::default()
        };
        let request = o::RecordOrderRequest { order: Some(order), ..Default::default() };
        clients.orders.clone().record_order(request).await?;
    }
    for refund_id in ["r-1", "r-2"] {
        let amount = Some(Money { currency_code: "USD".to_owned(), units: 1, nanos: 0 });
        let (order_id, refund_id) = ("o-1".to_owned(), refund_id.to_owned());
        let request = o::RefundOrderRequest { order_id, refund_id, amount, ..Default::default() };
        clients.orders.clone().refund_order(request).await?;
    }
    changes(clients).await?;
    let options = o::ImportOrdersOptions { import_id: "text".to_owned(), ..Default::default() };
    // nothing comes of it but a row of its report
    let file = b"order_id,email,revenue,currency\no-9,nobody,1,USD\n".to_vec();
    let import = o::ImportOrdersRequest { options: Some(options), chunk: file };
    let mut answers = clients.orders.clone().import_orders(tokio_stream::iter([import])).await?.into_inner();
    while answers.message().await?.is_some() {}
    // so that there is an end to wait for, and runs have stood for a day
    let seconds = 25 * 3600;
    let request = a::AdvanceTestClockRequest { seconds, request_id: "seeded".to_owned() };
    clients.test_clock.clone().advance_test_clock(request).await?;
    Ok(())
}

/// A contact that is erased in all services: its id.
async fn erased(clients: &Clients) -> anyhow::Result<String> {
    let contact = Some(ContactRef { uid: "zoe".to_owned(), ..Default::default() });
    let request = a::UpsertContactRequest { uid: "zoe".to_owned(), ..Default::default() };
    clients.contacts.clone().upsert_contact(request).await?;
    let request = a::EraseContactRequest { contact, ..Default::default() };
    let begun = clients.erasures.attribution.clone().erase_contact(request).await?.into_inner();
    let contact_id = begun.erasure.context("a receipt")?.contact_id;
    let types = vec!["contact_erased".to_owned()];
    let request = r::WatchRewardEventsRequest { types, ..Default::default() };
    let mut events = clients.rewards.clone().watch_reward_events(request).await?.into_inner();
    while let Some(message) = events.message().await? {
        let is_it = |event: &r::RewardEvent| matches!(&event.fact, Some(Fact::ContactErased(erased)) if erased.contact_id == contact_id);
        if message.events.iter().any(is_it) {
            return Ok(contact_id);
        }
    }
    Err(anyhow::anyhow!("the stream ended")).context("rewards")
}

/// What people do to a contact and an attribution, which are in the end as they were.
async fn changes(clients: &Clients) -> anyhow::Result<()> {
    for status in [a::ContactStatus::Unsubscribed, a::ContactStatus::Banned, a::ContactStatus::Prospect] {
        let contact = Some(by_email("eve"));
        let request = a::UpdateContactStatusRequest { contact, status: status.into(), ..Default::default() };
        clients.contacts.clone().update_contact_status(request).await?;
    }
    let mut attributions = clients.attributions.clone();
    let page = attributions.list_attributions(a::ListAttributionsRequest::default()).await?.into_inner();
    let newest = page.attributions.first().context("attributions")?;
    let attribution_id = newest.attribution_id.clone();
    let request =
        a::DeactivateAttributionRequest { attribution_id: attribution_id.clone(), ..Default::default() };
    attributions.deactivate_attribution(request).await?;
    let request = a::ActivateAttributionRequest { attribution_id, ..Default::default() };
    attributions.activate_attribution(request).await?;
    Ok(())
}

/// Waits until all that is due at the tenant's time is carried through in all services (M4).
pub(crate) async fn settled(world: &World, tenant: &str) -> anyhow::Result<()> {
    let clients = Clients::new(
        world.channel_as(Some(&world.all_scopes_of(tenant)))?,
        &tenant.parse().map_err(|e| anyhow::anyhow!("{e}"))?,
    );
    let clock = clients.test_clock.clone().get_test_clock(a::GetTestClockRequest {}).await?.into_inner().now;
    let request = r::WatchRewardEventsRequest { types: vec!["clock_moved".to_owned()], ..Default::default() };
    let mut events = clients.rewards.clone().watch_reward_events(request).await?.into_inner();
    while let Some(message) = events.message().await? {
        for event in message.events {
            if matches!(event.fact, Some(Fact::ClockMoved(moved)) if moved.to == clock) {
                return Ok(());
            }
        }
    }
    Err(anyhow::anyhow!("the stream ended")).context("rewards")
}
