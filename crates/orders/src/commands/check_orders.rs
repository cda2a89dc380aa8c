//! What would become of orders if they were recorded; nothing is written (O10).

use std::collections::{HashMap, VecDeque};

use types::new_id;

use super::attribute::customer_look_up;
use super::record_orders::{self, Looked, RecordOrder, RecordOrders, RecordResult};
use super::{Declined, Error};
use crate::domain::{
    Answer, Attributed, Facts, Head, NewOrder, Order, OrderKey, Outcome, Unresolved, Updated, check,
    record_again, record_new,
};

/// Orders of the file that are remembered, so that one that comes again is seen, and their bytes, about.
const REMEMBERED: (usize, usize) = (10_000, 16 * 1024 * 1024);

/// The last orders of a file, as they would be stored.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    orders: HashMap<OrderKey, Order>,
    /// Oldest first.
    keys: VecDeque<OrderKey>,
    /// Bytes of the orders.
    held: usize,
}

impl Ahead {
    fn put(&mut self, order: Order) {
        let key = order.key.clone();
        self.held += held(&order);
        match self.orders.insert(key.clone(), order) {
            Some(before) => self.held -= held(&before),
            None => self.keys.push_back(key),
        }
        while (self.keys.len() > REMEMBERED.0 || self.held > REMEMBERED.1)
            && let Some(oldest) = self.keys.pop_front()
        {
            self.held -= self.orders.remove(&oldest).as_ref().map_or(0, held);
        }
    }
}

/// Bytes of an order, about.
fn held(order: &Order) -> usize {
    let lines: usize = order.line_items.iter().map(|line| line.sku.len() + line.name.len() + 64).sum();
    let texts = [&order.source, &order.external_status, &order.hubspot_dealstage];
    1024 + texts.map(String::len).iter().sum::<usize>() + lines + record_orders::held(&order.properties)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{LineItem, test_order};

    fn order(n: usize, lines: usize) -> Order {
        let line = LineItem { sku: "s".repeat(128), name: "n".repeat(200), quantity: 1, unit_price_minor: 1 };
        let mut order = Order { line_items: vec![line; lines], ..test_order(100) };
        order.key.order_id = format!("o-{n}").parse().unwrap();
        order
    }

    #[test]
    fn o10_a_dry_run_remembers_so_many_orders_and_bytes_and_no_more() {
        let mut ahead = Ahead::default();
        (0..REMEMBERED.0 + 5).for_each(|n| ahead.put(order(n, 0)));
        assert_eq!((ahead.orders.len(), ahead.keys.len()), (REMEMBERED.0, REMEMBERED.0));
        (0..1_000).for_each(|n| ahead.put(order(n, 200)));
        assert!(ahead.held <= REMEMBERED.1 && ahead.held > REMEMBERED.1 - held(&order(0, 200)));
        assert!(ahead.orders.len() < 250 && ahead.orders.contains_key(&order(999, 0).key));
        // the same again takes no more room
        let before = (ahead.held, ahead.orders.len());
        ahead.put(order(999, 200));
        assert_eq!((ahead.held, ahead.orders.len()), before);
        assert_eq!(ahead.held, ahead.orders.values().map(held).sum::<usize>());
    }
}
