//! Verification (R10): everything derived again from the decisions, within one snapshot; then the transitions of the
//! stream, up to where it had been applied in that snapshot.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use outbox::{Cursor, Event, Scope};
use pg::Database;
use pg::sqlx::PgConnection;
use proto::journeys::journey_event::Fact;
use proto::journeys::run_service_client::RunServiceClient;
use proto::journeys::{JourneyEvent, WatchStageTransitionsRequest};
use rpc::Channel;
use tonic::Status;
use types::{TenantId, TransitionId};

use crate::domain::audit::{self, Difference, Kind, Record};
use crate::domain::decision::Transition;
use crate::domain::ledger::{Account, Posting};
use crate::domain::program::Judge;
use crate::store::audit::{self as stored, Accounts};
use crate::store::programs::{self, ByCampaign, Programs};
use crate::subscribers;

/// Differences reported, at most.
const REPORTED: usize = 1000;
/// Journeys says something every second; this long without a word means that it is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// What verification found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Decisions compared.
    pub(crate) decisions: i64,
    /// Rewards there are.
    pub(crate) rewards: i64,
    /// Postings there are.
    pub(crate) postings: i64,
    /// Transitions compared.
    pub(crate) transitions: i64,
    /// What differs; the first [`REPORTED`].
    pub(crate) differences: Vec<Difference>,
}

impl Report {
    fn add(&mut self, differences: impl IntoIterator<Item = Difference>) {
        let room = REPORTED - self.differences.len().min(REPORTED);
        self.differences.extend(differences.into_iter().take(room));
    }
}

/// Why it could not be verified.
#[derive(Debug)]
pub(crate) enum Error {
    /// The database failed.
    Database(pg::Error),
    /// Journeys did not answer.
    Journeys(Status),
}

impl From<pg::Error> for Error {
    fn from(error: pg::Error) -> Self {
        Self::Database(error)
    }
}

/// Verifies a tenant's ledger. `journeys` is a channel without an identity yet.
pub(crate) async fn verify(
    db: &Database,
    journeys: &Channel,
    programs: &Programs,
    tenant: &TenantId,
) -> Result<Report, Error> {
    let mut snapshot = db.snapshot().await?;
    let mut verification = Verification::begin(&mut snapshot, programs, tenant).await?;
    verification.decisions(&mut snapshot).await?;
    verification.strays(&mut snapshot).await?;
    verification.accounts(&mut snapshot).await?;
    // journeys takes its time: the snapshot is given back before it is asked
    snapshot.rollback().await.map_err(pg::Error::from)?;
    verification.transitions(journeys).await?;
    Ok(verification.report)
}

/// The rules that decided on a transition.
#[derive(Debug, Clone, Copy)]
struct Decided {
    /// The version that considered them first: retries may have been judged by others (R12).
    version: i32,
    /// One bit per rule of that version, in their order.
    rules: u128,
}

struct Verification<'a> {
    tenant: &'a TenantId,
    programs: ByCampaign,
    /// Epoch and position up to which the stream had been applied.
    applied: Option<(i64, i64)>,
    /// Ids of events that were set aside.
    parked: HashSet<String>,
    decided: HashMap<TransitionId, Decided>,
    paid: Accounts,
    owed: Accounts,
    report: Report,
}

impl<'a> Verification<'a> {
    async fn begin(
        db: &mut PgConnection,
        programs: &Programs,
        tenant: &'a TenantId,
    ) -> Result<Self, pg::Error> {
        let campaigns = programs::campaigns(&mut *db, tenant).await?;
        Ok(Self {
            tenant,
            programs: programs.load(&mut *db, &campaigns).await?,
            applied: stored::position(&mut *db, subscribers::JOURNEYS).await?,
            parked: stored::parked(&mut *db, tenant).await?.into_iter().collect(),
            decided: HashMap::new(),
            paid: HashMap::new(),
            owed: HashMap::new(),
            report: Report::default(),
        })
    }

