//! Decisions.

use std::collections::HashSet;

use pg::sqlx::{AssertSqlSafe, PgExecutor, QueryBuilder};
use pg::{Inserts, WriteTx};
use types::{ContactId, OrderId, RewardId, RuleKey, TenantId, TransitionId};

use super::codes::Code;
use super::row::{self, DecisionRow};
use crate::domain::decision::{Decision, DecisionKey, Order, Outcome, Transition};
use crate::domain::program::Beneficiary;
use crate::domain::refund::OrderKey;

/// All columns of a decision that is a row named `d`.
pub(crate) const COLUMNS: &str = "d.tenant_id, d.transition_id, d.rule, d.beneficiary_kind, d.campaign_id, \
    d.version, d.outcome, d.reward_id, d.amount_minor, d.amount_currency, d.detail, d.journey, d.stage, d.number, \
    d.inferred, d.occurrence_key, d.contact_id, d.advocate_id, d.attribution_id, d.order_id, d.order_source, \
    d.revenue_minor, d.refunded_minor, d.order_currency, d.external_status, d.hubspot_dealstage, d.event_id, \
    d.occurred_at, d.decided_at, d.first_version, d.attempts, d.carried";

/// The decisions there are on these transitions: they are left alone (R5).
pub(crate) async fn existing(
    tx: &mut WriteTx,
    transitions: &[&Transition],
) -> Result<HashSet<DecisionKey>, pg::Error> {
    if transitions.is_empty() {
        return Ok(HashSet::new());
    }
    let tenants: Vec<&str> = transitions.iter().map(|t| t.tenant.as_str()).collect();
    let ids: Vec<TransitionId> = transitions.iter().map(|t| t.transition_id).collect();
    let rows: Vec<(TenantId, TransitionId, RuleKey, i16)> = sqlx::query_as(
        "SELECT d.tenant_id, d.transition_id, d.rule, d.beneficiary_kind
           FROM unnest($1::text[], $2::uuid[]) AS t (tenant_id, transition_id)
          CROSS JOIN LATERAL (
              SELECT * FROM decisions
               WHERE tenant_id = t.tenant_id AND transition_id = t.transition_id OFFSET 0) d",
    )
    .bind(tenants)
    .bind(ids)
    .fetch_all(&mut **tx)
    .await?;
    let key = |(tenant, transition, rule, kind)| {
        let beneficiary = Beneficiary::read("decisions.beneficiary_kind", kind)?;
        Ok(DecisionKey { tenant, transition, rule, beneficiary })
    };
    rows.into_iter().map(key).collect()
}

const INSERT: &str = "INSERT INTO decisions
           (tenant_id, transition_id, rule, beneficiary_kind, campaign_id, version, outcome, reward_id,
            amount_minor, amount_currency, detail, journey, stage, number, inferred, occurrence_key, contact_id,
            advocate_id, attribution_id, order_id, order_source, revenue_minor, refunded_minor, order_currency,
            external_status, hubspot_dealstage, event_id, occurred_at, decided_at, carried)
    SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::smallint[], $5::text[], $6::int[],
           $7::smallint[], $8::uuid[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[],
           $14::int[], $15::bool[], $16::text[], $17::uuid[], $18::uuid[], $19::uuid[], $20::text[], $21::text[],
           $22::bigint[], $23::bigint[], $24::text[], $25::text[], $26::text[], $27::uuid[], $28::timestamptz[],
           $29::timestamptz[], $30::bool[])";

fn each<'a, T>(decisions: &'a [Decision], of: impl Fn(&'a Decision) -> T) -> Vec<T> {
    decisions.iter().map(of).collect()
}

fn observed<'a, T>(decisions: &'a [Decision], of: impl Fn(&'a Transition) -> T) -> Vec<T> {
    decisions.iter().map(|d| of(&d.transition)).collect()
}

fn ordered<'a, T>(decisions: &'a [Decision], of: impl Fn(&'a Order) -> T) -> Vec<Option<T>> {
    decisions.iter().map(|d| d.transition.order.as_ref().map(&of)).collect()
}

