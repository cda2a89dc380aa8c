//! EnterStage: entries by call, many in one transaction.

use std::collections::{HashMap, HashSet};

use batch::{Prepared, Refused, Work};
use observe::metrics::{Duplicate, duplicates};
use pg::{Audit, Database, WriteTx};
use rpc::fields;
use types::{JourneyKey, Origin, StageKey, TenantId, Timestamp, TransitionId};

use super::{Engine, conclude};
use crate::domain::attribution;
use crate::domain::effects::Effects;
use crate::domain::event::{OccurrenceKey, Place, Transition};
use crate::domain::slice::{EnterStage, Fact, Slice, Violation};
use crate::store::load::{self, Wanted};
use crate::store::{projections, read};

/// A call as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Who calls, how, and under which trace.
    pub(crate) origin: Origin,
    pub(crate) place: Place,
    pub(crate) journey: JourneyKey,
    pub(crate) stage: StageKey,
    pub(crate) key: OccurrenceKey,
    /// Default: now, by the tenant's clock.
    pub(crate) occurred_at: Option<Timestamp>,
}

/// What a caller gets.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) transition: Transition,
    /// Whether this call made it.
    pub(crate) new: bool,
}

/// Why a call fails.
#[derive(Debug)]
pub(crate) enum Error {
    Violation(Violation),
    Refused(Refused),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// Carries out slices of calls.
#[derive(Debug)]
pub(crate) struct EnterStages {
    pub(crate) db: Database,
    pub(crate) engine: Engine,
}

type Decided = Result<(TransitionId, bool), Violation>;

impl Work for EnterStages {
    type Command = Call;
    type Prepared = Call;
    type Answer = Entered;
    type Error = Error;

    fn weight(_: &Call) -> usize {
        // all its texts are bounded
        512
    }

    fn is_transient(error: &Error) -> bool {
        matches!(error, Error::Refused(refused) if refused.is_transient())
    }

    async fn prepare(&self, commands: Vec<Call>) -> Vec<Prepared<Call, Entered, Error>> {
        commands.into_iter().map(Prepared::Apply).collect()
    }

    async fn apply(&self, calls: &[Call]) -> Result<Vec<Result<Entered, Error>>, pg::Error> {
        let now = self.engine.clock.now();
        let mut tx = self.db.write().await?;
        let commands = self.commands(&mut tx, calls).await?;
        let sound: Vec<&EnterStage> = commands.iter().filter_map(|c| c.as_ref().ok()).collect();
        let wanted: Vec<Wanted<'_>> = sound.iter().map(|command| Wanted::by_call(command)).collect();
        let mut loaded =
            load::load(&mut tx, &self.engine.definitions, &wanted, Vec::new(), Some(now)).await?;
        let contacts: Vec<_> = sound.iter().map(|c| (c.place.tenant.clone(), c.place.contact)).collect();
        loaded.contacts = projections::known(&mut tx, &contacts).await?;
        let mut slice = Slice::new(now, loaded);
        let mut audit = Audit::default();
        let decided: Vec<Decided> = commands
            .iter()
            .zip(calls)
            .map(|(command, call)| {
                let decided = command.as_ref().map_err(Clone::clone).and_then(|c| slice.enter_stage(c));
                slice.sign(call.origin.traceparent.as_ref());
                if let Ok((made, true)) = &decided {
                    audit.note(&call.place.tenant, &call.origin, made);
                }
                decided
            })
            .collect();
        let effects = slice.finish();
        conclude(&mut tx, &self.engine, &effects, &audit, now).await?;
        let answers = answers(&mut tx, calls, decided, &effects).await?;
        if effects.facts.is_empty() {
            tx.rollback().await?;
        } else {
            tx.commit().await?;
        }
        Ok(answers)
    }
}

impl EnterStages {
    /// Fills in what a call leaves open: the time, and who referred the contact then (J9).
    async fn commands(
        &self,
        tx: &mut WriteTx,
        calls: &[Call],
    ) -> Result<Vec<Result<EnterStage, Violation>>, pg::Error> {
        let sandboxes: HashSet<&TenantId> =
            calls.iter().map(|c| &c.place.tenant).filter(|tenant| tenant.is_sandbox()).collect();
        let clocks = projections::clocks(&mut **tx, &Vec::from_iter(sandboxes)).await?;
        let places: Vec<&Place> = calls.iter().map(|c| &c.place).collect();
        let attributions = projections::attributions(tx, &places).await?;
        let command = |call: &Call| {
            let tenant = &call.place.tenant;
            let shown = clocks.get(tenant).and_then(|clock| clock.shown);
            let now = || fields::tenant_now(tenant, shown, &*self.engine.clock);
            let occurred_at = call.occurred_at.unwrap_or_else(now);
            fields::not_in_future("occurred_at", occurred_at, shown, &*self.engine.clock)
                .map_err(|_| Violation::InFuture)?;
            let times = attributions.get(&call.place).map(Vec::as_slice).unwrap_or_default();
            Ok(EnterStage {
                place: call.place.clone(),
                journey: call.journey.clone(),
                stage: call.stage.clone(),
                key: call.key.clone(),
                referral: attribution::at(times, occurred_at),
                occurred_at,
            })
        };
        Ok(calls.iter().map(command).collect())
    }
}

/// The transitions: those of this slice, and those that were made before.
async fn answers(
    tx: &mut WriteTx,
    calls: &[Call],
    decided: Vec<Decided>,
    effects: &Effects,
) -> Result<Vec<Result<Entered, Error>>, pg::Error> {
    let mut known: HashMap<TransitionId, Transition> = effects
        .facts
        .iter()
        .filter_map(|fact| if let Fact::Entered(made) = fact { Some((made.id, made.clone())) } else { None })
        .collect();
    let earlier: Vec<(&TenantId, TransitionId)> = calls
        .iter()
        .zip(&decided)
        .filter_map(|(call, decided)| Some((&call.place.tenant, decided.as_ref().ok()?.0)))
        .filter(|(_, id)| !known.contains_key(id))
        .collect();
    if !earlier.is_empty() {
        known.extend(read::transitions_by_id(&mut **tx, &earlier).await?);
    }
    let answer = |decided: Decided| match decided {
        Err(violation) => Ok(Err(Error::Violation(violation))),
        Ok((id, new)) => {
            let transition =
                known.get(&id).cloned().ok_or_else(|| pg::Error::unreadable("transitions", id))?;
            duplicates(Duplicate::NaturalKey, usize::from(!new));
            Ok(Ok(Entered { transition, new }))
        }
    };
    decided.into_iter().map(answer).collect()
}
