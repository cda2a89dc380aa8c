//! An orders slice (3-architecture, Batch first): set aside what is recorded already, ask attribution about the rest in
//! one call, and write in one transaction what it answered.

use std::collections::HashMap;
use std::sync::Arc;

use batch::{Prepared, Work};
use observe::metrics::{Duplicate, duplicates};
use pg::Database;
use pg::requests::{Hasher, Key};
use rpc::{Channel, fields};
use types::{Clock, Origin, TenantId, Timestamp};

use super::Error;
use super::attribute::{Attribution, attempt, customer_look_up};
use super::book::Book;
use super::record::{record, request_key};
use crate::domain::{
    Answer, Definitions, Facts, NewOrder, Order, OrderKey, Properties, PropertyValue, Updated, check,
    record_again,
};
use crate::store;

/// Bytes of the customer's hash that are kept.
const HASH_BYTES: usize = 16;

/// A caller's `request_id`, with the keyed hash of all it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId {
    /// As the caller chose it.
    pub(crate) id: String,
    /// Keyed hash of the request.
    pub(crate) hash: Vec<u8>,
}

/// Records one order.
#[derive(Debug, Clone)]
pub(crate) struct RecordOrder {
    /// The order.
    pub(crate) order: NewOrder,
    /// Who records it, how, and under which trace.
    pub(crate) origin: Origin,
    /// Optional beside the natural key.
    pub(crate) request: Option<RequestId>,
    /// Whether others of the same call, before it, may change what is stored.
    pub(crate) behind_updates: bool,
}

/// What a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordResult {
    /// The order is new.
    Recorded,
    /// It was stored with this content before.
    AlreadyRecorded,
    /// It was stored with other content.
    Updated,
}

/// The order as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The order.
    pub(crate) order: Order,
    /// What this call did.
    pub(crate) result: RecordResult,
}

/// An order with attribution's answer; without one if it was stored before and attribution has no say in it.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(super) command: RecordOrder,
    pub(super) facts: Facts,
    pub(super) answer: Option<Answer>,
}

/// The work behind the batcher.
#[derive(Debug)]
pub(crate) struct RecordOrders {
    db: Database,
    clock: Arc<dyn Clock>,
    hasher: Hasher,
    pub(super) attribution: Attribution,
}

/// What is to be done about one order before the transaction.
enum Triage {
    Answered(Box<Result<Recorded, Error>>),
    /// Let attribution judge it.
    Judge,
    /// It is stored: ask attribution only whether this is its customer (O6).
    LookUpCustomer,
    Ready,
}

impl RecordOrders {
    /// Works on `db`; `attribution` acts as a service.
    pub(crate) fn new(db: Database, clock: Arc<dyn Clock>, hasher: Hasher, attribution: Channel) -> Self {
        Self { db, clock, hasher, attribution: Attribution::new(attribution) }
    }

    /// Tenant and customer, so that equal e-mails of two tenants have different hashes.
    fn customer_hash(&self, order: &NewOrder) -> Vec<u8> {
        let mut bytes = order.key.tenant.as_str().as_bytes().to_vec();
        bytes.push(0);
        bytes.extend(order.customer.canonical());
        let mut hash = self.hasher.hash(&bytes);
        hash.truncate(HASH_BYTES);
        hash
    }

    /// (1) A plain read: what is stored, what the tenants define, and what their clocks show.
    pub(super) async fn look(&self, commands: &[RecordOrder]) -> Result<Looked, Error> {
        let keys: Vec<&OrderKey> = commands.iter().map(|c| &c.order.key).collect();
        let mut tenants: Vec<&TenantId> = keys.iter().map(|k| &k.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let sandboxes: Vec<&TenantId> = tenants.iter().copied().filter(|t| t.is_sandbox()).collect();
        let ((stored, definitions), clocks) = tokio::try_join!(
            async {
                let mut turn = self.db.hot_read().await?;
                let stored = store::orders::load(&mut turn, &keys).await?;
                let definitions = store::properties::DEFINITIONS.load(&mut *turn, &tenants).await?;
                turn.done();
                Ok((stored, definitions))
            },
            store::test_clocks::load(&self.db, &sandboxes),
        )?;
        Ok(Looked { stored, clocks, definitions })
    }

    pub(super) fn facts(&self, command: &RecordOrder, clocks: &Clocks) -> Facts {
        let tenant = &command.order.key.tenant;
        let now = fields::tenant_now(tenant, clocks.get(tenant).copied(), self.clock.as_ref());
        let principal = Arc::clone(&command.origin.principal);
        Facts { customer_hash: self.customer_hash(&command.order), now, principal }
    }

    fn triage(&self, command: &RecordOrder, looked: &Looked) -> (Facts, Triage) {
        let facts = self.facts(command, &looked.clocks);
        let triage = self.judge(command, &facts, looked);
        (facts, triage)
    }

    fn judge(&self, command: &RecordOrder, facts: &Facts, looked: &Looked) -> Triage {
        let order = &command.order;
        let definitions = looked.definitions(&order.key.tenant);
        let Some(stored) = looked.stored.get(&order.key) else {
            // before attribution makes a contact of it; the transaction looks again
            if let Err(violation) = check(&order.properties, definitions) {
                return Triage::Answered(Box::new(Err(violation.into())));
            }
            return match self.not_in_future(order, facts, looked) {
                Ok(()) => Triage::Judge,
                Err(error) => Triage::Answered(Box::new(Err(error))),
            };
        };
        if stored.customer_hash != facts.customer_hash {
            return Triage::LookUpCustomer;
        }
        match record_again(order, stored, facts, None, definitions) {
            Ok(Updated::Same) if command.request.is_none() && !command.behind_updates => {
                duplicates(Duplicate::NaturalKey, 1);
                let (order, result) = (stored.clone(), RecordResult::AlreadyRecorded);
                Triage::Answered(Box::new(Ok(Recorded { order, result })))
            }
            _ => Triage::Ready,
        }
    }

    /// A new order is not dated more than a day ahead (M3).
    pub(super) fn not_in_future(&self, new: &NewOrder, facts: &Facts, looked: &Looked) -> Result<(), Error> {
        let test_clock = looked.clocks.get(&new.key.tenant).copied();
        let at = new.occurred_at.unwrap_or(facts.now);
        let judged = fields::not_in_future("", at, test_clock, self.clock.as_ref());
        judged.map_err(|_| Error::InFuture("order.occurred_at"))
    }

    /// (3) The writing transaction: check again, decide each in order, write all.
    async fn write(&self, slice: &[Ready]) -> Result<Vec<Result<Recorded, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        // under the lock, so that times of recording follow the order of commits
        let orders: Vec<&OrderKey> = slice.iter().map(|ready| &ready.command.order.key).collect();
        let requests: Vec<Key> = slice.iter().filter_map(request_key).collect();
        let mut book = Book::load(&mut tx, &orders, &requests, self.clock.now()).await?;
        let answers = slice.iter().map(|ready| record(&mut book, ready)).collect();
        book.close(tx).await?;
        Ok(answers)
    }

