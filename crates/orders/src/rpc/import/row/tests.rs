//! Rows of the file.

use proto::orders::ImportOrdersOptions;
use types::Currency;

use super::*;
use crate::domain::{Definition, Definitions, PropertyName, PropertyType};
use rpc::csv::RecordReader;

/// One property of each type.
pub(in crate::rpc::import) fn definitions() -> Definitions {
    let types = [
        ("note", PropertyType::String),
        ("size", PropertyType::Integer),
        ("weight", PropertyType::Decimal),
        ("gift", PropertyType::Boolean),
    ];
    let definition = |(name, kind): (&str, _)| {
        let name: PropertyName = name.parse().unwrap();
        let definition = Definition {
            name: name.clone(),
            kind,
            required: false,
            personal: true,
            description: String::new(),
            used: false,
            created_at: types::Timestamp::UNIX_EPOCH,
        };
        (name, definition)
    };
    types.into_iter().map(definition).collect()
}

/// What becomes of the row below `header`.
fn read(header: &str, row: &[u8]) -> Row {
    read_with("", header, row)
}

/// The same, in an import of this id.
fn read_with(import_id: &str, header: &str, row: &[u8]) -> Row {
    let wire = ImportOrdersOptions {
        default_currency: "USD".to_owned(),
        default_source: "file".to_owned(),
        import_id: import_id.to_owned(),
        ..Default::default()
    };
    let (options, settings, tenant) =
        (Options::read(&wire).unwrap(), Settings::default(), "acme".parse().unwrap());
    let mut records = RecordReader::new();
    let mut input = header.as_bytes();
    assert!(records.next(&mut input).is_none());
    let mut input = &b"\n"[..];
    let columns =
        Columns::read(&records.next(&mut input).unwrap().fields.unwrap(), &options, &definitions()).unwrap();
    let reader = RowReader { tenant: &tenant, settings: &settings, options: &options, columns: &columns };
    let mut input = row;
    assert!(records.next(&mut input).is_none());
    reader.read(records.finish().unwrap(), 1, Vec::new())
}

fn order(header: &str, row: &str) -> NewOrder {
    *read(header, row.as_bytes()).order.unwrap()
}

/// What is told of the row, and its line.
fn refusal(header: &str, row: &[u8]) -> (u64, Fault) {
    let Row { sent, order } = read(header, row);
    (sent.line, order.unwrap_err().fault)
}

#[test]
fn o10_a_row_becomes_an_order() {
    let header = "order_id,source,email,uid,revenue,currency,campaign,shortcode,advocate_email,external_status,\
                  hubspot_dealstage,occurred_at";
    let row = "o-1,shop,Ann@Example.com,u7,1200,JPY,spring,anna10,bob@example.com,won,closed,2025-01-31T12:00:00+02:00";
    let order = order(header, row);
    assert_eq!(order.key.order_id.as_str(), "o-1");
    assert_eq!(order.source, "shop");
    assert_eq!(order.customer.email, Some(Email::parse("ann@example.com").unwrap()));
    assert_eq!(order.customer.uid.as_ref().map(Uid::as_str), Some("u7"));
    assert_eq!((order.revenue.minor, order.revenue.currency.code()), (1200, "JPY"));
    assert_eq!(order.campaign_id, Some("spring".parse().unwrap()));
    assert_eq!(order.evidence.shortcode, "anna10");
    let advocate = order.evidence.advocate.unwrap();
    assert_eq!(advocate.email, Some(Email::parse("bob@example.com").unwrap()));
    assert_eq!((order.external_status.as_str(), order.hubspot_dealstage.as_str()), ("won", "closed"));
    let at = order.occurred_at.unwrap();
    assert_eq!(at, time::macros::datetime!(2025-01-31 10:00 UTC));
    assert!(at.offset().is_utc());
}

#[test]
fn o10_a_row_takes_what_it_does_not_say_from_the_options() {
    let order = order("order_id,email,revenue,currency,source", "o-1,ann@example.com,12.5,,");
    assert_eq!(order.revenue, Money::new(1250, "USD".parse::<Currency>().unwrap()));
    assert_eq!(order.source, "file");
    assert_eq!((order.occurred_at, order.evidence), (None, Evidence::default()));
}

