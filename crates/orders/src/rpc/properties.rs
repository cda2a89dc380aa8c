//! OrderPropertyService (O9), and properties of orders from the wire and back.

use std::collections::HashMap;
use std::sync::Arc;

use pg::Database;
use proto::orders as wire;
use proto::orders::order_property_service_server::OrderPropertyService;
use proto::orders::property_value::Value;
use rpc::fields::{self, wire_time};
use rpc::filter::{Family, Kind};
use rpc::mask::Mask;
use rpc::page::Page;
use rpc::{Error, caller};
use tonic::{Request, Response, Status};
use types::{Clock, TenantId};

use crate::commands::{By, DefinitionChange, create_property, delete_property, update_property};
use crate::domain::{
    Definition, Definitions, MAX_DEFINITIONS, Properties, PropertyName, PropertyType, PropertyValue,
    Violation,
};
use crate::store;

/// What a property's name stands behind, in filters and in columns.
const FAMILY: &str = "properties";

/// Serves definitions of properties.
#[derive(Debug)]
pub(crate) struct OrderProperties {
    /// Where they are.
    pub(crate) db: Database,
    /// The real clock.
    pub(crate) clock: Arc<dyn Clock>,
}

#[tonic::async_trait]
impl OrderPropertyService for OrderProperties {
    async fn create_order_property(
        &self,
        request: Request<wire::CreateOrderPropertyRequest>,
    ) -> Result<Response<wire::CreateOrderPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let by = By { tenant: &tenant, origin: &origin, clock: &*self.clock };
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
        let found = found.ok_or_else(|| Error::from(Violation::PropertyNotFound(name)))?;
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
        let by = By { tenant: &tenant, origin: &origin, clock: &*self.clock };
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
        let by = By { tenant: &tenant, origin: &origin, clock: &*self.clock };
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        delete_property(&self.db, by, &name).await.map_err(Error::from)?;
        Ok(Response::new(wire::DeleteOrderPropertyResponse {}))
    }
}

impl OrderProperties {
    async fn definitions(&self, tenant: &TenantId) -> Result<Definitions, Error> {
        Ok(store::properties::of(&self.db, tenant).await?)
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
    if wire.len() > MAX_DEFINITIONS {
        return Err(Error::field(at, format!("has more than {MAX_DEFINITIONS}")));
    }
    let mut names: Vec<&String> = wire.keys().collect();
    // a map has no order of its own: the same mistake gives the same answer
    names.sort_unstable();
    let mut properties = Properties::new();
    for name in names {
        let path = || format!("{at}[{name}]");
        let wrong = |what: &'static str| Error::field(path(), what);
        let known: PropertyName = name.parse().map_err(wrong)?;
        let value = match wire.get(name).and_then(|value| value.value.as_ref()) {
            None => return Err(wrong("has no value")),
            Some(Value::StringValue(text)) if text.is_empty() => continue,
            Some(Value::StringValue(text)) => PropertyValue::text(text).map_err(wrong)?,
            Some(Value::IntegerValue(number)) => PropertyValue::Integer(*number),
            Some(Value::DecimalValue(text)) => PropertyValue::Decimal(text.parse().map_err(wrong)?),
            Some(Value::BooleanValue(flag)) => PropertyValue::Boolean(*flag),
        };
        properties.insert(known, value);
    }
    Ok(properties)
}

/// Properties of an order for the wire.
pub(super) fn wire_properties(properties: &Properties) -> HashMap<String, wire::PropertyValue> {
    let value = |value: &PropertyValue| match value {
        PropertyValue::Text(text) => Value::StringValue(text.clone()),
        PropertyValue::Integer(number) => Value::IntegerValue(*number),
        PropertyValue::Decimal(decimal) => Value::DecimalValue(decimal.as_str().to_owned()),
        PropertyValue::Boolean(flag) => Value::BooleanValue(*flag),
    };
    let wire = |(name, held)| {
        let value = Some(value(held));
        (PropertyName::to_string(name), wire::PropertyValue { value })
    };
    properties.iter().map(wire).collect()
}

/// What a tenant's orders can be filtered by beside their fields.
pub(super) fn family(definitions: &Definitions) -> Family {
    let member = |definition: &Definition| {
        let kind = match definition.kind {
            PropertyType::String => Kind::Text,
            PropertyType::Integer => Kind::Integer,
            PropertyType::Decimal => Kind::Decimal,
            PropertyType::Boolean => Kind::Boolean,
        };
        let name = definition.name.to_string();
        (name, kind, store::properties::sql(&definition.name, definition.kind))
    };
    Family { name: FAMILY, members: definitions.values().map(member).collect() }
}
