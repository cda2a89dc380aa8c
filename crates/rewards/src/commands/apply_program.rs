//! Publishing a program's next version (R1).

use std::sync::Arc;

use definitions::yaml::Problem;
use pg::{Audit, Database, Inserts};
use types::{Clock, Origin, TenantId};

use crate::domain::definition;
use crate::domain::program::{self, Definition, VersionRefused};
use crate::store::programs::{self, Stored};
use crate::store::{audit, clocks};
use crate::subscribers;

/// Why nothing was published.
#[derive(Debug)]
pub(crate) enum Error {
    /// The definition is wrong, by line.
    Invalid(Vec<Problem>),
    /// `base_version` is not the newest.
    BaseChanged {
        /// The newest.
        newest: i32,
    },
    /// The database failed.
    Database(pg::Error),
}

impl From<pg::Error> for Error {
    fn from(error: pg::Error) -> Self {
        Self::Database(error)
    }
}

/// Publishes `text`, unless it is the newest version already. The version now newest, and whether this call made it.
pub(crate) async fn apply(
    db: &Database,
    clock: &Arc<dyn Clock>,
    (tenant, origin): (&TenantId, &Origin),
    text: &str,
    base_version: i32,
) -> Result<(Stored, bool), Error> {
    let definition = definition::parse(text).map_err(Error::Invalid)?;
    let mut tx = db.write().await?;
    let newest = programs::list(&mut *tx, tenant, &definition.campaign, i32::MAX, 1).await?.pop();
    if let Some(newest) = newest.as_ref().filter(|newest| newest.definition == text) {
        let stored = newest.clone();
        tx.rollback().await?;
        return Ok((stored, false));
    }
    let shows = clocks::load(&mut *tx, &[tenant]).await?.remove(tenant);
    let real = clock.now();
    let now = rpc::fields::tenant_now(tenant, shows, clock.as_ref());
    let base = newest.as_ref().map(|newest| (newest.version, newest.effective_from));
    let effective_from = next(&definition, base, base_version, now)?;
    // versions are compared with events by position: it tells which events were judged without this version
    let position = audit::position(&mut tx, subscribers::JOURNEYS).await?.map_or(0, |(_, position)| position);
    let stored = Stored {
        tenant_id: tenant.clone(),
        campaign_id: definition.campaign,
        version: base.map_or(0, |(version, _)| version) + 1,
        name: definition.name,
        effective_from,
        definition: text.to_owned(),
        after_position: position,
        applied_at: real,
    };
    programs::insert(&mut tx, &stored).await?;
    let (mut inserts, mut audit) = (Inserts::default(), Audit::default());
    audit.note(tenant, origin, &stored.campaign_id);
    audit.save(&mut inserts, real);
    inserts.send(&mut tx).await?;
    tx.commit().await?;
    Ok((stored, true))
}

fn next(
    definition: &Definition,
    newest: Option<(i32, types::Timestamp)>,
    base_version: i32,
    now: types::Timestamp,
) -> Result<types::Timestamp, Error> {
    let said = definition.effective_from;
    let newest_version = newest.map_or(0, |(version, _)| version);
    if base_version != 0 && base_version != newest_version {
        return Err(Error::BaseChanged { newest: newest_version });
    }
    program::effective_from(said.map(|said| said.at), newest, now).map_err(|refused| {
        let VersionRefused(message) = refused;
        let (line, column) = said.map_or((1, 1), |said| said.place);
        Error::Invalid(vec![Problem { line, column, path: "effective_from".to_owned(), message }])
    })
}
