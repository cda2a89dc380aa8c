//! Deriving amounts, states and postings again from what was recorded, and comparing (R10).

use super::decision::{self, Decision, Outcome};
use super::effects::{Effects, Move};
use super::explain::rule_of;
use super::ledger::{Cause, Posting};
use super::program::{Judge, Program};
use super::reward::{Reward, State};

/// A decision with all that is stored of what it led to.
#[derive(Debug, Clone)]
pub struct Record {
    /// The decision.
    pub decision: Decision,
    /// The reward it names, if that is there.
    pub reward: Option<Reward>,
    /// The reward's postings by number.
    pub postings: Vec<Posting>,
    /// The reward's hand moves by number.
    pub moves: Vec<Move>,
}

/// What kind of thing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A decision.
    Decision,
    /// A reward.
    Reward,
    /// A posting.
    Posting,
    /// A hand move.
    Move,
    /// A transition of the stream.
    Transition,
    /// A contact's account credit.
    Credit,
}

/// One difference between what is stored and what follows from the decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What kind of thing.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// What was expected and what was found.
    pub detail: String,
}

impl Difference {
    /// A difference of the thing `id`.
    pub fn new(kind: Kind, id: impl std::fmt::Display, detail: impl Into<String>) -> Self {
        Self { kind, id: id.to_string(), detail: detail.into() }
    }
}

/// Compares one decision, and what it led to, with what follows from what it recorded.
pub fn audit(program: Option<&Program>, record: &Record) -> Vec<Difference> {
    let decision = &record.decision;
    let id = || format!("{}/{}", decision.transition.transition_id, decision.rule);
    let wrong = |detail: String| vec![Difference::new(Kind::Decision, id(), detail)];
    let judged = program.and_then(|p| Some((p.named(decision.version)?, rule_of(decision, p)?)));
    let Some((judge, rule)) = judged else {
        return wrong(format!("names version {} of the program, which has no such rule", decision.version));
    };
    if let Some(detail) = misplaced(judge, decision) {
        return wrong(detail);
    }
    // a parked decision is not final: it made nothing, and may be judged otherwise now
    if decision.verdict.outcome != Outcome::Parked {
        let expected = decision::judge(judge, rule, &decision.transition);
        if expected != decision.verdict {
            return wrong(format!("expected {}, found {}", verdict(&expected), verdict(&decision.verdict)));
        }
    }
    match (decision.verdict.outcome, decision.verdict.amount, decision.reward) {
        (Outcome::Created, Some(amount), Some(reward_id)) => {
            match Reward::create(reward_id, decision, rule, amount) {
                Some((reward, posting)) => compare(reward, posting, record),
                None => wrong("its reward has no beneficiary".to_owned()),
            }
        }
        (Outcome::Created, _, _) => wrong("names no reward".to_owned()),
        (_, _, Some(reward_id)) => wrong(format!("made no reward, but names {reward_id}")),
        (_, _, None) => Vec::new(),
    }
}

/// Whether the version that decided can have been in force.
fn misplaced(judge: Judge<'_>, decision: &Decision) -> Option<String> {
    let at = decision.transition.occurred_at;
    match judge {
        Judge::InForce(version) if version.effective_from > at => {
            let version = version.version;
            Some(format!("version {version} was not in force at {at}"))
        }
        _ => None,
    }
}

fn verdict(of: &decision::Verdict) -> String {
    let amount = of.amount.map_or_else(String::new, |amount| format!(" {amount}"));
    format!("{:?}{amount}", of.outcome)
}

/// Lives the reward's life again, and compares the end of it with what is stored.
fn compare(mut reward: Reward, first: Posting, record: &Record) -> Vec<Difference> {
    let Some(stored) = &record.reward else {
        let detail = format!("missing; the decision on {} created it", reward.transition);
        return vec![Difference::new(Kind::Reward, reward.reward_id, detail)];
    };
    let mut effects = Effects { postings: vec![first], ..Effects::default() };
    let mut differences = replay(&mut reward, stored, record, &mut effects);
    differences.extend(unlike(&reward, stored));
    differences.extend(postings(&effects.postings, &record.postings));
    differences
}

/// Applies the recorded moves, and the end of the hold wherever something shows that it came.
fn replay(reward: &mut Reward, stored: &Reward, record: &Record, effects: &mut Effects) -> Vec<Difference> {
    let mut moves = record.moves.iter().peekable();
    loop {
        let next = reward.posted + 1;
        if let Some(moved) = moves.next_if(|moved| moved.number == next) {
            if reward.by_hand(&moved.action, None, moved.occurred_at, effects) != Ok(true) {
                let id = format!("{}/{}", reward.reward_id, moved.number);
                return vec![Difference::new(Kind::Move, id, format!("not allowed in {:?}", reward.state))];
            }
            continue;
        }
        let went_on = moves.peek().is_some()
            || record.postings.iter().any(|posting| posting.number >= next)
            || stored.state != State::Pending;
        let due = reward.is_due(reward.hold_until);
        if !(due && went_on) || reward.hold_over(effects).is_err() {
            break;
        }
    }
    let left = moves.map(|moved| {
        let id = format!("{}/{}", moved.reward_id, moved.number);
        Difference::new(Kind::Move, id, "belongs to no posting")
    });
    left.collect()
}

/// What differs between the reward as it should be and as it is stored.
fn unlike(expected: &Reward, stored: &Reward) -> Vec<Difference> {
    if expected == stored {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: String, found: String| {
        if expected != found {
            wrong.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    compare("state", format!("{:?}", expected.state), format!("{:?}", stored.state));
    compare("amount", expected.amount.to_string(), stored.amount.to_string());
    compare("beneficiary", expected.beneficiary.to_string(), stored.beneficiary.to_string());
    compare("campaign", expected.campaign.to_string(), stored.campaign.to_string());
    compare("hold until", expected.hold_until.to_string(), stored.hold_until.to_string());
    compare("postings", expected.posted.to_string(), stored.posted.to_string());
    if wrong.is_empty() {
        wrong.push("differs from its decision".to_owned());
    }
    vec![Difference::new(Kind::Reward, stored.reward_id, wrong.join("; "))]
}

fn postings(expected: &[Posting], stored: &[Posting]) -> Vec<Difference> {
    if expected == stored {
        return Vec::new();
    }
    let id = |posting: &Posting| format!("{}/{}", posting.reward_id, posting.number);
    let mut differences = Vec::new();
    for posting in expected {
        match stored.iter().find(|found| found.number == posting.number) {
            None => differences.push(Difference::new(Kind::Posting, id(posting), "missing")),
            Some(found) if found != posting => {
                let detail = format!("expected {}, found {}", in_words(posting), in_words(found));
                differences.push(Difference::new(Kind::Posting, id(posting), detail));
            }
            Some(_) => {}
        }
    }
    let unknown = stored.iter().filter(|found| expected.iter().all(|p| p.number != found.number));
    differences
        .extend(unknown.map(|found| Difference::new(Kind::Posting, id(found), "follows from nothing")));
    differences
}

fn in_words(posting: &Posting) -> String {
    let cause = match posting.cause {
        Cause::Created => "creation",
        Cause::HoldOver => "end of hold",
        Cause::OnApproval => "approval",
        Cause::ByHand => "hand",
    };
    let Posting { debit, credit, amount, occurred_at, .. } = posting;
    format!("{amount} from {debit:?} to {credit:?} by {cause} at {occurred_at}")
}
