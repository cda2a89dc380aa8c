use super::reward::fulfilled;
use super::{money, program};
use crate::domain::audit::{Difference, Kind, Record, audit};
use crate::domain::decision::Outcome;
use crate::domain::reward::State;

/// What is found after `tamper` had its way with a fulfilled reward.
fn found(tamper: impl FnOnce(&mut Record)) -> Vec<(Kind, String)> {
    let (rule, mut record) = fulfilled();
    tamper(&mut record);
    let differences = audit(Some(&program(&rule)), &record);
    differences.into_iter().map(|Difference { kind, id, .. }| (kind, id)).collect()
}

const REWARD: &str = "00000000-0000-0000-0000-000000000009";
const DECISION: &str = "00000000-0000-0000-0000-000000000001/r";

fn one(kind: Kind, id: &str) -> Vec<(Kind, String)> {
    vec![(kind, id.to_owned())]
}

#[test]
fn r10_an_untouched_reward_differs_in_nothing() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn r10_a_changed_amount_is_found() {
    let changed = found(|record| record.reward.as_mut().unwrap().amount = money("11.00 USD"));
    assert_eq!(changed, one(Kind::Reward, REWARD));
    let decided = found(|record| record.decision.verdict.amount = Some(money("11.00 USD")));
    assert_eq!(decided, one(Kind::Decision, DECISION));
    let posted = found(|record| record.postings[1].amount = money("11.00 USD"));
    assert_eq!(posted, one(Kind::Posting, &format!("{REWARD}/2")));
}

#[test]
fn r10_a_missing_reward_or_posting_is_found() {
    assert_eq!(found(|record| record.reward = None), one(Kind::Reward, REWARD));
    for number in 1..=3 {
        let gone = found(|record| record.postings.retain(|posting| posting.number != number));
        assert_eq!(gone, one(Kind::Posting, &format!("{REWARD}/{number}")));
    }
}

#[test]
fn r10_a_flipped_state_is_found() {
    for state in [State::Pending, State::Approved, State::Processing, State::Denied] {
        let flipped = found(|record| record.reward.as_mut().unwrap().state = state);
        assert_eq!(flipped, one(Kind::Reward, REWARD), "{state:?}");
    }
}

#[test]
fn r10_a_changed_decision_is_found() {
    let outcome = found(|record| record.decision.verdict.outcome = Outcome::ConditionFalse);
    assert_eq!(outcome, one(Kind::Decision, DECISION));
    let version = found(|record| record.decision.version = 7);
    assert_eq!(version, one(Kind::Decision, DECISION));
    let unattributed = found(|record| record.decision.transition.attribution = None);
    assert_eq!(unattributed, one(Kind::Decision, DECISION));
}

#[test]
fn r10_another_beneficiary_is_found() {
    let other = found(|record| record.reward.as_mut().unwrap().beneficiary = super::id(77));
    assert_eq!(other, one(Kind::Reward, REWARD));
}

#[test]
fn r10_a_posting_without_cause_is_found() {
    let extra = found(|record| {
        let mut posting = record.postings[2].clone();
        posting.number = 4;
        record.postings.push(posting);
    });
    assert_eq!(extra, one(Kind::Posting, &format!("{REWARD}/4")));
}
