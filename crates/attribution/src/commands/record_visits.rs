//! Visits, in batches (A8).

use std::sync::Arc;

use batch::{Prepared, Work};
use pg::{Audit, Database, Inserts, WriteTx};
use rpc::fields;
use types::{Clock, Origin, TenantId, Timestamp};

use super::Error;
use crate::domain::Books;
use crate::domain::visit::{NewVisit, Visit};
use crate::store::{self, CodeKeys, ContactKeys, VisitKeys};

/// One visit of one tenant.
#[derive(Debug)]
pub(crate) struct Command {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Who tells of it, how, and under which trace.
    pub(crate) origin: Origin,
    /// The visit.
    pub(crate) visit: NewVisit,
    /// When it happened; default now.
    pub(crate) occurred_at: Option<Timestamp>,
}

/// Logs visits. The answer is the visit, and whether it is new.
#[derive(Debug)]
pub(crate) struct RecordVisits {
    /// Where they are stored.
    pub(crate) db: Database,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Work for RecordVisits {
    type Command = Command;
    type Prepared = Command;
    type Answer = (Visit, bool);
    type Error = Error;

    fn weight(command: &Command) -> usize {
        let about = &command.visit.about;
        size_of::<Command>() + 256 + about.landing_path.len() + about.user_agent.len()
    }

    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<Command>) -> Vec<Prepared<Command, (Visit, bool), Error>> {
        commands.into_iter().map(Prepared::Apply).collect()
    }

    async fn apply(&self, slice: &[Command]) -> Result<Vec<Result<(Visit, bool), Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut books = load(&mut tx, slice, &*self.clock).await?;
        let mut audit = Audit::default();
        let decide = |command: &Command| {
            let book = books.of(&command.tenant);
            let when = super::moment(&command.tenant, command.occurred_at, book.test_clock, &*self.clock)?;
            let logged = book.visit(&command.visit, when);
            super::sign(&mut audit, &command.tenant, book, &command.origin);
            Ok(logged?)
        };
        let answers = slice.iter().map(decide).collect();
        super::finish(tx, Inserts::default(), &audit, &books, self.clock.now()).await?;
        Ok(answers)
    }
}

async fn load(tx: &mut WriteTx, slice: &[Command], clock: &dyn Clock) -> Result<Books, pg::Error> {
    let mut books = Books::default();
    store::load_clocks(tx, slice.iter().map(|command| &command.tenant), &mut books).await?;
    let (mut codes, mut visits) = (CodeKeys::default(), VisitKeys::default());
    for Command { tenant, visit, occurred_at, .. } in slice {
        codes.add(tenant, visit.shortcode.as_str());
        let now = || fields::tenant_now(tenant, books.get(tenant).and_then(|book| book.test_clock), clock);
        visits.add(tenant, &visit.visitor, &visit.shortcode, occurred_at.unwrap_or_else(now));
    }
    store::load_codes(tx, &codes, &mut books).await?;
    store::load_visits(tx, &visits, &mut books).await?;
    let mut contacts = ContactKeys::default();
    for Command { tenant, visit, .. } in slice {
        if let Some(owner) = books.get(tenant).and_then(|book| book.codes.owner(&visit.shortcode)) {
            contacts.add_id(tenant, owner.advocate);
        }
    }
    store::load_contacts(tx, &contacts, &mut books).await?;
    Ok(books)
}
