//! Rewards: holds (R7, M4), hand moves (R3), and the events they make.

use crate::common::{
    ADVOCATE, NOW, SANDBOX, TENANT, World, by_hand, clock_moved, enters, error, events, held, id, names,
    refused,
};
use proto::rewards as wire;
use proto::rewards::RewardState as State;
use proto::rewards::reward_event::Fact;
use rpc::fields::wire_time;
use time::Duration;
use time::macros::datetime;
use tonic::{Code, Status};

async fn only(world: &World) -> wire::Reward {
    let mut all = world.all(TENANT).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[tokio::test]
async fn r7_a_hold_that_is_over_approves_and_fulfils_by_itself() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let due = NOW + Duration::days(30);
    let reward = only(&world).await;
    assert_eq!((reward.state(), reward.hold_until), (State::Pending, Some(wire_time(due))));
    world.clock.set(due);
    world.db.wake();
    world.until_all(TENANT, State::Fulfilled).await;
    let seen = events(&world, TENANT, |fact| matches!(fact, Fact::RewardFulfilled(_))).await;
    assert_eq!(names(&seen), ["reward_created", "reward_approved", "reward_fulfilled"]);
    assert_eq!(seen[0].occurred_at, Some(wire_time(NOW)));
    assert!(seen[1..].iter().all(|event| event.occurred_at == Some(wire_time(due))));
    assert_eq!(
        world.balances(TENANT, "").await,
        ["budget -10.00 USD", "pending 0.00 USD", "payable 0.00 USD", "paid 10.00 USD"]
    );
    assert!(world.verify(TENANT).await.balanced);
}

#[tokio::test]
async fn r7_a_hold_that_was_over_before_the_reward_was_made_fires_at_once() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    world.bring(&[enters(TENANT, 1, "bought").at(datetime!(2026-01-15 0:00 UTC)).event()]).await;
    world.until_all(TENANT, State::Fulfilled).await;
}

#[tokio::test]
async fn m4_a_sandbox_goes_by_its_test_clock() {
    let world = World::new().await;
    world.bring(&[clock_moved(SANDBOX, datetime!(2025-01-01 0:00 UTC))]).await;
    world.apply(SANDBOX, &held()).await;
    // two months before the real clock: its hold is over in real time, but not in the sandbox
    let at = datetime!(2026-01-01 0:00 UTC);
    world.bring(&[enters(SANDBOX, 1, "bought").at(at).event()]).await;
    world.db.wake();
    let due = at + Duration::days(30);
    world.bring(&[clock_moved(SANDBOX, due - Duration::SECOND)]).await;
    assert_eq!(world.all(SANDBOX).await[0].state(), State::Pending);
    world.bring(&[clock_moved(SANDBOX, due)]).await;
    assert_eq!(world.all(SANDBOX).await[0].state(), State::Fulfilled);
}

#[tokio::test]
async fn m4_when_the_clock_has_moved_everything_due_is_done_in_order_of_due_time() {
    let world = World::new().await;
    world.bring(&[clock_moved(SANDBOX, datetime!(2026-01-01 0:00 UTC))]).await;
    world.apply(SANDBOX, &held()).await;
    // more than two slices, in no order
    let start = datetime!(2026-01-01 0:00 UTC);
    let entry = |n: u128| {
        let minutes = i64::try_from(n * 7919 % 2003).unwrap();
        enters(SANDBOX, n, "bought").at(start + Duration::minutes(minutes)).event()
    };
    let to = datetime!(2026-06-01 0:00 UTC);
    let mut published: Vec<_> = (1..=1200).map(entry).collect();
    published.push(clock_moved(SANDBOX, to));
    world.publish(&published).await;
    let moved = |fact: &Fact| matches!(fact, Fact::ClockMoved(moved) if moved.to == Some(wire_time(to)));
    let seen = events(&world, SANDBOX, moved).await;
    let fulfilled: Vec<_> =
        seen.iter().filter(|event| matches!(event.fact, Some(Fact::RewardFulfilled(_)))).collect();
    assert_eq!(fulfilled.len(), 1200);
    let times: Vec<_> = fulfilled.iter().map(|event| event.occurred_at.map(|at| at.seconds)).collect();
    assert!(times.is_sorted());
    assert!(moved(seen.last().unwrap().fact.as_ref().unwrap()));
    assert_eq!(world.balances(SANDBOX, "").await.last().unwrap(), "paid 12000.00 USD");
    assert!(world.verify(SANDBOX).await.balanced);
}

