//! Updating orders (O6) and linking them (O4), in slices: attribution is asked, in one call, about all that come with
//! evidence; then what is stored is loaded, each command decided in its order, all written.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use batch::{Prepared, Work};
use observe::metrics::{Duplicate, duplicates};
use pg::Database;
use pg::requests::Key;
use rpc::{Channel, fields};
use types::{Clock, Origin, TenantId, Timestamp};

use super::attribute::{Attribution, later_attempt};
use super::book::{Asked, Book, Revision};
use super::record_orders::held;
use super::{Error, RequestId};
use crate::domain::{
    Answer, Attributed, ChangeKind, Definitions, Evidence, Order, OrderKey, Patch, Updated, Violation,
    changed_fields, link, linked_fields, update,
};
use crate::store;

/// Name of the RPC in the table of request ids.
const METHOD: &str = "UpdateOrder";

/// Changes one stored order.
#[derive(Debug, Clone)]
pub(crate) struct UpdateOrder {
    /// The order.
    pub(crate) key: OrderKey,
    /// What is replaced.
    pub(crate) patch: Patch,
    /// Whose referral it is, if that is claimed.
    pub(crate) evidence: Evidence,
    /// Who does it, how, and under which trace.
    pub(crate) origin: Origin,
    /// Optional beside the natural key.
    pub(crate) request: Option<RequestId>,
}

impl UpdateOrder {
    fn asked(&self) -> Asked<'_> {
        let request = self.request.as_ref()?;
        let tenant = self.key.tenant.clone();
        Some((Key { tenant, method: METHOD, request_id: request.id.clone() }, request))
    }
}

/// The order as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revised {
    /// The order.
    pub(crate) order: Order,
    /// Whether it was so before.
    pub(crate) replayed: bool,
}

/// The work behind the batcher.
#[derive(Debug)]
pub(crate) struct UpdateOrders {
    db: Database,
    clock: Arc<dyn Clock>,
    attribution: Attribution,
}

/// A command with its tenant's now, and with attribution's answer if it was asked.
#[derive(Debug)]
pub(crate) struct Ready {
    command: UpdateOrder,
    now: Timestamp,
    answer: Option<Result<Attributed, Error>>,
}

type Stored = HashMap<OrderKey, Order>;
type Clocks = HashMap<TenantId, Timestamp>;

impl UpdateOrders {
    /// Works on `db`; `attribution` acts as a service.
    pub(crate) fn new(db: Database, clock: Arc<dyn Clock>, attribution: Channel) -> Self {
        Self { db, clock, attribution: Attribution::new(attribution) }
    }

    /// A plain read: the orders that evidence is given for, and what the tenants' clocks show.
    async fn look(&self, commands: &[UpdateOrder]) -> Result<(Stored, Clocks), Error> {
        let with_evidence = commands.iter().filter(|command| !command.evidence.is_empty());
        let keys: Vec<&OrderKey> = with_evidence.map(|command| &command.key).collect();
        let tenants: HashSet<&TenantId> =
            commands.iter().map(|command| &command.key.tenant).filter(|tenant| tenant.is_sandbox()).collect();
        let tenants: Vec<&TenantId> = tenants.into_iter().collect();
        Ok(tokio::try_join!(
            async {
                if keys.is_empty() {
                    return Ok(Stored::new());
                }
                let mut turn = self.db.hot_read().await?;
                let stored = store::orders::load(&mut turn, &keys).await?;
                turn.done();
                Ok(stored)
            },
            store::test_clocks::load(&self.db, &tenants),
        )?)
    }

    /// Attribution's answers to the evidence of these commands, by their places. Also about an order that has an
    /// attribution: only attribution knows whom evidence names.
    async fn ask(
        &self,
        commands: &[UpdateOrder],
        stored: &Stored,
    ) -> HashMap<usize, Result<Attributed, Error>> {
        let with_evidence = commands.iter().enumerate().filter(|(_, command)| !command.evidence.is_empty());
        let attempts = with_evidence.filter_map(|(n, command)| {
            Some((n, later_attempt(stored.get(&command.key)?, &command.evidence)))
        });
        let (places, attempts): (Vec<usize>, Vec<_>) = attempts.unzip();
        if attempts.is_empty() {
            return HashMap::new();
        }
        let answers = match self.attribution.ask(attempts).await {
            Ok(answers) => answers,
            Err(error) => vec![Err(error); places.len()],
        };
        let judged = |answer: Result<Answer, Error>| match answer? {
            Answer::Judged(attributed) => Ok(attributed),
            Answer::Customer(..) => Err(Error::NoAnswer),
        };
        places.into_iter().zip(answers.into_iter().map(judged)).collect()
    }

