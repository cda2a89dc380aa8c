//! `laurel explain`: the decisions on an order, or why there are none.

use proto::attribution::{InactiveReason, UnresolvedReason};
use proto::google::r#type::Money as WireMoney;
use proto::orders::{GetOrderRequest, Order};
use proto::rewards::{Decision, ExplainRewardRequest, RewardTurn, TurnKind};
use tonic::Code;
use types::Money;

use crate::client::Clients;
use crate::refusal::{Exit, Refused, explain};

/// Prints every decision on an order; without any, the error says why.
pub(super) async fn explain_order(clients: &Clients, order_id: &str, tenant: &str) -> anyhow::Result<()> {
    anyhow::ensure!(!order_id.is_empty(), "the id of the order is empty");
    let request = ExplainRewardRequest { order_id: order_id.to_owned(), ..Default::default() };
    let answer = clients.rewards.clone().explain_reward(request).await.map_err(explain)?.into_inner();
    if answer.decisions.is_empty() {
        return Err(undecided(clients, order_id, tenant).await);
    }
    for decision in &answer.decisions {
        println!("{}", decision_line(decision));
    }
    for turn in &answer.turns {
        println!("{}", turn_line(turn));
    }
    Ok(())
}

/// Why there is no decision on an order.
async fn undecided(clients: &Clients, order_id: &str, tenant: &str) -> anyhow::Error {
    let request = GetOrderRequest { order_id: order_id.to_owned(), source: String::new() };
    match clients.orders.clone().get_order(request).await {
        Ok(answer) => anyhow::anyhow!("{}", why_undecided(&answer.into_inner().order.unwrap_or_default())),
        Err(status) if status.code() == Code::NotFound => {
            Refused::new(Exit::NotFound, format!("no such order {order_id} in tenant {tenant}")).into()
        }
        Err(status) => explain(status),
    }
}

/// Why there is no decision on an order that is recorded.
fn why_undecided(order: &Order) -> String {
    let id = &order.order_id;
    let outcome = outcome(order);
    if order.campaign_id.is_empty() {
        return format!(
            "order {id} is recorded without a campaign and so never yields a reward (O5); \
             its attribution: {outcome}"
        );
    }
    if order.attribution_id.is_empty() {
        return format!("order {id} is not attributed: {outcome}; no rule has considered it");
    }
    format!("nothing has considered order {id} of campaign {} yet", order.campaign_id)
}

/// How the attempt to attribute an order ended, with its reason: `UNRESOLVED UNKNOWN_CODE`.
fn outcome(order: &Order) -> String {
    let mut words = vec![order.outcome().as_str_name().trim_start_matches("OUTCOME_")];
    if order.inactive_reason() != InactiveReason::Unspecified {
        words.push(order.inactive_reason().as_str_name().trim_start_matches("INACTIVE_REASON_"));
    }
    if order.unresolved_reason() != UnresolvedReason::Unspecified {
        words.push(order.unresolved_reason().as_str_name().trim_start_matches("UNRESOLVED_REASON_"));
    }
    words.join(" ")
}

/// A decision as a few words.
pub(crate) fn decision_line(decision: &Decision) -> String {
    let outcome = decision.outcome().as_str_name().trim_start_matches("DECISION_OUTCOME_").to_owned();
    let kind =
        decision.beneficiary_kind().as_str_name().trim_start_matches("BENEFICIARY_KIND_").to_lowercase();
    let mut words = vec![format!(
        "  {outcome}: rule {} for the {kind} on {} of {}",
        decision.rule, decision.stage, decision.journey
    )];
    if !decision.order_id.is_empty() {
        words.push(format!(", order {}", decision.order_id));
    }
    words.extend(decision.revenue.as_ref().and_then(money).map(|revenue| format!(" of {revenue}")));
    words.extend(decision.amount.as_ref().and_then(money).map(|amount| format!(" -> {amount}")));
    if !decision.condition.is_empty() {
        words.push(format!("; condition `{}`", decision.condition));
    }
    if !decision.detail.is_empty() {
        words.push(format!("; {}", decision.detail));
    }
    words.push(format!(
        " (program version {}, transition {})",
        decision.program_version, decision.transition_id
    ));
    words.concat()
}

/// What a refund, a flag or a debt did to a reward, as a few words.
fn turn_line(turn: &RewardTurn) -> String {
    let kind = turn.kind().as_str_name().trim_start_matches("TURN_KIND_");
    let amount = turn.amount.as_ref().and_then(money);
    let meaning = match (turn.kind(), amount) {
        (TurnKind::Refunded, Some(due)) => format!(": due from then on {due}"),
        (TurnKind::Netted, Some(owed)) => format!(": the beneficiary owed {owed}"),
        _ => String::new(),
    };
    let event = if turn.event_id.is_empty() { String::new() } else { format!(", event {}", turn.event_id) };
    format!("  {kind}{meaning} (reward {}, step {}{event})", turn.reward_id, turn.number)
}

fn money(wire: &WireMoney) -> Option<Money> {
    Money::from_units(wire.units, wire.nanos, wire.currency_code.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proto::attribution::Outcome;

    use super::*;

    fn order(campaign: &str, attribution: &str) -> Order {
        Order {
            order_id: "o1".to_owned(),
            campaign_id: campaign.to_owned(),
            attribution_id: attribution.to_owned(),
            outcome: Outcome::Attributed.into(),
            ..Default::default()
        }
    }

    fn unknown_code(campaign: &str) -> Order {
        Order {
            outcome: Outcome::Unresolved.into(),
            unresolved_reason: UnresolvedReason::UnknownCode.into(),
            ..order(campaign, "")
        }
    }

    #[test]
    fn o5_an_order_without_campaign_is_said_to_yield_nothing() {
        let wanted = "order o1 is recorded without a campaign and so never yields a reward (O5); \
                      its attribution: UNRESOLVED UNKNOWN_CODE";
        assert_eq!(why_undecided(&unknown_code("")), wanted);
    }

    #[test]
    fn o7_of_an_unattributed_order_the_outcome_is_said() {
        let wanted = "order o1 is not attributed: UNRESOLVED UNKNOWN_CODE; no rule has considered it";
        assert_eq!(why_undecided(&unknown_code("spring")), wanted);
        let own = Order {
            outcome: Outcome::LoggedInactive.into(),
            inactive_reason: InactiveReason::SelfReferral.into(),
            ..order("spring", "")
        };
        let wanted = "order o1 is not attributed: LOGGED_INACTIVE SELF_REFERRAL; no rule has considered it";
        assert_eq!(why_undecided(&own), wanted);
    }

    #[test]
    fn an_attributed_order_is_waiting_to_be_considered() {
        let wanted = "nothing has considered order o1 of campaign spring yet";
        assert_eq!(why_undecided(&order("spring", "a")), wanted);
    }
}
