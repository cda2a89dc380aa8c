//! The report of what an import refused (O10): downloaded, mended, imported again.

use std::sync::Arc;
use std::time::Duration;

use orders::{Settings, Upstream};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use proto::orders as v1;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use types::ManualClock;

use crate::common::*;
use crate::resume::{broken_off, named};

/// A report as it is downloaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Report {
    file: Vec<u8>,
    rows: i32,
    left_out: i64,
}

impl Report {
    fn text(&self) -> String {
        String::from_utf8(self.file.clone()).unwrap()
    }
}

async fn report(caller: &Caller, import_id: &str) -> Result<Report, Status> {
    let request = v1::DownloadImportReportRequest { import_id: import_id.into() };
    let mut pieces = caller.orders().download_import_report(request).await?.into_inner();
    let mut report = Report::default();
    while let Some(piece) = pieces.message().await? {
        report.file.extend(piece.chunk);
        report.rows += piece.rows;
        report.left_out += piece.left_out;
    }
    Ok(report)
}

/// Imports a file of this id: what was refused, and the counts.
async fn imported(
    caller: &Caller,
    import_id: &str,
    file: &[u8],
) -> (Vec<v1::RejectedRow>, v1::ImportProgress) {
    let (refused, summary) = caller.import(named(import_id), vec![file.to_vec()]).await;
    (refused, summary.unwrap())
}

#[tokio::test]
async fn o10_a_report_has_every_refused_record_as_it_was_sent() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    let mut file = b"\xef\xbb\xbforder_id,email,revenue,campaign\r\n\
        good,eve@example.com,1,\r\n\
        o-2,nobody,1,\r\n\
        \"o\r\n3\",\"eve@example.com\",\"1\",\r\n\
        o-4,caf\xe9@example.com,1,\r\n\
        o-5,eve@example.com\r\n\
        o-6,\"eve@example.com\"x,1,\r\n\
        o-7,eve@example.com,1,nowhere\r\n\
        o-8,"
        .to_vec();
    file.extend(vec![b'x'; 70_000]);
    file.extend(b",1,\r\no-9,\"eve@example.com,1,\r\no-10,eve@example.com,1,\r\n");
    let chunks = file.chunks(1000).map(<[u8]>::to_vec).collect();
    let (told, summary) = acme.import(named("i-1"), chunks).await;
    assert_eq!((told.len(), summary.unwrap().recorded), (8, 1));
    let expected = b"line,column,reason,order_id,email,revenue,campaign\n\
        3,email,INVALID_FIELD: email is not an e-mail address of the form name@domain,o-2,nobody,1,\n\
        4,order_id,INVALID_FIELD: order_id must be printable text without spaces at its ends,\"o\r\n3\",\"eve@example.com\",\"1\",\n\
        6,email,INVALID_FIELD: is not UTF-8,o-4,caf\xe9@example.com,1,\n\
        7,,\"INVALID_FIELD: the row has 2 fields, the header 4\",o-5,eve@example.com\n\
        8,email,INVALID_FIELD: text after the closing quote,o-6,\"eve@example.com\"x,1,\n\
        9,campaign,CAMPAIGN_NOT_FOUND: no such campaign,o-7,eve@example.com,1,nowhere\n\
        10,email,INVALID_FIELD: email is not an e-mail address of the form name@domain,,,,\n\
        11,email,INVALID_FIELD: line 11: the quote that opens here is never closed; the rest of the file was not read,\
        o-9,\"eve@example.com,1,\r\no-10,eve@example.com,1,\r\n";
    let downloaded = report(&acme, "i-1").await.unwrap();
    let shown = |file: &[u8]| file.escape_ascii().to_string().replace("\\n", "\n");
    assert_eq!(shown(&downloaded.file), shown(expected));
    assert_eq!((downloaded.rows, downloaded.left_out), (8, 0));
}

