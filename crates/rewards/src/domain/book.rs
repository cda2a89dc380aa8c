//! What a slice of the transition stream does to rewards beside creating them: refunds of their orders (R9), and flags of
//! their beneficiaries (A9). Facts are applied in the order of the stream, each seeing those before it.

use std::collections::HashMap;

use types::{ContactId, RewardId, TenantId};

use super::decision::Decision;
use super::effects::Effects;
use super::program::Rule;
use super::refund::{OrderFact, OrderKey, Terms};
use super::reward::Reward;
use super::standing::{ContactFact, Standing};

/// A contact of a tenant.
pub type Who = (TenantId, ContactId);

/// Facts, standings and rewards that a slice may need.
#[derive(Debug, Default)]
pub struct Book {
    order_facts: HashMap<OrderKey, Vec<OrderFact>>,
    standings: HashMap<Who, Standing>,
    held: Vec<Held>,
    places: HashMap<RewardId, usize>,
    by_order: HashMap<OrderKey, Vec<usize>>,
    by_beneficiary: HashMap<Who, Vec<usize>>,
}

#[derive(Debug)]
struct Held {
    reward: Reward,
    terms: Option<Terms>,
    /// Number of its last step as it is stored; `None` if the slice made it.
    stored: Option<i32>,
}

impl Book {
    /// What was told before: of orders in the order it came, and of contacts as they stand.
    pub fn new(order_facts: HashMap<OrderKey, Vec<OrderFact>>, standings: HashMap<Who, Standing>) -> Self {
        Self { order_facts, standings, ..Self::default() }
    }

    /// A reward that is stored, with its terms if it is held because of its order.
    pub fn hold(&mut self, reward: Reward, terms: Option<Terms>) {
        let stored = Some(reward.posted);
        self.add(Held { reward, terms, stored });
    }

    fn add(&mut self, held: Held) {
        let place = *self.places.entry(held.reward.reward_id).or_insert(self.held.len());
        if let Some(terms) = &held.terms {
            self.by_order.entry(terms.order.clone()).or_default().push(place);
        }
        if place == self.held.len() {
            let beneficiary = (held.reward.tenant.clone(), held.reward.beneficiary);
            self.by_beneficiary.entry(beneficiary).or_default().push(place);
            self.held.push(held);
        } else if let Some(known) = self.held.get_mut(place) {
            known.terms = held.terms.or(known.terms.take());
        }
    }

    /// A reward that a decision made. Refunds that its rule had not seen act on it at once, and so does the standing of its
    /// beneficiary: the stream told them before.
    pub fn create(&mut self, mut reward: Reward, decision: &Decision, rule: &Rule, effects: &mut Effects) {
        let terms = Terms::of(decision, rule);
        if let Some(terms) = &terms {
            let known = self.order_facts.get(&terms.order).into_iter().flatten();
            for fact in known.filter(|fact| terms.missed(fact)) {
                refund(&mut reward, terms, fact, effects);
            }
        }
        let beneficiary = (reward.tenant.clone(), reward.beneficiary);
        if let Some(event) = self.standings.get(&beneficiary).and_then(|standing| standing.held_up_by()) {
            reward.flag(event, reward.occurred_at, effects);
        }
        self.add(Held { reward, terms, stored: None });
    }

    /// A refund or cancellation: acts on every reward of the order (R9).
    pub fn refund(&mut self, fact: OrderFact, effects: &mut Effects) {
        for place in self.by_order.get(&fact.order).into_iter().flatten() {
            if let Some(Held { reward, terms: Some(terms), .. }) = self.held.get_mut(*place) {
                refund(reward, terms, &fact, effects);
            }
        }
        effects.order_facts.push(fact.clone());
        self.order_facts.entry(fact.order.clone()).or_default().push(fact);
    }

    /// Something told of a contact: if it is held up from now on, or no longer, so are its rewards (A9).
    pub fn tell(&mut self, fact: ContactFact, effects: &mut Effects) {
        let who = (fact.tenant.clone(), fact.contact);
        let standing = self.standings.entry(who.clone()).or_default();
        let before = standing.held_up_by();
        standing.tell(fact.told, fact.event_id);
        let after = standing.held_up_by();
        for place in self.by_beneficiary.get(&who).into_iter().flatten() {
            let Some(held) = self.held.get_mut(*place) else { continue };
            match (before, after) {
                (None, Some(event)) => held.reward.flag(event, fact.occurred_at, effects),
                (Some(_), None) => held.reward.unflag(fact.event_id, fact.occurred_at, effects),
                _ => {}
            }
        }
        effects.contact_facts.push(fact);
    }

    /// Puts rewards that are new or changed among the effects. Those created are told of as they were made.
    pub fn close(self, effects: &mut Effects) {
        for Held { reward, stored, .. } in self.held {
            match stored {
                None => effects.created.push(reward),
                Some(posted) if posted != reward.posted => effects.changed.push(reward),
                Some(_) => {}
            }
        }
    }
}

fn refund(reward: &mut Reward, terms: &Terms, fact: &OrderFact, effects: &mut Effects) {
    let at = fact.occurred_at.max(reward.occurred_at);
    reward.refund(terms.due(fact), fact.event_id, at, effects);
}
