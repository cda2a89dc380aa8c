//! Decisions: what rules make of transitions (R2, R4, R5, R12, M2, M5).

use crate::common::{
    ADVOCATE, CONTACT, SANDBOX, TENANT, World, enters, error, held, id, money_text, refused, rule,
};
use proto::rewards as wire;
use proto::rewards::DecisionOutcome as Outcome;
use tonic::Code;

fn percent() -> String {
    let more = "beneficiary: ADVOCATE, amount: {percent: 5%, floor: 1.00 USD, ceiling: 25.00 USD}, approval: BY_HAND";
    rule("percent", "bought", more)
}

#[tokio::test]
async fn r2_fixed_and_percent_amounts_reach_their_beneficiaries() {
    let world = World::new().await;
    let friend = rule("friend", "bought", "beneficiary: REFERRED_CONTACT, amount: {fixed: 5.00 EUR}");
    world.apply(TENANT, &format!("{}{}{friend}", held(), percent())).await;
    world.bring(&[enters(TENANT, 1, "bought").revenue("900.00 USD").event()]).await;
    let mut made: Vec<_> = world
        .all(TENANT)
        .await
        .into_iter()
        .map(|r| (r.rule.clone(), r.beneficiary_id.clone(), money_text(r.amount.as_ref())))
        .collect();
    made.sort();
    let (advocate, contact) = (ADVOCATE.to_string(), CONTACT.to_string());
    let expected = [
        ("friend", contact.as_str(), "5.00 EUR"),
        ("held", advocate.as_str(), "10.00 USD"),
        ("percent", advocate.as_str(), "25.00 USD"),
    ];
    assert_eq!(
        made,
        expected.map(|(rule, who, amount)| (rule.to_owned(), who.to_owned(), amount.to_owned()))
    );
}

#[tokio::test]
async fn m2_a_percentage_is_rounded_half_to_even() {
    let world = World::new().await;
    let unbounded = rule("p", "bought", "beneficiary: CONTACT, amount: {percent: 2.5%}");
    world.apply(TENANT, &unbounded).await;
    let revenues = ["1.00 USD", "3.00 USD", "0.10 USD"];
    let events: Vec<_> = (1..)
        .zip(revenues)
        .map(|(n, revenue)| enters(TENANT, n, "bought").revenue(revenue).event())
        .collect();
    world.bring(&events).await;
    let amounts: Vec<_> =
        world.decisions(TENANT).await.iter().map(|d| money_text(d.amount.as_ref())).collect();
    assert_eq!(amounts, ["0.02 USD", "0.08 USD", "0.00 USD"]);
    assert_eq!(world.outcomes(TENANT).await[2], Outcome::ZeroAmount);
}

#[tokio::test]
async fn m5_a_bound_in_another_currency_is_a_mismatch() {
    let world = World::new().await;
    world.apply(TENANT, &percent()).await;
    world.bring(&[enters(TENANT, 1, "bought").revenue("100.00 EUR").event()]).await;
    assert_eq!(world.outcomes(TENANT).await, [Outcome::CurrencyMismatch]);
    assert_eq!(world.all(TENANT).await, []);
}

#[tokio::test]
async fn r4_no_campaign_or_program_means_no_decision_and_no_attribution_means_no_reward() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    let without = |n| enters(TENANT, n, "bought");
    world
        .bring(&[
            without(1).with(|t| t.campaign_id.clear()).event(),
            without(2).with(|t| t.campaign_id = "autumn".to_owned()).event(),
            without(3).with(|t| (t.attribution_id, t.advocate_id) = Default::default()).event(),
            without(4).with(|t| t.cause = proto::journeys::TransitionCause::Inferred.into()).event(),
            enters(TENANT, 5, "returned").event(),
        ])
        .await;
    assert_eq!(world.outcomes(TENANT).await, [Outcome::NoAttribution, Outcome::Inferred]);
    assert_eq!(world.all(TENANT).await, []);
    assert!(world.verify(TENANT).await.balanced);
}

#[tokio::test]
async fn r5_the_same_transition_again_changes_nothing() {
    let world = World::new().await;
    world.apply(TENANT, &format!("{}{}", held(), percent())).await;
    let event = enters(TENANT, 1, "bought").event();
    // within one slice, and in one of its own
    world.bring(&[event.clone(), event.clone()]).await;
    world.bring(&[event]).await;
    assert_eq!(world.all(TENANT).await.len(), 2);
    assert_eq!(world.balances(TENANT, "").await, ["budget -15.00 USD", "pending 15.00 USD"]);
    // it is recognised, not merely refused by the database
    let parked = world.rewards(TENANT).list_parked(wire::ListParkedRequest::default()).await.unwrap();
    assert_eq!(parked.into_inner().parked, []);
    let told = observe::metrics::text();
    assert!(told.contains("laurel_duplicates_suppressed_total{reason=\"twin_reward\"} 4\n"), "{told}");
    assert!(told.contains("laurel_decisions_total{outcome=\"PARKED\"} 0\n"), "{told}");
}

