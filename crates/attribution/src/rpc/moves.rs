//! ActivateAttribution, DeactivateAttribution, ReassignAttribution (A3), and GetAttributionHistory (A10).

use proto::attribution as v1;
use rpc::page::Page;
use rpc::{Error, caller, fields};
use tonic::Request;
use types::{AttributionId, Origin, TenantId};

use super::attributions::Attributions;
use super::read;
use crate::commands::move_attributions::{Command, Move};
use crate::domain::Violation;
use crate::domain::lifecycle::Moved;
use crate::{store, wire};

/// What the requests of this file have in common.
struct Asked {
    tenant: TenantId,
    origin: Origin,
    method: &'static str,
    reason: String,
    occurred_at: Option<prost_types::Timestamp>,
    request_id: String,
}

impl Attributions {
    pub(super) async fn activate(
        &self,
        request: Request<v1::ActivateAttributionRequest>,
    ) -> Result<v1::ActivateAttributionResponse, Error> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let mut wire = request.into_inner();
        let asked = Asked {
            tenant,
            origin,
            method: "ActivateAttribution",
            reason: wire.reason.clone(),
            occurred_at: wire.occurred_at,
            request_id: std::mem::take(&mut wire.request_id),
        };
        let to = Move::Activate(fields::parse("attribution_id", &wire.attribution_id)?);
        let Moved { attribution, replayed, .. } = self.carry_out(asked, to, &wire).await?;
        Ok(v1::ActivateAttributionResponse { attribution: Some(wire::attribution(&attribution)), replayed })
    }

    pub(super) async fn deactivate(
        &self,
        request: Request<v1::DeactivateAttributionRequest>,
    ) -> Result<v1::DeactivateAttributionResponse, Error> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let mut wire = request.into_inner();
        let asked = Asked {
            tenant,
            origin,
            method: "DeactivateAttribution",
            reason: wire.reason.clone(),
            occurred_at: wire.occurred_at,
            request_id: std::mem::take(&mut wire.request_id),
        };
        let to = Move::Deactivate(fields::parse("attribution_id", &wire.attribution_id)?);
        let Moved { attribution, replayed, .. } = self.carry_out(asked, to, &wire).await?;
        Ok(v1::DeactivateAttributionResponse { attribution: Some(wire::attribution(&attribution)), replayed })
    }

    pub(super) async fn reassign(
        &self,
        request: Request<v1::ReassignAttributionRequest>,
    ) -> Result<v1::ReassignAttributionResponse, Error> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let mut wire = request.into_inner();
        let asked = Asked {
            tenant,
            origin,
            method: "ReassignAttribution",
            reason: wire.reason.clone(),
            occurred_at: wire.occurred_at,
            request_id: std::mem::take(&mut wire.request_id),
        };
        let to = Move::Reassign {
            campaign: fields::parse("campaign_id", &wire.campaign_id)?,
            contact: read::contact_ref("contact", wire.contact.as_ref())?,
            advocate: read::contact_ref("advocate", wire.advocate.as_ref())?,
        };
        let Moved { attribution, deactivated, replayed } = self.carry_out(asked, to, &wire).await?;
        let attribution = Some(wire::attribution(&attribution));
        let deactivated = deactivated.as_ref().map(wire::attribution);
        Ok(v1::ReassignAttributionResponse { attribution, deactivated, replayed })
    }

    pub(super) async fn history(
        &self,
        request: Request<v1::GetAttributionHistoryRequest>,
    ) -> Result<v1::GetAttributionHistoryResponse, Error> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let id: AttributionId = fields::parse("attribution_id", &wire.attribution_id)?;
        let query = [id.to_string()];
        let page =
            Page::read(&tenant, "GetAttributionHistory", &[&query[0]], wire.page_size, &wire.page_token)?;
        let after = page.after_as::<i64>()?.unwrap_or(0);
        let mut conn = self.0.db.read().acquire().await?;
        let found = store::get_attribution(&mut conn, &tenant, id).await?;
        let found = found.ok_or(Violation::AttributionNotFound(id))?;
        let changes = store::attribution_changes(&mut conn, &tenant, &found, after, page.limit()).await?;
        let (changes, next_page_token) = page.cut(
            changes,
            |(number, _)| number.to_string(),
            |(_, change)| wire::attribution_change(&change),
        );
        Ok(v1::GetAttributionHistoryResponse { changes, next_page_token })
    }

    async fn carry_out(&self, asked: Asked, to: Move, wire: &impl prost::Message) -> Result<Moved, Error> {
        let request = read::request(&self.0, &asked.tenant, asked.method, &asked.request_id, wire);
        let command = Command {
            tenant: asked.tenant,
            origin: asked.origin,
            to,
            reason: asked.reason,
            occurred_at: fields::timestamp("occurred_at", asked.occurred_at.as_ref())?,
            request,
        };
        Ok(self.0.moves.run(command).await?)
    }
}
