//! Judging a parked decision again (R12). Its key makes that safe to repeat (R5): one that is not parked is final.

use std::collections::HashSet;

use pg::{Audit, Database};
use types::{Origin, Timestamp};

use super::follow;
use super::judge_transitions::{act, warn_if_parked};
use crate::domain::decision::{Decision, DecisionKey, Outcome};
use crate::domain::effects::Effects;
use crate::domain::retry;
use crate::store::programs::Programs;
use crate::store::{decisions, effects};

/// Why nothing was retried.
#[derive(Debug)]
pub(crate) enum Error {
    /// There is no such decision.
    NotFound(DecisionKey),
    /// The database failed.
    Database(pg::Error),
}

impl From<pg::Error> for Error {
    fn from(error: pg::Error) -> Self {
        Self::Database(error)
    }
}

/// Judges the decision of `key` again if it is parked; decision, reward, posting and event commit together. The
/// decision as it is now, and whether this call judged it. `now` is the real clock.
pub(crate) async fn retry(
    db: &Database,
    programs: &Programs,
    key: DecisionKey,
    origin: &Origin,
    now: Timestamp,
) -> Result<(Decision, bool), Error> {
    let mut tx = db.write().await?;
    let Some(decision) = decisions::load(&mut tx, &key).await? else {
        tx.rollback().await?;
        return Err(Error::NotFound(key));
    };
    if decision.verdict.outcome != Outcome::Parked {
        tx.rollback().await?;
        return Ok((decision, false));
    }
    let campaign = (key.tenant, decision.transition.campaign.clone());
    let programs = programs.load(&mut tx, &HashSet::from([campaign.clone()])).await?;
    // a decision comes of a program, and versions are never removed
    let missing = || pg::Error::unreadable("program_versions", &campaign.1);
    let program = programs.get(&campaign).ok_or_else(missing)?;
    let mut book = follow::about(&mut tx, &decision).await?;
    let mut effects = Effects::default();
    let (mut decision, rule) = retry::again(&decision, program, now);
    warn_if_parked(&decision);
    if let Some(rule) = rule {
        act(&mut decision, rule, now, &mut book, &mut effects);
    }
    book.close(&mut effects);
    effects.sign(origin.traceparent.as_ref());
    effects.retried.push(decision.clone());
    let mut audit = Audit::default();
    audit.note(&decision.transition.tenant, origin, decision.transition.transition_id);
    if let Some(reward) = decision.reward {
        audit.note(&decision.transition.tenant, origin, reward);
    }
    effects::save(&mut tx, &effects, &audit, now).await?;
    tx.commit().await?;
    Ok((decision, true))
}
