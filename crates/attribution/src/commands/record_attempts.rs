//! Attempts to attribute, and look-ups: the hot path. One slice, one transaction, a fixed number of statements.

use std::collections::HashMap;
use std::sync::Arc;

use batch::{Prepared, Refused, Work};
use observe::metrics::{Duplicate, duplicates};
use pg::requests::{self, Key, Seen};
use pg::{Audit, Database, Inserts, WriteTx};
use rpc::fields;
use types::{Clock, Origin, TenantId, Timestamp};
use uuid::Uuid;

use super::rules::Rules;
use super::{Error, Request};
use crate::domain::{Attempt, AttemptId, Books, Judgement, LoggedAttempt, Sent, Violation};
use crate::store::{self, CampaignKeys, CodeKeys, ContactKeys, VisitorKeys};

/// One attempt of one tenant.
#[derive(Debug)]
pub(crate) struct Command {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Who claims it, how, and under which trace.
    pub(crate) origin: Origin,
    /// What is claimed.
    pub(crate) attempt: Attempt,
    /// When it happened; default now.
    pub(crate) occurred_at: Option<Timestamp>,
    /// Makes a repeat harmless.
    pub(crate) request: Option<Request>,
}

/// The answer to an attempt.
#[derive(Debug)]
pub(crate) struct Recorded {
    /// How it ended.
    pub(crate) judgement: Judgement,
    /// Whether it was recorded before.
    pub(crate) replayed: bool,
}

/// Carries out attempts.
#[derive(Debug)]
pub(crate) struct RecordAttempts {
    /// Where they are stored.
    pub(crate) db: Database,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Compiled rules of segments.
    pub(crate) rules: Rules,
}

/// What a slice needs to know, and what becomes of it.
#[derive(Debug)]
struct Slice {
    books: Books,
    requests: HashMap<Key, Seen>,
    /// Attempts that earlier requests made.
    logged: HashMap<AttemptId, LoggedAttempt>,
    made: Vec<(Key, Seen)>,
    audit: Audit,
}

impl Work for RecordAttempts {
    type Command = Command;
    type Prepared = Command;
    type Answer = Recorded;
    type Error = Error;

    fn weight(command: &Command) -> usize {
        size_of::<Command>() + 128 + command.attempt.source.len()
    }

    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<Command>) -> Vec<Prepared<Command, Recorded, Error>> {
        commands.into_iter().map(Prepared::Apply).collect()
    }

    async fn apply(&self, commands: &[Command]) -> Result<Vec<Result<Recorded, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut slice = load(&mut tx, commands, &*self.clock).await?;
        self.rules.load(&mut tx, commands.iter().map(|c| &c.tenant), &mut slice.books).await?;
        let answers = commands.iter().map(|command| slice.decide(command, &*self.clock)).collect();
        let now = self.clock.now();
        let mut inserts = Inserts::default();
        requests::save(&mut inserts, &slice.made, now);
        super::finish(tx, inserts, &slice.audit, &slice.books, now).await?;
        Ok(answers)
    }
}

impl Slice {
    fn decide(&mut self, command: &Command, clock: &dyn Clock) -> Result<Recorded, Error> {
        if let Some(seen) = command.request.as_ref().and_then(|request| self.requests.get(&request.key)) {
            return self.replay(command, seen);
        }
        let book = self.books.of(&command.tenant);
        let when = super::moment(&command.tenant, command.occurred_at, book.test_clock, clock)?;
        let judgement = book.attempt(&command.attempt, when);
        super::sign(&mut self.audit, &command.tenant, book, &command.origin);
        let judgement = judgement?;
        if let (Some(request), Some(id)) = (&command.request, judgement.logged) {
            let seen = Seen { hash: request.hash.clone(), resources: vec![id.0.to_string()] };
            self.made.push((request.key.clone(), seen.clone()));
            self.requests.insert(request.key.clone(), seen);
        }
        Ok(Recorded { judgement, replayed: false })
    }

    /// Answers with what the first call made; errors are not remembered, so there is an attempt behind every request.
    fn replay(&self, command: &Command, seen: &Seen) -> Result<Recorded, Error> {
        if command.request.as_ref().is_some_and(|request| request.hash != seen.hash) {
            return Err(Violation::RequestIdReused.into());
        }
        duplicates(Duplicate::RequestId, 1);
        let book = self.books.get(&command.tenant);
        let found = attempt_of(seen).zip(book).and_then(|(id, book)| {
            let logged = self.logged.get(&id).or_else(|| book.attempts.iter().find(|a| a.id == id))?;
            Some(book.replay(logged))
        });
        found.map(|judgement| Recorded { judgement, replayed: true }).ok_or(Error::Refused(Refused::Bug))
    }
}

