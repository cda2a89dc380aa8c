//! RunService: runs, their transitions, and the stream of them.

use outbox::source::Watch;
use outbox::{Scope, Subscriber, parked};
use proto::journeys::run_service_server::RunService;
use proto::journeys::{
    EnterStageRequest, EnterStageResponse, GetRunRequest, GetRunResponse, ListParkedRequest,
    ListParkedResponse, ListRefusedEntriesRequest, ListRefusedEntriesResponse, ListRunsRequest,
    ListRunsResponse, ListTransitionsRequest, ListTransitionsResponse, RetryParkedRequest,
    RetryParkedResponse, WatchStageTransitionsRequest, WatchStageTransitionsResponse,
};
use rpc::filter::Filter;
use rpc::page::Page;
use rpc::{Caller, Error, caller, fields};
use tonic::{Request, Response, Status};
use types::{JourneyKey, Origin, RunId, TenantId};
use uuid::Uuid;

use super::{Server, errors};
use crate::commands::enter_stage::Call;
use crate::domain::event::{Place, Transition};
use crate::store::read::{self, RunRow};
use crate::store::timers;
use crate::subscribers::attribution::AttributionEvents;
use crate::subscribers::orders::OrderEvents;
use crate::wire;

/// Transitions, waiting and refused entries that come with a run, at most of each.
const WITH_RUN: i64 = 1000;

#[tonic::async_trait]
impl RunService for Server {
    type WatchStageTransitionsStream = Watch<WatchStageTransitionsResponse>;

    async fn enter_stage(
        &self,
        request: Request<EnterStageRequest>,
    ) -> Result<Response<EnterStageResponse>, Status> {
        let call = read_call(caller::tenant(&request)?, caller::origin(&request)?, request.get_ref())?;
        let entered = self.entries.run(call).await.map_err(errors::of_entry)?;
        let transition = Some(wire::transition(&entered.transition));
        Ok(Response::new(EnterStageResponse { transition, entered: entered.new }))
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let request = request.into_inner();
        let (row, place, journey) = self.find_run(tenant, &request).await?;
        let id = row.as_ref().map(|row| row.run_id);
        let mut response = GetRunResponse::default();
        let last = read::last_run(&self.db, &place, &journey).await.map_err(Error::from)?;
        // entries wait for the last run, not for one that ended before it
        let waiting = if last.map(|row| row.run_id) == id {
            read::waiting(&self.db, &place, &journey, WITH_RUN).await.map_err(Error::from)?
        } else {
            Vec::new()
        };
        let refused =
            read::refused_of_run(&self.db, &place, &journey, id, WITH_RUN).await.map_err(Error::from)?;
        if row.is_none() && waiting.is_empty() && refused.is_empty() {
            return Err(errors::run_not_found(journey.as_str()).into());
        }
        if let Some(id) = id {
            let rows = read::transitions_of_run(&self.db, &place.tenant, id, 0, WITH_RUN).await;
            response.transitions = rows.map_err(Error::from)?.iter().map(wire::transition).collect();
            let parked = timers::of_run(self.db.read(), &place.tenant, id, WITH_RUN).await;
            response.timers = parked.map_err(Error::from)?.iter().map(wire::timer).collect();
        }
        response.waiting = waiting.into_iter().map(|row| wire::waiting(row, id)).collect();
        response.refused = refused.into_iter().map(wire::refused).collect();
        response.run = row.map(wire::run);
        Ok(Response::new(response))
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let ListRunsRequest { page_size, page_token, journey, filter } = request.into_inner();
        let of: Option<JourneyKey> = fields::parse_optional("journey", &journey)?;
        let page = Page::read(&tenant, "ListRuns", &[&journey, &filter], page_size, &page_token)?;
        let matching = Filter::read(read::RUN_FIELDS, &filter)?;
        let before = page.after_as::<Uuid>()?;
        let rows = read::runs(&self.db, &tenant, of.as_ref(), &matching, before, page.limit()).await;
        let rows = rows.map_err(|error| matching.refused(error))?;
        let (runs, next_page_token) = page.cut(rows, |row| row.run_id.to_string(), wire::run);
        Ok(Response::new(ListRunsResponse { runs, next_page_token }))
    }

