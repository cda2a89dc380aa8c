//! ApplyJourney: publishes a definition (J1), or changes the campaigns it is applied to (J14).

use std::sync::Arc;

use pg::{Audit, Database, Inserts};
use types::{Clock, Origin, TenantId};

use crate::domain::definition::{Campaigns, Definition};
use crate::domain::publish::{self, BaseVersionChanged, Publishing};
use crate::domain::slice::Applied;
use crate::store::definitions::{self, Definitions};
use crate::store::funnel;
use crate::store::read::{self, JourneyRow};

/// A definition to be applied.
#[derive(Debug)]
pub(crate) struct ApplyJourney {
    pub(crate) tenant: TenantId,
    /// Who applies it, how, and under which trace.
    pub(crate) origin: Origin,
    /// As it was written.
    pub(crate) text: String,
    pub(crate) definition: Definition,
    pub(crate) campaigns: Campaigns,
    /// The version it was built on, if the caller says.
    pub(crate) base_version: Option<i32>,
}

/// Why it was not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Database(#[from] pg::Error),
    #[error("version {} is in force", .0.in_force)]
    BaseVersion(BaseVersionChanged),
    /// Runs under way stand in a stage that the definition has no more.
    #[error("stage {0} is occupied")]
    Occupied(String),
}

/// Applies a definition; the journey in force afterwards, and whether anything changed.
pub(crate) async fn apply_journey(
    db: &Database,
    known: &Definitions,
    clock: &dyn Clock,
    command: ApplyJourney,
) -> Result<(JourneyRow, bool), Error> {
    let ApplyJourney { tenant, origin, text, definition, campaigns, base_version } = command;
    let journey = definition.journey.clone();
    let mut tx = db.write().await?;
    let in_force = known.in_force(&mut tx, &[&tenant]).await?.remove(&tenant).unwrap_or_default();
    let current = in_force.iter().find(|applied| applied.definition.journey == journey);
    let decided =
        publish::decide(current, &definition, &campaigns, base_version).map_err(Error::BaseVersion)?;
    let version = match &decided {
        Publishing::Version { version, .. } => *version,
        Publishing::Nothing | Publishing::Campaigns => current.map_or(1, |applied| applied.version),
    };
    let applied = Applied { definition: Arc::new(definition), version, campaigns };
    let mut audit = Audit::default();
    if decided != Publishing::Nothing {
        audit.note(&tenant, &origin, &journey);
        definitions::put_in_force(&mut tx, &tenant, &applied).await?;
    }
    if let Publishing::Version { removed, recount, .. } = &decided {
        let removed: Vec<&str> = removed.iter().map(types::StageKey::as_str).collect();
        if let Some(stage) = definitions::occupied(&mut tx, &tenant, &journey, &removed).await? {
            return Err(Error::Occupied(stage));
        }
        definitions::publish(&mut tx, &tenant, &applied, &text, clock.now()).await?;
        if *recount {
            funnel::recount(&mut tx, &tenant, &applied.definition).await?;
        }
    }
    let mut inserts = Inserts::default();
    audit.save(&mut inserts, clock.now());
    inserts.send(&mut tx).await?;
    let row = read::journey(&mut *tx, &tenant, &journey, None).await?;
    tx.commit().await?;
    let row = row.ok_or_else(|| pg::Error::unreadable("journeys", &journey))?;
    Ok((row, decided != Publishing::Nothing))
}
