//! What beneficiaries owe back (R9).

use pg::{Inserts, WriteTx};
use types::{ContactId, TenantId};

use super::row;
use crate::domain::receivables::{Debtor, Receivables};

/// What these owe.
pub(crate) async fn load(tx: &mut WriteTx, debtors: &[Debtor]) -> Result<Receivables, pg::Error> {
    if debtors.is_empty() {
        return Ok(Receivables::default());
    }
    let rows: Vec<(TenantId, ContactId, String, i64)> = sqlx::query_as(
        "SELECT r.tenant_id, r.contact_id, r.currency, r.owed_minor
           FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[], $3::text[]))
                  AS k (tenant_id, contact_id, currency)
          CROSS JOIN LATERAL (
              SELECT * FROM receivables
               WHERE tenant_id = k.tenant_id AND contact_id = k.contact_id AND currency = k.currency OFFSET 0) r",
    )
    .bind(debtors.iter().map(|debtor| debtor.tenant.as_str()).collect::<Vec<_>>())
    .bind(debtors.iter().map(|debtor| debtor.contact).collect::<Vec<_>>())
    .bind(debtors.iter().map(|debtor| debtor.currency.code()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    let debt = |(tenant, contact, code, minor): (TenantId, ContactId, String, i64)| {
        let currency = row::currency("receivables.currency", &code)?;
        Ok((Debtor { tenant, contact, currency }, minor))
    };
    let debts: Vec<_> = rows.into_iter().map(debt).collect::<Result<_, pg::Error>>()?;
    Ok(Receivables::new(debts))
}

/// Writes the debts that changed.
pub(crate) fn save(inserts: &mut Inserts, receivables: &Receivables) {
    let changes: Vec<_> = receivables.changes().collect();
    if changes.is_empty() {
        return;
    }
    inserts
        .add(
            "INSERT INTO receivables AS r (tenant_id, contact_id, currency, owed_minor)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[])
         ON CONFLICT (tenant_id, contact_id, currency) DO UPDATE SET owed_minor = r.owed_minor + excluded.owed_minor",
        )
        .bind(changes.iter().map(|(debtor, _)| debtor.tenant.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(debtor, _)| debtor.contact).collect::<Vec<_>>())
        .bind(changes.iter().map(|(debtor, _)| debtor.currency.code()).collect::<Vec<_>>())
        .bind(changes.iter().map(|(_, minor)| *minor).collect::<Vec<_>>());
}
