//! Who did what: audit rows, written by the transaction that does it, and read for `ListAuditEntries`.
//!
//! What a follower does to events from upstream leaves no row here: the events it appends name their cause, and the call
//! at the beginning of it all has its row in the service that was called.

use std::collections::HashSet;
use std::fmt::Display;

use sqlx::migrate::Migrator;
use types::{Origin, TenantId, Timestamp, new_id};
use uuid::Uuid;

use crate::{Database, Error, Inserts};

/// The table behind this module, for every service's schema.
pub static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/audit");

/// Ids that one row carries, at most.
const IDS: usize = 1000;

/// What callers changed in one transaction, noted command by command; one row per tenant, principal and method comes of
/// it. Only changes are noted: what was refused, or had been done before, is not.
#[derive(Debug, Default)]
pub struct Audit(Vec<Noted>);

#[derive(Debug)]
struct Noted {
    tenant: TenantId,
    origin: Origin,
    resources: Vec<String>,
}

impl Audit {
    /// Notes that the command of `origin` made or changed `resource`, which is an id, and no personal data.
    pub fn note(&mut self, tenant: &TenantId, origin: &Origin, resource: impl Display) {
        let resource = resource.to_string();
        let same = |noted: &&mut Noted| {
            noted.tenant == *tenant
                && noted.origin.principal == origin.principal
                && noted.origin.method == origin.method
        };
        // mostly the caller is that of the command before
        if let Some(noted) = self.0.iter_mut().rev().find(same) {
            noted.resources.push(resource);
        } else {
            let (tenant, origin) = (tenant.clone(), origin.clone());
            self.0.push(Noted { tenant, origin, resources: vec![resource] });
        }
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the rows to what the transaction inserts. `now` is the real clock.
    pub fn save(&self, inserts: &mut Inserts, now: Timestamp) {
        if self.is_empty() {
            return;
        }
        let rows: Vec<(&Noted, String)> = self.0.iter().flat_map(Noted::rows).collect();
        inserts
            .add(
                "INSERT INTO audit (tenant_id, audit_id, principal, method, resources, traceparent, recorded_at)
             SELECT tenant_id, audit_id, principal, method, string_to_array(resources, $7), traceparent, $8
               FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
                    AS n (tenant_id, audit_id, principal, method, resources, traceparent)",
            )
            .bind(rows.iter().map(|(noted, _)| noted.tenant.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|_| new_id::<Uuid>(now)).collect::<Vec<_>>())
            .bind(rows.iter().map(|(noted, _)| &*noted.origin.principal).collect::<Vec<_>>())
            .bind(rows.iter().map(|(noted, _)| &*noted.origin.method).collect::<Vec<_>>())
            .bind(rows.iter().map(|(_, resources)| resources.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|(noted, _)| noted.origin.traceparent.as_deref()).collect::<Vec<_>>())
            .bind(SEPARATOR)
            .bind(now);
    }
}

/// Separates resources on their way into an array of arrays, which SQL has not; no id holds it.
const SEPARATOR: &str = "\u{1f}";

impl Noted {
    /// The resources, each once, in rows of bounded size.
    fn rows(&self) -> impl Iterator<Item = (&Self, String)> {
        let mut seen = HashSet::with_capacity(self.resources.len());
        let once: Vec<&str> =
            self.resources.iter().map(String::as_str).filter(|id| seen.insert(*id)).collect();
        let rows: Vec<String> = once.chunks(IDS).map(|ids| ids.join(SEPARATOR)).collect();
        rows.into_iter().map(move |resources| (self, resources))
    }
}

/// What entries are listed by.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this principal.
    pub principal: Option<String>,
    /// Only of this method, without its service or in full.
    pub method: Option<String>,
    /// Only recorded at this moment or later.
    pub since: Option<Timestamp>,
    /// Only recorded before this moment.
    pub until: Option<Timestamp>,
}

/// One stored row.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Entry {
    /// Made by us.
    pub audit_id: Uuid,
    /// Who.
    pub principal: String,
    /// By what.
    pub method: String,
    /// Ids of what was made or changed.
    pub resources: Vec<String>,
    /// Trace context of the first of the calls.
    pub traceparent: Option<String>,
    /// When.
    pub recorded_at: Timestamp,
}

/// A page of a tenant's entries, newest first.
pub async fn list(
    db: &Database,
    tenant: &TenantId,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Entry>, Error> {
    let entries = sqlx::query_as(
        "SELECT audit_id, principal, method, resources, traceparent, recorded_at
           FROM audit
          WHERE tenant_id = $1 AND audit_id < $2 AND audit_id >= $3
            AND ($4::text IS NULL OR principal = $4)
            AND ($5::text IS NULL OR method = $5 OR right(method, length($5) + 1) = '/' || $5)
            AND ($6::timestamptz IS NULL OR recorded_at >= $6)
            AND ($7::timestamptz IS NULL OR recorded_at < $7)
          ORDER BY audit_id DESC LIMIT $8",
    )
    .bind(tenant)
    .bind(before.unwrap_or(Uuid::max()))
    .bind(filter.since.map_or(Uuid::nil(), first_id))
    .bind(&filter.principal)
    .bind(&filter.method)
    .bind(filter.since)
    .bind(filter.until)
    .bind(limit)
    .fetch_all(db.read())
    .await?;
    Ok(entries)
}

/// No id made at `since` or later is below it: it ends a walk from the newest to the oldest. There is no such bound
/// above, for ids never go back, also where the clock does.
fn first_id(since: Timestamp) -> Uuid {
    let millis = u128::try_from(since.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = time::macros::datetime!(2026-03-09 12:00:00.123 UTC);

    #[test]
    fn calls_of_one_caller_and_method_share_a_row_that_names_each_resource_once() {
        let (tenant, mut audit) = ("acme".parse().unwrap(), Audit::default());
        let anna = Origin::service("anna", "X/Make").traced("first");
        for (origin, id) in [
            (anna.clone(), "1"),
            (Origin::service("bert", "X/Make"), "2"),
            (Origin::service("anna", "X/Make").traced("second"), "3"),
            (anna, "1"),
        ] {
            audit.note(&tenant, &origin, id);
        }
        let rows: Vec<_> = audit.0.iter().flat_map(Noted::rows).collect();
        let told: Vec<_> = rows.iter().map(|(n, ids)| (&*n.origin.principal, ids.as_str())).collect();
        assert_eq!(told, [("service:anna", "1\u{1f}3"), ("service:bert", "2")]);
        assert_eq!(audit.0[0].origin.traceparent.as_deref(), Some("first"));
    }

    #[test]
    fn more_than_a_thousand_resources_take_several_rows() {
        let (tenant, mut audit) = ("acme".parse().unwrap(), Audit::default());
        (0..2001).for_each(|n| audit.note(&tenant, &Origin::service("anna", "X/Make"), n));
        assert_eq!(audit.0[0].rows().count(), 3);
    }

    #[test]
    fn ids_made_later_are_above_the_bound_and_those_of_before_below_it() {
        assert!(new_id::<Uuid>(NOW) >= first_id(NOW));
        assert!(new_id::<Uuid>(NOW) < first_id(NOW + time::Duration::SECOND));
    }
}
