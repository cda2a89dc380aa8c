//! Defining properties of orders (O9): few, and seldom, so without a batcher.

use std::collections::HashMap;

use pg::{Audit, Database, Inserts, WriteTx};
use types::{Clock, Origin, TenantId};

use super::Error;
use crate::domain::{Definition, Definitions, MAX_DEFINITIONS, PropertyName, Violation};
use crate::store::properties as store;

/// Who defines what for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By<'a> {
    /// Whose property.
    pub(crate) tenant: &'a TenantId,
    /// Who does it.
    pub(crate) origin: &'a Origin,
    /// The real clock.
    pub(crate) clock: &'a dyn Clock,
}

/// What is changed of a definition; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct DefinitionChange {
    /// Whether orders must have it.
    pub(crate) required: Option<bool>,
    /// Whether its values are personal data.
    pub(crate) personal: Option<bool>,
    /// For people.
    pub(crate) description: Option<String>,
}

/// Defines a property, or finds that it is defined so.
pub(crate) async fn create(db: &Database, by: By<'_>, new: Definition) -> Result<Definition, Error> {
    let (mut tx, definitions) = begin(db, by.tenant).await?;
    match definitions.get(&new.name) {
        Some(stored) if stored.is_same_as(&new) => {
            tx.rollback().await?;
            return Ok(stored.clone());
        }
        Some(_) => return Err(Violation::PropertyExists.into()),
        None if definitions.len() >= MAX_DEFINITIONS => return Err(Violation::TooManyProperties.into()),
        None => {}
    }
    store::put(&mut tx, by.tenant, &new).await?;
    finish(tx, by, &new.name).await?;
    Ok(new)
}

/// Changes a definition.
pub(crate) async fn update(
    db: &Database,
    by: By<'_>,
    name: &PropertyName,
    change: DefinitionChange,
) -> Result<Definition, Error> {
    let (mut tx, mut definitions) = begin(db, by.tenant).await?;
    let missing = || Violation::PropertyNotFound(name.clone());
    let stored = definitions.remove(name).ok_or_else(missing)?;
    let changed = Definition {
        required: change.required.unwrap_or(stored.required),
        personal: change.personal.unwrap_or(stored.personal),
        description: change.description.unwrap_or_else(|| stored.description.clone()),
        ..stored.clone()
    };
    if changed == stored {
        tx.rollback().await?;
        return Ok(stored);
    }
    store::put(&mut tx, by.tenant, &changed).await?;
    finish(tx, by, name).await?;
    Ok(changed)
}

/// Takes back a definition that no order ever used.
pub(crate) async fn delete(db: &Database, by: By<'_>, name: &PropertyName) -> Result<(), Error> {
    let (mut tx, definitions) = begin(db, by.tenant).await?;
    match definitions.get(name) {
        None => return Err(Violation::PropertyNotFound(name.clone()).into()),
        Some(stored) if stored.used => return Err(Violation::PropertyInUse.into()),
        Some(_) => {}
    }
    store::delete(&mut tx, by.tenant, name).await?;
    finish(tx, by, name).await
}

async fn begin(db: &Database, tenant: &TenantId) -> Result<(WriteTx, Definitions), Error> {
    let mut tx = db.write().await?;
    let mut all: HashMap<TenantId, Definitions> = store::load(&mut *tx, &[tenant]).await?;
    Ok((tx, all.remove(tenant).unwrap_or_default()))
}

async fn finish(mut tx: WriteTx, by: By<'_>, name: &PropertyName) -> Result<(), Error> {
    let mut audit = Audit::default();
    audit.note(by.tenant, by.origin, name);
    let mut inserts = Inserts::default();
    audit.save(&mut inserts, by.clock.now());
    inserts.send(&mut tx).await?;
    Ok(tx.commit().await?)
}