#[tokio::test]
async fn o10_the_mended_report_imports() {
    let world = World::start().await;
    let acme = world.of("acme");
    let file =
        b"order_id,email,revenue\no-1,eve@example.com,1\n\"o,2\",nobody,1\no-3,eve@example.com,1.005\n";
    let (_, counts) = imported(&acme, "i-1", file).await;
    assert_eq!((counts.recorded, counts.rejected), (1, 2));
    let text = report(&acme, "i-1").await.unwrap().text();
    let mended = text.replace(",nobody,", ",eve@example.com,").replace(",1.005", ",1.01");
    let (refused_rows, counts) = imported(&acme, "i-2", mended.as_bytes()).await;
    assert_eq!((refused_rows, counts.recorded), (vec![], 2));
    assert_eq!(acme.get("o-3").await.unwrap().revenue, Some(usd(101)));
    assert!(acme.get("o,2").await.is_ok());
    let nothing = report(&acme, "i-2").await.unwrap();
    assert_eq!((nothing.text().as_str(), nothing.rows), ("line,column,reason,order_id,email,revenue\n", 0));
}

#[tokio::test]
async fn o10_a_report_is_of_one_import_of_one_tenant() {
    let world = World::start().await;
    let acme = world.of("acme");
    imported(&acme, "i-1", b"order_id,email,revenue\no-1,nobody,1\n").await;
    imported(&acme, "i-2", b"order_id,email,revenue\no-2,nobody,1\n").await;
    for (import_id, row) in [("i-1", ",o-1,nobody,1\n"), ("i-2", ",o-2,nobody,1\n")] {
        let report = report(&acme, import_id).await.unwrap();
        assert!(report.text().ends_with(row) && report.rows == 1, "{report:?}");
    }
    refused(report(&world.of("other"), "i-1").await, Code::NotFound, "IMPORT_NOT_FOUND");
    refused(report(&acme, "i-3").await, Code::NotFound, "IMPORT_NOT_FOUND");
    bad_field(report(&acme, "").await, "import_id");
    bad_field(report(&acme, "a\nb").await, "import_id");
    // without an id nothing is kept
    acme.import(options(&[]), vec![b"order_id,email,revenue\no-1,nobody,1\n".to_vec()]).await.1.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM rejected_rows").await, 2);
}

/// `rows` rows, of which every tenth is wrong.
fn file(rows: std::ops::Range<usize>) -> String {
    let who = |n: usize| if n % 10 == 7 { "nobody".to_owned() } else { format!("c{}@example.com", n % 9) };
    let row = |n: usize| format!("o-{n},{},{n}\n", who(n));
    rows.map(row).collect()
}

const HEADER: &str = "order_id,email,revenue\n";

/// The ids of the orders in a report.
fn ids(report: &Report) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(report.file.as_slice());
    reader.records().map(|row| row.unwrap()[3].to_owned()).collect()
}

fn wrong(rows: usize) -> Vec<String> {
    (0..rows).filter(|n| n % 10 == 7).map(|n| format!("o-{n}")).collect()
}

#[tokio::test]
async fn o10_a_resumed_import_has_each_refused_row_once() {
    let world = World::start().await;
    let acme = world.of("acme");
    let whole = [HEADER, &file(0..3000)].concat().into_bytes();
    let first = [HEADER, &file(0..1500)].concat().into_bytes();
    broken_off(&acme, named("i-1"), first).await;
    // as far as it is known to be done, and no further
    let so_far = report(&acme, "i-1").await.unwrap();
    assert_eq!(ids(&so_far), wrong(1500));
    // attribution is away for a while, and rows that need no word of its come before those that do
    world.network.lose(3);
    let (_, counts) = imported(&acme, "i-1", &whole).await;
    assert_eq!(counts.rejected, 300);
    let all = report(&acme, "i-1").await.unwrap();
    assert_eq!((ids(&all), all.left_out), (wrong(3000), 0));
}

