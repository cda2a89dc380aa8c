//! Rows to strict types. A stored value that cannot be read is named by table and column.

use std::str::FromStr;

use sqlx::FromRow;
use types::{
    AttributionId, CampaignId, ContactId, Currency, EventId, JourneyKey, Money, OrderId, RewardId, RuleKey,
    StageKey, TenantId, Timestamp, TransitionId,
};

use super::codes::Code;
use crate::domain::decision::{Decision, Order, Outcome, Transition, Verdict};
use crate::domain::effects::RewardView;
use crate::domain::program::{Approval, Beneficiary, Fulfilment};
use crate::domain::reward::{Reward, State};

/// A currency code as stored.
pub(crate) fn currency(place: &'static str, code: &str) -> Result<Currency, pg::Error> {
    Currency::from_str(code).map_err(|_| pg::Error::unreadable(place, code))
}

/// A row of `decisions`.
#[derive(FromRow)]
pub(crate) struct DecisionRow {
    tenant_id: TenantId,
    transition_id: TransitionId,
    rule: RuleKey,
    beneficiary_kind: i16,
    campaign_id: CampaignId,
    version: i32,
    outcome: i16,
    reward_id: Option<RewardId>,
    amount_minor: Option<i64>,
    amount_currency: Option<String>,
    detail: Option<String>,
    journey: JourneyKey,
    stage: StageKey,
    number: i32,
    inferred: bool,
    occurrence_key: String,
    contact_id: ContactId,
    advocate_id: Option<ContactId>,
    attribution_id: Option<AttributionId>,
    order_id: Option<OrderId>,
    order_source: Option<String>,
    revenue_minor: Option<i64>,
    refunded_minor: Option<i64>,
    order_currency: Option<String>,
    external_status: Option<String>,
    hubspot_dealstage: Option<String>,
    event_id: EventId,
    occurred_at: Timestamp,
    decided_at: Timestamp,
    first_version: Option<i32>,
    attempts: i32,
    carried: bool,
}

impl TryFrom<DecisionRow> for Decision {
    type Error = pg::Error;

    fn try_from(mut row: DecisionRow) -> Result<Self, pg::Error> {
        let order = row.order()?;
        let amount = match (row.amount_minor, &row.amount_currency) {
            (Some(minor), Some(code)) => {
                Some(Money::new(minor, currency("decisions.amount_currency", code)?))
            }
            _ => None,
        };
        Ok(Self {
            rule: row.rule,
            beneficiary: Beneficiary::read("decisions.beneficiary_kind", row.beneficiary_kind)?,
            version: row.version,
            first_version: row.first_version.unwrap_or(row.version),
            verdict: Verdict {
                outcome: Outcome::read("decisions.outcome", row.outcome)?,
                amount,
                detail: row.detail,
            },
            reward: row.reward_id,
            decided_at: row.decided_at,
            attempts: row.attempts,
            transition: Transition {
                tenant: row.tenant_id,
                transition_id: row.transition_id,
                event_id: row.event_id,
                campaign: row.campaign_id,
                journey: row.journey,
                stage: row.stage,
                number: row.number,
                inferred: row.inferred,
                carried: row.carried,
                occurrence_key: row.occurrence_key,
                contact: row.contact_id,
                attribution: row.attribution_id.zip(row.advocate_id),
                order,
                occurred_at: row.occurred_at,
            },
        })
    }
}

impl DecisionRow {
    fn order(&mut self) -> Result<Option<Order>, pg::Error> {
        let (Some(order_id), Some(minor), Some(code)) =
            (self.order_id.take(), self.revenue_minor, &self.order_currency)
        else {
            return Ok(None);
        };
        Ok(Some(Order {
            order_id,
            source: self.order_source.take().unwrap_or_default(),
            revenue: Money::new(minor, currency("decisions.order_currency", code)?),
            refunded_minor: self.refunded_minor.unwrap_or(0),
            external_status: self.external_status.take().unwrap_or_default(),
            hubspot_dealstage: self.hubspot_dealstage.take().unwrap_or_default(),
        }))
    }
}

/// A row of `rewards`.
#[derive(FromRow)]
pub(crate) struct RewardRow {
    tenant_id: TenantId,
    reward_id: RewardId,
    transition_id: TransitionId,
    rule: RuleKey,
    beneficiary_kind: i16,
    campaign_id: CampaignId,
    beneficiary_id: ContactId,
    amount_minor: i64,
    currency: String,
    state: i16,
    automatic: bool,
    on_approval: bool,
    occurred_at: Timestamp,
    hold_until: Timestamp,
    posted: i32,
    denied_reason: Option<String>,
}

impl TryFrom<RewardRow> for Reward {
    type Error = pg::Error;

    fn try_from(row: RewardRow) -> Result<Self, pg::Error> {
        Ok(Self {
            tenant: row.tenant_id,
            reward_id: row.reward_id,
            transition: row.transition_id,
            rule: row.rule,
            beneficiary_kind: Beneficiary::read("rewards.beneficiary_kind", row.beneficiary_kind)?,
            campaign: row.campaign_id,
            beneficiary: row.beneficiary_id,
            amount: Money::new(row.amount_minor, currency("rewards.currency", &row.currency)?),
            state: State::read("rewards.state", row.state)?,
            approval: if row.automatic { Approval::Automatic } else { Approval::ByHand },
            fulfilment: if row.on_approval { Fulfilment::OnApproval } else { Fulfilment::ByHand },
            occurred_at: row.occurred_at,
            hold_until: row.hold_until,
            posted: row.posted,
            denied_reason: row.denied_reason,
        })
    }
}

/// A row of `rewards` joined with its decision.
#[derive(FromRow)]
pub(crate) struct ViewRow {
    #[sqlx(flatten)]
    reward: RewardRow,
    version: i32,
    order_id: Option<OrderId>,
    attribution_id: Option<AttributionId>,
    contact_id: ContactId,
}

impl TryFrom<ViewRow> for RewardView {
    type Error = pg::Error;

    fn try_from(row: ViewRow) -> Result<Self, pg::Error> {
        Ok(Self {
            reward: row.reward.try_into()?,
            version: row.version,
            order_id: row.order_id,
            attribution: row.attribution_id,
            contact: row.contact_id,
        })
    }
}

/// All rows to strict types.
pub(crate) fn all<R, T>(rows: Vec<R>) -> Result<Vec<T>, pg::Error>
where
    T: TryFrom<R, Error = pg::Error>,
{
    rows.into_iter().map(T::try_from).collect()
}
