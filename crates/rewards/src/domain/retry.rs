//! Judging a parked decision's rule again (R12).

use types::Timestamp;

use super::decision::{self, Decision, Outcome, Verdict};
use super::program::{Program, Rule};

/// A parked decision as it is after judging its rule again on what it recorded, at `now`, by the version that is in
/// force at the transition (R1); and the rule that judged. If that version has no such rule for the stage, nothing can
/// judge: it stays parked, by the version that parked it. The caller has made sure that it is parked: any other is
/// final (R5).
pub fn again<'p>(parked: &Decision, program: &'p Program, now: Timestamp) -> (Decision, Option<&'p Rule>) {
    let judge = program.judge(parked.transition.occurred_at);
    let same = |rule: &&Rule| rule.key == parked.rule && rule.beneficiary == parked.beneficiary;
    let rule = judge.rules().iter().find(same).filter(|rule| parked.transition.concerns(rule));
    let (version, verdict) = if let Some(rule) = rule {
        (judge.version(), decision::judge(judge, rule, &parked.transition))
    } else {
        let in_force = judge.version();
        let detail =
            format!("version {in_force} of the program, in force then, has no such rule for the stage");
        (parked.version, Verdict { outcome: Outcome::Parked, amount: None, detail: Some(detail) })
    };
    let attempts = parked.attempts.saturating_add(1);
    (Decision { version, verdict, decided_at: now, attempts, ..parked.clone() }, rule)
}
