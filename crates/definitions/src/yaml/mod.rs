//! Strict YAML: unknown fields, duplicates and alias bombs are refused, every mistake has its line.
//!
//! Give the types `#[serde(deny_unknown_fields)]`. A field that is judged after parsing (a rule that names a stage,
//! say) is a [`Spanned`]: its line is kept, and [`Problem::at`] reports it. `Spanned` knows no line inside
//! `#[serde(flatten)]`, untagged and internally tagged enums; use externally or adjacently tagged ones.

mod path;

use std::fmt;

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location, Options, UserMessageFormatter};

pub use serde_saphyr::Spanned;

/// The longest definition, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// The longest message that quotes the text.
const MAX_MESSAGE: usize = 600;

/// What is wrong with a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 if the problem has no place.
    pub line: u32,
    /// The column in characters, from 1; 0 if the problem has no place.
    pub column: u32,
    /// Where in the document, such as `rules[2].amount`, as far as known; empty for the document itself.
    pub path: String,
    /// What is wrong, without the place.
    pub message: String,
}

impl Problem {
    /// A problem found after parsing, at the place a value was read from.
    pub fn at<T>(value: &Spanned<T>, path: impl Into<String>, message: impl Into<String>) -> Self {
        let (line, column) = place(value.referenced);
        Self { line, column, path: path.into(), message: message.into() }
    }

    /// A problem of what stands at a path of a text that can be read, such as `stages[2].enter_on`.
    pub fn of_path(text: &str, path: impl Into<String>, message: impl Into<String>) -> Self {
        let path = path.into();
        let (line, column) = path::find(text, &path);
        Self { line, column, path, message: message.into() }
    }

    /// A problem of the whole document.
    pub fn of_document(message: impl Into<String>) -> Self {
        Self { line: 0, column: 0, path: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// Reads one YAML document of at most [`MAX_BYTES`].
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if text.len() > MAX_BYTES {
        return Err(Problem::of_document(format!(
            "the text has {} bytes, at most {MAX_BYTES} are allowed",
            text.len()
        )));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| problem(text, &error))
}

/// Bounds far above any definition a person writes, and far below what would hurt.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 100_000,
            max_nodes: 50_000,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 1,
            max_anchors: 100,
            max_aliases: 1_000,
            max_merge_keys: 100,
            max_recorded_anchor_events: 50_000,
            max_recorded_anchor_bytes: MAX_BYTES,
            max_total_scalar_bytes: MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 50_000,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn problem(text: &str, error: &Error) -> Problem {
    let (line, column) = error.location().map_or((0, 0), place);
    let whole = matches!(original(error), Error::SerdeMissingField { .. });
    Problem { line, column, path: path::at(text, line, column, whole), message: message(original(error)) }
}

/// A place in the text; (0, 0) if it is not known.
fn place(location: Location) -> (u32, u32) {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    (number(location.line()), number(location.column()))
}

fn original(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => original(error),
        other => other,
    }
}

fn message(error: &Error) -> String {
    let text = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            format!("unknown field `{field}`, {}", one_of(expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("unknown value `{variant}`, {}", one_of(expected))
        }
        Error::InvalidScalar { ty, .. } => format!("expected a value of type {ty}"),
        Error::Unexpected { expected: "sequence start", .. } => "expected a list".to_owned(),
        Error::Unexpected { expected: "mapping start", .. } => "expected a mapping".to_owned(),
        Error::Unexpected { expected: "string scalar", .. } => "expected a text".to_owned(),
        Error::MultipleDocuments { .. } => "expected a single document".to_owned(),
        other => {
            use serde_saphyr::MessageFormatter;
            UserMessageFormatter.format_message(other).into_owned()
        }
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
}

fn one_of(expected: &[&str]) -> String {
    match expected {
        [] => "expected none".to_owned(),
        [one] => format!("expected `{one}`"),
        several => format!("expected one of `{}`", several.join("`, `")),
    }
}

#[cfg(test)]
mod tests;