    /// (2) One call for all that attribution has a say in, in their order.
    async fn ask(&self, slice: &[(RecordOrder, Facts, Triage)]) -> Vec<Result<Answer, Error>> {
        let attempts: Vec<_> = slice
            .iter()
            .filter_map(|(command, facts, triage)| {
                let at = command.order.occurred_at.unwrap_or(facts.now);
                match triage {
                    Triage::Judge => Some(attempt(&command.order, at)),
                    Triage::LookUpCustomer => Some(customer_look_up(&command.order, at)),
                    Triage::Answered(_) | Triage::Ready => None,
                }
            })
            .collect();
        let asked = attempts.len();
        if asked == 0 {
            return Vec::new();
        }
        match self.attribution.ask(attempts).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); asked],
        }
    }
}

type Stored = HashMap<OrderKey, Order>;
type Clocks = HashMap<TenantId, Timestamp>;

/// What is known before the transaction.
pub(super) struct Looked {
    pub(super) stored: Stored,
    pub(super) clocks: Clocks,
    definitions: HashMap<TenantId, Definitions>,
}

impl Looked {
    /// What a tenant defines.
    pub(super) fn definitions(&self, tenant: &TenantId) -> &Definitions {
        static NONE: Definitions = Definitions::new();
        self.definitions.get(tenant).unwrap_or(&NONE)
    }
}

impl Work for RecordOrders {
    type Command = RecordOrder;
    type Prepared = Ready;
    type Answer = Recorded;
    type Error = Error;

    fn weight(command: &RecordOrder) -> usize {
        let order = &command.order;
        let lines: usize = order.line_items.iter().map(|l| l.sku.len() + l.name.len() + 64).sum();
        512 + order.key.order_id.as_str().len()
            + order.source.len()
            + order.evidence.shortcode.len()
            + lines
            + held(&order.properties)
    }

    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<RecordOrder>) -> Vec<Prepared<Ready, Recorded, Error>> {
        let looked = self.look(&commands).await;
        let mut slice = Vec::with_capacity(commands.len());
        for command in commands {
            let (facts, triage) = match &looked {
                Ok(looked) => self.triage(&command, looked),
                Err(error) => {
                    (self.facts(&command, &Clocks::new()), Triage::Answered(Box::new(Err(error.clone()))))
                }
            };
            slice.push((command, facts, triage));
        }
        let mut answers = self.ask(&slice).await.into_iter();
        let prepared = slice.into_iter().map(|(command, facts, triage)| {
            let answer = match triage {
                Triage::Answered(answer) => return Prepared::Answered(*answer),
                Triage::Ready => None,
                Triage::Judge | Triage::LookUpCustomer => {
                    match answers.next().unwrap_or(Err(Error::NoAnswer)) {
                        Ok(answer) => Some(answer),
                        Err(error) => return Prepared::Answered(Err(error)),
                    }
                }
            };
            Prepared::Apply(Ready { command, facts, answer })
        });
        prepared.collect()
    }

    async fn apply(&self, slice: &[Ready]) -> Result<Vec<Result<Recorded, Error>>, pg::Error> {
        self.write(slice).await
    }
}

/// Bytes of properties, about.
pub(super) fn held(properties: &Properties) -> usize {
    let text = |value: &PropertyValue| match value {
        PropertyValue::Text(text) => text.len(),
        _ => 0,
    };
    properties.iter().map(|(name, value)| name.as_str().len() + text(value) + 64).sum()
}
