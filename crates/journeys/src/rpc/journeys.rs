//! JourneyService: definitions.

use proto::journeys::journey_service_server::JourneyService;
use proto::journeys::{
    ApplyJourneyRequest, ApplyJourneyResponse, DrawJourneyRequest, DrawJourneyResponse, GetJourneyRequest,
    GetJourneyResponse, Journey, LintJourneyRequest, LintJourneyResponse, ListJourneyVersionsRequest,
    ListJourneyVersionsResponse, ListJourneysRequest, ListJourneysResponse,
};
use rpc::page::Page;
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status};
use types::{JourneyKey, Origin, TenantId};

use super::{Server, errors};
use crate::commands::apply_journey::{self, ApplyJourney};
use crate::domain::yaml;
use crate::store::read::{self, JourneyRow};
use crate::store::versions;
use crate::wire;

#[tonic::async_trait]
impl JourneyService for Server {
    async fn apply_journey(
        &self,
        request: Request<ApplyJourneyRequest>,
    ) -> Result<Response<ApplyJourneyResponse>, Status> {
        let origin = caller::origin(&request)?;
        let command = read_apply(caller::tenant(&request)?, origin, request.into_inner())?;
        let (row, changed) =
            apply_journey::apply_journey(&self.db, &self.engine.definitions, &*self.engine.clock, command)
                .await
                .map_err(errors::of_applying)?;
        Ok(Response::new(ApplyJourneyResponse { journey: Some(show(row)?), changed }))
    }

    async fn get_journey(
        &self,
        request: Request<GetJourneyRequest>,
    ) -> Result<Response<GetJourneyResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let GetJourneyRequest { journey, version } = request.into_inner();
        let key: JourneyKey = fields::parse("journey", &journey)?;
        let version = given(version);
        let row = read::journey(self.db.read(), &tenant, &key, version).await.map_err(Error::from)?;
        let row = row.ok_or_else(|| errors::journey_not_found(&journey))?;
        Ok(Response::new(GetJourneyResponse { journey: Some(show(row)?) }))
    }

    async fn list_journeys(
        &self,
        request: Request<ListJourneysRequest>,
    ) -> Result<Response<ListJourneysResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let ListJourneysRequest { page_size, page_token } = request.into_inner();
        let page = Page::read(&tenant, "ListJourneys", &[], page_size, &page_token)?;
        let after = page.after().unwrap_or_default();
        let rows = read::journeys(&self.db, &tenant, after, page.limit()).await.map_err(Error::from)?;
        let keyed = |row: JourneyRow| Ok((row.journey.to_string(), show(row)?));
        let rows = rows.into_iter().map(keyed).collect::<Result<Vec<_>, Error>>()?;
        let (journeys, next_page_token) = page.cut(rows, |(key, _)| key.clone(), |(_, journey)| journey);
        Ok(Response::new(ListJourneysResponse { journeys, next_page_token }))
    }

    async fn list_journey_versions(
        &self,
        request: Request<ListJourneyVersionsRequest>,
    ) -> Result<Response<ListJourneyVersionsResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let ListJourneyVersionsRequest { journey, page_size, page_token } = request.into_inner();
        let key: JourneyKey = fields::parse("journey", &journey)?;
        let page = Page::read(&tenant, "ListJourneyVersions", &[&journey], page_size, &page_token)?;
        let before = page.after_as()?;
        let rows = versions::versions(&self.db, &tenant, &key, before, page.limit()).await;
        let rows = rows.map_err(Error::from)?;
        if rows.is_empty() && before.is_none() {
            return Err(errors::journey_not_found(&journey).into());
        }
        let (versions, next_page_token) = page.cut(rows, |row| row.version.to_string(), wire::version);
        Ok(Response::new(ListJourneyVersionsResponse { versions, next_page_token }))
    }

    async fn lint_journey(
        &self,
        request: Request<LintJourneyRequest>,
    ) -> Result<Response<LintJourneyResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        self.lint(&tenant, &request.into_inner()).await
    }

    async fn draw_journey(
        &self,
        request: Request<DrawJourneyRequest>,
    ) -> Result<Response<DrawJourneyResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        self.draw(&tenant, &request.into_inner()).await
    }
}

fn read_apply(tenant: TenantId, origin: Origin, request: ApplyJourneyRequest) -> Result<ApplyJourney, Error> {
    let base_version = given(request.base_version);
    let text = request.definition;
    let (definition, campaigns) = yaml::parse(&text).map_err(errors::of_definition)?;
    Ok(ApplyJourney { tenant, origin, text, definition, campaigns, base_version })
}

/// 0 does not say.
pub(super) fn given(version: i32) -> Option<i32> {
    Some(version).filter(|version| *version > 0)
}

fn show(row: JourneyRow) -> Result<Journey, Error> {
    let unreadable = |_| pg::Error::unreadable("journey_versions.definition", &row.journey);
    let (definition, _) = yaml::parse(&row.definition).map_err(unreadable)?;
    Ok(wire::journey(row, &definition)?)
}
