//! Custom properties (A15, O9) between a contract's messages and the values behind them; each contract has a message of its
//! own for a value.

use std::collections::HashMap;
use std::hash::BuildHasher;

use types::property::{
    Definitions, MAX_DEFINITIONS, Properties, PropertyFaults, PropertyName, PropertyType, PropertyValue,
};

use crate::filter::{Family, Kind};
use crate::{Error, Reason};

/// What a property's name stands behind, in filters and in paths.
pub const FAMILY: &str = "properties";

/// What stands before a property's name in the header of a file.
pub const COLUMN: &str = "property.";

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

/// Properties by name, `None` where a text is empty; paths begin with `at`. Whether they fit what is defined shows later.
pub fn read<'a, V: 'a>(
    at: &str,
    wire: &'a HashMap<String, V, impl BuildHasher>,
    given: impl Fn(&'a V) -> Option<Given<'a>>,
) -> Result<Vec<(PropertyName, Option<PropertyValue>)>, Error> {
    if wire.len() > MAX_DEFINITIONS {
        return Err(Error::field(at, format!("has more than {MAX_DEFINITIONS}")));
    }
    let mut all: Vec<(&String, &V)> = wire.iter().collect();
    // a map has no order of its own: the same mistake gives the same answer
    all.sort_unstable_by_key(|(name, _)| *name);
    let value = |(name, value): (&String, &'a V)| {
        let wrong = |what: &'static str| Error::field(format!("{at}[{name}]"), what);
        let known: PropertyName = name.parse().map_err(wrong)?;
        let value = match given(value) {
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
pub fn wire<V>(properties: &Properties, wire: impl Fn(Given<'_>) -> V) -> HashMap<String, V> {
    let value = |value: &PropertyValue| match value {
        PropertyValue::Text(text) => wire(Given::Text(text)),
        PropertyValue::Integer(number) => wire(Given::Integer(*number)),
        PropertyValue::Decimal(decimal) => wire(Given::Decimal(decimal.as_str())),
        PropertyValue::Boolean(flag) => wire(Given::Boolean(*flag)),
    };
    properties.iter().map(|(name, held)| (name.to_string(), value(held))).collect()
}

/// What is wrong with properties at this path, each by its name.
pub fn refused(at: &str, faults: &PropertyFaults) -> Error {
    let breach = |(name, fault): &(PropertyName, _)| (format!("{at}[{name}]"), format!("{fault}"));
    Error::fields(Reason::InvalidField, faults.iter().map(breach).collect())
}

/// What a tenant's lists can be filtered by beside their fields; `sql` is where a statement finds the values of one.
pub fn family(definitions: &Definitions, sql: impl Fn(&PropertyName, PropertyType) -> String) -> Family {
    let member = |definition: &types::property::Definition| {
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
