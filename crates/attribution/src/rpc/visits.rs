//! VisitService.

use std::net::IpAddr;
use std::sync::Arc;

use proto::attribution as v1;
use proto::attribution::visit_service_server::VisitService;
use rpc::page::Page;
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status};

use super::read;
use crate::commands::record_visits::Command;
use crate::domain::visit::{About, Network, NewVisit, is_bot, path_of};
use crate::store::VisitPage;
use crate::{App, store, wire};

/// Serves visits.
#[derive(Debug)]
pub(super) struct Visits(pub(super) Arc<App>);

#[tonic::async_trait]
impl VisitService for Visits {
    async fn record_visit(
        &self,
        request: Request<v1::RecordVisitRequest>,
    ) -> Result<Response<v1::RecordVisitResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let wire = request.get_ref();
        let visit = new_visit(wire)?;
        let occurred_at = fields::timestamp("occurred_at", wire.occurred_at.as_ref())?;
        let logged = self.0.visits.run(Command { tenant, origin, visit, occurred_at }).await;
        let (visit, created) = logged.map_err(Error::from)?;
        Ok(Response::new(v1::RecordVisitResponse { visit: Some(wire::visit(&visit)), created }))
    }

    async fn list_visits(
        &self,
        request: Request<v1::ListVisitsRequest>,
    ) -> Result<Response<v1::ListVisitsResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let advocate =
            wire.advocate.as_ref().map(|who| read::contact_ref("advocate", Some(who))).transpose()?;
        let who = advocate.as_ref().map(read::named).unwrap_or_default();
        let query = [wire.campaign_id.as_str(), &who, &wire.visitor_id];
        let page = Page::read(&tenant, "ListVisits", &query, wire.page_size, &wire.page_token)?;
        let advocate = match advocate {
            Some(who) => Some(read::known_contact(&self.0, &tenant, &who).await?.1.id),
            None => None,
        };
        let selection = VisitPage {
            campaign: fields::parse_optional("campaign_id", &wire.campaign_id)?,
            advocate,
            visitor: fields::parse_optional("visitor_id", &wire.visitor_id)?,
            after: read::after(&page)?,
            limit: page.limit(),
        };
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let visits = store::list_visits(&mut conn, &tenant, &selection).await.map_err(Error::from)?;
        let (visits, next_page_token) = page.cut(visits, |v| v.id.to_string(), |v| wire::visit(&v));
        Ok(Response::new(v1::ListVisitsResponse { visits, next_page_token }))
    }
}

/// Reads a visit; what of it tells the person is not taken any further (A8).
fn new_visit(wire: &v1::RecordVisitRequest) -> Result<NewVisit, Error> {
    let address: Option<IpAddr> = fields::parse_optional("ip", &wire.ip)?;
    Ok(NewVisit {
        visitor: fields::parse("visitor_id", &wire.visitor_id)?,
        shortcode: fields::parse("shortcode", &wire.shortcode)?,
        about: About {
            channel: wire.channel.clone(),
            source: wire.source.clone(),
            landing_path: path_of(&wire.landing_path).to_owned(),
            is_bot: wire.bot.unwrap_or_else(|| is_bot(&wire.user_agent)),
            user_agent: wire.user_agent.clone(),
            network: address.map(Network::of),
        },
    })
}
