//! Recorded hand moves (R10).

use std::collections::HashMap;

use pg::sqlx::PgExecutor;
use pg::{Inserts, WriteTx};
use sqlx::FromRow;
use types::{RewardId, TenantId, Timestamp};

use crate::domain::effects::Move;
use crate::domain::reward::HandMove;

#[derive(FromRow)]
struct Row {
    tenant_id: TenantId,
    reward_id: RewardId,
    number: i32,
    action: i16,
    reason: Option<String>,
    occurred_at: Timestamp,
}

impl TryFrom<Row> for Move {
    type Error = pg::Error;

    fn try_from(row: Row) -> Result<Self, pg::Error> {
        let action = match row.action {
            1 => HandMove::Approve,
            2 => HandMove::Deny(row.reason.unwrap_or_default()),
            3 => HandMove::Reopen,
            4 => HandMove::Fulfil,
            other => return Err(pg::Error::unreadable("moves.action", other)),
        };
        let Row { tenant_id: tenant, reward_id, number, occurred_at, .. } = row;
        Ok(Self { tenant, reward_id, number, action, occurred_at })
    }
}

fn code(action: &HandMove) -> (i16, Option<&str>) {
    match action {
        HandMove::Approve => (1, None),
        HandMove::Deny(reason) => (2, Some(reason)),
        HandMove::Reopen => (3, None),
        HandMove::Fulfil => (4, None),
    }
}

/// Appends moves.
pub(crate) fn save(inserts: &mut Inserts, moves: &[Move], now: Timestamp) {
    if moves.is_empty() {
        return;
    }
    let tenants: Vec<&str> = moves.iter().map(|m| m.tenant.as_str()).collect();
    let rewards: Vec<RewardId> = moves.iter().map(|m| m.reward_id).collect();
    let numbers: Vec<i32> = moves.iter().map(|m| m.number).collect();
    let (actions, reasons): (Vec<i16>, Vec<Option<&str>>) = moves.iter().map(|m| code(&m.action)).unzip();
    let times: Vec<Timestamp> = moves.iter().map(|m| m.occurred_at).collect();
    inserts.add(
        "INSERT INTO moves (tenant_id, reward_id, number, action, reason, occurred_at, recorded_at)
         SELECT m.*, $7
           FROM unnest($1::text[], $2::uuid[], $3::int[], $4::smallint[], $5::text[], $6::timestamptz[]) AS m",
    )
    .bind(tenants)
    .bind(rewards)
    .bind(numbers)
    .bind(actions)
    .bind(reasons)
    .bind(times)
    .bind(now);
}

/// The last move of each of these rewards that has one.
pub(crate) async fn last(
    tx: &mut WriteTx,
    keys: &[(&TenantId, RewardId)],
) -> Result<HashMap<(TenantId, RewardId), HandMove>, pg::Error> {
    let tenants: Vec<&str> = keys.iter().map(|(tenant, _)| tenant.as_str()).collect();
    let rewards: Vec<RewardId> = keys.iter().map(|(_, reward)| *reward).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT DISTINCT ON (m.tenant_id, m.reward_id)
                m.tenant_id, m.reward_id, m.number, m.action, m.reason, m.occurred_at
           FROM unnest($1::text[], $2::uuid[]) AS k (tenant_id, reward_id)
          CROSS JOIN LATERAL (
              SELECT * FROM moves WHERE tenant_id = k.tenant_id AND reward_id = k.reward_id OFFSET 0) m
          ORDER BY m.tenant_id, m.reward_id, m.number DESC",
    )
    .bind(tenants)
    .bind(rewards)
    .fetch_all(&mut **tx)
    .await?;
    let moves: Vec<Move> = super::row::all(rows)?;
    Ok(moves.into_iter().map(|m| ((m.tenant, m.reward_id), m.action)).collect())
}

/// All moves of these rewards of a tenant, by number.
pub(crate) async fn of_rewards(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    rewards: &[RewardId],
) -> Result<Vec<Move>, pg::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT tenant_id, reward_id, number, action, reason, occurred_at
           FROM moves WHERE tenant_id = $1 AND reward_id = ANY ($2) ORDER BY number",
    )
    .bind(tenant)
    .bind(rewards)
    .fetch_all(db)
    .await?;
    super::row::all(rows)
}
