//! Conditions: CEL expressions over typed variables, checked when a definition is applied.
//!
//! An [`Environment`] declares what a kind of condition may read. [`Condition::compile`] refuses unknown names, wrong
//! types and results that are not true or false, in every branch. [`Condition::evaluate`] then costs about a
//! microsecond and fails only on what the data alone decides: a division by zero, a number out of range, null where a
//! value is needed. As in CEL, `has(order.campaign_id) && ...` and `order.campaign_id != null && ...` guard against null;
//! `==` and `!=` need no guard.

mod check;
mod environment;
mod error;
mod functions;
mod kind;
mod parse;
mod values;

use std::fmt;
use std::sync::Arc;

use cel::IdedExpr;
use cel::common::types::CelBool;

use environment::Schema;

pub use environment::{Environment, Record, Type};
pub use error::{ConditionError, EvaluationError, Refusal};
pub use parse::MAX_BYTES;
pub use values::{Value, Values};

/// A checked condition. Cheap to clone.
#[derive(Clone)]
pub struct Condition {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    expression: IdedExpr,
    schema: Arc<Schema>,
    /// The slots it reads in any branch, each once.
    reads: Vec<usize>,
    /// The slots that it asks for with `has`.
    asked: Vec<usize>,
}

impl Condition {
    /// Parses and checks a condition of at most [`MAX_BYTES`].
    pub fn compile(source: &str, environment: &Environment) -> Result<Self, ConditionError> {
        let (mut expression, info) = parse::parse(source)?;
        let schema = Arc::clone(&environment.schema);
        let (mut reads, asked) = check::check(&mut expression, &schema, &info)?;
        reads.sort_unstable();
        reads.dedup();
        Ok(Self { inner: Arc::new(Inner { source: source.to_owned(), expression, schema, reads, asked }) })
    }

    /// Whether the condition holds. A field it reads that was not set is an error, unless it may be null.
    pub fn evaluate(&self, values: &Values<'_>) -> Result<bool, EvaluationError> {
        values.check(&self.inner.schema, &self.inner.reads)?;
        parse::guarded(|| self.run(values)).unwrap_or(Err(EvaluationError::Other))
    }

    fn run(&self, values: &Values<'_>) -> Result<bool, EvaluationError> {
        let resolver = values::Resolver(values);
        let mut context = parse::context();
        context.set_variable_resolver(&resolver);
        match cel::Value::resolve_val(&self.inner.expression, &context) {
            Ok(result) => {
                let result = result.downcast_ref::<CelBool>().map(|holds| *holds.inner());
                result.ok_or(EvaluationError::Null)
            }
            Err(error) => Err(self.translate(&error)),
        }
    }

    /// The only name that can be missing is a slot's below a record that is null.
    fn translate(&self, error: &cel::ExecutionError) -> EvaluationError {
        match error {
            cel::ExecutionError::UndeclaredReference(name) => {
                match values::slot_of(name).and_then(|slot| self.inner.schema.slots.get(slot)) {
                    Some(slot) => EvaluationError::NullRecord { path: slot.path.clone() },
                    None => EvaluationError::Other,
                }
            }
            other => EvaluationError::from(other),
        }
    }

    /// The paths of the fields it is about, read or asked for with `has`; some more than once.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let Inner { schema, reads, asked, .. } = &*self.inner;
        reads.iter().chain(asked).filter_map(|slot| schema.slots.get(*slot)).map(|slot| slot.path.as_str())
    }

    /// The condition as it was written.
    pub fn source(&self) -> &str {
        &self.inner.source
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source()).finish()
    }
}

#[cfg(test)]
mod tests;