#[tokio::test]
async fn o10_an_import_killed_in_the_middle_loses_and_doubles_no_refused_row() {
    let sandbox = sandbox().await;
    let process = sandbox.clone();
    // a process of its own, as far as that can be: all that it was doing ends in the middle
    let killed = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let done = runtime.block_on(async {
            let db = process.database(orders::SCHEMA).await.unwrap();
            let world = World::on(process, db, Settings::default()).await;
            let acme = world.of("acme");
            let (sender, receiver) = tokio::sync::mpsc::channel(1);
            let chunk = [HEADER, &file(0..6000)].concat().into_bytes();
            let first = v1::ImportOrdersRequest { options: Some(named("i-1")), chunk };
            sender.send(first).await.unwrap();
            let answers = acme.orders().import_orders(ReceiverStream::new(receiver)).await.unwrap();
            let mut answers = answers.into_inner();
            let mut commits = world.db.commits();
            loop {
                let told = tokio::select! {
                    answer = answers.message() => answer.unwrap().is_some(),
                    _ = commits.changed() => true,
                };
                let request = v1::GetImportRequest { import_id: "i-1".into() };
                let import = acme.orders().get_import(request).await.ok().and_then(|i| i.into_inner().import);
                let done = import.and_then(|import| import.progress).unwrap_or_default().rows;
                assert!(told);
                if done > 0 {
                    return done;
                }
            }
        });
        runtime.shutdown_timeout(Duration::ZERO);
        done
    });
    assert!(killed.await.unwrap() > 0);
    let db = sandbox.database(orders::SCHEMA).await.unwrap();
    let world = World::on(sandbox, db, Settings::default()).await;
    let acme = world.of("acme");
    let (_, counts) = imported(&acme, "i-1", &[HEADER, &file(0..7000)].concat().into_bytes()).await;
    assert_eq!((counts.rows, counts.rejected), (7000, 700));
    assert_eq!(ids(&report(&acme, "i-1").await.unwrap()), wrong(7000));
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 6300);
}

#[tokio::test]
async fn o10_a_report_says_how_many_rows_it_has_not() {
    let world = World::start().await;
    let acme = world.of("acme");
    imported(&acme, "i-1", [HEADER, &file(0..100)].concat().as_bytes()).await;
    // as if there had been no room for them, or somebody was erased
    sqlx::raw_sql("DELETE FROM rejected_rows WHERE n % 20 = 8").execute(world.db.read()).await.unwrap();
    let some = report(&acme, "i-1").await.unwrap();
    assert_eq!((some.rows, some.left_out), (5, 5));
}

