//! Filters of ListRewards (AIP-160).

use crate::common::{ADVOCATE, CONTACT, TENANT, World, by_hand, enters, error, id, refused, rule};
use proto::rewards as wire;
use time::macros::datetime;
use tonic::{Code, Status};

/// The rules of the rewards that match, by name.
async fn listed(world: &World, tenant: &str, filter: &str) -> Result<String, Status> {
    let request = wire::ListRewardsRequest { filter: filter.to_owned(), ..Default::default() };
    let rewards = world.rewards(tenant).list_rewards(request).await?.into_inner().rewards;
    let mut rules: Vec<_> = rewards.into_iter().map(|reward| reward.rule).collect();
    rules.sort_unstable();
    Ok(rules.join(" "))
}

/// A denied reward of rule `by-hand`, and one of rule `own`, which waits.
async fn two(world: &World) -> wire::Reward {
    let own = rule("own", "asked", "beneficiary: CONTACT, amount: {fixed: 5.50 EUR}, hold: 30d");
    world.apply(TENANT, &format!("{}{own}", by_hand())).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let denied = world.all(TENANT).await.remove(0);
    let request = wire::DenyRewardRequest { reward_id: denied.reward_id.clone(), reason: "fraud".to_owned() };
    world.rewards(TENANT).deny_reward(request).await.unwrap();
    let before = datetime!(2026-02-15 0:00 UTC);
    world.bring(&[enters(TENANT, 2, "asked").at(before).event()]).await;
    denied
}

#[tokio::test]
async fn rewards_are_filtered_by_each_field() {
    let world = World::new().await;
    let denied = two(&world).await;
    for (filter, expected) in [
        (format!("reward_id = {}", denied.reward_id), "by-hand"),
        ("campaign_id = spring".to_owned(), "by-hand own"),
        ("rule = own".to_owned(), "own"),
        ("program_version = 1".to_owned(), "by-hand own"),
        ("program_version > 1".to_owned(), ""),
        ("beneficiary_kind = CONTACT".to_owned(), "own"),
        ("beneficiary_kind = BENEFICIARY_KIND_ADVOCATE".to_owned(), "by-hand"),
        (format!("beneficiary_id = {ADVOCATE}"), "by-hand"),
        ("state = DENIED".to_owned(), "by-hand"),
        ("state = PENDING OR state = APPROVED".to_owned(), "own"),
        ("amount > 5.5".to_owned(), "by-hand"),
        ("amount = 5.500".to_owned(), "own"),
        ("amount.currency_code = EUR".to_owned(), "own"),
        (format!("transition_id = {}", id(2)), "own"),
        ("order_id = o-2".to_owned(), "own"),
        (format!("attribution_id = {}", id(0xA0)), "by-hand own"),
        (format!("contact_id = {CONTACT}"), "by-hand own"),
        ("occurred_at < 2026-03-01T00:00:00Z".to_owned(), "own"),
        ("hold_until > 2026-03-10T00:00:00Z".to_owned(), "own"),
        ("denied_reason = fraud".to_owned(), "by-hand"),
        ("denied_reason != fraud".to_owned(), "own"),
    ] {
        assert_eq!(listed(&world, TENANT, &filter).await.unwrap(), expected, "{filter}");
        assert_eq!(listed(&world, "other", &filter).await.unwrap(), "", "{filter}");
    }
}

#[tokio::test]
async fn a_filter_that_is_none_and_a_token_of_another_are_refused() {
    let world = World::new().await;
    two(&world).await;
    let wrong = listed(&world, TENANT, "amount = much").await.unwrap_err();
    assert_eq!(error(&wrong), refused(Code::InvalidArgument, "INVALID_FIELD", "filter"));
    let by = |filter: &str, page_token: &str| wire::ListRewardsRequest {
        page_size: 1,
        filter: filter.to_owned(),
        page_token: page_token.to_owned(),
        ..Default::default()
    };
    let first = world.rewards(TENANT).list_rewards(by("amount > 1", "")).await.unwrap().into_inner();
    let other = world.rewards(TENANT).list_rewards(by("amount > 2", &first.next_page_token)).await;
    let expected = (Code::InvalidArgument, "INVALID_PAGE_TOKEN".to_owned(), "page_token".to_owned());
    assert_eq!(error(&other.unwrap_err()), expected);
}
