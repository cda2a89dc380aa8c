//! The values that conditions are evaluated on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use time::OffsetDateTime;

use super::environment::{Content, Schema, Type};
use super::error::EvaluationError;

/// The value of one field. Made by `From` from the usual types; `None` is null.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    String(Cow<'a, str>),
    /// A moment.
    Timestamp(OffsetDateTime),
    /// A list of texts.
    StringList(Vec<Cow<'a, str>>),
    /// Texts by name.
    StringMap(BTreeMap<Cow<'a, str>, Cow<'a, str>>),
}

/// What conditions read, for the [`Environment`](super::Environment) that made it. Borrows texts where it can.
///
/// A nullable field that is not set is null. A record is there as soon as one of its fields is set. Setting a field
/// that the environment lacks, or to a value of another type, is a mistake of the program: every evaluation on these
/// values then fails with [`EvaluationError::Binding`].
#[derive(Debug)]
pub struct Values<'a> {
    schema: Arc<Schema>,
    slots: Vec<Bound<'a>>,
    mistake: Option<EvaluationError>,
}

/// What stands in a slot, ready to be lent to the interpreter.
#[derive(Debug)]
enum Bound<'a> {
    Absent,
    Present,
    Bool(CelBool),
    Int(CelInt),
    String(CelString<'a>),
    Timestamp(CelTimestamp),
    List(CelList<'a>),
    Map(CelMap<'a>),
}

impl<'a> Values<'a> {
    pub(super) fn new(schema: Arc<Schema>) -> Self {
        let slots = schema.slots.iter().map(|_| Bound::Absent).collect();
        Self { schema, slots, mistake: None }
    }

    /// Sets a field by its path, such as `order.revenue_minor`.
    pub fn set(&mut self, path: &str, value: impl Into<Value<'a>>) -> &mut Self {
        match self.bind(path, value.into()) {
            Ok(()) => {}
            Err(problem) => self.note(path, problem),
        }
        self
    }

    /// Says that a record is there although none of its fields is set.
    pub fn set_present(&mut self, path: &str) -> &mut Self {
        match self.schema.find(path) {
            Some(slot) if matches!(self.schema.slots[slot].content, Content::Record(_)) => {
                self.slots[slot] = Bound::Present;
                self.mark_ancestors(slot);
            }
            _ => self.note(path, "there is no such record"),
        }
        self
    }

    fn note(&mut self, path: &str, problem: &'static str) {
        self.mistake.get_or_insert(EvaluationError::Binding { path: path.to_owned(), problem });
    }

    fn bind(&mut self, path: &str, value: Value<'a>) -> Result<(), &'static str> {
        let slot = self.schema.find(path).ok_or("there is no such field")?;
        let declared = &self.schema.slots[slot];
        let bound = match (&declared.content, value) {
            (_, Value::Null) if declared.nullable => Bound::Absent,
            (_, Value::Null) => return Err("it cannot be null"),
            (Content::Record(_), _) => return Err("it is a record: set its fields"),
            (Content::Leaf(of), value) => Bound::of(*of, value)?,
        };
        let null = matches!(bound, Bound::Absent);
        self.slots[slot] = bound;
        if !(null && matches!(declared.content, Content::Record(_))) {
            self.mark_ancestors(slot);
        }
        Ok(())
    }

    fn mark_ancestors(&mut self, slot: usize) {
        for above in self.schema.ancestors(slot) {
            self.slots[above] = Bound::Present;
        }
    }

    /// Refuses values of another environment, mistaken ones, and ones that lack a field the condition reads.
    pub(super) fn check(&self, schema: &Arc<Schema>, reads: &[usize]) -> Result<(), EvaluationError> {
        if !Arc::ptr_eq(&self.schema, schema) {
            return Err(EvaluationError::OtherEnvironment);
        }
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        match reads.iter().find(|slot| self.is_missing(**slot)) {
            Some(slot) => Err(EvaluationError::Unset { path: self.schema.slots[*slot].path.clone() }),
            None => Ok(()),
        }
    }

    /// Whether a field must have a value and has none.
    fn is_missing(&self, slot: usize) -> bool {
        matches!(self.slots[slot], Bound::Absent)
            && matches!(self.schema.slots[slot].content, Content::Leaf(_))
            && !self.schema.slots[slot].nullable
            && !self.is_below_null(slot)
    }

    /// Whether a record above the slot is null.
    fn is_below_null(&self, slot: usize) -> bool {
        self.schema
            .ancestors(slot)
            .any(|above| self.schema.slots[above].nullable && matches!(self.slots[above], Bound::Absent))
    }

    fn lend(&self, slot: usize) -> Option<&(dyn Val + '_)> {
        match self.slots.get(slot)? {
            Bound::Absent => {
                let nullable = self.schema.slots[slot].nullable;
                if nullable { Some(&CelNull) } else { None }
            }
            Bound::Present => Some(&CelBool::TRUE),
            Bound::Bool(value) => Some(value),
            Bound::Int(value) => Some(value),
            Bound::String(value) => Some(value),
            Bound::Timestamp(value) => Some(value),
            Bound::List(value) => Some(value),
            Bound::Map(value) => Some(value),
        }
    }

    fn has(&self, slot: usize) -> bool {
        !matches!(self.slots.get(slot), None | Some(Bound::Absent))
    }
}

/// Answers the interpreter's look-ups: `#3` is the value in slot 3, `?3` whether there is one. No source can spell
/// such names, so they collide with nothing.
pub(super) struct Resolver<'x, 'a>(pub(super) &'x Values<'a>);

/// The name of a slot's value for the interpreter.
pub(super) fn value_name(slot: usize) -> String {
    format!("#{slot}")
}

/// The name of a slot's presence for the interpreter.
pub(super) fn presence_name(slot: usize) -> String {
    format!("?{slot}")
}

/// The slot that [`value_name`] named.
pub(super) fn slot_of(name: &str) -> Option<usize> {
    name.strip_prefix('#')?.parse().ok()
}

impl VariableResolver for Resolver<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(slot) = slot_of(name) {
            return self.0.lend(slot).map(CowVal::Borrowed);
        }
        let slot = name.strip_prefix('?')?.parse().ok()?;
        Some(CowVal::Borrowed(if self.0.has(slot) { &CelBool::TRUE } else { &CelBool::FALSE }))
    }
}

impl<'a> Bound<'a> {
    fn of(declared: Type, value: Value<'a>) -> Result<Self, &'static str> {
        Ok(match (declared, value) {
            (Type::Bool, Value::Bool(value)) => Self::Bool(CelBool::from(value)),
            (Type::Int, Value::Int(value)) => Self::Int(CelInt::from(value)),
            (Type::String, Value::String(value)) => Self::String(text(value)),
            (Type::Timestamp, Value::Timestamp(value)) => Self::Timestamp(timestamp(value)?),
            (Type::StringList, Value::StringList(values)) => Self::List(CelList::from(
                values.into_iter().map(|v| Box::new(text(v)) as Box<dyn Val + 'a>).collect::<Vec<_>>(),
            )),
            (Type::StringMap, Value::StringMap(values)) => Self::Map(CelMap::from(
                values
                    .into_iter()
                    .map(|(k, v)| (CelMapKey::String(text(k)), Box::new(text(v)) as Box<dyn Val + 'a>))
                    .collect::<std::collections::HashMap<_, _>>(),
            )),
            _ => return Err("it has another type"),
        })
    }
}

fn text(value: Cow<'_, str>) -> CelString<'_> {
    match value {
        Cow::Borrowed(text) => CelString::from(text),
        Cow::Owned(text) => CelString::from(text),
    }
}

fn timestamp(value: OffsetDateTime) -> Result<CelTimestamp, &'static str> {
    chrono::DateTime::from_timestamp(value.unix_timestamp(), value.nanosecond())
        .filter(|_| (1..=9999).contains(&value.to_offset(time::UtcOffset::UTC).year()))
        .map(|moment| CelTimestamp::from(moment.fixed_offset()))
        .ok_or("it lies outside of the years 1 to 9999")
}

macro_rules! from {
    ($($from:ty => |$value:ident| $to:expr;)*) => {$(
        impl<'a> From<$from> for Value<'a> {
            fn from($value: $from) -> Self {
                $to
            }
        }
    )*};
}

from! {
    bool => |value| Self::Bool(value);
    i64 => |value| Self::Int(value);
    i32 => |value| Self::Int(value.into());
    u32 => |value| Self::Int(value.into());
    &'a str => |value| Self::String(Cow::Borrowed(value));
    &'a String => |value| Self::String(Cow::Borrowed(value));
    String => |value| Self::String(Cow::Owned(value));
    OffsetDateTime => |value| Self::Timestamp(value);
    Vec<&'a str> => |values| Self::StringList(values.into_iter().map(Cow::Borrowed).collect());
    Vec<String> => |values| Self::StringList(values.into_iter().map(Cow::Owned).collect());
    &'a [String] => |values| Self::StringList(values.iter().map(|v| Cow::Borrowed(v.as_str())).collect());
    &'a Vec<String> => |values| Self::from(values.as_slice());
    BTreeMap<String, String> => |values|
        Self::StringMap(values.into_iter().map(|(k, v)| (Cow::Owned(k), Cow::Owned(v))).collect());
    &'a BTreeMap<String, String> => |values|
        Self::StringMap(values.iter().map(|(k, v)| (Cow::Borrowed(k.as_str()), Cow::Borrowed(v.as_str()))).collect());
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
