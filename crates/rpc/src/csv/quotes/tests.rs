//! Quotes of records cut anywhere.

use csv_core::{QuoteStyle, ReadRecordResult, Terminator, WriterBuilder};
use proptest::prelude::*;

use super::*;

fn read(record: &[u8]) -> Quotes {
    let mut quotes = Quotes::at(7);
    quotes.read(record);
    quotes
}

/// The column and what is said of it, if a mistake was seen.
fn fault(record: &str) -> Option<(usize, String)> {
    read(record.as_bytes()).fault().map(|fault| (fault.column, fault.to_string()))
}

fn never_closed(record: &str) -> Option<(usize, String)> {
    read(record.as_bytes()).never_closed().map(|fault| (fault.column, fault.to_string()))
}

#[test]
fn o10_quotes_where_they_belong_are_no_fault() {
    for record in [
        "",
        "\n",
        "a,b,c\r\n",
        "\"a\",\"b\"\r\n",
        "\"\",\"\"",
        "\"\"\"\"",
        "\"say \"\"hi\"\"\",b",
        "a,\"x,y\r\nz\",c\n",
        "\"a\n\"\"\n\"\r",
        "it's, here",
    ] {
        assert_eq!((fault(record), never_closed(record)), (None, None), "{record:?}");
    }
}

#[test]
fn o10_text_after_the_closing_quote_is_a_fault() {
    for (record, column) in [
        ("q5,\"a@x.com\"x,1,USD\n", 1),
        ("\"a\" ,b", 0),
        ("\"\"a", 0),
        ("a,b,\"c\"d\"", 2),
        ("\"a\"\"\"b", 0),
    ] {
        assert_eq!(fault(record), Some((column, "text after the closing quote".into())), "{record:?}");
    }
}

#[test]
fn o10_a_quote_that_is_closed_by_a_later_row_is_told_with_both_lines() {
    let (column, what) = fault("\"two\nlines\",\"a,1\nb,2\nc,\"d\",3\n").unwrap();
    assert_eq!(column, 1);
    assert_eq!(
        what,
        "text after the closing quote: the quote that opens on line 8 is closed on line 10, \
         and all between was read as one field"
    );
}

#[test]
fn o10_a_quote_in_a_field_that_is_not_quoted_is_a_fault() {
    for (record, column) in [("q4,a\"b@x.com,1,USD\n", 1), ("a\"", 0), ("a, \"b\"", 1), ("a,b\"\"", 1)] {
        let what = "a quote inside a field that is not quoted".into();
        assert_eq!(fault(record), Some((column, what)), "{record:?}");
    }
}

#[test]
fn o10_the_first_fault_is_told() {
    assert_eq!(fault("a\"b,\"c\"d").unwrap().0, 0);
    assert_eq!(fault("a,\"c\"d,e\"f").unwrap(), (1, "text after the closing quote".into()));
}

#[test]
fn o10_a_quote_that_is_open_is_told_with_its_line() {
    let what = |line| {
        format!("line {line}: the quote that opens here is never closed; the rest of the file was not read")
    };
    for (record, column, line) in [
        ("\"", 0, 7),
        ("a,\"b\nc\nd", 1, 7),
        ("\"a\n\",\"b\n", 1, 8),
        ("a,\"b\"\"", 1, 7),
        ("a\"b,\"c", 1, 7),
    ] {
        assert_eq!(never_closed(record), Some((column, what(line))), "{record:?}");
        assert_eq!(read(record.as_bytes()).open(), Some(line), "{record:?}");
    }
}

/// A record as the writer of the `csv` crate writes it, which is that of `csv_core`.
fn written(fields: &[Vec<u8>], style: QuoteStyle, terminator: Terminator) -> Vec<u8> {
    let mut writer = WriterBuilder::new().quote_style(style).terminator(terminator).build();
    let mut record = vec![0; fields.iter().map(|field| 2 * field.len() + 3).sum::<usize>() + 4];
    let mut at = 0;
    for (n, field) in fields.iter().enumerate() {
        if n > 0 {
            at += writer.delimiter(&mut record[at..]).1;
        }
        let (_, read, wrote) = writer.field(field, &mut record[at..]);
        assert_eq!(read, field.len());
        at += wrote;
    }
    at += writer.terminator(&mut record[at..]).1;
    record.truncate(at);
    record
}

fn any_field() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(&b"\"\"\",\r\n a1"[..]);
    prop::collection::vec(prop_oneof![3 => special, 1 => any::<u8>()], 0..12)
}

proptest! {
    #[test]
    fn o10_any_chunking_of_a_record_tells_the_same(
        record in "([a-c]|,|\"|\r|\n|\"\"|é){0,100}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = record.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let (mut pieces, mut single) = (Quotes::at(7), Quotes::at(7));
        at.windows(2).for_each(|pair| pieces.read(&bytes[pair[0]..pair[1]]));
        bytes.chunks(1).for_each(|byte| single.read(byte));
        prop_assert_eq!(&pieces, &read(bytes));
        prop_assert_eq!(&single, &read(bytes));
    }

    #[test]
    fn o10_fields_end_where_the_parser_of_records_ends_them(file in "([a-c]|,|\"|\r|\n|\"\"){0,100}") {
        let (mut parser, mut bytes, mut ends) = (csv_core::Reader::new(), [0; 512], [0; 512]);
        let (result, read_to, _, mut fields) = parser.read_record(file.as_bytes(), &mut bytes, &mut ends);
        if result != ReadRecordResult::Record {
            fields += parser.read_record(&[], &mut bytes, &mut ends).3;
        }
        let quotes = read(&file.as_bytes()[..read_to]);
        // a file of line breaks has no record
        prop_assert!(fields == quotes.column + 1 || fields == 0 && file.trim_matches(['\r', '\n']).is_empty());
    }

    #[test]
    fn o10_what_a_csv_writer_writes_is_never_refused(
        fields in prop::collection::vec(any_field(), 1..6),
        style in prop::sample::select(&[QuoteStyle::Necessary, QuoteStyle::Always, QuoteStyle::NonNumeric][..]),
        terminator in prop::sample::select(&[Terminator::CRLF, Terminator::Any(b'\n')][..]),
    ) {
        let quotes = read(&written(&fields, style, terminator));
        prop_assert_eq!((quotes.fault(), quotes.open()), (None, None));
        prop_assert_eq!(quotes.column + 1, fields.len());
    }
}
