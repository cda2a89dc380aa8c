//! A slice of orders within its transaction: what is stored, what the commands make of it, and what is to be written.

use std::collections::{BTreeSet, HashMap, HashSet};

use pg::requests::{self, Key, Seen};
use pg::{Audit, Inserts, WriteTx};
use proto::orders::OrderEvent;
use types::{Money, Origin, TenantId, Timestamp};

use super::events::{self, When};
use super::{Error, RequestId};
use crate::domain::{Change, ChangeKind, Definitions, FieldChange, Head, Order, OrderKey, PropertyName};
use crate::store;

/// The state a slice works on. Each command sees what those before it did.
#[derive(Debug)]
pub(super) struct Book {
    now: Timestamp,
    orders: HashMap<OrderKey, Order>,
    definitions: HashMap<TenantId, Definitions>,
    /// In the order they came.
    new: Vec<OrderKey>,
    changed: HashSet<OrderKey>,
    requests: HashMap<Key, Seen>,
    made: Vec<(Key, Seen)>,
    events: Vec<OrderEvent>,
    changes: Vec<(OrderKey, Change)>,
    audit: Audit,
}

/// A caller's request, if it bears an id.
pub(super) type Asked<'a> = Option<(Key, &'a RequestId)>;

/// What a command made of a stored order.
pub(super) struct Revision<'a> {
    /// The order as it is then.
    pub(super) order: Order,
    /// What happened to it, each with what it changed.
    pub(super) kinds: Vec<(ChangeKind, Vec<FieldChange>)>,
    /// What is given back by it.
    pub(super) refund: Option<Money>,
    /// Who did it, and under which trace.
    pub(super) origin: &'a Origin,
    /// Business time.
    pub(super) occurred_at: Timestamp,
    /// How far attribution's answer reached, if it was asked.
    pub(super) head: Option<Head>,
}

impl Book {
    /// Loads what the slice is about.
    pub(super) async fn load(
        tx: &mut WriteTx,
        orders: &[&OrderKey],
        requests: &[Key],
        now: Timestamp,
    ) -> Result<Self, pg::Error> {
        let requests = requests::load(tx, requests).await?;
        let tenants: HashSet<&TenantId> = orders.iter().map(|key| &key.tenant).collect();
        // under the lock: as they are defined when the orders are written
        let definitions =
            store::properties::DEFINITIONS.load(&mut **tx, &tenants.into_iter().collect::<Vec<_>>()).await?;
        let orders = store::orders::load(tx, orders).await?;
        Ok(Self {
            now,
            orders,
            definitions,
            new: Vec::new(),
            changed: HashSet::new(),
            requests,
            made: Vec::new(),
            events: Vec::new(),
            changes: Vec::new(),
            audit: Audit::default(),
        })
    }

    /// Real time.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// What a tenant defines (O9).
    pub(super) fn definitions(&self, tenant: &TenantId) -> &Definitions {
        static NONE: Definitions = Definitions::new();
        self.definitions.get(tenant).unwrap_or(&NONE)
    }

    /// An order as it is now.
    pub(super) fn order(&self, key: &OrderKey) -> Option<&Order> {
        self.orders.get(key)
    }

    /// Whether this request was carried out before; its id is good for no other one.
    pub(super) fn is_repeat(&self, asked: &Asked<'_>) -> Result<bool, Error> {
        let Some((key, request)) = asked else { return Ok(false) };
        match self.requests.get(key) {
            Some(seen) if seen.hash != request.hash => Err(Error::RequestIdReused),
            seen => Ok(seen.is_some()),
        }
    }

    /// Keeps that this request was carried out on this order.
    pub(super) fn remember(&mut self, asked: Asked<'_>, order: &Order) {
        if let Some((key, request)) = asked {
            let seen = Seen { hash: request.hash.clone(), resources: vec![order.id.to_string()] };
            self.requests.insert(key.clone(), seen.clone());
            self.made.push((key, seen));
        }
    }

    /// Adds a new order.
    pub(super) fn add(&mut self, order: Order, head: Head, origin: &Origin) {
        let when = When {
            occurred_at: order.occurred_at,
            recorded_at: self.now,
            head: Some(head),
            traceparent: origin.traceparent.as_deref(),
        };
        self.events.push(events::recorded(&order, when));
        self.audit.note(&order.key.tenant, origin, &order.key.order_id);
        self.new.push(order.key.clone());
        self.orders.insert(order.key.clone(), order);
    }

    /// Replaces an order: one event for all that changed, and one for what is given back by it (O6).
    pub(super) fn revise(&mut self, revision: Revision<'_>) {
        let Revision { order, kinds, refund, origin, occurred_at, head } = revision;
        let traceparent = origin.traceparent.as_deref();
        let when = When { occurred_at, recorded_at: self.now, head, traceparent };
        self.events.push(events::updated(&order, when));
        if let Some(amount) = refund {
            self.events.push(events::refunded(&order, amount, "", when));
        }
        for (kind, fields) in kinds {
            let change = Change {
                kind,
                principal: origin.principal.to_string(),
                refund_id: String::new(),
                amount: refund.filter(|_| kind == ChangeKind::Updated),
                reason: String::new(),
                fields,
                occurred_at,
                recorded_at: self.now,
            };
            self.changes.push((order.key.clone(), change));
        }
        self.audit.note(&order.key.tenant, origin, &order.key.order_id);
        self.changed.insert(order.key.clone());
        self.orders.insert(order.key.clone(), order);
    }

    /// Writes all of it, if there is anything to write, and ends the transaction.
    pub(super) async fn close(self, mut tx: WriteTx) -> Result<(), pg::Error> {
        if self.new.is_empty() && self.changed.is_empty() && self.made.is_empty() {
            return tx.rollback().await;
        }
        self.save(&mut tx).await?;
        tx.commit().await
    }

    /// Properties that none of the stored orders ever had, and these have.
    fn newly_used<'a>(
        &'a self,
        orders: impl Iterator<Item = &'a &'a Order>,
    ) -> BTreeSet<(&'a TenantId, &'a PropertyName)> {
        let names = orders.flat_map(|order| order.properties.keys().map(|name| (&order.key.tenant, name)));
        let is_unused = |tenant: &TenantId, name: &PropertyName| {
            self.definitions(tenant).get(name).is_some_and(|d| !d.used)
        };
        names.filter(|(tenant, name)| is_unused(tenant, name)).collect()
    }

    async fn save(self, tx: &mut WriteTx) -> Result<(), pg::Error> {
        let new: Vec<&Order> = self.new.iter().filter_map(|key| self.orders.get(key)).collect();
        // an order that is new is inserted as it became
        let created: HashSet<&OrderKey> = self.new.iter().collect();
        let changed: Vec<&Order> = self
            .changed
            .iter()
            .filter(|key| !created.contains(key))
            .filter_map(|key| self.orders.get(key))
            .collect();
        store::orders::update(tx, &changed).await?;
        store::properties::DEFINITIONS.mark_used(tx, &self.newly_used(new.iter().chain(&changed))).await?;
        let mut inserts = Inserts::default();
        store::orders::insert(&mut inserts, &new);
        let changes = self.changes.iter().filter_map(|(key, change)| Some((self.orders.get(key)?, change)));
        store::history::insert(&mut inserts, &changes.collect::<Vec<_>>());
        requests::save(&mut inserts, &self.made, self.now);
        self.audit.save(&mut inserts, self.now);
        outbox::append(tx, inserts, &self.events).await
    }
}