#[tokio::test]
async fn r5_reading_the_stream_again_from_its_beginning_changes_nothing() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    let events: Vec<_> = (1..=20).map(|n| enters(TENANT, n, "bought").event()).collect();
    world.bring(&events).await;
    let before = world.all(TENANT).await;
    world.tamper("UPDATE rewards.subscriptions SET position = 0").await;
    // the follower finds that its cursor was moved, and starts from the stored one
    world.bring(&[enters(TENANT, 21, "bought").event()]).await;
    let after = world.all(TENANT).await;
    assert_eq!((before.len(), after.len()), (20, 21));
    assert_eq!(before, after[..20]);
    assert!(world.verify(TENANT).await.balanced);
}

#[tokio::test]
async fn r5_two_followers_at_once_make_each_reward_once() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    // no stand-by: only the fence keeps them apart from each other, and from the service's own
    let stop = tokio_util::sync::CancellationToken::new();
    for _ in 0..2 {
        let clock: std::sync::Arc<dyn types::Clock> = std::sync::Arc::new(world.clock.clone());
        let channel = rpc::channel::for_service(world.journeys.clone(), "rewards");
        let journeys =
            ::rewards::subscribers::Journeys::new(world.db.clone(), std::sync::Arc::clone(&clock), channel);
        let follower = outbox::Follower::new(world.db.clone(), journeys, clock).without_stand_by();
        tokio::spawn(follower.run(stop.clone()));
    }
    for slice in 0..20_u128 {
        let events: Vec<_> = (0..25).map(|n| enters(TENANT, 1 + slice * 25 + n, "bought").event()).collect();
        world.publish(&events).await;
    }
    world.settle().await;
    stop.cancel();
    assert_eq!(world.all(TENANT).await.len(), 500);
    let report = world.verify(TENANT).await;
    assert!(report.balanced, "{report:?}");
    assert_eq!((report.decisions, report.rewards, report.postings, report.transitions), (500, 500, 500, 500));
}

#[tokio::test]
async fn r5_the_same_transition_id_in_two_tenants_is_two() {
    let world = World::new().await;
    for tenant in [TENANT, SANDBOX] {
        world.apply(tenant, &held()).await;
    }
    world.bring(&[enters(TENANT, 1, "bought").event(), enters(SANDBOX, 1, "bought").event()]).await;
    for tenant in [TENANT, SANDBOX] {
        assert_eq!(world.all(tenant).await.len(), 1);
    }
}

#[tokio::test]
async fn r12_a_rule_that_cannot_be_evaluated_is_parked_and_blocks_nothing() {
    let world = World::new().await;
    let fails = rule(
        "fails",
        "bought",
        "beneficiary: CONTACT, amount: {fixed: 1 USD}, when: 100 / order.refunded_minor > 1",
    );
    world.apply(TENANT, &format!("{fails}{}", held())).await;
    world.bring(&[enters(TENANT, 1, "bought").event(), enters(TENANT, 2, "bought").event()]).await;
    let decisions = world.decisions(TENANT).await;
    let parked: Vec<_> = decisions.iter().filter(|d| d.outcome() == Outcome::Parked).collect();
    assert_eq!(parked.len(), 2);
    assert_eq!((parked[0].rule.as_str(), parked[0].detail.as_str()), ("fails", "division by zero"));
    assert_eq!(world.all(TENANT).await.len(), 2);
    assert!(world.verify(TENANT).await.balanced);
}