fn attempt_of(seen: &Seen) -> Option<AttemptId> {
    seen.resources.first().and_then(|id| Uuid::try_parse(id).ok()).map(AttemptId)
}

async fn load(tx: &mut WriteTx, commands: &[Command], clock: &dyn Clock) -> Result<Slice, pg::Error> {
    let keys: Vec<Key> = commands.iter().filter_map(|c| c.request.as_ref()).map(|r| r.key.clone()).collect();
    let requests = requests::load(tx, &keys).await?;
    let replayed: Vec<_> =
        requests.iter().filter_map(|(key, seen)| attempt_of(seen).map(|id| (&key.tenant, id))).collect();
    let logged = store::load_attempts(tx, &replayed).await?;
    let mut books = Books::default();
    store::load_clocks(tx, commands.iter().map(|c| &c.tenant), &mut books).await?;
    load_evidence(tx, commands, &mut books, clock).await?;
    let mut contacts = ContactKeys::default();
    let mut campaigns = CampaignKeys::default();
    for command in commands {
        let Command { tenant, attempt, .. } = command;
        contacts.add(tenant, &attempt.contact);
        if let Some(advocate) = &attempt.evidence.advocate {
            contacts.add(tenant, advocate);
        }
        if let Some(campaign) = &attempt.campaign {
            campaigns.add(tenant, campaign.clone());
        }
        let Some(book) = books.get(tenant) else { continue };
        let code = attempt.evidence.shortcode.as_ref().and_then(Sent::code);
        if let Some(owner) = code.and_then(|code| book.codes.owner(code)) {
            contacts.add_id(tenant, owner.advocate);
            campaigns.add(tenant, owner.campaign.clone());
        }
        let coupon = attempt.evidence.coupon.as_ref().and_then(Sent::code);
        if let Some(coupon) = coupon.and_then(|code| book.coupons.get(code)) {
            coupon.advocate.into_iter().for_each(|advocate| contacts.add_id(tenant, advocate));
            coupon.campaign.iter().for_each(|campaign| campaigns.add(tenant, campaign.clone()));
        }
        for visit in attempt.evidence.visitor.iter().flat_map(|visitor| book.visits.of(visitor)) {
            contacts.add_id(tenant, visit.advocate);
            campaigns.add(tenant, visit.campaign.clone());
        }
    }
    for (key, logged) in requests.iter().filter_map(|(k, seen)| Some((k, logged.get(&attempt_of(seen)?)?))) {
        contacts.add_id(&key.tenant, logged.contact);
    }
    store::load_contacts(tx, &contacts, &mut books).await?;
    store::load_campaigns(tx, &campaigns, &mut books).await?;
    store::load_attributions(tx, &mut books).await?;
    drop(contacts);
    Ok(Slice { books, requests, logged, made: Vec::new(), audit: Audit::default() })
}

/// Loads what the evidence may resolve to; the test clocks are there.
async fn load_evidence(
    tx: &mut WriteTx,
    commands: &[Command],
    books: &mut Books,
    clock: &dyn Clock,
) -> Result<(), pg::Error> {
    let (mut codes, mut coupons) = (CodeKeys::default(), CodeKeys::default());
    let mut visitors = VisitorKeys::default();
    for Command { tenant, attempt, occurred_at, .. } in commands {
        if let Some(visitor) = &attempt.evidence.visitor {
            let test_clock = books.get(tenant).and_then(|book| book.test_clock);
            let now = || fields::tenant_now(tenant, test_clock, clock);
            visitors.add(tenant, visitor, occurred_at.unwrap_or_else(now));
        }
        if let Some(code) = attempt.evidence.shortcode.as_ref().and_then(Sent::code) {
            codes.add(tenant, code.as_str());
        }
        if let Some(code) = attempt.evidence.coupon.as_ref().and_then(Sent::code) {
            coupons.add(tenant, code.as_str());
        }
    }
    store::load_codes(tx, &codes, books).await?;
    store::load_coupons(tx, &coupons, books).await?;
    store::load_visits_as_evidence(tx, &visitors, books).await
}
