//! Every call that changes something leaves a row that says who did it.

use anyhow::Context;
use laurel::client::Clients;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use proto::attribution as a;
use proto::common::AuditEntry;
use proto::google::r#type::Money;
use proto::journeys as j;
use proto::orders as o;
use proto::rewards as r;

use crate::laws::{inner, set};
use crate::seed::{self, Ids, JOURNEYS, program};
use crate::values::Values;
use crate::world::{Method, TENANT, World, methods};

/// Who makes the calls that are looked for; the world was filled by another.
const CALLER: &str = "somebody";

/// Methods that change something, but nothing here, and why.
const IDLE: [(&str, &str); 2] = [
    ("RetryParked", "nothing is parked unless something is broken"),
    ("ForgetErasedNames", "orders has had them forgotten, and nobody is erased beforehand"),
];

/// What the calls are about, beside what the world is filled with.
pub(crate) struct Things {
    pub(crate) ids: Ids,
    /// To be approved, denied and made pending again.
    pending: String,
    /// To be fulfilled.
    approved: String,
    /// Transition of a decision on the rule `odd` that is PARKED.
    parked: String,
}

impl Things {
    pub(crate) async fn make(world: &World) -> anyhow::Result<Self> {
        let ids = seed::fill(world).await?;
        let tenant = TENANT.parse().map_err(|e| anyhow::anyhow!("{e}"))?;
        let clients = Clients::new(world.channel_with_token()?, &tenant);
        let parked = park(world, &clients).await?;
        // so that it can be activated, and then deactivated again
        let attribution_id = ids.attributions.first().context("attributions")?.clone();
        let request = a::DeactivateAttributionRequest { attribution_id, ..Default::default() };
        clients.attributions.clone().deactivate_attribution(request).await?;
        let mut rewards = clients.rewards.clone();
        let listed = rewards.list_rewards(r::ListRewardsRequest::default()).await?.into_inner().rewards;
        let mut by_hand = listed.into_iter().filter(|reward| reward.rule == "share").map(|r| r.reward_id);
        let (pending, approved) = by_hand.next().zip(by_hand.next()).context("rewards")?;
        rewards.approve_reward(r::ApproveRewardRequest { reward_id: approved.clone() }).await?;
        Ok(Self { ids, pending, approved, parked })
    }

    /// All ids.
    pub(crate) fn all(&self) -> impl Iterator<Item = &String> {
        let Ids { contacts, attributions, runs, transitions, rewards, erased } = &self.ids;
        let ids = [contacts, attributions, runs, transitions, rewards, erased].into_iter().flatten();
        ids.chain([&self.pending, &self.approved, &self.parked])
    }

    /// The least a method takes, made to change something.
    pub(crate) fn request(&self, method: &Method) -> DynamicMessage {
        let values = Values { ids: self.ids.clone() };
        let mut message = values.least(&method.0.input());
        let request = &mut message;
        match method.0.name() {
            "EraseContact" => set(inner(request, "contact"), "email", "ida@example.com"),
            "UpsertContact" => set(request, "email", "newcomer@example.com"),
            "TagContact" | "UpdateSegmentMembers" => {
                let add = request.descriptor().get_field_by_name("add").unwrap();
                request.set_field(&add, Value::List(vec![values.one(&add)]));
            }
            "CreateSegment" => set(request, "segment_id", "newcomers"),
            "CreateCampaign" => set(request, "campaign_id", "winter"),
            "UpdateCampaign" | "UpdateSegment" => set(request, "name", "another"),
            "ReassignAttribution" => set(inner(request, "advocate"), "email", "bob@example.com"),
            "IssueShortcode" => {
                set(inner(request, "advocate"), "email", "ann@example.com");
                set(request, "shortcode", "NEW11");
            }
            "RecordOrder" => set(inner(request, "order"), "order_id", "o-single"),
            "CreateOrderProperty" | "CreateContactProperty" => set(request, "name", "newcomer"),
            "UpdateOrderProperty" | "UpdateContactProperty" => set(request, "description", "another"),
            "UpdateOrder" => set(request, "external_status", "another"),
            "BatchRecordOrders" => set(inner(inner(request, "requests"), "order"), "order_id", "o-batch"),
            "ApplyJourney" => set(request, "definition", &JOURNEYS[2].replace("plain", "plainer")),
            "ApplyProgram" => set(request, "definition", &program("winter", "2025-01-01")),
            "EnterStage" => {
                set(request, "journey", "plain");
                set(request, "stage", "two");
            }
            "ApproveReward" | "DenyReward" | "ReopenReward" => set(request, "reward_id", &self.pending),
            "FulfilReward" => set(request, "reward_id", &self.approved),
            "RetryDecision" => {
                set(request, "transition_id", &self.parked);
                set(request, "rule", "odd");
                request.set_field_by_name("beneficiary_kind", Value::EnumNumber(3));
            }
            _ => (),
        }
        message
    }
}

