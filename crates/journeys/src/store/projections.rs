//! What upstream has told: contacts, who is in which segment, attributions in force, test clocks.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use pg::{Database, Inserts, WriteTx};
use sqlx::PgExecutor;
use types::{AttributionId, CampaignId, ContactId, SegmentId, TenantId, Timestamp};

use crate::domain::attribution::InForce;
use crate::domain::event::Place;
use crate::domain::slice::TestClock;

/// A time in which an attribution is, or was, in force, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttributionTime {
    pub(crate) tenant: TenantId,
    pub(crate) campaign: CampaignId,
    pub(crate) contact: ContactId,
    pub(crate) time: InForce,
}

/// Remembers contacts.
pub(crate) fn save_contacts(inserts: &mut Inserts, contacts: &[(TenantId, ContactId)]) {
    if contacts.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO contacts (tenant_id, contact_id) SELECT * FROM unnest($1::text[], $2::uuid[])
         ON CONFLICT DO NOTHING",
        )
        .bind(contacts.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(contacts.iter().map(|(_, contact)| contact.as_uuid()).collect::<Vec<_>>());
}

/// Those of `contacts` that are known.
pub(crate) async fn known(
    tx: &mut WriteTx,
    contacts: &[(TenantId, ContactId)],
) -> Result<HashSet<(TenantId, ContactId)>, pg::Error> {
    let rows: Vec<(TenantId, ContactId)> = sqlx::query_as(
        "SELECT k.tenant_id, k.contact_id
           FROM unnest($1::text[], $2::uuid[]) AS c (tenant_id, contact_id)
          CROSS JOIN LATERAL (
              SELECT * FROM contacts WHERE tenant_id = c.tenant_id AND contact_id = c.contact_id OFFSET 0) k",
    )
    .bind(contacts.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
    .bind(contacts.iter().map(|(_, contact)| contact.as_uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Contacts and segments, and whether the one is in the other.
type Members = BTreeMap<(TenantId, ContactId, SegmentId), bool>;

/// The columns of those that joined, or of those that left.
fn member_arrays(members: &Members, joined: bool) -> (Vec<&str>, Vec<ContactId>, Vec<&str>) {
    let those = || members.iter().filter(move |(_, is)| **is == joined).map(|(who, _)| who);
    let tenants = those().map(|(tenant, _, _)| tenant.as_str()).collect();
    let contacts = those().map(|(_, contact, _)| *contact).collect();
    (tenants, contacts, those().map(|(_, _, segment)| segment.as_str()).collect())
}

/// Remembers who joined a segment.
pub(crate) fn save_members(inserts: &mut Inserts, members: &Members) {
    let (tenants, contacts, segments) = member_arrays(members, true);
    if tenants.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO contact_segments (tenant_id, contact_id, segment_id)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[])
         ON CONFLICT DO NOTHING",
        )
        .bind(tenants)
        .bind(contacts)
        .bind(segments);
}

/// Forgets who left a segment.
pub(crate) async fn remove_members(tx: &mut WriteTx, members: &Members) -> Result<(), pg::Error> {
    let (tenants, contacts, segments) = member_arrays(members, false);
    if tenants.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM contact_segments
          WHERE (tenant_id, contact_id, segment_id)
             IN (SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[]))",
    )
    .bind(tenants)
    .bind(contacts)
    .bind(segments)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets the segments of a contact that is erased (A13).
pub(crate) async fn forget_segments(
    tx: &mut WriteTx,
    tenant: &TenantId,
    contact: ContactId,
) -> Result<(), pg::Error> {
    sqlx::query("DELETE FROM contact_segments WHERE tenant_id = $1 AND contact_id = $2")
        .bind(tenant)
        .bind(contact)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Segments that these contacts are in; none is an entry, too.
pub(crate) async fn segments(
    tx: &mut WriteTx,
    contacts: HashSet<(TenantId, ContactId)>,
) -> Result<HashMap<(TenantId, ContactId), BTreeSet<SegmentId>>, pg::Error> {
    if contacts.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(TenantId, ContactId, SegmentId)> = sqlx::query_as(
        "SELECT s.tenant_id, s.contact_id, s.segment_id
           FROM unnest($1::text[], $2::uuid[]) AS c (tenant_id, contact_id)
          CROSS JOIN LATERAL (
              SELECT * FROM contact_segments
               WHERE tenant_id = c.tenant_id AND contact_id = c.contact_id OFFSET 0) s",
    )
    .bind(contacts.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
    .bind(contacts.iter().map(|(_, contact)| *contact).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    let mut segments: HashMap<_, BTreeSet<_>> =
        contacts.into_iter().map(|who| (who, BTreeSet::new())).collect();
    for (tenant, contact, segment) in rows {
        segments.entry((tenant, contact)).or_default().insert(segment);
    }
    Ok(segments)
}

/// Remembers attributions; of several tellings of one time, the last counts.
pub(crate) fn save_attributions(inserts: &mut Inserts, told: &[AttributionTime]) {
    let mut last: HashMap<(AttributionId, Timestamp), &AttributionTime> = HashMap::new();
    for row in told {
        last.insert((row.time.attribution, row.time.from), row);
    }
    if last.is_empty() {
        return;
    }
    let rows: Vec<&AttributionTime> = last.into_values().collect();
    inserts.add(
        "INSERT INTO attributions (tenant_id, campaign_id, contact_id, attribution_id, effective_from,
                                   deactivated_at, advocate_id)
         SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[],
                              $7::uuid[])
         ON CONFLICT (tenant_id, campaign_id, contact_id, attribution_id, effective_from) DO UPDATE
            SET deactivated_at = excluded.deactivated_at",
    )
    .bind(rows.iter().map(|r| r.tenant.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.campaign.as_str()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.contact.as_uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.time.attribution.as_uuid()).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.time.from).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.time.until).collect::<Vec<_>>())
    .bind(rows.iter().map(|r| r.time.advocate.as_uuid()).collect::<Vec<_>>());
}

