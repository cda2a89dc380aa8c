//! FunnelService: exact counts and times from counters, and who is stuck.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use proto::journeys::funnel_service_server::FunnelService;
use proto::journeys::{
    FunnelStage, GetFunnelRequest, GetFunnelResponse, GoalProgress, ListStuckRequest, ListStuckResponse,
    StuckRun,
};
use rpc::page::Page;
use rpc::{Error, caller, fields};
use time::Duration;
use tonic::{Request, Response, Status};
use types::{CampaignId, JourneyKey, StageKey, TenantId, Timestamp};
use uuid::Uuid;

use super::{Server, errors};
use crate::domain::definition::{Definition, Goal, Kind, Stage};
use crate::domain::funnel::{Counts, reached};
use crate::domain::slice::Violation;
use crate::domain::times::Times;
use crate::store::funnel::Asked;
use crate::store::stuck::{Stuck, StuckRow};
use crate::store::{funnel, projections, stuck, times};
use crate::wire;

#[tonic::async_trait]
impl FunnelService for Server {
    async fn get_funnel(
        &self,
        request: Request<GetFunnelRequest>,
    ) -> Result<Response<GetFunnelResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let request = request.into_inner();
        let journey: JourneyKey = fields::parse("journey", &request.journey)?;
        let asked = read_asked(&request)?;
        let (definition, version) = self.definition(&tenant, &journey).await?;
        if request.version > version {
            return Err(errors::journey_not_found(&request.journey).into());
        }
        let counts = funnel::counts(&self.db, &tenant, &journey, &asked).await.map_err(Error::from)?;
        let times = times::read(&self.db, &tenant, &journey, &asked).await.map_err(Error::from)?;
        let (steps, exceptions): (Vec<_>, Vec<_>) =
            definition.stages.iter().partition(|stage| stage.kind == Kind::Step);
        let count = |key: &str| counts.get(key).copied().unwrap_or_default();
        let stages = steps
            .into_iter()
            .chain(exceptions)
            .map(|stage| show(stage, count(stage.key.as_str()), times.get(stage.key.as_str())));
        Ok(Response::new(GetFunnelResponse {
            stages: stages.collect(),
            runs: count("").entered,
            goal_progress: definition.goal.as_ref().map(|goal| progress(&definition, goal, count)),
        }))
    }

    async fn list_stuck(
        &self,
        request: Request<ListStuckRequest>,
    ) -> Result<Response<ListStuckResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let request = request.into_inner();
        let journey: JourneyKey = fields::parse("journey", &request.journey)?;
        let stage: Option<StageKey> = fields::parse_optional("stage", &request.stage)?;
        let campaign: Option<CampaignId> = fields::parse_optional("campaign_id", &request.campaign_id)?;
        let ListStuckRequest { page_size, page_token, days, .. } = &request;
        let query = [&request.journey, &request.stage, &request.campaign_id, &days.to_string()];
        let page = Page::read(&tenant, "ListStuck", &query.map(String::as_str), *page_size, page_token)?;
        let after = page.after_as::<Place>()?.map(|place| (place.since, place.run));
        let (definition, _) = self.definition(&tenant, &journey).await?;
        let stages = waiting_in(&definition, stage.as_ref()).map_err(errors::of_violation)?;
        let shown = projections::shown(&self.db, &tenant).await.map_err(Error::from)?;
        let now = fields::tenant_now(&tenant, shown, &*self.engine.clock);
        let which = Stuck {
            tenant: &tenant,
            journey: &journey,
            stages: &stages,
            campaign: campaign.as_ref(),
            until: now.saturating_sub(Duration::days((*days).into())),
        };
        let rows = stuck::stuck(&self.db, &which, after, page.limit()).await.map_err(Error::from)?;
        let place =
            |row: &StuckRow| Place { since: row.current_since, run: row.run_id.as_uuid() }.to_string();
        let (runs, next_page_token) = page.cut(rows, place, |row| show_stuck(row, now));
        Ok(Response::new(ListStuckResponse { runs, next_page_token }))
    }
}

