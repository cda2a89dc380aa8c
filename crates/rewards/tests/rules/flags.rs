//! Flags and bans (A9, R3): rewards of a flagged contact wait for a person.

use proto::rewards as wire;
use proto::rewards::RewardState as State;
use proto::rewards::reward_event::Fact;
use time::Duration;

use crate::common::{ADVOCATE, CONTACT, NOW, TENANT, World, by_hand, enters, events, held, names};
use crate::told::{flagged, status, unflagged};

async fn states(world: &World) -> Vec<State> {
    world.all(TENANT).await.iter().map(wire::Reward::state).collect()
}

async fn assert_balanced(world: &World) {
    let report = world.verify(TENANT).await;
    assert!(report.balanced, "{report:?}");
}

#[tokio::test]
async fn r3_a_flag_holds_up_pending_and_later_rewards_until_it_is_lifted() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    world.bring(&[enters(TENANT, 1, "bought").event(), flagged(TENANT, 11, ADVOCATE)]).await;
    world.bring(&[enters(TENANT, 2, "bought").event()]).await;
    assert_eq!(states(&world).await, [State::Flagged, State::Flagged]);
    // their hold passes without approving them
    world.clock.set(NOW + Duration::days(40));
    world.db.wake();
    world.bring(&[enters(TENANT, 3, "elsewhere").event()]).await;
    assert_eq!(states(&world).await, [State::Flagged, State::Flagged]);
    assert_balanced(&world).await;
    // it is over, so they are approved at once
    world.bring(&[unflagged(TENANT, 12, ADVOCATE)]).await;
    world.until_all(TENANT, State::Fulfilled).await;
    let seen = events(&world, TENANT, |fact| matches!(fact, Fact::RewardFulfilled(_))).await;
    let start = ["reward_created", "reward_flagged", "reward_created", "reward_flagged", "reward_unflagged"];
    assert_eq!(names(&seen)[..5], start);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn a9_a_ban_flags_rewards_and_an_unsubscribed_advocate_keeps_earning() {
    let world = World::new().await;
    world.apply(TENANT, &by_hand()).await;
    world.bring(&[enters(TENANT, 1, "bought").event(), status(TENANT, 11, ADVOCATE, "UNSUBSCRIBED")]).await;
    assert_eq!(states(&world).await, [State::Pending]);
    world.bring(&[status(TENANT, 12, ADVOCATE, "BANNED")]).await;
    assert_eq!(states(&world).await, [State::Flagged]);
    // a flag beside the ban changes nothing, nor does lifting it; nor does what was told before
    world.bring(&[flagged(TENANT, 13, ADVOCATE), unflagged(TENANT, 14, ADVOCATE)]).await;
    world.bring(&[status(TENANT, 11, ADVOCATE, "UNSUBSCRIBED")]).await;
    assert_eq!(states(&world).await, [State::Flagged]);
    world.bring(&[status(TENANT, 15, ADVOCATE, "ENROLLED")]).await;
    assert_eq!(states(&world).await, [State::Pending]);
    // somebody else's
    world.bring(&[flagged(TENANT, 16, CONTACT)]).await;
    assert_eq!(states(&world).await, [State::Pending]);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r3_a_person_approves_denies_and_reopens_flagged_rewards() {
    let world = World::new().await;
    world.apply(TENANT, &by_hand()).await;
    let entered = [1, 2, 3].map(|n| enters(TENANT, n, "bought").event());
    world.bring(&entered).await;
    let ids: Vec<_> = world.all(TENANT).await.into_iter().map(|reward| reward.reward_id).collect();
    let mut client = world.rewards(TENANT);
    let approve = |n: usize| wire::ApproveRewardRequest { reward_id: ids[n].clone() };
    client.approve_reward(approve(0)).await.unwrap();
    world.bring(&[flagged(TENANT, 11, ADVOCATE)]).await;
    // the one that was approved goes on
    assert_eq!(states(&world).await, [State::Approved, State::Flagged, State::Flagged]);
    client.approve_reward(approve(1)).await.unwrap();
    let deny = wire::DenyRewardRequest { reward_id: ids[2].clone(), reason: "fraud".to_owned() };
    client.deny_reward(deny).await.unwrap();
    assert_eq!(states(&world).await, [State::Approved, State::Approved, State::Denied]);
    let denied = world.all(TENANT).await.remove(2);
    assert_eq!(denied.denial_cause(), wire::DenialCause::ByHand);
    for _ in 0..2 {
        let reopen = wire::ReopenRewardRequest { reward_id: ids[2].clone() };
        let reward = client.reopen_reward(reopen).await.unwrap().into_inner().reward.unwrap();
        assert_eq!(reward.state(), State::Flagged);
    }
    assert_balanced(&world).await;
    // damage is named
    world.tamper("UPDATE rewards.rewards SET state = 1 WHERE state = 6").await;
    let report = world.verify(TENANT).await;
    assert!(report.differences.iter().any(|d| d.kind == "reward" && d.id == ids[2]), "{report:?}");
    world.tamper("UPDATE rewards.rewards SET state = 6 WHERE state = 1").await;
    world.tamper("DELETE FROM rewards.contact_facts").await;
    let report = world.verify(TENANT).await;
    assert!(report.differences.iter().any(|d| d.kind == "reward" && d.id == ids[2]), "{report:?}");
}