#[derive(sqlx::FromRow)]
struct TimeRow {
    tenant_id: TenantId,
    campaign_id: CampaignId,
    contact_id: ContactId,
    attribution_id: AttributionId,
    advocate_id: ContactId,
    effective_from: Timestamp,
    deactivated_at: Option<Timestamp>,
}

/// All that is known of the attributions of these contacts in these campaigns.
pub(crate) async fn attributions(
    tx: &mut WriteTx,
    places: &[&Place],
) -> Result<HashMap<Place, Vec<InForce>>, pg::Error> {
    let rows: Vec<TimeRow> = sqlx::query_as(
        "SELECT a.tenant_id, a.campaign_id, a.contact_id, a.attribution_id, a.advocate_id, a.effective_from,
                a.deactivated_at
           FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::uuid[]))
             AS p (tenant_id, campaign_id, contact_id)
          CROSS JOIN LATERAL (
              SELECT * FROM attributions
               WHERE tenant_id = p.tenant_id AND campaign_id = p.campaign_id AND contact_id = p.contact_id
               OFFSET 0) a",
    )
    .bind(places.iter().map(|p| p.tenant.as_str()).collect::<Vec<_>>())
    .bind(places.iter().map(|p| super::campaign_text(p.campaign.as_ref())).collect::<Vec<_>>())
    .bind(places.iter().map(|p| p.contact.as_uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    let mut times: HashMap<Place, Vec<InForce>> = HashMap::new();
    for row in rows {
        let place = Place { tenant: row.tenant_id, contact: row.contact_id, campaign: Some(row.campaign_id) };
        let (from, until) = (row.effective_from, row.deactivated_at);
        let time = InForce { attribution: row.attribution_id, advocate: row.advocate_id, from, until };
        times.entry(place).or_default().push(time);
    }
    Ok(times)
}

#[derive(sqlx::FromRow)]
struct ClockRow {
    tenant_id: TenantId,
    attribution_at: Option<Timestamp>,
    orders_at: Option<Timestamp>,
    shown_at: Option<Timestamp>,
}

/// Test clocks of these tenants.
pub(crate) async fn clocks(
    db: impl PgExecutor<'_>,
    tenants: &[&TenantId],
) -> Result<HashMap<TenantId, TestClock>, pg::Error> {
    if tenants.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<ClockRow> = sqlx::query_as(
        "SELECT tenant_id, attribution_at, orders_at, shown_at FROM test_clocks WHERE tenant_id = ANY ($1)",
    )
    .bind(tenants.iter().map(|t| t.as_str()).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    let clock = |row: &ClockRow| TestClock {
        attribution: row.attribution_at,
        orders: row.orders_at,
        shown: row.shown_at,
    };
    Ok(rows.into_iter().map(|row| (row.tenant_id.clone(), clock(&row))).collect())
}

/// What a tenant's test clock shows, for who only reads.
pub(crate) async fn shown(db: &Database, tenant: &TenantId) -> Result<Option<Timestamp>, pg::Error> {
    let shown: Option<Option<Timestamp>> =
        sqlx::query_scalar("SELECT shown_at FROM test_clocks WHERE tenant_id = $1")
            .bind(tenant)
            .fetch_optional(db.read())
            .await?;
    Ok(shown.flatten())
}

/// Moves test clocks.
pub(crate) fn save_clocks(inserts: &mut Inserts, clocks: &[(TenantId, TestClock)]) {
    if clocks.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO test_clocks (tenant_id, attribution_at, orders_at, shown_at)
         SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
         ON CONFLICT (tenant_id) DO UPDATE
            SET attribution_at = excluded.attribution_at, orders_at = excluded.orders_at,
                shown_at = excluded.shown_at",
        )
        .bind(clocks.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(clocks.iter().map(|(_, clock)| clock.attribution).collect::<Vec<_>>())
        .bind(clocks.iter().map(|(_, clock)| clock.orders).collect::<Vec<_>>())
        .bind(clocks.iter().map(|(_, clock)| clock.shown).collect::<Vec<_>>());
}
