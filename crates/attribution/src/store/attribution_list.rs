//! Lists and exports of attributions (A16).

use std::collections::HashMap;

use pg::Database;
use proto::attribution as wire;
use rpc::filter::{Field, Filter, Kind};
use sqlx::{PgConnection, Postgres, QueryBuilder};
use types::{CampaignId, ContactId, TenantId};
use uuid::Uuid;

use super::attributions::{Row, SELECT};
use crate::domain::Attribution;

/// State of an attribution that is a row named `a`, by its number in the contract; as the index of inactive ones has it.
const STATE: &str = "(CASE a.inactive_reason WHEN 0 THEN 1 ELSE 2 END)";

/// What attributions can be filtered by (A16); the contract's comment names them.
pub(crate) const FIELDS: &[Field] = &[
    Field { name: "attribution_id", kind: Kind::Id, sql: "a.attribution_id" },
    Field { name: "campaign_id", kind: Kind::Text, sql: "a.campaign_id" },
    Field { name: "advocate_id", kind: Kind::Id, sql: "a.advocate_id" },
    Field { name: "contact_id", kind: Kind::Id, sql: "a.contact_id" },
    Field { name: "state", kind: Kind::Enum(rpc::enum_names!(wire::AttributionState)), sql: STATE },
    Field {
        name: "inactive_reason",
        kind: Kind::Enum(rpc::enum_names!(wire::InactiveReason)),
        sql: "nullif(a.inactive_reason, 0)",
    },
    Field { name: "evidence", kind: Kind::Enum(rpc::enum_names!(wire::EvidenceKind)), sql: "a.evidence" },
    Field { name: "source", kind: Kind::Text, sql: "a.source" },
    Field { name: "effective_from", kind: Kind::Timestamp, sql: "a.effective_from" },
    Field { name: "deactivated_at", kind: Kind::Timestamp, sql: "a.deactivated_at" },
    Field { name: "attempts", kind: Kind::Integer, sql: "a.attempts" },
];

/// Which attributions are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttributionSelection {
    /// Only those of this campaign.
    pub(crate) campaign: Option<CampaignId>,
    /// Only those of this referred contact.
    pub(crate) contact: Option<ContactId>,
    /// Only those of this advocate.
    pub(crate) advocate: Option<ContactId>,
    /// Only active ones, or only inactive ones.
    pub(crate) active: Option<bool>,
    /// Only those that match.
    pub(crate) matching: Filter,
}

impl AttributionSelection {
    /// Whether it is all of them. Only then is the statement worth keeping: which index serves another is seen best when its
    /// values are.
    fn is_blank(&self) -> bool {
        let Self { campaign, contact, advocate, active, matching } = self;
        campaign.is_none()
            && contact.is_none()
            && advocate.is_none()
            && active.is_none()
            && matching.is_blank()
    }
}

/// Up to `limit` attributions of a tenant before the one named, newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    tenant: &TenantId,
    selection: &AttributionSelection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Attribution>, pg::Error> {
    let mut query = statement(SELECT, tenant, selection, after, limit);
    let rows: Vec<Row> = query.build_query_as().persistent(selection.is_blank()).fetch_all(conn).await?;
    rows.into_iter().map(Row::read).collect()
}

/// The statement of a page.
fn statement(
    select: &str,
    tenant: &TenantId,
    selection: &AttributionSelection,
    after: Option<Uuid>,
    limit: i64,
) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::<Postgres>::new(select);
    query.push(" FROM attributions a WHERE a.tenant_id = ").push_bind(tenant.clone());
    if let Some(after) = after {
        query.push(" AND a.attribution_id < ").push_bind(after);
    }
    if let Some(campaign) = &selection.campaign {
        query.push(" AND a.campaign_id = ").push_bind(campaign.clone());
    }
    if let Some(contact) = selection.contact {
        query.push(" AND a.contact_id = ").push_bind(contact);
    }
    if let Some(advocate) = selection.advocate {
        query.push(" AND a.advocate_id = ").push_bind(advocate);
    }
    if let Some(active) = selection.active {
        query.push(" AND ").push(STATE).push(if active { " = 1" } else { " = 2" });
    }
    selection.matching.narrow(&mut query);
    query.push(" ORDER BY a.attribution_id DESC LIMIT ").push_bind(limit);
    query
}

/// What the caller knows a contact by.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct KnownBy {
    /// Its e-mail address; empty if it has none.
    pub(crate) email: String,
    /// Its uid; empty if it has none.
    pub(crate) uid: String,
}

#[derive(Debug, sqlx::FromRow)]
struct KnownByRow {
    contact_id: ContactId,
    #[sqlx(flatten)]
    known_by: KnownBy,
}

/// An attribution as it is exported.
#[derive(Debug, Clone)]
pub(crate) struct ExportedAttribution {
    /// It.
    pub(crate) attribution: Attribution,
    /// What its referred contact is known by.
    pub(crate) contact: KnownBy,
    /// What its advocate is known by.
    pub(crate) advocate: KnownBy,
}

/// The same as [`list`], with what the contacts are known by, all of one moment.
pub(crate) async fn export(
    db: &Database,
    tenant: &TenantId,
    selection: &AttributionSelection,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<ExportedAttribution>, pg::Error> {
    let mut tx = db.read().begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let listed = list(&mut tx, tenant, selection, after, limit).await?;
    let contacts: Vec<ContactId> = listed.iter().flat_map(|a| [a.contact, a.advocate]).collect();
    let known = known_by(&mut tx, tenant, contacts).await?;
    tx.commit().await?;
    let of = |contact| known.get(&contact).cloned().unwrap_or_default();
    let exported = |attribution: Attribution| ExportedAttribution {
        contact: of(attribution.contact),
        advocate: of(attribution.advocate),
        attribution,
    };
    Ok(listed.into_iter().map(exported).collect())
}

async fn known_by(
    conn: &mut PgConnection,
    tenant: &TenantId,
    mut contacts: Vec<ContactId>,
) -> Result<HashMap<ContactId, KnownBy>, pg::Error> {
    contacts.sort_unstable();
    contacts.dedup();
    let rows: Vec<KnownByRow> = sqlx::query_as(
        "SELECT k.contact_id, coalesce(c.email, '') AS email, coalesce(c.uid, '') AS uid
           FROM unnest($2::uuid[]) AS k (contact_id)
          CROSS JOIN LATERAL (
              SELECT email, uid FROM contacts WHERE tenant_id = $1 AND contact_id = k.contact_id OFFSET 0) c",
    )
    .bind(tenant)
    .bind(contacts)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.contact_id, row.known_by)).collect())
}

#[cfg(test)]
mod tests;
