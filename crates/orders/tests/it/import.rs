//! ImportOrders (O10).

use proto::attribution::UnresolvedReason;
use proto::common::ErrorReason as Reason;
use proto::orders as v1;
use tonic::Code;

use crate::common::*;

fn rejected(rows: &[v1::RejectedRow]) -> Vec<(i64, &str, Reason)> {
    rows.iter().map(|row| (row.line, row.column.as_str(), row.reason())).collect()
}

#[tokio::test]
async fn o10_good_rows_go_in_and_bad_ones_are_reported() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    acme.record(order("stored", "eve", 100)).await;
    let file = b"\xef\xbb\xbforder_id,email,revenue,campaign,shortcode,occurred_at\r\n\
        o-1,eve@example.com,10.00,,ANN10,2025-05-01T12:00:00Z\r\n\
        o-2,nobody,10.00,,,\r\n\
        o-3,eve@example.com,10.005,,,\r\n\
        \"o-4\n two lines\",eve@example.com,1,,,\r\n\
        o-5,eve@example.com,7,spring,,\r\n\
        o-6,caf\xe9@example.com,1,,,\r\n\
        o-7,eve@example.com\r\n\
        o-8,eve@example.com,1,nowhere,,\r\n\
        o-9,eve@example.com,1,autumn,ANN10,\r\n\
        stored,eve@example.com,2,,,\r\n\
        o-10,eve@example.com,1,,,2025-06-03T12:00:00Z\r\n\
        o-11,eve@example.com,1,,!!,\r\n\
        o-1,eve@example.com,10.00,,ANN10,2025-05-01T12:00:00Z\r\n\
        o-12,eve@example.com,0,,,";
    let chunks = file.chunks(17).map(<[u8]>::to_vec).collect();
    let (bad, summary) = acme.import(options(&[]), chunks).await;
    let expected = [
        (3, "email", Reason::InvalidField),
        (4, "revenue", Reason::InvalidField),
        (5, "order_id", Reason::InvalidField),
        (8, "email", Reason::InvalidField),
        (9, "", Reason::InvalidField),
        (10, "campaign", Reason::CampaignNotFound),
        (11, "shortcode", Reason::CampaignMismatch),
        (12, "", Reason::OrderDiffers),
        (13, "occurred_at", Reason::InvalidField),
    ];
    assert_eq!(rejected(&bad), expected);
    let expected = v1::ImportProgress { rows: 14, recorded: 4, already_recorded: 1, updated: 0, rejected: 9 };
    assert_eq!(summary.unwrap(), expected);
    let first = acme.get("o-1").await.unwrap();
    assert_eq!((first.campaign_id.as_str(), first.revenue), ("spring", Some(usd(1_000))));
    let second = acme.get("o-5").await.unwrap();
    assert_eq!(second.attribution_id, first.attribution_id, "rows of one customer keep their order");
    let odd_code = acme.get("o-11").await.unwrap();
    assert_eq!(
        odd_code.unresolved_reason(),
        UnresolvedReason::UnknownCode,
        "it does not lose the order (O7)"
    );
    assert!(acme.get("o-12").await.is_ok());
}

#[tokio::test]
async fn o10_an_import_may_be_run_again() {
    let world = World::start().await;
    let acme = world.of("acme");
    let mut file = "order_id,email,revenue\n".to_owned();
    file.extend((0..3000).map(|n| format!("o-{n},c{}@example.com,{n}\n", n % 10)));
    let (_, summary) = acme.import(options(&[]), vec![file.clone().into_bytes()]).await;
    let all = v1::ImportProgress { rows: 3000, recorded: 3000, ..Default::default() };
    assert_eq!(summary.unwrap(), all);
    let asked = world.network.asked();
    let (_, summary) = acme.import(options(&[]), vec![file.into_bytes()]).await;
    assert_eq!(summary.unwrap(), v1::ImportProgress { recorded: 0, already_recorded: 3000, ..all });
    assert_eq!(world.network.asked(), asked, "what is recorded is no business of attribution's");
    assert_eq!(world.count("SELECT count(*) FROM events").await, 3000);
}

