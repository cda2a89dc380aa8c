//! Retrying parked decisions (R12): what was parked can be judged again, and pays at most once (R5).

use crate::common::{NOW, TENANT, World, enters, error, held, id, refused, rule};
use proto::rewards as wire;
use proto::rewards::DecisionOutcome as Outcome;
use proto::rewards::RewardState as State;
use proto::rewards::reward_event::Fact;
use time::Duration;
use tonic::{Code, Status};
use types::Timestamp;

/// When the transitions happen: in the future, as far as M3 allows, so that a later version can be in force then (R1).
const AT: Timestamp = NOW.saturating_add(Duration::hours(20));

/// 7.00 USD to the contact, when `when` holds.
fn bonus(when: &str) -> String {
    let more = "beneficiary: CONTACT, amount: {fixed: 7.00 USD}, hold: 1d, fulfilment: ON_APPROVAL";
    rule("bonus", "bought", &format!("{more}, when: {when}"))
}

/// Cannot be evaluated without a refund.
const FAILS: &str = "100 / order.refunded_minor > 1";

/// Version 1 parked the bonus on the first transition.
async fn parked() -> World {
    let world = World::new().await;
    world.apply(TENANT, &format!("{}{}", bonus(FAILS), held())).await;
    world.bring(&[enters(TENANT, 1, "bought").at(AT).event()]).await;
    let decision = decision(&world).await;
    assert_eq!((decision.outcome(), decision.program_version), (Outcome::Parked, 1));
    assert_eq!((decision.detail.as_str(), decision.attempts), ("division by zero", 1));
    world
}

/// The next version, in force from `from`.
async fn apply(world: &World, from: Timestamp, rules: &str) -> i32 {
    let from = from.format(&time::format_description::well_known::Rfc3339).unwrap();
    let definition = format!("program: Spring\ncampaign: spring\neffective_from: {from}\nrules:\n{rules}");
    let request = wire::ApplyProgramRequest { definition, base_version: 0 };
    let applied = world.programs(TENANT).apply_program(request).await.unwrap().into_inner();
    applied.program.unwrap().version
}

/// The decision on the bonus.
async fn decision(world: &World) -> wire::Decision {
    world.decisions(TENANT).await.into_iter().find(|decision| decision.rule == "bonus").unwrap()
}

fn key() -> wire::RetryDecisionRequest {
    wire::RetryDecisionRequest {
        transition_id: id(1).to_string(),
        rule: "bonus".to_owned(),
        beneficiary_kind: wire::BeneficiaryKind::Contact.into(),
    }
}

async fn call(
    world: &World,
    tenant: &str,
    request: wire::RetryDecisionRequest,
) -> Result<(wire::Decision, bool), Status> {
    let answer = world.rewards(tenant).retry_decision(request).await?.into_inner();
    Ok((answer.decision.unwrap(), answer.retried))
}

async fn retry(world: &World) -> (wire::Decision, bool) {
    let answer = call(world, TENANT, key()).await.unwrap();
    assert_eq!(answer.0, decision(world).await);
    answer
}

async fn assert_balanced(world: &World) {
    let report = world.verify(TENANT).await;
    assert!(report.balanced, "{report:?}");
}

