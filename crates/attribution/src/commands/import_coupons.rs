//! Importing coupon codes (A14): rows of a file, in batches; a bad one fails alone.

use std::sync::Arc;

use batch::{Prepared, Work};
use pg::{Audit, Database, Inserts, WriteTx};
use types::{Clock, Origin, TenantId};

use super::Error;
use crate::domain::Books;
use crate::domain::coupon::NewCoupon;
use crate::store::{self, CampaignKeys, CodeKeys, ContactKeys};

/// One code of one tenant.
#[derive(Debug)]
pub(crate) struct Command {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Who imports it, how, and under which trace.
    pub(crate) origin: Origin,
    /// The code.
    pub(crate) new: NewCoupon,
}

/// Imports coupon codes. The answer is whether the code is new.
#[derive(Debug)]
pub(crate) struct ImportCoupons {
    /// Where they are stored.
    pub(crate) db: Database,
    /// The clock.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Work for ImportCoupons {
    type Command = Command;
    type Prepared = Command;
    type Answer = bool;
    type Error = Error;

    fn weight(_: &Command) -> usize {
        size_of::<Command>() + 256
    }

    fn is_transient(error: &Error) -> bool {
        error.is_transient()
    }

    async fn prepare(&self, commands: Vec<Command>) -> Vec<Prepared<Command, bool, Error>> {
        commands.into_iter().map(Prepared::Apply).collect()
    }

    async fn apply(&self, slice: &[Command]) -> Result<Vec<Result<bool, Error>>, pg::Error> {
        let mut tx = self.db.write().await?;
        let mut books = load(&mut tx, slice).await?;
        let now = self.clock.now();
        let mut audit = Audit::default();
        let decide = |command: &Command| {
            let book = books.of(&command.tenant);
            let is_new = book.import_coupon(&command.new, now);
            super::sign(&mut audit, &command.tenant, book, &command.origin);
            Ok(is_new?)
        };
        let answers = slice.iter().map(decide).collect();
        super::finish(tx, Inserts::default(), &audit, &books, now).await?;
        Ok(answers)
    }
}

async fn load(tx: &mut WriteTx, slice: &[Command]) -> Result<Books, pg::Error> {
    let mut books = Books::default();
    let (mut contacts, mut campaigns, mut codes) =
        (ContactKeys::default(), CampaignKeys::default(), CodeKeys::default());
    for Command { tenant, new, .. } in slice {
        codes.add(tenant, new.code.as_str());
        new.advocate.iter().for_each(|who| contacts.add(tenant, who));
        new.campaign.iter().for_each(|campaign| campaigns.add(tenant, campaign.clone()));
    }
    store::load_contacts(tx, &contacts, &mut books).await?;
    store::load_campaigns(tx, &campaigns, &mut books).await?;
    store::load_codes(tx, &codes, &mut books).await?;
    store::load_coupons(tx, &codes, &mut books).await?;
    Ok(books)
}
