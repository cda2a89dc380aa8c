//! Custom properties (A15, O9): what a tenant defines for its contacts or its orders, here called holders, and what they hold
//! of it.

mod definition;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use definition::{
    Definition, DefinitionChange, DefinitionFault, Definitions, PropertyFault, PropertyFaults, check, define,
    redefine, undefine,
};

/// Definitions of one tenant, at most.
pub const MAX_DEFINITIONS: usize = 100;
/// Bytes of a text, at most.
pub const MAX_TEXT: usize = 500;
/// Bytes of a name, at most.
const MAX_NAME: usize = 64;
/// Digits of a decimal, at most.
const MAX_DIGITS: usize = 38;

/// Name of a property: letters, digits and underscores, beginning with a letter. So it can stand in a statement and in a
/// filter as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PropertyName(String);

impl PropertyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PropertyName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if begins_well && text.len() <= MAX_NAME && text.bytes().all(is_word) {
            return Ok(Self(text.to_owned()));
        }
        Err("must be 1 to 64 letters, digits and underscores, and begin with a letter")
    }
}

impl fmt::Display for PropertyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the values of a property are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// An exact decimal.
    Decimal,
    /// True or false.
    Boolean,
}

impl PropertyType {
    const ALL: [(Self, &'static str, i32); 4] = [
        (Self::String, "STRING", 1),
        (Self::Integer, "INTEGER", 2),
        (Self::Decimal, "DECIMAL", 3),
        (Self::Boolean, "BOOLEAN", 4),
    ];

    /// As it is stored, and as the contracts have it without their prefixes.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find_map(|(kind, name, _)| (kind == self).then_some(name)).unwrap_or_default()
    }

    /// The inverse of [`PropertyType::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(kind, of_kind, _)| (name == of_kind).then_some(kind))
    }

    /// As the contracts have it.
    pub fn number(self) -> i32 {
        Self::ALL
            .into_iter()
            .find_map(|(kind, _, number)| (kind == self).then_some(number))
            .unwrap_or_default()
    }

    /// The inverse of [`PropertyType::number`].
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(kind, _, of_kind)| (number == of_kind).then_some(kind))
    }

    /// The value that a text is, such as a cell of a file; none if it is empty.
    pub fn read(self, text: &str) -> Result<Option<PropertyValue>, &'static str> {
        if text.is_empty() {
            return Ok(None);
        }
        let value = match self {
            Self::String => PropertyValue::text(text)?,
            Self::Integer => {
                PropertyValue::Integer(text.parse().map_err(|_| "is not a whole number of 64 bits")?)
            }
            Self::Decimal => PropertyValue::Decimal(text.parse()?),
            Self::Boolean => PropertyValue::Boolean(text.parse().map_err(|_| "is neither true nor false")?),
        };
        Ok(Some(value))
    }
}

/// An exact decimal, in one form for each number: equal numbers are equal texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(String);

impl Decimal {
    /// In digits, in its shortest form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Decimal {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let odd = "is not a decimal such as 12.34 of at most 38 digits";
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || whole.len() + fraction.len() > MAX_DIGITS + 1 {
            return Err(odd);
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if whole.len() + fraction.len() > MAX_DIGITS {
            return Err(odd);
        }
        let sign = if text.starts_with('-') && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        let point = if fraction.is_empty() { "" } else { "." };
        Ok(Self(format!("{sign}{whole}{point}{fraction}")))
    }
}

/// A value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    /// Text, not empty: an empty one is none.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An exact decimal.
    Decimal(Decimal),
    /// True or false.
    Boolean(bool),
}

impl PropertyValue {
    /// Text that may be kept.
    pub fn text(text: &str) -> Result<Self, &'static str> {
        match text {
            text if text.len() > MAX_TEXT => Err("is longer than 500 bytes"),
            text if text.chars().any(char::is_control) => Err("has a control character"),
            text => Ok(Self::Text(text.to_owned())),
        }
    }

    /// What it is a value of.
    pub fn kind(&self) -> PropertyType {
        match self {
            Self::Text(_) => PropertyType::String,
            Self::Integer(_) => PropertyType::Integer,
            Self::Decimal(_) => PropertyType::Decimal,
            Self::Boolean(_) => PropertyType::Boolean,
        }
    }
}

