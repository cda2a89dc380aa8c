//! ErasureService (A13).

use std::sync::Arc;

use proto::attribution as v1;
use proto::attribution::erasure_service_server::ErasureService;
use rpc::{Error, Reason, caller, fields};
use tonic::{Request, Response, Status};
use types::{ContactId, TenantId};

use super::read;
use crate::commands::erase_contact::{self, Command, Done};
use crate::{App, store};

/// Serves erasures.
#[derive(Debug)]
pub(super) struct ErasureRpcs(pub(super) Arc<App>);

impl ErasureRpcs {
    /// Refuses what was never erased.
    async fn known(&self, tenant: &TenantId, contact_id: &str) -> Result<ContactId, Error> {
        let contact = fields::parse("contact_id", contact_id)?;
        self.0.erasures.receipt(tenant, contact).await.map(|_| contact)
    }
}

#[tonic::async_trait]
impl ErasureService for ErasureRpcs {
    async fn erase_contact(
        &self,
        request: Request<v1::EraseContactRequest>,
    ) -> Result<Response<v1::EraseContactResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let mut wire = request.into_inner();
        let id = std::mem::take(&mut wire.request_id);
        let command = Command {
            who: read::contact_ref("contact", wire.contact.as_ref())?,
            occurred_at: fields::timestamp("occurred_at", wire.occurred_at.as_ref())?,
            request: read::request(&self.0, &tenant, "EraseContact", &id, &wire),
            visitors: wire.visitor_ids,
            tenant: tenant.clone(),
            origin,
        };
        let App { db, clock, erasures, .. } = &*self.0;
        let done = erase_contact::run(db, &**clock, erasures, command).await.map_err(Error::from)?;
        let Done { contact, before } = done;
        let erasure = Some(erasures.receipt(&tenant, contact).await?);
        Ok(Response::new(v1::EraseContactResponse { erasure, already_erased: before }))
    }

    async fn get_erasure(
        &self,
        request: Request<v1::GetErasureRequest>,
    ) -> Result<Response<v1::GetErasureResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let contact = fields::parse("contact_id", &request.get_ref().contact_id)?;
        let erasure = Some(self.0.erasures.receipt(&tenant, contact).await?);
        Ok(Response::new(v1::GetErasureResponse { erasure }))
    }

    async fn get_erased_names(
        &self,
        request: Request<v1::GetErasedNamesRequest>,
    ) -> Result<Response<v1::GetErasedNamesResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let contact = self.known(&tenant, &request.get_ref().contact_id).await?;
        let names = store::erased_names(self.0.db.read(), &tenant, contact).await.map_err(Error::from)?;
        Ok(Response::new(v1::GetErasedNamesResponse { names }))
    }

    async fn forget_erased_names(
        &self,
        request: Request<v1::ForgetErasedNamesRequest>,
    ) -> Result<Response<v1::ForgetErasedNamesResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let contact = self.known(&tenant, &request.get_ref().contact_id).await?;
        let App { db, clock, erasures, .. } = &*self.0;
        if !erasures.is_complete(&tenant, contact).await? {
            return Err(Error::not_found(Reason::ErasureNotFound, "erasure", contact.to_string()).into());
        }
        let by = (&tenant, &origin);
        erase_contact::forget_names(db, &**clock, by, contact).await.map_err(Error::from)?;
        Ok(Response::new(v1::ForgetErasedNamesResponse {}))
    }
}
