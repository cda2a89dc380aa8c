//! An advocate, a referred contact, an order, and a reward.

use laurel::client::Clients;
use proto::attribution as a;
use proto::common::ContactRef;
use proto::google::r#type::Money;
use proto::{journeys, orders, rewards};
use tonic::metadata::MetadataValue;

/// Who buys: nothing of this may be seen outside of attribution's tables.
pub(crate) const EMAIL: &str = "zebulon.quux@example.com";
pub(crate) const FIRST_NAME: &str = "Zebulonius";
/// What the call authenticates with.
const CREDENTIAL: &str = "Bearer tok-5f1c7a9e0b";
pub(crate) const TOKEN: &str = "tok-5f1c7a9e0b";

/// The caller's own span.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
pub(crate) const CALLER: u64 = 0x00f0_67aa_0ba9_02b7;

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

/// Campaign, advocate with a shortcode, journey and program.
pub(crate) async fn prepare(clients: &Clients) -> anyhow::Result<()> {
    let mut clients = clients.clone();
    let segment = a::CreateSegmentRequest { segment_id: "fans".to_owned(), ..Default::default() };
    clients.segments.create_segment(segment).await?;
    let campaign = a::CreateCampaignRequest {
        campaign_id: "spring".to_owned(),
        name: "Spring".to_owned(),
        currency_code: "USD".to_owned(),
        segment_ids: vec!["fans".to_owned()],
        starts_at: Some(prost_types::Timestamp { seconds: 1_577_836_800, nanos: 0 }),
        ends_at: None,
    };
    clients.campaigns.create_campaign(campaign).await?;
    let advocate = ContactRef { email: "ann@example.com".to_owned(), ..Default::default() };
    let enroll = a::EnrollContactRequest {
        contact: Some(advocate.clone()),
        segment_ids: vec!["fans".to_owned()],
        occurred_at: None,
    };
    clients.contacts.enroll_contact(enroll).await?;
    let code = a::IssueShortcodeRequest {
        campaign_id: "spring".to_owned(),
        advocate: Some(advocate),
        shortcode: "ANN".to_owned(),
    };
    clients.codes.issue_shortcode(code).await?;
    let journey = journeys::ApplyJourneyRequest { definition: JOURNEY.to_owned(), base_version: 0 };
    clients.journeys.apply_journey(journey).await?;
    let program = rewards::ApplyProgramRequest { definition: PROGRAM.to_owned(), base_version: 0 };
    clients.programs.apply_program(program).await?;
    Ok(())
}

/// The order, with the context of the caller's trace and a credential.
pub(crate) fn order() -> tonic::Request<orders::RecordOrderRequest> {
    let order = orders::NewOrder {
        order_id: "o-1".to_owned(),
        customer: Some(ContactRef { email: EMAIL.to_owned(), ..Default::default() }),
        revenue: Some(Money { currency_code: "USD".to_owned(), units: 80, nanos: 0 }),
        campaign_id: "spring".to_owned(),
        evidence: Some(a::Evidence { shortcode: "ANN".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let mut request =
        tonic::Request::new(orders::RecordOrderRequest { order: Some(order), ..Default::default() });
    request.metadata_mut().insert("traceparent", MetadataValue::from_static(TRACEPARENT));
    request.metadata_mut().insert("authorization", MetadataValue::from_static(CREDENTIAL));
    request
}

/// What the referred contact is called.
pub(crate) fn name() -> a::UpsertContactRequest {
    a::UpsertContactRequest {
        email: EMAIL.to_owned(),
        first_name: FIRST_NAME.to_owned(),
        ..Default::default()
    }
}
