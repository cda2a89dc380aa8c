//! The interpreter's parser and environment, behind the limits of conditions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, Expr, SourceInfo};
use cel::{Context, Env, IdedExpr, ParseErrors};

use super::error::{ConditionError, Refusal};

/// The longest source, in bytes.
pub const MAX_BYTES: usize = 1_000;

/// How deep the parser recurses into brackets.
const MAX_BRACKETS: u16 = 24;

/// The longest syntax error that is passed on.
const MAX_MESSAGE: usize = 200;

/// The standard library; building it costs more than dozens of evaluations.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// A context for one evaluation, without variables.
pub(super) fn context<'v>() -> Context<'static, 'v> {
    Context::with_env(Arc::clone(&STANDARD))
}

/// Parses a source; the result is not checked yet.
pub(super) fn parse(source: &str) -> Result<(IdedExpr, SourceInfo), ConditionError> {
    let refuse = |reason| ConditionError { line: 1, column: 1, reason };
    if source.len() > MAX_BYTES {
        return Err(refuse(Refusal::TooLong { bytes: source.len() }));
    }
    let parser = STANDARD.parser().max_recursion_depth(MAX_BRACKETS);
    match guarded(|| parser.parse_with_source_info(source)) {
        Some(Ok(parsed)) => Ok(parsed),
        Some(Err(errors)) => Err(syntax(&errors)),
        None => Err(refuse(Refusal::Syntax("the condition cannot be read".to_owned()))),
    }
}

/// Runs the interpreter's code so that a panic in it takes no service down: its parser is generated, and a definition
/// comes from outside.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

/// Whether a function takes these constant arguments.
pub(super) fn is_constant(function: &str, args: &[IdedExpr]) -> bool {
    let call = CallExpr { func_name: function.to_owned(), target: None, args: args.to_vec() };
    let expression = IdedExpr { id: 0, expr: Expr::Call(call) };
    guarded(|| cel::Value::resolve(&expression, &context()).is_ok()).unwrap_or(false)
}

/// The line and column at which a part of the source begins.
pub(super) fn place(source: &SourceInfo, id: u64) -> (u32, u32) {
    let offset = source.offset_for(id).map_or(0, |(start, _)| start as usize);
    let mut place = (1, 1);
    for (_, c) in source.source.char_indices().take_while(|(at, _)| *at < offset) {
        place = if c == '\n' { (place.0 + 1, 1) } else { (place.0, place.1 + 1) };
    }
    place
}

fn syntax(errors: &ParseErrors) -> ConditionError {
    let Some(first) = errors.errors.first() else {
        return ConditionError { line: 1, column: 1, reason: Refusal::Syntax("syntax error".to_owned()) };
    };
    let number = |n: isize| u32::try_from(n).unwrap_or(1).max(1);
    let (line, column) = (number(first.pos.0), number(first.pos.1));
    if errors.errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        return ConditionError { line, column, reason: Refusal::TooDeep };
    }
    let message = first.msg.trim_start_matches("Syntax error: ");
    let message = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect();
    ConditionError { line, column, reason: Refusal::Syntax(message) }
}
