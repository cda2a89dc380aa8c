//! Custom properties (A15, O9): the table of what tenants define, which services have under names of their own, and the form
//! in which a row holds values, as JSON.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::postgres::PgExecutor;
use types::property::{Definition, Definitions, Properties, PropertyName, PropertyType, PropertyValue};
use types::{TenantId, Timestamp};

use crate::{Error, WriteTx};

/// The statements of one table of definitions; see [`property_table`](crate::property_table).
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Reads what tenants define.
    pub load: &'static str,
    /// Writes a definition.
    pub put: &'static str,
    /// Removes one.
    pub delete: &'static str,
    /// Keeps that there are values of some.
    pub mark_used: &'static str,
}

/// The [`Table`](crate::properties::Table) of this name, with the columns `tenant_id`, `name`, `kind`, `required`, `personal`,
/// `description`, `used`, `created_at`.
#[macro_export]
macro_rules! property_table {
    ($name:literal) => {
        $crate::properties::Table {
            name: $name,
            load: concat!(
                "SELECT tenant_id, name, kind, required, personal, description, used, created_at FROM ",
                $name,
                " WHERE tenant_id = ANY ($1)"
            ),
            put: concat!(
                "INSERT INTO ",
                $name,
                " (tenant_id, name, kind, required, personal, description, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (tenant_id, name) DO UPDATE
                    SET required = excluded.required, personal = excluded.personal,
                        description = excluded.description"
            ),
            delete: concat!("DELETE FROM ", $name, " WHERE tenant_id = $1 AND name = $2"),
            mark_used: concat!(
                "UPDATE ",
                $name,
                " p SET used = true
                   FROM unnest($1::text[], $2::text[]) AS u (tenant_id, name)
                  WHERE p.tenant_id = u.tenant_id AND p.name = u.name"
            ),
        }
    };
}

#[derive(FromRow)]
struct Row {
    tenant_id: TenantId,
    name: String,
    kind: String,
    required: bool,
    personal: bool,
    description: String,
    used: bool,
    created_at: Timestamp,
}

impl Row {
    fn read(self, table: &str) -> Result<(TenantId, Definition), Error> {
        let at = |column| format!("{table}.{column} of {}", self.name);
        let kind =
            PropertyType::from_name(&self.kind).ok_or_else(|| Error::unreadable(&at("kind"), &self.kind))?;
        let name = self.name.parse().map_err(|error| Error::unreadable(&at("name"), error))?;
        let Self { tenant_id, required, personal, description, used, created_at, .. } = self;
        Ok((tenant_id, Definition { name, kind, required, personal, description, used, created_at }))
    }
}

impl Table {
    /// What these tenants define; a tenant that defines nothing is not there.
    pub async fn load(
        &self,
        executor: impl PgExecutor<'_>,
        tenants: &[&TenantId],
    ) -> Result<HashMap<TenantId, Definitions>, Error> {
        let rows: Vec<Row> = sqlx::query_as(self.load).bind(tenants).fetch_all(executor).await?;
        let mut all: HashMap<TenantId, Definitions> = HashMap::new();
        for row in rows {
            let (tenant, definition) = row.read(self.name)?;
            all.entry(tenant).or_default().insert(definition.name.clone(), definition);
        }
        Ok(all)
    }

    /// What one tenant defines: at most [`MAX_DEFINITIONS`](types::property::MAX_DEFINITIONS).
    pub async fn of(&self, executor: impl PgExecutor<'_>, tenant: &TenantId) -> Result<Definitions, Error> {
        Ok(self.load(executor, &[tenant]).await?.remove(tenant).unwrap_or_default())
    }