    async fn decisions(&mut self, db: &mut PgConnection) -> Result<(), pg::Error> {
        let mut after = None;
        loop {
            let page = stored::page(&mut *db, self.tenant, after.as_ref()).await?;
            let Some(last) = page.last().map(|record| &record.decision) else { return Ok(()) };
            after = Some((last.transition.transition_id, last.rule.clone(), last.beneficiary));
            for record in &page {
                self.decision(record);
            }
        }
    }

    fn decision(&mut self, record: &Record) {
        let decision = &record.decision;
        let transition = &decision.transition;
        self.report.decisions += 1;
        let program = self.programs.get(&(transition.tenant.clone(), transition.campaign.clone()));
        let differences = audit::audit(program.map(AsRef::as_ref), record);
        self.report.add(differences);
        let first = decision.first_version;
        let judge = program.and_then(|program| program.named(first));
        let bit = judge.map_or(0, |judge| bits(judge, |rule| rule.key == decision.rule));
        let fresh = Decided { version: first, rules: 0 };
        let decided = self.decided.entry(transition.transition_id).or_insert(fresh);
        if decided.version == first {
            decided.rules |= bit;
        }
        let Some(reward) = &record.reward else { return };
        for Posting { debit, credit, amount, .. } in &record.postings {
            let key = (reward.beneficiary, amount.currency);
            if *credit == Account::Paid {
                *self.paid.entry(key).or_default() += amount.minor;
            }
            if *debit == Account::Receivable {
                *self.owed.entry(key).or_default() += amount.minor;
            }
            if *credit == Account::Receivable {
                *self.owed.entry(key).or_default() -= amount.minor;
            }
        }
    }

    async fn strays(&mut self, db: &mut PgConnection) -> Result<(), pg::Error> {
        (self.report.rewards, self.report.postings) = stored::counts(&mut *db, self.tenant).await?;
        let rewards = stored::stray_rewards(&mut *db, self.tenant).await?;
        let stray = |reward| Difference::new(Kind::Reward, reward, "no decision created it");
        self.report.add(rewards.into_iter().map(stray));
        let postings = stored::stray_postings(&mut *db, self.tenant).await?;
        self.report.add(postings.into_iter().map(|posting| {
            let id = format!("{}/{}", posting.reward_id, posting.number);
            Difference::new(Kind::Posting, id, "its reward is not there")
        }));
        Ok(())
    }

    async fn accounts(&mut self, db: &mut PgConnection) -> Result<(), pg::Error> {
        let credits = stored::credits(&mut *db, self.tenant).await?;
        let nothing = "nothing was paid to this contact";
        self.report.add(unequal(Kind::Credit, std::mem::take(&mut self.paid), credits, nothing));
        let receivables = stored::receivables(&mut *db, self.tenant).await?;
        let nothing = "nothing was claimed from this contact";
        self.report.add(unequal(Kind::Receivable, std::mem::take(&mut self.owed), receivables, nothing));
        Ok(())
    }

    /// Reads the stream from its beginning to where it had been applied.
    async fn transitions(&mut self, journeys: &Channel) -> Result<(), Error> {
        if let Some((epoch, position)) = self.applied {
            let channel = rpc::channel::for_tenant(journeys.clone(), self.tenant);
            let request = WatchStageTransitionsRequest::default();
            let watch = RunServiceClient::new(channel).watch_stage_transitions(request).await;
            let mut messages = watch.map_err(Error::Journeys)?.into_inner();
            loop {
                let message = tokio::time::timeout(SILENCE, messages.message()).await;
                let silent = || Error::Journeys(Status::unavailable("journeys is silent"));
                let Some(message) = message.map_err(|_| silent())?.map_err(Error::Journeys)? else {
                    return Err(silent());
                };
                for event in &message.events {
                    self.event(event, position);
                }
                let checkpoint = message.checkpoint.unwrap_or_default();
                let Some(at) = self.cursor(&checkpoint.cursor).filter(|at| at.epoch == epoch) else {
                    self.stream_differs("it is not the stream that was applied");
                    return Ok(());
                };
                if at.position >= position {
                    break;
                }
                if checkpoint.lag == 0 {
                    self.stream_differs("it ends before what was applied");
                    return Ok(());
                }
            }
        }
        let unknown = std::mem::take(&mut self.decided).into_keys();
        self.report.add(unknown.map(|transition| {
            Difference::new(
                Kind::Transition,
                transition,
                "there are decisions on it, but journeys does not know it",
            )
        }));
        Ok(())
    }