/// Has a rule judged that cannot be evaluated; the transition.
async fn park(world: &World, clients: &Clients) -> anyhow::Result<String> {
    let journey = "journey: odd\ncampaigns: [autumn]\nsequence: OPTIONAL\n\
                   stages: [{stage: bought, enter_on: [{event: order.recorded}]}]";
    let request = j::ApplyJourneyRequest { definition: journey.to_owned(), base_version: 0 };
    clients.journeys.clone().apply_journey(request).await?;
    let program = "program: odd\ncampaign: autumn\neffective_from: 2025-01-01\nrules:\n  \
                   - {key: odd, journey: odd, stage: bought, action: CREATE, beneficiary: CONTACT, amount: {fixed: 1.00 USD}, \
                   hold: 1d, when: 100 / order.refunded_minor > 1}";
    let request = r::ApplyProgramRequest { definition: program.to_owned(), base_version: 0 };
    clients.programs.clone().apply_program(request).await?;
    let order = o::NewOrder {
        order_id: "o-odd".to_owned(),
        customer: Some(proto::common::ContactRef { uid: "odd".to_owned(), ..Default::default() }),
        revenue: Some(Money { currency_code: "USD".to_owned(), units: 1, nanos: 0 }),
        campaign_id: "autumn".to_owned(),
        ..Default::default()
    };
    let request = o::RecordOrderRequest { order: Some(order), ..Default::default() };
    clients.orders.clone().record_order(request).await?;
    let request = a::AdvanceTestClockRequest { seconds: 60, request_id: "parked".to_owned() };
    clients.test_clock.clone().advance_test_clock(request).await?;
    seed::settled(world, TENANT).await?;
    let outcome = r::DecisionOutcome::Parked.into();
    let request = r::ListDecisionsRequest { outcome, ..Default::default() };
    let decisions = clients.rewards.clone().list_decisions(request).await?.into_inner().decisions;
    Ok(decisions.into_iter().next().context("a parked decision")?.transition_id)
}

/// Rows of [`CALLER`] for a method, as its own service lists them.
async fn rows(world: &World, method: &Method) -> Vec<AuditEntry> {
    let package = method.0.parent_file().package_name().to_owned();
    let list = methods()
        .into_iter()
        .find(|list| list.0.name() == "ListAuditEntries" && list.0.parent_file().package_name() == package);
    let list = list.unwrap_or_else(|| panic!("{package} lists no audit entries"));
    let mut request = DynamicMessage::new(list.0.input());
    set(&mut request, "principal", CALLER);
    set(&mut request, "method", method.0.name());
    let mut answer = world.call(&list, &world.token(&list), &[request]).await.unwrap().remove(0);
    let Value::List(entries) = answer.get_field_by_name_mut("entries").unwrap() else { panic!("{answer}") };
    entries.iter().map(|entry| entry.as_message().unwrap().transcode_to().unwrap()).collect()
}

#[tokio::test]
async fn every_method_that_changes_something_leaves_a_row_with_its_name_and_its_caller() -> anyhow::Result<()>
{
    let world = World::start()?;
    let things = Things::make(&world).await?;
    let is_idle = |method: &Method| IDLE.iter().any(|(name, _)| *name == method.0.name());
    let mut count = 0;
    for method in methods().into_iter().filter(|method| !method.only_reads() && !is_idle(method)) {
        let mut claims = World::claims(TENANT, &method.scope());
        claims["sub"] = CALLER.into();
        let request = things.request(&method);
        let answer = world.call(&method, &world.sign(&claims), std::slice::from_ref(&request)).await;
        let answer = answer.unwrap_or_else(|status| panic!("{} {request}: {status:?}", method.path()));
        let rows = rows(&world, &method).await;
        assert_eq!(rows.len(), 1, "{} {request}: {}", method.path(), answer[0]);
        assert_eq!(rows[0].method, method.path().trim_start_matches('/'));
        assert_eq!(rows[0].principal, CALLER, "{}", method.path());
        assert!(!rows[0].resources.is_empty(), "{} of nothing", method.path());
        count += 1;
    }
    assert!(count > 20, "only {count} methods");
    Ok(())
}
