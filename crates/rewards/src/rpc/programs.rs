//! `ProgramService`.

use std::sync::Arc;

use pg::Database;
use proto::rewards as wire;
use proto::rewards::program_service_server::ProgramService;
use rpc::Error;
use rpc::caller::{origin, tenant};
use rpc::fields::{parse, wire_time};
use rpc::page::Page;
use tonic::{Request, Response, Status};
use types::{CampaignId, Clock};

use super::errors::no_program;
use crate::commands::apply_program;
use crate::domain::definition;
use crate::store::programs::{self, Stored};

/// Programs of the tenants of a schema.
#[derive(Debug)]
pub(crate) struct Programs {
    db: Database,
    clock: Arc<dyn Clock>,
}

impl Programs {
    /// Programs in `db`.
    pub(crate) fn new(db: Database, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }
}

#[tonic::async_trait]
impl ProgramService for Programs {
    async fn apply_program(
        &self,
        request: Request<wire::ApplyProgramRequest>,
    ) -> Result<Response<wire::ApplyProgramResponse>, Status> {
        let by = (&tenant(&request)?, &origin(&request)?);
        let wire::ApplyProgramRequest { definition, base_version } = request.into_inner();
        let (stored, changed) = apply_program::apply(&self.db, &self.clock, by, &definition, base_version)
            .await
            .map_err(Error::from)?;
        let program = Some(program(&stored).map_err(Error::from)?);
        Ok(Response::new(wire::ApplyProgramResponse { program, changed }))
    }

    async fn get_program(
        &self,
        request: Request<wire::GetProgramRequest>,
    ) -> Result<Response<wire::GetProgramResponse>, Status> {
        let tenant = tenant(&request)?;
        let request = request.into_inner();
        let campaign: CampaignId = parse("campaign_id", &request.campaign_id)?;
        let before = match request.version {
            0 => i32::MAX,
            version => version.saturating_add(1),
        };
        let newest =
            programs::list(self.db.read(), &tenant, &campaign, before, 1).await.map_err(Error::from)?;
        let asked = newest.into_iter().find(|stored| [0, stored.version].contains(&request.version));
        let stored = asked.ok_or_else(|| no_program(&campaign))?;
        let program = Some(program(&stored).map_err(Error::from)?);
        Ok(Response::new(wire::GetProgramResponse { program }))
    }

    async fn list_program_versions(
        &self,
        request: Request<wire::ListProgramVersionsRequest>,
    ) -> Result<Response<wire::ListProgramVersionsResponse>, Status> {
        let tenant = tenant(&request)?;
        let request = request.into_inner();
        let campaign: CampaignId = parse("campaign_id", &request.campaign_id)?;
        let query = [campaign.as_str()];
        let page =
            Page::read(&tenant, "ListProgramVersions", &query, request.page_size, &request.page_token)?;
        let before = page.after_as()?.unwrap_or(i32::MAX);
        let versions = programs::list(self.db.read(), &tenant, &campaign, before, page.limit())
            .await
            .map_err(Error::from)?;
        if versions.is_empty() && page.after().is_none() {
            return Err(no_program(&campaign).into());
        }
        let programs = versions.iter().map(program).collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
        let (programs, next_page_token) =
            page.cut(programs, |shown| shown.version.to_string(), |shown| shown);
        Ok(Response::new(wire::ListProgramVersionsResponse { programs, next_page_token }))
    }
}

fn program(stored: &Stored) -> Result<wire::Program, pg::Error> {
    let rules = definition::parse(&stored.definition).map(|definition| definition.rules);
    let rules =
        rules.map_err(|_| pg::Error::unreadable("program_versions.definition", &stored.campaign_id))?;
    Ok(wire::Program {
        campaign_id: stored.campaign_id.to_string(),
        name: stored.name.clone(),
        version: stored.version,
        effective_from: Some(wire_time(stored.effective_from)),
        definition: stored.definition.clone(),
        rules: rules.iter().map(|rule| rule.key.to_string()).collect(),
        applied_at: Some(wire_time(stored.applied_at)),
    })
}
