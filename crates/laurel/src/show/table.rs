//! JSON values as tables: a column is named by its path, and is as wide as what is in it.

use comfy_table::{ColumnConstraint, Table as Layout, Width, presets};
use serde_json::Value;

/// Spaces between columns.
const GAP: u16 = 2;
/// Items of a list that a cell shows.
const SHOWN: usize = 3;

/// The rows of a list, page by page. Widths never shrink, so that pages of like rows stand in line.
#[derive(Debug)]
pub(crate) struct Table {
    columns: &'static [&'static str],
    widths: Vec<u16>,
}

impl Table {
    /// A column is a path such as `revenue`, or several of which the first that has a value counts, with its own head:
    /// `reason=inactive_reason|unresolved_reason`.
    pub(crate) fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, widths: Vec::new() }
    }

    /// The lines of some more rows; those of the first ones begin with the heads.
    pub(crate) fn lines(&mut self, rows: &[Value]) -> Vec<String> {
        let mut layout = Layout::new();
        if self.widths.is_empty() {
            layout.set_header(self.columns.iter().map(|column| head(column)));
        }
        for row in rows {
            layout.add_row(self.columns.iter().map(|column| cell(row, column)));
        }
        let wider = |(n, width): (usize, u16)| self.widths.get(n).map_or(width, |before| width.max(*before));
        self.widths = layout.column_max_content_widths().into_iter().enumerate().map(wider).collect();
        laid_out(layout, &self.widths)
    }
}

/// One thing, a field on each line; what is empty is left out.
pub(super) fn record(fields: Vec<(String, Value)>) -> Vec<String> {
    let mut layout = Layout::new();
    for (name, value) in fields {
        let text = match &value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                items.iter().map(text).collect::<Vec<_>>().join("\n")
            }
            Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
            value => text(value),
        };
        if !text.is_empty() {
            layout.add_row([name, text]);
        }
    }
    let widths = layout.column_max_content_widths();
    laid_out(layout, &widths)
}

fn laid_out(mut layout: Layout, widths: &[u16]) -> Vec<String> {
    layout.load_style(presets::NOTHING);
    for (column, width) in layout.column_iter_mut().zip(widths) {
        let width = Width::Fixed(width.saturating_add(GAP));
        column.set_padding((0, GAP)).set_constraint(ColumnConstraint::LowerBoundary(width));
    }
    layout.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn head(column: &str) -> String {
    let name = column.split_once('=').map_or(column, |(head, _)| head);
    name.rsplit('.').next().unwrap_or(name).replace('_', " ").to_uppercase()
}

fn cell(row: &Value, column: &str) -> String {
    let paths = column.split_once('=').map_or(column, |(_, paths)| paths).split('|');
    let mut texts = paths.filter_map(|path| at(row, &path.split('.').collect::<Vec<_>>()));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

/// What a path leads to; of a list, what it leads to in each item.
fn at(value: &Value, path: &[&str]) -> Option<String> {
    match (value, path) {
        (value, []) => Some(short(value)),
        (Value::Array(items), path) => {
            let texts = items.iter().filter_map(|item| at(item, path)).map(Value::from);
            Some(short(&texts.collect()))
        }
        (value, [name, rest @ ..]) => at(value.get(*name)?, rest),
    }
}

/// A value in a cell: of a list the first few.
fn short(value: &Value) -> String {
    let Value::Array(items) = value else { return text(value) };
    let shown = items.iter().take(SHOWN).map(text).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => match (fields.get("amount"), fields.get("currency_code")) {
            (Some(amount), Some(currency)) if fields.len() == 2 => {
                format!("{} {}", text(amount), text(currency))
            }
            _ => {
                let pairs = fields.iter().map(|(name, value)| (name, text(value)));
                let pairs = pairs.filter(|(_, value)| !value.is_empty());
                pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            }
        },
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them_and_never_narrower_than_before() {
        let mut table = Table::new(&["order_id", "revenue", "reason=inactive_reason|unresolved_reason"]);
        let row = |id: &str, why: Value| {
            let revenue = json!({ "amount": "9.90", "currency_code": "EUR" });
            json!({ "order_id": id, "revenue": revenue, "inactive_reason": null, "unresolved_reason": why })
        };
        let first = table.lines(&[row("a-long-order-id", json!("NO_EVIDENCE")), row("b", Value::Null)]);
        let wanted = [
            "ORDER ID         REVENUE   REASON",
            "a-long-order-id  9.90 EUR  NO_EVIDENCE",
            "b                9.90 EUR",
        ];
        assert_eq!(first, wanted);
        assert_eq!(table.lines(&[row("c", json!("X"))]), ["c                9.90 EUR  X"]);
    }

    #[test]
    fn a_cell_shows_the_first_few_of_a_list_and_a_wide_letter_takes_its_room() {
        let mut table = Table::new(&["tags", "name"]);
        let rows =
            [json!({ "tags": ["a", "b", "c", "d"], "name": "x" }), json!({ "tags": ["日本"], "name": "y" })];
        let wanted = ["TAGS                NAME", "a, b, c and 1 more  x", "日本                y"];
        assert_eq!(table.lines(&rows), wanted);
    }

    #[test]
    fn one_thing_is_a_line_for_each_field_that_is_not_empty() {
        let items =
            json!([{ "sku": "a", "quantity": 2, "name": "" }, { "sku": "b", "quantity": 1, "name": "" }]);
        let fields = [("order_id", json!("o-1")), ("source", json!("")), ("line_items", items)];
        let fields = fields.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let wanted = ["order_id    o-1", "line_items  quantity=2 sku=a", "            quantity=1 sku=b"];
        assert_eq!(record(fields), wanted);
    }
}
