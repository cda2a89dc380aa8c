//! Custom properties (A15, O9) between a contract's messages and the values behind them; each contract has a message of its
//! own for a value.

use std::collections::HashMap;
use std::hash::BuildHasher;

use prost_types::FieldMask;
use types::Timestamp;
use types::property::{
    Definition, DefinitionChange, Definitions, MAX_DEFINITIONS, Properties, PropertyFaults, PropertyName,
    PropertyType, PropertyValue,
};

use crate::filter::{Family, Kind};
use crate::mask::Mask;
use crate::page::Page;
use crate::{Error, Reason, fields};

/// What a property's name stands behind, in filters and in paths.
pub const FAMILY: &str = "properties";

/// What stands before a property's name in the header of a file.
pub const COLUMN: &str = "property.";

/// A new definition, from the fields of its request. `kind` is the number of its type, and what nobody speaks about is personal.
pub fn definition(
    name: &str,
    kind: i32,
    (required, personal): (bool, Option<bool>),
    description: &str,
    now: Timestamp,
) -> Result<Definition, Error> {
    Ok(Definition {
        kind: PropertyType::from_number(kind).ok_or_else(|| Error::field("type", "is required"))?,
        name: fields::parse("name", name)?,
        required,
        personal: personal.unwrap_or(true),
        description: description.to_owned(),
        used: false,
        created_at: now,
    })
}

/// What is to be changed of a definition, from the fields of its request.
pub fn change(
    mask: Option<&FieldMask>,
    required: Option<bool>,
    personal: Option<bool>,
    description: &str,
) -> Result<DefinitionChange, Error> {
    let given = [
        ("required", required.is_some()),
        ("personal", personal.is_some()),
        ("description", !description.is_empty()),
    ];
    let mask = Mask::read(mask, &given)?;
    Ok(DefinitionChange {
        required: mask.has("required").then_some(required.unwrap_or_default()),
        personal: mask.has("personal").then_some(personal.unwrap_or(true)),
        description: mask.has("description").then(|| description.to_owned()),
    })
}

/// A page of what a tenant defines, by name, and the next token.
pub fn page<M: prost::Message>(
    page: &Page,
    definitions: Definitions,
    wire: impl Fn(&Definition) -> M,
) -> Result<(Vec<M>, String), Error> {
    let after = page.after_as::<PropertyName>()?;
    // there are a hundred at most
    let rest = definitions.into_values().filter(|d| after.as_ref().is_none_or(|after| d.name > *after));
    Ok(page.cut(rest.collect(), |definition| definition.name.to_string(), |definition| wire(&definition)))
}

/// A value as a message has it.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a> {
    /// Text; an empty one is none.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// A decimal in digits.
    Decimal(&'a str),
    /// True or false.
    Boolean(bool),
}

impl<'a> From<&'a PropertyValue> for Given<'a> {
    fn from(held: &'a PropertyValue) -> Self {
        match held {
            PropertyValue::Text(text) => Self::Text(text),
            PropertyValue::Integer(number) => Self::Integer(*number),
            PropertyValue::Decimal(decimal) => Self::Decimal(decimal.as_str()),
            PropertyValue::Boolean(flag) => Self::Boolean(*flag),
        }
    }
}

/// The message of a contract for a value.
pub trait Message {
    /// What it has, if it has anything.
    fn given(&self) -> Option<Given<'_>>;

    /// One that has this.
    fn of(given: Given<'_>) -> Self;
}

macro_rules! message {
    ($contract:ident) => {
        impl Message for proto::$contract::PropertyValue {
            fn given(&self) -> Option<Given<'_>> {
                use proto::$contract::property_value::Value;
                Some(match self.value.as_ref()? {
                    Value::StringValue(text) => Given::Text(text),
                    Value::IntegerValue(number) => Given::Integer(*number),
                    Value::DecimalValue(text) => Given::Decimal(text),
                    Value::BooleanValue(flag) => Given::Boolean(*flag),
                })
            }

            fn of(given: Given<'_>) -> Self {
                use proto::$contract::property_value::Value;
                let value = match given {
                    Given::Text(text) => Value::StringValue(text.to_owned()),
                    Given::Integer(number) => Value::IntegerValue(number),
                    Given::Decimal(text) => Value::DecimalValue(text.to_owned()),
                    Given::Boolean(flag) => Value::BooleanValue(flag),
                };
                Self { value: Some(value) }
            }
        }
    };
}

