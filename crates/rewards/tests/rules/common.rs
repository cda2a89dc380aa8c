//! A rewards service on real Postgres, behind a real journeys service whose stream the test writes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use pg::Database;
use proto::journeys::journey_event::Fact;
use proto::journeys::{ClockMoved, JourneyEvent, OrderContext, StageEntered, Transition, TransitionCause};
use proto::rewards as wire;
use proto::rewards::ledger_service_client::LedgerServiceClient;
use proto::rewards::program_service_client::ProgramServiceClient;
use proto::rewards::reward_event::Fact as RewardFact;
use proto::rewards::reward_service_client::RewardServiceClient;
use rpc::Channel;
use rpc::fields::{wire_money, wire_time};
use rpc::server::ServiceRoutes;
use runtime::Lifecycle;
use testkit::Sandbox;
use time::macros::datetime;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use types::{ManualClock, Money, Timestamp};
use uuid::Uuid;

/// What the real clock shows when a test begins.
pub(crate) const NOW: Timestamp = datetime!(2026-03-01 12:00 UTC);
/// The tenant of most tests; not a sandbox.
pub(crate) const TENANT: &str = "acme";
/// A sandbox.
pub(crate) const SANDBOX: &str = "test-acme";

/// All that a test needs.
pub(crate) struct World {
    /// The database of this test.
    pub(crate) sandbox: Sandbox,
    /// The schema under test.
    pub(crate) db: Database,
    /// The schema whose stream is followed.
    pub(crate) journeys_db: Database,
    /// The real clock.
    pub(crate) clock: ManualClock,
    /// Journeys, as the service under test sees it.
    pub(crate) journeys: Channel,
    /// The service under test.
    pub(crate) routes: ServiceRoutes,
    lifecycle: Lifecycle,
}

impl World {
    /// A service that follows an empty stream.
    pub(crate) async fn new() -> Self {
        let sandbox =
            Sandbox::new(&[(journeys::SCHEMA, journeys::MIGRATIONS), (rewards::SCHEMA, rewards::MIGRATIONS)])
                .await
                .unwrap();
        let clock = ManualClock::at(NOW);
        let lifecycle = Lifecycle::default();
        let db = sandbox.database(rewards::SCHEMA).await.unwrap();
        let journeys_db = sandbox.database(journeys::SCHEMA).await.unwrap();
        // nothing comes from further up: the test writes the stream of journeys itself
        let nobody = ServiceRoutes::default().channel();
        let upstream = journeys::Upstream { attribution: nobody.clone(), orders: nobody };
        let upstream = journeys::start(journeys_db.clone(), Arc::new(clock.clone()), &lifecycle, upstream)
            .await
            .unwrap();
        let journeys = upstream.channel();
        let routes = start(&db, &clock, &lifecycle, &journeys).await;
        Self { sandbox, db, journeys_db, clock, journeys, routes, lifecycle }
    }

    /// The programs of a tenant.
    pub(crate) fn programs(&self, tenant: &str) -> ProgramServiceClient<Channel> {
        ProgramServiceClient::new(self.channel(tenant))
    }

    /// The rewards of a tenant.
    pub(crate) fn rewards(&self, tenant: &str) -> RewardServiceClient<Channel> {
        RewardServiceClient::new(self.channel(tenant))
    }

