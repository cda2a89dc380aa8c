//! Commands that speak to running services, through their public RPCs only.

mod apply;
mod audit;
mod decisions;

use std::time::Duration;

use proto::journeys::{GetFunnelRequest, GetFunnelResponse, GoalProgress};
use proto::rewards::{VerifyLedgerRequest, VerifyLedgerResponse};
use types::BasisPoints;

use crate::cli::ClientCommand;
use crate::client::Clients;
use crate::refusal::explain;
use crate::target;

pub(crate) use decisions::decision_line;

/// Width of the longest bar.
const BAR: i64 = 40;
/// How long verifying may take.
const VERIFY: Duration = Duration::from_hours(1);

/// Runs one command.
pub fn run(command: &ClientCommand) -> anyhow::Result<()> {
    match command {
        ClientCommand::Apply { target, file } => {
            target::speak(target, async |clients| apply::apply(&clients, file).await)
        }
        ClientCommand::Funnel { target, journey } => {
            target::speak(target, async |clients| funnel(&clients, journey).await)
        }
        ClientCommand::Explain { target, order_id } => target::speak(target, async |clients| {
            decisions::explain_order(&clients, order_id, &target.tenant).await
        }),
        ClientCommand::Audit { target, arguments } => target::speak(target, async |clients| {
            audit::audit(&clients.audits, arguments, &target.tenant).await
        }),
        ClientCommand::Verify { target } => {
            target::speak(target, async |clients| verify(&clients, &target.tenant).await)
        }
    }
}

async fn funnel(clients: &Clients, journey: &str) -> anyhow::Result<()> {
    let request = GetFunnelRequest { journey: journey.to_owned(), campaign_id: String::new() };
    let answer = clients.funnels.clone().get_funnel(request).await.map_err(explain)?.into_inner();
    for line in funnel_lines(&answer) {
        println!("{line}");
    }
    Ok(())
}

async fn verify(clients: &Clients, tenant: &str) -> anyhow::Result<()> {
    let answer = verify_ledger(clients).await?;
    for difference in &answer.differences {
        println!("{} {}: {}", difference.kind, difference.id, difference.detail);
    }
    println!("{}", verified(&answer, tenant));
    let differences = i64::try_from(answer.differences.len())?;
    anyhow::ensure!(answer.balanced, "{}", counted(differences, "difference"));
    Ok(())
}

/// What was compared, and whether all of it agrees.
fn verified(answer: &VerifyLedgerResponse, tenant: &str) -> String {
    let counts = [
        (answer.decisions, "decision"),
        (answer.rewards, "reward"),
        (answer.postings, "posting"),
        (answer.transitions, "transition"),
    ];
    let result = if answer.balanced { "balanced" } else { "not balanced" };
    if counts.iter().all(|(number, _)| *number == 0) {
        return format!("{result}: tenant {tenant} has no decisions, there is nothing to compare");
    }
    let counts = counts.map(|(number, what)| counted(number, what));
    format!("{result}: {} compared", counts.join(", "))
}

/// A number and what it counts: `1 row`, `2 rows`.
pub(crate) fn counted(number: i64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
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

    #[test]
    fn r10_verifying_says_whether_the_ledger_balances() {
        let answer = |balanced, decisions| VerifyLedgerResponse {
            balanced,
            decisions,
            rewards: decisions / 2,
            postings: decisions,
            ..Default::default()
        };
        let wanted = "balanced: 2 decisions, 1 reward, 2 postings, 0 transitions compared";
        assert_eq!(verified(&answer(true, 2), "t"), wanted);
        assert!(verified(&answer(false, 2), "t").starts_with("not balanced: 2 decisions,"));
        let wanted = "balanced: tenant t has no decisions, there is nothing to compare";
        assert_eq!(verified(&answer(true, 0), "t"), wanted);
    }
}
