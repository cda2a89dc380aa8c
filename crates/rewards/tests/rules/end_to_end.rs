//! All four services in one process: an order with a shortcode, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use proto::attribution as a;
use proto::common::ContactRef;
use proto::rewards as wire;
use proto::rewards::reward_event::Fact;
use rpc::Channel;
use rpc::fields::wire_time;
use rpc::server::ServiceRoutes;
use runtime::Lifecycle;
use testkit::Sandbox;
use time::macros::datetime;
use types::{ManualClock, Timestamp};

use crate::common::{NOW, SANDBOX, money, money_text};

const START: Timestamp = datetime!(2026-01-01 0:00 UTC);
const JOURNEY: &str = "\
journey: lifecycle
name: First and later purchases
sequence: OPTIONAL
campaigns: [spring]
stages:
  - stage: first
    name: First purchase
    repeatable: false
    enter_on:
      - event: order.recorded
        when: '!(\"first\" in run.stages)'
  - stage: repeat
    name: Repeat purchase
    enter_on:
      - event: order.recorded
        when: '\"first\" in run.stages'
";
const PROGRAM: &str = "\
program: Spring
campaign: spring
effective_from: 2026-01-01
rules:
  - {key: advocate-first, journey: lifecycle, stage: first, action: CREATE, beneficiary: ADVOCATE,
     amount: {fixed: 10.00 USD}, when: order.revenue_minor > 0, hold: 30d, fulfilment: ON_APPROVAL}
  - {key: referred-first, journey: lifecycle, stage: first, action: CREATE, beneficiary: REFERRED_CONTACT,
     amount: {fixed: 5.00 USD}, when: order.revenue_minor > 0, hold: 30d, fulfilment: ON_APPROVAL}
  - {key: advocate-repeat, journey: lifecycle, stage: repeat, action: CREATE, beneficiary: ADVOCATE,
     amount: {percent: 5%, ceiling: 25.00 USD}, when: order.revenue_minor > 0, hold: 30d, fulfilment: ON_APPROVAL}
";

/// Channels to the four services, as one tenant.
struct Stack {
    attribution: Channel,
    orders: Channel,
    journeys: Channel,
    rewards: Channel,
    lifecycle: Lifecycle,
}

impl Stack {
    async fn start() -> Self {
        let parts = [
            (attribution::SCHEMA, attribution::MIGRATIONS),
            (orders::SCHEMA, orders::MIGRATIONS),
            (journeys::SCHEMA, journeys::MIGRATIONS),
            (rewards::SCHEMA, rewards::MIGRATIONS),
        ];
        let sandbox = Sandbox::new(&parts).await.unwrap();
        let lifecycle = Lifecycle::default();
        let clock: Arc<dyn types::Clock> = Arc::new(ManualClock::at(NOW));
        let db = async |schema| sandbox.database(schema).await.unwrap();
        let attribution =
            attribution::start(db(attribution::SCHEMA).await, Arc::clone(&clock), &lifecycle).await.unwrap();
        let upstream = orders::Upstream { attribution: attribution.channel() };
        let settings = orders::Settings::default();
        let orders =
            orders::start(db(orders::SCHEMA).await, Arc::clone(&clock), &lifecycle, upstream, settings)
                .await
                .unwrap();
        let upstream = journeys::Upstream { attribution: attribution.channel(), orders: orders.channel() };
        let journeys = journeys::start(db(journeys::SCHEMA).await, Arc::clone(&clock), &lifecycle, upstream)
            .await
            .unwrap();
        let upstream = rewards::Upstream { journeys: journeys.channel() };
        let rewards = rewards::start(db(rewards::SCHEMA).await, clock, &lifecycle, upstream).await.unwrap();
        let tenant = SANDBOX.parse().unwrap();
        let channel = |routes: &ServiceRoutes| rpc::channel::for_tenant(routes.channel(), &tenant);
        Self {
            attribution: channel(&attribution),
            orders: channel(&orders),
            journeys: channel(&journeys),
            rewards: channel(&rewards),
            lifecycle,
        }
    }

    async fn set_clock(&self, to: Timestamp) {
        let request = a::SetTestClockRequest { now: Some(wire_time(to)) };
        let mut client = a::test_clock_service_client::TestClockServiceClient::new(self.attribution.clone());
        client.set_test_clock(request).await.unwrap();
    }