impl Server {
    /// The definition in force, and its version.
    async fn definition(
        &self,
        tenant: &TenantId,
        journey: &JourneyKey,
    ) -> Result<(Arc<Definition>, i32), Error> {
        let mut connection = self.db.read().acquire().await.map_err(pg::Error::from)?;
        let in_force = self.engine.definitions.in_force(&mut connection, &[tenant]).await?;
        let mut all = in_force.get(tenant).into_iter().flat_map(|all| all.iter());
        let applied = all.find(|applied| applied.definition.journey == *journey);
        let applied = applied.ok_or_else(|| errors::journey_not_found(journey.as_str()))?;
        Ok((Arc::clone(&applied.definition), applied.version))
    }
}

fn read_asked(request: &GetFunnelRequest) -> Result<Asked, Error> {
    let from = fields::date("started_from", request.started_from.as_ref())?;
    let until = fields::date("started_until", request.started_until.as_ref())?;
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        return Err(Error::field("started_until", "is before `started_from`"));
    }
    Ok(Asked {
        campaign: fields::parse_optional("campaign_id", &request.campaign_id)?,
        segment: fields::parse_optional("segment_id", &request.segment_id)?,
        from,
        until,
        version: Some(request.version).filter(|version| *version > 0),
    })
}

/// The stages in which runs are stuck: the one asked for, or all steps that do not end the run.
fn waiting_in<'a>(definition: &'a Definition, asked: Option<&StageKey>) -> Result<Vec<&'a str>, Violation> {
    let Some(asked) = asked else {
        return Ok(definition.steps().filter(|s| !s.terminal).map(|s| s.key.as_str()).collect());
    };
    let stage = definition.stage(asked).ok_or_else(|| Violation::StageNotFound(asked.clone()))?;
    Ok(vec![stage.key.as_str()])
}

/// Where a page ends: those longest in their stage come first.
#[derive(Debug)]
struct Place {
    since: Timestamp,
    run: Uuid,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.since.unix_timestamp_nanos() / 1000, self.run)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, run) = text.split_once(' ').ok_or(())?;
        let micros: i128 = micros.parse().map_err(|_| ())?;
        let since = Timestamp::from_unix_timestamp_nanos(micros * 1000).map_err(|_| ())?;
        Ok(Self { since, run: run.parse().map_err(|_| ())? })
    }
}

fn progress(definition: &Definition, goal: &Goal, count: impl Fn(&str) -> Counts) -> GoalProgress {
    let first = definition.steps().next().map(|step| count(step.key.as_str())).unwrap_or_default();
    GoalProgress {
        goal: Some(wire::goal(goal)),
        reached_basis_points: reached(count(goal.stage.as_str()), first),
    }
}

fn show(stage: &Stage, counts: Counts, times: Option<&Times>) -> FunnelStage {
    let time = |percent| times?.quantile(percent).and_then(|time| time.try_into().ok());
    FunnelStage {
        stage: stage.key.to_string(),
        name: stage.name.clone(),
        exception: stage.kind == Kind::Exception,
        entered: counts.entered,
        transitions: counts.transitions,
        converted_from_previous: counts.converted_from_previous,
        converted_from_first: counts.converted_from_first,
        dropped_off: counts.dropped_off,
        still_there: counts.still_there,
        entries_left: times.map_or(0, Times::count),
        median_time: time(50),
        p90_time: time(90),
    }
}

fn show_stuck(row: StuckRow, now: Timestamp) -> StuckRun {
    StuckRun {
        run_id: row.run_id.to_string(),
        campaign_id: row.campaign_id,
        contact_id: row.contact_id.to_string(),
        stage: row.current_stage.to_string(),
        since: Some(fields::wire_time(row.current_since)),
        days: i32::try_from((now - row.current_since).whole_days()).unwrap_or(i32::MAX),
    }
}
