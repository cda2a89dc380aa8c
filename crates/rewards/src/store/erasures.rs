//! What is removed of an erased contact (A13): the reasons that people gave when they denied its rewards, or rewards that
//! it brought others. Both places change together, so that one can still be derived from the other (R10).

use outbox::erasure::{Open, Removed, SLICE};
use pg::WriteTx;

/// Rewards that the contact gets, or that come of its transitions.
const THEIRS: &str =
    "SELECT reward_id FROM rewards WHERE beneficiary_id = $2 AND tenant_id IS NOT DISTINCT FROM $1
     UNION
     SELECT reward_id FROM decisions
      WHERE contact_id = $2 AND tenant_id IS NOT DISTINCT FROM $1 AND reward_id IS NOT NULL";

/// Removes a slice of what names the contact.
pub(crate) async fn remove(tx: &mut WriteTx, open: &Open) -> Result<Removed, pg::Error> {
    let statement = format!(
        "WITH theirs AS ({THEIRS}),
              said AS (SELECT DISTINCT m.reward_id FROM theirs t
                         JOIN moves m ON m.tenant_id = $1 AND m.reward_id = t.reward_id
                        WHERE m.reason <> '' LIMIT $3),
              denied AS (UPDATE rewards r SET denied_reason = '' FROM said
                          WHERE r.tenant_id = $1 AND r.reward_id = said.reward_id AND r.denied_reason <> '')
         UPDATE moves m SET reason = '' FROM said
          WHERE m.tenant_id = $1 AND m.reward_id = said.reward_id AND m.reason <> ''"
    );
    let done = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(&open.tenant)
        .bind(open.contact)
        .bind(SLICE)
        .execute(&mut **tx)
        .await?;
    Ok(vec![("moves", done.rows_affected())])
}
