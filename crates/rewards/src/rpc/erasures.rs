//! ErasureService: the receipt of erasures (A13).

use outbox::Erasures;
use proto::rewards::erasure_service_server::ErasureService;
use proto::rewards::{GetErasureRequest, GetErasureResponse};
use rpc::{caller, fields};
use tonic::{Request, Response, Status};

/// Serves the receipts of this schema.
#[derive(Debug)]
pub(crate) struct ErasureRpcs(pub(crate) Erasures);

#[tonic::async_trait]
impl ErasureService for ErasureRpcs {
    async fn get_erasure(
        &self,
        request: Request<GetErasureRequest>,
    ) -> Result<Response<GetErasureResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let contact = fields::parse("contact_id", &request.get_ref().contact_id)?;
        let erasure = Some(self.0.receipt(&tenant, contact).await?);
        Ok(Response::new(GetErasureResponse { erasure }))
    }
}