message!(attribution);
message!(orders);

/// Properties by name, `None` where a text is empty; paths begin with `at`. Whether they fit what is defined shows later.
pub fn read<V: Message>(
    at: &str,
    wire: &HashMap<String, V, impl BuildHasher>,
) -> Result<Vec<(PropertyName, Option<PropertyValue>)>, Error> {
    if wire.len() > MAX_DEFINITIONS {
        return Err(Error::field(at, format!("has more than {MAX_DEFINITIONS}")));
    }
    let mut all: Vec<(&String, &V)> = wire.iter().collect();
    // a map has no order of its own: the same mistake gives the same answer
    all.sort_unstable_by_key(|(name, _)| *name);
    let value = |(name, value): (&String, &V)| {
        let wrong = |what: &'static str| Error::field(format!("{at}[{name}]"), what);
        let known: PropertyName = name.parse().map_err(wrong)?;
        let value = match value.given() {
            None => return Err(wrong("has no value")),
            Some(Given::Text("")) => None,
            Some(Given::Text(text)) => Some(PropertyValue::text(text).map_err(wrong)?),
            Some(Given::Integer(number)) => Some(PropertyValue::Integer(number)),
            Some(Given::Decimal(text)) => Some(PropertyValue::Decimal(text.parse().map_err(wrong)?)),
            Some(Given::Boolean(flag)) => Some(PropertyValue::Boolean(flag)),
        };
        Ok((known, value))
    };
    all.into_iter().map(value).collect()
}

/// Properties as a contract's messages.
pub fn wire<V: Message>(properties: &Properties) -> HashMap<String, V> {
    properties.iter().map(|(name, held)| (name.to_string(), V::of(held.into()))).collect()
}

/// What is wrong with properties at this path, each by its name.
pub fn refused(at: &str, faults: &PropertyFaults) -> Error {
    let breach = |(name, fault): &(PropertyName, _)| (format!("{at}[{name}]"), format!("{fault}"));
    Error::fields(Reason::InvalidField, faults.iter().map(breach).collect())
}

/// What a tenant's lists can be filtered by beside their fields; `sql` is where a statement finds the values of one.
pub fn family(definitions: &Definitions, sql: impl Fn(&PropertyName, PropertyType) -> String) -> Family {
    let member = |definition: &Definition| {
        let kind = match definition.kind {
            PropertyType::String => Kind::Text,
            PropertyType::Integer => Kind::Integer,
            PropertyType::Decimal => Kind::Decimal,
            PropertyType::Boolean => Kind::Boolean,
        };
        (definition.name.to_string(), kind, sql(&definition.name, definition.kind))
    };
    Family { name: FAMILY, members: definitions.values().map(member).collect() }
}

#[cfg(test)]
mod tests {
    use proto::{attribution, orders};

    use super::*;

    #[test]
    fn o9_both_contracts_have_the_same_numbers_of_types() {
        for number in 0..=5 {
            let kind = PropertyType::from_number(number);
            let name = kind.map(PropertyType::name);
            let of_contact = attribution::ContactPropertyType::try_from(number).ok();
            let of_order = orders::OrderPropertyType::try_from(number).ok();
            let of_contact =
                of_contact.and_then(|kind| kind.as_str_name().strip_prefix("CONTACT_PROPERTY_TYPE_"));
            let of_order = of_order.and_then(|kind| kind.as_str_name().strip_prefix("ORDER_PROPERTY_TYPE_"));
            assert_eq!(of_contact, of_order);
            assert_eq!(of_contact.filter(|name| *name != "UNSPECIFIED"), name);
            assert_eq!(kind.map_or(number, PropertyType::number), number);
        }
    }
}
