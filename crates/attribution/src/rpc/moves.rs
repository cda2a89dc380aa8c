//! ActivateAttribution, DeactivateAttribution, ReassignAttribution (A3), and GetAttributionHistory (A10).

use proto::attribution as v1;
use rpc::page::Page;
use rpc::{Error, caller, fields};
use tonic::Request;
use types::AttributionId;

use super::attributions::Attributions;
use super::read;
use crate::commands::move_attributions::{Command, Fate, Which};
use crate::domain::Violation;
use crate::domain::lifecycle::Moved;
use crate::{store, wire};

/// A request to move an attribution.
trait Ask: prost::Message {
    /// The RPC.
    const METHOD: &'static str;

    /// Takes out what makes a repeat harmless; the rest is what a repeat has to bring again.
    fn take_request_id(&mut self) -> String;

    /// Why, and when.
    fn circumstances(&self) -> (String, Option<prost_types::Timestamp>);

    /// Which attribution, and what is to become of it.
    fn asked(&self) -> Result<(Which, Fate), Error>;
}

macro_rules! ask {
    ($method:literal, $request:ident, $fate:ident: |$wire:ident| $which:expr) => {
        impl Ask for v1::$request {
            const METHOD: &'static str = $method;

            fn take_request_id(&mut self) -> String {
                std::mem::take(&mut self.request_id)
            }

            fn circumstances(&self) -> (String, Option<prost_types::Timestamp>) {
                (self.reason.clone(), self.occurred_at)
            }

            fn asked(&self) -> Result<(Which, Fate), Error> {
                let $wire = self;
                Ok(($which, Fate::$fate))
            }
        }
    };
}

ask!("ActivateAttribution", ActivateAttributionRequest, Activate: |wire| {
    Which::Named(fields::parse("attribution_id", &wire.attribution_id)?)
});
ask!("DeactivateAttribution", DeactivateAttributionRequest, Deactivate: |wire| {
    Which::Named(fields::parse("attribution_id", &wire.attribution_id)?)
});
ask!("ReassignAttribution", ReassignAttributionRequest, Reassign: |wire| {
    Which::Between {
        campaign: fields::parse("campaign_id", &wire.campaign_id)?,
        contact: read::contact_ref("contact", wire.contact.as_ref())?,
        advocate: read::contact_ref("advocate", wire.advocate.as_ref())?,
    }
});

impl Attributions {
    pub(super) async fn activate(
        &self,
        request: Request<v1::ActivateAttributionRequest>,
    ) -> Result<v1::ActivateAttributionResponse, Error> {
        let Moved { attribution, replayed, .. } = self.carry_out(request).await?;
        Ok(v1::ActivateAttributionResponse { attribution: Some(wire::attribution(&attribution)), replayed })
    }

    pub(super) async fn deactivate(
        &self,
        request: Request<v1::DeactivateAttributionRequest>,
    ) -> Result<v1::DeactivateAttributionResponse, Error> {
        let Moved { attribution, replayed, .. } = self.carry_out(request).await?;
        Ok(v1::DeactivateAttributionResponse { attribution: Some(wire::attribution(&attribution)), replayed })
    }

    pub(super) async fn reassign(
        &self,
        request: Request<v1::ReassignAttributionRequest>,
    ) -> Result<v1::ReassignAttributionResponse, Error> {
        let Moved { attribution, deactivated, replayed } = self.carry_out(request).await?;
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
        let found = found.ok_or(Violation::AttributionNotFound(Some(id)))?;
        let changes = store::attribution_changes(&mut conn, &tenant, &found, after, page.limit()).await?;
        let (changes, next_page_token) = page.cut(
            changes,
            |(number, _)| number.to_string(),
            |(_, change)| wire::attribution_change(&change),
        );
        Ok(v1::GetAttributionHistoryResponse { changes, next_page_token })
    }

    async fn carry_out<A: Ask>(&self, request: Request<A>) -> Result<Moved, Error> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let mut wire = request.into_inner();
        let request_id = wire.take_request_id();
        let (which, fate) = wire.asked()?;
        let (reason, occurred_at) = wire.circumstances();
        let occurred_at = fields::timestamp("occurred_at", occurred_at.as_ref())?;
        let request = read::request(&self.0, &tenant, A::METHOD, &request_id, &wire);
        let command = Command { tenant, origin, which, fate, reason, occurred_at, request };
        Ok(self.0.moves.run(command).await?)
    }
}
