//! ContactPropertyService (A15), and properties of contacts from the wire.

use std::collections::HashMap;
use std::sync::Arc;

use proto::attribution as v1;
use proto::attribution::contact_property_service_server::ContactPropertyService;
use proto::attribution::property_value::Value;
use rpc::mask::Mask;
use rpc::page::Page;
use rpc::properties::Given;
use rpc::{Error, caller, fields};
use tonic::{Request, Response, Status};
use types::property::{
    Definition, DefinitionChange, DefinitionFault, Definitions, PropertyName, PropertyType,
};
use types::{Clock, TenantId};

use crate::commands::properties::{By, create, delete, update};
use crate::domain::Violation;
use crate::domain::contact_commands::PropertyChanges;
use crate::store::DEFINITIONS;
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
        let App { db, clock, erasures, .. } = &*self.0;
        let by = By { tenant: &tenant, origin: &origin, clock: &**clock, erasures };
        let new = definition(request.get_ref(), &**clock)?;
        let made = create(db, by, new).await.map_err(Error::from)?;
        Ok(Response::new(v1::CreateContactPropertyResponse { property: Some(wire::property(&made)) }))
    }

    async fn get_contact_property(
        &self,
        request: Request<v1::GetContactPropertyRequest>,
    ) -> Result<Response<v1::GetContactPropertyResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        let found = self.definitions(&tenant).await?.remove(&name);
        let found =
            found.ok_or_else(|| Error::from(Violation::Definition(DefinitionFault::NotFound(name))))?;
        Ok(Response::new(v1::GetContactPropertyResponse { property: Some(wire::property(&found)) }))
    }

    async fn list_contact_properties(
        &self,
        request: Request<v1::ListContactPropertiesRequest>,
    ) -> Result<Response<v1::ListContactPropertiesResponse>, Status> {
        let tenant = caller::tenant(&request)?;
        let wire = request.get_ref();
        let page = Page::read(&tenant, "ListContactProperties", &[], wire.page_size, &wire.page_token)?;
        let after = page.after_as::<PropertyName>()?;
        // there are a hundred at most
        let all = self.definitions(&tenant).await?.into_values();
        let rest = all.filter(|definition| after.as_ref().is_none_or(|after| definition.name > *after));
        let (properties, next_page_token) =
            page.cut(rest.collect(), |d| d.name.to_string(), |d| wire::property(&d));
        Ok(Response::new(v1::ListContactPropertiesResponse { properties, next_page_token }))
    }

    async fn update_contact_property(
        &self,
        request: Request<v1::UpdateContactPropertyRequest>,
    ) -> Result<Response<v1::UpdateContactPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let App { db, clock, erasures, .. } = &*self.0;
        let by = By { tenant: &tenant, origin: &origin, clock: &**clock, erasures };
        let wire = request.get_ref();
        let name: PropertyName = fields::parse("name", &wire.name)?;
        let changed = update(db, by, &name, change(wire)?).await.map_err(Error::from)?;
        Ok(Response::new(v1::UpdateContactPropertyResponse { property: Some(wire::property(&changed)) }))
    }

    async fn delete_contact_property(
        &self,
        request: Request<v1::DeleteContactPropertyRequest>,
    ) -> Result<Response<v1::DeleteContactPropertyResponse>, Status> {
        let (tenant, origin) = (caller::tenant(&request)?, caller::origin(&request)?);
        let App { db, clock, rules, erasures, .. } = &*self.0;
        let by = By { tenant: &tenant, origin: &origin, clock: &**clock, erasures };
        let name: PropertyName = fields::parse("name", &request.get_ref().name)?;
        delete(db, by, rules, &name).await.map_err(Error::from)?;
        Ok(Response::new(v1::DeleteContactPropertyResponse {}))
    }
}

impl ContactProperties {
    async fn definitions(&self, tenant: &TenantId) -> Result<Definitions, Error> {
        Ok(DEFINITIONS.of(self.0.db.read(), tenant).await?)
    }
}

fn definition(wire: &v1::CreateContactPropertyRequest, clock: &dyn Clock) -> Result<Definition, Error> {
    let kind = match wire.r#type() {
        v1::ContactPropertyType::Unspecified => return Err(Error::field("type", "is required")),
        v1::ContactPropertyType::String => PropertyType::String,
        v1::ContactPropertyType::Integer => PropertyType::Integer,
        v1::ContactPropertyType::Decimal => PropertyType::Decimal,
        v1::ContactPropertyType::Boolean => PropertyType::Boolean,
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

fn change(wire: &v1::UpdateContactPropertyRequest) -> Result<DefinitionChange, Error> {
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

/// What an upsert says of properties; paths begin with `at`. Whether it fits what is defined shows later.
pub(super) fn changes(at: &str, wire: &HashMap<String, v1::PropertyValue>) -> Result<PropertyChanges, Error> {
    rpc::properties::read(at, wire, given)
}

fn given(value: &v1::PropertyValue) -> Option<Given<'_>> {
    Some(match value.value.as_ref()? {
        Value::StringValue(text) => Given::Text(text),
        Value::IntegerValue(number) => Given::Integer(*number),
        Value::DecimalValue(text) => Given::Decimal(text),
        Value::BooleanValue(flag) => Given::Boolean(*flag),
    })
}