#[tokio::test]
async fn o10_a_large_report_comes_in_pieces() {
    let world = World::start().await;
    let acme = world.of("acme");
    let wide = |n: usize| format!("o-{n},nobody,1,{}\n", "x".repeat(40_000));
    let rows: String = (0..60).map(wide).collect();
    let mapped = v1::ImportOrdersOptions { import_id: "i-1".into(), ..options(&[("note", "-")]) };
    let file = format!("order_id,email,revenue,note\n{rows}").into_bytes();
    acme.import(mapped, file.chunks(100_000).map(<[u8]>::to_vec).collect()).await.1.unwrap();
    let request = v1::DownloadImportReportRequest { import_id: "i-1".into() };
    let mut pieces = acme.orders().download_import_report(request).await.unwrap().into_inner();
    let (mut whole, mut count) = (Report::default(), 0);
    while let Some(piece) = pieces.message().await.unwrap() {
        assert!(piece.chunk.len() < 512 * 1024 && piece.chunk.ends_with(b"\n"));
        whole.file.extend(piece.chunk);
        count += 1;
    }
    assert!(count > 5, "{count} pieces");
    assert_eq!(ids(&whole), (0..60).map(|n| format!("o-{n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn o10_a_dry_run_has_a_report_of_its_own() {
    let world = World::start().await;
    let acme = world.of("acme");
    let bytes = [HEADER, &file(0..1000)].concat().into_bytes();
    let dry = |id: &str| v1::ImportOrdersOptions { dry_run: true, ..named(id) };
    let (told, summary) = acme.import(dry("dry"), vec![bytes.clone()]).await;
    assert_eq!((told.len(), summary.unwrap().recorded), (100, 900));
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
    let checked = report(&acme, "dry").await.unwrap();
    assert_eq!(ids(&checked), wrong(1000));
    let request = v1::GetImportRequest { import_id: "dry".into() };
    let import = acme.orders().get_import(request).await.unwrap().into_inner().import.unwrap();
    assert!(import.dry_run && import.finished_at.is_some());
    // it is not taken for the import itself
    let (_, end) = acme.import(named("dry"), vec![bytes.clone()]).await;
    refused(end, Code::AlreadyExists, "IMPORT_DIFFERS");
    imported(&acme, "real", &bytes).await;
    assert_eq!(report(&acme, "real").await.unwrap(), checked);
}

#[tokio::test]
async fn o10_a_report_is_kept_for_seven_days() {
    let world = World::start().await;
    let acme = world.of("acme");
    imported(&acme, "i-1", b"order_id,email,revenue\no-1,nobody,1\n").await;
    let later = async |days: i64| {
        let db = world.sandbox.database(orders::SCHEMA).await.unwrap();
        let upstream = Upstream { attribution: world.network.over(acme.attribution.clone()) };
        let clock = Arc::new(ManualClock::at(NOW + time::Duration::days(days)));
        orders::start(db, clock, &world.lifecycle, upstream, Settings::default()).await.unwrap()
    };
    later(7).await;
    assert_eq!(report(&acme, "i-1").await.unwrap().rows, 1);
    later(8).await;
    refused(report(&acme, "i-1").await, Code::NotFound, "IMPORT_NOT_FOUND");
    assert_eq!(world.count("SELECT count(*) FROM rejected_rows").await, 0);
}

/// Rows of a file, of which many are wrong in some way.
fn any_rows() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let cell = prop_oneof![
        4 => "[a-z]{1,3}@example\\.com",
        2 => "[a-z@.]{0,6}",
        2 => "[0-9]{1,3}(\\.[0-9]{1,3})?",
        1 => "\"([a-z ,\n\r]|\"\"){0,8}\"",
        1 => "[a-z\"]{0,5}",
        1 => "\\PC{0,4}",
    ];
    let line_break = prop_oneof![Just("\n"), Just("\r\n")];
    let odd =
        prop_oneof![8 => Just(Vec::new()), 1 => Just(vec![0xe9]), 1 => Just(vec![0]), 1 => Just(vec![b','])];
    let row = (0..3_u8, prop::collection::vec(cell, 3), odd, line_break).prop_map(|(n, cells, odd, end)| {
        let mut row = format!("o-{n},{}", cells.join(",")).into_bytes();
        row.extend(odd);
        row.extend(end.as_bytes());
        row
    });
    prop::collection::vec(row, 1..20)
}

#[tokio::test]
async fn o10_a_report_imported_unchanged_is_refused_in_the_same_way() {
    let world = World::start().await;
    let acme = world.of("acme");
    let mut runner = TestRunner::default();
    let why = |rows: &[v1::RejectedRow]| -> Vec<(String, i32)> {
        rows.iter().map(|row| (row.column.clone(), row.reason)).collect()
    };
    let (mut refused_rows, header) = (0, &b"order_id,email,revenue,external_status\n"[..]);
    for case in 0..40 {
        let rows = any_rows().new_tree(&mut runner).unwrap().current();
        let file = [header, &rows.concat()].concat();
        let (first, _) = imported(&acme, &format!("{case}-1"), &file).await;
        let report_1 = report(&acme, &format!("{case}-1")).await.unwrap();
        let (second, counts) = imported(&acme, &format!("{case}-2"), &report_1.file).await;
        assert_eq!(why(&first), why(&second), "{}", file.escape_ascii());
        let rows = i64::try_from(first.len()).unwrap();
        assert_eq!((counts.rows, counts.rejected), (rows, rows));
        let records = format!(
            "SELECT count(*) FROM (SELECT rtrim(record, '\\x0a') FROM rejected_rows WHERE import_id = '{case}-1' EXCEPT ALL
                                   SELECT rtrim(record, '\\x0a') FROM rejected_rows WHERE import_id = '{case}-2' ) AS lost"
        );
        let lost: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(records)).fetch_one(world.db.read()).await.unwrap();
        assert_eq!(lost, 0, "{}", file.escape_ascii());
        // from then on nothing changes any more, but for the words that count fields and lines
        let report_2 = report(&acme, &format!("{case}-2")).await.unwrap();
        imported(&acme, &format!("{case}-3"), &report_2.file).await;
        let report_3 = report(&acme, &format!("{case}-3")).await.unwrap();
        assert_eq!(report_3, report_2, "{}", file.escape_ascii());
        refused_rows += first.len();
    }
    assert!(refused_rows > 100, "{refused_rows}");
}
