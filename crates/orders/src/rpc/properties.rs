//! OrderPropertyService (O9), and properties of orders from the wire and back.

use std::collections::HashMap;
use std::sync::Arc;

use outbox::Erasures;
use pg::Database;
use proto::orders as wire;
use proto::orders::order_property_service_server::OrderPropertyService;
use proto::orders::property_value::Value;
use rpc::fields::{self, wire_time};
use rpc::filter::Family;
use rpc::mask::Mask;
use rpc::page::Page;
use rpc::properties::Given;
use rpc::{Error, caller};
use tonic::{Request, Response, Status};
use types::property::{DefinitionChange, DefinitionFault};
use types::{Clock, TenantId};

use crate::commands::{By, create_property, delete_property, update_property};
use crate::domain::{Definition, Definitions, Properties, PropertyName, PropertyType, Violation};
use crate::store;

/// Serves definitions of properties.
#[derive(Debug)]
pub(crate) struct OrderProperties {
    /// Where they are.
    pub(crate) db: Database,
    /// The real clock.
    pub(crate) clock: Arc<dyn Clock>,
    /// Erasures of contacts.
    pub(crate) erasures: Erasures,
}

#[tonic::async_trait]
impl OrderPropertyService for OrderProperties {
    async fn create_order_property(
        &self,
        request: Request<wire::CreateOrderPropertyRequest>,
    ) -> Result<Response<wire::CreateOrderPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let by = By { tenant: &tenant, origin: &origin, clock: &*self.clock, erasures: &self.erasures };
        let new = definition(request.get_ref(), &*self.clock)?;
        let made = create_property(&self.db, by, new).await.map_err(Error::from)?;
        Ok(Response::new(wire::CreateOrderPropertyResponse { property: Some(wire_definition(&made)) }))
    }

    async fn get_order_property(
        &self,
        request: Request<wire::GetOrderPropertyRequest>,
    ) -> Result<Response<wire::GetOrderPropertyResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        let found = self.definitions(&tenant).await?.remove(&name);
        let found =
            found.ok_or_else(|| Error::from(Violation::Definition(DefinitionFault::NotFound(name))))?;
        Ok(Response::new(wire::GetOrderPropertyResponse { property: Some(wire_definition(&found)) }))
    }

    async fn list_order_properties(
        &self,
        request: Request<wire::ListOrderPropertiesRequest>,
    ) -> Result<Response<wire::ListOrderPropertiesResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let page = Page::read(&tenant, "ListOrderProperties", &[], wire.page_size, &wire.page_token)?;
        let after = page.after_as::<PropertyName>()?;
        // there are a hundred at most
        let all = self.definitions(&tenant).await?.into_values();
        let rest = all.filter(|definition| after.as_ref().is_none_or(|after| definition.name > *after));
        let (properties, next_page_token) =
            page.cut(rest.collect(), |d| d.name.to_string(), |d| wire_definition(&d));
        Ok(Response::new(wire::ListOrderPropertiesResponse { properties, next_page_token }))
    }

    async fn update_order_property(
        &self,
        request: Request<wire::UpdateOrderPropertyRequest>,
    ) -> Result<Response<wire::UpdateOrderPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let by = By { tenant: &tenant, origin: &origin, clock: &*self.clock, erasures: &self.erasures };
        let wire = request.get_ref();
        let name: PropertyName = fields::parse("name", &wire.name)?;
        let changed = update_property(&self.db, by, &name, change(wire)?).await.map_err(Error::from)?;
        Ok(Response::new(wire::UpdateOrderPropertyResponse { property: Some(wire_definition(&changed)) }))
    }

    async fn delete_order_property(
        &self,
        request: Request<wire::DeleteOrderPropertyRequest>,
    ) -> Result<Response<wire::DeleteOrderPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let by = By { tenant: &tenant, origin: &origin, clock: &*self.clock, erasures: &self.erasures };
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        delete_property(&self.db, by, &name).await.map_err(Error::from)?;
        Ok(Response::new(wire::DeleteOrderPropertyResponse {}))
    }
}

