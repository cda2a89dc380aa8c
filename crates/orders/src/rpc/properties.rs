//! OrderPropertyService (O9), and properties of orders from the wire.

use std::collections::HashMap;

use outbox::Registry;
use pg::WriteTx;
use proto::orders as wire;
use proto::orders::order_property_service_server::OrderPropertyService;
use rpc::fields::{self, wire_time};
use rpc::filter::Family;
use rpc::page::Page;
use rpc::{Error, caller};
use tonic::{Request, Response, Status};

use super::errors::of_definition;
use crate::domain::{Definition, Definitions, Properties, PropertyName};
use crate::store;

/// Serves definitions of properties.
#[derive(Debug)]
pub(crate) struct OrderProperties(pub(crate) Registry);

#[tonic::async_trait]
impl OrderPropertyService for OrderProperties {
    async fn create_order_property(
        &self,
        request: Request<wire::CreateOrderPropertyRequest>,
    ) -> Result<Response<wire::CreateOrderPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let (wire, now) = (request.get_ref(), self.0.clock.now());
        let flags = (wire.required, wire.personal);
        let new = rpc::properties::definition(&wire.name, wire.r#type, flags, &wire.description, now)?;
        let made = self.0.create(&tenant, &origin, new).await.map_err(of_definition)?;
        Ok(Response::new(wire::CreateOrderPropertyResponse { property: Some(wire_definition(&made)) }))
    }

    async fn get_order_property(
        &self,
        request: Request<wire::GetOrderPropertyRequest>,
    ) -> Result<Response<wire::GetOrderPropertyResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        let found = self.0.get(&tenant, name).await.map_err(of_definition)?;
        Ok(Response::new(wire::GetOrderPropertyResponse { property: Some(wire_definition(&found)) }))
    }

    async fn list_order_properties(
        &self,
        request: Request<wire::ListOrderPropertiesRequest>,
    ) -> Result<Response<wire::ListOrderPropertiesResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let page = Page::read(&tenant, "ListOrderProperties", &[], wire.page_size, &wire.page_token)?;
        let all = self.0.of(&tenant).await.map_err(Error::from)?;
        let (properties, next_page_token) = rpc::properties::page(&page, all, wire_definition)?;
        Ok(Response::new(wire::ListOrderPropertiesResponse { properties, next_page_token }))
    }

    async fn update_order_property(
        &self,
        request: Request<wire::UpdateOrderPropertyRequest>,
    ) -> Result<Response<wire::UpdateOrderPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let wire = request.get_ref();
        let name: PropertyName = fields::parse("name", &wire.name)?;
        let mask = wire.update_mask.as_ref();
        let change = rpc::properties::change(mask, wire.required, wire.personal, &wire.description)?;
        let changed = self.0.update(&tenant, &origin, &name, change).await.map_err(of_definition)?;
        Ok(Response::new(wire::UpdateOrderPropertyResponse { property: Some(wire_definition(&changed)) }))
    }

    async fn delete_order_property(
        &self,
        request: Request<wire::DeleteOrderPropertyRequest>,
    ) -> Result<Response<wire::DeleteOrderPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        let is_read = async |_: &mut WriteTx| Ok(false);
        self.0.delete(&tenant, &origin, &name, is_read).await.map_err(of_definition)?;
        Ok(Response::new(wire::DeleteOrderPropertyResponse {}))
    }
}

fn wire_definition(definition: &Definition) -> wire::OrderProperty {
    wire::OrderProperty {
        name: definition.name.to_string(),
        r#type: definition.kind.number(),
        required: definition.required,
        personal: definition.personal,
        description: definition.description.clone(),
        created_at: Some(wire_time(definition.created_at)),
    }
}

/// Properties of an order; paths begin with `at`. An empty text is none. Whether they fit what is defined shows later.
pub(super) fn properties(at: &str, wire: &HashMap<String, wire::PropertyValue>) -> Result<Properties, Error> {
    let read = rpc::properties::read(at, wire)?;
    Ok(read.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// What a tenant's orders can be filtered by beside their fields.
pub(super) fn family(definitions: &Definitions) -> Family {
    rpc::properties::family(definitions, store::properties::sql)
}