#[tokio::test]
async fn o10_columns_are_mapped_and_defaults_taken() {
    let world = World::start().await;
    let acme = world.of("acme");
    let mapping = options(&[("Order No", "order_id"), ("Who", "uid"), ("Total", "revenue"), ("Notes", "-")]);
    let mapping = v1::ImportOrdersOptions {
        default_currency: "EUR".into(),
        default_source: "legacy".into(),
        ..mapping
    };
    let file = b"Notes,Total,Who,Order No,external_status\nprivate,12.50,u-7,A 1,won\n".to_vec();
    let (bad, summary) = acme.import(mapping, vec![file]).await;
    assert_eq!((bad, summary.unwrap().recorded), (vec![], 1));
    let order = acme.get("A 1").await.unwrap();
    assert_eq!(order.revenue, Some(money(1_250, "EUR")));
    assert_eq!((order.source.as_str(), order.external_status.as_str()), ("legacy", "won"));
}

#[tokio::test]
async fn o10_an_import_may_update() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let update = v1::ImportOrdersOptions { on_conflict: v1::OnConflict::Update.into(), ..options(&[]) };
    let file = b"order_id,email,revenue\no-1,eve@example.com,80\no-1,eve@example.com,80\n".to_vec();
    let (_, summary) = acme.import(update, vec![file]).await;
    let summary = summary.unwrap();
    assert_eq!((summary.updated, summary.already_recorded), (1, 1));
    assert_eq!(acme.get("o-1").await.unwrap().revenue, Some(usd(8_000)));
}

#[tokio::test]
async fn o10_a_header_that_cannot_be_used_fails_the_call_with_its_column() {
    let world = World::start().await;
    let acme = world.of("acme");
    for (file, path) in [
        (&b"order_id,email,revenue,colour\n"[..], "header.colour"),
        (b"order_id,email,revenue,email\n", "header.email"),
        (b"email,revenue\n", "header.order_id"),
        (b"order_id,revenue", "header.email"),
        (b"", "chunk"),
        (b"\r\n\n", "chunk"),
    ] {
        let (_, end) = acme.import(options(&[]), vec![file.to_vec()]).await;
        bad_field(end, path);
    }
    let huge = format!("order_id,{}", "x".repeat(270_000)).into_bytes();
    bad_field(acme.import(options(&[]), vec![huge]).await.1, "header");
}

#[tokio::test]
async fn o10_messages_that_cannot_be_used_fail_the_call_with_their_field() {
    let world = World::start().await;
    let acme = world.of("acme");
    let options = |columns| Some(options(columns));
    let chunk = |bytes: &[u8]| v1::ImportOrdersRequest { options: None, chunk: bytes.to_vec() };
    let first = v1::ImportOrdersRequest { options: options(&[]), chunk: Vec::new() };
    let header = b"order_id,email,revenue\n";
    for (messages, path) in [
        (vec![], "options"),
        (vec![chunk(header)], "options"),
        (vec![first.clone(), chunk(header), first.clone()], "options"),
        (
            vec![v1::ImportOrdersRequest { options: options(&[("x", "y")]), chunk: vec![] }],
            "options.columns[x]",
        ),
        (vec![first, chunk(&vec![b'x'; 1024 * 1024 + 1])], "chunk"),
    ] {
        bad_field(acme.import_messages(messages).await.1, path);
    }
}

#[tokio::test]
async fn o10_rows_before_a_failure_stand() {
    let world = World::start().await;
    let acme = world.of("acme");
    let first = v1::ImportOrdersRequest { options: Some(options(&[])), chunk: Vec::new() };
    let rows = b"order_id,email,revenue\no-1,eve@example.com,1\no-2,nobody,1\no-3,ev".to_vec();
    let rows = v1::ImportOrdersRequest { options: None, chunk: rows };
    let (bad, end) = acme.import_messages(vec![first.clone(), rows, first]).await;
    bad_field(end, "options");
    assert_eq!(rejected(&bad), [(3, "email", Reason::InvalidField)]);
    assert!(acme.get("o-1").await.is_ok());
    refused(acme.get("o-3").await, Code::NotFound, "ORDER_NOT_FOUND");
}

