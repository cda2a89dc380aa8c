//! Refunding and cancelling orders (O8), in slices: what is stored is loaded, each command decided in its order, all written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use batch::{Prepared, Work};
use observe::metrics::{Duplicate, duplicates};
use pg::requests::{self, Key, Seen};
use pg::{Audit, Database, Inserts, WriteTx};
use proto::orders::OrderEvent;
use rpc::fields;
use types::{Clock, Money, Origin, TenantId, Timestamp};

use super::events::{self, When};
use super::{Error, RequestId};
use crate::domain::{
    Change, ChangeKind, NewRefund, Order, OrderKey, Reversal, Violation, cancel, refund, refund_again,
};
use crate::store::{self, history::RefundKey};

/// Refunds or cancels one order.
#[derive(Debug, Clone)]
pub(crate) struct ReverseOrder {
    /// The order.
    pub(crate) key: OrderKey,
    /// What is to be done about it.
    pub(crate) reversal: Reversal,
    /// Who does it, how, and under which trace.
    pub(crate) origin: Origin,
    /// Optional beside the natural key.
    pub(crate) request: Option<RequestId>,
}

impl ReverseOrder {
    /// Name of the RPC in the table of request ids.
    fn method(&self) -> &'static str {
        match self.reversal {
            Reversal::Refund(_) => "RefundOrder",
            Reversal::Cancellation(_) => "CancelOrder",
        }
    }

    fn request_key(&self) -> Option<Key> {
        let request_id = self.request.as_ref()?.id.clone();
        Some(Key { tenant: self.key.tenant.clone(), method: self.method(), request_id })
    }
}

/// The order as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reversed {
    /// The order.
    pub(crate) order: Order,
    /// Of a refund: as it is stored.
    pub(crate) refund: Option<Change>,
    /// Whether it was done before.
    pub(crate) replayed: bool,
}

impl Reversed {
    fn before(order: Order, refund: Option<Change>) -> Self {
        Self { order, refund, replayed: true }
    }
}

/// The work behind the batcher.
#[derive(Debug)]
pub(crate) struct ReverseOrders {
    pub(crate) db: Database,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A command, and what its tenant's now is.
#[derive(Debug)]
pub(crate) struct Ready {
    command: ReverseOrder,
    now: Timestamp,
}

impl ReverseOrders {
    fn ready(&self, command: ReverseOrder, clocks: &HashMap<TenantId, Timestamp>) -> Result<Ready, Error> {
        let tenant = &command.key.tenant;
        let test_clock = clocks.get(tenant).copied();
        let now = fields::tenant_now(tenant, test_clock, self.clock.as_ref());
        let at = command.reversal.occurred_at().unwrap_or(now);
        match fields::not_in_future("", at, test_clock, self.clock.as_ref()) {
            Ok(()) => Ok(Ready { command, now }),
            Err(_) => Err(Error::InFuture("occurred_at")),
        }
    }
}

impl Work for ReverseOrders {
    type Command = ReverseOrder;
    type Prepared = Ready;
    type Answer = Reversed;
    type Error = Error;

    fn weight(command: &ReverseOrder) -> usize {
        let texts = [command.reversal.reason(), command.reversal.refund_id().unwrap_or_default()];
        512 + command.key.order_id.as_str().len() + texts.map(str::len).iter().sum::<usize>()
    }

    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<ReverseOrder>) -> Vec<Prepared<Ready, Reversed, Error>> {
        let tenants: HashSet<&TenantId> =
            commands.iter().map(|command| &command.key.tenant).filter(|tenant| tenant.is_sandbox()).collect();
        let clocks = store::test_clocks::load(&self.db, &tenants.into_iter().collect::<Vec<_>>()).await;
        let clocks = clocks.map_err(Error::from);
        let ready = |command| match &clocks {
            Ok(clocks) => self.ready(command, clocks),
            Err(error) => Err(error.clone()),
        };
        let prepared = commands.into_iter().map(|command| match ready(command) {
            Ok(ready) => Prepared::Apply(ready),
            Err(error) => Prepared::Answered(Err(error)),
        });
        prepared.collect()
    }

    async fn apply(&self, slice: &[Ready]) -> Result<Vec<Result<Reversed, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut book = Book::load(&mut tx, slice, self.clock.now()).await?;
        let answers = slice.iter().map(|ready| book.carry_out(ready)).collect();
        if book.is_changed() {
            book.save(&mut tx).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(answers)
    }
}

/// The state a slice works on. Each command sees what those before it did.
#[derive(Debug)]
struct Book {
    now: Timestamp,
    orders: HashMap<OrderKey, Order>,
    refunds: HashMap<RefundKey, Change>,
    reversed: HashSet<OrderKey>,
    changes: Vec<(OrderKey, Change)>,
    requests: HashMap<Key, Seen>,
    made: Vec<(Key, Seen)>,
    events: Vec<OrderEvent>,
    audit: Audit,
}

