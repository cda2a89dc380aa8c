//! What a kind of condition may read: named variables with typed fields.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::Values;

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A text.
    String,
    /// A moment.
    Timestamp,
    /// A list of texts.
    StringList,
    /// Texts by name, where the names are not known beforehand.
    StringMap,
}

/// The fields of a variable, or of an [`Environment`], whose fields are the variables themselves.
///
/// Names are CEL identifiers and unique within their record.
#[derive(Clone, Debug, Default)]
pub struct Record {
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    name: Cow<'static, str>,
    nullable: bool,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Leaf(Type),
    Record(Record),
}

impl Record {
    /// A record without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field that always has a value.
    #[must_use]
    pub fn field(self, name: impl Into<Cow<'static, str>>, of: Type) -> Self {
        self.with(name.into(), false, Shape::Leaf(of))
    }

    /// Adds a field that may be null.
    #[must_use]
    pub fn nullable(self, name: impl Into<Cow<'static, str>>, of: Type) -> Self {
        self.with(name.into(), true, Shape::Leaf(of))
    }

    /// Adds a record that is always there.
    #[must_use]
    pub fn record(self, name: impl Into<Cow<'static, str>>, fields: Record) -> Self {
        self.with(name.into(), false, Shape::Record(fields))
    }

    /// Adds a record that may be null: `order != null` asks.
    #[must_use]
    pub fn nullable_record(self, name: impl Into<Cow<'static, str>>, fields: Record) -> Self {
        self.with(name.into(), true, Shape::Record(fields))
    }

    fn with(mut self, name: Cow<'static, str>, nullable: bool, shape: Shape) -> Self {
        debug_assert!(
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
            "`{name}` is not a CEL identifier"
        );
        debug_assert!(self.fields.iter().all(|field| field.name != name), "two fields named `{name}`");
        self.fields.push(Field { name, nullable, shape });
        self
    }
}

/// What a kind of condition may read. Built once, cheap to clone.
///
/// ```
/// use definitions::condition::{Condition, Environment, Record, Type};
///
/// let order = Record::new().field("revenue_minor", Type::Int).nullable("campaign_id", Type::String);
/// let run = Record::new().field("stages", Type::StringList);
/// let environment = Environment::new(Record::new().record("order", order).record("run", run));
///
/// let condition = Condition::compile("order.revenue_minor > 0 && size(run.stages) > 1", &environment)?;
/// let mut values = environment.values();
/// values.set("order.revenue_minor", 1250).set("run.stages", vec!["lead", "won"]);
/// assert_eq!(condition.evaluate(&values), Ok(true));
/// # Ok::<(), definitions::condition::ConditionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Environment {
    pub(super) schema: Arc<Schema>,
}

impl Environment {
    /// An environment with these variables.
    pub fn new(variables: Record) -> Self {
        let mut schema = Schema::default();
        schema.roots = schema.add(variables, None, "");
        Self { schema: Arc::new(schema) }
    }

    /// Values for one evaluation or several, all fields still unset.
    pub fn values<'a>(&self) -> Values<'a> {
        Values::new(Arc::clone(&self.schema))
    }
}

/// All fields of an environment, flattened: each has a slot, and [`Values`] has one value per slot.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) slots: Vec<Slot>,
    pub(super) roots: Children,
    by_path: HashMap<String, usize>,
}

pub(super) type Children = Vec<(Cow<'static, str>, usize)>;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) path: String,
    pub(super) content: Content,
    pub(super) nullable: bool,
    pub(super) parent: Option<usize>,
}

#[derive(Debug)]
pub(super) enum Content {
    Leaf(Type),
    Record(Children),
}

impl Schema {
    fn add(&mut self, record: Record, parent: Option<usize>, prefix: &str) -> Children {
        let mut children = Vec::with_capacity(record.fields.len());
        for Field { name, nullable, shape } in record.fields {
            let path = format!("{prefix}{name}");
            let index = self.slots.len();
            self.by_path.insert(path.clone(), index);
            children.push((name, index));
            let (content, below) = match shape {
                Shape::Leaf(of) => (Content::Leaf(of), None),
                Shape::Record(fields) => (Content::Record(Vec::new()), Some(fields)),
            };
            self.slots.push(Slot { path: path.clone(), content, nullable, parent });
            if let Some(fields) = below {
                let inner = self.add(fields, Some(index), &format!("{path}."));
                self.slots[index].content = Content::Record(inner);
            }
        }
        children
    }

    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// The slots above one, innermost first.
    pub(super) fn ancestors(&self, slot: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.slots[slot].parent, |above| self.slots[*above].parent)
    }
}
