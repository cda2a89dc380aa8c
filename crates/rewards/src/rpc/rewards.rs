//! `RewardService`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use batch::Batcher;
use outbox::source::Watch;
use outbox::{Scope, Source, parked};
use pg::Database;
use proto::rewards as wire;
use proto::rewards::reward_service_server::RewardService;
use rpc::caller::{origin, tenant};
use rpc::fields::{parse, parse_optional, required};
use rpc::page::Page;
use rpc::{Caller, Error};
use tonic::{Request, Response, Status};
use types::{Clock, Currency, Origin, RewardId, RuleKey, TenantId, TransitionId};

use super::errors::no_reward;
use crate::commands::move_rewards::{Command, MoveRewards};
use crate::commands::retry_decision;
use crate::domain::decision::{Decision, DecisionKey, Outcome};
use crate::domain::effects::Turn;
use crate::domain::program::Beneficiary;
use crate::domain::reward::{HandMove, State};
use crate::store::codes::Code;
use crate::store::decisions::{self, Of};
use crate::store::programs::Programs;
use crate::store::rewards::{self, Filter};
use crate::store::turns;
use crate::subscribers::Journeys;
use crate::wire as convert;

/// Decisions explained in one answer, at most.
const EXPLAINED: i64 = 1000;

/// Rewards of the tenants of a schema.
#[derive(Debug)]
pub(crate) struct Rewards {
    db: Database,
    moves: Batcher<MoveRewards>,
    source: Source,
    journeys: Journeys,
    programs: Programs,
    clock: Arc<dyn Clock>,
}

impl Rewards {
    /// Rewards in `db`: hand moves go through `moves`, watches come from `source`, parked events go to `journeys`.
    pub(crate) fn new(
        db: Database,
        moves: Batcher<MoveRewards>,
        source: Source,
        journeys: Journeys,
        programs: Programs,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { db, moves, source, journeys, programs, clock }
    }

    async fn reward(&self, tenant: &TenantId, reward: RewardId) -> Result<wire::Reward, Error> {
        let view = rewards::get(self.db.read(), tenant, reward).await?;
        view.as_ref().map(convert::reward).ok_or_else(|| no_reward(reward))
    }

    /// Makes a hand move, and gives the reward as it is then.
    async fn moved(
        &self,
        (tenant, origin): (TenantId, Origin),
        id: &str,
        action: HandMove,
    ) -> Result<Option<wire::Reward>, Error> {
        let reward: RewardId = parse("reward_id", id)?;
        self.moves.run(Command { tenant: tenant.clone(), origin, reward, action }).await?;
        self.reward(&tenant, reward).await.map(Some)
    }

    async fn decisions(&self, tenant: &TenantId, list: &[Decision]) -> Result<Vec<wire::Decision>, Error> {
        let campaign = |decision: &Decision| (tenant.clone(), decision.transition.campaign.clone());
        let campaigns: HashSet<_> = list.iter().map(campaign).collect();
        let mut connection = self.db.read().acquire().await?;
        let programs = self.programs.load(&mut connection, &campaigns).await?;
        let program = |decision| programs.get(&campaign(decision)).map(AsRef::as_ref);
        Ok(list.iter().map(|decision| convert::decision(decision, program(decision))).collect())
    }
}

#[tonic::async_trait]
impl RewardService for Rewards {
    type WatchRewardEventsStream = Watch<wire::WatchRewardEventsResponse>;

    async fn get_reward(
        &self,
        request: Request<wire::GetRewardRequest>,
    ) -> Result<Response<wire::GetRewardResponse>, Status> {
        let tenant = tenant(&request)?;
        let reward = parse("reward_id", &request.into_inner().reward_id)?;
        let reward = Some(self.reward(&tenant, reward).await?);
        Ok(Response::new(wire::GetRewardResponse { reward }))
    }

