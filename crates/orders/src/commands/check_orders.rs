//! What would become of orders if they were recorded; nothing is written (O10).

use std::collections::{HashMap, VecDeque};

use types::new_id;

use super::attribute::customer_look_up;
use super::record_orders::{Looked, RecordOrder, RecordOrders, RecordResult};
use super::{Declined, Error};
use crate::domain::{
    Answer, Attributed, Facts, Head, NewOrder, Order, OrderKey, Outcome, Unresolved, Updated, check,
    record_again, record_new,
};

/// Orders of the file that are remembered, so that one that comes again is seen.
const REMEMBERED: usize = 10_000;

/// The last orders of a file, as they would be stored.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    orders: HashMap<OrderKey, Order>,
    /// Oldest first.
    keys: VecDeque<OrderKey>,
}

impl Ahead {
    fn put(&mut self, order: Order) {
        let key = order.key.clone();
        if self.orders.insert(key.clone(), order).is_none() {
            self.keys.push_back(key);
        }
        if self.keys.len() > REMEMBERED
            && let Some(oldest) = self.keys.pop_front()
        {
            self.orders.remove(&oldest);
        }
    }
}

impl RecordOrders {
    /// What would become of each, in their order, each seeing those before it. Whom evidence comes to is not judged, since
    /// that would be kept.
    pub(crate) async fn check(
        &self,
        commands: &[RecordOrder],
        ahead: &mut Ahead,
    ) -> Result<Vec<Result<RecordResult, Error>>, Error> {
        let looked = self.look(commands).await?;
        let facts: Vec<Facts> = commands.iter().map(|command| self.facts(command, &looked.clocks)).collect();
        let attempts = commands.iter().zip(&facts).map(|(command, facts)| {
            customer_look_up(&command.order, command.order.occurred_at.unwrap_or(facts.now))
        });
        // one look-up each: it tells whether campaign and customer are there
        let answers = self.attribution.ask(attempts.collect()).await?;
        if let Some(Err(error)) =
            answers.iter().find(|answer| answer.as_ref().is_err_and(Error::is_transient))
        {
            return Err(error.clone());
        }
        let checked =
            commands.iter().zip(&facts).zip(answers).map(|((command, facts), answer)| {
                self.check_one(&command.order, facts, answer, &looked, ahead)
            });
        Ok(checked.collect())
    }

    fn check_one(
        &self,
        new: &NewOrder,
        facts: &Facts,
        answer: Result<Answer, Error>,
        looked: &Looked,
        ahead: &mut Ahead,
    ) -> Result<RecordResult, Error> {
        let definitions = looked.definitions(&new.key.tenant);
        let stored = ahead.orders.get(&new.key).or_else(|| looked.stored.get(&new.key));
        let Some(stored) = stored.cloned() else {
            check(&new.properties, definitions)?;
            self.not_in_future(new, facts, looked)?;
            ahead.put(as_stored(new, facts, &known_customer(new, answer?)?)?);
            return Ok(RecordResult::Recorded);
        };
        let contact = if stored.customer_hash == facts.customer_hash { None } else { answer?.contact() };
        match record_again(new, &stored, facts, contact, definitions)? {
            Updated::Same => Ok(RecordResult::AlreadyRecorded),
            Updated::Changed(order, _) => {
                ahead.put(*order);
                Ok(RecordResult::Updated)
            }
        }
    }
}

/// The answer, unless the customer is named by an id that nobody has; other ways to name one make a contact.
fn known_customer(new: &NewOrder, answer: Answer) -> Result<Answer, Error> {
    match (answer.contact(), new.customer.contact_id) {
        (None, Some(_)) => Err(Error::Declined(Declined::unknown_customer())),
        _ => Ok(answer),
    }
}

/// The order as it would be stored, but for whose it is.
fn as_stored(new: &NewOrder, facts: &Facts, answer: &Answer) -> Result<Order, Error> {
    let nobody = new_id(facts.now);
    let answer = Attributed {
        contact_id: answer.contact().unwrap_or(nobody),
        campaign_id: new.campaign_id.clone(),
        in_force: None,
        named: None,
        inactive: None,
        outcome: Outcome::Unresolved(Unresolved::NoEvidence),
        head: Head { epoch: 0, position: 0 },
    };
    Ok(record_new(new, facts, &answer, new_id(facts.now), facts.now)?)
}
