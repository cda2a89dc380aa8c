//! What a tenant defines.

use std::collections::BTreeMap;
use std::fmt;

use super::{MAX_DEFINITIONS, Properties, PropertyName, PropertyType};
use crate::Timestamp;

/// A property that a tenant defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What it is known by.
    pub name: PropertyName,
    /// What its values are, for good.
    pub kind: PropertyType,
    /// Whether a new holder, and one whose properties change, must have it.
    pub required: bool,
    /// Whether its values are personal data (A13).
    pub personal: bool,
    /// For people.
    pub description: String,
    /// Whether a holder ever had it.
    pub used: bool,
    /// When it was defined (real clock).
    pub created_at: Timestamp,
}

impl Definition {
    /// Whether it is what is asked for again.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let Self { name, kind, required, personal, description, .. } = other;
        (&self.name, self.kind, self.required, self.personal, &self.description)
            == (name, *kind, *required, *personal, description)
    }
}

/// All that a tenant defines, by name.
pub type Definitions = BTreeMap<PropertyName, Definition>;

/// What is wrong with one property of a holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyFault {
    /// The tenant defines none of this name.
    Unknown,
    /// It is required.
    Missing,
    /// Its values are of this type.
    WrongType(PropertyType),
}

impl fmt::Display for PropertyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("is no property that is defined"),
            Self::Missing => f.write_str("is required"),
            Self::WrongType(kind) => write!(f, "must be of type {}", kind.name()),
        }
    }
}

/// What is wrong with the properties of a holder, by name.
pub type PropertyFaults = Vec<(PropertyName, PropertyFault)>;

/// Holds properties to what the tenant defines.
pub fn check(properties: &Properties, definitions: &Definitions) -> Result<(), PropertyFaults> {
    let given = properties.iter().filter_map(|(name, value)| match definitions.get(name) {
        None => Some((name, PropertyFault::Unknown)),
        Some(definition) if definition.kind != value.kind() => {
            Some((name, PropertyFault::WrongType(definition.kind)))
        }
        Some(_) => None,
    });
    let missing = definitions.values().filter(|d| d.required && !properties.contains_key(&d.name));
    let faults = given.chain(missing.map(|definition| (&definition.name, PropertyFault::Missing)));
    let faults: PropertyFaults = faults.map(|(name, fault)| (name.clone(), fault)).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Why a definition is not made, changed or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefinitionFault {
    /// There is none of this name.
    NotFound(PropertyName),
    /// It is defined otherwise.
    Exists,
    /// A holder has, or had, a value of it.
    InUse,
    /// The tenant defines [`MAX_DEFINITIONS`].
    TooMany,
}

/// What is changed of a definition; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct DefinitionChange {
    /// Whether holders must have it.
    pub required: Option<bool>,
    /// Whether its values are personal data.
    pub personal: Option<bool>,
    /// For people.
    pub description: Option<String>,
}

/// What comes of asking for a definition, and whether that is other than what is stored.
pub fn define(definitions: &Definitions, new: Definition) -> Result<(Definition, bool), DefinitionFault> {
    match definitions.get(&new.name) {
        Some(stored) if stored.is_same_as(&new) => Ok((stored.clone(), false)),
        Some(_) => Err(DefinitionFault::Exists),
        None if definitions.len() >= MAX_DEFINITIONS => Err(DefinitionFault::TooMany),
        None => Ok((new, true)),
    }
}

/// A definition as it is after a change, and whether that is other than what is stored.
pub fn redefine(
    definitions: &Definitions,
    name: &PropertyName,
    change: DefinitionChange,
) -> Result<(Definition, bool), DefinitionFault> {
    let stored = definitions.get(name).ok_or_else(|| DefinitionFault::NotFound(name.clone()))?;
    let changed = Definition {
        required: change.required.unwrap_or(stored.required),
        personal: change.personal.unwrap_or(stored.personal),
        description: change.description.unwrap_or_else(|| stored.description.clone()),
        ..stored.clone()
    };
    let is_other = changed != *stored;
    Ok((changed, is_other))
}

/// Whether a definition may be taken back.
pub fn undefine(definitions: &Definitions, name: &PropertyName) -> Result<(), DefinitionFault> {
    match definitions.get(name) {
        None => Err(DefinitionFault::NotFound(name.clone())),
        Some(stored) if stored.used => Err(DefinitionFault::InUse),
        Some(_) => Ok(()),
    }
}
