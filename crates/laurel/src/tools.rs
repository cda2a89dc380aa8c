//! Commands that speak to running services, through their public RPCs only.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use proto::google::r#type::Money as WireMoney;
use proto::journeys::{ApplyJourneyRequest, GetFunnelRequest, GetFunnelResponse, GoalProgress};
use proto::orders::ImportOrdersOptions;
use proto::rewards::{
    ApplyProgramRequest, Decision, ExplainRewardRequest, VerifyLedgerRequest, VerifyLedgerResponse,
};
use types::{BasisPoints, Money};

use crate::cli::{ClientCommand, Target};
use crate::client::{Clients, explain};
use crate::import::import;

/// Width of the longest bar.
const BAR: i64 = 40;
/// How long verifying may take.
const VERIFY: Duration = Duration::from_hours(1);

/// Runs one command.
pub fn run(command: &ClientCommand) -> anyhow::Result<()> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor.block_on(async {
        match command {
            ClientCommand::Import { target, file, currency } => {
                import_file(&connect(target)?, file, currency).await
            }
            ClientCommand::Apply { target, file } => apply(&connect(target)?, file).await,
            ClientCommand::Funnel { target, journey } => funnel(&connect(target)?, journey).await,
            ClientCommand::Explain { target, order_id } => explain_order(&connect(target)?, order_id).await,
            ClientCommand::Verify { target } => verify(&connect(target)?).await,
        }
    })
}

fn connect(target: &Target) -> anyhow::Result<Clients> {
    let tenant = target.tenant.parse().map_err(|e| anyhow::anyhow!("tenant `{}` {e}", target.tenant))?;
    let channel = rpc::channel::connect(&target.address).map_err(|_| {
        anyhow::anyhow!("`{}` is not an address such as http://127.0.0.1:7600", target.address)
    })?;
    Ok(Clients::new(channel, &tenant))
}

async fn import_file(clients: &Clients, path: &Path, currency: &str) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let options = ImportOrdersOptions { default_currency: currency.to_owned(), ..Default::default() };
    let summary = import(
        clients,
        file,
        options,
        |counts| eprint!("\r{} rows", counts.rows),
        |row| eprintln!("\rline {}, column {}: {}", row.line, row.column, row.message),
    )
    .await?;
    eprintln!();
    println!(
        "{} recorded, {} already recorded, {} updated, {} rejected",
        summary.recorded, summary.already_recorded, summary.updated, summary.rejected
    );
    anyhow::ensure!(summary.rejected == 0, "{} rows were rejected", summary.rejected);
    Ok(())
}

async fn apply(clients: &Clients, path: &Path) -> anyhow::Result<()> {
    let definition =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let begins_with = |key: &str| definition.lines().any(|line| line.starts_with(key));
    if begins_with("journey:") {
        let request = ApplyJourneyRequest { definition, base_version: 0 };
        let answer = clients.journeys.clone().apply_journey(request).await.map_err(explain)?.into_inner();
        let journey = answer.journey.unwrap_or_default();
        say(&format!("journey {}", journey.journey), journey.version, answer.changed);
    } else if begins_with("program:") {
        let request = ApplyProgramRequest { definition, base_version: 0 };
        let answer = clients.programs.clone().apply_program(request).await.map_err(explain)?.into_inner();
        let program = answer.program.unwrap_or_default();
        say(&format!("program of campaign {}", program.campaign_id), program.version, answer.changed);
    } else {
        anyhow::bail!("{} has neither `journey:` nor `program:`", path.display());
    }
    Ok(())
}

fn say(what: &str, version: i32, changed: bool) {
    println!("{what}: version {version}{}", if changed { "" } else { ", unchanged" });
}

async fn funnel(clients: &Clients, journey: &str) -> anyhow::Result<()> {
    let request = GetFunnelRequest { journey: journey.to_owned(), campaign_id: String::new() };
    let answer = clients.funnels.clone().get_funnel(request).await.map_err(explain)?.into_inner();
    for line in funnel_lines(&answer) {
        println!("{line}");
    }
    Ok(())
}

