//! Attributions.

use pg::{Inserts, WriteTx};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, QueryBuilder};
use time::format_description::well_known::Rfc3339;
use types::{AttributionId, CampaignId, ContactId, TenantId, Timestamp};

use crate::domain::{Attribution, Books, EvidenceKind, InactiveReason, Period, Tracked};

/// Columns of [`Row`].
pub(super) const SELECT: &str =
    "SELECT a.tenant_id, a.attribution_id, a.campaign_id, a.contact_id, a.advocate_id,
                             a.inactive_reason, a.evidence, a.source, a.effective_from, a.deactivated_at, a.attempts,
                             ARRAY (SELECT lower(p) FROM unnest(a.past) p ORDER BY p) AS past_from,
                             ARRAY (SELECT upper(p) FROM unnest(a.past) p ORDER BY p) AS past_until";

#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    tenant_id: TenantId,
    attribution_id: AttributionId,
    campaign_id: CampaignId,
    contact_id: ContactId,
    advocate_id: ContactId,
    inactive_reason: i16,
    evidence: i16,
    source: String,
    effective_from: Timestamp,
    deactivated_at: Option<Timestamp>,
    attempts: i32,
    past_from: Vec<Timestamp>,
    past_until: Vec<Timestamp>,
}

impl Row {
    pub(super) fn read(self) -> Result<Attribution, pg::Error> {
        let inactive = match self.inactive_reason {
            0 => None,
            n => Some(super::number(InactiveReason::from_number(n), "attributions.inactive_reason", n)?),
        };
        let evidence = EvidenceKind::from_number(self.evidence);
        let past = self.past_from.into_iter().zip(self.past_until);
        Ok(Attribution {
            id: self.attribution_id,
            campaign: self.campaign_id,
            advocate: self.advocate_id,
            contact: self.contact_id,
            inactive,
            evidence: super::number(evidence, "attributions.evidence", self.evidence)?,
            source: self.source,
            effective_from: self.effective_from,
            deactivated_at: self.deactivated_at,
            attempts: self.attempts,
            past: past.map(|(from, until)| Period { from, until }).collect(),
        })
    }
}

/// Loads the attributions of all contacts in the books, in whatever campaign: whoever a command turns out to mean, what
/// there is of them is there.
pub(crate) async fn load(conn: &mut PgConnection, books: &mut Books) -> Result<(), pg::Error> {
    let (tenants, contacts) = super::people_of(books);
    if contacts.is_empty() {
        return Ok(());
    }
    let select = format!(
        "{SELECT}
           FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, contact_id)
          CROSS JOIN LATERAL (
              SELECT * FROM attributions
               WHERE contact_id = k.contact_id AND tenant_id IS NOT DISTINCT FROM k.tenant_id OFFSET 0) a"
    );
    let rows: Vec<Row> =
        sqlx::query_as(AssertSqlSafe(select)).bind(tenants).bind(contacts).fetch_all(conn).await?;
    for row in rows {
        let tenant = row.tenant_id.clone();
        books.of(&tenant).attributions.add(row.read()?);
    }
    Ok(())
}

/// Between whom an attribution is.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Parties {
    /// Whose.
    #[sqlx(rename = "tenant_id")]
    pub(crate) tenant: TenantId,
    /// The campaign.
    #[sqlx(rename = "campaign_id")]
    pub(crate) campaign: CampaignId,
    /// The referred contact.
    #[sqlx(rename = "contact_id")]
    pub(crate) contact: ContactId,
    /// The advocate.
    #[sqlx(rename = "advocate_id")]
    pub(crate) advocate: ContactId,
}

/// Between whom these attributions are; those that do not exist are left out.
pub(crate) async fn parties(
    conn: &mut PgConnection,
    named: &[(&TenantId, AttributionId)],
) -> Result<Vec<Parties>, pg::Error> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let (tenants, ids): (Vec<_>, Vec<_>) = named.iter().map(|(tenant, id)| (tenant.as_str(), *id)).unzip();
    let parties = sqlx::query_as(
        "SELECT a.* FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, attribution_id)
          CROSS JOIN LATERAL (
              SELECT tenant_id, campaign_id, contact_id, advocate_id FROM attributions
               WHERE tenant_id = k.tenant_id AND attribution_id = k.attribution_id OFFSET 0) a",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(conn)
    .await?;
    Ok(parties)
}

/// One attribution.
pub(crate) async fn get(
    conn: &mut PgConnection,
    tenant: &TenantId,
    id: AttributionId,
) -> Result<Option<Attribution>, pg::Error> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" FROM attributions a WHERE tenant_id = ").push_bind(tenant);
    query.push(" AND attribution_id = ").push_bind(id);
    let row: Option<Row> = query.build_query_as().fetch_optional(conn).await?;
    row.map(Row::read).transpose()
}

