//! What people do to attributions by hand: activate, deactivate, reassign (A3).

use std::collections::HashMap;
use std::sync::Arc;

use batch::{Prepared, Refused, Work};
use observe::metrics::{Duplicate, duplicates};
use pg::requests::{self, Key, Seen};
use pg::{Audit, Database, Inserts, WriteTx};
use types::{AttributionId, CampaignId, Clock, ContactId, Origin, TenantId, Timestamp};

use super::{Error, Request};
use crate::domain::lifecycle::Moved;
use crate::domain::{Book, Books, ContactRef, Moment, Violation};
use crate::store::{self, CampaignKeys, ContactKeys};

/// Which attribution is meant.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// The one with this id.
    Named(AttributionId),
    /// The one between these.
    Between {
        /// In which campaign.
        campaign: CampaignId,
        /// The referred contact.
        contact: ContactRef,
        /// The advocate.
        advocate: ContactRef,
    },
}

/// What is to become of an attribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is to be the active one.
    Activate,
    /// It is to end, and to stay so.
    Deactivate,
    /// It is to end if it is active, and else to be as it is.
    Retire,
    /// It is to be the active one in place of the one that is, and to come to be if it is none.
    Reassign,
    /// It is to be the active one in place of the one that is, if there is such an attribution.
    Prefer,
}

/// A move of one tenant's attribution.
#[derive(Debug)]
pub(crate) struct Command {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Who asks, how, and under which trace.
    pub(crate) origin: Origin,
    /// Which attribution.
    pub(crate) which: Which,
    /// What is to become of it.
    pub(crate) fate: Fate,
    /// Why, in the caller's words.
    pub(crate) reason: String,
    /// When it happened; default now.
    pub(crate) occurred_at: Option<Timestamp>,
    /// Makes a repeat harmless.
    pub(crate) request: Option<Request>,
}

/// Moves attributions.
#[derive(Debug)]
pub(crate) struct MoveAttributions {
    /// Where they are stored.
    pub(crate) db: Database,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
}

/// What a slice needs to know, and what becomes of it.
#[derive(Debug)]
struct Slice {
    books: Books,
    requests: HashMap<Key, Seen>,
    made: Vec<(Key, Seen)>,
    audit: Audit,
}

impl Work for MoveAttributions {
    type Command = Command;
    type Prepared = Command;
    type Answer = Moved;
    type Error = Error;

    fn weight(command: &Command) -> usize {
        size_of::<Command>() + 256 + command.reason.len()
    }

    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<Command>) -> Vec<Prepared<Command, Moved, Error>> {
        commands.into_iter().map(Prepared::Apply).collect()
    }

    async fn apply(&self, commands: &[Command]) -> Result<Vec<Result<Moved, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut slice = load(&mut tx, commands).await?;
        let answers = commands.iter().map(|command| slice.decide(command, &*self.clock)).collect();
        let now = self.clock.now();
        let mut inserts = Inserts::default();
        requests::save(&mut inserts, &slice.made, now);
        super::finish(tx, inserts, &slice.audit, &slice.books, now).await?;
        Ok(answers)
    }
}

impl Slice {
    fn decide(&mut self, command: &Command, clock: &dyn Clock) -> Result<Moved, Error> {
        let book = self.books.of(&command.tenant);
        if let Some((request, seen)) =
            command.request.as_ref().and_then(|request| Some((request, self.requests.get(&request.key)?)))
        {
            return replay(book, request, seen);
        }
        let when = super::moment(&command.tenant, command.occurred_at, book.test_clock, clock)?;
        let moved = move_one(book, command, when);
        super::sign(&mut self.audit, &command.tenant, book, &command.origin);
        let moved = moved?;
        if let Some(request) = &command.request {
            let ids = [Some(&moved.attribution), moved.deactivated.as_ref()].into_iter().flatten();
            let resources = ids.map(|attribution| attribution.id.to_string()).collect();
            let seen = Seen { hash: request.hash.clone(), resources };
            self.made.push((request.key.clone(), seen.clone()));
            self.requests.insert(request.key.clone(), seen);
        }
        Ok(moved)
    }
}

