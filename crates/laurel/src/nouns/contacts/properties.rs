//! `laurel contacts properties`, and values of properties as arguments.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use prost_types::FieldMask;
use proto::attribution::property_value::Value;
use proto::attribution::{
    ContactProperty, CreateContactPropertyRequest, DeleteContactPropertyRequest, GetContactPropertyRequest,
    ListContactPropertiesRequest, PropertyValue, UpdateContactPropertyRequest,
};

use types::property::{PropertyType, PropertyValue as Held};

use super::super::orders::properties::named;
use super::super::{Limit, Session, call};
use crate::arguments::one_of;
use crate::refusal::Refused;

pub(in crate::nouns) const COLUMNS: &[&str] =
    &["name", "type", "required", "personal", "description", "created_at"];

/// What to do with properties.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Define a property of contacts
    Create {
        /// What it is known by: letters, digits and underscores
        name: String,
        /// What its values are, for good
        #[arg(long = "type", value_name = "TYPE", value_parser = one_of("laurel.attribution.v1.ContactPropertyType"))]
        r#type: i32,
        /// Contacts must have it
        #[arg(long)]
        required: bool,
        /// Whether its values are personal data, and erased with their contact [default: true]
        #[arg(long, value_name = "BOOL")]
        personal: Option<bool>,
        /// For people
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Show a property
    Get {
        /// What it is known by
        name: String,
    },
    /// List the properties by name
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Change what is given; name and type are for good
    Update {
        /// What it is known by
        name: String,
        /// Whether contacts must have it
        #[arg(long, value_name = "BOOL")]
        required: Option<bool>,
        /// Whether its values are personal data
        #[arg(long, value_name = "BOOL")]
        personal: Option<bool>,
        /// For people; empty takes it away
        #[arg(long)]
        description: Option<String>,
    },
    /// Take back a property that no contact ever had a value of
    Delete {
        /// What it is known by
        name: String,
    },
}

pub(super) async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    match command {
        Command::Create { name, r#type, required, personal, description } => {
            let request = CreateContactPropertyRequest { name, r#type, required, personal, description };
            session.answer(&call!(session.contact_properties.create_contact_property(request)))
        }
        Command::Get { name } => {
            let request = GetContactPropertyRequest { name };
            session.answer(&call!(session.contact_properties.get_contact_property(request)))
        }
        Command::List { limit } => list(session, &limit).await,
        Command::Update { name, required, personal, description } => {
            let given = [
                ("required", required.is_some()),
                ("personal", personal.is_some()),
                ("description", description.is_some()),
            ];
            let paths = given.into_iter().filter(|(_, given)| *given).map(|(path, _)| path.to_owned());
            let update_mask = Some(FieldMask { paths: paths.collect() });
            let description = description.unwrap_or_default();
            let request = UpdateContactPropertyRequest { name, update_mask, required, personal, description };
            session.answer(&call!(session.contact_properties.update_contact_property(request)))
        }
        Command::Delete { name } => {
            let request = DeleteContactPropertyRequest { name };
            session.answer(&call!(session.contact_properties.delete_contact_property(request)))
        }
    }
}

async fn list(session: &Session, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListContactPropertiesRequest { page_size, page_token };
        let page = call!(session.contact_properties.list_contact_properties(request));
        anyhow::Ok((page.properties, page.next_page_token))
    };
    session.list(limit, COLUMNS, page).await
}

/// Values of properties.
#[derive(Debug, Clone, Args)]
pub struct PropertyArguments {
    /// A property that is defined, and its value; may be repeated. An empty value takes it away
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = named)]
    properties: Vec<(String, String)>,
}

impl PropertyArguments {
    /// For the wire, each by the type that it is defined with.
    pub(super) async fn wire(self, session: &Session) -> anyhow::Result<HashMap<String, PropertyValue>> {
        if self.properties.is_empty() {
            return Ok(HashMap::new());
        }
        let request = ListContactPropertiesRequest { page_size: 1000, ..Default::default() };
        let defined = call!(session.contact_properties.list_contact_properties(request)).properties;
        let value = |(name, text): (String, String)| {
            // one that is not defined is for the service to refuse
            let property = defined.iter().find(|property| property.name == name);
            let kind = property.map_or(PropertyType::String, kind);
            let held = kind.read(&text);
            let held = held.map_err(|what| Refused::field("properties", format!("`{name}` {what}")))?;
            Ok((name, wire(held.as_ref())))
        };
        self.properties.into_iter().map(value).collect()
    }
}

fn kind(property: &ContactProperty) -> PropertyType {
    let name = property.r#type().as_str_name().trim_start_matches("CONTACT_PROPERTY_TYPE_");
    PropertyType::from_name(name).unwrap_or(PropertyType::String)
}

/// A value; none is an empty text.
fn wire(held: Option<&Held>) -> PropertyValue {
    let value = match held {
        None => Value::StringValue(String::new()),
        Some(Held::Text(text)) => Value::StringValue(text.clone()),
        Some(Held::Integer(number)) => Value::IntegerValue(*number),
        Some(Held::Decimal(decimal)) => Value::DecimalValue(decimal.as_str().to_owned()),
        Some(Held::Boolean(flag)) => Value::BooleanValue(*flag),
    };
    PropertyValue { value: Some(value) }
}

#[cfg(test)]
mod tests {
    use proto::attribution::ContactPropertyType;

    use super::*;

    #[test]
    fn a15_a_value_is_read_by_the_type_of_its_property() {
        let read = |of: ContactPropertyType, text: &str| {
            let property = ContactProperty { r#type: of.into(), ..Default::default() };
            kind(&property).read(text).map(|held| wire(held.as_ref()).value)
        };
        assert_eq!(read(ContactPropertyType::Integer, "-7"), Ok(Some(Value::IntegerValue(-7))));
        assert!(read(ContactPropertyType::Integer, "7.0").is_err());
        assert_eq!(read(ContactPropertyType::Boolean, "true"), Ok(Some(Value::BooleanValue(true))));
        assert_eq!(read(ContactPropertyType::Decimal, "2.50"), Ok(Some(Value::DecimalValue("2.5".into()))));
        assert_eq!(read(ContactPropertyType::Integer, ""), Ok(Some(Value::StringValue(String::new()))));
        assert_eq!(read(ContactPropertyType::String, "7"), Ok(Some(Value::StringValue("7".into()))));
    }
}
