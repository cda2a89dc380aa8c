//! Refunds and cancellations of orders (R9): what they leave of rewards, whenever they come.

use proto::journeys::TransitionCause;
use proto::rewards as wire;
use proto::rewards::RewardState as State;
use proto::rewards::reward_event::Fact;
use time::Duration;

use crate::common::{
    ADVOCATE, CONTACT, NOW, TENANT, World, enters, error, events, id, money, money_text, names, refused, rule,
};
use crate::told::{cancelled, refunded};
use tonic::Code;

/// A share of 10 % to the advocate, everything by hand.
fn share() -> String {
    rule("share", "bought", "beneficiary: ADVOCATE, amount: {percent: 10%}, approval: BY_HAND")
}

/// The same, held for 30 days, then approved and fulfilled by itself.
fn paid_share() -> String {
    let more = "beneficiary: ADVOCATE, amount: {percent: 10%}, hold: 30d, fulfilment: ON_APPROVAL";
    rule("paid-share", "bought", more)
}

async fn shown(world: &World) -> Vec<(State, String)> {
    let all = world.all(TENANT).await;
    all.iter().map(|reward| (reward.state(), money_text(reward.amount.as_ref()))).collect()
}

fn one(state: State, amount: &str) -> Vec<(State, String)> {
    vec![(state, amount.to_owned())]
}

async fn approve(world: &World, reward: &wire::Reward) {
    let request = wire::ApproveRewardRequest { reward_id: reward.reward_id.clone() };
    world.rewards(TENANT).approve_reward(request).await.unwrap();
}

async fn fulfil(world: &World, reward: &wire::Reward) {
    let request = wire::FulfilRewardRequest { reward_id: reward.reward_id.clone() };
    world.rewards(TENANT).fulfil_reward(request).await.unwrap();
}

async fn assert_balanced(world: &World) {
    let report = world.verify(TENANT).await;
    assert!(report.balanced, "{report:?}");
}

async fn explained(world: &World, order_id: &str) -> Vec<(i32, wire::TurnKind, String)> {
    let request = wire::ExplainRewardRequest { order_id: order_id.to_owned(), ..Default::default() };
    let told = world.rewards(TENANT).explain_reward(request).await.unwrap().into_inner();
    told.turns.iter().map(|turn| (turn.number, turn.kind(), money_text(turn.amount.as_ref()))).collect()
}

