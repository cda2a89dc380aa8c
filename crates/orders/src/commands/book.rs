//! A slice of orders within its transaction: what is stored, what each command makes of it, and what is to be written.

use std::collections::{HashMap, HashSet};

use observe::metrics::{Duplicate, duplicates};
use pg::requests::{self, Key, Seen};
use pg::{Audit, Inserts, WriteTx};
use proto::orders::OrderEvent;
use types::{Timestamp, new_id};

use super::events::{self, When};
use super::record_orders::{Ready, RecordResult, Recorded};
use super::{Error, Place};
use crate::domain::{
    Again, Answer, Change, ChangeKind, Order, OrderKey, changed_fields, record_again, record_new,
};
use crate::store;

/// Name of the RPC in the table of request ids.
const METHOD: &str = "RecordOrder";

/// The state a slice works on. Each command sees what those before it did.
#[derive(Debug)]
pub(super) struct Book {
    now: Timestamp,
    orders: HashMap<OrderKey, Order>,
    /// In the order they came.
    new: Vec<OrderKey>,
    updated: HashSet<OrderKey>,
    requests: HashMap<Key, Seen>,
    made: Vec<(Key, Seen)>,
    events: Vec<OrderEvent>,
    changes: Vec<(OrderKey, Change)>,
    audit: Audit,
}

impl Book {
    /// Loads what the slice is about.
    pub(super) async fn load(tx: &mut WriteTx, slice: &[Ready], now: Timestamp) -> Result<Self, pg::Error> {
        let ids: Vec<Key> = slice.iter().filter_map(request_key).collect();
        let requests = requests::load(tx, &ids).await?;
        let keys: Vec<&OrderKey> = slice.iter().map(|ready| &ready.command.order.key).collect();
        let orders = store::orders::load(tx, &keys).await?;
        Ok(Self {
            now,
            orders,
            new: Vec::new(),
            updated: HashSet::new(),
            requests,
            made: Vec::new(),
            events: Vec::new(),
            changes: Vec::new(),
            audit: Audit::default(),
        })
    }

    /// Carries out one command.
    pub(super) fn record(&mut self, ready: &Ready) -> Result<Recorded, Error> {
        let command = &ready.command;
        if command.place.as_ref().is_some_and(Place::is_held_up) {
            return Err(Error::Behind);
        }
        let key = &command.order.key;
        if let Some(replayed) = self.replayed(ready)? {
            return Ok(replayed);
        }
        let result = match self.orders.get(key).cloned() {
            Some(stored) => self.again(ready, &stored)?,
            None => self.first(ready)?,
        };
        // it is there: stored before, or put there just now
        let order = self.orders.get(key).cloned().ok_or(Error::NoAnswer)?;
        if let (Some(id), Some(request)) = (request_key(ready), &command.request) {
            let seen = Seen { hash: request.hash.clone(), resources: vec![order.id.to_string()] };
            self.requests.insert(id.clone(), seen.clone());
            self.made.push((id, seen));
        }
        Ok(Recorded { order, result })
    }

    /// What a request id that was seen before is answered with: the same request names the same order.
    fn replayed(&self, ready: &Ready) -> Result<Option<Recorded>, Error> {
        let (Some(id), Some(request)) = (request_key(ready), &ready.command.request) else { return Ok(None) };
        let Some(seen) = self.requests.get(&id) else { return Ok(None) };
        if seen.hash != request.hash {
            return Err(Error::RequestIdReused);
        }
        duplicates(Duplicate::RequestId, 1);
        let order = self.orders.get(&ready.command.order.key).cloned();
        Ok(order.map(|order| Recorded { order, result: RecordResult::AlreadyRecorded }))
    }

    fn first(&mut self, ready: &Ready) -> Result<RecordResult, Error> {
        // it was stored when attribution was not asked to judge it, and is gone: the caller's retry asks
        let Some(Answer::Judged(answer)) = &ready.answer else { return Err(Error::NoAnswer) };
        let id = new_id(self.now);
        let order = record_new(&ready.command.order, &ready.facts, answer, id, self.now)?;
        let origin = &ready.command.origin;
        let when = When {
            occurred_at: order.occurred_at,
            recorded_at: self.now,
            head: Some(answer.head),
            traceparent: origin.traceparent.as_deref(),
        };
        self.events.push(events::recorded(&order, when));
        self.audit.note(&order.key.tenant, origin, &order.key.order_id);
        self.new.push(order.key.clone());
        self.orders.insert(order.key.clone(), order);
        Ok(RecordResult::Recorded)
    }

    fn again(&mut self, ready: &Ready, stored: &Order) -> Result<RecordResult, Error> {
        let answer = ready.answer.as_ref();
        let contact = answer.and_then(Answer::contact);
        let (order, refund) = match record_again(&ready.command.order, stored, &ready.facts, contact)? {
            Again::Same => {
                duplicates(Duplicate::NaturalKey, 1);
                return Ok(RecordResult::AlreadyRecorded);
            }
            Again::Updated(order, refund) => (*order, refund),
        };
        let head = answer.map(Answer::head);
        let origin = &ready.command.origin;
        let traceparent = origin.traceparent.as_deref();
        let when = When { occurred_at: ready.facts.now, recorded_at: self.now, head, traceparent };
        self.events.push(events::updated(&order, when));
        let change = Change {
            kind: ChangeKind::Updated,
            principal: origin.principal.to_string(),
            refund_id: String::new(),
            amount: refund,
            reason: String::new(),
            fields: changed_fields(stored, &order),
            occurred_at: when.occurred_at,
            recorded_at: self.now,
        };
        self.changes.push((order.key.clone(), change));
        if let Some(amount) = refund {
            self.events.push(events::refunded(&order, amount, "", when));
        }
        self.audit.note(&order.key.tenant, origin, &order.key.order_id);
        self.updated.insert(order.key.clone());
        self.orders.insert(order.key.clone(), order);
        Ok(RecordResult::Updated)
    }

    /// Whether there is anything to write.
    pub(super) fn is_changed(&self) -> bool {
        !(self.new.is_empty() && self.updated.is_empty() && self.made.is_empty())
    }

    /// Writes all of it.
    pub(super) async fn save(self, tx: &mut WriteTx) -> Result<(), pg::Error> {
        let new: Vec<&Order> = self.new.iter().filter_map(|key| self.orders.get(key)).collect();
        // an order that is new is inserted as it became
        let created: HashSet<&OrderKey> = self.new.iter().collect();
        let updated: Vec<&Order> = self
            .updated
            .iter()
            .filter(|key| !created.contains(key))
            .filter_map(|key| self.orders.get(key))
            .collect();
        store::orders::update(tx, &updated).await?;
        let mut inserts = Inserts::default();
        store::orders::insert(&mut inserts, &new);
        let changes = self.changes.iter().filter_map(|(key, change)| Some((self.orders.get(key)?, change)));
        store::history::insert(&mut inserts, &changes.collect::<Vec<_>>());
        requests::save(&mut inserts, &self.made, self.now);
        self.audit.save(&mut inserts, self.now);
        outbox::append(tx, inserts, &self.events).await
    }
}

fn request_key(ready: &Ready) -> Option<Key> {
    let request = ready.command.request.as_ref()?;
    let tenant = ready.command.order.key.tenant.clone();
    Some(Key { tenant, method: METHOD, request_id: request.id.clone() })
}
