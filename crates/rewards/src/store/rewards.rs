//! Rewards.

use std::collections::HashMap;

use pg::sqlx::{AssertSqlSafe, PgExecutor, QueryBuilder};
use pg::{Inserts, WriteTx};
use proto::rewards as wire;
use rpc::filter::{self, Field, Kind};
use types::{CampaignId, ContactId, RewardId, TenantId, Timestamp};

use super::codes::Code;
use super::row::{self, RewardRow, ViewRow};
use crate::domain::effects::RewardView;
use crate::domain::program::{Approval, Fulfilment};
use crate::domain::reward::{Reward, State};
use crate::domain::standing::ContactFact;

/// All columns of a reward that is a row named `r`.
pub(crate) const COLUMNS: &str = "r.tenant_id, r.reward_id, r.transition_id, r.rule, r.beneficiary_kind, \
    r.campaign_id, r.beneficiary_id, r.amount_minor, r.currency, r.state, r.automatic, r.on_approval, r.occurred_at, \
    r.hold_until, r.posted, r.denied_reason";

/// A reward with what its decision knows.
const VIEW: &str = "d.version, d.order_id, d.attribution_id, d.contact_id
           FROM rewards r JOIN decisions d USING (tenant_id, transition_id, rule, beneficiary_kind, level)";

fn each<'a, T>(rewards: &'a [Reward], of: impl Fn(&'a Reward) -> T) -> Vec<T> {
    rewards.iter().map(of).collect()
}

/// Adds rewards.
pub(crate) fn insert(inserts: &mut Inserts, rewards: &[Reward]) {
    if rewards.is_empty() {
        return;
    }
    inserts.add(
        "INSERT INTO rewards
                (tenant_id, reward_id, transition_id, rule, beneficiary_kind, campaign_id, beneficiary_id,
                 amount_minor, currency, state, automatic, on_approval, occurred_at, hold_until, posted, denied_reason)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::smallint[], $6::text[], $7::uuid[],
                $8::bigint[], $9::text[], $10::smallint[], $11::bool[], $12::bool[], $13::timestamptz[],
                $14::timestamptz[], $15::int[], $16::text[])",
    )
    .bind(each(rewards, |r| r.tenant.as_str()))
    .bind(each(rewards, |r| r.reward_id))
    .bind(each(rewards, |r| r.transition))
    .bind(each(rewards, |r| r.rule.as_str()))
    .bind(each(rewards, |r| r.beneficiary_kind.code()))
    .bind(each(rewards, |r| r.campaign.as_str()))
    .bind(each(rewards, |r| r.beneficiary))
    .bind(each(rewards, |r| r.amount.minor))
    .bind(each(rewards, |r| r.amount.currency.code()))
    .bind(each(rewards, |r| r.state.code()))
    .bind(each(rewards, |r| r.approval == Approval::Automatic))
    .bind(each(rewards, |r| r.fulfilment == Fulfilment::OnApproval))
    .bind(each(rewards, |r| r.occurred_at))
    .bind(each(rewards, |r| r.hold_until))
    .bind(each(rewards, |r| r.posted))
    .bind(each(rewards, |r| r.denied_reason.as_deref()));
}

