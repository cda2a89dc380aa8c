//! Line items as one text, for a column of a CSV file: a JSON list.

use proto::codec::breaches;
use proto::orders as wire;
use rpc::Error;
use rpc::fields::wire_money;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use types::{Currency, Money};

use super::convert;
use crate::domain::LineItem;

/// Name of the column.
const COLUMN: &str = "line_items";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    sku: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    quantity: i32,
    /// A decimal of the order's currency.
    unit_price: String,
}

/// The text of some lines; empty if there are none.
pub(super) fn write(lines: &[LineItem], currency: Currency) -> String {
    let line = |line: &LineItem| Line {
        sku: line.sku.clone(),
        name: line.name.clone(),
        quantity: line.quantity,
        unit_price: Money::new(line.unit_price_minor, currency).to_decimal(),
    };
    let all: Vec<Line> = lines.iter().map(line).collect();
    // texts and numbers can always be written
    if all.is_empty() { String::new() } else { serde_json::to_string(&all).unwrap_or_default() }
}

/// The lines in a text, held to what the contract declares of them.
pub(super) fn read(text: &str, currency: Currency) -> Result<Vec<LineItem>, Error> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |what: String| Error::field(COLUMN, what);
    let lines: Vec<Line> = serde_json::from_str(text).map_err(|error| wrong(what_is_wrong(&error)))?;
    let line_items = lines.into_iter().enumerate().map(|(n, line)| {
        let price = Money::parse_decimal(&line.unit_price, currency);
        let price = price.map_err(|error| wrong(format!("[{n}].unit_price {error}")))?;
        let Line { sku, name, quantity, .. } = line;
        Ok(wire::LineItem { sku, name, quantity, unit_price: Some(wire_money(price)) })
    });
    let line_items = line_items.collect::<Result<Vec<_>, Error>>()?;
    let order = wire::NewOrder { line_items, ..Default::default() };
    if let Some((path, what)) = breaches(&order).into_iter().find(|(path, _)| path.starts_with(COLUMN)) {
        return Err(wrong(format!("{} {what}", path.trim_start_matches(COLUMN)).trim_start().to_owned()));
    }
    let read = convert::line_items("", &order.line_items, currency);
    read.map_err(|error| wrong(error.message().to_owned()))
}

/// Without the library's own words, which quote what was sent: it may be personal data.
fn what_is_wrong(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        Category::Data => "a list of lines with sku, name, quantity and unit_price, and nothing else",
        Category::Io | Category::Syntax | Category::Eof => "JSON",
    };
    format!("is not {what}: see character {}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let error = read(text, "USD".parse().unwrap()).unwrap_err();
        assert_eq!(error.first_field(), COLUMN);
        error.message().to_owned()
    }

    #[test]
    fn what_was_written_is_read() {
        let currency = "USD".parse().unwrap();
        let line = |sku: &str, name: &str, quantity, unit_price_minor| LineItem {
            sku: sku.to_owned(),
            name: name.to_owned(),
            quantity,
            unit_price_minor,
        };
        for lines in [vec![], vec![line("a-1", "", 1, 0), line("\"b\", 2", "Käse; \\", 1_000_000, 12_345)]] {
            assert_eq!(read(&write(&lines, currency), currency).unwrap(), lines);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, what) in [
            ("[", "is not JSON: see character 1"),
            ("{}", "is not a list of lines"),
            (r#"[{"sku":"a","quantity":1,"unit_price":"1","secret":"red"}]"#, "is not a list of lines"),
            (r#"[{"sku":"a","quantity":"secret","unit_price":"1"}]"#, "is not a list of lines"),
            (r#"[{"sku":"a","quantity":1,"unit_price":"secret"}]"#, "[0].unit_price"),
            (r#"[{"sku":"a","quantity":1,"unit_price":"1.005"}]"#, "[0].unit_price"),
            (r#"[{"sku":"a","quantity":1,"unit_price":"-1"}]"#, "[0].unit_price"),
            (r#"[{"sku":"a","quantity":0,"unit_price":"1"}]"#, "[0].quantity"),
            (r#"[{"sku":"","quantity":1,"unit_price":"1"}]"#, "[0].sku"),
        ] {
            let told = refused(text);
            assert!(told.contains(what) && !told.contains("secret"), "{text}: {told}");
        }
        let many = vec![r#"{"sku":"a","quantity":1,"unit_price":"1"}"#; 201].join(",");
        assert!(refused(&format!("[{many}]")).contains("200"));
    }
}
