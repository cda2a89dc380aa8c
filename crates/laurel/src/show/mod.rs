//! What the command says on standard output: tables for people, JSON for programs; both made of any message by its
//! descriptor.

mod table;
mod value;

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use prost::{Message, Name};
use serde_json::Value;

pub(crate) use table::Table;
#[cfg(test)]
pub(crate) use value::field_names;
pub(crate) use value::{enum_names, json};

/// Prints one answer: as it is for a program, without what is empty for people.
pub(crate) fn answer<M: Message + Name>(message: &M, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print([json(message)?.to_string()]);
    }
    print(table::record(value::fields(message)?))
}

/// Prints the items of a page: a line each.
pub(crate) fn page(items: &[Value], table: &mut Table, as_json: bool) -> anyhow::Result<()> {
    if as_json { print(items.iter().map(Value::to_string)) } else { print(table.lines(items)) }
}

/// How wide lines may be: the terminal's width, or what reads well where there is none.
pub(crate) fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(110)
}

/// Prints lines. Unlike `println!`, it does not panic when nobody reads on.
pub(crate) fn print(lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

/// A count on standard error, where somebody watches it and nothing else is printed there.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of what `unit` names, such as `rows`.
    pub(crate) fn of(unit: &'static str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {human_pos} {msg}");
        let bar = ProgressBar::new_spinner().with_message(unit);
        Self(style.map_or(bar.clone(), |style| bar.with_style(style)))
    }

    /// The same, while a list is printed that may be on the same terminal.
    pub(crate) fn beside_output(unit: &'static str) -> Self {
        if std::io::stdout().is_terminal() { Self(ProgressBar::hidden()) } else { Self::of(unit) }
    }

    /// So many so far.
    pub(crate) fn at(&self, count: u64) {
        self.0.set_position(count);
    }

    /// Says something on standard error above the count.
    pub(crate) fn say(&self, line: &str) {
        self.0.suspend(|| eprintln!("{line}"));
    }
}

/// The count is gone when the work is done.
impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
