//! SegmentService.

use std::sync::Arc;

use proto::attribution as v1;
use proto::attribution::segment_service_server::SegmentService;
use rpc::page::Page;
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status};
use types::SegmentId;

use super::read;
use crate::commands::{create_segment, update_segment_members};
use crate::domain::{ContactRef, Violation};
use crate::{App, store, wire};

/// Serves segments.
#[derive(Debug)]
pub(super) struct Segments(pub(super) Arc<App>);

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
        let App { db, clock, .. } = &*self.0;
        let by = (&tenant, &caller::origin(&request)?);
        let segment = create_segment::run(db, &**clock, by, id, name).await.map_err(Error::from)?;
        Ok(Response::new(v1::CreateSegmentResponse { segment: Some(wire::segment(&segment)) }))
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
        let App { db, clock, .. } = &*self.0;
        let segment = update_segment_members::run(db, &**clock, &tenant, &command).await;
        let segment = Some(wire::segment(&segment.map_err(Error::from)?));
        Ok(Response::new(v1::UpdateSegmentMembersResponse { segment }))
    }
}

fn members(path: &str, refs: &[proto::common::ContactRef]) -> Result<Vec<ContactRef>, Error> {
    refs.iter().enumerate().map(|(n, who)| read::contact_ref(&format!("{path}[{n}]"), Some(who))).collect()
}
