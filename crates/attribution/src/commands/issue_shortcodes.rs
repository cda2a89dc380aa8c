//! Issuing shortcodes.

use std::sync::Arc;

use batch::{Prepared, Work};
use pg::{Audit, Database, Inserts, WriteTx};
use types::{Clock, Origin, TenantId};

use super::Error;
use crate::domain::Books;
use crate::domain::code::{self, IssueShortcode, Issued};
use crate::store::{self, CampaignKeys, CodeKeys, ContactKeys};

/// Codes drawn for one that is to be made: among 10^12, all of them are taken about never.
const DRAWN: usize = 3;

/// Asks for a code for one tenant's advocate.
#[derive(Debug)]
pub(crate) struct Command {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Who asks, how, and under which trace.
    pub(crate) origin: Origin,
    /// What is asked for.
    pub(crate) ask: IssueShortcode,
}

/// Issues shortcodes.
#[derive(Debug)]
pub(crate) struct IssueShortcodes {
    /// Where they are stored.
    pub(crate) db: Database,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Work for IssueShortcodes {
    type Command = Command;
    type Prepared = Command;
    type Answer = Issued;
    type Error = Error;

    fn weight(_: &Command) -> usize {
        size_of::<Command>() + 256
    }

    /// Draws the random codes.
    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<Command>) -> Vec<Prepared<Command, Issued, Error>> {
        let draw = |mut command: Command| {
            if command.ask.code.is_none() {
                command.ask.drawn = (0..DRAWN).filter_map(|_| code::draw(rand::random())).collect();
            }
            Prepared::Apply(command)
        };
        commands.into_iter().map(draw).collect()
    }

    async fn apply(&self, slice: &[Command]) -> Result<Vec<Result<Issued, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut books = load(&mut tx, slice).await?;
        let now = self.clock.now();
        let mut audit = Audit::default();
        let decide = |command: &Command| {
            let book = books.of(&command.tenant);
            let issued = book.issue_shortcode(&command.ask, now);
            super::sign(&mut audit, &command.tenant, book, &command.origin);
            Ok(issued?)
        };
        let answers = slice.iter().map(decide).collect();
        super::finish(tx, Inserts::default(), &audit, &books, now).await?;
        Ok(answers)
    }
}

async fn load(tx: &mut WriteTx, slice: &[Command]) -> Result<Books, pg::Error> {
    let mut books = Books::default();
    let mut contacts = ContactKeys::default();
    let mut campaigns = CampaignKeys::default();
    let mut codes = CodeKeys::default();
    for Command { tenant, ask, .. } in slice {
        contacts.add(tenant, &ask.advocate);
        campaigns.add(tenant, ask.campaign.clone());
        for code in ask.code.iter().chain(&ask.drawn) {
            codes.add(tenant, code.as_str());
        }
    }
    store::load_contacts(tx, &contacts, &mut books).await?;
    store::load_campaigns(tx, &campaigns, &mut books).await?;
    store::load_codes(tx, &codes, &mut books).await?;
    store::load_coupons(tx, &codes, &mut books).await?;
    store::load_codes_of_people(tx, &mut books).await?;
    Ok(books)
}