    fn stream_differs(&mut self, detail: &str) {
        self.report.add([Difference::new(Kind::Transition, subscribers::JOURNEYS, detail)]);
    }

    fn cursor(&self, text: &str) -> Option<Cursor> {
        Cursor::decode(text, JourneyEvent::STREAM, &Scope::Tenant(self.tenant.clone())).ok()
    }

    fn event(&mut self, event: &JourneyEvent, applied: i64) {
        let Some(Fact::StageEntered(entered)) = &event.fact else { return };
        let Some(at) = self.cursor(&event.cursor).filter(|at| at.position <= applied) else { return };
        self.report.transitions += 1;
        // one that cannot be read was parked when it came
        let Ok(Some(transition)) = subscribers::read(event, entered) else { return };
        let decided = self.decided.remove(&transition.transition_id);
        let differences = self.compare(&transition, decided, at.position);
        if decided.is_some() || !self.parked.contains(&event.event_id) {
            self.report.add(differences);
        }
    }

    /// Whether exactly the rules that speak of a transition decided on it.
    fn compare(&self, transition: &Transition, decided: Option<Decided>, position: i64) -> Vec<Difference> {
        let Some(program) = self.programs.get(&(transition.tenant.clone(), transition.campaign.clone()))
        else {
            return Vec::new();
        };
        let judge = match decided {
            Some(decided) => program.named(decided.version),
            None => program.judge_as_of(transition.occurred_at, position),
        };
        let Some(judge) = judge else { return Vec::new() };
        let expected = bits(judge, |rule| transition.concerns(rule));
        let found = decided.map_or(0, |decided| decided.rules);
        let differs = |(index, rule): (usize, &crate::domain::program::Rule)| {
            let detail = match (expected >> index & 1, found >> index & 1) {
                (1, 0) => "missing",
                (0, 1) => "the rule does not speak of this transition",
                _ => return None,
            };
            Some(Difference::new(
                Kind::Decision,
                format!("{}/{}", transition.transition_id, rule.key),
                detail,
            ))
        };
        judge.rules().iter().enumerate().filter_map(differs).collect()
    }
}

/// What differs between accounts as they follow from the postings and as they are stored.
fn unequal(kind: Kind, expected: Accounts, mut stored: Accounts, nothing: &str) -> Vec<Difference> {
    let mut differences = Vec::new();
    for ((contact, currency), expected) in expected {
        let found = stored.remove(&(contact, currency)).unwrap_or(0);
        if found != expected {
            let detail = format!("expected {expected} minor units of {currency}, found {found}");
            differences.push(Difference::new(kind, contact, detail));
        } else if found < 0 {
            differences.push(Difference::new(kind, contact, format!("{found} minor units of {currency}")));
        }
    }
    let left = stored.into_iter().filter(|(_, minor)| *minor != 0);
    differences.extend(left.map(|((contact, _), _)| Difference::new(kind, contact, nothing)));
    differences
}

/// One bit for each rule of which `holds`, in their order; a program has at most 100.
fn bits(judge: Judge<'_>, holds: impl Fn(&crate::domain::program::Rule) -> bool) -> u128 {
    let rules = judge.rules().iter().enumerate();
    rules.filter(|(_, rule)| holds(rule)).fold(0, |bits, (index, _)| bits | 1 << index)
}
