//! The ledger (R10): balances, postings, and what verification finds.

use crate::common::{ADVOCATE, NOW, TENANT, World, enters, error, held, id, refused, rule};
use proto::rewards as wire;
use proto::rewards::Account::{Budget, Paid, Payable, Pending};
use proto::rewards::RewardState as State;
use time::Duration;
use tonic::Code;

/// Three rewards, of which the first two are fulfilled.
async fn world() -> World {
    let world = World::new().await;
    world.apply(TENANT, &held()).await;
    let early = NOW - Duration::days(40);
    world
        .bring(&[
            enters(TENANT, 1, "bought").at(early).event(),
            enters(TENANT, 2, "bought").at(early).event(),
            enters(TENANT, 3, "bought").event(),
        ])
        .await;
    world
        .until(async || world.all(TENANT).await.iter().filter(|r| r.state() == State::Fulfilled).count() == 2)
        .await;
    world
}

/// The differences after `sql`, as `kind id` without the reward's or transition's number.
async fn found(sql: &'static str) -> Vec<(String, String)> {
    let world = world().await;
    let report = world.verify(TENANT).await;
    assert!(report.balanced, "{report:?}");
    assert_eq!((report.decisions, report.rewards, report.postings, report.transitions), (3, 3, 7, 3));
    let first = world.all(TENANT).await[0].reward_id.clone();
    world.tamper(sql).await;
    let report = world.verify(TENANT).await;
    assert!(!report.balanced);
    let name = |difference: wire::Difference| {
        let id = difference.id.replace(&first, "FIRST").replace(&id(1).to_string(), "T1");
        (difference.kind, id.replace(&ADVOCATE.to_string(), "ADVOCATE"))
    };
    let mut found: Vec<_> = report.differences.into_iter().map(name).collect();
    found.sort();
    found
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(kind, id)| ((*kind).to_owned(), (*id).to_owned())).collect()
}

#[tokio::test]
async fn r10_balances_are_kept_per_currency_and_sum_to_zero() {
    let world = World::new().await;
    let euros = rule("euros", "bought", "beneficiary: CONTACT, amount: {fixed: 3.00 EUR}, approval: BY_HAND");
    world.apply(TENANT, &format!("{}{euros}", held())).await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    let balances = world.balances(TENANT, "").await;
    assert_eq!(balances, ["budget -3.00 EUR", "pending 3.00 EUR", "budget -10.00 USD", "pending 10.00 USD"]);
    let share = world.balances(TENANT, &ADVOCATE.to_string()).await;
    assert_eq!(share, ["budget -10.00 USD", "pending 10.00 USD"]);
    assert_eq!(world.balances("other", "").await, Vec::<String>::new());
}

#[tokio::test]
async fn r10_postings_are_listed_page_by_page() {
    let world = world().await;
    let mut client = world.ledger(TENANT);
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = wire::ListPostingsRequest { page_size: 3, page_token: token, ..Default::default() };
        let page = client.list_postings(request).await.unwrap().into_inner();
        seen.extend(page.postings.into_iter().map(|posting| (posting.reward_id, posting.number)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));
    let reward_id = world.all(TENANT).await[0].reward_id.clone();
    let request = wire::ListPostingsRequest { reward_id, ..Default::default() };
    let postings = client.list_postings(request).await.unwrap().into_inner().postings;
    let paths: Vec<_> = postings.iter().map(|p| (p.number, p.debit(), p.credit())).collect();
    assert_eq!(paths, [(3, Payable, Paid), (2, Pending, Payable), (1, Budget, Pending)]);
    let request = wire::ListPostingsRequest { reward_id: "x".to_owned(), ..Default::default() };
    let status = client.list_postings(request).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::InvalidArgument, "INVALID_FIELD", "reward_id"));
}

