//! Issuing coupon codes in bulk (A14): all of them or none.

use observe::metrics::{Duplicate, duplicates};
use pg::requests::{self, Seen};
use pg::{Audit, Database, Inserts, WriteTx};
use types::{Clock, CouponCode, Origin, TenantId};

use super::{Error, Request};
use crate::domain::coupon::{self, Coupon, IssueCoupons, Takers};
use crate::domain::{Books, Violation};
use crate::store::{self, CampaignKeys, CodeKeys, ContactKeys};

/// Codes drawn beyond those that are to be made: among 10^15, some are taken about never.
const SPARE: usize = 3;

/// What is asked for, and by which request.
#[derive(Debug)]
pub(crate) struct Command {
    /// Who asks, how, and under which trace.
    pub(crate) origin: Origin,
    /// What is asked for; the codes are drawn here.
    pub(crate) ask: IssueCoupons,
    /// What all of them begin with.
    pub(crate) prefix: String,
    /// Makes a repeat harmless.
    pub(crate) request: Request,
}

/// Issues the codes; and whether the request was carried out before. Then they are as they are now.
pub(crate) async fn run(
    db: &Database,
    clock: &dyn Clock,
    tenant: &TenantId,
    mut command: Command,
) -> Result<(Vec<Coupon>, bool), Error> {
    let drawn =
        (0..command.ask.takers.count() + SPARE).filter_map(|_| coupon::draw(&command.prefix, rand::random()));
    command.ask.drawn = drawn.collect();
    let Command { origin, ask, request, .. } = &command;
    let mut tx = db.write().await?;
    let seen = requests::load(&mut tx, std::slice::from_ref(&request.key)).await?;
    if let Some(seen) = seen.get(&request.key) {
        return replay(&mut tx, tenant, request, seen).await;
    }
    let mut books = load(&mut tx, tenant, ask).await?;
    let (book, now) = (books.of(tenant), clock.now());
    let issued = book.issue_coupons(ask, now).map_err(|(at, violation)| match at {
        Some(n) => Error::At(format!("advocates[{n}]"), violation),
        None => Error::Rule(violation),
    })?;
    let mut audit = Audit::default();
    super::sign(&mut audit, tenant, book, origin);
    let resources = issued.iter().map(|coupon| coupon.code.to_string()).collect();
    let made = (request.key.clone(), Seen { hash: request.hash.clone(), resources });
    let mut inserts = Inserts::default();
    requests::save(&mut inserts, &[made], now);
    super::finish(tx, inserts, &audit, &books, now).await?;
    Ok((issued, false))
}

async fn replay(
    tx: &mut WriteTx,
    tenant: &TenantId,
    request: &Request,
    seen: &Seen,
) -> Result<(Vec<Coupon>, bool), Error> {
    if request.hash != seen.hash {
        return Err(Violation::RequestIdReused.into());
    }
    duplicates(Duplicate::RequestId, 1);
    let codes: Vec<CouponCode> = seen.resources.iter().filter_map(|code| code.parse().ok()).collect();
    let mut keys = CodeKeys::default();
    for code in &codes {
        keys.add(tenant, code.as_str());
    }
    let mut books = Books::default();
    store::load_coupons(tx, &keys, &mut books).await?;
    let book = books.of(tenant);
    Ok((codes.iter().filter_map(|code| book.coupons.get(code)).cloned().collect(), true))
}

async fn load(tx: &mut WriteTx, tenant: &TenantId, ask: &IssueCoupons) -> Result<Books, pg::Error> {
    let mut books = Books::default();
    let (mut contacts, mut campaigns, mut codes) =
        (ContactKeys::default(), CampaignKeys::default(), CodeKeys::default());
    if let Some(campaign) = &ask.campaign {
        campaigns.add(tenant, campaign.clone());
    }
    if let Takers::Advocates(advocates) = &ask.takers {
        for who in advocates {
            contacts.add(tenant, who);
        }
    }
    for code in &ask.drawn {
        codes.add(tenant, code.as_str());
    }
    store::load_contacts(tx, &contacts, &mut books).await?;
    store::load_campaigns(tx, &campaigns, &mut books).await?;
    store::load_codes(tx, &codes, &mut books).await?;
    store::load_coupons(tx, &codes, &mut books).await?;
    Ok(books)
}