fn move_one(book: &mut Book, command: &Command, when: Moment) -> Result<Moved, Error> {
    let reason = &command.reason;
    if command.fate == Fate::Reassign {
        let (campaign, parties) = parties(book, &command.which)?;
        return Ok(book.reassign(&campaign, parties, reason, when)?);
    }
    let id = match &command.which {
        Which::Named(id) => *id,
        which @ Which::Between { .. } => {
            let (campaign, (contact, advocate)) = parties(book, which)?;
            let found = book.attributions.between(&campaign, contact, advocate);
            found.ok_or(Violation::AttributionNotFound(None))?.id
        }
    };
    Ok(match command.fate {
        Fate::Activate => book.activate(id, reason, when)?,
        Fate::Reassign | Fate::Prefer => {
            let (campaign, parties) = parties(book, &Which::Named(id))?;
            book.reassign(&campaign, parties, reason, when)?
        }
        Fate::Deactivate => book.deactivate(id, reason, when)?,
        Fate::Retire => book.retire(id, reason, when)?,
    })
}

/// The campaign of an attribution, and its referred contact and advocate.
fn parties(book: &Book, which: &Which) -> Result<(CampaignId, (ContactId, ContactId)), Error> {
    match which {
        Which::Named(id) => {
            let row = book.attributions.get(*id).ok_or(Violation::AttributionNotFound(Some(*id)))?;
            Ok((row.campaign.clone(), (row.contact, row.advocate)))
        }
        Which::Between { campaign, contact, advocate } => {
            if !book.campaigns.contains_key(campaign) {
                return Err(Violation::CampaignNotFound(campaign.clone()).into());
            }
            let found = |who, field: &str| {
                let known = book.people.find_known(who);
                known.map(|known| known.id).map_err(|violation| Error::At(field.to_owned(), violation))
            };
            Ok((campaign.clone(), (found(contact, "contact")?, found(advocate, "advocate")?)))
        }
    }
}

/// Answers with what the first call made, as it is now.
fn replay(book: &Book, request: &Request, seen: &Seen) -> Result<Moved, Error> {
    if request.hash != seen.hash {
        return Err(Violation::RequestIdReused.into());
    }
    duplicates(Duplicate::RequestId, 1);
    let mut made = ids_of(seen).map(|id| book.attributions.get(id).cloned());
    let attribution = made.next().flatten().ok_or(Error::Refused(Refused::Bug))?;
    Ok(Moved { attribution, deactivated: made.next().flatten(), replayed: true })
}

/// The attributions that a request made or changed, the one it is about first.
fn ids_of(seen: &Seen) -> impl Iterator<Item = AttributionId> {
    seen.resources.iter().filter_map(|id| id.parse().ok())
}

async fn load(tx: &mut WriteTx, commands: &[Command]) -> Result<Slice, pg::Error> {
    let keys: Vec<Key> = commands.iter().filter_map(|c| c.request.as_ref()).map(|r| r.key.clone()).collect();
    let requests = requests::load(tx, &keys).await?;
    let replayed = requests.iter().filter_map(|(key, seen)| Some((&key.tenant, ids_of(seen).next()?)));
    let named = commands.iter().filter_map(|command| match command.which {
        Which::Named(id) => Some((&command.tenant, id)),
        Which::Between { .. } => None,
    });
    let named: Vec<(&TenantId, AttributionId)> = named.chain(replayed).collect();
    let parties = store::load_parties(tx, &named).await?;
    let mut books = Books::default();
    store::load_clocks(tx, commands.iter().map(|c| &c.tenant), &mut books).await?;
    let mut contacts = ContactKeys::default();
    let mut campaigns = CampaignKeys::default();
    for store::Parties { tenant, campaign, contact, advocate } in &parties {
        contacts.add_id(tenant, *contact);
        contacts.add_id(tenant, *advocate);
        campaigns.add(tenant, campaign.clone());
    }
    for Command { tenant, which, .. } in commands {
        if let Which::Between { campaign, contact, advocate } = which {
            contacts.add(tenant, contact);
            contacts.add(tenant, advocate);
            campaigns.add(tenant, campaign.clone());
        }
    }
    store::load_contacts(tx, &contacts, &mut books).await?;
    store::load_campaigns(tx, &campaigns, &mut books).await?;
    store::load_attributions(tx, &mut books).await?;
    Ok(Slice { books, requests, made: Vec::new(), audit: Audit::default() })
}
