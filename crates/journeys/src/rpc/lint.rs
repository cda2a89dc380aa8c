//! LintJourney and DrawJourney: what can be said of a definition, stored or not.

use definitions::outline::{self, Outline};
use proto::journeys::{
    DrawFormat, DrawJourneyRequest, DrawJourneyResponse, LintJourneyRequest, LintJourneyResponse,
};
use rpc::{Error, fields};
use tonic::{Response, Status};
use types::{CampaignId, JourneyKey, TenantId};

use super::journeys::given;
use super::{Server, errors};
use crate::domain::definition::Definition;
use crate::domain::draw::{Drawing, Live};
use crate::domain::lint;
use crate::domain::yaml;
use crate::store::funnel::Asked;
use crate::store::{funnel, read};
use crate::wire;

impl Server {
    pub(super) async fn lint(
        &self,
        tenant: &TenantId,
        request: &LintJourneyRequest,
    ) -> Result<Response<LintJourneyResponse>, Status> {
        let others = self.engine.definitions.of_tenant(&self.db, tenant).await.map_err(Error::from)?;
        let program = Some(request.program.as_str()).filter(|program| !program.is_empty());
        let findings = lint::lint(&request.definition, &others, program);
        let findings = findings.into_iter().map(wire::finding).collect();
        Ok(Response::new(LintJourneyResponse { findings }))
    }

    pub(super) async fn draw(
        &self,
        tenant: &TenantId,
        request: &DrawJourneyRequest,
    ) -> Result<Response<DrawJourneyResponse>, Status> {
        let campaign: Option<CampaignId> = fields::parse_optional("campaign_id", &request.campaign_id)?;
        let (definition, version) = self.drawn(tenant, request).await?;
        let live = match (request.live, version) {
            (false, _) => None,
            (true, None) => return Err(Error::field("live", "needs `journey`: only that has runs").into()),
            (true, Some(_)) => Some(self.live(tenant, &definition, campaign.as_ref()).await?),
        };
        let program = read_program(&request.program)?;
        let drawing =
            Drawing { definition: &definition, version, live: live.as_ref(), program: program.as_ref() };
        let (drawing, media_type) = match request.format() {
            DrawFormat::Unspecified | DrawFormat::Svg => (drawing.svg(), "image/svg+xml"),
            DrawFormat::Mermaid => (drawing.mermaid(), "text/vnd.mermaid"),
        };
        Ok(Response::new(DrawJourneyResponse { drawing, media_type: media_type.to_owned() }))
    }

    /// What is to be drawn, and which version that is, if it was published.
    async fn drawn(
        &self,
        tenant: &TenantId,
        request: &DrawJourneyRequest,
    ) -> Result<(Definition, Option<i32>), Error> {
        if request.journey.is_empty() {
            let (definition, _) = yaml::parse(&request.definition).map_err(errors::of_definition)?;
            return Ok((definition, None));
        }
        let journey: JourneyKey = fields::parse("journey", &request.journey)?;
        let row = read::journey(self.db.read(), tenant, &journey, given(request.version)).await?;
        let row = row.ok_or_else(|| errors::journey_not_found(&request.journey))?;
        let unreadable = |_| pg::Error::unreadable("journey_versions.definition", &journey);
        let (definition, _) = yaml::parse(&row.definition).map_err(unreadable)?;
        Ok((definition, Some(row.version)))
    }

    /// Counters are those of the version in force (J11), and good for every other whose stages stand as there.
    async fn live(
        &self,
        tenant: &TenantId,
        definition: &Definition,
        campaign: Option<&CampaignId>,
    ) -> Result<Live, Error> {
        let in_force = self.engine.definitions.of_tenant(&self.db, tenant).await?;
        if !in_force.iter().any(|d| d.journey == definition.journey && d.counts_like(definition)) {
            return Err(Error::field(
                "live",
                "the stages of this version stand otherwise than in the one in force",
            ));
        }
        let asked = Asked { campaign: campaign.cloned(), ..Asked::default() };
        let counts = funnel::counts(&self.db, tenant, &definition.journey, &asked).await?;
        Ok(Live { counts, campaign: campaign.map(ToString::to_string) })
    }
}

/// As much of a reward program as a drawing shows.
fn read_program(text: &str) -> Result<Option<Outline>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    outline::parse(text).map(Some).map_err(|problem| errors::of_document("program", vec![problem]))
}