    /// The ledger of a tenant.
    pub(crate) fn ledger(&self, tenant: &str) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel(tenant))
    }

    fn channel(&self, tenant: &str) -> Channel {
        rpc::channel::for_tenant(self.routes.channel(), &tenant.parse().unwrap())
    }

    /// Applies a program of the tenant's campaign `spring`, effective from the beginning of 2026.
    pub(crate) async fn apply(&self, tenant: &str, rules: &str) -> wire::Program {
        let definition =
            format!("program: Spring\ncampaign: spring\neffective_from: 2026-01-01\nrules:\n{rules}");
        let request = wire::ApplyProgramRequest { definition, base_version: 0 };
        self.programs(tenant).apply_program(request).await.unwrap().into_inner().program.unwrap()
    }

    /// Puts events on the stream of journeys, in their order.
    pub(crate) async fn publish(&self, events: &[JourneyEvent]) {
        let mut tx = self.journeys_db.write().await.unwrap();
        outbox::append(&mut tx, pg::Inserts::default(), events).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Waits until the stream is applied to its end.
    pub(crate) async fn settle(&self) {
        let head: Option<i64> = sqlx::query_scalar("SELECT max(position) FROM events")
            .fetch_one(self.journeys_db.read())
            .await
            .unwrap();
        self.until(async || {
            let stored = outbox::subscription::stored(&self.db, "rewards.journeys").await.unwrap();
            stored.is_some_and(|stored| stored.position >= head.unwrap_or(0))
        })
        .await;
    }

    /// Publishes and waits.
    pub(crate) async fn bring(&self, events: &[JourneyEvent]) {
        self.publish(events).await;
        self.settle().await;
    }

    /// Waits until `holds`, looking again after each commit.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, holds: impl Fn() -> F) {
        let mut commits = self.db.commits();
        let wait = async {
            loop {
                commits.mark_unchanged();
                if holds().await {
                    return;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), commits.changed()).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it never came to be");
    }

    /// All rewards of a tenant, oldest first.
    pub(crate) async fn all(&self, tenant: &str) -> Vec<wire::Reward> {
        let request = wire::ListRewardsRequest { page_size: 1000, ..Default::default() };
        let mut rewards = self.rewards(tenant).list_rewards(request).await.unwrap().into_inner().rewards;
        rewards.reverse();
        rewards
    }

    /// All decisions of a tenant, oldest first.
    pub(crate) async fn decisions(&self, tenant: &str) -> Vec<wire::Decision> {
        let request = wire::ListDecisionsRequest { page_size: 1000, ..Default::default() };
        let mut list = self.rewards(tenant).list_decisions(request).await.unwrap().into_inner().decisions;
        list.reverse();
        list
    }

    /// The outcomes of all decisions of a tenant, oldest first.
    pub(crate) async fn outcomes(&self, tenant: &str) -> Vec<wire::DecisionOutcome> {
        self.decisions(tenant).await.iter().map(wire::Decision::outcome).collect()
    }

    /// Waits until all rewards of a tenant are in `state`.
    pub(crate) async fn until_all(&self, tenant: &str, state: wire::RewardState) {
        self.until(async || {
            let all = self.all(tenant).await;
            !all.is_empty() && all.iter().all(|reward| reward.state() == state)
        })
        .await;
    }

    /// What verification finds.
    pub(crate) async fn verify(&self, tenant: &str) -> wire::VerifyLedgerResponse {
        self.ledger(tenant).verify_ledger(wire::VerifyLedgerRequest {}).await.unwrap().into_inner()
    }

    /// Balances of a tenant as `account amount` texts, of one contact if given.
    pub(crate) async fn balances(&self, tenant: &str, beneficiary_id: &str) -> Vec<String> {
        let request = wire::GetBalanceRequest { beneficiary_id: beneficiary_id.to_owned() };
        let balances = self.ledger(tenant).get_balance(request).await.unwrap().into_inner().balances;
        let text = |balance: wire::Balance| {
            let name = balance.account().as_str_name().trim_start_matches("ACCOUNT_").to_lowercase();
            format!("{name} {}", money_text(balance.amount.as_ref()))
        };
        balances.into_iter().map(text).collect()
    }

    /// A change that no service makes.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        let mut admin = self.sandbox.admin().await.unwrap();
        let changed = sqlx::query(sql).execute(&mut admin).await.unwrap().rows_affected();
        assert!(changed > 0 || sql.starts_with("TRUNC"), "{sql}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.lifecycle.shut_down();
    }
}

async fn start(
    db: &Database,
    clock: &ManualClock,
    lifecycle: &Lifecycle,
    journeys: &Channel,
) -> ServiceRoutes {
    let upstream = rewards::Upstream { journeys: journeys.clone() };
    rewards::start(db.clone(), Arc::new(clock.clone()), lifecycle, upstream).await.unwrap()
}

/// A transition to be put on the stream; the defaults are an attributed order of 100.00 USD now.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    tenant: String,
    event_id: Uuid,
    transition: Transition,
}

/// An id that orders by `n`, so that lists are in the order of the stream.
pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// The contact whose runs these are.
pub(crate) const CONTACT: Uuid = Uuid::from_u128(0xC0);
/// The advocate.
pub(crate) const ADVOCATE: Uuid = Uuid::from_u128(0xAD);

/// Transition `n` of a tenant, into `stage`.
pub(crate) fn enters(tenant: &str, n: u128, stage: &str) -> Entry {
    let order = OrderContext {
        order_id: format!("o-{n}"),
        source: "shop".to_owned(),
        revenue: Some(money("100.00 USD")),
        refunded: Some(money("0.00 USD")),
        occurred_at: Some(wire_time(NOW)),
        ..Default::default()
    };
    let transition = Transition {
        transition_id: id(n).to_string(),
        run_id: id(0xF0).to_string(),
        journey: "lifecycle".to_owned(),
        journey_version: 1,
        campaign_id: "spring".to_owned(),
        contact_id: CONTACT.to_string(),
        advocate_id: ADVOCATE.to_string(),
        attribution_id: id(0xA0).to_string(),
        to_stage: stage.to_owned(),
        occurrence_key: format!("o-{n}"),
        cause: TransitionCause::Trigger.into(),
        order: Some(order),
        occurred_at: Some(wire_time(NOW)),
        number: 1,
        ..Default::default()
    };
    Entry { tenant: tenant.to_owned(), event_id: id(0xE000_0000 + n), transition }
}

