//! The ledger's postings.

use pg::Inserts;
use pg::sqlx::{AssertSqlSafe, PgExecutor, QueryBuilder};
use sqlx::FromRow;
use types::{ContactId, Money, RewardId, TenantId, Timestamp};

use super::codes::Code;
use super::row;
use crate::domain::ledger::{Account, Cause, Posting};

/// All columns of a posting.
const COLUMNS: &str =
    "tenant_id, reward_id, number, debit, credit, currency, amount_minor, cause, occurred_at";

#[derive(FromRow)]
struct Row {
    tenant_id: TenantId,
    reward_id: RewardId,
    number: i32,
    debit: i16,
    credit: i16,
    currency: String,
    amount_minor: i64,
    cause: i16,
    occurred_at: Timestamp,
}

impl TryFrom<Row> for Posting {
    type Error = pg::Error;

    fn try_from(row: Row) -> Result<Self, pg::Error> {
        Ok(Self {
            tenant: row.tenant_id,
            reward_id: row.reward_id,
            number: row.number,
            debit: Account::read("postings.debit", row.debit)?,
            credit: Account::read("postings.credit", row.credit)?,
            amount: Money::new(row.amount_minor, row::currency("postings.currency", &row.currency)?),
            cause: Cause::read("postings.cause", row.cause)?,
            occurred_at: row.occurred_at,
        })
    }
}

/// Appends postings.
pub(crate) fn save(inserts: &mut Inserts, postings: &[Posting]) {
    if postings.is_empty() {
        return;
    }
    let tenants: Vec<&str> = postings.iter().map(|p| p.tenant.as_str()).collect();
    let rewards: Vec<RewardId> = postings.iter().map(|p| p.reward_id).collect();
    let numbers: Vec<i32> = postings.iter().map(|p| p.number).collect();
    let debits: Vec<i16> = postings.iter().map(|p| p.debit.code()).collect();
    let credits: Vec<i16> = postings.iter().map(|p| p.credit.code()).collect();
    let currencies: Vec<&str> = postings.iter().map(|p| p.amount.currency.code()).collect();
    let amounts: Vec<i64> = postings.iter().map(|p| p.amount.minor).collect();
    let causes: Vec<i16> = postings.iter().map(|p| p.cause.code()).collect();
    let times: Vec<Timestamp> = postings.iter().map(|p| p.occurred_at).collect();
    inserts
        .add(
            "INSERT INTO postings
                (tenant_id, reward_id, number, debit, credit, currency, amount_minor, cause, occurred_at)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::smallint[], $5::smallint[], $6::text[],
                              $7::bigint[], $8::smallint[], $9::timestamptz[])",
        )
        .bind(tenants)
        .bind(rewards)
        .bind(numbers)
        .bind(debits)
        .bind(credits)
        .bind(currencies)
        .bind(amounts)
        .bind(causes)
        .bind(times);
}

/// Postings of a tenant, or of one reward, from behind a key on; those of the newest reward first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    reward: Option<RewardId>,
    after: Option<(RewardId, i32)>,
    limit: i64,
) -> Result<Vec<Posting>, pg::Error> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM postings WHERE tenant_id = ").push_bind(tenant);
    if let Some(reward) = reward {
        query.push(" AND reward_id = ").push_bind(reward);
    }
    if let Some((reward, number)) = after {
        query.push(" AND (reward_id, number) < (").push_bind(reward).push(", ").push_bind(number).push(")");
    }
    query.push(" ORDER BY reward_id DESC, number DESC LIMIT ").push_bind(limit);
    row::all(query.build_query_as::<Row>().fetch_all(db).await?)
}

/// Postings of these rewards of a tenant, by number.
pub(crate) async fn of_rewards(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    rewards: &[RewardId],
) -> Result<Vec<Posting>, pg::Error> {
    let select = format!(
        "SELECT {COLUMNS} FROM postings WHERE tenant_id = $1 AND reward_id = ANY ($2) ORDER BY number"
    );
    let rows: Vec<Row> =
        sqlx::query_as(AssertSqlSafe(select)).bind(tenant).bind(rewards).fetch_all(db).await?;
    row::all(rows)
}

/// Credits less debits of each account and currency that has any; of one contact's rewards, if given.
pub(crate) async fn balances(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    beneficiary: Option<ContactId>,
) -> Result<Vec<(Account, Money)>, pg::Error> {
    let mut query = QueryBuilder::new("WITH moved AS (SELECT p.currency, p.debit, p.credit, ");
    query.push("sum(p.amount_minor) AS minor FROM postings p");
    if let Some(beneficiary) = beneficiary {
        query.push(" JOIN rewards r ON r.tenant_id = p.tenant_id AND r.reward_id = p.reward_id");
        query.push(" AND r.beneficiary_id = ").push_bind(beneficiary);
    }
    query.push(" WHERE p.tenant_id = ").push_bind(tenant).push(
        " GROUP BY p.currency, p.debit, p.credit)
         SELECT currency, account, sum(minor)::bigint
           FROM (SELECT currency, credit AS account, minor FROM moved
                  UNION ALL SELECT currency, debit, -minor FROM moved) AS sides
          GROUP BY currency, account ORDER BY currency, account",
    );
    let rows: Vec<(String, i16, i64)> = query.build_query_as().fetch_all(db).await?;
    let balance = |(code, account, minor): (String, i16, i64)| {
        let currency = row::currency("postings.currency", &code)?;
        Ok((Account::read("postings.debit", account)?, Money::new(minor, currency)))
    };
    rows.into_iter().map(balance).collect()
}
