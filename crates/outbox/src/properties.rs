//! Defining custom properties (A15, O9): few, and seldom, so without a batcher. It is here since a property that becomes
//! personal takes up erasures again.

use std::sync::Arc;

use pg::properties::Table;
use pg::{Audit, Inserts, WriteTx};
use types::property::{self, Definition, DefinitionChange, DefinitionFault, Definitions, PropertyName};
use types::{Clock, Origin, TenantId};

use crate::Erasures;

/// Why a property is not defined as somebody wants it.
#[derive(Debug, thiserror::Error)]
pub enum DefineError {
    /// A rule of definitions forbids it.
    #[error("a rule of definitions forbids it: {0:?}")]
    Fault(DefinitionFault),
    /// The database could not.
    #[error(transparent)]
    Database(#[from] pg::Error),
}

impl From<DefinitionFault> for DefineError {
    fn from(fault: DefinitionFault) -> Self {
        Self::Fault(fault)
    }
}

/// What the tenants of a service define for their holders.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The table in the service's schema.
    pub table: Table,
    /// The real clock.
    pub clock: Arc<dyn Clock>,
    /// Of the same service: taken up again when a property becomes personal (A13).
    pub erasures: Erasures,
}

impl Registry {
    /// All that a tenant defines.
    pub async fn of(&self, tenant: &TenantId) -> Result<Definitions, pg::Error> {
        self.table.of(self.erasures.db.read(), tenant).await
    }

    /// One definition.
    pub async fn get(&self, tenant: &TenantId, name: PropertyName) -> Result<Definition, DefineError> {
        let found = self.of(tenant).await?.remove(&name);
        Ok(found.ok_or(DefinitionFault::NotFound(name))?)
    }

    /// Defines a property, or finds that it is defined so.
    pub async fn create(
        &self,
        tenant: &TenantId,
        origin: &Origin,
        new: Definition,
    ) -> Result<Definition, DefineError> {
        let (tx, definitions) = self.begin(tenant).await?;
        self.put(tx, tenant, origin, property::define(&definitions, new)?).await
    }

    /// Changes a definition.
    pub async fn update(
        &self,
        tenant: &TenantId,
        origin: &Origin,
        name: &PropertyName,
        change: DefinitionChange,
    ) -> Result<Definition, DefineError> {
        let (mut tx, definitions) = self.begin(tenant).await?;
        let defined = property::redefine(&definitions, name, change)?;
        let was_open = definitions.get(name).is_some_and(|before| !before.personal);
        if was_open && defined.0.personal {
            // what was kept of those who were erased
            self.erasures.reopen(&mut tx, tenant, None).await?;
        }
        self.put(tx, tenant, origin, defined).await
    }

    /// Takes back a definition that no holder ever used; `is_read` tells whether anything else of the service reads it.
    pub async fn delete(
        &self,
        tenant: &TenantId,
        origin: &Origin,
        name: &PropertyName,
        is_read: impl AsyncFnOnce(&mut WriteTx) -> Result<bool, pg::Error>,
    ) -> Result<(), DefineError> {
        let (mut tx, definitions) = self.begin(tenant).await?;
        property::undefine(&definitions, name)?;
        if is_read(&mut tx).await? {
            return Err(DefinitionFault::InUse.into());
        }
        self.table.delete(&mut tx, tenant, name).await?;
        Ok(self.finish(tx, tenant, origin, name).await?)
    }

    async fn begin(&self, tenant: &TenantId) -> Result<(WriteTx, Definitions), pg::Error> {
        let mut tx = self.erasures.db.write().await?;
        let definitions = self.table.of(&mut *tx, tenant).await?;
        Ok((tx, definitions))
    }

    /// Writes a definition, if it is other than what is stored.
    async fn put(
        &self,
        mut tx: WriteTx,
        tenant: &TenantId,
        origin: &Origin,
        (definition, is_other): (Definition, bool),
    ) -> Result<Definition, DefineError> {
        if is_other {
            self.table.put(&mut tx, tenant, &definition).await?;
            self.finish(tx, tenant, origin, &definition.name).await?;
        } else {
            tx.rollback().await?;
        }
        Ok(definition)
    }

    async fn finish(
        &self,
        mut tx: WriteTx,
        tenant: &TenantId,
        origin: &Origin,
        name: &PropertyName,
    ) -> Result<(), pg::Error> {
        let mut audit = Audit::default();
        audit.note(tenant, origin, name);
        let mut inserts = Inserts::default();
        audit.save(&mut inserts, self.clock.now());
        inserts.send(&mut tx).await?;
        tx.commit().await
    }
}
