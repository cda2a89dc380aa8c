//! Deriving amounts, states and postings again from what was recorded, and comparing (R10).

use super::decision::{self, Decision, Outcome};
use super::effects::{Effects, Move, Turn, TurnCause};
use super::explain::rule_of;
use super::ledger::{Cause, Posting};
use super::program::{Judge, Program};
use super::receivables::Receivables;
use super::refund::{OrderFact, Terms};
use super::reward::{Reward, State};
use super::standing::Standing;

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
    /// The reward's turns by number.
    pub turns: Vec<Turn>,
    /// What was told of its order, in the order it came.
    pub order_facts: Vec<OrderFact>,
    /// How its beneficiary stands.
    pub standing: Standing,
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
    /// What a fact or a debt did.
    Turn,
    /// A transition of the stream.
    Transition,
    /// A contact's account credit.
    Credit,
    /// What a contact owes back.
    Receivable,
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
                Some((reward, posting)) => {
                    compare(reward, posting, Terms::of(decision, rule).as_ref(), record)
                }
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
fn compare(mut reward: Reward, first: Posting, terms: Option<&Terms>, record: &Record) -> Vec<Difference> {
    let Some(stored) = &record.reward else {
        let detail = format!("missing; the decision on {} created it", reward.transition);
        return vec![Difference::new(Kind::Reward, reward.reward_id, detail)];
    };
    // what was owed when it was paid is of other rewards: the sum of debts is compared apart
    let owed = record.turns.iter().find_map(|turn| match turn.cause {
        TurnCause::Netted(owed) => Some((reward.debtor(), owed)),
        _ => None,
    });
    let receivables = Receivables::new(owed);
    let mut effects = Effects { postings: vec![first], receivables, ..Effects::default() };
    let mut differences = replay(&mut reward, stored, terms, record, &mut effects);
    differences.extend(unlike(&reward, stored));
    differences.extend(postings(&effects.postings, &record.postings));
    differences.extend(turns(&effects.turns, &record.turns));
    differences.extend(forgotten(&reward, terms, record));
    differences
}

/// Applies the recorded moves and turns, and the end of the hold wherever something shows that it came.
fn replay(
    reward: &mut Reward,
    stored: &Reward,
    terms: Option<&Terms>,
    record: &Record,
    effects: &mut Effects,
) -> Vec<Difference> {
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
        let turn = record.turns.iter().find(|turn| turn.number == next);
        if let Some(turn) = turn
            && !matches!(turn.cause, TurnCause::Netted(_))
        {
            if let Err(detail) = take(reward, turn, terms, record, effects) {
                let id = format!("{}/{}", reward.reward_id, turn.number);
                return vec![Difference::new(Kind::Turn, id, detail)];
            }
            continue;
        }
        let went_on = moves.peek().is_some()
            || record.turns.iter().any(|turn| turn.number >= next)
            || record.postings.iter().any(|posting| posting.number >= next)
            || stored.state != State::Pending;
        let due = reward.is_due(reward.hold_until);
        if !(due && went_on) || reward.hold_over(effects).is_err() {
            break;
        }
    }
    let left = moves.map(|moved| {
        let id = format!("{}/{}", moved.reward_id, moved.number);
        Difference::new(Kind::Move, id, "belongs to no step")
    });
    left.collect()
}

/// Takes a recorded turn again; why it cannot have been, if so.
fn take(
    reward: &mut Reward,
    turn: &Turn,
    terms: Option<&Terms>,
    record: &Record,
    effects: &mut Effects,
) -> Result<(), String> {
    let steps = reward.posted;
    let at = turn.occurred_at;
    match turn.cause {
        TurnCause::Refunded(event, _) => {
            let fact = record.order_facts.iter().find(|fact| fact.event_id == event);
            let (terms, fact) = terms.zip(fact).ok_or_else(|| format!("nothing was told by {event}"))?;
            reward.refund(terms.due(fact), event, at, effects);
        }
        TurnCause::Flagged(event) => reward.flag(event, at, effects),
        TurnCause::Unflagged(event) => reward.unflag(event, at, effects),
        // part of the payment
        TurnCause::Netted(_) => {}
    }
    if reward.posted > steps { Ok(()) } else { Err(format!("changes nothing in {:?}", reward.state)) }
}

/// Facts that should have done something to the reward, and did not.
fn forgotten(reward: &Reward, terms: Option<&Terms>, record: &Record) -> Vec<Difference> {
    let missed = |fact: &&OrderFact| {
        terms.is_some_and(|terms| terms.missed(fact) && terms.due(fact).minor < reward.amount.minor)
    };
    let wrong = |detail: String| Difference::new(Kind::Reward, reward.reward_id, detail);
    let refund = record.order_facts.iter().find(missed);
    let mut differences: Vec<_> = refund
        .map(|fact| wrong(format!("the refund told by {} did nothing", fact.event_id)))
        .into_iter()
        .collect();
    match (reward.state, record.standing.held_up_by()) {
        (State::Pending, Some(event)) => {
            differences.push(wrong(format!("not flagged, though {event} says so")));
        }
        (State::Flagged, None) => {
            differences.push(wrong("flagged, though its beneficiary is not".to_owned()));
        }
        _ => {}
    }
    differences
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
    let id = |posting: &Posting| (posting.number, format!("{}/{}", posting.reward_id, posting.number));
    unequal(Kind::Posting, expected, stored, id, in_words)
}

fn turns(expected: &[Turn], stored: &[Turn]) -> Vec<Difference> {
    let id = |turn: &Turn| (turn.number, format!("{}/{}", turn.reward_id, turn.number));
    unequal(Kind::Turn, expected, stored, id, |turn| format!("{:?} at {}", turn.cause, turn.occurred_at))
}

/// What differs between two lists of numbered things.
fn unequal<T: PartialEq>(
    kind: Kind,
    expected: &[T],
    stored: &[T],
    id: impl Fn(&T) -> (i32, String),
    words: impl Fn(&T) -> String,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    for thing in expected {
        let (number, name) = id(thing);
        match stored.iter().find(|found| id(found).0 == number) {
            None => differences.push(Difference::new(kind, name, "missing")),
            Some(found) if found != thing => {
                let detail = format!("expected {}, found {}", words(thing), words(found));
                differences.push(Difference::new(kind, name, detail));
            }
            Some(_) => {}
        }
    }
    let unknown = stored.iter().filter(|found| expected.iter().all(|thing| id(thing).0 != id(found).0));
    differences.extend(unknown.map(|found| Difference::new(kind, id(found).1, "follows from nothing")));
    differences
}

fn in_words(posting: &Posting) -> String {
    let cause = match posting.cause {
        Cause::Created => "creation",
        Cause::HoldOver => "end of hold",
        Cause::OnApproval => "approval",
        Cause::ByHand => "hand",
        Cause::Refunded => "refund",
        Cause::Netted => "netting",
    };
    let Posting { debit, credit, amount, occurred_at, .. } = posting;
    format!("{amount} from {debit:?} to {credit:?} by {cause} at {occurred_at}")
}