    fn ready(
        &self,
        command: UpdateOrder,
        clocks: &Clocks,
        answer: Option<Result<Attributed, Error>>,
    ) -> Ready {
        let tenant = &command.key.tenant;
        let now = fields::tenant_now(tenant, clocks.get(tenant).copied(), self.clock.as_ref());
        Ready { command, now, answer }
    }
}

impl Work for UpdateOrders {
    type Command = UpdateOrder;
    type Prepared = Ready;
    type Answer = Revised;
    type Error = Error;

    fn weight(command: &UpdateOrder) -> usize {
        let lines = command.patch.line_items.iter().flat_map(|(_, lines)| lines);
        let lines: usize = lines.map(|line| line.sku.len() + line.name.len() + 64).sum();
        let properties = command.patch.properties.as_ref().map_or(0, held);
        512 + command.key.order_id.as_str().len() + command.evidence.shortcode.len() + lines + properties
    }

    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<UpdateOrder>) -> Vec<Prepared<Ready, Revised, Error>> {
        let (stored, clocks) = match self.look(&commands).await {
            Ok(looked) => looked,
            Err(error) => return commands.iter().map(|_| Prepared::Answered(Err(error.clone()))).collect(),
        };
        let mut answers = self.ask(&commands, &stored).await;
        // what attribution refused is the answer only if the command was not carried out before
        let ready = |(n, command)| Prepared::Apply(self.ready(command, &clocks, answers.remove(&n)));
        commands.into_iter().enumerate().map(ready).collect()
    }

    async fn apply(&self, slice: &[Ready]) -> Result<Vec<Result<Revised, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let orders: Vec<&OrderKey> = slice.iter().map(|ready| &ready.command.key).collect();
        let requests: Vec<Key> =
            slice.iter().filter_map(|ready| ready.command.asked()).map(|(key, _)| key).collect();
        let mut book = Book::load(&mut tx, &orders, &requests, self.clock.now()).await?;
        let answers = slice.iter().map(|ready| carry_out(&mut book, ready)).collect();
        book.close(tx).await?;
        Ok(answers)
    }
}

/// Carries out one command.
fn carry_out(book: &mut Book, ready: &Ready) -> Result<Revised, Error> {
    let command = &ready.command;
    let asked = command.asked();
    let is_repeat = book.is_repeat(&asked)?;
    let missing = || Violation::NotFound(command.key.order_id.clone());
    let stored = book.order(&command.key).cloned().ok_or_else(missing)?;
    if is_repeat {
        duplicates(Duplicate::RequestId, 1);
        return Ok(Revised { order: stored, replayed: true });
    }
    let revision = revise(stored.clone(), ready, book.definitions(&command.key.tenant))?;
    let order = revision.as_ref().map_or(stored, |revision| revision.order.clone());
    let replayed = revision.is_none();
    match revision {
        Some(revision) => book.revise(revision),
        None => duplicates(Duplicate::NaturalKey, 1),
    }
    book.remember(asked, &order);
    Ok(Revised { order, replayed })
}

/// What becomes of the order; `None` if it is so already.
fn revise<'a>(
    stored: Order,
    ready: &'a Ready,
    definitions: &Definitions,
) -> Result<Option<Revision<'a>>, Error> {
    let Ready { command, now, answer } = ready;
    let mut revision = Revision {
        order: stored,
        kinds: Vec::new(),
        refund: None,
        origin: &command.origin,
        occurred_at: *now,
        head: None,
    };
    if !command.evidence.is_empty() {
        // it was not stored when attribution would have been asked: the caller's retry asks
        let answer = answer.as_ref().ok_or(Error::NoAnswer)?.as_ref().map_err(Clone::clone)?;
        if let Some(linked) = link(&revision.order, answer)? {
            revision.kinds.push((ChangeKind::Linked, linked_fields(&revision.order, &linked)));
            revision.head = Some(answer.head);
            revision.order = linked;
        }
    }
    if let Updated::Changed(updated, refund) = update(&revision.order, command.patch.clone(), definitions)? {
        let fields = changed_fields(&revision.order, &updated, definitions);
        revision.kinds.push((ChangeKind::Updated, fields));
        revision.refund = refund;
        revision.order = *updated;
    }
    Ok((!revision.kinds.is_empty()).then_some(revision))
}
