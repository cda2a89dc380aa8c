//! Reading everything again for verification, in pages of one snapshot.

use std::collections::{HashMap, HashSet};

use pg::sqlx::{AssertSqlSafe, PgConnection};
use types::{ContactId, Currency, RewardId, TenantId, TransitionId};

use super::row::{self, DecisionRow};
use super::{codes::Code, decisions, facts, moves, postings, rewards, turns};
use crate::domain::audit::Record;
use crate::domain::book::Who;
use crate::domain::decision::Decision;
use crate::domain::ledger::Posting;
use crate::domain::refund::OrderKey;

/// Decisions in one page.
const PAGE: i64 = 2000;
/// Strays reported at most.
const STRAYS: i64 = 1000;

/// How far the transition stream had been applied: epoch and position.
pub(crate) async fn position(
    db: &mut PgConnection,
    subscription: &str,
) -> Result<Option<(i64, i64)>, pg::Error> {
    let row = sqlx::query_as("SELECT epoch, position FROM subscriptions WHERE subscription = $1")
        .bind(subscription)
        .fetch_optional(db)
        .await?;
    Ok(row)
}

/// Ids of events of a tenant that are set aside.
pub(crate) async fn parked(db: &mut PgConnection, tenant: &TenantId) -> Result<Vec<String>, pg::Error> {
    let ids = sqlx::query_scalar("SELECT event_id FROM parked WHERE tenant_id = $1")
        .bind(tenant)
        .fetch_all(db)
        .await?;
    Ok(ids)
}

/// The next page of decisions in the order of their key, with what they led to.
pub(crate) async fn page(
    db: &mut PgConnection,
    tenant: &TenantId,
    after: Option<&decisions::After>,
) -> Result<Vec<Record>, pg::Error> {
    let select = format!(
        "SELECT {} FROM decisions d
          WHERE d.tenant_id = $1 AND (d.transition_id, d.rule, d.beneficiary_kind) > ($2, $3, $4)
          ORDER BY d.transition_id, d.rule, d.beneficiary_kind LIMIT {PAGE}",
        decisions::COLUMNS
    );
    // without a page before: what lies before every key
    let nowhere = TransitionId::from(uuid::Uuid::nil());
    let rows: Vec<DecisionRow> = sqlx::query_as(AssertSqlSafe(select))
        .bind(tenant)
        .bind(after.map_or(nowhere, |(transition, ..)| *transition))
        .bind(after.map_or("", |(_, rule, _)| rule.as_str()))
        .bind(after.map_or(0, |(.., kind)| kind.code()))
        .fetch_all(&mut *db)
        .await?;
    let page: Vec<Decision> = row::all(rows)?;
    let ids: Vec<RewardId> = page.iter().filter_map(|decision| decision.reward).collect();
    let mut stored: HashMap<RewardId, _> =
        rewards::bare(&mut *db, tenant, &ids).await?.into_iter().map(|r| (r.reward_id, r)).collect();
    let mut posted = group(postings::of_rewards(&mut *db, tenant, &ids).await?, |p| p.reward_id);
    let mut moved = group(moves::of_rewards(&mut *db, tenant, &ids).await?, |m| m.reward_id);
    let mut turned = group(turns::of_rewards(&mut *db, tenant, &ids).await?, |turn| turn.reward_id);
    let orders: HashSet<OrderKey> = page.iter().filter_map(|d| d.transition.order_key()).collect();
    let told = facts::of_orders(&mut *db, &orders.into_iter().collect::<Vec<_>>()).await?;
    let who = |decision: &Decision| decision.beneficiary_id().map(|contact| (tenant.clone(), contact));
    let contacts: HashSet<Who> = page.iter().filter_map(who).collect();
    let standings = facts::standings(&mut *db, &contacts.into_iter().collect::<Vec<_>>()).await?;
    let record = |decision: Decision| Record {
        turns: decision.reward.and_then(|id| turned.remove(&id)).unwrap_or_default(),
        order_facts: decision
            .transition
            .order_key()
            .and_then(|key| told.get(&key).cloned())
            .unwrap_or_default(),
        standing: who(&decision).and_then(|who| standings.get(&who).copied()).unwrap_or_default(),
        reward: decision.reward.and_then(|id| stored.remove(&id)),
        postings: decision.reward.and_then(|id| posted.remove(&id)).unwrap_or_default(),
        moves: decision.reward.and_then(|id| moved.remove(&id)).unwrap_or_default(),
        decision,
    };
    Ok(page.into_iter().map(record).collect())
}

