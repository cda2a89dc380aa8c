//! The types of expressions.

use std::fmt;

use super::environment::Type;

/// The type of an expression, and whether it may be null.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

/// The type of an expression that is not null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The literal `null`.
    Null,
    Bool,
    Int,
    String,
    Timestamp,
    Duration,
    List(Box<Kind>),
    /// A map from texts to texts.
    Map,
    /// The record in a slot.
    Record(usize),
    /// The elements of `[]`: as good as any type.
    Any,
}

impl Kind {
    /// This type, of something that is never null.
    pub(super) fn typed(self) -> Typed {
        Typed { nullable: self == Self::Null, kind: self }
    }

    /// The type that both are, if they agree.
    pub(super) fn unify(&self, other: &Kind) -> Option<Kind> {
        match (self, other) {
            (Self::Any, kind) | (kind, Self::Any) => Some(kind.clone()),
            (Self::List(a), Self::List(b)) => Some(Self::List(Box::new(a.unify(b)?))),
            (Self::Record(_), _) | (_, Self::Record(_)) => None,
            (a, b) => (a == b).then(|| a.clone()),
        }
    }
}

impl Typed {
    /// The type of a value that is one of the two.
    pub(super) fn unify(&self, other: &Typed) -> Option<Typed> {
        let kind = match (&self.kind, &other.kind) {
            (Kind::Null, kind) | (kind, Kind::Null) => kind.clone(),
            (a, b) => a.unify(b)?,
        };
        Some(Typed { kind, nullable: self.nullable || other.nullable })
    }
}

impl From<Type> for Kind {
    fn from(of: Type) -> Self {
        match of {
            Type::Bool => Self::Bool,
            Type::Int => Self::Int,
            Type::String => Self::String,
            Type::Timestamp => Self::Timestamp,
            Type::StringList => Self::List(Box::new(Self::String)),
            Type::StringMap => Self::Map,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::String => "string",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::List(of) => return write!(f, "list({of})"),
            Self::Map => "map",
            Self::Record(_) => "record",
            Self::Any => "any",
        })
    }
}
