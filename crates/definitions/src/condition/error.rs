//! Why a condition is refused, and why an evaluation fails.

use std::fmt;

use cel::ExecutionError;

/// Why a condition is refused when it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionError {
    /// The line within the condition, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub reason: Refusal,
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "column {}: {}", self.column, self.reason)
    }
}

impl std::error::Error for ConditionError {}

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The source is longer than [`MAX_BYTES`](super::MAX_BYTES).
    #[error("a condition has at most 1000 bytes, this one has {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The source is not CEL.
    #[error("{0}")]
    Syntax(String),
    /// The expression nests too deeply.
    #[error("the condition is nested too deeply")]
    TooDeep,
    /// There is a second comprehension, nested or not.
    #[error("a condition has at most one of `all`, `exists`, `exists_one`, `filter` and `map`")]
    SecondComprehension,
    /// A comprehension's variable has the name of something else.
    #[error("`{0}` is already the name of a variable")]
    Shadowed(String),
    /// A variable that the environment lacks.
    #[error("unknown variable `{name}`, expected one of {known}")]
    UnknownVariable {
        /// The name.
        name: String,
        /// The variables there are.
        known: String,
    },
    /// A field that its record lacks.
    #[error("`{record}` has no field `{field}`, expected one of {known}")]
    UnknownField {
        /// The record's path.
        record: String,
        /// The name.
        field: String,
        /// The fields there are.
        known: String,
    },
    /// A function that does not exist.
    #[error("unknown function `{name}`, expected one of {known}")]
    UnknownFunction {
        /// The name.
        name: String,
        /// The functions there are.
        known: String,
    },
    /// An operator or function does not take values of these types.
    #[error("`{operation}` does not take {operands}")]
    WrongTypes {
        /// The operator or function.
        operation: String,
        /// The types it was given.
        operands: String,
    },
    /// A field of something that has none.
    #[error("a value of type {0} has no fields")]
    NoFields(String),
    /// A record stands where one of its fields should.
    #[error("`{0}` is a record: name one of its fields")]
    WholeRecord(String),
    /// A text that must be a constant, such as the one in `timestamp("...")`, is not one or not of its form.
    #[error("`{function}` takes a constant such as `\"{example}\"`")]
    Constant {
        /// The function.
        function: &'static str,
        /// A good constant.
        example: &'static str,
    },
    /// Something that CEL has and conditions have not.
    #[error("{0} cannot be used in a condition")]
    Unsupported(&'static str),
    /// The condition is not true or false.
    #[error("a condition must be true or false, this one is of type {0}")]
    NotBool(String),
}

/// Why an evaluation fails. Holds no values, so it may be logged and shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// The values were made by another environment than the condition's.
    #[error("the values belong to another environment")]
    OtherEnvironment,
    /// A value was set that does not fit its environment.
    #[error("`{path}` was not set: {problem}")]
    Binding {
        /// The field's path.
        path: String,
        /// Why it does not fit.
        problem: &'static str,
    },
    /// A field the condition reads was not set and cannot be null.
    #[error("`{path}` is not set")]
    Unset {
        /// The field's path.
        path: String,
    },
    /// A field of a record that is null.
    #[error("`{path}` was read of a record that is null")]
    NullRecord {
        /// The field's path.
        path: String,
    },
    /// Null where a value is needed, such as in `order.discount > 0`.
    #[error("null was used where a value is needed")]
    Null,
    /// A number, a moment or a duration out of range.
    #[error("a number, a moment or a duration is out of range")]
    Overflow,
    /// A division, or remainder, by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// An index beyond the list.
    #[error("an index is out of range")]
    IndexOutOfRange,
    /// A name that a map lacks.
    #[error("a map has no such name")]
    MissingName,
    /// A text that cannot be converted, as in `int("x")`.
    #[error("`{function}` cannot convert its argument")]
    Conversion {
        /// The function.
        function: String,
    },
    /// Anything else the interpreter reports; the type check should leave none.
    #[error("the condition could not be evaluated")]
    Other,
}

impl From<&ExecutionError> for EvaluationError {
    fn from(error: &ExecutionError) -> Self {
        match error {
            ExecutionError::Overflow(..) => Self::Overflow,
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => Self::DivisionByZero,
            ExecutionError::IndexOutOfBounds(_) => Self::IndexOutOfRange,
            ExecutionError::NoSuchKey(_) => Self::MissingName,
            ExecutionError::FunctionError { function, .. } => Self::Conversion { function: function.clone() },
            ExecutionError::NoSuchOverload(error) if error.argument_types().iter().any(|of| of == NULL) => {
                Self::Null
            }
            ExecutionError::UnexpectedType { got, .. } if got == NULL => Self::Null,
            ExecutionError::UnsupportedBinaryOperator(_, cel::Value::Null, _)
            | ExecutionError::UnsupportedBinaryOperator(_, _, cel::Value::Null) => Self::Null,
            _ => Self::Other,
        }
    }
}

/// The interpreter's name for the type of null.
const NULL: &str = "null_type";