#[tokio::test]
async fn r3_a_reward_is_approved_and_fulfilled_by_hand() {
    let world = World::new().await;
    world.apply(TENANT, &by_hand()).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let reward_id = only(&world).await.reward_id;
    let mut client = world.rewards(TENANT);
    let status =
        client.fulfil_reward(wire::FulfilRewardRequest { reward_id: reward_id.clone() }).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::FailedPrecondition, "REWARD_STATE", ""));
    // each twice: the second changes nothing
    for _ in 0..2 {
        let request = wire::ApproveRewardRequest { reward_id: reward_id.clone() };
        let reward = client.approve_reward(request).await.unwrap().into_inner().reward.unwrap();
        assert_eq!(reward.state(), State::Approved);
    }
    for _ in 0..2 {
        let request = wire::FulfilRewardRequest { reward_id: reward_id.clone() };
        let reward = client.fulfil_reward(request).await.unwrap().into_inner().reward.unwrap();
        assert_eq!(reward.state(), State::Fulfilled);
    }
    let seen = events(&world, TENANT, |fact| matches!(fact, Fact::RewardFulfilled(_))).await;
    assert_eq!(names(&seen), ["reward_created", "reward_approved", "reward_fulfilled"]);
    let share = world.balances(TENANT, &ADVOCATE.to_string()).await;
    assert_eq!(share.last().unwrap(), "paid 10.00 USD");
    assert_eq!(world.balances(TENANT, &id(1).to_string()).await, Vec::<String>::new());
    assert!(world.verify(TENANT).await.balanced);
}

async fn deny(world: &World, reward_id: &str, reason: &str) -> Result<wire::Reward, Status> {
    let request = wire::DenyRewardRequest { reward_id: reward_id.to_owned(), reason: reason.to_owned() };
    Ok(world.rewards(TENANT).deny_reward(request).await?.into_inner().reward.unwrap())
}

#[tokio::test]
async fn r3_a_denied_reward_returns_to_the_budget_and_can_be_reopened() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let reward_id = only(&world).await.reward_id;
    for _ in 0..2 {
        let reward = deny(&world, &reward_id, "sent back").await.unwrap();
        assert_eq!((reward.state(), reward.denied_reason.as_str()), (State::Denied, "sent back"));
    }
    assert_eq!(world.balances(TENANT, "").await, ["budget 0.00 USD", "pending 0.00 USD"]);
    let approve = wire::ApproveRewardRequest { reward_id: reward_id.clone() };
    let status = world.rewards(TENANT).approve_reward(approve).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::FailedPrecondition, "REWARD_STATE", ""));
    // a denied reward is not approved by the end of its hold
    world.clock.set(NOW + Duration::days(40));
    let request = wire::ReopenRewardRequest { reward_id: reward_id.clone() };
    world.rewards(TENANT).reopen_reward(request).await.unwrap();
    // its hold is over, so it is approved from then on
    world.until_all(TENANT, State::Fulfilled).await;
    let status = deny(&world, &reward_id, "too late").await.unwrap_err();
    assert_eq!(error(&status), refused(Code::FailedPrecondition, "REWARD_STATE", ""));
    let seen = events(&world, TENANT, |fact| matches!(fact, Fact::RewardFulfilled(_))).await;
    let expected =
        ["reward_created", "reward_denied", "reward_reopened", "reward_approved", "reward_fulfilled"];
    assert_eq!(names(&seen), expected);
    assert!(world.verify(TENANT).await.balanced);
}

#[tokio::test]
async fn r3_moves_at_once_on_one_reward_are_made_one_after_the_other() {
    let world = World::new().await;
    world.apply(TENANT, &by_hand()).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let reward_id = only(&world).await.reward_id;
    let calls = (0..40).map(|n| {
        let (world, reward_id) = (&world, reward_id.clone());
        async move {
            let mut client = world.rewards(TENANT);
            match n % 4 {
                0 => drop(deny(world, &reward_id, "no").await),
                1 => drop(client.reopen_reward(wire::ReopenRewardRequest { reward_id }).await),
                2 => drop(client.approve_reward(wire::ApproveRewardRequest { reward_id }).await),
                _ => drop(client.fulfil_reward(wire::FulfilRewardRequest { reward_id }).await),
            }
        }
    });
    futures::future::join_all(calls).await;
    let report = world.verify(TENANT).await;
    assert!(report.balanced, "{report:?}");
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let world = World::new().await;
    let mut client = world.rewards(TENANT);
    let invalid = |field| refused(Code::InvalidArgument, "INVALID_FIELD", field);
    let status = client.get_reward(wire::GetRewardRequest { reward_id: "x".to_owned() }).await.unwrap_err();
    assert_eq!(error(&status), invalid("reward_id"));
    let status = client.approve_reward(wire::ApproveRewardRequest::default()).await.unwrap_err();
    assert_eq!(error(&status), invalid("reward_id"));
    let unknown = id(1).to_string();
    assert_eq!(error(&deny(&world, &unknown, "").await.unwrap_err()), invalid("reason"));
    assert_eq!(error(&deny(&world, &unknown, &"x".repeat(501)).await.unwrap_err()), invalid("reason"));
    let gone = refused(Code::NotFound, "REWARD_NOT_FOUND", "");
    assert_eq!(error(&deny(&world, &unknown, "why").await.unwrap_err()), gone);
    let status = client.get_reward(wire::GetRewardRequest { reward_id: unknown }).await.unwrap_err();
    assert_eq!(error(&status), gone);
    // another tenant's reward is as unknown as any
    world.apply(SANDBOX, &held()).await;
    world.bring(&[enters(SANDBOX, 1, "bought").event()]).await;
    let reward_id = world.all(SANDBOX).await[0].reward_id.clone();
    let status = client.fulfil_reward(wire::FulfilRewardRequest { reward_id }).await.unwrap_err();
    assert_eq!(error(&status), gone);
}