impl Entry {
    /// When it happened.
    pub(crate) fn at(mut self, at: Timestamp) -> Self {
        self.transition.occurred_at = Some(wire_time(at));
        self
    }

    /// The order's revenue.
    pub(crate) fn revenue(mut self, revenue: &str) -> Self {
        if let Some(order) = &mut self.transition.order {
            order.revenue = Some(money(revenue));
            order.refunded = Some(money(&format!("0 {}", revenue.split_once(' ').unwrap().1)));
        }
        self
    }

    /// Anything else.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Transition)) -> Self {
        change(&mut self.transition);
        self
    }

    /// The event.
    pub(crate) fn event(&self) -> JourneyEvent {
        JourneyEvent {
            event_id: self.event_id.to_string(),
            tenant_id: self.tenant.clone(),
            occurred_at: self.transition.occurred_at,
            recorded_at: Some(wire_time(NOW)),
            fact: Some(Fact::StageEntered(StageEntered { transition: Some(self.transition.clone()) })),
            ..Default::default()
        }
    }
}

/// A move of a tenant's test clock.
pub(crate) fn clock_moved(tenant: &str, to: Timestamp) -> JourneyEvent {
    JourneyEvent {
        event_id: types::new_id::<types::EventId>(to).to_string(),
        tenant_id: tenant.to_owned(),
        occurred_at: Some(wire_time(to)),
        recorded_at: Some(wire_time(NOW)),
        fact: Some(Fact::ClockMoved(ClockMoved { to: Some(wire_time(to)) })),
        ..Default::default()
    }
}

/// Events of a tenant from the beginning, until `last` is among them.
pub(crate) async fn events(
    world: &World,
    tenant: &str,
    last: impl Fn(&RewardFact) -> bool,
) -> Vec<wire::RewardEvent> {
    let request = wire::WatchRewardEventsRequest::default();
    let mut watch = world.rewards(tenant).watch_reward_events(request).await.unwrap().into_inner();
    let mut seen: Vec<wire::RewardEvent> = Vec::new();
    let read = async {
        while !seen.iter().any(|event| last(event.fact.as_ref().unwrap())) {
            seen.extend(watch.message().await.unwrap().unwrap().events);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read).await.expect("the event never came");
    seen
}

/// What events are of.
pub(crate) fn names(events: &[wire::RewardEvent]) -> Vec<&'static str> {
    events.iter().map(outbox::Event::fact).collect()
}

/// A rule `key` on `stage` with `more` in it.
pub(crate) fn rule(key: &str, stage: &str, more: &str) -> String {
    format!("  - {{key: {key}, journey: lifecycle, stage: {stage}, action: CREATE, {more}}}\n")
}

/// 10.00 USD to the advocate, held for 30 days, then approved and fulfilled by itself.
pub(crate) fn held() -> String {
    let more = "beneficiary: ADVOCATE, amount: {fixed: 10.00 USD}, hold: 30d, fulfilment: ON_APPROVAL";
    rule("held", "bought", more)
}

/// 10.00 USD to the advocate, everything by hand.
pub(crate) fn by_hand() -> String {
    let more = "beneficiary: ADVOCATE, amount: {fixed: 10.00 USD}, approval: BY_HAND, fulfilment: BY_HAND";
    rule("by-hand", "bought", more)
}

/// An amount as the wire has it.
pub(crate) fn money(text: &str) -> proto::google::r#type::Money {
    let (amount, currency) = text.split_once(' ').unwrap();
    wire_money(Money::parse_decimal(amount, currency.parse().unwrap()).unwrap())
}

/// The same backwards.
pub(crate) fn money_text(money: Option<&proto::google::r#type::Money>) -> String {
    let money = money.unwrap();
    let currency = money.currency_code.parse().unwrap();
    Money::from_units(money.units, money.nanos, currency).unwrap().to_string()
}

/// What a client learns from an error: code, reason, first field.
pub(crate) fn error(status: &Status) -> (Code, String, String) {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (status.code(), reason, fields.first().map(|field| field.field.clone()).unwrap_or_default())
}

/// The same, for comparing.
pub(crate) fn refused(code: Code, reason: &str, field: &str) -> (Code, String, String) {
    (code, reason.to_owned(), field.to_owned())
}