#[tokio::test]
async fn r12_every_rule_considered_says_what_it_saw() {
    let world = World::new().await;
    let picky = rule(
        "picky",
        "bought",
        "beneficiary: ADVOCATE, amount: {fixed: 1 USD}, when: order.revenue_minor > 100000",
    );
    world.apply(TENANT, &format!("{}{picky}", held())).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let rewards = world.all(TENANT).await;
    let requests = [
        wire::ExplainRewardRequest { transition_id: id(1).to_string(), ..Default::default() },
        wire::ExplainRewardRequest { order_id: "o-1".to_owned(), ..Default::default() },
        wire::ExplainRewardRequest { contact_id: CONTACT.to_string(), ..Default::default() },
    ];
    for request in requests {
        let told = world.rewards(TENANT).explain_reward(request).await.unwrap().into_inner();
        let [held, picky] = told.decisions.as_slice() else { panic!("{told:?}") };
        assert_eq!((held.outcome(), held.detail.as_str()), (Outcome::Created, "fixed amount 10.00 USD"));
        assert_eq!(held.reward_id, rewards[0].reward_id);
        assert_eq!(
            (picky.outcome(), picky.condition.as_str()),
            (Outcome::ConditionFalse, "order.revenue_minor > 100000")
        );
        assert_eq!(picky.detail, "the condition does not hold for an order of 100.00 USD");
        assert_eq!(money_text(picky.revenue.as_ref()), "100.00 USD");
        assert_eq!((picky.order_id.as_str(), picky.beneficiary_id.clone()), ("o-1", ADVOCATE.to_string()));
        assert_eq!(told.rewards, rewards);
    }
    let by_reward =
        wire::ExplainRewardRequest { reward_id: rewards[0].reward_id.clone(), ..Default::default() };
    let told = world.rewards(TENANT).explain_reward(by_reward).await.unwrap().into_inner();
    assert_eq!(told.decisions.len(), 1);
    assert_eq!(told.decisions[0].event_id, id(0xE000_0001).to_string());
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let world = World::new().await;
    world.apply(TENANT, &format!("{}{}", held(), percent())).await;
    let events: Vec<_> = (1..=5).map(|n| enters(TENANT, n, "bought").event()).collect();
    world.bring(&events).await;
    let mut client = world.rewards(TENANT);
    let (mut decided, mut token) = (Vec::new(), String::new());
    loop {
        let request = wire::ListDecisionsRequest { page_size: 3, page_token: token, ..Default::default() };
        let page = client.list_decisions(request).await.unwrap().into_inner();
        decided.extend(page.decisions.into_iter().map(|d| (d.transition_id, d.rule)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let mut sorted = decided.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    assert_eq!((decided.len(), &decided), (10, &sorted));
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let beneficiary_id = ADVOCATE.to_string();
        let request = wire::ListRewardsRequest {
            page_size: 4,
            page_token: token,
            beneficiary_id,
            ..Default::default()
        };
        let page = client.list_rewards(request).await.unwrap().into_inner();
        listed.extend(page.rewards.into_iter().map(|reward| reward.reward_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.len(), 10);
    assert!(listed.windows(2).all(|pair| pair[0] > pair[1]));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_parked_and_can_be_retried() {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    let bad = enters(TENANT, 1, "bought").with(|t| t.to_stage = "Not A Stage".to_owned()).event();
    world.bring(&[bad, enters(TENANT, 2, "bought").with(|t| t.contact_id = id(7).to_string()).event()]).await;
    assert_eq!(world.all(TENANT).await.len(), 1);
    let mut client = world.rewards(TENANT);
    let parked = client.list_parked(wire::ListParkedRequest::default()).await.unwrap().into_inner().parked;
    assert_eq!(parked.len(), 1);
    assert!(parked[0].reason.contains("to_stage"), "{}", parked[0].reason);
    let request = wire::RetryParkedRequest { parked_id: parked[0].parked_id };
    let retried = client.retry_parked(request).await.unwrap().into_inner();
    assert_eq!(retried.applied, 0);
    assert!(retried.reason.contains("to_stage"));
    let status = client.retry_parked(wire::RetryParkedRequest { parked_id: 999 }).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::NotFound, "PARKED_EVENT_NOT_FOUND", ""));
    assert!(world.verify(TENANT).await.balanced);
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let world = World::new().await;
    let mut client = world.rewards(TENANT);
    let invalid = |field| refused(Code::InvalidArgument, "INVALID_FIELD", field);
    let status = client.list_rewards(wire::ListRewardsRequest { state: 99, ..Default::default() }).await;
    assert_eq!(error(&status.unwrap_err()), invalid("state"));
    let status = client.list_rewards(wire::ListRewardsRequest { page_size: -1, ..Default::default() }).await;
    assert_eq!(error(&status.unwrap_err()), invalid("page_size"));
    let beneficiary_id = "nobody".to_owned();
    let status = client.list_rewards(wire::ListRewardsRequest { beneficiary_id, ..Default::default() }).await;
    assert_eq!(error(&status.unwrap_err()), invalid("beneficiary_id"));
    let status =
        client.list_decisions(wire::ListDecisionsRequest { outcome: 77, ..Default::default() }).await;
    assert_eq!(error(&status.unwrap_err()), invalid("outcome"));
    let page_token = "nonsense".to_owned();
    let status = client.list_decisions(wire::ListDecisionsRequest { page_token, ..Default::default() }).await;
    assert_eq!(
        error(&status.unwrap_err()),
        refused(Code::InvalidArgument, "INVALID_PAGE_TOKEN", "page_token")
    );
    let status = client.explain_reward(wire::ExplainRewardRequest::default()).await.unwrap_err();
    assert_eq!(error(&status), invalid("reward_id"));
    let two = wire::ExplainRewardRequest {
        reward_id: id(1).to_string(),
        order_id: "o-1".to_owned(),
        ..Default::default()
    };
    let status = client.explain_reward(two).await.unwrap_err();
    assert_eq!(error(&status), invalid("reward_id"));
    let unknown = wire::ExplainRewardRequest { reward_id: id(1).to_string(), ..Default::default() };
    let status = client.explain_reward(unknown).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::NotFound, "REWARD_NOT_FOUND", ""));
}