/// Appends decisions: all of them new, so what tells of retries is as the table has it by default.
pub(crate) fn save(inserts: &mut Inserts, decisions: &[Decision]) {
    if decisions.is_empty() {
        return;
    }
    inserts
        .add(INSERT)
        .bind(observed(decisions, |t| t.tenant.as_str()))
        .bind(observed(decisions, |t| t.transition_id))
        .bind(each(decisions, |d| d.rule.as_str()))
        .bind(each(decisions, |d| d.beneficiary.code()))
        .bind(observed(decisions, |t| t.campaign.as_str()))
        .bind(each(decisions, |d| d.version))
        .bind(each(decisions, |d| d.verdict.outcome.code()))
        .bind(each(decisions, |d| d.reward))
        .bind(each(decisions, |d| d.verdict.amount.map(|amount| amount.minor)))
        .bind(each(decisions, |d| d.verdict.amount.as_ref().map(|amount| amount.currency.code())))
        .bind(each(decisions, |d| d.verdict.detail.as_deref()))
        .bind(observed(decisions, |t| t.journey.as_str()))
        .bind(observed(decisions, |t| t.stage.as_str()))
        .bind(observed(decisions, |t| t.number))
        .bind(observed(decisions, |t| t.inferred))
        .bind(observed(decisions, |t| t.occurrence_key.as_str()))
        .bind(observed(decisions, |t| t.contact))
        .bind(observed(decisions, |t| t.attribution.map(|(_, advocate)| advocate)))
        .bind(observed(decisions, |t| t.attribution.map(|(attribution, _)| attribution)))
        .bind(ordered(decisions, |o| o.order_id.as_str()))
        .bind(ordered(decisions, |o| o.source.as_str()))
        .bind(ordered(decisions, |o| o.revenue.minor))
        .bind(ordered(decisions, |o| o.refunded_minor))
        .bind(ordered(decisions, |o| o.revenue.currency.code()))
        .bind(ordered(decisions, |o| o.external_status.as_str()))
        .bind(ordered(decisions, |o| o.hubspot_dealstage.as_str()))
        .bind(observed(decisions, |t| t.event_id))
        .bind(observed(decisions, |t| t.occurred_at))
        .bind(each(decisions, |d| d.decided_at))
        .bind(observed(decisions, |t| t.carried));
}

/// The decisions that created rewards of these orders.
pub(crate) async fn of_orders(tx: &mut WriteTx, orders: &[&OrderKey]) -> Result<Vec<Decision>, pg::Error> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let select = format!(
        "SELECT {COLUMNS} FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tenant_id, order_id, source)
          CROSS JOIN LATERAL (
              SELECT * FROM decisions
               WHERE order_id = k.order_id AND tenant_id = k.tenant_id AND order_source = k.source
                 AND reward_id IS NOT NULL OFFSET 0) d"
    );
    let rows: Vec<DecisionRow> = sqlx::query_as(AssertSqlSafe(select))
        .bind(orders.iter().map(|order| order.tenant.as_str()).collect::<Vec<_>>())
        .bind(orders.iter().map(|order| order.order_id.as_str()).collect::<Vec<_>>())
        .bind(orders.iter().map(|order| order.source.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut **tx)
        .await?;
    row::all(rows)
}

/// The decision of a key, for a retry.
pub(crate) async fn load(tx: &mut WriteTx, key: &DecisionKey) -> Result<Option<Decision>, pg::Error> {
    let select = format!(
        "SELECT {COLUMNS} FROM decisions d
          WHERE d.tenant_id = $1 AND d.transition_id = $2 AND d.rule = $3 AND d.beneficiary_kind = $4 AND d.level = 0"
    );
    let row: Option<DecisionRow> = sqlx::query_as(AssertSqlSafe(select))
        .bind(&key.tenant)
        .bind(key.transition)
        .bind(key.rule.as_str())
        .bind(key.beneficiary.code())
        .fetch_optional(&mut **tx)
        .await?;
    row.map(Decision::try_from).transpose()
}