fn group<T>(items: Vec<T>, key: impl Fn(&T) -> RewardId) -> HashMap<RewardId, Vec<T>> {
    let mut groups: HashMap<RewardId, Vec<T>> = HashMap::with_capacity(items.len());
    for item in items {
        groups.entry(key(&item)).or_default().push(item);
    }
    groups
}

/// How many rewards and postings a tenant has.
pub(crate) async fn counts(db: &mut PgConnection, tenant: &TenantId) -> Result<(i64, i64), pg::Error> {
    let counts = sqlx::query_as(
        "SELECT (SELECT count(*) FROM rewards WHERE tenant_id = $1),
                (SELECT count(*) FROM postings WHERE tenant_id = $1)",
    )
    .bind(tenant)
    .fetch_one(db)
    .await?;
    Ok(counts)
}

/// Rewards that no decision names.
pub(crate) async fn stray_rewards(
    db: &mut PgConnection,
    tenant: &TenantId,
) -> Result<Vec<RewardId>, pg::Error> {
    // EXCEPT takes one pass over each, whatever the planner knows of the tables
    let ids = sqlx::query_scalar(
        "SELECT reward_id FROM rewards WHERE tenant_id = $1
         EXCEPT SELECT reward_id FROM decisions WHERE tenant_id = $1 AND reward_id IS NOT NULL
          LIMIT $2",
    )
    .bind(tenant)
    .bind(STRAYS)
    .fetch_all(db)
    .await?;
    Ok(ids)
}

/// Postings of rewards that are not there.
pub(crate) async fn stray_postings(
    db: &mut PgConnection,
    tenant: &TenantId,
) -> Result<Vec<Posting>, pg::Error> {
    let ids: Vec<RewardId> = sqlx::query_scalar(
        "SELECT reward_id FROM postings WHERE tenant_id = $1
         EXCEPT SELECT reward_id FROM rewards WHERE tenant_id = $1
          LIMIT $2",
    )
    .bind(tenant)
    .bind(STRAYS)
    .fetch_all(&mut *db)
    .await?;
    postings::of_rewards(db, tenant, &ids).await
}

/// Account credit of a tenant's contacts.
pub(crate) async fn credits(db: &mut PgConnection, tenant: &TenantId) -> Result<Accounts, pg::Error> {
    accounts(db, tenant, "SELECT contact_id, currency, balance_minor FROM credits WHERE tenant_id = $1").await
}

/// What a tenant's contacts owe back.
pub(crate) async fn receivables(db: &mut PgConnection, tenant: &TenantId) -> Result<Accounts, pg::Error> {
    accounts(db, tenant, "SELECT contact_id, currency, owed_minor FROM receivables WHERE tenant_id = $1")
        .await
}

/// An amount per contact and currency, in minor units.
pub(crate) type Accounts = HashMap<(ContactId, Currency), i64>;

async fn accounts(
    db: &mut PgConnection,
    tenant: &TenantId,
    select: &'static str,
) -> Result<Accounts, pg::Error> {
    let rows: Vec<(ContactId, String, i64)> = sqlx::query_as(select).bind(tenant).fetch_all(db).await?;
    let credit = |(contact, code, minor): (ContactId, String, i64)| {
        Ok(((contact, row::currency("currency", &code)?), minor))
    };
    rows.into_iter().map(credit).collect()
}