    /// Campaign, advocate `ann` with the shortcode ANN, journey and program.
    async fn prepare(&self) {
        let channel = || self.attribution.clone();
        let segment = a::CreateSegmentRequest {
            segment_id: "fans".to_owned(),
            name: "Fans".to_owned(),
            ..Default::default()
        };
        a::segment_service_client::SegmentServiceClient::new(channel())
            .create_segment(segment)
            .await
            .unwrap();
        let campaign = a::CreateCampaignRequest {
            campaign_id: "spring".to_owned(),
            name: "Spring".to_owned(),
            currency_code: "USD".to_owned(),
            segment_ids: vec!["fans".to_owned()],
            starts_at: Some(wire_time(START)),
            ..Default::default()
        };
        a::campaign_service_client::CampaignServiceClient::new(channel())
            .create_campaign(campaign)
            .await
            .unwrap();
        let advocate = ContactRef { email: "ann@example.com".to_owned(), ..Default::default() };
        let enroll = a::EnrollContactRequest {
            contact: Some(advocate.clone()),
            segment_ids: vec!["fans".to_owned()],
            occurred_at: None,
        };
        a::contact_service_client::ContactServiceClient::new(channel()).enroll_contact(enroll).await.unwrap();
        let code = a::IssueShortcodeRequest {
            campaign_id: "spring".to_owned(),
            advocate: Some(advocate),
            shortcode: "ANN".to_owned(),
        };
        a::code_service_client::CodeServiceClient::new(channel()).issue_shortcode(code).await.unwrap();
        let journey =
            proto::journeys::ApplyJourneyRequest { definition: JOURNEY.to_owned(), base_version: 0 };
        proto::journeys::journey_service_client::JourneyServiceClient::new(self.journeys.clone())
            .apply_journey(journey)
            .await
            .unwrap();
        let program = wire::ApplyProgramRequest { definition: PROGRAM.to_owned(), base_version: 0 };
        wire::program_service_client::ProgramServiceClient::new(self.rewards.clone())
            .apply_program(program)
            .await
            .unwrap();
    }

    async fn order(&self, order_id: &str, email: &str, revenue: &str, shortcode: &str) {
        let evidence = a::Evidence { shortcode: shortcode.to_owned(), ..Default::default() };
        let order = proto::orders::NewOrder {
            order_id: order_id.to_owned(),
            customer: Some(ContactRef { email: email.to_owned(), ..Default::default() }),
            revenue: Some(money(revenue)),
            campaign_id: "spring".to_owned(),
            evidence: (!shortcode.is_empty()).then_some(evidence),
            occurred_at: Some(wire_time(START + time::Duration::hours(12))),
            ..Default::default()
        };
        let request = proto::orders::RecordOrderRequest { order: Some(order), ..Default::default() };
        proto::orders::order_service_client::OrderServiceClient::new(self.orders.clone())
            .record_order(request)
            .await
            .unwrap();
    }

    /// Gives back a part of an order's revenue, or without one all that is left.
    async fn give_back(&self, order_id: &str, amount: Option<&str>) {
        let order_id = order_id.to_owned();
        let mut client = proto::orders::order_service_client::OrderServiceClient::new(self.orders.clone());
        if let Some(amount) = amount {
            let refund = proto::orders::RefundOrderRequest {
                order_id,
                refund_id: "r-1".to_owned(),
                amount: Some(money(amount)),
                ..Default::default()
            };
            client.refund_order(refund).await.unwrap();
        } else {
            let cancel = proto::orders::CancelOrderRequest { order_id, ..Default::default() };
            client.cancel_order(cancel).await.unwrap();
        }
    }

    /// Reads the reward stream until the clock's move to `to` is on it.
    async fn until_clock(&self, to: Timestamp) {
        let mut client = wire::reward_service_client::RewardServiceClient::new(self.rewards.clone());
        let request = wire::WatchRewardEventsRequest::default();
        let mut watch = client.watch_reward_events(request).await.unwrap().into_inner();
        let moved = |event: &wire::RewardEvent| matches!(&event.fact, Some(Fact::ClockMoved(moved)) if moved.to == Some(wire_time(to)));
        let read = async { while !watch.message().await.unwrap().unwrap().events.iter().any(moved) {} };
        tokio::time::timeout(Duration::from_secs(30), read)
            .await
            .expect("the clock moves through all services");
    }
}