/// As a cell of a file has it.
impl fmt::Display for PropertyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Decimal(decimal) => f.write_str(decimal.as_str()),
            Self::Boolean(flag) => write!(f, "{flag}"),
        }
    }
}

/// What a holder has, by name.
pub type Properties = BTreeMap<PropertyName, PropertyValue>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Timestamp;

    fn definition(name: &str, kind: PropertyType, required: bool) -> Definition {
        Definition {
            name: name.parse().unwrap(),
            kind,
            required,
            personal: true,
            description: String::new(),
            used: false,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn definitions() -> Definitions {
        let all = [
            definition("size", PropertyType::Integer, true),
            definition("note", PropertyType::String, false),
        ];
        all.into_iter().map(|definition| (definition.name.clone(), definition)).collect()
    }

    #[test]
    fn o9_a_name_is_a_word() {
        for name in ["a", "Size_2", &"x".repeat(64)] {
            assert!(name.parse::<PropertyName>().is_ok(), "{name}");
        }
        for name in ["", "2a", "_a", "a-b", "a b", "ä", "a.b", "a'b", &"x".repeat(65)] {
            assert!(name.parse::<PropertyName>().is_err(), "{name}");
        }
    }

    #[test]
    fn o9_unknown_missing_and_wrong_properties_are_told_by_name() {
        let given = |pairs: Vec<(&str, PropertyValue)>| -> Properties {
            pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value)).collect()
        };
        let faults = |properties| match check(&properties, &definitions()) {
            Err(faults) => faults,
            Ok(()) => panic!("they are as they are defined"),
        };
        let size = || ("size", PropertyValue::Integer(1));
        assert_eq!(check(&given(vec![size()]), &definitions()), Ok(()));
        let wrong = given(vec![("size", PropertyValue::Boolean(true)), ("hue", PropertyValue::Integer(1))]);
        let name = |name: &str| name.parse::<PropertyName>().unwrap();
        let expected = [
            (name("hue"), PropertyFault::Unknown),
            (name("size"), PropertyFault::WrongType(PropertyType::Integer)),
        ];
        assert_eq!(faults(wrong), expected);
        assert_eq!(faults(Properties::new()), [(name("size"), PropertyFault::Missing)]);
    }

    #[test]
    fn o9_a_text_is_read_as_its_type() {
        for (kind, text) in [
            (PropertyType::Integer, "1.5"),
            (PropertyType::Integer, "9223372036854775808"),
            (PropertyType::Decimal, "1e5"),
            (PropertyType::Decimal, ".5"),
            (PropertyType::Decimal, "1."),
            (PropertyType::Decimal, "+1"),
            (PropertyType::Boolean, "yes"),
            (PropertyType::String, "a\nb"),
        ] {
            assert!(kind.read(text).is_err(), "{text}");
        }
        assert!(PropertyType::Decimal.read(&"9".repeat(39)).is_err());
        assert!(PropertyType::Decimal.read(&"9".repeat(38)).is_ok());
        assert_eq!(PropertyType::String.read(""), Ok(None));
    }

    proptest! {
        #[test]
        fn o9_equal_decimals_are_equal_texts(whole in -999_i64..999, fraction in 0_u32..1000, zeros in 0_usize..4) {
            let text = format!("{whole}.{fraction:03}");
            let decimal: Decimal = text.parse().unwrap();
            let padded: Decimal = format!("{text}{}", "0".repeat(zeros)).parse().unwrap();
            prop_assert_eq!(&decimal, &padded);
            prop_assert_eq!(decimal.as_str().parse::<Decimal>().unwrap(), decimal.clone());
            let thousandths = |text: &str| {
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                format!("{whole}{fraction:0<3}").parse::<i64>().unwrap()
            };
            prop_assert_eq!(thousandths(decimal.as_str()), thousandths(&text));
        }
    }
}
