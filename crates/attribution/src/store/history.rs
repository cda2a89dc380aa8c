//! What became of attributions and contacts (A10).

use pg::Inserts;
use sqlx::PgConnection;
use types::{AttributionId, CampaignId, ContactId, TenantId, Timestamp};

use crate::domain::history::{AttributionChange, Circumstances, StatusChange};
use crate::domain::{Attribution, Books, ContactStatus, Standing};

#[derive(Debug, sqlx::FromRow)]
struct AttributionRow {
    change_no: i64,
    attribution_id: AttributionId,
    campaign_id: CampaignId,
    contact_id: ContactId,
    advocate_id: ContactId,
    from_reason: Option<i16>,
    to_reason: i16,
    #[sqlx(flatten)]
    by: ByRow,
}

#[derive(Debug, sqlx::FromRow)]
struct ContactRow {
    change_no: i64,
    contact_id: ContactId,
    from_status: i16,
    to_status: i16,
    #[sqlx(flatten)]
    by: ByRow,
}

#[derive(Debug, sqlx::FromRow)]
struct ByRow {
    principal: String,
    method: String,
    reason: String,
    occurred_at: Timestamp,
    recorded_at: Timestamp,
}

impl ByRow {
    fn read(self) -> Circumstances {
        Circumstances {
            principal: self.principal.into(),
            method: self.method.into(),
            reason: self.reason,
            occurred_at: self.occurred_at,
            recorded_at: self.recorded_at,
        }
    }
}

impl AttributionRow {
    fn read(self) -> Result<(i64, AttributionChange), pg::Error> {
        let standing = |number| {
            super::number(
                Standing::from_number(number),
                "attribution_changes.to_reason or from_reason",
                number,
            )
        };
        let change = AttributionChange {
            attribution: self.attribution_id,
            campaign: self.campaign_id,
            contact: self.contact_id,
            advocate: self.advocate_id,
            from: self.from_reason.map(standing).transpose()?,
            to: standing(self.to_reason)?,
            by: self.by.read(),
        };
        Ok((self.change_no, change))
    }
}

impl ContactRow {
    fn read(self) -> Result<(i64, StatusChange), pg::Error> {
        let status = |number| {
            super::number(
                ContactStatus::from_number(number),
                "contact_changes.to_status or from_status",
                number,
            )
        };
        let (from, to) = (status(self.from_status)?, status(self.to_status)?);
        Ok((self.change_no, StatusChange { contact: self.contact_id, from, to, by: self.by.read() }))
    }
}

/// Up to `limit` changes of the attributions of one campaign and referred contact after the one of this number, oldest
/// first, each with its number.
pub(crate) async fn attribution_changes(
    conn: &mut PgConnection,
    tenant: &TenantId,
    of: &Attribution,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, AttributionChange)>, pg::Error> {
    let rows: Vec<AttributionRow> = sqlx::query_as(
        "SELECT change_no, attribution_id, campaign_id, contact_id, advocate_id, from_reason, to_reason, principal, method,
                reason, occurred_at, recorded_at
           FROM attribution_changes
          WHERE tenant_id = $1 AND contact_id = $2 AND campaign_id = $3 AND change_no > $4
          ORDER BY change_no LIMIT $5",
    )
    .bind(tenant)
    .bind(of.contact)
    .bind(&of.campaign)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(AttributionRow::read).collect()
}

/// Up to `limit` changes of a contact's status after the one of this number, oldest first, each with its number.
pub(crate) async fn contact_changes(
    conn: &mut PgConnection,
    tenant: &TenantId,
    contact: ContactId,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, StatusChange)>, pg::Error> {
    let rows: Vec<ContactRow> = sqlx::query_as(
        "SELECT change_no, contact_id, from_status, to_status, principal, method, reason, occurred_at, recorded_at
           FROM contact_changes
          WHERE tenant_id = $1 AND contact_id = $2 AND change_no > $3
          ORDER BY change_no LIMIT $4",
    )
    .bind(tenant)
    .bind(contact)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(ContactRow::read).collect()
}

/// Who, when and why, column by column.
#[derive(Debug, Default)]
struct By<'a> {
    principals: Vec<&'a str>,
    methods: Vec<&'a str>,
    reasons: Vec<&'a str>,
    occurred_at: Vec<Timestamp>,
    recorded_at: Vec<Timestamp>,
}

impl<'a> FromIterator<&'a Circumstances> for By<'a> {
    fn from_iter<I: IntoIterator<Item = &'a Circumstances>>(all: I) -> Self {
        let mut columns = Self::default();
        for by in all {
            columns.principals.push(&by.principal);
            columns.methods.push(&by.method);
            columns.reasons.push(&by.reason);
            columns.occurred_at.push(by.occurred_at);
            columns.recorded_at.push(by.recorded_at);
        }
        columns
    }
}

/// Adds what a slice did.
pub(super) fn save(inserts: &mut Inserts, books: &Books) {
    save_attributions(inserts, books);
    save_contacts(inserts, books);
}

fn save_attributions(inserts: &mut Inserts, books: &Books) {
    let all: Vec<(&TenantId, &AttributionChange)> =
        books.iter().flat_map(|(t, book)| book.history.attributions.iter().map(move |c| (t, c))).collect();
    if all.is_empty() {
        return;
    }
    let by: By<'_> = all.iter().map(|(_, change)| &change.by).collect();
    inserts
        .add(
            "INSERT INTO attribution_changes (tenant_id, contact_id, campaign_id, attribution_id, advocate_id, from_reason,
                    to_reason, principal, method, reason, occurred_at, recorded_at)
             SELECT tenant_id, contact_id, campaign_id, attribution_id, advocate_id, from_reason, to_reason, principal,
                    method, reason, occurred_at, recorded_at
               FROM unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::smallint[], $7::smallint[],
                           $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[])
                    WITH ORDINALITY AS n (tenant_id, contact_id, campaign_id, attribution_id, advocate_id, from_reason,
                                          to_reason, principal, method, reason, occurred_at, recorded_at, n)
              ORDER BY n",
        )
        .bind(all.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.contact).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.campaign.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.attribution).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.advocate).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.from.map(Standing::number)).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.to.number()).collect::<Vec<_>>())
        .bind(by.principals)
        .bind(by.methods)
        .bind(by.reasons)
        .bind(by.occurred_at)
        .bind(by.recorded_at);
}

fn save_contacts(inserts: &mut Inserts, books: &Books) {
    let all: Vec<(&TenantId, &StatusChange)> =
        books.iter().flat_map(|(t, book)| book.history.contacts.iter().map(move |c| (t, c))).collect();
    if all.is_empty() {
        return;
    }
    let by: By<'_> = all.iter().map(|(_, change)| &change.by).collect();
    inserts
        .add(
            "INSERT INTO contact_changes (tenant_id, contact_id, from_status, to_status, principal, method, reason,
                    occurred_at, recorded_at)
             SELECT tenant_id, contact_id, from_status, to_status, principal, method, reason, occurred_at, recorded_at
               FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::smallint[], $5::text[], $6::text[], $7::text[],
                           $8::timestamptz[], $9::timestamptz[])
                    WITH ORDINALITY AS n (tenant_id, contact_id, from_status, to_status, principal, method, reason,
                                          occurred_at, recorded_at, n)
              ORDER BY n",
        )
        .bind(all.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.contact).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.from.number()).collect::<Vec<_>>())
        .bind(all.iter().map(|(_, change)| change.to.number()).collect::<Vec<_>>())
        .bind(by.principals)
        .bind(by.methods)
        .bind(by.reasons)
        .bind(by.occurred_at)
        .bind(by.recorded_at);
}