impl OrderProperties {
    async fn definitions(&self, tenant: &TenantId) -> Result<Definitions, Error> {
        Ok(store::properties::DEFINITIONS.of(self.db.read(), tenant).await?)
    }
}

fn definition(wire: &wire::CreateOrderPropertyRequest, clock: &dyn Clock) -> Result<Definition, Error> {
    let kind = match wire.r#type() {
        wire::OrderPropertyType::Unspecified => return Err(Error::field("type", "is required")),
        wire::OrderPropertyType::String => PropertyType::String,
        wire::OrderPropertyType::Integer => PropertyType::Integer,
        wire::OrderPropertyType::Decimal => PropertyType::Decimal,
        wire::OrderPropertyType::Boolean => PropertyType::Boolean,
    };
    Ok(Definition {
        name: fields::parse("name", &wire.name)?,
        kind,
        required: wire.required,
        personal: wire.personal.unwrap_or(true),
        description: wire.description.clone(),
        used: false,
        created_at: clock.now(),
    })
}

fn change(wire: &wire::UpdateOrderPropertyRequest) -> Result<DefinitionChange, Error> {
    let mask = Mask::read(
        wire.update_mask.as_ref(),
        &[
            ("required", wire.required.is_some()),
            ("personal", wire.personal.is_some()),
            ("description", !wire.description.is_empty()),
        ],
    )?;
    Ok(DefinitionChange {
        required: mask.has("required").then_some(wire.required.unwrap_or_default()),
        // what nobody speaks about is personal
        personal: mask.has("personal").then_some(wire.personal.unwrap_or(true)),
        description: mask.has("description").then(|| wire.description.clone()),
    })
}

fn wire_definition(definition: &Definition) -> wire::OrderProperty {
    let kind = match definition.kind {
        PropertyType::String => wire::OrderPropertyType::String,
        PropertyType::Integer => wire::OrderPropertyType::Integer,
        PropertyType::Decimal => wire::OrderPropertyType::Decimal,
        PropertyType::Boolean => wire::OrderPropertyType::Boolean,
    };
    wire::OrderProperty {
        name: definition.name.to_string(),
        r#type: kind.into(),
        required: definition.required,
        personal: definition.personal,
        description: definition.description.clone(),
        created_at: Some(wire_time(definition.created_at)),
    }
}

/// Properties of an order; paths begin with `at`. An empty text is none. Whether they fit what is defined shows later.
pub(super) fn properties(at: &str, wire: &HashMap<String, wire::PropertyValue>) -> Result<Properties, Error> {
    let read = rpc::properties::read(at, wire, given)?;
    Ok(read.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

fn given(value: &wire::PropertyValue) -> Option<Given<'_>> {
    Some(match value.value.as_ref()? {
        Value::StringValue(text) => Given::Text(text),
        Value::IntegerValue(number) => Given::Integer(*number),
        Value::DecimalValue(text) => Given::Decimal(text),
        Value::BooleanValue(flag) => Given::Boolean(*flag),
    })
}

/// Properties of an order for the wire.
pub(super) fn wire_properties(properties: &Properties) -> HashMap<String, wire::PropertyValue> {
    rpc::properties::wire(properties, |given| {
        let value = match given {
            Given::Text(text) => Value::StringValue(text.to_owned()),
            Given::Integer(number) => Value::IntegerValue(number),
            Given::Decimal(text) => Value::DecimalValue(text.to_owned()),
            Given::Boolean(flag) => Value::BooleanValue(flag),
        };
        wire::PropertyValue { value: Some(value) }
    })
}

/// What a tenant's orders can be filtered by beside their fields.
pub(super) fn family(definitions: &Definitions) -> Family {
    rpc::properties::family(definitions, store::properties::sql)
}