#[tokio::test]
async fn o10_a_huge_line_is_passed_over() {
    let world = World::start().await;
    let acme = world.of("acme");
    let mut file = b"order_id,email,revenue\no-1,eve@example.com,1\no-2,".to_vec();
    file.extend(vec![b'x'; 3 * 1024 * 1024]);
    file.extend(b",1\no-3,eve@example.com,1\n");
    let chunks = file.chunks(64 * 1024).map(<[u8]>::to_vec).collect();
    let (bad, summary) = acme.import(options(&[]), chunks).await;
    assert_eq!(rejected(&bad), [(3, "", Reason::InvalidField)]);
    assert_eq!(summary.unwrap().recorded, 2);
}

#[tokio::test]
async fn o10_malformed_quotes_are_refused_and_change_no_data() {
    let world = World::start().await;
    let acme = world.of("acme");
    let file = b"order_id,email,revenue,currency\n\
        q1,eve@example.com,1,USD\n\
        \"q2\",\"eve@example.com\",\"1\",\"USD\"\r\n\
        q3,\"eve@example.com\"x,1,USD\n\
        q4,e\"ve@example.com,1,USD\n\
        \"q5 \"\"5\"\"\",eve@example.com,1,USD\n\
        q6,\"eve@example.com,1,USD\n\
        q7,\"eve@example.com\",1,USD\n\
        q8,eve@example.com,1,USD\n\
        q9,\"eve@example.com,1,USD\n\
        q10,eve@example.com,1,USD\n";
    for size in [1, 17, file.len()] {
        let chunks = file.chunks(size).map(<[u8]>::to_vec).collect();
        let (bad, summary) = acme.import(options(&[]), chunks).await;
        let told: Vec<_> =
            bad.iter().map(|row| (row.line, row.column.as_str(), row.message.as_str())).collect();
        let expected = [
            (4, "email", "text after the closing quote"),
            (5, "email", "a quote inside a field that is not quoted"),
            (
                7,
                "email",
                "text after the closing quote: the quote that opens on line 7 is closed on line 8, \
                 and all between was read as one field",
            ),
            (
                10,
                "email",
                "line 10: the quote that opens here is never closed; the rest of the file was not read",
            ),
        ];
        assert_eq!(told, expected, "in pieces of {size}");
        assert!(bad.iter().all(|row| row.reason() == Reason::InvalidField));
        let summary = summary.unwrap();
        assert_eq!((summary.recorded + summary.already_recorded, summary.rejected), (4, 4));
    }
    for id in ["q1", "q2", "q5 \"5\"", "q8"] {
        assert!(acme.get(id).await.is_ok(), "{id}");
    }
    assert_eq!(world.count("SELECT count(*) FROM events").await, 4);
    let (_, end) = acme.import(options(&[]), vec![b"order_id,\"email\"x,revenue\n".to_vec()]).await;
    bad_field(end, "header[1]");
}

#[tokio::test]
async fn o10_progress_is_told_while_it_runs() {
    let world = World::start().await;
    let acme = world.of("acme");
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let messages = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let first = v1::ImportOrdersRequest {
        options: Some(options(&[])),
        chunk: b"order_id,email,revenue\no-1,eve@example.com,1\no-2,nobody,1\n".to_vec(),
    };
    sender.send(first).await.unwrap();
    let mut answers = acme.orders().import_orders(messages).await.unwrap().into_inner();
    // the file is not at its end, and the caller hears of its rows all the same
    let (mut rows, mut bad) = (0, Vec::new());
    while rows < 2 || bad.is_empty() {
        let answer = answers.message().await.unwrap().unwrap();
        rows = answer.progress.map_or(rows, |progress| progress.rows);
        bad.extend(answer.rejected);
    }
    assert_eq!(rejected(&bad), [(3, "email", Reason::InvalidField)]);
    drop(sender);
    while let Some(answer) = answers.message().await.unwrap() {
        rows = answer.summary.map_or(rows, |summary| summary.rows);
    }
    assert_eq!(rows, 2);
}
