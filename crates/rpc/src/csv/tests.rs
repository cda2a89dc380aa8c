//! Files cut anywhere.

use proptest::prelude::*;

use super::*;

type Owned = (u64, Result<Vec<String>, Malformed>);

const TOO_LONG: Result<Vec<String>, Malformed> = Err(Malformed::TooLong { quote: None });

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
    (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
}

/// Line, column and what is said of each record; the column is `None` if it is the record as a whole.
fn said(file: &[u8]) -> Vec<(u64, Option<usize>, String)> {
    let told = |(line, fields): Owned| match fields {
        Ok(fields) => (line, None, fields.join("|")),
        Err(malformed) => (line, malformed.column(), malformed.to_string()),
    };
    read(file.chunks(4096)).into_iter().map(told).collect()
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
    assert_eq!(read(huge.chunks(1000)), [(1, TOO_LONG), record(2, &["next", "one"])]);
    let many = [",".repeat(3 * MAX_FIELDS).as_bytes(), b"\nnext"].concat();
    assert_eq!(read(many.chunks(1000)), [(1, TOO_LONG), record(2, &["next"])]);
    let at_the_end = [b"a\n".as_slice(), &vec![b'y'; 2 * MAX_RECORD]].concat();
    assert_eq!(read(at_the_end.chunks(1000)), [record(1, &["a"]), (2, TOO_LONG)]);
}

#[test]
fn a_record_of_the_greatest_length_is_read() {
    let field = "x".repeat(MAX_RECORD);
    assert_eq!(read([format!("{field}\nb\n").as_bytes()]), [record(1, &[&field]), record(2, &["b"])]);
    assert_eq!(read([format!("{field}x\nb\n").as_bytes()]), [(1, TOO_LONG), record(2, &["b"])]);
    let fields = vec!["f"; MAX_FIELDS];
    assert_eq!(read([fields.join(",").as_bytes()]), [record(1, &fields)]);
}

fn never_closed(line: u64) -> String {
    format!("line {line}: the quote that opens here is never closed; the rest of the file was not read")
}

#[test]
fn o10_a_quote_that_is_never_closed_swallows_the_rest_as_one_record() {
    for rows in [0, 1, MAX_RECORD] {
        let file = [b"a,b\n1,2\nx,\"oops\n".as_slice(), &b"row,row\n".repeat(rows)].concat();
        let records = said(&file);
        assert_eq!(records[..2], [(1, None, "a|b".into()), (2, None, "1|2".into())]);
        assert_eq!(records[2..], [(3, Some(1), never_closed(3))], "{rows} rows swallowed");
    }
    assert_eq!(said(b"\"two\nlines\",x\"y,\""), [(1, Some(2), never_closed(2))]);
}

#[test]
fn o10_a_record_with_a_misplaced_quote_is_told_and_those_around_it_read() {
    let file = b"a,b\n1,\"2\"x\n3,4\"\n\"5\n\",6\r\n7,8";
    let expected = [
        (1, None, "a|b"),
        (2, Some(1), "text after the closing quote"),
        (3, Some(1), "a quote inside a field that is not quoted"),
        (4, None, "5\n|6"),
        (6, None, "7|8"),
    ];
    assert_eq!(said(file), expected.map(|(line, column, what)| (line, column, what.to_owned())));
}

#[test]
fn o10_a_record_too_long_for_an_open_quote_is_told_with_the_line_of_the_quote() {
    let rows = b"row,row\n".repeat(MAX_RECORD);
    let what = "is longer than 256 KiB, or has over 1,024 fields: is the quote that opens on line 2 closed?";
    let after = (4 + MAX_RECORD as u64, None, "c|d".to_owned());
    for end in [&b"x\",2\nc,d\n"[..], b"x,\"y\"\nc,d\n"] {
        let file = [b"a,b\n1,\"oops\n".as_slice(), &rows, end].concat();
        let expected = [(1, None, "a|b".to_owned()), (2, None, what.to_owned()), after.clone()];
        assert_eq!(said(&file)[..], expected[..]);
    }
    // the quote is closed in good time: not the reason
    let file = [b"\"1\",".as_slice(), &vec![b'x'; 2 * MAX_RECORD]].concat();
    assert_eq!(read([&file[..]]), [(1, TOO_LONG)]);
    // what is wrong first is told
    let file = [b"1\"2,\"".as_slice(), &vec![b'x'; 2 * MAX_RECORD], b"\""].concat();
    assert_eq!(said(&file), [(1, Some(0), "a quote inside a field that is not quoted".to_owned())]);
}

/// What was sent of each record.
fn sent<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Vec<u8>>> {
    let mut reader = RecordReader::new();
    let mut all = Vec::new();
    for mut chunk in chunks {
        while let Some(record) = reader.next(&mut chunk) {
            all.push(record.sent.map(<[u8]>::to_vec));
        }
    }
    all.extend(reader.finish().map(|record| record.sent.map(<[u8]>::to_vec)));
    all
}

#[test]
fn o10_a_record_comes_with_its_bytes_as_they_were_sent() {
    let file = b"\xef\xbb\xbfa,b\r\n\"x\r\ny\",\"say \"\"hi\"\"\"\n\ncaf\xe9,\"q\"x\rlast,\"open\n\r\n";
    let expected: [&[u8]; 4] =
        [b"a,b", b"\"x\r\ny\",\"say \"\"hi\"\"\"", b"caf\xe9,\"q\"x", b"last,\"open\n\r\n"];
    for size in 1..=file.len() {
        assert_eq!(
            sent(file.chunks(size)),
            expected.map(|bytes| Some(bytes.to_vec())),
            "in pieces of {size}"
        );
    }
    assert_eq!(sent([&b"\xef\xbb"[..], b"x\n"]), [Some(b"\xef\xbbx".to_vec())], "half a mark is content");
}

#[test]
fn o10_a_record_that_is_too_large_to_keep_comes_without_its_bytes() {
    let (fits, exceeds) = ("x".repeat(MAX_SENT), "y".repeat(MAX_SENT + 1));
    let file = format!("{fits}\r\n{exceeds}\nz\n{exceeds}");
    let kept = [Some(fits.into_bytes()), None, Some(b"z".to_vec()), None];
    for size in [1000, file.len()] {
        assert_eq!(sent(file.as_bytes().chunks(size)), kept);
    }
}

proptest! {
    #[test]
    fn o10_what_was_sent_reads_as_the_same_record(
        file in "([a-c]|,|\"|\r|\n|\r\n|\"\"|é){0,200}",
    ) {
        let records = read([file.as_bytes()]);
        let sent = sent([file.as_bytes()]);
        prop_assert_eq!(records.len(), sent.len());
        for ((_, fields), sent) in records.into_iter().zip(sent) {
            let again = read([&sent.unwrap()[..]]).remove(0).1;
            // lines are counted anew
            match (fields, again) {
                (Err(fault), Err(again)) => prop_assert_eq!(fault.column(), again.column()),
                (fields, again) => prop_assert_eq!(fields, again),
            }
        }
    }

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
        let fields: Vec<Vec<String>> = read(file.as_bytes().chunks(7)).into_iter().map(|r| r.1.unwrap()).collect();
        prop_assert_eq!(fields, rows);
    }
}