/// Writes new and changed attributions. Changes first, and of these those that are inactive now: one that is no longer
/// active makes room for another (A2). Whether there were any changes.
pub(super) async fn save(tx: &mut WriteTx, inserts: &mut Inserts, books: &Books) -> Result<bool, pg::Error> {
    let mut created = Columns::default();
    let (mut ended, mut changed) = (Columns::default(), Columns::default());
    for (tenant, book) in books.iter() {
        for attribution in book.attributions.iter() {
            if attribution.is_changed() && attribution.get().is_active() {
                changed.push(tenant, attribution);
            } else if attribution.is_changed() {
                ended.push(tenant, attribution);
            } else if attribution.is_created() {
                created.push(tenant, attribution);
            }
        }
    }
    update(tx, &ended).await?;
    update(tx, &changed).await?;
    insert(inserts, &created);
    Ok(!ended.ids.is_empty() || !changed.ids.is_empty())
}

#[derive(Debug, Default)]
struct Columns<'a> {
    tenants: Vec<&'a str>,
    ids: Vec<AttributionId>,
    campaigns: Vec<&'a str>,
    contacts: Vec<ContactId>,
    advocates: Vec<ContactId>,
    reasons: Vec<i16>,
    evidence: Vec<i16>,
    sources: Vec<&'a str>,
    effective_from: Vec<Timestamp>,
    deactivated_at: Vec<Option<Timestamp>>,
    attempts: Vec<i32>,
    past: Vec<String>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, tenant: &'a TenantId, attribution: &'a Tracked<Attribution>) {
        let attribution = attribution.get();
        self.tenants.push(tenant.as_str());
        self.ids.push(attribution.id);
        self.campaigns.push(attribution.campaign.as_str());
        self.contacts.push(attribution.contact);
        self.advocates.push(attribution.advocate);
        self.reasons.push(attribution.inactive.map_or(0, InactiveReason::number));
        self.evidence.push(attribution.evidence.number());
        self.sources.push(&attribution.source);
        self.effective_from.push(attribution.effective_from);
        self.deactivated_at.push(attribution.deactivated_at);
        self.attempts.push(attribution.attempts);
        self.past.push(multirange(&attribution.past));
    }
}

/// As Postgres reads it: [from, until) and so on.
fn multirange(past: &[Period]) -> String {
    let text = |at: Timestamp| at.format(&Rfc3339).unwrap_or_default();
    let ranges: Vec<String> = past.iter().map(|p| format!("[{},{})", text(p.from), text(p.until))).collect();
    format!("{{{}}}", ranges.join(","))
}

fn insert(inserts: &mut Inserts, new: &Columns<'_>) {
    if new.ids.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO attributions (tenant_id, attribution_id, campaign_id, contact_id, advocate_id,
                                   inactive_reason, evidence, effective_from, deactivated_at, attempts, past,
                                   source)
         SELECT tenant_id, attribution_id, campaign_id, contact_id, advocate_id, inactive_reason, evidence, effective_from,
                deactivated_at, attempts, past::tstzmultirange, source
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::smallint[],
                              $7::smallint[], $8::timestamptz[], $9::timestamptz[], $10::int[], $11::text[], $12::text[])
                AS n (tenant_id, attribution_id, campaign_id, contact_id, advocate_id, inactive_reason, evidence,
                      effective_from, deactivated_at, attempts, past, source)",
        )
        .bind(&new.tenants)
        .bind(&new.ids)
        .bind(&new.campaigns)
        .bind(&new.contacts)
        .bind(&new.advocates)
        .bind(&new.reasons)
        .bind(&new.evidence)
        .bind(&new.effective_from)
        .bind(&new.deactivated_at)
        .bind(&new.attempts)
        .bind(&new.past)
        .bind(&new.sources);
}

async fn update(tx: &mut WriteTx, changed: &Columns<'_>) -> Result<(), pg::Error> {
    if changed.ids.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(
        "UPDATE attributions a
            SET inactive_reason = n.inactive_reason, evidence = n.evidence, effective_from = n.effective_from,
                deactivated_at = n.deactivated_at, attempts = n.attempts, past = n.past::tstzmultirange,
                source = n.source
           FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::smallint[], $5::timestamptz[],
                       $6::timestamptz[], $7::int[], $8::text[], $9::text[])
                AS n (tenant_id, attribution_id, inactive_reason, evidence, effective_from, deactivated_at, attempts, past,
                      source)
          WHERE a.tenant_id = n.tenant_id AND a.attribution_id = n.attribution_id",
    )
    .bind(&changed.tenants)
    .bind(&changed.ids)
    .bind(&changed.reasons)
    .bind(&changed.evidence)
    .bind(&changed.effective_from)
    .bind(&changed.deactivated_at)
    .bind(&changed.attempts)
    .bind(&changed.past)
    .bind(&changed.sources)
    .execute(&mut **tx)
    .await?;
    super::all_changed("attributions", done.rows_affected(), changed.ids.len())
}
