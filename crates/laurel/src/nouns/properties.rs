//! `laurel contacts|orders properties`, and values of properties as arguments: what is the same of both.

use std::collections::HashMap;

use clap::{Args, Subcommand};
use prost_types::FieldMask;
use rpc::properties::{Given, Message};
use types::property::PropertyType;

use super::Limit;
use crate::arguments::one_of;
use crate::refusal::Refused;

pub(super) const COLUMNS: &[&str] = &["name", "type", "required", "personal", "description", "created_at"];

/// What to do with properties.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Define a property
    Create(New),
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
    Update(Change),
    /// Take back a property that never had a value
    Delete {
        /// What it is known by
        name: String,
    },
}

/// A property to be defined.
#[derive(Debug, Clone, Args)]
pub struct New {
    /// What it is known by: letters, digits and underscores
    pub(super) name: String,
    /// What its values are, for good
    #[arg(long = "type", value_name = "TYPE", value_parser = one_of("laurel.orders.v1.OrderPropertyType"))]
    pub(super) r#type: i32,
    /// It must have a value
    #[arg(long)]
    pub(super) required: bool,
    /// Whether its values are personal data, and erased with their contact [default: true]
    #[arg(long, value_name = "BOOL")]
    pub(super) personal: Option<bool>,
    /// For people
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) description: String,
}

/// What is to be different of one.
#[derive(Debug, Clone, Args)]
pub struct Change {
    /// What it is known by
    pub(super) name: String,
    /// Whether it must have a value
    #[arg(long, value_name = "BOOL")]
    pub(super) required: Option<bool>,
    /// Whether its values are personal data
    #[arg(long, value_name = "BOOL")]
    pub(super) personal: Option<bool>,
    /// For people; empty takes it away
    #[arg(long)]
    pub(super) description: Option<String>,
}

impl Change {
    /// What is given.
    pub(super) fn mask(&self) -> FieldMask {
        let given = [
            ("required", self.required.is_some()),
            ("personal", self.personal.is_some()),
            ("description", self.description.is_some()),
        ];
        let paths = given.into_iter().filter(|(_, given)| *given).map(|(path, _)| path.to_owned());
        FieldMask { paths: paths.collect() }
    }
}

/// Values of properties.
#[derive(Debug, Clone, Args)]
pub struct PropertyArguments {
    /// A property that is defined, and its value; may be repeated. An empty value is none, and takes away what there is
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = named)]
    properties: Vec<(String, String)>,
}

impl PropertyArguments {
    /// Whether any is given.
    pub(super) fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }

    /// For the wire, each by the type that it is defined with; none is an empty text.
    pub(super) fn wire<V: Message>(self, types: &HashMap<String, i32>) -> anyhow::Result<HashMap<String, V>> {
        let value = |(name, text): (String, String)| {
            // one that is not defined is for the service to refuse
            let kind = types.get(&name).and_then(|number| PropertyType::from_number(*number));
            let held = kind.unwrap_or(PropertyType::String).read(&text);
            let held = held.map_err(|what| Refused::field("properties", format!("`{name}` {what}")))?;
            Ok((name, V::of(held.as_ref().map_or(Given::Text(""), Given::from))))
        };
        self.properties.into_iter().map(value).collect()
    }
}

/// Reads NAME=VALUE. A value may have any character, a name has no `=`.
fn named(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("it is to be NAME=VALUE")
}

#[cfg(test)]
mod tests {
    use proto::orders::PropertyValue;
    use proto::orders::property_value::Value;

    use super::*;

    #[test]
    fn o9_a_value_is_read_by_the_type_of_its_property() {
        let read = |kind: PropertyType, text: &str| {
            let arguments = PropertyArguments { properties: vec![("size".to_owned(), text.to_owned())] };
            let wire = arguments.wire(&HashMap::from([("size".to_owned(), kind.number())]));
            wire.ok().and_then(|mut wire: HashMap<String, PropertyValue>| wire.remove("size")?.value)
        };
        assert_eq!(read(PropertyType::Integer, "-7"), Some(Value::IntegerValue(-7)));
        assert_eq!(read(PropertyType::Integer, "7.0"), None);
        assert_eq!(read(PropertyType::Boolean, "true"), Some(Value::BooleanValue(true)));
        assert_eq!(read(PropertyType::Boolean, "yes"), None);
        assert_eq!(read(PropertyType::Decimal, "2.50"), Some(Value::DecimalValue("2.5".into())));
        assert_eq!(read(PropertyType::Integer, ""), Some(Value::StringValue(String::new())));
        assert_eq!(read(PropertyType::String, "7"), Some(Value::StringValue("7".into())));
        assert_eq!(named("url=https://x?a=b"), Ok(("url".into(), "https://x?a=b".into())));
        assert!(named("=7").is_err() && named("size").is_err());
    }
}