    async fn list_transitions(
        &self,
        request: Request<ListTransitionsRequest>,
    ) -> Result<Response<ListTransitionsResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let ListTransitionsRequest { page_size, page_token, run_id } = request.into_inner();
        let run: Option<RunId> = fields::parse_optional("run_id", &run_id)?;
        let page = Page::read(&tenant, "ListTransitions", &[&run_id], page_size, &page_token)?;
        let rows = if let Some(run) = run {
            read::run(&self.db, &tenant, run)
                .await
                .map_err(Error::from)?
                .ok_or_else(|| errors::run_not_found(&run_id))?;
            let after = page.after_as::<i32>()?.unwrap_or(0);
            read::transitions_of_run(&self.db, &tenant, run, after, page.limit()).await
        } else {
            read::transitions(&self.db, &tenant, page.after_as::<Uuid>()?, page.limit()).await
        };
        let key = |made: &Transition| match run {
            Some(_) => made.number.to_string(),
            None => made.id.to_string(),
        };
        let rows = rows.map_err(Error::from)?;
        let (transitions, next_page_token) = page.cut(rows, key, |made| wire::transition(&made));
        Ok(Response::new(ListTransitionsResponse { transitions, next_page_token }))
    }

    async fn list_refused_entries(
        &self,
        request: Request<ListRefusedEntriesRequest>,
    ) -> Result<Response<ListRefusedEntriesResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let ListRefusedEntriesRequest { page_size, page_token, journey } = request.into_inner();
        let filter: Option<JourneyKey> = fields::parse_optional("journey", &journey)?;
        let page = Page::read(&tenant, "ListRefusedEntries", &[&journey], page_size, &page_token)?;
        let before = page.after_as::<Uuid>()?;
        let rows = read::refused(&self.db, &tenant, filter.as_ref(), before, page.limit()).await;
        let rows = rows.map_err(Error::from)?;
        let (entries, next_page_token) = page.cut(rows, |row| row.id.to_string(), wire::refused);
        Ok(Response::new(ListRefusedEntriesResponse { entries, next_page_token }))
    }

    async fn watch_stage_transitions(
        &self,
        request: Request<WatchStageTransitionsRequest>,
    ) -> Result<Response<Self::WatchStageTransitionsStream>, Status> {
        let scope = Scope::of(&Caller::of(&request)?);
        Ok(Response::new(self.source.watch(scope, request.get_ref()).await?))
    }

    async fn list_parked(
        &self,
        request: Request<ListParkedRequest>,
    ) -> Result<Response<ListParkedResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let ListParkedRequest { page_size, page_token } = request.into_inner();
        let (parked, next_page_token) = parked::list(&self.db, &tenant, page_size, &page_token).await?;
        Ok(Response::new(ListParkedResponse { parked, next_page_token }))
    }

    async fn retry_parked(
        &self,
        request: Request<RetryParkedRequest>,
    ) -> Result<Response<RetryParkedResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let (by, now) = (&caller::origin(&request)?, self.engine.clock.now());
        let id = request.into_inner().parked_id;
        let (applied, reason) = match parked::subscription_of(&self.db, &tenant, id).await?.as_str() {
            AttributionEvents::NAME => {
                parked::retry(&self.db, &self.attribution, &tenant, id, by, now).await?
            }
            OrderEvents::NAME => parked::retry(&self.db, &self.orders, &tenant, id, by, now).await?,
            _ => return Err(Error::internal().into()),
        };
        Ok(Response::new(RetryParkedResponse { applied, reason }))
    }
}

impl Server {
    /// The run by its id, or the last one of a contact through a journey, which may not have started.
    async fn find_run(
        &self,
        tenant: TenantId,
        request: &GetRunRequest,
    ) -> Result<(Option<RunRow>, Place, JourneyKey), Error> {
        if request.run_id.is_empty() {
            let journey: JourneyKey = fields::parse("journey", &request.journey)?;
            let contact = fields::parse("contact_id", &request.contact_id)?;
            let campaign = fields::parse_optional("campaign_id", &request.campaign_id)?;
            let place = Place { tenant, contact, campaign };
            let row = read::last_run(&self.db, &place, &journey).await?;
            return Ok((row, place, journey));
        }
        let id: RunId = fields::parse("run_id", &request.run_id)?;
        for (path, text) in [
            ("journey", &request.journey),
            ("campaign_id", &request.campaign_id),
            ("contact_id", &request.contact_id),
        ] {
            if !text.is_empty() {
                return Err(Error::field(path, "is not to be given beside `run_id`"));
            }
        }
        let row =
            read::run(&self.db, &tenant, id).await?.ok_or_else(|| errors::run_not_found(&request.run_id))?;
        let unreadable = |_| pg::Error::unreadable("runs.campaign_id", id);
        let campaign = match row.campaign_id.as_str() {
            "" => None,
            text => Some(text.parse().map_err(unreadable)?),
        };
        let place = Place { tenant, contact: row.contact_id, campaign };
        let journey = row.journey.clone();
        Ok((Some(row), place, journey))
    }
}

fn read_call(tenant: TenantId, origin: Origin, request: &EnterStageRequest) -> Result<Call, Error> {
    Ok(Call {
        origin,
        place: Place {
            tenant,
            contact: fields::parse("contact_id", &request.contact_id)?,
            campaign: fields::parse_optional("campaign_id", &request.campaign_id)?,
        },
        journey: fields::parse("journey", &request.journey)?,
        stage: fields::parse("stage", &request.stage)?,
        key: fields::parse("occurrence_key", &request.occurrence_key)?,
        occurred_at: fields::timestamp("occurred_at", request.occurred_at.as_ref())?,
    })
}