#[test]
fn o10_a_bad_row_is_refused_with_line_column_and_reason() {
    let header = "order_id,email,revenue,currency,occurred_at,uid,campaign";
    for (row, column, message) in [
        (&b",a@b.c,1,,,,"[..], "order_id", "order_id is required"),
        (b"o,,1,,,,", "email", "email is required, or else uid or contact_id"),
        (b"o,nobody,1,,,,", "email", "email is not an e-mail address of the form name@domain"),
        (b"o,a@b.c,,,,,", "revenue", "revenue is required"),
        (b"o,a@b.c,-1,,,,", "revenue", "revenue is negative"),
        (
            b"o,a@b.c,1.005,,,,",
            "revenue",
            "revenue is finer than the minor unit of USD, which has 2 decimals",
        ),
        (b"o,a@b.c,1,usd,,,", "currency", "currency is not an ISO 4217 currency code such as USD"),
        (b"o,a@b.c,1,,yesterday,,", "occurred_at", "occurred_at is not a time such as"),
        (b"o,a@b.c,1,,2025-01-31,,", "occurred_at", "occurred_at is not a time such as"),
        (b"o,a@b.c,1,,,,Spring!", "campaign", "campaign must be lower-case letters"),
        (b"o,a@b.c,1,,,caf\xe9,", "uid", "is not UTF-8"),
        (b"o,a@b.c,1,,,a\x01b,", "uid", "uid has a control character"),
        (b"o,a@b.c", "", "the row has 2 fields, the header 7"),
        (b"o,a@b.c,1,,,,,more", "", "the row has 8 fields, the header 7"),
    ] {
        let (line, fault) = refusal(header, row);
        assert_eq!((line, fault.column.as_str()), (2, column), "{fault:?}");
        assert!(fault.message.starts_with(message), "{fault:?}");
        assert_eq!(fault.reason, "INVALID_FIELD");
    }
}

#[test]
fn a13_what_is_said_about_a_bad_row_quotes_nothing_of_it() {
    let told = refusal("order_id,email,revenue", b"o,secret name,1");
    assert!(!format!("{told:?}").contains("secret"));
}

#[test]
fn o10_a_refusal_of_a_rule_names_the_column_of_the_file() {
    let mut records = RecordReader::new();
    let mut input = &b"order_id,email,revenue,When\n"[..];
    let wire = ImportOrdersOptions {
        columns: [("When".to_owned(), "occurred_at".to_owned())].into(),
        default_currency: "USD".to_owned(),
        ..Default::default()
    };
    let header = records.next(&mut input).unwrap().fields.unwrap();
    let columns = Columns::read(&header, &Options::read(&wire).unwrap(), &definitions()).unwrap();
    let fault = refused(&columns, commands::Error::InFuture("order.occurred_at"));
    assert_eq!(fault.column, "When");
    let told = rejected(BadRow { line: 7, fault });
    assert_eq!((told.line, told.column.as_str(), told.reason()), (7, "When", Reason::InvalidField));
}

#[test]
fn o9_cells_of_properties_are_read_as_their_types() {
    let header = "order_id,email,revenue,property.note,property.size,property.weight,property.gift";
    let row = "o-1,a@b.c,1,\"x, y\",-7,1.50,true";
    let held: Vec<_> =
        order(header, row).properties.into_iter().map(|(name, v)| format!("{name}={v}")).collect();
    assert_eq!(held, ["gift=true", "note=x, y", "size=-7", "weight=1.5"]);
    assert!(order(header, "o-1,a@b.c,1,,,,").properties.is_empty());
    for (row, column) in [
        ("o-1,a@b.c,1,x,1.5,,", "property.size"),
        ("o-1,a@b.c,1,x,,1e5,", "property.weight"),
        ("o-1,a@b.c,1,x,,,yes", "property.gift"),
    ] {
        assert_eq!(refusal(header, row.as_bytes()).1.column, column);
    }
}

#[test]
fn o10_a_row_is_kept_as_it_was_sent_if_there_will_be_a_report() {
    let (header, row) = ("order_id,email,revenue", &b"\"o 1\",caf\xe9@example.com,1"[..]);
    assert_eq!(read_with("i-1", header, row).sent.record.as_deref(), Some(row));
    assert_eq!(read(header, row).sent.record, None);
    let report = b"3,email,\"INVALID_FIELD: is, so\",\"o 1\",caf\xe9@example.com,1";
    let again = read_with("i-1", "line,column,reason,order_id,email,revenue", report);
    assert_eq!(again.sent.record.as_deref(), Some(row), "without what a report had put before it");
}

#[test]
fn a13_a_refused_row_is_found_by_whom_it_names_whatever_is_wrong_with_it() {
    let header = "order_id,email,uid,advocate_email,revenue";
    for row in [
        &b"o-1,Eve@,U-7,ann@example.com,1"[..],
        b"o-1,eve@,u-7,ann@example.com",
        b"o-1,eve@,\"u-7,ann@example.com,1",
        b"o-1,\"eve@\",u-7,\"ann@example.com\"x,1",
    ] {
        let names = read_with("i-1", header, row).order.unwrap_err().names;
        for name in ["eve@", "u-7", "ann@example.com"] {
            assert!(names.contains(&name.to_owned()), "{names:?}");
        }
        assert_eq!(read(header, row).order.unwrap_err().names, [""; 0]);
    }
}
