//! Headers and how they are mapped.

use std::collections::HashMap;

use super::*;
use rpc::csv::RecordReader;

fn definitions() -> Definitions {
    crate::rpc::import::row::tests::definitions()
}

fn options(columns: &[(&str, &str)], currency: &str) -> ImportOrdersOptions {
    let columns: HashMap<String, String> =
        columns.iter().map(|(column, field)| ((*column).to_owned(), (*field).to_owned())).collect();
    ImportOrdersOptions { columns, default_currency: currency.to_owned(), ..Default::default() }
}

fn read(header: &[u8], wire: &ImportOrdersOptions) -> Result<Columns, Error> {
    let options = Options::read(wire)?;
    let mut records = RecordReader::new();
    assert_eq!(records.next(&mut &header[..]), None);
    Columns::read(&records.finish().unwrap().fields.unwrap(), &options, &definitions())
}

fn fault(header: &[u8], wire: &ImportOrdersOptions) -> String {
    read(header, wire).unwrap_err().message().to_owned()
}

#[test]
fn o10_columns_are_found_by_their_name_in_any_order() {
    let columns = read(b"revenue, email ,order_id,currency", &options(&[], "")).unwrap();
    assert_eq!(columns.index(Field::OrderId), Some(2));
    assert_eq!(columns.index(Field::Email), Some(1));
    assert_eq!(columns.name_of(Field::Email), "email");
    assert_eq!(columns.index(Field::Shortcode), None);
}

#[test]
fn o10_columns_are_mapped_and_skipped() {
    let wire =
        options(&[("Order No", "order_id"), ("Who", "uid"), ("Total", "revenue"), ("Junk", "-")], "USD");
    let columns = read(b"Total,Junk,Who,Order No", &wire).unwrap();
    let at = |field| columns.index(field);
    assert_eq!((at(Field::Revenue), at(Field::Uid), at(Field::OrderId)), (Some(0), Some(2), Some(3)));
    assert_eq!(columns.name_of(Field::Revenue), "Total");
}

#[test]
fn o10_a_header_that_cannot_be_used_is_refused_with_its_column() {
    let plain = options(&[], "USD");
    for (header, expected) in [
        (&b"order_id,email,revenue,colour"[..], "header.colour is no field of an import"),
        (b"email,revenue", "header.order_id is required"),
        (b"order_id,revenue", "header.email is required, or else uid or contact_id"),
        (b"order_id,email", "header.revenue is required"),
        (b"order_id,email,revenue,email", "header.email is email, and so is column email"),
        (b"order_id,email,revenue,", "header. is no field of an import"),
        (b"order_id,email,revenue,caf\xe9", "header[3] is not UTF-8"),
    ] {
        let message = fault(header, &plain);
        assert!(message.starts_with(expected), "{message}");
    }
    let message = fault(b"order_id,email,revenue", &options(&[], ""));
    assert_eq!(message, "header.currency is required, or else options.default_currency");
}

#[test]
fn o10_options_that_cannot_be_used_are_refused_with_their_path() {
    let header = b"order_id,email,revenue,x";
    for (wire, path) in [
        (options(&[("x", "colour")], "USD"), "options.columns[x]"),
        (options(&[("x", "-"), ("y", "uid")], "USD"), "options.columns[y]"),
        (options(&[("x", "-")], "usd"), "options.default_currency"),
        (
            ImportOrdersOptions { default_source: "s".repeat(65), ..options(&[("x", "-")], "USD") },
            "options.default_source",
        ),
        (ImportOrdersOptions { on_conflict: 9, ..options(&[("x", "-")], "USD") }, "options.on_conflict"),
    ] {
        assert_eq!(read(header, &wire).unwrap_err().first_field(), path);
    }
}

#[test]
fn every_field_is_found_by_its_name_and_place() {
    for (n, field) in Field::ALL.into_iter().enumerate() {
        assert_eq!(field as usize, n);
        assert_eq!(Field::from_name(field.name()), Some(field));
    }
    for (path, field) in [
        ("order.customer.email", Field::Email),
        ("order.evidence.advocate.email", Field::AdvocateEmail),
        ("order.revenue.currency_code", Field::Currency),
        ("order.revenue", Field::Revenue),
        ("order.campaign_id", Field::Campaign),
        ("order.occurred_at", Field::OccurredAt),
    ] {
        assert_eq!(Field::from_path(path), Some(field), "{path}");
    }
    assert_eq!(Field::from_path("request_id"), None);
}

#[test]
fn o9_columns_of_properties_are_found_and_mapped() {
    let wire = options(&[("Size!", "property.size")], "USD");
    let columns = read(b"order_id,email,revenue,property.note,Size!", &wire).unwrap();
    let found: Vec<_> =
        columns.properties().iter().map(|column| (column.name.as_str(), column.index)).collect();
    assert_eq!(found, [("note", 3), ("size", 4)]);
    assert_eq!(columns.name_at("order.properties[size]"), "Size!");
    assert_eq!(columns.name_at("order.properties[weight]"), "");
    let plain = options(&[], "USD");
    for (header, expected) in [
        (&b"order_id,email,revenue,property.hue"[..], "header.property.hue is no property that is defined"),
        (b"order_id,email,revenue,property.", "header.property. is no field of an import"),
        (
            b"order_id,email,revenue,property.size,property.size",
            "header.property.size is property.size, and so is column property.size",
        ),
    ] {
        let told = fault(header, &plain);
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn o10_a_report_of_refused_rows_has_the_columns_of_what_was_imported() {
    let plain = options(&[], "USD");
    let columns = read(b"line,column,reason,order_id,email,revenue", &plain).unwrap();
    assert_eq!(columns.index(Field::OrderId), Some(3));
    assert_eq!(columns.header(), b"order_id,email,revenue");
    assert_eq!(columns.without_report(b"2,,NO: no,o-1,,"), b"o-1,,");
    // whoever takes some of them away, or puts them elsewhere, has columns that are skipped
    let some = read(b"line,order_id,reason,email,revenue", &plain).unwrap();
    assert_eq!(some.header(), b"line,order_id,reason,email,revenue");
    assert_eq!(some.without_report(b"2,o-1,NO,,"), b"2,o-1,NO,,");
    // and one that is mapped is none of a report
    let mapped = read(b"line,column,reason,email,revenue", &options(&[("line", "order_id")], "USD")).unwrap();
    assert_eq!(mapped.index(Field::OrderId), Some(0));
    assert_eq!(mapped.header(), b"line,column,reason,email,revenue");
    let quoted = read(b"\"Order, No\",email,revenue", &options(&[("Order, No", "order_id")], "USD")).unwrap();
    assert_eq!(quoted.header(), b"\"Order, No\",email,revenue");
}
