//! FunnelService: exact counts from counters.

use proto::journeys::funnel_service_server::FunnelService;
use proto::journeys::{FunnelStage, GetFunnelRequest, GetFunnelResponse, GoalProgress};
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status};
use types::{CampaignId, JourneyKey};

use super::{Server, errors};
use crate::domain::definition::{Definition, Goal, Kind, Stage};
use crate::domain::funnel::{Counts, reached};
use crate::domain::yaml;
use crate::store::{funnel, read};
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
        let campaign: Option<CampaignId> = fields::parse_optional("campaign_id", &request.campaign_id)?;
        let row = read::journey(self.db.read(), &tenant, &journey, None).await.map_err(Error::from)?;
        let row = row.ok_or_else(|| errors::journey_not_found(&request.journey))?;
        let (definition, _) = yaml::parse(&row.definition)
            .map_err(|_| Error::from(pg::Error::unreadable("journey_versions.definition", &journey)))?;
        let counts =
            funnel::read(&self.db, &tenant, &journey, campaign.as_ref()).await.map_err(Error::from)?;
        let (steps, exceptions): (Vec<_>, Vec<_>) =
            definition.stages.iter().partition(|stage| stage.kind == Kind::Step);
        let count = |key: &str| counts.get(key).copied().unwrap_or_default();
        let stages = steps.into_iter().chain(exceptions).map(|stage| show(stage, count(stage.key.as_str())));
        Ok(Response::new(GetFunnelResponse {
            stages: stages.collect(),
            runs: count("").entered,
            goal_progress: definition.goal.as_ref().map(|goal| progress(&definition, goal, count)),
        }))
    }
}

fn progress(definition: &Definition, goal: &Goal, count: impl Fn(&str) -> Counts) -> GoalProgress {
    let first = definition.steps().next().map(|step| count(step.key.as_str())).unwrap_or_default();
    GoalProgress {
        goal: Some(wire::goal(goal)),
        reached_basis_points: reached(count(goal.stage.as_str()), first),
    }
}

fn show(stage: &Stage, counts: Counts) -> FunnelStage {
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
    }
}
