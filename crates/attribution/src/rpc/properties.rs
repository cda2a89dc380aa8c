//! ContactPropertyService (A15).

use std::sync::Arc;

use pg::WriteTx;
use proto::attribution as v1;
use proto::attribution::contact_property_service_server::ContactPropertyService;
use rpc::page::Page;
use rpc::properties;
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status};
use types::property::PropertyName;

use super::errors::of_definition;
use crate::{App, wire};

/// Serves definitions of properties.
#[derive(Debug)]
pub(super) struct ContactProperties(pub(super) Arc<App>);

#[tonic::async_trait]
impl ContactPropertyService for ContactProperties {
    async fn create_contact_property(
        &self,
        request: Request<v1::CreateContactPropertyRequest>,
    ) -> Result<Response<v1::CreateContactPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let (App { properties, clock, .. }, wire) = (&*self.0, request.get_ref());
        let flags = (wire.required, wire.personal);
        let new = properties::definition(&wire.name, wire.r#type, flags, &wire.description, clock.now())?;
        let made = properties.create(&tenant, &origin, new).await.map_err(of_definition)?;
        Ok(Response::new(v1::CreateContactPropertyResponse { property: Some(wire::property(&made)) }))
    }

    async fn get_contact_property(
        &self,
        request: Request<v1::GetContactPropertyRequest>,
    ) -> Result<Response<v1::GetContactPropertyResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        let found = self.0.properties.get(&tenant, name).await.map_err(of_definition)?;
        Ok(Response::new(v1::GetContactPropertyResponse { property: Some(wire::property(&found)) }))
    }

    async fn list_contact_properties(
        &self,
        request: Request<v1::ListContactPropertiesRequest>,
    ) -> Result<Response<v1::ListContactPropertiesResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let page = Page::read(&tenant, "ListContactProperties", &[], wire.page_size, &wire.page_token)?;
        let all = self.0.properties.of(&tenant).await.map_err(Error::from)?;
        let (properties, next_page_token) = properties::page(&page, all, wire::property)?;
        Ok(Response::new(v1::ListContactPropertiesResponse { properties, next_page_token }))
    }

    async fn update_contact_property(
        &self,
        request: Request<v1::UpdateContactPropertyRequest>,
    ) -> Result<Response<v1::UpdateContactPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let wire = request.get_ref();
        let name: PropertyName = fields::parse("name", &wire.name)?;
        let mask = wire.update_mask.as_ref();
        let change = properties::change(mask, wire.required, wire.personal, &wire.description)?;
        let changed = self.0.properties.update(&tenant, &origin, &name, change).await;
        let changed = changed.map_err(of_definition)?;
        Ok(Response::new(v1::UpdateContactPropertyResponse { property: Some(wire::property(&changed)) }))
    }

    async fn delete_contact_property(
        &self,
        request: Request<v1::DeleteContactPropertyRequest>,
    ) -> Result<Response<v1::DeleteContactPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        let App { properties, rules, .. } = &*self.0;
        let is_read = async |tx: &mut WriteTx| rules.read(tx, &tenant, &name).await;
        properties.delete(&tenant, &origin, &name, is_read).await.map_err(of_definition)?;
        Ok(Response::new(v1::DeleteContactPropertyResponse {}))
    }
}