#[tokio::test]
async fn m4_an_order_with_a_shortcode_ends_as_account_credit_when_the_clock_has_moved() {
    let stack = Stack::start().await;
    stack.set_clock(START).await;
    stack.prepare().await;
    stack.order("o-1", "bob@example.com", "80.00 USD", "ANN").await;
    stack.order("o-2", "bob@example.com", "60.50 USD", "").await;
    stack.order("o-3", "eve@example.com", "10.00 USD", "").await;
    let end = START + time::Duration::days(60);
    stack.set_clock(end).await;
    stack.until_clock(end).await;

    let mut rewards = wire::reward_service_client::RewardServiceClient::new(stack.rewards.clone());
    let listed =
        rewards.list_rewards(wire::ListRewardsRequest::default()).await.unwrap().into_inner().rewards;
    let mut made: Vec<_> = listed
        .iter()
        .map(|r| (r.rule.clone(), money_text(r.amount.as_ref()), r.state(), r.order_id.clone()))
        .collect();
    made.sort();
    let fulfilled = wire::RewardState::Fulfilled;
    let reward = |rule: &str, amount: &str, order: &str| {
        (rule.to_owned(), amount.to_owned(), fulfilled, order.to_owned())
    };
    let expected = [
        reward("advocate-first", "10.00 USD", "o-1"),
        // 5 % of 60.50 is 3.025, rounded half to even
        reward("advocate-repeat", "3.02 USD", "o-2"),
        reward("referred-first", "5.00 USD", "o-1"),
    ];
    assert_eq!(made, expected);

    // eve was referred by nobody
    let request = wire::ExplainRewardRequest { order_id: "o-3".to_owned(), ..Default::default() };
    let told = rewards.explain_reward(request).await.unwrap().into_inner();
    assert_eq!((told.decisions.len(), told.rewards.len()), (2, 0));
    assert!(told.decisions.iter().all(|d| d.outcome() == wire::DecisionOutcome::NoAttribution));

    let mut ledger = wire::ledger_service_client::LedgerServiceClient::new(stack.rewards.clone());
    let report = ledger.verify_ledger(wire::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.balanced, "{report:?}");
    assert_eq!((report.decisions, report.rewards, report.postings, report.transitions), (5, 3, 9, 3));
    stack.lifecycle.shut_down();
}

#[tokio::test]
async fn r9_an_order_is_refunded_before_and_after_its_rewards_are_paid() {
    let stack = Stack::start().await;
    stack.set_clock(START).await;
    stack.prepare().await;
    stack.order("o-1", "bob@example.com", "80.00 USD", "ANN").await;
    stack.order("o-2", "bob@example.com", "60.50 USD", "").await;
    stack.give_back("o-2", Some("30.25 USD")).await;
    let paid = START + time::Duration::days(60);
    stack.set_clock(paid).await;
    stack.until_clock(paid).await;
    stack.give_back("o-1", None).await;
    stack.order("o-3", "bob@example.com", "100.00 USD", "").await;
    let end = paid + time::Duration::days(60);
    stack.set_clock(end).await;
    stack.until_clock(end).await;

    let mut rewards = wire::reward_service_client::RewardServiceClient::new(stack.rewards.clone());
    let listed =
        rewards.list_rewards(wire::ListRewardsRequest::default()).await.unwrap().into_inner().rewards;
    let mut made: Vec<_> = listed
        .iter()
        .map(|r| (r.order_id.as_str(), r.rule.as_str(), money_text(r.amount.as_ref()), r.state()))
        .collect();
    made.sort();
    let (fulfilled, reversed) = (wire::RewardState::Fulfilled, wire::RewardState::Reversed);
    let expected = [
        ("o-1", "advocate-first", "0.00 USD".to_owned(), reversed),
        ("o-1", "referred-first", "0.00 USD".to_owned(), reversed),
        ("o-2", "advocate-repeat", "1.51 USD".to_owned(), fulfilled),
        ("o-3", "advocate-repeat", "5.00 USD".to_owned(), fulfilled),
    ];
    assert_eq!(made, expected);

    // ann was paid 10.00 for o-1, and the 5.00 of o-3 went against that; bob owes his 5.00
    let mut ledger = wire::ledger_service_client::LedgerServiceClient::new(stack.rewards.clone());
    let balances =
        ledger.get_balance(wire::GetBalanceRequest::default()).await.unwrap().into_inner().balances;
    let of =
        |account| balances.iter().find(|b| b.account() == account).map(|b| money_text(b.amount.as_ref()));
    let (owed, paid) = (of(wire::Account::Receivable), of(wire::Account::Paid));
    assert_eq!((owed.as_deref(), paid.as_deref()), (Some("-10.00 USD"), Some("16.51 USD")));
    let report = ledger.verify_ledger(wire::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.balanced, "{report:?}");
    stack.lifecycle.shut_down();
}
