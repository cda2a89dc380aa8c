//! What came of it, for people and for programs.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use proto::common::ContactRef;
use proto::rewards::{DecisionOutcome, ExplainRewardRequest, ListDecisionsRequest};
use serde::Serialize;
use types::Money;

use super::totals::{Sum, Totals};
use crate::client::Clients;
use crate::refusal::explain;
use crate::show;
use crate::tools::{decision_line, funnel_lines};

/// How many advocates are shown.
const BEST: usize = 10;

#[derive(Serialize)]
struct Json {
    orders: u64,
    revenue: String,
    contacts: u64,
    attributions_active: u64,
    transitions: BTreeMap<String, i64>,
    rewards: JsonRewards,
    ledger_balanced: bool,
    seconds: f64,
}

#[derive(Serialize)]
struct JsonRewards {
    by_rule: BTreeMap<String, JsonSum>,
    by_state: BTreeMap<String, JsonSum>,
}

#[derive(Serialize)]
struct JsonSum {
    count: u64,
    amount: String,
}

/// One JSON object on standard output.
pub(super) fn print_json(totals: &Totals, seconds: Duration) -> anyhow::Result<()> {
    let sums = |by: &BTreeMap<String, Sum>| {
        let json = |sum: &Sum| JsonSum { count: sum.count, amount: decimal(totals, sum.minor) };
        by.iter().map(|(key, sum)| (key.clone(), json(sum))).collect()
    };
    let json = Json {
        orders: totals.orders,
        revenue: decimal(totals, totals.revenue),
        contacts: totals.contacts,
        attributions_active: totals.attributions_active,
        transitions: totals.funnel.stages.iter().map(|s| (s.stage.clone(), s.transitions)).collect(),
        rewards: JsonRewards { by_rule: sums(&totals.by_rule), by_state: sums(&totals.by_state) },
        ledger_balanced: totals.verified.balanced,
        seconds: (seconds.as_secs_f64() * 10.0).round() / 10.0,
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &json)?;
    writeln!(out)?;
    Ok(())
}

/// Tables and bars on standard output.
pub(super) async fn print(clients: &Clients, totals: &Totals, seconds: Duration) -> anyhow::Result<()> {
    let mut text = String::new();
    let mut line = |s: String| {
        text.push_str(&s);
        text.push('\n');
    };
    line(format!(
        "\n{} orders, {} of revenue, {} contacts, {} active attributions, in {:.1} s\n",
        totals.orders,
        amount(totals, totals.revenue),
        totals.contacts,
        totals.attributions_active,
        seconds.as_secs_f64()
    ));
    line("Funnel".to_owned());
    funnel_lines(&totals.funnel, show::width()).into_iter().for_each(&mut line);
    line("\nRewards by rule and state".to_owned());
    for ((rule, state), sum) in &totals.by_rule_and_state {
        line(format!("  {rule:<18} {state:<10} {:>7}  {:>18}", sum.count, amount(totals, sum.minor)));
    }
    line("\nBest advocates".to_owned());
    for (contact, sum) in totals.advocates.iter().take(BEST) {
        let email = email_of(clients, contact).await?;
        line(format!("  {email:<24} {:>5} rewards  {:>14}", sum.count, amount(totals, sum.minor)));
    }
    explain_both(clients, totals, &mut line).await?;
    line(format!(
        "\nLedger: {}; {} decisions, {} rewards, {} postings and {} transitions compared, {} differences",
        if totals.verified.balanced { "balanced" } else { "NOT BALANCED" },
        totals.verified.decisions,
        totals.verified.rewards,
        totals.verified.postings,
        totals.verified.transitions,
        totals.verified.differences.len()
    ));
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

async fn explain_both(
    clients: &Clients,
    totals: &Totals,
    line: &mut impl FnMut(String),
) -> anyhow::Result<()> {
    if let Some(reward) = &totals.a_reward {
        line("\nWhy this reward".to_owned());
        let request = ExplainRewardRequest { reward_id: reward.reward_id.clone(), ..Default::default() };
        let answer = clients.rewards.clone().explain_reward(request).await.map_err(explain)?.into_inner();
        answer.decisions.iter().map(decision_line).for_each(&mut *line);
    }
    let request = ListDecisionsRequest {
        page_size: 1,
        outcome: DecisionOutcome::NoAttribution.into(),
        ..Default::default()
    };
    let answer = clients.rewards.clone().list_decisions(request).await.map_err(explain)?.into_inner();
    if !answer.decisions.is_empty() {
        line("\nWhy no reward".to_owned());
    }
    answer.decisions.iter().map(decision_line).for_each(&mut *line);
    Ok(())
}

async fn email_of(clients: &Clients, contact_id: &str) -> anyhow::Result<String> {
    let contact = ContactRef { contact_id: contact_id.to_owned(), ..Default::default() };
    let request = proto::attribution::GetContactRequest { contact: Some(contact) };
    let answer = clients.contacts.clone().get_contact(request).await.map_err(explain)?.into_inner();
    Ok(answer.contact.map(|contact| contact.email).unwrap_or_default())
}

fn decimal(totals: &Totals, minor: i64) -> String {
    Money::new(minor, totals.currency).to_decimal()
}

fn amount(totals: &Totals, minor: i64) -> String {
    Money::new(minor, totals.currency).to_string()
}
