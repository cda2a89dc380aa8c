//! `laurel orders properties`, and values of properties as arguments.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use prost_types::FieldMask;
use proto::orders::property_value::Value;
use proto::orders::{
    CreateOrderPropertyRequest, DeleteOrderPropertyRequest, GetOrderPropertyRequest,
    ListOrderPropertiesRequest, OrderProperty, OrderPropertyType, PropertyValue, UpdateOrderPropertyRequest,
};

use super::super::{Limit, Session, call};
use crate::arguments::one_of;
use crate::refusal::Refused;

pub(in crate::nouns) const COLUMNS: &[&str] =
    &["name", "type", "required", "personal", "description", "created_at"];

/// What to do with properties.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Define a property of orders
    Create {
        /// What it is known by: letters, digits and underscores
        name: String,
        /// What its values are, for good
        #[arg(long = "type", value_name = "TYPE", value_parser = one_of("laurel.orders.v1.OrderPropertyType"))]
        r#type: i32,
        /// Orders must have it
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
        /// Whether orders must have it
        #[arg(long, value_name = "BOOL")]
        required: Option<bool>,
        /// Whether its values are personal data
        #[arg(long, value_name = "BOOL")]
        personal: Option<bool>,
        /// For people; empty takes it away
        #[arg(long)]
        description: Option<String>,
    },
    /// Take back a property that no order ever had a value of
    Delete {
        /// What it is known by
        name: String,
    },
}

pub(super) async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    match command {
        Command::Create { name, r#type, required, personal, description } => {
            let request = CreateOrderPropertyRequest { name, r#type, required, personal, description };
            session.answer(&call!(session.order_properties.create_order_property(request)))
        }
        Command::Get { name } => {
            let request = GetOrderPropertyRequest { name };
            session.answer(&call!(session.order_properties.get_order_property(request)))
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
            let request = UpdateOrderPropertyRequest { name, update_mask, required, personal, description };
            session.answer(&call!(session.order_properties.update_order_property(request)))
        }
        Command::Delete { name } => {
            let request = DeleteOrderPropertyRequest { name };
            session.answer(&call!(session.order_properties.delete_order_property(request)))
        }
    }
}

async fn list(session: &Session, limit: &Limit) -> anyhow::Result<()> {
    let page = async |page_size, page_token| {
        let request = ListOrderPropertiesRequest { page_size, page_token };
        let page = call!(session.order_properties.list_order_properties(request));
        anyhow::Ok((page.properties, page.next_page_token))
    };
    session.list(limit, COLUMNS, page).await
}

/// Values of properties.
#[derive(Debug, Clone, Args)]
pub(super) struct PropertyArguments {
    /// A property that is defined, and its value; may be repeated. An empty value is none
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = named)]
    properties: Vec<(String, String)>,
}

impl PropertyArguments {
    /// Whether any is given.
    pub(super) fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }

    /// For the wire, each by the type that it is defined with.
    pub(super) async fn wire(self, session: &Session) -> anyhow::Result<HashMap<String, PropertyValue>> {
        if self.is_empty() {
            return Ok(HashMap::new());
        }
        let request = ListOrderPropertiesRequest { page_size: 1000, ..Default::default() };
        let defined = call!(session.order_properties.list_order_properties(request)).properties;
        let value = |(name, text): (String, String)| {
            // one that is not defined is for the service to refuse
            let property = defined.iter().find(|property| property.name == name);
            let kind = property.map_or(OrderPropertyType::String, OrderProperty::r#type);
            let kind = if text.is_empty() { OrderPropertyType::String } else { kind };
            let value = typed(kind, &text).ok_or_else(|| {
                let kind = kind.as_str_name().trim_start_matches("ORDER_PROPERTY_TYPE_").to_lowercase();
                Refused::field("properties", format!("`{name}` is to be of the type {kind}"))
            })?;
            Ok((name, PropertyValue { value: Some(value) }))
        };
        self.properties.into_iter().map(value).collect()
    }
}

/// Whether it is the same as none.
pub(super) fn is_empty(value: &PropertyValue) -> bool {
    matches!(&value.value, Some(Value::StringValue(text)) if text.is_empty())
}

/// Reads NAME=VALUE. A value may have any character, a name has no `=`.
pub(in crate::nouns) fn named(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("it is to be NAME=VALUE")
}

fn typed(kind: OrderPropertyType, text: &str) -> Option<Value> {
    match kind {
        OrderPropertyType::Unspecified | OrderPropertyType::String => {
            Some(Value::StringValue(text.to_owned()))
        }
        OrderPropertyType::Integer => text.parse().ok().map(Value::IntegerValue),
        OrderPropertyType::Decimal => Some(Value::DecimalValue(text.to_owned())),
        OrderPropertyType::Boolean => text.parse().ok().map(Value::BooleanValue),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o9_a_value_is_read_by_the_type_of_its_property() {
        assert_eq!(typed(OrderPropertyType::Integer, "-7"), Some(Value::IntegerValue(-7)));
        assert_eq!(typed(OrderPropertyType::Integer, "7.0"), None);
        assert_eq!(typed(OrderPropertyType::Boolean, "true"), Some(Value::BooleanValue(true)));
        assert_eq!(typed(OrderPropertyType::Boolean, "yes"), None);
        assert_eq!(typed(OrderPropertyType::Decimal, "12.50"), Some(Value::DecimalValue("12.50".into())));
        assert_eq!(named("url=https://x?a=b"), Ok(("url".into(), "https://x?a=b".into())));
        assert!(named("=7").is_err() && named("size").is_err());
        assert_eq!(typed(OrderPropertyType::String, "7"), Some(Value::StringValue("7".into())));
    }
}