    async fn list_rewards(
        &self,
        request: Request<wire::ListRewardsRequest>,
    ) -> Result<Response<wire::ListRewardsResponse>, Status> {
        let tenant = tenant(&request)?;
        let request = request.into_inner();
        let filter = Filter {
            campaign: parse_optional("campaign_id", &request.campaign_id)?,
            state: code::<State>("state", request.state)?,
            beneficiary: parse_optional("beneficiary_id", &request.beneficiary_id)?,
            matching: rpc::filter::Filter::read(rewards::FIELDS, &request.filter)?,
        };
        let state = request.state.to_string();
        let query = [request.campaign_id.as_str(), &state, &request.beneficiary_id, &request.filter];
        let page = Page::read(&tenant, "ListRewards", &query, request.page_size, &request.page_token)?;
        let listed = rewards::list(self.db.read(), &tenant, &filter, page.after_as()?, page.limit()).await;
        let views = listed.map_err(|error| filter.matching.refused(error))?;
        let (rewards, next_page_token) =
            page.cut(views, |view| view.reward.reward_id.to_string(), |view| convert::reward(&view));
        Ok(Response::new(wire::ListRewardsResponse { rewards, next_page_token }))
    }

    async fn approve_reward(
        &self,
        request: Request<wire::ApproveRewardRequest>,
    ) -> Result<Response<wire::ApproveRewardResponse>, Status> {
        let by = (tenant(&request)?, origin(&request)?);
        let reward = self.moved(by, &request.into_inner().reward_id, HandMove::Approve).await?;
        Ok(Response::new(wire::ApproveRewardResponse { reward }))
    }

    async fn deny_reward(
        &self,
        request: Request<wire::DenyRewardRequest>,
    ) -> Result<Response<wire::DenyRewardResponse>, Status> {
        let by = (tenant(&request)?, origin(&request)?);
        let request = request.into_inner();
        let reward = self.moved(by, &request.reward_id, HandMove::Deny(request.reason)).await?;
        Ok(Response::new(wire::DenyRewardResponse { reward }))
    }

    async fn reopen_reward(
        &self,
        request: Request<wire::ReopenRewardRequest>,
    ) -> Result<Response<wire::ReopenRewardResponse>, Status> {
        let by = (tenant(&request)?, origin(&request)?);
        let reward = self.moved(by, &request.into_inner().reward_id, HandMove::Reopen).await?;
        Ok(Response::new(wire::ReopenRewardResponse { reward }))
    }

    async fn fulfil_reward(
        &self,
        request: Request<wire::FulfilRewardRequest>,
    ) -> Result<Response<wire::FulfilRewardResponse>, Status> {
        let by = (tenant(&request)?, origin(&request)?);
        let reward = self.moved(by, &request.into_inner().reward_id, HandMove::Fulfil).await?;
        Ok(Response::new(wire::FulfilRewardResponse { reward }))
    }

    async fn explain_reward(
        &self,
        request: Request<wire::ExplainRewardRequest>,
    ) -> Result<Response<wire::ExplainRewardResponse>, Status> {
        let tenant = tenant(&request)?;
        let of = asked(&request.into_inner())?;
        if let Of::Reward(reward) = of {
            self.reward(&tenant, reward).await?;
        }
        let list = decisions::explain(self.db.read(), &tenant, &of, EXPLAINED).await.map_err(Error::from)?;
        let ids: Vec<RewardId> = list.iter().filter_map(|decision| decision.reward).collect();
        let views = rewards::of_ids(self.db.read(), &tenant, &ids).await.map_err(Error::from)?;
        let decisions = self.decisions(&tenant, &list).await?;
        let rewards = views.iter().map(convert::reward).collect();
        let currencies: HashMap<RewardId, Currency> =
            views.iter().map(|view| (view.reward.reward_id, view.reward.amount.currency)).collect();
        let turns = turns::of_rewards(self.db.read(), &tenant, &ids).await.map_err(Error::from)?;
        let turn = |turn: &Turn| Some(convert::turn(turn, *currencies.get(&turn.reward_id)?));
        let turns = turns.iter().filter_map(turn).collect();
        Ok(Response::new(wire::ExplainRewardResponse { decisions, rewards, turns }))
    }

    async fn list_decisions(
        &self,
        request: Request<wire::ListDecisionsRequest>,
    ) -> Result<Response<wire::ListDecisionsResponse>, Status> {
        let tenant = tenant(&request)?;
        let request = request.into_inner();
        let outcome = code::<Outcome>("outcome", request.outcome)?;
        let query = [request.outcome.to_string()];
        let query = [query[0].as_str()];
        let page = Page::read(&tenant, "ListDecisions", &query, request.page_size, &request.page_token)?;
        let after = page.after_as::<Key>()?.map(|key| key.0);
        let list = decisions::list(self.db.read(), &tenant, outcome, after.as_ref(), page.limit())
            .await
            .map_err(Error::from)?;
        let decisions = self.decisions(&tenant, &list).await?;
        let keyed = list.iter().zip(decisions).collect();
        let (decisions, next_page_token) = page.cut(keyed, |(row, _)| Key::write(row), |(_, shown)| shown);
        Ok(Response::new(wire::ListDecisionsResponse { decisions, next_page_token }))
    }

