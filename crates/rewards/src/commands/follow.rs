//! A slice of the transition stream: rules on stage transitions, refunds of orders (R9), flags of contacts (A9). Each step sees
//! those before it, whatever slices they come in; each has a natural key, so the same again changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use pg::WriteTx;
use types::{EventId, TenantId, Timestamp};

use super::judge_transitions;
use crate::domain::book::{Book, Who};
use crate::domain::decision::{Decision, DecisionKey, Transition};
use crate::domain::effects::Effects;
use crate::domain::explain::rule_of;
use crate::domain::refund::{OrderFact, OrderKey, Terms};
use crate::domain::standing::ContactFact;
use crate::store::programs::{ByCampaign, Programs};
use crate::store::{decisions, facts, rewards};

/// What an event of the stream means here.
#[derive(Debug)]
pub(crate) enum Step {
    /// A run entered a stage.
    Transition(Box<Transition>),
    /// An order was refunded or cancelled.
    Order(OrderFact),
    /// A contact was flagged, or its status changed.
    Contact(ContactFact),
}

impl Step {
    fn transition(&self) -> Option<&Transition> {
        if let Self::Transition(transition) = self { Some(transition) } else { None }
    }

    fn order(&self) -> Option<&OrderFact> {
        if let Self::Order(fact) = self { Some(fact) } else { None }
    }

    fn contact(&self) -> Option<&ContactFact> {
        if let Self::Contact(fact) = self { Some(fact) } else { None }
    }
}

/// A step, and the trace that it continues.
pub(crate) type Traced = (Step, Option<Arc<str>>);

/// Takes steps in their order, into `effects`. `now` is the real clock.
pub(crate) async fn follow(
    tx: &mut WriteTx,
    programs: &Programs,
    steps: &[Traced],
    now: Timestamp,
    effects: &mut Effects,
) -> Result<(), pg::Error> {
    let mut slice = Slice::load(tx, programs, steps).await?;
    for (step, trace) in steps {
        match step {
            Step::Transition(transition) => {
                let key = (transition.tenant.clone(), transition.campaign.clone());
                // without a program no rule is considered, and there is nothing to record
                if let Some(program) = slice.programs.get(&key) {
                    let (decided, book) = (&mut slice.decided, &mut slice.book);
                    judge_transitions::judge(transition, program, decided, now, book, effects);
                }
            }
            Step::Order(fact) if slice.is_new(&fact.order.tenant, fact.event_id) => {
                slice.book.refund(fact.clone(), effects);
            }
            Step::Contact(fact) if slice.is_new(&fact.tenant, fact.event_id) => {
                slice.book.tell(fact.clone(), effects);
            }
            Step::Order(_) | Step::Contact(_) => {}
        }
        effects.sign(trace.as_ref());
    }
    slice.book.close(effects);
    Ok(())
}

/// All that the steps of a slice need, loaded with one query per kind of state.
struct Slice {
    programs: ByCampaign,
    decided: HashSet<DecisionKey>,
    facts: HashSet<(TenantId, EventId)>,
    book: Book,
}

impl Slice {
    async fn load(tx: &mut WriteTx, programs: &Programs, steps: &[Traced]) -> Result<Self, pg::Error> {
        let facts = known_facts(tx, steps).await?;
        let of_orders = rewarded(tx, steps, &facts).await?;
        let transitions = || steps.iter().filter_map(|(step, _)| step.transition());
        let campaign = |t: &Transition| (t.tenant.clone(), t.campaign.clone());
        let campaigns = transitions().chain(of_orders.iter().map(|d| &d.transition)).map(campaign).collect();
        let programs = programs.load(&mut *tx, &campaigns).await?;
        let judged: Vec<&Transition> =
            transitions().filter(|transition| programs.contains_key(&campaign(transition))).collect();
        let decided = decisions::existing(tx, &judged).await?;
        let mut book = book(tx, &judged, steps).await?;
        hold(tx, &mut book, &of_orders, &programs).await?;
        let contacts: Vec<&ContactFact> = steps.iter().filter_map(|(step, _)| step.contact()).collect();
        for reward in rewards::waiting(tx, &contacts).await? {
            book.hold(reward, None);
        }
        Ok(Self { programs, decided, facts, book })
    }

    /// Whether a fact is told for the first time.
    fn is_new(&mut self, tenant: &TenantId, event: EventId) -> bool {
        self.facts.insert((tenant.clone(), event))
    }
}

