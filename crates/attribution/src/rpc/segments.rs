//! SegmentService.

use std::sync::Arc;

use proto::attribution as v1;
use proto::attribution::segment_service_server::SegmentService;
use rpc::mask::Mask;
use rpc::page::Page;
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status};
use types::{Origin, SegmentId, TenantId};

use super::read;
use crate::commands::put_segment::{self, By, SegmentChange};
use crate::commands::update_segment_members;
use crate::domain::{ContactRef, Violation};
use crate::{App, store, wire};

/// Serves segments.
#[derive(Debug)]
pub(super) struct Segments(pub(super) Arc<App>);

impl Segments {
    fn by<'a>(&'a self, tenant: &'a TenantId, origin: &'a Origin) -> By<'a> {
        let App { db, clock, fill, .. } = &*self.0;
        By { db, clock: &**clock, wake: fill, tenant, origin }
    }
}

#[tonic::async_trait]
impl SegmentService for Segments {
    async fn create_segment(
        &self,
        request: Request<v1::CreateSegmentRequest>,
    ) -> Result<Response<v1::CreateSegmentResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let id: SegmentId = fields::parse("segment_id", &wire.segment_id)?;
        let name = wire.name.trim().to_owned();
        let name = if name.is_empty() { id.to_string() } else { name };
        let rule = Some(wire.rule.trim()).filter(|rule| !rule.is_empty()).map(str::to_owned);
        let origin = caller::origin(&request)?;
        let segment = put_segment::create(self.by(&tenant, &origin), &id, name, rule).await;
        let segment = Some(wire::segment(&segment.map_err(Error::from)?));
        Ok(Response::new(v1::CreateSegmentResponse { segment }))
    }

    async fn update_segment(
        &self,
        request: Request<v1::UpdateSegmentRequest>,
    ) -> Result<Response<v1::UpdateSegmentResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let wire = request.get_ref();
        let id: SegmentId = fields::parse("segment_id", &wire.segment_id)?;
        let segment = put_segment::update(self.by(&tenant, &origin), &id, change(wire, &id)?).await;
        let segment = Some(wire::segment(&segment.map_err(Error::from)?));
        Ok(Response::new(v1::UpdateSegmentResponse { segment }))
    }

    async fn get_segment(
        &self,
        request: Request<v1::GetSegmentRequest>,
    ) -> Result<Response<v1::GetSegmentResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let id: SegmentId = fields::parse("segment_id", &request.get_ref().segment_id)?;
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let found = store::get_segment(&mut conn, &tenant, &id).await.map_err(Error::from)?;
        let segment = found.ok_or_else(|| Error::from(Violation::SegmentNotFound(id)))?;
        Ok(Response::new(v1::GetSegmentResponse { segment: Some(wire::segment(&segment)) }))
    }

    async fn list_segments(
        &self,
        request: Request<v1::ListSegmentsRequest>,
    ) -> Result<Response<v1::ListSegmentsResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let page = Page::read(&tenant, "ListSegments", &[], wire.page_size, &wire.page_token)?;
        let mut conn = self.0.db.read().acquire().await.map_err(Error::from)?;
        let after = page.after().unwrap_or_default();
        let listed = store::list_segments(&mut conn, &tenant, after, page.limit()).await;
        let segments = listed.map_err(Error::from)?;
        let (segments, next_page_token) = page.cut(segments, |s| s.id.to_string(), |s| wire::segment(&s));
        Ok(Response::new(v1::ListSegmentsResponse { segments, next_page_token }))
    }

    async fn update_segment_members(
        &self,
        request: Request<v1::UpdateSegmentMembersRequest>,
    ) -> Result<Response<v1::UpdateSegmentMembersResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let command = update_segment_members::Command {
            origin: caller::origin(&request)?,
            segment: fields::parse("segment_id", &wire.segment_id)?,
            add: members("add", &wire.add)?,
            remove: members("remove", &wire.remove)?,
            occurred_at: fields::timestamp("occurred_at", wire.occurred_at.as_ref())?,
        };
        let App { db, clock, rules, .. } = &*self.0;
        let segment = update_segment_members::run((db, rules), &**clock, &tenant, &command).await;
        let segment = Some(wire::segment(&segment.map_err(Error::from)?));
        Ok(Response::new(v1::UpdateSegmentMembersResponse { segment }))
    }
}

fn change(wire: &v1::UpdateSegmentRequest, id: &SegmentId) -> Result<SegmentChange, Error> {
    let (name, rule) = (wire.name.trim(), wire.rule.trim());
    let fields = [("name", !name.is_empty()), ("rule", !rule.is_empty())];
    let mask = Mask::read(wire.update_mask.as_ref(), &fields)?;
    // `*` of a static segment has no rule, which is as it is
    let is_named = wire.update_mask.as_ref().is_some_and(|mask| mask.paths.iter().any(|path| path == "rule"));
    if rule.is_empty() && is_named {
        return Err(Error::field("rule", "is required: a segment by rule stays one"));
    }
    let named = || if name.is_empty() { id.to_string() } else { name.to_owned() };
    Ok(SegmentChange {
        name: mask.has("name").then(named),
        rule: (mask.has("rule") && !rule.is_empty()).then(|| rule.to_owned()),
    })
}

fn members(path: &str, refs: &[proto::common::ContactRef]) -> Result<Vec<ContactRef>, Error> {
    refs.iter().enumerate().map(|(n, who)| read::contact_ref(&format!("{path}[{n}]"), Some(who))).collect()
}