/// Writes what may change of rewards that are there, each given once.
pub(crate) async fn update(tx: &mut WriteTx, rewards: &[Reward]) -> Result<(), pg::Error> {
    if rewards.is_empty() {
        return Ok(());
    }
    let updated = sqlx::query(
        "UPDATE rewards r
            SET state = n.state, hold_until = n.hold_until, posted = n.posted, denied_reason = n.denied_reason,
                amount_minor = n.amount_minor
           FROM unnest($1::text[], $2::uuid[], $3::smallint[], $4::timestamptz[], $5::int[], $6::text[],
                       $7::bigint[])
                  AS n (tenant_id, reward_id, state, hold_until, posted, denied_reason, amount_minor)
          WHERE r.tenant_id = n.tenant_id AND r.reward_id = n.reward_id",
    )
    .bind(rewards.iter().map(|r| r.tenant.as_str()).collect::<Vec<_>>())
    .bind(rewards.iter().map(|r| r.reward_id).collect::<Vec<_>>())
    .bind(rewards.iter().map(|r| r.state.code()).collect::<Vec<_>>())
    .bind(rewards.iter().map(|r| r.hold_until).collect::<Vec<_>>())
    .bind(rewards.iter().map(|r| r.posted).collect::<Vec<_>>())
    .bind(rewards.iter().map(|r| r.denied_reason.as_deref()).collect::<Vec<_>>())
    .bind(rewards.iter().map(|r| r.amount.minor).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?
    .rows_affected();
    // they were loaded under the sequencer lock, so all are still there
    if usize::try_from(updated) == Ok(rewards.len()) {
        return Ok(());
    }
    Err(pg::Error::unreadable("rewards", format!("{updated} of {} rows updated", rewards.len())))
}

/// Rewards by tenant and id, for a change.
pub(crate) async fn load(
    tx: &mut WriteTx,
    keys: &[(&TenantId, RewardId)],
) -> Result<HashMap<(TenantId, RewardId), Reward>, pg::Error> {
    let select = format!(
        "SELECT {COLUMNS}
           FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[])) AS k (tenant_id, reward_id)
          CROSS JOIN LATERAL (
              SELECT * FROM rewards WHERE tenant_id = k.tenant_id AND reward_id = k.reward_id OFFSET 0) r"
    );
    let rows: Vec<RewardRow> = sqlx::query_as(AssertSqlSafe(select))
        .bind(keys.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, reward)| *reward).collect::<Vec<_>>())
        .fetch_all(&mut **tx)
        .await?;
    let rewards: Vec<Reward> = row::all(rows)?;
    Ok(rewards.into_iter().map(|reward| ((reward.tenant.clone(), reward.reward_id), reward)).collect())
}

/// Rewards of the contacts of these facts that are pending or flagged.
pub(crate) async fn waiting(tx: &mut WriteTx, facts: &[&ContactFact]) -> Result<Vec<Reward>, pg::Error> {
    if facts.is_empty() {
        return Ok(Vec::new());
    }
    let select = format!(
        "SELECT {COLUMNS}
           FROM (SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[])) AS k (tenant_id, contact_id)
          CROSS JOIN LATERAL (
              SELECT * FROM rewards
               WHERE beneficiary_id = k.contact_id AND tenant_id = k.tenant_id AND state IN (1, 6) OFFSET 0) r
          ORDER BY r.reward_id"
    );
    let rows: Vec<RewardRow> = sqlx::query_as(AssertSqlSafe(select))
        .bind(facts.iter().map(|fact| fact.tenant.as_str()).collect::<Vec<_>>())
        .bind(facts.iter().map(|fact| fact.contact).collect::<Vec<_>>())
        .fetch_all(&mut **tx)
        .await?;
    row::all(rows)
}

/// Rewards of a tenant whose hold is over by `until`, those due first first. None is due before `from`: it keeps the
/// scan off what was due, and fired, just before.
pub(crate) async fn due(
    tx: &mut WriteTx,
    tenant: &TenantId,
    from: Option<Timestamp>,
    until: Timestamp,
    limit: i64,
) -> Result<Vec<Reward>, pg::Error> {
    let select = format!(
        "SELECT {COLUMNS} FROM rewards r
          WHERE r.tenant_id = $1 AND r.state = 1 AND r.automatic
            AND r.hold_until >= $2 AND r.hold_until <= $3
          ORDER BY r.hold_until LIMIT $4"
    );
    let rows: Vec<RewardRow> = sqlx::query_as(AssertSqlSafe(select))
        .bind(tenant)
        .bind(from.unwrap_or(BEGINNING))
        .bind(until)
        .bind(limit)
        .fetch_all(&mut **tx)
        .await?;
    row::all(rows)
}

/// Before every moment there is.
const BEGINNING: Timestamp = time::macros::datetime!(0001-01-01 0:00 UTC);

/// Of each tenant that has pending holds: the first one due.
pub(crate) async fn next_due(db: impl PgExecutor<'_>) -> Result<Vec<(TenantId, Timestamp)>, pg::Error> {
    // walks the index from tenant to tenant
    let rows = sqlx::query_as(
        "WITH RECURSIVE next AS (
             (SELECT tenant_id, hold_until FROM rewards WHERE state = 1 AND automatic
               ORDER BY tenant_id, hold_until LIMIT 1)
             UNION ALL
             SELECT n.tenant_id, n.hold_until
               FROM next CROSS JOIN LATERAL (
                    SELECT r.tenant_id, r.hold_until FROM rewards r
                     WHERE r.state = 1 AND r.automatic AND r.tenant_id > next.tenant_id
                     ORDER BY r.tenant_id, r.hold_until LIMIT 1) AS n)
         SELECT tenant_id, hold_until FROM next",
    )
    .fetch_all(db)
    .await?;
    Ok(rows)
}

