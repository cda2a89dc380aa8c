//! `ListAuditEntries`, which is the same in every service.

use pg::Database;
use pg::audit::{self, Entry, Filter};
use proto::common::AuditEntry;
use types::TenantId;
use uuid::Uuid;

use crate::page::Page;
use crate::{Error, fields};

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// `page_size`.
    pub page_size: i32,
    /// `page_token`.
    pub page_token: &'a str,
    /// `principal`.
    pub principal: &'a str,
    /// `method`.
    pub method: &'a str,
    /// `since`.
    pub since: Option<&'a prost_types::Timestamp>,
    /// `until`.
    pub until: Option<&'a prost_types::Timestamp>,
}

/// A page of a tenant's audit entries, newest first, and the token of the next.
pub async fn list(
    db: &Database,
    tenant: &TenantId,
    query: Query<'_>,
) -> Result<(Vec<AuditEntry>, String), Error> {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let filter = Filter {
        principal: given(query.principal),
        method: given(query.method),
        since: fields::timestamp("since", query.since)?,
        until: fields::timestamp("until", query.until)?,
    };
    if filter.since.zip(filter.until).is_some_and(|(since, until)| since >= until) {
        return Err(Error::field("until", "must be after since"));
    }
    let times = [filter.since, filter.until].map(|at| at.map_or_else(String::new, |at| at.to_string()));
    let bound = [query.principal, query.method, &times[0], &times[1]];
    // every service has such a list
    let list = format!("{}.ListAuditEntries", db.schema().name);
    let page = Page::read(tenant, &list, &bound, query.page_size, query.page_token)?;
    let entries = audit::list(db, tenant, &filter, page.after_as::<Uuid>()?, page.limit()).await?;
    Ok(page.cut(entries, |entry| entry.audit_id.to_string(), wire))
}

fn wire(entry: Entry) -> AuditEntry {
    AuditEntry {
        audit_entry_id: entry.audit_id.to_string(),
        principal: entry.principal,
        method: entry.method,
        resources: entry.resources,
        recorded_at: Some(fields::wire_time(entry.recorded_at)),
        traceparent: entry.traceparent.unwrap_or_default(),
    }
}
