//! Who did what to programs, rewards and decisions, and under which trace it goes on.

use crate::common::{NOW, TENANT, World, by_hand, enters, held, id, rule};
use proto::common::AuditEntry;
use proto::rewards as wire;
use proto::rewards::RewardState as State;
use proto::rewards::reward_event::Fact;
use time::Duration;
use tonic::{Code, Request};

/// A trace of a caller's.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Entries of a tenant, oldest first: principal, method or task, and resources.
async fn told(world: &World, tenant: &str) -> Vec<(String, String, Vec<String>)> {
    let channel = rpc::channel::for_tenant(world.routes.channel(), &tenant.parse().unwrap());
    let mut client = wire::audit_service_client::AuditServiceClient::new(channel);
    let request = wire::ListAuditEntriesRequest::default();
    let mut entries = client.list_audit_entries(request).await.unwrap().into_inner().entries;
    entries.reverse();
    let method = |entry: &AuditEntry| entry.method.rsplit('/').next().unwrap_or_default().to_owned();
    entries.into_iter().map(|entry| (entry.principal.clone(), method(&entry), entry.resources)).collect()
}

fn call(principal: &str, method: &str, resources: &[&str]) -> (String, String, Vec<String>) {
    let resources = resources.iter().map(|id| (*id).to_owned()).collect();
    (principal.to_owned(), method.to_owned(), resources)
}

#[tokio::test]
async fn every_hand_move_leaves_a_row_and_one_that_changes_nothing_none() {
    let world = World::new().await;
    world.apply(TENANT, &by_hand()).await;
    world.apply(TENANT, &by_hand()).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let reward_id = world.all(TENANT).await.remove(0).reward_id;
    let mut client = world.rewards(TENANT);
    let id = || reward_id.clone();
    let not_yet = client.fulfil_reward(wire::FulfilRewardRequest { reward_id: id() }).await;
    assert_eq!(not_yet.map_err(|status| status.code()).err(), Some(Code::FailedPrecondition));
    for _ in 0..2 {
        let reason = "returned".to_owned();
        client.deny_reward(wire::DenyRewardRequest { reward_id: id(), reason }).await.unwrap();
    }
    for _ in 0..2 {
        client.reopen_reward(wire::ReopenRewardRequest { reward_id: id() }).await.unwrap();
    }
    for _ in 0..2 {
        client.approve_reward(wire::ApproveRewardRequest { reward_id: id() }).await.unwrap();
    }
    for _ in 0..2 {
        client.fulfil_reward(wire::FulfilRewardRequest { reward_id: id() }).await.unwrap();
    }
    // creating it was the follower's part, whose cause the transition names
    let methods = ["DenyReward", "ReopenReward", "ApproveReward", "FulfilReward"];
    let mut wanted = vec![call("anonymous", "ApplyProgram", &["spring"])];
    wanted.extend(methods.map(|method| call("anonymous", method, &[&reward_id])));
    assert_eq!(told(&world, TENANT).await, wanted);
    assert!(told(&world, "other").await.is_empty());
}

#[tokio::test]
async fn a_hold_that_is_over_approves_as_the_service() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    world.clock.set(NOW + Duration::days(30));
    world.db.wake();
    world.until_all(TENANT, State::Fulfilled).await;
    let reward_id = world.all(TENANT).await.remove(0).reward_id;
    let last = told(&world, TENANT).await.pop();
    assert_eq!(last, Some(call("service:rewards", "rewards.holds", &[&reward_id])));
}

#[tokio::test]
async fn a_hold_that_a_refused_move_finds_over_is_the_doing_of_the_service() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let reward_id = world.all(TENANT).await.remove(0).reward_id;
    world.clock.set(NOW + Duration::days(30));
    let approve = wire::ApproveRewardRequest { reward_id: reward_id.clone() };
    let refused = world.rewards(TENANT).approve_reward(approve).await;
    assert_eq!(refused.map_err(|status| status.code()).err(), Some(Code::FailedPrecondition));
    let wanted = [
        call("anonymous", "ApplyProgram", &["spring"]),
        call("service:rewards", "rewards.holds", &[&reward_id]),
    ];
    assert_eq!(told(&world, TENANT).await, wanted);
}

#[tokio::test]
async fn a_decision_retried_names_transition_and_reward_and_one_that_is_final_leaves_no_row() {
    let world = World::new().await;
    let bonus = |when: &str| {
        let more = "beneficiary: CONTACT, amount: {fixed: 7.00 USD}, hold: 1d";
        rule("bonus", "bought", &format!("{more}, when: {when}"))
    };
    world.apply(TENANT, &bonus("100 / order.refunded_minor > 1")).await;
    world.bring(&[enters(TENANT, 1, "bought").at(NOW + Duration::hours(20)).event()]).await;
    let from = "effective_from: 2026-03-02T08:00:00Z";
    let definition = format!("program: Spring\ncampaign: spring\n{from}\nrules:\n{}", bonus("true"));
    let apply = wire::ApplyProgramRequest { definition, base_version: 0 };
    world.programs(TENANT).apply_program(apply).await.unwrap();
    let key = wire::RetryDecisionRequest {
        transition_id: id(1).to_string(),
        rule: "bonus".to_owned(),
        beneficiary_kind: wire::BeneficiaryKind::Contact.into(),
    };
    for _ in 0..2 {
        world.rewards(TENANT).retry_decision(key.clone()).await.unwrap();
    }
    let reward_id = world.all(TENANT).await.remove(0).reward_id;
    let mut entries = told(&world, TENANT).await;
    let retried = call("anonymous", "RetryDecision", &[&key.transition_id, &reward_id]);
    assert_eq!((entries.len(), entries.pop()), (3, Some(retried)));
}

#[tokio::test]
async fn a_reward_event_carries_the_trace_of_its_transition_or_of_the_call() {
    let world = World::new().await;
    world.apply(TENANT, &by_hand()).await;
    let mut transition = enters(TENANT, 1, "bought").event();
    transition.traceparent = TRACE.to_owned();
    world.bring(&[transition, enters(TENANT, 2, "bought").event()]).await;
    let second = world.all(TENANT).await.remove(1).reward_id;
    let mut approve = Request::new(wire::ApproveRewardRequest { reward_id: second });
    approve.metadata_mut().insert("traceparent", TRACE.parse().unwrap());
    world.rewards(TENANT).approve_reward(approve).await.unwrap();
    let request = wire::WatchRewardEventsRequest::default();
    let mut watch = world.rewards(TENANT).watch_reward_events(request).await.unwrap().into_inner();
    let mut events = Vec::new();
    while events.len() < 3 {
        events.extend(watch.message().await.unwrap().unwrap().events);
    }
    let traces: Vec<_> = events.iter().map(|event| event.traceparent.as_str()).collect();
    assert_eq!(traces, [TRACE, "", TRACE]);
    assert!(matches!(events[2].fact, Some(Fact::RewardApproved(_))));
}