/// What rewards can be filtered by; the contract's comment names them.
pub(crate) const FIELDS: &[Field] = &[
    Field { name: "reward_id", kind: Kind::Id, sql: "r.reward_id" },
    Field { name: "campaign_id", kind: Kind::Text, sql: "r.campaign_id" },
    Field { name: "rule", kind: Kind::Text, sql: "r.rule" },
    Field { name: "program_version", kind: Kind::Integer, sql: "d.version" },
    Field {
        name: "beneficiary_kind",
        kind: Kind::Enum(rpc::enum_names!(wire::BeneficiaryKind)),
        sql: "r.beneficiary_kind",
    },
    Field { name: "beneficiary_id", kind: Kind::Id, sql: "r.beneficiary_id" },
    Field { name: "state", kind: Kind::Enum(rpc::enum_names!(wire::RewardState)), sql: "r.state" },
    Field { name: "amount", kind: Kind::Money { currency: "r.currency" }, sql: "r.amount_minor" },
    Field { name: "amount.currency_code", kind: Kind::Text, sql: "r.currency" },
    Field { name: "transition_id", kind: Kind::Id, sql: "r.transition_id" },
    Field { name: "order_id", kind: Kind::Text, sql: "d.order_id" },
    Field { name: "attribution_id", kind: Kind::Id, sql: "d.attribution_id" },
    Field { name: "contact_id", kind: Kind::Id, sql: "d.contact_id" },
    Field { name: "occurred_at", kind: Kind::Timestamp, sql: "r.occurred_at" },
    Field { name: "hold_until", kind: Kind::Timestamp, sql: "r.hold_until" },
    Field { name: "denied_reason", kind: Kind::Text, sql: "r.denied_reason" },
];

/// What rewards are listed by.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Only of this campaign.
    pub(crate) campaign: Option<CampaignId>,
    /// Only in this state.
    pub(crate) state: Option<State>,
    /// Only of this beneficiary.
    pub(crate) beneficiary: Option<ContactId>,
    /// Only those that match.
    pub(crate) matching: filter::Filter,
}

/// A page of a tenant's rewards, newest first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    filter: &Filter,
    before: Option<RewardId>,
    limit: i64,
) -> Result<Vec<RewardView>, pg::Error> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(", ").push(VIEW).push(" WHERE r.tenant_id = ").push_bind(tenant);
    if let Some(campaign) = &filter.campaign {
        query.push(" AND r.campaign_id = ").push_bind(campaign);
    }
    if let Some(state) = filter.state {
        query.push(" AND r.state = ").push_bind(state.code());
    }
    if let Some(beneficiary) = filter.beneficiary {
        query.push(" AND r.beneficiary_id = ").push_bind(beneficiary);
    }
    filter.matching.narrow(&mut query);
    if let Some(before) = before {
        query.push(" AND r.reward_id < ").push_bind(before);
    }
    query.push(" ORDER BY r.reward_id DESC LIMIT ").push_bind(limit);
    let query = query.build_query_as::<ViewRow>().persistent(filter.matching.is_blank());
    row::all(query.fetch_all(db).await?)
}

/// One reward.
pub(crate) async fn get(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    reward: RewardId,
) -> Result<Option<RewardView>, pg::Error> {
    let mut views = of_ids(db, tenant, &[reward]).await?;
    Ok(views.pop())
}

/// Rewards by id, newest first.
pub(crate) async fn of_ids(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    rewards: &[RewardId],
) -> Result<Vec<RewardView>, pg::Error> {
    let select = format!(
        "SELECT {COLUMNS}, {VIEW} WHERE r.tenant_id = $1 AND r.reward_id = ANY ($2) ORDER BY r.reward_id DESC"
    );
    let rows: Vec<ViewRow> =
        sqlx::query_as(AssertSqlSafe(select)).bind(tenant).bind(rewards).fetch_all(db).await?;
    row::all(rows)
}

/// The bare rewards of these ids: also those whose decision is gone.
pub(crate) async fn bare(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    rewards: &[RewardId],
) -> Result<Vec<Reward>, pg::Error> {
    let select = format!("SELECT {COLUMNS} FROM rewards r WHERE r.tenant_id = $1 AND r.reward_id = ANY ($2)");
    let rows: Vec<RewardRow> =
        sqlx::query_as(AssertSqlSafe(select)).bind(tenant).bind(rewards).fetch_all(db).await?;
    row::all(rows)
}