/// Puts what came of judging again in the place of parked decisions, each given once. What they observed stays, and no
/// other outcome is ever replaced (R5).
pub(crate) async fn replace(tx: &mut WriteTx, retried: &[Decision]) -> Result<(), pg::Error> {
    if retried.is_empty() {
        return Ok(());
    }
    let updated = sqlx::query(
        "UPDATE decisions d
            SET version = n.version, first_version = n.first_version, outcome = n.outcome, reward_id = n.reward_id,
                amount_minor = n.amount_minor, amount_currency = n.amount_currency, detail = n.detail,
                decided_at = n.decided_at, attempts = n.attempts
           FROM unnest($1::text[], $2::uuid[], $3::text[], $4::smallint[], $5::int[], $6::int[], $7::smallint[],
                       $8::uuid[], $9::bigint[], $10::text[], $11::text[], $12::timestamptz[], $13::int[])
                  AS n (tenant_id, transition_id, rule, beneficiary_kind, version, first_version, outcome,
                        reward_id, amount_minor, amount_currency, detail, decided_at, attempts)
          WHERE d.tenant_id = n.tenant_id AND d.transition_id = n.transition_id AND d.rule = n.rule
            AND d.beneficiary_kind = n.beneficiary_kind AND d.level = 0 AND d.outcome = $14",
    )
    .bind(observed(retried, |t| t.tenant.as_str()))
    .bind(observed(retried, |t| t.transition_id))
    .bind(each(retried, |d| d.rule.as_str()))
    .bind(each(retried, |d| d.beneficiary.code()))
    .bind(each(retried, |d| d.version))
    .bind(each(retried, |d| d.first_version))
    .bind(each(retried, |d| d.verdict.outcome.code()))
    .bind(each(retried, |d| d.reward))
    .bind(each(retried, |d| d.verdict.amount.map(|amount| amount.minor)))
    .bind(each(retried, |d| d.verdict.amount.as_ref().map(|amount| amount.currency.code())))
    .bind(each(retried, |d| d.verdict.detail.as_deref()))
    .bind(each(retried, |d| d.decided_at))
    .bind(each(retried, |d| d.attempts))
    .bind(Outcome::Parked.code())
    .execute(&mut **tx)
    .await?
    .rows_affected();
    // they were loaded as parked under the sequencer lock, so all still are
    if usize::try_from(updated) == Ok(retried.len()) {
        return Ok(());
    }
    Err(pg::Error::unreadable("decisions", format!("{updated} of {} rows replaced", retried.len())))
}

/// What decisions are asked for by.
#[derive(Debug, Clone)]
pub(crate) enum Of {
    /// The one behind a reward.
    Reward(RewardId),
    /// Those on a transition.
    Transition(TransitionId),
    /// Those on transitions of an order.
    Order(OrderId),
    /// Those on transitions of a contact's runs.
    Contact(ContactId),
}

/// Decisions of a tenant, those on the newest transition first.
pub(crate) async fn explain(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    of: &Of,
    limit: i64,
) -> Result<Vec<Decision>, pg::Error> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM decisions d WHERE d.tenant_id = ").push_bind(tenant);
    match of {
        // the reward names its decision's key, so that decisions need no index by reward
        Of::Reward(reward) => query
            .push(" AND d.reward_id = ")
            .push_bind(*reward)
            .push(" AND d.transition_id = (SELECT transition_id FROM rewards WHERE tenant_id = ")
            .push_bind(tenant)
            .push(" AND reward_id = ")
            .push_bind(*reward)
            .push(")"),
        Of::Transition(transition) => query.push(" AND d.transition_id = ").push_bind(*transition),
        Of::Order(order) => query.push(" AND d.order_id = ").push_bind(order.as_str()),
        Of::Contact(contact) => query.push(" AND d.contact_id = ").push_bind(*contact),
    };
    query.push(" ORDER BY d.transition_id DESC, d.rule, d.beneficiary_kind LIMIT ").push_bind(limit);
    row::all(query.build_query_as::<DecisionRow>().fetch_all(db).await?)
}

/// The end of a page: the key of its last decision.
pub(crate) type After = (TransitionId, RuleKey, Beneficiary);

/// A page of a tenant's decisions, those on the newest transition first.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    outcome: Option<Outcome>,
    after: Option<&After>,
    limit: i64,
) -> Result<Vec<Decision>, pg::Error> {
    let mut query = QueryBuilder::new("SELECT ");
    query.push(COLUMNS).push(" FROM decisions d WHERE d.tenant_id = ").push_bind(tenant);
    if let Some(outcome) = outcome {
        query.push(" AND d.outcome = ").push_bind(outcome.code());
    }
    if let Some((transition, rule, kind)) = after {
        query.push(" AND (d.transition_id, d.rule, d.beneficiary_kind) < (").push_bind(*transition);
        query.push(", ").push_bind(rule.as_str()).push(", ").push_bind(kind.code()).push(")");
    }
    query
        .push(" ORDER BY d.transition_id DESC, d.rule DESC, d.beneficiary_kind DESC LIMIT ")
        .push_bind(limit);
    row::all(query.build_query_as::<DecisionRow>().fetch_all(db).await?)
}
