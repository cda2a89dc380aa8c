//! Defining properties of orders (O9): few, and seldom, so without a batcher.

use outbox::Erasures;
use pg::{Audit, Database, Inserts, WriteTx};
use types::property::{self, DefinitionChange};
use types::{Clock, Origin, TenantId};

use super::Error;
use crate::domain::{Definition, Definitions, PropertyName, Violation};
use crate::store::properties::DEFINITIONS;

/// Who defines what for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    /// Whose property.
    pub(crate) tenant: &'a TenantId,
    /// Who does it.
    pub(crate) origin: &'a Origin,
    /// The real clock.
    pub(crate) clock: &'a dyn Clock,
    /// Taken up again when a property becomes personal (A13).
    pub(crate) erasures: &'a Erasures,
}

/// Defines a property, or finds that it is defined so.
pub(crate) async fn create(db: &Database, by: By<'_>, new: Definition) -> Result<Definition, Error> {
    let (tx, definitions) = begin(db, by.tenant).await?;
    let defined = property::define(&definitions, new).map_err(Violation::Definition)?;
    put(tx, by, defined).await
}

/// Changes a definition.
pub(crate) async fn update(
    db: &Database,
    by: By<'_>,
    name: &PropertyName,
    change: DefinitionChange,
) -> Result<Definition, Error> {
    let (mut tx, definitions) = begin(db, by.tenant).await?;
    let defined = property::redefine(&definitions, name, change).map_err(Violation::Definition)?;
    let was_open = definitions.get(name).is_some_and(|before| !before.personal);
    if was_open && defined.0.personal {
        // what was kept of those who were erased
        by.erasures.reopen(&mut tx, by.tenant, None).await?;
    }
    put(tx, by, defined).await
}

/// Takes back a definition that no order ever used.
pub(crate) async fn delete(db: &Database, by: By<'_>, name: &PropertyName) -> Result<(), Error> {
    let (mut tx, definitions) = begin(db, by.tenant).await?;
    property::undefine(&definitions, name).map_err(Violation::Definition)?;
    DEFINITIONS.delete(&mut tx, by.tenant, name).await?;
    finish(tx, by, name).await
}

async fn begin(db: &Database, tenant: &TenantId) -> Result<(WriteTx, Definitions), Error> {
    let mut tx = db.write().await?;
    let definitions = DEFINITIONS.of(&mut *tx, tenant).await?;
    Ok((tx, definitions))
}

/// Writes a definition, if it is other than what is stored.
async fn put(
    mut tx: WriteTx,
    by: By<'_>,
    (definition, is_other): (Definition, bool),
) -> Result<Definition, Error> {
    if is_other {
        DEFINITIONS.put(&mut tx, by.tenant, &definition).await?;
        finish(tx, by, &definition.name).await?;
    } else {
        tx.rollback().await?;
    }
    Ok(definition)
}

async fn finish(mut tx: WriteTx, by: By<'_>, name: &PropertyName) -> Result<(), Error> {
    let mut audit = Audit::default();
    audit.note(by.tenant, by.origin, name);
    let mut inserts = Inserts::default();
    audit.save(&mut inserts, by.clock.now());
    inserts.send(&mut tx).await?;
    Ok(tx.commit().await?)
}