/// Rewards whose creation was told, in order.
async fn told(world: &World, rewards: usize) -> Vec<String> {
    let types = vec!["reward_created".to_owned()];
    let request = wire::WatchRewardEventsRequest { types, ..Default::default() };
    let mut watch = world.rewards(TENANT).watch_reward_events(request).await.unwrap().into_inner();
    let mut told = Vec::new();
    let read = async {
        while told.len() < rewards {
            for event in watch.message().await.unwrap().unwrap().events {
                let Some(Fact::RewardCreated(created)) = event.fact else { panic!("{event:?}") };
                told.push(created.reward.unwrap().reward_id);
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), read).await.expect("the event never came");
    told
}

#[tokio::test]
async fn r12_a_parked_decision_pays_once_when_it_can_be_evaluated() {
    let world = parked().await;
    // a rule that is new in it is not asked of transitions that were judged before
    let more = rule("more", "bought", "beneficiary: CONTACT, amount: {fixed: 1.00 USD}");
    apply(&world, AT, &format!("{more}{}", bonus("order.revenue_minor > 0"))).await;
    let (decision, retried) = retry(&world).await;
    assert!(retried);
    assert_eq!((decision.outcome(), decision.program_version, decision.attempts), (Outcome::Created, 2, 2));
    assert_eq!(decision.detail, "fixed amount 7.00 USD");
    let rewards = world.all(TENANT).await;
    let reward = rewards.iter().find(|reward| reward.rule == "bonus").unwrap();
    assert_eq!((reward.reward_id.as_str(), reward.program_version), (decision.reward_id.as_str(), 2));
    assert_eq!(told(&world, 2).await.last(), Some(&reward.reward_id));
    assert_eq!(rewards.len(), 2);
    assert_eq!(world.balances(TENANT, "").await, ["budget -17.00 USD", "pending 17.00 USD"]);
    assert_balanced(&world).await;
    // its hold ends like any other's
    world.clock.set(AT + Duration::days(31));
    world.until_all(TENANT, State::Fulfilled).await;
    let moved = ["budget -17.00 USD", "pending 0.00 USD", "payable 0.00 USD", "paid 17.00 USD"];
    assert_eq!(world.balances(TENANT, "").await, moved);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r12_a_decision_retried_twice_pays_once() {
    let world = parked().await;
    apply(&world, AT, &bonus("true")).await;
    let calls = (0..8).map(|_| call(&world, TENANT, key()));
    let answers = futures::future::join_all(calls).await;
    let retried = answers.iter().filter(|answer| answer.as_ref().unwrap().1).count();
    assert_eq!(retried, 1);
    let (again, retried) = retry(&world).await;
    assert!(!retried);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().0 == again));
    // nor does the stream make another, if it is read again
    world.tamper("UPDATE rewards.subscriptions SET position = 0").await;
    world.bring(&[enters(TENANT, 2, "returned").event()]).await;
    assert_eq!(world.all(TENANT).await.len(), 2);
    assert_eq!(world.balances(TENANT, "").await, ["budget -17.00 USD", "pending 17.00 USD"]);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r12_a_decision_that_an_older_release_parked_is_judged_by_its_own_version() {
    let world = World::new().await;
    world.apply(TENANT, &bonus("true")).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    // as if that release could not have evaluated the condition
    world.tamper("DELETE FROM rewards.rewards").await;
    world.tamper("DELETE FROM rewards.postings").await;
    let sql = "UPDATE rewards.decisions SET outcome = 9, detail = 'no such function', reward_id = NULL,
                      amount_minor = NULL, amount_currency = NULL";
    world.tamper(sql).await;
    assert_balanced(&world).await;
    let (decision, retried) = retry(&world).await;
    assert_eq!((decision.outcome(), decision.program_version, retried), (Outcome::Created, 1, true));
    assert_eq!(world.all(TENANT).await.len(), 1);
    assert_eq!(world.balances(TENANT, "").await, ["budget -7.00 USD", "pending 7.00 USD"]);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r12_what_still_cannot_be_evaluated_stays_parked_with_the_new_detail() {
    let world = parked().await;
    let seen = |(decision, retried): (wire::Decision, bool)| {
        assert_eq!((decision.outcome(), retried), (Outcome::Parked, true));
        (decision.program_version, decision.attempts, decision.detail)
    };
    assert_eq!(seen(retry(&world).await), (1, 2, "division by zero".to_owned()));
    apply(&world, NOW + Duration::HOUR, &bonus("order.revenue_minor * 9223372036854775807 > 1")).await;
    let (version, attempts, detail) = seen(retry(&world).await);
    assert_eq!((version, attempts), (2, 3));
    assert!(detail.contains("range"), "{detail}");
    // a version without the rule cannot judge: the one before it is still named
    apply(&world, NOW + Duration::HOUR * 2, &held()).await;
    let (version, attempts, detail) = seen(retry(&world).await);
    assert_eq!((version, attempts), (2, 4));
    assert_eq!(detail, "version 3 of the program, in force then, has no such rule for the stage");
    assert_eq!(world.all(TENANT).await.len(), 1);
    assert_balanced(&world).await;
    // and a decision that is made at last is final, also if it makes no reward (R5)
    apply(&world, NOW + Duration::HOUR * 3, &bonus("order.revenue_minor > 1000000")).await;
    let (decision, retried) = retry(&world).await;
    assert_eq!((decision.outcome(), decision.program_version, retried), (Outcome::ConditionFalse, 4, true));
    apply(&world, NOW + Duration::HOUR * 4, &bonus("true")).await;
    assert_eq!(retry(&world).await, (decision, false));
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r12_a_retry_is_judged_by_the_version_in_force_at_the_transition() {
    let world = parked().await;
    apply(&world, AT + Duration::MICROSECOND, &bonus("true")).await;
    let (decision, retried) = retry(&world).await;
    assert_eq!((decision.outcome(), decision.program_version, retried), (Outcome::Parked, 1, true));
    assert_eq!(world.all(TENANT).await.len(), 1);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r12_an_unknown_decision_is_not_found() {
    let world = parked().await;
    let unknown = refused(Code::NotFound, "DECISION_NOT_FOUND", "");
    let others = [
        ("other", key()),
        (TENANT, wire::RetryDecisionRequest { transition_id: id(2).to_string(), ..key() }),
        (TENANT, wire::RetryDecisionRequest { rule: "malus".to_owned(), ..key() }),
        (TENANT, wire::RetryDecisionRequest { beneficiary_kind: 1, ..key() }),
    ];
    for (tenant, request) in others {
        assert_eq!(error(&call(&world, tenant, request).await.unwrap_err()), unknown);
    }
    let wrong = [
        ("transition_id", wire::RetryDecisionRequest { transition_id: "x".to_owned(), ..key() }),
        ("rule", wire::RetryDecisionRequest { rule: String::new(), ..key() }),
        ("beneficiary_kind", wire::RetryDecisionRequest { beneficiary_kind: 0, ..key() }),
        ("beneficiary_kind", wire::RetryDecisionRequest { beneficiary_kind: 77, ..key() }),
    ];
    for (field, request) in wrong {
        let status = call(&world, TENANT, request).await.unwrap_err();
        assert_eq!(error(&status), refused(Code::InvalidArgument, "INVALID_FIELD", field));
    }
    assert_eq!(decision(&world).await.attempts, 1);
}