    async fn retry_decision(
        &self,
        request: Request<wire::RetryDecisionRequest>,
    ) -> Result<Response<wire::RetryDecisionResponse>, Status> {
        let (tenant, origin) = (tenant(&request)?, origin(&request)?);
        let request = request.into_inner();
        let kind = "beneficiary_kind";
        let key = DecisionKey {
            tenant: tenant.clone(),
            transition: parse("transition_id", &request.transition_id)?,
            rule: parse("rule", &request.rule)?,
            beneficiary: required(kind, code::<Beneficiary>(kind, request.beneficiary_kind)?)?,
        };
        let now = self.clock.now();
        let (decision, retried) =
            retry_decision::retry(&self.db, &self.programs, key, &origin, now).await.map_err(Error::from)?;
        let decision = self.decisions(&tenant, &[decision]).await?.pop();
        Ok(Response::new(wire::RetryDecisionResponse { decision, retried }))
    }

    async fn watch_reward_events(
        &self,
        request: Request<wire::WatchRewardEventsRequest>,
    ) -> Result<Response<Self::WatchRewardEventsStream>, Status> {
        let scope = Scope::of(&Caller::of(&request)?);
        Ok(Response::new(self.source.watch(scope, request.get_ref()).await?))
    }

    async fn list_parked(
        &self,
        request: Request<wire::ListParkedRequest>,
    ) -> Result<Response<wire::ListParkedResponse>, Status> {
        let tenant = tenant(&request)?;
        let request = request.into_inner();
        let (parked, next_page_token) =
            parked::list(&self.db, &tenant, request.page_size, &request.page_token).await?;
        Ok(Response::new(wire::ListParkedResponse { parked, next_page_token }))
    }

    async fn retry_parked(
        &self,
        request: Request<wire::RetryParkedRequest>,
    ) -> Result<Response<wire::RetryParkedResponse>, Status> {
        let (tenant, origin) = (tenant(&request)?, origin(&request)?);
        let id = request.into_inner().parked_id;
        let now = self.clock.now();
        let (applied, reason) = parked::retry(&self.db, &self.journeys, &tenant, id, &origin, now).await?;
        Ok(Response::new(wire::RetryParkedResponse { applied, reason }))
    }
}

/// What an explanation is asked for: exactly one thing.
fn asked(request: &wire::ExplainRewardRequest) -> Result<Of, Error> {
    let given = [
        parse_optional("reward_id", &request.reward_id)?.map(Of::Reward),
        parse_optional("transition_id", &request.transition_id)?.map(Of::Transition),
        parse_optional("order_id", &request.order_id)?.map(Of::Order),
        parse_optional("contact_id", &request.contact_id)?.map(Of::Contact),
    ];
    let mut given = given.into_iter().flatten();
    if let (Some(one), None) = (given.next(), given.next()) {
        return Ok(one);
    }
    let what = "is wrong: exactly one of reward_id, transition_id, order_id and contact_id is required";
    Err(Error::field("reward_id", what))
}

/// A filter by an enumeration; its numbers are those that are stored.
fn code<T: Code>(path: &'static str, number: i32) -> Result<Option<T>, Error> {
    if number == 0 {
        return Ok(None);
    }
    let read = i16::try_from(number).ok().and_then(|number| T::read(path, number).ok());
    read.map(Some).ok_or_else(|| Error::field(path, "is not a known value"))
}

/// The end of a page: the key of its last decision.
struct Key(decisions::After);

impl Key {
    fn write(decision: &Decision) -> String {
        let kind = decision.beneficiary.code();
        format!("{}/{}/{kind}", decision.transition.transition_id, decision.rule)
    }
}

impl std::str::FromStr for Key {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(());
        let transition: TransitionId = part()?.parse().map_err(|_| ())?;
        let rule: RuleKey = part()?.parse().map_err(|_| ())?;
        let kind = part()?.parse().map_err(|_| ())?;
        let beneficiary = Beneficiary::read("page_token", kind).map_err(|_| ())?;
        Ok(Self((transition, rule, beneficiary)))
    }
}
