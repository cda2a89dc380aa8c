//! Files cut anywhere.

use proptest::prelude::*;

use super::*;

type Owned = (u64, Option<Vec<String>>);

fn owned(record: Record<'_>) -> Owned {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (record.line, record.fields.map(|fields| fields.iter().map(text).collect()))
}

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Owned> {
    let mut reader = RecordReader::new();
    let mut records = Vec::new();
    for mut chunk in chunks {
        while let Some(record) = reader.next(&mut chunk) {
            records.push(owned(record));
        }
        assert!(chunk.is_empty(), "all of it is read");
    }
    records.extend(reader.finish().map(owned));
    records
}

fn record(line: u64, fields: &[&str]) -> Owned {
    (line, Some(fields.iter().map(|field| (*field).to_owned()).collect()))
}

#[test]
fn quoted_line_breaks_and_quotes_are_content() {
    let file = b"a,b\r\n\"x\ny\",\"say \"\"hi\"\"\"\r\nc,\"\"\n";
    let records = read([&file[..]]);
    assert_eq!(records, [record(1, &["a", "b"]), record(2, &["x\ny", "say \"hi\""]), record(4, &["c", ""])]);
}

#[test]
fn lines_count_what_is_skipped_and_quoted() {
    let file = b"\n\r\na\r\n\n\n\"1\n2\n3\"\nb";
    assert_eq!(read([&file[..]]), [record(3, &["a"]), record(6, &["1\n2\n3"]), record(9, &["b"])]);
}

#[test]
fn a_byte_order_mark_is_dropped_even_if_it_is_cut() {
    for cut in 0..=4 {
        let (one, two) = b"\xef\xbb\xbfa,b\n".split_at(cut);
        assert_eq!(read([one, two]), [record(1, &["a", "b"])], "cut at {cut}");
    }
    assert_eq!(read([&b"\xef\xbb\xbf"[..]]), []);
}

#[test]
fn half_a_byte_order_mark_is_content() {
    let mut reader = RecordReader::new();
    assert_eq!(reader.next(&mut &b"\xef"[..]), None);
    assert_eq!(reader.next(&mut &b"\xbb"[..]), None);
    let last = reader.finish().unwrap();
    assert_eq!(last.fields.unwrap().iter().collect::<Vec<_>>(), [b"\xef\xbb"]);
}

#[test]
fn an_empty_file_has_no_records() {
    for file in [&b""[..], b"\n", b"\r\n\r\n"] {
        assert_eq!(read([file]), []);
    }
}

#[test]
fn a_huge_record_is_passed_over_and_the_next_one_read() {
    let huge = [b"x,".as_slice(), &vec![b'y'; 3 * MAX_RECORD], b",z\nnext,one\n"].concat();
    assert_eq!(read(huge.chunks(1000)), [(1, None), record(2, &["next", "one"])]);
    let many = [",".repeat(3 * MAX_FIELDS).as_bytes(), b"\nnext"].concat();
    assert_eq!(read(many.chunks(1000)), [(1, None), record(2, &["next"])]);
    let at_the_end = [b"a\n".as_slice(), &vec![b'y'; 2 * MAX_RECORD]].concat();
    assert_eq!(read(at_the_end.chunks(1000)), [record(1, &["a"]), (2, None)]);
}

#[test]
fn a_record_of_the_greatest_length_is_read() {
    let field = "x".repeat(MAX_RECORD);
    assert_eq!(read([format!("{field}\nb\n").as_bytes()]), [record(1, &[&field]), record(2, &["b"])]);
    assert_eq!(read([format!("{field}x\nb\n").as_bytes()]), [(1, None), record(2, &["b"])]);
    let fields = vec!["f"; MAX_FIELDS];
    assert_eq!(read([fields.join(",").as_bytes()]), [record(1, &fields)]);
}

#[test]
fn a_quote_that_is_never_closed_swallows_the_rest_as_one_record() {
    let file = [b"a\n\"oops\n".as_slice(), &b"row\n".repeat(MAX_RECORD)].concat();
    assert_eq!(read(file.chunks(4096)), [record(1, &["a"]), (2, None)]);
}

proptest! {
    #[test]
    fn any_chunking_yields_the_same_records(
        file in "(\u{feff})?([a-c]|,|\"|\r|\n|\r\n|\"\"|é){0,200}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let bytes = file.as_bytes();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let chunks = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(read(chunks), read([bytes]));
        prop_assert_eq!(read(bytes.chunks(1)), read([bytes]));
    }

    #[test]
    fn records_come_back_as_they_were_written(rows in prop::collection::vec(
        prop::collection::vec("[a-z \",\r\n]{1,8}", 2..4), 0..20,
    )) {
        let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
        let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n";
        let file: String = rows.iter().map(line).collect();
        let fields: Vec<Vec<String>> = read(file.as_bytes().chunks(7)).into_iter().filter_map(|r| r.1).collect();
        prop_assert_eq!(fields, rows);
    }
}
