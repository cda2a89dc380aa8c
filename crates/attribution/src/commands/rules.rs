//! Rules of segments, compiled once for each process.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::PgConnection;
use types::TenantId;
use types::property::{Definitions, PropertyName};
use uuid::Uuid;

use crate::domain::Books;
use crate::domain::rule::Rule;
use crate::store::{self, DEFINITIONS, StoredRule};

/// Compiled rules that are kept: of some hundred tenants that use all they may.
const KEPT: usize = 20_000;

/// What a rule was compiled to; nothing if it cannot be any more.
type Compiled = Option<Arc<Rule>>;

/// What rules were compiled to, by their ids. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules(Arc<Mutex<HashMap<Uuid, Compiled>>>);

impl Rules {
    /// Loads the rules of these tenants.
    pub(crate) async fn load<'a>(
        &self,
        conn: &mut PgConnection,
        tenants: impl IntoIterator<Item = &'a TenantId>,
        books: &mut Books,
    ) -> Result<(), pg::Error> {
        let stored = store::load_rules(conn, tenants, |rule| self.kept(rule).is_some()).await?;
        let mut unknown = Vec::new();
        for stored in stored {
            match self.kept(stored.rule_id) {
                Some(compiled) => add(books, stored, compiled),
                None => unknown.push(stored),
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let tenants: BTreeSet<&TenantId> = unknown.iter().map(|stored| &stored.tenant_id).collect();
        let definitions = DEFINITIONS.load(conn, &tenants.into_iter().collect::<Vec<_>>()).await?;
        let none = Definitions::new();
        for stored in unknown {
            let compiled = self.compile(&stored, definitions.get(&stored.tenant_id).unwrap_or(&none));
            add(books, stored, compiled);
        }
        Ok(())
    }

    /// Whether a rule of a tenant's segment reads a property, or asks for it.
    pub(crate) async fn read(
        &self,
        conn: &mut PgConnection,
        tenant: &TenantId,
        property: &PropertyName,
    ) -> Result<bool, pg::Error> {
        let mut books = Books::default();
        self.load(conn, [tenant], &mut books).await?;
        Ok(books.of(tenant).rules.values().any(|rule| rule.is_about(property)))
    }

    fn compile(&self, stored: &StoredRule, definitions: &Definitions) -> Compiled {
        let compiled = Rule::compile(&stored.rule, definitions).inspect_err(|error| {
            // it was checked before it was stored, perhaps by an earlier version; its segment stays as it is. The text may hold
            // personal data
            let (line, column) = (error.line, error.column);
            tracing::error!(rule_id = %stored.rule_id, line, column, "rule of a segment cannot be read");
        });
        let compiled = compiled.ok().map(Arc::new);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(stored.rule_id, compiled.clone());
        compiled
    }

    fn kept(&self, rule: Uuid) -> Option<Compiled> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&rule).cloned()
    }
}

fn add(books: &mut Books, stored: StoredRule, compiled: Compiled) {
    if let Some(rule) = compiled {
        books.of(&stored.tenant_id).rules.insert(stored.segment_id, rule);
    }
}