#[tokio::test]
async fn r9_before_it_is_paid_a_reward_falls_with_its_order() {
    let world = World::new().await;
    world.apply(TENANT, &share()).await;
    world
        .bring(&[enters(TENANT, 1, "bought").event(), refunded(TENANT, 101, 1, "100.00 USD", "25.00 USD")])
        .await;
    assert_eq!(shown(&world).await, one(State::Pending, "7.50 USD"));
    approve(&world, &world.all(TENANT).await[0]).await;
    world.bring(&[refunded(TENANT, 102, 1, "100.00 USD", "60.00 USD")]).await;
    assert_eq!(shown(&world).await, one(State::Approved, "4.00 USD"));
    assert_eq!(
        world.balances(TENANT, "").await,
        ["budget -4.00 USD", "pending 0.00 USD", "payable 4.00 USD"]
    );
    let turns = [
        (2, wire::TurnKind::Refunded, "7.50 USD".to_owned()),
        (4, wire::TurnKind::Refunded, "4.00 USD".to_owned()),
    ];
    assert_eq!(explained(&world, "o-1").await, turns);
    // a cancellation is a refund of what is left
    world.bring(&[cancelled(TENANT, 103, 1, "100.00 USD")]).await;
    assert_eq!(shown(&world).await, one(State::Denied, "0.00 USD"));
    let reward = world.all(TENANT).await.remove(0);
    assert_eq!((reward.denial_cause(), reward.denied_reason.as_str()), (wire::DenialCause::Refunded, ""));
    let reopen = wire::ReopenRewardRequest { reward_id: reward.reward_id };
    let status = world.rewards(TENANT).reopen_reward(reopen).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::FailedPrecondition, "REWARD_STATE", ""));
    let seen = events(&world, TENANT, |fact| matches!(fact, Fact::RewardDenied(_))).await;
    let changed = "reward_amount_changed";
    let expected = ["reward_created", changed, "reward_approved", changed, changed, "reward_denied"];
    assert_eq!(names(&seen), expected);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r9_a_fixed_amount_falls_only_on_a_full_refund_unless_the_rule_says_so() {
    let world = World::new().await;
    let more = "beneficiary: ADVOCATE, amount: {fixed: 10.00 USD}, approval: BY_HAND";
    let rules = [rule("whole", "bought", more), rule("part", "bought", &format!("{more}, refund: PRO_RATA"))];
    world.apply(TENANT, &rules.concat()).await;
    world
        .bring(&[enters(TENANT, 1, "bought").event(), refunded(TENANT, 101, 1, "100.00 USD", "99.00 USD")])
        .await;
    let amount = |amount: &str| (State::Pending, amount.to_owned());
    assert_eq!(shown(&world).await, [amount("10.00 USD"), amount("0.10 USD")]);
    world.bring(&[refunded(TENANT, 102, 1, "100.00 USD", "100.00 USD")]).await;
    let gone = (State::Denied, "0.00 USD".to_owned());
    assert_eq!(shown(&world).await, [gone.clone(), gone]);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r9_every_reward_of_the_order_falls_whatever_its_stage_and_no_other() {
    let world = World::new().await;
    let later = rule("later", "loyal", "beneficiary: CONTACT, amount: {percent: 5%}, approval: BY_HAND");
    world.apply(TENANT, &format!("{}{later}", share())).await;
    let same = enters(TENANT, 2, "loyal").with(|t| t.order.as_mut().unwrap().order_id = "o-1".to_owned());
    let other_source = enters(TENANT, 3, "bought").with(|t| {
        let order = t.order.as_mut().unwrap();
        (order.order_id, order.source) = ("o-1".to_owned(), "crm".to_owned());
    });
    let other = enters(TENANT, 4, "bought");
    let entered = [enters(TENANT, 1, "bought"), same, other_source, other].map(|entry| entry.event());
    world.bring(&entered).await;
    world.bring(&[refunded(TENANT, 101, 1, "100.00 USD", "50.00 USD")]).await;
    let amounts: Vec<_> = shown(&world).await.into_iter().map(|(_, amount)| amount).collect();
    assert_eq!(amounts, ["5.00 USD", "2.50 USD", "10.00 USD", "10.00 USD"]);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r9_what_was_paid_is_owed_back_and_kept_back_of_the_next_payouts() {
    let world = World::new().await;
    world.apply(TENANT, &paid_share()).await;
    let early = NOW - Duration::days(40);
    world.bring(&[enters(TENANT, 1, "bought").at(early).event()]).await;
    world.until_all(TENANT, State::Fulfilled).await;
    world.bring(&[refunded(TENANT, 101, 1, "100.00 USD", "40.00 USD")]).await;
    assert_eq!(shown(&world).await, one(State::Fulfilled, "6.00 USD"));
    assert_eq!(world.balances(TENANT, "").await.last().unwrap(), "receivable -4.00 USD");
    world.bring(&[cancelled(TENANT, 102, 1, "100.00 USD")]).await;
    assert_eq!(shown(&world).await, one(State::Reversed, "0.00 USD"));
    assert_eq!(
        world.balances(TENANT, &ADVOCATE.to_string()).await,
        [
            "budget 0.00 USD",
            "pending 0.00 USD",
            "payable 0.00 USD",
            "paid 10.00 USD",
            "receivable -10.00 USD"
        ]
    );
    assert_balanced(&world).await;
    // 6.00 of the next payout is kept back, and so is 4.00 of the one after it
    let small = enters(TENANT, 2, "bought").at(early).revenue("60.00 USD");
    world.bring(&[small.event()]).await;
    world
        .until(async || shown(&world).await.last() == Some(&(State::Fulfilled, "6.00 USD".to_owned())))
        .await;
    assert_eq!(world.balances(TENANT, "").await[3..], ["paid 10.00 USD", "receivable -4.00 USD"]);
    world.bring(&[enters(TENANT, 3, "bought").at(early).event()]).await;
    world
        .until(async || shown(&world).await.last() == Some(&(State::Fulfilled, "10.00 USD".to_owned())))
        .await;
    assert_eq!(world.balances(TENANT, "").await[3..], ["paid 16.00 USD", "receivable 0.00 USD"]);
    assert_eq!(explained(&world, "o-2").await, [(3, wire::TurnKind::Netted, "10.00 USD".to_owned())]);
    let last = |fact: &Fact| matches!(fact, Fact::RewardFulfilled(paid) if money_text(paid.amount.as_ref()) == "6.00 USD");
    let seen = events(&world, TENANT, last).await;
    let tail =
        ["reward_amount_changed", "reward_reversed", "reward_created", "reward_approved", "reward_netted"];
    assert_eq!(names(&seen)[4..9], tail);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r9_debts_of_another_beneficiary_or_currency_are_not_netted() {
    let world = World::new().await;
    let contact =
        rule("own", "loyal", "beneficiary: CONTACT, amount: {percent: 10%}, fulfilment: ON_APPROVAL");
    world.apply(TENANT, &format!("{}{contact}", paid_share())).await;
    let early = NOW - Duration::days(40);
    world.bring(&[enters(TENANT, 1, "bought").at(early).event()]).await;
    world.until_all(TENANT, State::Fulfilled).await;
    let euros = enters(TENANT, 2, "bought").at(early).revenue("100.00 EUR");
    let theirs = enters(TENANT, 3, "loyal").at(early);
    world.bring(&[cancelled(TENANT, 101, 1, "100.00 USD"), euros.event(), theirs.event()]).await;
    world.until(async || shown(&world).await[1..].iter().all(|(state, _)| *state == State::Fulfilled)).await;
    let of = async |who: uuid::Uuid| world.balances(TENANT, &who.to_string()).await;
    assert!(of(ADVOCATE).await.contains(&"paid 10.00 EUR".to_owned()));
    assert!(of(ADVOCATE).await.contains(&"receivable -10.00 USD".to_owned()));
    assert!(of(CONTACT).await.contains(&"paid 10.00 USD".to_owned()));
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r9_a_refund_told_before_the_transition_counts_if_the_transition_does_not_carry_it() {
    let world = World::new().await;
    world.apply(TENANT, &share()).await;
    let refund = |n, order| refunded(TENANT, n, order, "100.00 USD", "40.00 USD");
    let carries = enters(TENANT, 2, "bought").with(|t| {
        t.order.as_mut().unwrap().refunded = Some(money("40.00 USD"));
    });
    let stale = enters(TENANT, 3, "bought").with(|t| t.cause = TransitionCause::Waited.into());
    // a revenue lowered, and raised again before the stage was entered
    let lowered = |n, order| refunded(TENANT, n, order, "40.00 USD", "0.00 USD");
    let waited = enters(TENANT, 5, "bought").with(|t| t.cause = TransitionCause::Timer.into());
    let facts = [refund(101, 1), refund(102, 2), refund(103, 3), lowered(104, 4), lowered(105, 5)];
    world.bring(&facts).await;
    let fresh = |n| enters(TENANT, n, "bought").event();
    world.bring(&[fresh(1), carries.event(), stale.event(), fresh(4), waited.event()]).await;
    let amounts: Vec<_> = shown(&world).await.into_iter().map(|(_, amount)| amount).collect();
    // 10 % of 60 is due of those that have to be told, and of the one that knew
    assert_eq!(amounts, ["6.00 USD", "6.00 USD", "6.00 USD", "10.00 USD", "4.00 USD"]);
    assert_balanced(&world).await;
}

#[tokio::test]
async fn r9_a_retried_decision_heeds_what_was_refunded_since() {
    let world = World::new().await;
    let bonus = |when: &str| {
        let more = format!("beneficiary: CONTACT, amount: {{percent: 10%}}, hold: 1d, when: {when}");
        rule("bonus", "bought", &more)
    };
    world.apply(TENANT, &bonus("100 / order.refunded_minor > 1")).await;
    let entered = enters(TENANT, 1, "bought").at(NOW + Duration::hours(20));
    world.bring(&[entered.event(), refunded(TENANT, 101, 1, "100.00 USD", "50.00 USD")]).await;
    let from = "effective_from: 2026-03-02T08:00:00Z";
    let definition = format!("program: Spring\ncampaign: spring\n{from}\nrules:\n{}", bonus("true"));
    let apply = wire::ApplyProgramRequest { definition, base_version: 0 };
    world.programs(TENANT).apply_program(apply).await.unwrap();
    let key = wire::RetryDecisionRequest {
        transition_id: id(1).to_string(),
        rule: "bonus".to_owned(),
        beneficiary_kind: wire::BeneficiaryKind::Contact.into(),
    };
    world.rewards(TENANT).retry_decision(key).await.unwrap();
    assert_eq!(shown(&world).await, one(State::Pending, "5.00 USD"));
    assert_balanced(&world).await;
}

/// A reward that was fulfilled and refunded, and a second that nets it: the differences after `sql`.
async fn found(sql: &'static str) -> Vec<(String, String)> {
    let world = World::new().await;
    world.apply(TENANT, &share()).await;
    world.bring(&[enters(TENANT, 1, "bought").event(), enters(TENANT, 2, "bought").event()]).await;
    let all = world.all(TENANT).await;
    approve(&world, &all[0]).await;
    fulfil(&world, &all[0]).await;
    world.bring(&[refunded(TENANT, 101, 1, "100.00 USD", "40.00 USD")]).await;
    approve(&world, &all[1]).await;
    fulfil(&world, &all[1]).await;
    assert_balanced(&world).await;
    world.tamper(sql).await;
    let report = world.verify(TENANT).await;
    let name = |difference: wire::Difference| {
        let id = difference.id.replace(&all[0].reward_id, "FIRST").replace(&all[1].reward_id, "SECOND");
        (difference.kind, id.replace(&ADVOCATE.to_string(), "ADVOCATE"))
    };
    let mut found: Vec<_> = report.differences.into_iter().map(name).collect();
    found.sort();
    found
}

async fn names_it(sql: &'static str, kind: &str, id: &str) {
    let found = found(sql).await;
    assert!(found.contains(&(kind.to_owned(), id.to_owned())), "{sql}: {found:?}");
}

#[tokio::test]
async fn r10_damage_to_what_refunds_did_is_named() {
    names_it("UPDATE rewards.order_facts SET refunded_minor = 9000", "turn", "FIRST/4").await;
    names_it("DELETE FROM rewards.order_facts", "turn", "FIRST/4").await;
    names_it("DELETE FROM rewards.turns WHERE kind = 1", "posting", "FIRST/4").await;
    names_it("UPDATE rewards.turns SET amount_minor = 1 WHERE kind = 1", "turn", "FIRST/4").await;
    names_it("DELETE FROM rewards.turns WHERE kind = 4", "posting", "SECOND/3").await;
    names_it("UPDATE rewards.postings SET amount_minor = 1 WHERE cause = 6", "posting", "SECOND/3").await;
    names_it("UPDATE rewards.receivables SET owed_minor = 7", "receivable", "ADVOCATE").await;
    names_it("UPDATE rewards.rewards SET amount_minor = 1000", "reward", "FIRST").await;
}