    /// Writes a definition, new or changed.
    pub async fn put(
        &self,
        tx: &mut WriteTx,
        tenant: &TenantId,
        definition: &Definition,
    ) -> Result<(), Error> {
        sqlx::query(self.put)
            .bind(tenant)
            .bind(definition.name.as_str())
            .bind(definition.kind.name())
            .bind(definition.required)
            .bind(definition.personal)
            .bind(&definition.description)
            .bind(definition.created_at)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    /// Removes a definition.
    pub async fn delete(
        &self,
        tx: &mut WriteTx,
        tenant: &TenantId,
        name: &PropertyName,
    ) -> Result<(), Error> {
        sqlx::query(self.delete).bind(tenant).bind(name.as_str()).execute(&mut **tx).await?;
        Ok(())
    }

    /// Keeps that there are values of these.
    pub async fn mark_used(
        &self,
        tx: &mut WriteTx,
        used: &BTreeSet<(&TenantId, &PropertyName)>,
    ) -> Result<(), Error> {
        if used.is_empty() {
            return Ok(());
        }
        let (tenants, names): (Vec<&TenantId>, Vec<&str>) =
            used.iter().map(|(t, name)| (*t, name.as_str())).unzip();
        sqlx::query(self.mark_used).bind(tenants).bind(names).execute(&mut **tx).await?;
        Ok(())
    }
}

/// A value as it is stored: a decimal apart from texts, and as text, since JSON readers take numbers for floats.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredValue {
    Boolean(bool),
    Integer(i64),
    Text(String),
    Decimal { decimal: String },
}

/// Properties as the text of what is stored.
pub fn write(properties: &Properties) -> String {
    if properties.is_empty() {
        return "{}".to_owned();
    }
    let stored = properties.iter().map(|(name, value)| {
        let value = match value {
            PropertyValue::Text(text) => StoredValue::Text(text.clone()),
            PropertyValue::Integer(number) => StoredValue::Integer(*number),
            PropertyValue::Decimal(decimal) => StoredValue::Decimal { decimal: decimal.as_str().to_owned() },
            PropertyValue::Boolean(flag) => StoredValue::Boolean(*flag),
        };
        (name.as_str(), value)
    });
    // names, texts and numbers can always be written
    serde_json::to_string(&stored.collect::<HashMap<_, _>>()).unwrap_or_default()
}

/// The inverse of [`write`]; none if it is not what that wrote.
pub fn read(text: &str) -> Option<Properties> {
    if text == "{}" {
        return Some(Properties::new());
    }
    let stored: HashMap<String, StoredValue> = serde_json::from_str(text).ok()?;
    let properties = stored.into_iter().map(|(name, value)| {
        let value = match value {
            StoredValue::Text(text) => PropertyValue::Text(text),
            StoredValue::Integer(number) => PropertyValue::Integer(number),
            StoredValue::Decimal { decimal } => PropertyValue::Decimal(decimal.parse().ok()?),
            StoredValue::Boolean(flag) => PropertyValue::Boolean(flag),
        };
        Some((name.parse().ok()?, value))
    });
    properties.collect()
}

/// Where a filter finds the values of a property: for absent ones NULL.
pub fn sql(name: &PropertyName, kind: PropertyType) -> String {
    match kind {
        PropertyType::String => format!("(properties->>'{name}')"),
        PropertyType::Integer => format!("(properties->>'{name}')::int8"),
        PropertyType::Decimal => format!("(properties->'{name}'->>'decimal')::numeric"),
        PropertyType::Boolean => format!("(properties->>'{name}')::boolean"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o9_what_was_written_is_read() {
        let properties: Properties = [
            ("a", PropertyValue::Text("1.50 \"x\" {}".to_owned())),
            ("b", PropertyValue::Integer(i64::MIN)),
            ("c", PropertyValue::Decimal("-12345678901234567890.123456789".parse().unwrap())),
            ("d", PropertyValue::Boolean(false)),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), value))
        .collect();
        assert_eq!(read(&write(&properties)), Some(properties));
        assert_eq!(read(&write(&Properties::new())), Some(Properties::new()));
        assert_eq!(read("{\"a\":[]}"), None);
    }
}
