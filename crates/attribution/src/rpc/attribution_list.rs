//! ListAttributions, and ExportAttributions: the same as CSV, in constant memory (A16).

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use proto::attribution as v1;
use proto::common;
use rpc::csv::export::{Piece, Table, export};
use rpc::filter::Filter;
use rpc::page::Page;
use rpc::{Error, caller, fields};
use time::format_description::well_known::Rfc3339;
use tonic::{Request, Status};
use types::{ContactId, TenantId, Timestamp};
use uuid::Uuid;

use super::attributions::Attributions;
use super::read;
use crate::store::{AttributionSelection, ExportedAttribution};
use crate::{App, store, wire};

/// Columns that an import reads, too.
const IMPORTED: [&str; 9] = [
    "attribution_id",
    "campaign",
    "contact_id",
    "contact_email",
    "contact_uid",
    "advocate_id",
    "advocate_email",
    "advocate_uid",
    "state",
];
/// Columns that only an export has: an import skips them.
pub(super) const ONLY_EXPORTED: &[&str] =
    &["inactive_reason", "evidence", "source", "effective_from", "deactivated_at", "attempts"];

impl Attributions {
    pub(super) async fn list(
        &self,
        request: Request<v1::ListAttributionsRequest>,
    ) -> Result<v1::ListAttributionsResponse, Error> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let named = |who: &Option<common::ContactRef>| {
            who.as_ref().map(|who| [&*who.contact_id, &who.email, &who.uid].join("\n")).unwrap_or_default()
        };
        let (contact, advocate) = (named(&wire.contact), named(&wire.advocate));
        let query = [wire.campaign_id.as_str(), &wire.state.to_string(), &wire.filter, &contact, &advocate];
        let page = Page::read(&tenant, "ListAttributions", &query, wire.page_size, &wire.page_token)?;
        let selection = Asked {
            campaign_id: &wire.campaign_id,
            state: wire.state(),
            filter: &wire.filter,
            contact: wire.contact.as_ref(),
            advocate: wire.advocate.as_ref(),
        };
        let selection = selection.read(&self.0, &tenant).await?;
        let mut conn = self.0.db.read().acquire().await?;
        let after = read::after(&page)?;
        let listed = store::list_attributions(&mut conn, &tenant, &selection, after, page.limit()).await;
        let listed = listed.map_err(|error| selection.matching.refused(error))?;
        let (attributions, next_page_token) =
            page.cut(listed, |a| a.id.to_string(), |a| wire::attribution(&a));
        Ok(v1::ListAttributionsResponse { attributions, next_page_token })
    }

    pub(super) async fn export(
        &self,
        request: Request<v1::ExportAttributionsRequest>,
    ) -> Result<BoxStream<'static, Result<v1::ExportAttributionsResponse, Status>>, Error> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let selection = Asked {
            campaign_id: &wire.campaign_id,
            state: wire.state(),
            filter: &wire.filter,
            contact: wire.contact.as_ref(),
            advocate: wire.advocate.as_ref(),
        };
        let selection = selection.read(&self.0, &tenant).await?;
        let exported = Exported { app: Arc::clone(&self.0), tenant, selection, after: None };
        let pieces = export(exported, self.0.exports.clone(), self.0.stop.clone()).await?;
        let wire = |Piece { chunk, rows }| v1::ExportAttributionsResponse { chunk, rows };
        Ok(pieces.map(move |piece| piece.map(wire).map_err(Status::from)).boxed())
    }
}

/// What both are asked for.
struct Asked<'a> {
    campaign_id: &'a str,
    state: v1::AttributionState,
    filter: &'a str,
    contact: Option<&'a common::ContactRef>,
    advocate: Option<&'a common::ContactRef>,
}

impl Asked<'_> {
    async fn read(&self, app: &App, tenant: &TenantId) -> Result<AttributionSelection, Error> {
        Ok(AttributionSelection {
            campaign: fields::parse_optional("campaign_id", self.campaign_id)?,
            active: match self.state {
                v1::AttributionState::Unspecified => None,
                v1::AttributionState::Active => Some(true),
                v1::AttributionState::Inactive => Some(false),
            },
            matching: Filter::read(store::ATTRIBUTION_FIELDS, self.filter)?,
            contact: known(app, tenant, "contact", self.contact).await?,
            advocate: known(app, tenant, "advocate", self.advocate).await?,
        })
    }
}

/// The id of a contact that a list is about, if it is about one.
async fn known(
    app: &App,
    tenant: &TenantId,
    path: &str,
    who: Option<&common::ContactRef>,
) -> Result<Option<ContactId>, Error> {
    let Some(who) = who else { return Ok(None) };
    let who = read::contact_ref(path, Some(who))?;
    Ok(Some(read::known_contact(app, tenant, &who).await?.1.id))
}

/// What is exported, and how far it is.
struct Exported {
    app: Arc<App>,
    tenant: TenantId,
    selection: AttributionSelection,
    /// The last one that was read.
    after: Option<Uuid>,
}

impl Table for Exported {
    type Row = ExportedAttribution;

    fn columns(&self) -> Vec<String> {
        IMPORTED.iter().chain(ONLY_EXPORTED).map(|column| (*column).to_owned()).collect()
    }

    fn cells(&self, row: &ExportedAttribution) -> Vec<String> {
        let ExportedAttribution { attribution, contact, advocate } = row;
        let wire = wire::attribution(attribution);
        let name = |name: &str, prefix: &str| match name.strip_prefix(prefix) {
            None | Some("UNSPECIFIED") => String::new(),
            Some(name) => name.to_owned(),
        };
        vec![
            attribution.id.to_string(),
            attribution.campaign.to_string(),
            attribution.contact.to_string(),
            contact.email.clone(),
            contact.uid.clone(),
            attribution.advocate.to_string(),
            advocate.email.clone(),
            advocate.uid.clone(),
            name(wire.state().as_str_name(), "ATTRIBUTION_STATE_"),
            name(wire.inactive_reason().as_str_name(), "INACTIVE_REASON_"),
            name(wire.evidence().as_str_name(), "EVIDENCE_KIND_"),
            attribution.source.clone(),
            moment(attribution.effective_from),
            attribution.deactivated_at.map(moment).unwrap_or_default(),
            attribution.attempts.to_string(),
        ]
    }

    async fn read(&mut self, limit: i64) -> Result<(Vec<ExportedAttribution>, bool), pg::Error> {
        let Self { app, tenant, selection, after } = self;
        let read = store::export_attributions(&app.db, tenant, selection, *after, limit).await?;
        *after = read.last().map(|row| row.attribution.id.as_uuid()).or(*after);
        let more = i64::try_from(read.len()) == Ok(limit);
        Ok((read, more))
    }

    fn refused(&self, error: pg::Error) -> Error {
        self.selection.matching.refused(error)
    }
}

/// As RFC 3339 writes it, which takes every year that is stored.
fn moment(at: Timestamp) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
