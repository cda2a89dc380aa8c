//! What facts and debts did to rewards (R9, A9).

use pg::Inserts;
use pg::sqlx::PgExecutor;
use sqlx::FromRow;
use types::{EventId, RewardId, TenantId, Timestamp};

use crate::domain::effects::{Turn, TurnCause};

#[derive(FromRow)]
struct Row {
    tenant_id: TenantId,
    reward_id: RewardId,
    number: i32,
    kind: i16,
    event_id: Option<EventId>,
    amount_minor: Option<i64>,
    occurred_at: Timestamp,
}

impl TryFrom<Row> for Turn {
    type Error = pg::Error;

    fn try_from(row: Row) -> Result<Self, pg::Error> {
        let cause = match (row.kind, row.event_id, row.amount_minor) {
            (1, Some(event), Some(due)) => TurnCause::Refunded(event, due),
            (2, Some(event), _) => TurnCause::Flagged(event),
            (3, Some(event), _) => TurnCause::Unflagged(event),
            (4, _, Some(owed)) => TurnCause::Netted(owed),
            (other, ..) => return Err(pg::Error::unreadable("turns.kind", other)),
        };
        let Row { tenant_id: tenant, reward_id, number, occurred_at, .. } = row;
        Ok(Self { tenant, reward_id, number, cause, occurred_at })
    }
}

fn columns(cause: TurnCause) -> (i16, Option<EventId>, Option<i64>) {
    match cause {
        TurnCause::Refunded(event, due) => (1, Some(event), Some(due)),
        TurnCause::Flagged(event) => (2, Some(event), None),
        TurnCause::Unflagged(event) => (3, Some(event), None),
        TurnCause::Netted(owed) => (4, None, Some(owed)),
    }
}

/// Appends turns.
pub(crate) fn save(inserts: &mut Inserts, turns: &[Turn]) {
    if turns.is_empty() {
        return;
    }
    let columns = || turns.iter().map(|turn| columns(turn.cause));
    inserts
        .add(
            "INSERT INTO turns (tenant_id, reward_id, number, kind, event_id, amount_minor, occurred_at)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::smallint[], $5::uuid[], $6::bigint[],
                              $7::timestamptz[])",
        )
        .bind(turns.iter().map(|turn| turn.tenant.as_str()).collect::<Vec<_>>())
        .bind(turns.iter().map(|turn| turn.reward_id).collect::<Vec<_>>())
        .bind(turns.iter().map(|turn| turn.number).collect::<Vec<_>>())
        .bind(columns().map(|(kind, ..)| kind).collect::<Vec<_>>())
        .bind(columns().map(|(_, event, _)| event).collect::<Vec<_>>())
        .bind(columns().map(|(.., amount)| amount).collect::<Vec<_>>())
        .bind(turns.iter().map(|turn| turn.occurred_at).collect::<Vec<_>>());
}

/// All turns of these rewards of a tenant, those of each by number.
pub(crate) async fn of_rewards(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    rewards: &[RewardId],
) -> Result<Vec<Turn>, pg::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT tenant_id, reward_id, number, kind, event_id, amount_minor, occurred_at
           FROM turns WHERE tenant_id = $1 AND reward_id = ANY ($2) ORDER BY reward_id DESC, number",
    )
    .bind(tenant)
    .bind(rewards)
    .fetch_all(db)
    .await?;
    super::row::all(rows)
}