/// Facts of the slice that were told before.
async fn known_facts(tx: &mut WriteTx, steps: &[Traced]) -> Result<HashSet<(TenantId, EventId)>, pg::Error> {
    let order = |fact: &OrderFact| (fact.order.tenant.clone(), fact.event_id);
    let orders: Vec<_> = steps.iter().filter_map(|(step, _)| step.order().map(order)).collect();
    let contact = |fact: &ContactFact| (fact.tenant.clone(), fact.event_id);
    let contacts: Vec<_> = steps.iter().filter_map(|(step, _)| step.contact().map(contact)).collect();
    let mut known = facts::known_of_orders(tx, &orders).await?;
    known.extend(facts::known_of_contacts(tx, &contacts).await?);
    Ok(known)
}

/// Decisions that created rewards of the orders that new facts speak of.
async fn rewarded(
    tx: &mut WriteTx,
    steps: &[Traced],
    known: &HashSet<(TenantId, EventId)>,
) -> Result<Vec<Decision>, pg::Error> {
    let facts = steps.iter().filter_map(|(step, _)| step.order());
    let new = facts.filter(|fact| !known.contains(&(fact.order.tenant.clone(), fact.event_id)));
    let orders: HashSet<&OrderKey> = new.map(|fact| &fact.order).collect();
    decisions::of_orders(tx, &orders.into_iter().collect::<Vec<_>>()).await
}

/// What was told before of the orders of transitions, and of all contacts of the slice.
async fn book(tx: &mut WriteTx, judged: &[&Transition], steps: &[Traced]) -> Result<Book, pg::Error> {
    let orders: HashSet<OrderKey> = judged.iter().filter_map(|transition| transition.order_key()).collect();
    let heard =
        steps.iter().filter_map(|(step, _)| step.contact()).map(|fact| (fact.tenant.clone(), fact.contact));
    let mut contacts: HashSet<Who> = heard.collect();
    for transition in judged {
        let advocate = transition.attribution.map(|(_, advocate)| advocate);
        let both = advocate.into_iter().chain([transition.contact]);
        contacts.extend(both.map(|contact| (transition.tenant.clone(), contact)));
    }
    let orders: Vec<_> = orders.into_iter().collect();
    let contacts: Vec<_> = contacts.into_iter().collect();
    told(tx, &orders, &contacts).await
}

/// Holds the rewards of decisions, with the terms on which they fall.
async fn hold(
    tx: &mut WriteTx,
    book: &mut Book,
    decisions: &[Decision],
    programs: &ByCampaign,
) -> Result<(), pg::Error> {
    if decisions.is_empty() {
        return Ok(());
    }
    let key = |decision: &Decision| Some((decision.transition.tenant.clone(), decision.reward?));
    let keys: Vec<_> = decisions.iter().filter_map(key).collect();
    let keys: Vec<_> = keys.iter().map(|(tenant, reward)| (tenant, *reward)).collect();
    let mut rewards = rewards::load(tx, &keys).await?;
    for decision in decisions {
        let transition = &decision.transition;
        let Some(reward) = key(decision).and_then(|key| rewards.remove(&key)) else { continue };
        let program = programs.get(&(transition.tenant.clone(), transition.campaign.clone()));
        // a decision comes of a rule, and versions are never removed
        let missing = || pg::Error::unreadable("decisions.rule", &decision.rule);
        let rule = program.and_then(|program| rule_of(decision, program)).ok_or_else(missing)?;
        book.hold(reward, Terms::of(decision, rule));
    }
    Ok(())
}

/// What a retried decision needs: what was told of its order and of its beneficiary.
pub(super) async fn about(tx: &mut WriteTx, decision: &Decision) -> Result<Book, pg::Error> {
    let orders: Vec<OrderKey> = decision.transition.order_key().into_iter().collect();
    let who = |contact| (decision.transition.tenant.clone(), contact);
    let contacts: Vec<Who> = decision.beneficiary_id().map(who).into_iter().collect();
    told(tx, &orders, &contacts).await
}

async fn told(tx: &mut WriteTx, orders: &[OrderKey], contacts: &[Who]) -> Result<Book, pg::Error> {
    let order_facts = facts::of_orders(tx, orders).await?;
    Ok(Book::new(order_facts, facts::standings(&mut **tx, contacts).await?))
}
