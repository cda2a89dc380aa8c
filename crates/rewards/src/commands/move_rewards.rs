//! Approving, denying, reopening and fulfilling by hand (R3): a slice of moves, each seeing those before it.

use std::collections::HashMap;
use std::sync::Arc;

use batch::{Prepared, Refused, Work};
use pg::{Audit, Database};
use types::{Clock, Origin, RewardId, TenantId};

use super::fire_holds;
use crate::domain::book::Who;
use crate::domain::effects::Effects;
use crate::domain::receivables::Debtor;
use crate::domain::reward::{HandMove, NotAllowed, Reward};
use crate::store::{clocks, effects, facts, moves, receivables, rewards};

/// One hand move.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    /// Whose.
    pub(crate) tenant: TenantId,
    /// Who makes it, how, and under which trace.
    pub(crate) origin: Origin,
    /// The reward.
    pub(crate) reward: RewardId,
    /// What to do.
    pub(crate) action: HandMove,
}

/// Why a move was not made.
#[derive(Debug)]
pub(crate) enum Error {
    /// There is no such reward.
    NotFound(RewardId),
    /// Its state does not allow it.
    NotAllowed(NotAllowed),
    /// The slice failed.
    Refused(Refused),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Carries out hand moves.
#[derive(Debug)]
pub(crate) struct MoveRewards {
    /// Where the rewards are.
    pub(crate) db: Database,
    /// The real clock.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Work for MoveRewards {
    type Command = Command;
    type Prepared = Command;
    type Answer = ();
    type Error = Error;

    fn weight(command: &Command) -> usize {
        let reason = if let HandMove::Deny(reason) = &command.action { reason.len() } else { 0 };
        size_of::<Command>() + reason
    }

    fn is_transient(error: &Error) -> bool {
        matches!(error, Error::Refused(refused) if refused.is_transient())
    }

    async fn prepare(&self, commands: Vec<Command>) -> Vec<Prepared<Command, (), Error>> {
        commands.into_iter().map(Prepared::Apply).collect()
    }

    async fn apply(&self, slice: &[Command]) -> Result<Vec<Result<(), Error>>, pg::Error> {
        let keys: Vec<_> = slice.iter().map(|command| (&command.tenant, command.reward)).collect();
        let tenants: Vec<_> = slice.iter().map(|command| &command.tenant).collect();
        let mut tx = self.db.write().await?;
        let mut rewards = rewards::load(&mut tx, &keys).await?;
        let mut last = moves::last(&mut tx, &keys).await?;
        let shows = clocks::load(&mut *tx, &tenants).await?;
        let debtors: Vec<Debtor> = rewards.values().map(Reward::debtor).collect();
        let receivables = receivables::load(&mut tx, &debtors).await?;
        let contacts: Vec<Who> = debtors.into_iter().map(|debtor| (debtor.tenant, debtor.contact)).collect();
        let standings = facts::standings(&mut *tx, &contacts).await?;
        let mut effects = Effects { receivables, ..Effects::default() };
        let mut audit = Audit::default();
        let mut answers = Vec::with_capacity(slice.len());
        let before: HashMap<_, _> =
            rewards.iter().map(|(key, reward)| (key.clone(), reward.posted)).collect();
        for command in slice {
            let key = (command.tenant.clone(), command.reward);
            let Some(reward) = rewards.get_mut(&key) else {
                answers.push(Err(Error::NotFound(command.reward)));
                continue;
            };
            let shown = shows.get(&command.tenant).copied();
            let at = rpc::fields::tenant_now(&command.tenant, shown, self.clock.as_ref());
            if reward.is_due(at) {
                audit.note(&command.tenant, &fire_holds::origin(), command.reward);
            }
            let moved = reward.by_hand(&command.action, last.get(&key), at, &mut effects);
            let standing = standings.get(&(command.tenant.clone(), reward.beneficiary));
            if let (Ok(true), HandMove::Reopen) = (&moved, &command.action)
                && let Some(event) = standing.and_then(|standing| standing.held_up_by())
            {
                reward.flag(event, at, &mut effects);
            }
            effects.sign(command.origin.traceparent.as_ref());
            if let Ok(true) = moved {
                audit.note(&command.tenant, &command.origin, command.reward);
                last.insert(key, command.action.clone());
            }
            answers.push(moved.map(|_| ()).map_err(Error::NotAllowed));
        }
        // every change is a step
        rewards.retain(|key, reward| before.get(key) != Some(&reward.posted));
        effects.changed = rewards.into_values().collect();
        if effects.facts.is_empty() {
            tx.rollback().await?;
            return Ok(answers);
        }
        effects::save(&mut tx, &effects, &audit, self.clock.now()).await?;
        tx.commit().await?;
        Ok(answers)
    }
}
