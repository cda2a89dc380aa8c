//! The operators and functions of conditions, and the types they take.
//!
//! What is not listed here is refused. Left out on purpose: `matches`, whose pattern the interpreter compiles anew on
//! every evaluation.

use cel::common::ast::operators as op;

use super::kind::Kind;

/// Every function and macro, for error texts.
pub(super) const NAMES: &str = "`has`, `size`, `startsWith`, `endsWith`, `contains`, `int`, `string`, `timestamp`, \
     `duration`, `getFullYear`, `getMonth`, `getDate`, `getDayOfWeek`, `getHours`, `getMinutes`, `all`, `exists`, \
     `exists_one`, `filter`, `map`";

/// Whether a name is that of a function that is called as `name(...)` or `value.name(...)`.
pub(super) fn is_known(name: &str) -> bool {
    is_accessor(name)
        || matches!(
            name,
            "size" | "startsWith" | "endsWith" | "contains" | "int" | "string" | "timestamp" | "duration"
        )
}

/// Parts of a moment, in UTC.
fn is_accessor(name: &str) -> bool {
    matches!(name, "getFullYear" | "getMonth" | "getDate" | "getDayOfWeek" | "getHours" | "getMinutes")
}

/// The result of a function on arguments, called on a target or not; nothing if it does not take them.
pub(super) fn call(name: &str, target: Option<&Kind>, args: &[Kind]) -> Option<Kind> {
    match (name, target, args) {
        ("size", Some(of), []) | ("size", None, [of]) => {
            matches!(of, Kind::String | Kind::List(_) | Kind::Map).then_some(Kind::Int)
        }
        ("startsWith" | "endsWith" | "contains", Some(Kind::String), [Kind::String]) => Some(Kind::Bool),
        ("int", None, [Kind::String | Kind::Int]) => Some(Kind::Int),
        ("string", None, [Kind::Int | Kind::String | Kind::Bool]) => Some(Kind::String),
        ("timestamp", None, [Kind::String]) => Some(Kind::Timestamp),
        ("duration", None, [Kind::String]) => Some(Kind::Duration),
        (accessor, Some(Kind::Timestamp), []) if is_accessor(accessor) => Some(Kind::Int),
        _ => None,
    }
}

/// The result of an operator other than `==`, `!=` and `?:`; nothing if it does not take these operands.
pub(super) fn operator(name: &str, operands: &[Kind]) -> Option<Kind> {
    match (name, operands) {
        (op::LOGICAL_AND | op::LOGICAL_OR, [Kind::Bool, Kind::Bool])
        | (op::LOGICAL_NOT | op::NOT_STRICTLY_FALSE, [Kind::Bool])
        | (op::IN, [Kind::String, Kind::Map]) => Some(Kind::Bool),
        (op::IN, [item, Kind::List(of)]) => item.unify(of).map(|_| Kind::Bool),
        (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [a, b]) => (a == b
            && matches!(a, Kind::Int | Kind::String | Kind::Timestamp | Kind::Duration))
        .then_some(Kind::Bool),
        (op::INDEX, [Kind::List(of), Kind::Int]) => Some((**of).clone()),
        (op::INDEX, [Kind::Map, Kind::String]) => Some(Kind::String),
        (op::NEGATE, [Kind::Int]) => Some(Kind::Int),
        (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [a, b]) => arithmetic(name, a, b),
        _ => None,
    }
}

fn arithmetic(name: &str, a: &Kind, b: &Kind) -> Option<Kind> {
    match (name, a, b) {
        (_, Kind::Int, Kind::Int) => Some(Kind::Int),
        (op::ADD, Kind::String, Kind::String) => Some(Kind::String),
        (op::ADD, Kind::List(_), Kind::List(_)) => a.unify(b),
        (op::ADD | op::SUBSTRACT, Kind::Timestamp, Kind::Duration)
        | (op::ADD, Kind::Duration, Kind::Timestamp) => Some(Kind::Timestamp),
        (op::SUBSTRACT, Kind::Timestamp, Kind::Timestamp)
        | (op::ADD | op::SUBSTRACT, Kind::Duration, Kind::Duration) => Some(Kind::Duration),
        _ => None,
    }
}

/// Whether a call by this name is an operator.
pub(super) fn is_operator(name: &str) -> bool {
    matches!(
        name,
        op::LOGICAL_AND
            | op::LOGICAL_OR
            | op::LOGICAL_NOT
            | op::NOT_STRICTLY_FALSE
            | op::IN
            | op::LESS
            | op::LESS_EQUALS
            | op::GREATER
            | op::GREATER_EQUALS
            | op::INDEX
            | op::NEGATE
            | op::ADD
            | op::SUBSTRACT
            | op::MULTIPLY
            | op::DIVIDE
            | op::MODULO
    )
}

/// A call's name as it is written in a condition.
pub(super) fn symbol(name: &str) -> &str {
    match name {
        op::INDEX => "[]",
        op::CONDITIONAL => "?:",
        op::NOT_STRICTLY_FALSE => "!",
        op::EQUALS => "==",
        op::NOT_EQUALS => "!=",
        _ if is_operator(name) => name.trim_matches(['_', '@']),
        _ => name,
    }
}