impl Book {
    async fn load(tx: &mut WriteTx, slice: &[Ready], now: Timestamp) -> Result<Self, pg::Error> {
        let ids: Vec<Key> = slice.iter().filter_map(|ready| ready.command.request_key()).collect();
        let requests = requests::load(tx, &ids).await?;
        let keys: Vec<&OrderKey> = slice.iter().map(|ready| &ready.command.key).collect();
        let orders = store::orders::load(tx, &keys).await?;
        let named = slice
            .iter()
            .filter_map(|ready| Some((orders.get(&ready.command.key)?, ready.command.reversal.refund_id()?)));
        let refunds = store::history::refunds(tx, &named.collect::<Vec<_>>()).await?;
        Ok(Self {
            now,
            orders,
            refunds,
            reversed: HashSet::new(),
            changes: Vec::new(),
            requests,
            made: Vec::new(),
            events: Vec::new(),
            audit: Audit::default(),
        })
    }

    fn carry_out(&mut self, ready: &Ready) -> Result<Reversed, Error> {
        let command = &ready.command;
        let request = command.request_key().zip(command.request.as_ref());
        let seen = request.as_ref().and_then(|(id, _)| self.requests.get(id));
        if seen.zip(request.as_ref()).is_some_and(|(seen, (_, request))| seen.hash != request.hash) {
            return Err(Error::RequestIdReused);
        }
        let is_repeat = seen.is_some();
        let missing = || Violation::NotFound(command.key.order_id.clone());
        let order = self.orders.get(&command.key).cloned().ok_or_else(missing)?;
        let done = match &command.reversal {
            Reversal::Refund(new) => self.refund(ready, order, new)?,
            Reversal::Cancellation(_) => self.cancel(ready, order)?,
        };
        if done.replayed {
            duplicates(if is_repeat { Duplicate::RequestId } else { Duplicate::NaturalKey }, 1);
        }
        if let Some((id, request)) = request.filter(|_| !is_repeat) {
            let seen = Seen { hash: request.hash.clone(), resources: vec![done.order.id.to_string()] };
            self.requests.insert(id.clone(), seen.clone());
            self.made.push((id, seen));
        }
        Ok(done)
    }

    fn refund(&mut self, ready: &Ready, order: Order, new: &NewRefund) -> Result<Reversed, Error> {
        let key = (order.id, new.id.clone());
        if let Some(stored) = self.refunds.get(&key) {
            refund_again(new, stored)?;
            return Ok(Reversed::before(order, Some(stored.clone())));
        }
        let at = ready.command.reversal.at(&order, ready.now)?;
        let (order, amount) = refund(&order, new)?;
        self.events.push(events::refunded(&order, amount, &new.id, self.when(ready, at)));
        let made = self.note(ready, &order, Some(amount), at);
        self.refunds.insert(key, made.clone());
        Ok(Reversed { order, refund: Some(made), replayed: false })
    }

    fn cancel(&mut self, ready: &Ready, order: Order) -> Result<Reversed, Error> {
        if order.cancelled_at.is_some() {
            return Ok(Reversed::before(order, None));
        }
        let at = ready.command.reversal.at(&order, ready.now)?;
        let (order, left) = cancel(&order, at);
        self.events.push(events::cancelled(&order, left, self.when(ready, at)));
        self.note(ready, &order, Some(left).filter(|left| left.minor > 0), at);
        Ok(Reversed { order, refund: None, replayed: false })
    }

    fn when<'a>(&self, ready: &'a Ready, occurred_at: Timestamp) -> When<'a> {
        let traceparent = ready.command.origin.traceparent.as_deref();
        When { occurred_at, recorded_at: self.now, head: None, traceparent }
    }

    /// Keeps the order as it is now, and what happened to it.
    fn note(
        &mut self,
        ready: &Ready,
        order: &Order,
        amount: Option<Money>,
        occurred_at: Timestamp,
    ) -> Change {
        let ReverseOrder { reversal, origin, .. } = &ready.command;
        let change = Change {
            kind: match reversal {
                Reversal::Refund(_) => ChangeKind::Refunded,
                Reversal::Cancellation(_) => ChangeKind::Cancelled,
            },
            principal: origin.principal.to_string(),
            refund_id: reversal.refund_id().unwrap_or_default().to_owned(),
            amount,
            // nobody is to find words about who was erased (A13)
            reason: if order.is_erased { String::new() } else { reversal.reason().to_owned() },
            fields: Vec::new(),
            occurred_at,
            recorded_at: self.now,
        };
        self.audit.note(&order.key.tenant, origin, &order.key.order_id);
        self.changes.push((order.key.clone(), change.clone()));
        self.reversed.insert(order.key.clone());
        self.orders.insert(order.key.clone(), order.clone());
        change
    }

    fn is_changed(&self) -> bool {
        !(self.reversed.is_empty() && self.made.is_empty())
    }

    async fn save(self, tx: &mut WriteTx) -> Result<(), pg::Error> {
        let reversed: Vec<&Order> = self.reversed.iter().filter_map(|key| self.orders.get(key)).collect();
        store::orders::reverse(tx, &reversed).await?;
        let mut inserts = Inserts::default();
        let changes = self.changes.iter().filter_map(|(key, change)| Some((self.orders.get(key)?, change)));
        store::history::insert(&mut inserts, &changes.collect::<Vec<_>>());
        requests::save(&mut inserts, &self.made, self.now);
        self.audit.save(&mut inserts, self.now);
        outbox::append(tx, inserts, &self.events).await
    }
}