#[tokio::test]
async fn r10_a_changed_amount_of_a_reward_is_found() {
    let sql = "UPDATE rewards.rewards SET amount_minor = 1 WHERE reward_id = (SELECT reward_id FROM rewards.decisions
               WHERE transition_id = '00000000-0000-0000-0000-000000000001')";
    assert_eq!(found(sql).await, pairs(&[("reward", "FIRST")]));
}

#[tokio::test]
async fn r10_a_changed_decision_is_found() {
    let sql = "UPDATE rewards.decisions SET amount_minor = 1
               WHERE transition_id = '00000000-0000-0000-0000-000000000001'";
    assert_eq!(found(sql).await, pairs(&[("decision", "T1/held")]));
}

#[tokio::test]
async fn r10_a_deleted_posting_is_found() {
    let sql = "DELETE FROM rewards.postings WHERE number = 2 AND reward_id = (SELECT reward_id FROM rewards.decisions
               WHERE transition_id = '00000000-0000-0000-0000-000000000001')";
    assert_eq!(found(sql).await, pairs(&[("posting", "FIRST/2")]));
}

#[tokio::test]
async fn r10_a_deleted_decision_is_found_also_by_the_stream() {
    let sql = "DELETE FROM rewards.decisions WHERE transition_id = '00000000-0000-0000-0000-000000000001'";
    // what was paid follows from no decision any more
    let expected = [("credit", "ADVOCATE"), ("decision", "T1/held"), ("reward", "FIRST")];
    assert_eq!(found(sql).await, pairs(&expected));
}

#[tokio::test]
async fn r10_a_flipped_state_is_found() {
    let sql =
        "UPDATE rewards.rewards SET state = 5 WHERE reward_id = (SELECT reward_id FROM rewards.decisions
               WHERE transition_id = '00000000-0000-0000-0000-000000000001')";
    assert_eq!(found(sql).await, pairs(&[("reward", "FIRST")]));
}

#[tokio::test]
async fn r10_a_deleted_reward_is_found() {
    let sql = "DELETE FROM rewards.rewards WHERE reward_id = (SELECT reward_id FROM rewards.decisions
               WHERE transition_id = '00000000-0000-0000-0000-000000000001')";
    let expected = [
        ("credit", "ADVOCATE"),
        ("posting", "FIRST/1"),
        ("posting", "FIRST/2"),
        ("posting", "FIRST/3"),
        ("reward", "FIRST"),
    ];
    assert_eq!(found(sql).await, pairs(&expected));
}

#[tokio::test]
async fn r10_changed_account_credit_is_found() {
    assert_eq!(found("UPDATE rewards.credits SET balance_minor = 1").await, pairs(&[("credit", "ADVOCATE")]));
}

#[tokio::test]
async fn r10_a_decision_on_a_transition_that_journeys_does_not_know_is_found() {
    let world = world().await;
    world.tamper("UPDATE rewards.decisions SET transition_id = gen_random_uuid() WHERE transition_id = '00000000-0000-0000-0000-000000000003'").await;
    let report = world.verify(TENANT).await;
    let kinds: Vec<_> = report.differences.iter().map(|difference| difference.kind.as_str()).collect();
    // the stream's own transition has no decision, and the other one is unknown to it
    assert!(kinds.contains(&"transition") && kinds.contains(&"decision"), "{report:?}");
}

#[tokio::test]
async fn r10_a_program_applied_late_is_not_expected_to_have_judged_what_came_before() {
    let world = World::new().await;
    world.bring(&[enters(TENANT, 1, "bought").event()]).await;
    world.apply(TENANT, &held()).await;
    world.bring(&[enters(TENANT, 2, "bought").event()]).await;
    let report = world.verify(TENANT).await;
    assert!(report.balanced, "{report:?}");
    assert_eq!((report.decisions, report.transitions), (1, 2));
}

#[tokio::test]
async fn r10_an_empty_ledger_is_balanced() {
    let world = World::new().await;
    let report = world.verify(TENANT).await;
    assert_eq!((report.balanced, report.decisions, report.transitions), (true, 0, 0));
}
