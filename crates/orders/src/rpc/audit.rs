//! AuditService: who did what here.

use pg::Database;
use proto::orders::audit_service_server::AuditService;
use proto::orders::{ListAuditEntriesRequest, ListAuditEntriesResponse};
use rpc::audit::{self, Query};
use rpc::caller;
use tonic::{Request, Response, Status};

/// Serves the audit entries of this schema.
#[derive(Debug)]
pub(crate) struct Audits(pub(crate) Database);

#[tonic::async_trait]
impl AuditService for Audits {
    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let request = request.get_ref();
        let query = Query {
            page_size: request.page_size,
            page_token: &request.page_token,
            principal: &request.principal,
            method: &request.method,
            since: request.since.as_ref(),
            until: request.until.as_ref(),
        };
        let (entries, next_page_token) = audit::list(&self.0, &tenant, query).await?;
        Ok(Response::new(ListAuditEntriesResponse { entries, next_page_token }))
    }
}
