//! Commands that speak to running services, through their public RPCs only.

pub(crate) mod apply;
mod audit;
mod decisions;
mod funnel;

use std::time::Duration;

use proto::rewards::{VerifyLedgerRequest, VerifyLedgerResponse};

use crate::cli::ClientCommand;
use crate::client::Clients;
use crate::refusal::explain;
use crate::target;

pub(crate) use decisions::decision_line;
pub(crate) use funnel::funnel_lines;

/// How long verifying may take.
const VERIFY: Duration = Duration::from_hours(1);

/// Runs one command.
pub fn run(command: &ClientCommand) -> anyhow::Result<()> {
    match command {
        ClientCommand::Apply { target, file } => {
            target::speak(target, async |clients| apply::apply(&clients, file).await)
        }
        ClientCommand::Funnel { target, arguments } => {
            target::speak(target, async |clients| funnel::funnel(&clients, arguments).await)
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

#[cfg(test)]
mod tests {
    use super::*;

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
