//! Account credit of contacts (R11): where rewards of kind credit are paid to.

use std::collections::BTreeMap;

use pg::Inserts;
use types::{ContactId, TenantId};

use crate::domain::effects::Paid;

/// Adds what was paid, one row per contact and currency.
pub(crate) fn add(inserts: &mut Inserts, paid: &[Paid]) {
    if paid.is_empty() {
        return;
    }
    let mut sums: BTreeMap<(&TenantId, ContactId, &str), i64> = BTreeMap::new();
    for one in paid {
        *sums.entry((&one.tenant, one.contact, one.amount.currency.code())).or_default() += one.amount.minor;
    }
    let tenants: Vec<&str> = sums.keys().map(|(tenant, ..)| tenant.as_str()).collect();
    let contacts: Vec<ContactId> = sums.keys().map(|(_, contact, _)| *contact).collect();
    let currencies: Vec<&str> = sums.keys().map(|(.., currency)| *currency).collect();
    let amounts: Vec<i64> = sums.values().copied().collect();
    inserts
        .add(
            "INSERT INTO credits AS c (tenant_id, contact_id, currency, balance_minor)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[])
         ON CONFLICT (tenant_id, contact_id, currency)
         DO UPDATE SET balance_minor = c.balance_minor + excluded.balance_minor",
        )
        .bind(tenants)
        .bind(contacts)
        .bind(currencies)
        .bind(amounts);
}