async fn explain_order(clients: &Clients, order_id: &str) -> anyhow::Result<()> {
    let request = ExplainRewardRequest { order_id: order_id.to_owned(), ..Default::default() };
    let answer = clients.rewards.clone().explain_reward(request).await.map_err(explain)?.into_inner();
    anyhow::ensure!(!answer.decisions.is_empty(), "no rule has considered a transition of order {order_id}");
    for decision in &answer.decisions {
        println!("{}", decision_line(decision));
    }
    Ok(())
}

async fn verify(clients: &Clients) -> anyhow::Result<()> {
    let answer = verify_ledger(clients).await?;
    for difference in &answer.differences {
        println!("{} {}: {}", difference.kind, difference.id, difference.detail);
    }
    println!(
        "{} decisions, {} rewards, {} postings, {} transitions compared",
        answer.decisions, answer.rewards, answer.postings, answer.transitions
    );
    anyhow::ensure!(answer.balanced, "{} differences", answer.differences.len());
    Ok(())
}

/// Verifies the whole ledger, which takes its time where there is much of it.
pub(crate) async fn verify_ledger(clients: &Clients) -> anyhow::Result<VerifyLedgerResponse> {
    let mut request = tonic::Request::new(VerifyLedgerRequest {});
    request.set_timeout(VERIFY);
    Ok(clients.ledger.clone().verify_ledger(request).await.map_err(explain)?.into_inner())
}

/// A funnel as bars: runs that entered each stage, and how many of the step before did; then the goal, if there is one.
pub(crate) fn funnel_lines(funnel: &GetFunnelResponse) -> Vec<String> {
    let most = funnel.stages.iter().map(|stage| stage.entered).max().unwrap_or(0).max(1);
    let mut before = None;
    let mut lines = Vec::with_capacity(funnel.stages.len());
    for stage in &funnel.stages {
        let bar = usize::try_from(stage.entered * BAR / most).unwrap_or(0);
        let from = match before {
            Some(entered) if entered > 0 && !stage.exception => {
                let permille = stage.converted_from_previous * 1000 / entered;
                format!("{:>3}.{} % of the step before", permille / 10, permille % 10)
            }
            _ => String::new(),
        };
        let (name, count, times) = (&stage.stage, stage.entered, stage.transitions);
        lines.push(format!(
            "  {name:<18} {:<40} {count:>7} runs  {times:>7} entries  {from}",
            "█".repeat(bar)
        ));
        before = (!stage.exception).then_some(stage.entered).or(before);
    }
    lines.extend(funnel.goal_progress.as_ref().and_then(goal_line));
    lines
}

/// A goal and how near it is.
fn goal_line(progress: &GoalProgress) -> Option<String> {
    let goal = progress.goal.as_ref()?;
    let by = goal.by.as_ref()?;
    let percent = |points: i64| BasisPoints(u32::try_from(points).unwrap_or(u32::MAX));
    Some(format!(
        "  goal: {} of the first step in {} by {:04}-{:02}-{:02}; {} so far",
        percent(goal.rate_basis_points.into()),
        goal.stage,
        by.year,
        by.month,
        by.day,
        percent(progress.reached_basis_points)
    ))
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

fn money(wire: &WireMoney) -> Option<Money> {
    Money::from_units(wire.units, wire.nanos, wire.currency_code.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proto::google::r#type::Date;
    use proto::journeys::Goal;

    use super::*;

    #[test]
    fn j1_a_funnel_ends_with_the_goal_and_how_near_it_is() {
        let by = Some(Date { year: 2026, month: 3, day: 9 });
        let goal = Goal { stage: "won".into(), rate_basis_points: 1250, by };
        let progress = |goal| Some(GoalProgress { goal, reached_basis_points: 705 });
        let funnel = GetFunnelResponse { goal_progress: progress(Some(goal)), ..Default::default() };
        let wanted = "  goal: 12.5% of the first step in won by 2026-03-09; 7.05% so far";
        assert_eq!(funnel_lines(&funnel), [wanted]);
        assert!(funnel_lines(&GetFunnelResponse::default()).is_empty());
    }
}
