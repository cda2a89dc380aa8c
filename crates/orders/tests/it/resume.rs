//! Imports that bear an id, and dry runs (O10).

use proto::common::ErrorReason as Reason;
use proto::orders as v1;
use tonic::{Code, Status};

use crate::common::*;

pub(crate) fn named(import_id: &str) -> v1::ImportOrdersOptions {
    v1::ImportOrdersOptions { import_id: import_id.into(), ..options(&[]) }
}

fn dry() -> v1::ImportOrdersOptions {
    v1::ImportOrdersOptions { dry_run: true, ..options(&[]) }
}

impl Caller {
    async fn how_far(&self, import_id: &str) -> Result<v1::Import, Status> {
        let request = v1::GetImportRequest { import_id: import_id.into() };
        Ok(self.orders().get_import(request).await?.into_inner().import.unwrap())
    }
}

fn file(rows: impl Iterator<Item = usize>) -> Vec<u8> {
    let mut file = "order_id,email,revenue\n".to_owned();
    file.extend(rows.map(|n| format!("o-{n},c{}@example.com,{n}\n", n % 10)));
    file.into_bytes()
}

/// An upload that breaks off after these bytes.
pub(crate) async fn broken_off(caller: &Caller, options: v1::ImportOrdersOptions, bytes: Vec<u8>) {
    let first = v1::ImportOrdersRequest { options: Some(options), chunk: bytes };
    // options belong in the first message only: as good a way to end as a lost connection
    let (_, end) = caller.import_messages(vec![first.clone(), first]).await;
    bad_field(end, "options");
}

#[tokio::test]
async fn o10_an_import_goes_on_after_the_rows_that_are_done() {
    let world = World::start().await;
    let acme = world.of("acme");
    refused(acme.how_far("i-1").await, Code::NotFound, "IMPORT_NOT_FOUND");
    let mut bytes = file(0..3000);
    bytes.extend(b"bad,nobody,1\n");
    let end = bytes.len();
    bytes.extend(&file(3000..3500)["order_id,email,revenue\n".len()..]);
    broken_off(&acme, named("i-1"), bytes[..end].to_vec()).await;
    let so_far = acme.how_far("i-1").await.unwrap();
    let progress = v1::ImportProgress { rows: 3001, recorded: 3000, rejected: 1, ..Default::default() };
    assert_eq!((so_far.progress, so_far.finished_at), (Some(progress), None));
    let (asked, started) = (world.network.asked(), so_far.started_at);
    let (rejected, summary) =
        acme.import(named("i-1"), bytes.chunks(1000).map(<[u8]>::to_vec).collect()).await;
    assert_eq!(rejected, [], "what is done is not reported again");
    let all = v1::ImportProgress { rows: 3501, recorded: 3500, rejected: 1, ..Default::default() };
    assert_eq!(summary.unwrap(), all);
    assert!(world.network.asked() - asked <= 500);
    let done = acme.how_far("i-1").await.unwrap();
    assert_eq!((done.progress, done.started_at), (Some(all), started));
    assert!(done.finished_at.is_some());
    // a finished one answers with its summary, if it is the same: a file that was mended needs another id
    let (_, summary) = acme.import(named("i-1"), bytes.chunks(1000).map(<[u8]>::to_vec).collect()).await;
    assert_eq!(summary.unwrap(), all);
    for other in [file(9000..9010), [&bytes[..], b"o-9000,eve@example.com,1,\n"].concat()] {
        let (_, end) = acme.import(named("i-1"), vec![other]).await;
        refused(end, Code::AlreadyExists, "IMPORT_DIFFERS");
    }
    refused(acme.get("o-9000").await, Code::NotFound, "ORDER_NOT_FOUND");
    refused(world.of("other").how_far("i-1").await, Code::NotFound, "IMPORT_NOT_FOUND");
    let (_, summary) = world.of("other").import(named("i-1"), vec![file(0..3)]).await;
    assert_eq!(summary.unwrap().recorded, 3, "of another tenant it is another import");
}

#[tokio::test]
async fn o10_a_file_with_fewer_rows_than_are_done_is_another_one() {
    let world = World::start().await;
    let acme = world.of("acme");
    broken_off(&acme, named("i-1"), file(0..3000)).await;
    let done = acme.how_far("i-1").await.unwrap().progress.unwrap().rows;
    assert!(done > 10);
    let (_, end) = acme.import(named("i-1"), vec![file(0..10)]).await;
    refused(end, Code::AlreadyExists, "IMPORT_DIFFERS");
    assert_eq!(acme.how_far("i-1").await.unwrap().finished_at, None);
    let (_, summary) = acme.import(named("i-1"), vec![file(0..3500)]).await;
    assert_eq!(summary.unwrap().recorded, 3500);
}

#[tokio::test]
async fn o10_rows_that_are_done_must_be_the_same_when_they_are_sent_again() {
    let world = World::start().await;
    let acme = world.of("acme");
    // one is too large to be kept, and well-formed all the same
    let options = v1::ImportOrdersOptions { import_id: "i-1".into(), ..options(&[("note", "-")]) };
    let rows = |revenue: u32, note: &str, last: &str| {
        let row = |n: usize| format!("o-{n},c{}@example.com,{n},\n", n % 10);
        let rows: String = (0..1000).map(row).collect();
        let wide = format!("wide,eve@example.com,1,{}{note}\n", "x".repeat(100_000));
        format!("order_id,email,revenue,note\nfirst,eve@example.com,{revenue},\n{rows}{wide}{last}")
            .into_bytes()
    };
    broken_off(&acme, options.clone(), rows(1, "y", "")).await;
    let done = acme.how_far("i-1").await.unwrap().progress.unwrap();
    assert_eq!(done.rows, 1002, "{done:?}");
    for other in [rows(2, "y", ""), rows(1, "z", "")] {
        let (told, end) = acme.import(options.clone(), vec![other]).await;
        assert_eq!(told, []);
        refused(end, Code::AlreadyExists, "IMPORT_DIFFERS");
    }
    assert_eq!(acme.how_far("i-1").await.unwrap().progress, Some(done));
    // how lines end is not what they say; and what is not done yet may be another
    let same = rows(1, "y", "o-new,eve@example.com,1,\n");
    let same = String::from_utf8(same).unwrap().replace('\n', "\r\n").into_bytes();
    let (_, summary) = acme.import(options, same.chunks(5_000).map(<[u8]>::to_vec).collect()).await;
    assert_eq!((summary.unwrap().rows, acme.get("first").await.unwrap().revenue), (1003, Some(usd(100))));
}

#[tokio::test]
async fn o10_an_import_id_is_good_for_one_import() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.import(named("i-1"), vec![file(0..3)]).await.1.unwrap();
    let others = [
        v1::ImportOrdersOptions { default_currency: "EUR".into(), ..named("i-1") },
        v1::ImportOrdersOptions { on_conflict: v1::OnConflict::Update.into(), ..named("i-1") },
    ];
    for other in others {
        let (_, end) = acme.import(other, vec![file(0..3)]).await;
        refused(end, Code::AlreadyExists, "IMPORT_DIFFERS");
    }
    let other_header = b"order_id,uid,revenue\no-9,u-9,1\n".to_vec();
    refused(acme.import(named("i-1"), vec![other_header]).await.1, Code::AlreadyExists, "IMPORT_DIFFERS");
    bad_field(acme.import(named("a\nb"), vec![file(0..3)]).await.1, "options.import_id");
}

#[tokio::test]
async fn o10_rows_that_are_tried_again_are_not_known_to_be_done() {
    let world = World::start().await;
    let acme = world.of("acme");
    // attribution is away for as long as an import tries, and bad rows behind are answered meanwhile
    world.network.lose(100);
    let mut bytes = file(0..300);
    bytes.extend(b"bad,nobody,1\n".repeat(50));
    let (_, end) = acme.import(named("i-1"), vec![bytes.clone()]).await;
    refused(end, Code::Unavailable, "UNAVAILABLE");
    world.network.lose(0);
    let (rejected, summary) = acme.import(named("i-1"), vec![bytes]).await;
    let all = v1::ImportProgress { rows: 350, recorded: 300, rejected: 50, ..Default::default() };
    assert_eq!((rejected.len(), summary.unwrap()), (50, all));
}

#[tokio::test]
async fn o10_a_dry_run_tells_what_would_come_of_it_and_writes_nothing() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.program().await;
    acme.record(order("stored", "eve", 100)).await;
    let (contacts, attempts) = (acme.contacts().await, acme.attempts().await);
    let file = b"order_id,email,contact_id,revenue,campaign,shortcode\n\
        o-1,new@example.com,,10,spring,ANN10\n\
        o-2,nobody,,10,,\n\
        o-3,eve@example.com,,10,nowhere,\n\
        stored,eve@example.com,,1,,\n\
        stored,eve@example.com,,2,,\n\
        stored,fay@example.com,,1,,\n\
        o-1,new@example.com,,10,spring,ANN10\n\
        o-1,new@example.com,,11,spring,ANN10\n\
        o-4,,018f0000-0000-7000-8000-000000000000,1,,\n";
    let events = world.count("SELECT count(*) FROM events").await;
    let (bad, summary) = acme.import(dry(), vec![file.to_vec()]).await;
    let told: Vec<_> = bad.iter().map(|row| (row.line, row.column.as_str(), row.reason())).collect();
    let expected = [
        (3, "email", Reason::InvalidField),
        (4, "campaign", Reason::CampaignNotFound),
        (6, "", Reason::OrderDiffers),
        (7, "", Reason::OrderDiffers),
        (9, "", Reason::OrderDiffers),
        (10, "contact_id", Reason::ContactNotFound),
    ];
    assert_eq!(told, expected);
    let counts = v1::ImportProgress { rows: 9, recorded: 1, already_recorded: 2, updated: 0, rejected: 6 };
    assert_eq!(summary.unwrap(), counts);
    assert_eq!(world.count("SELECT count(*) FROM events").await, events);
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM imports").await, 0);
    assert_eq!((acme.contacts().await, acme.attempts().await), (contacts, attempts));
    // the real one says the same
    let (real, summary) = acme.import(options(&[]), vec![file.to_vec()]).await;
    assert_eq!((real, summary.unwrap()), (bad, counts));
}

#[tokio::test]
async fn o10_a_dry_run_of_an_id_goes_on_where_it_broke_off() {
    let world = World::start().await;
    let acme = world.of("acme");
    let dry = v1::ImportOrdersOptions { import_id: "i-1".into(), ..dry() };
    let mut bytes = file(0..12_000);
    bytes.extend(b"bad,nobody,1\n");
    broken_off(&acme, dry.clone(), bytes.clone()).await;
    let so_far = acme.how_far("i-1").await.unwrap();
    assert!(so_far.dry_run && so_far.progress.unwrap().rows > 10_000 && so_far.finished_at.is_none());
    bytes.extend(b"o-1,c1@example.com,1\n");
    let (_, summary) = acme.import(dry, bytes.chunks(50_000).map(<[u8]>::to_vec).collect()).await;
    let counts = v1::ImportProgress { rows: 12_002, recorded: 12_001, rejected: 1, ..Default::default() };
    assert_eq!(summary.unwrap(), counts, "an order that came long ago is not remembered");
    assert_eq!(world.count("SELECT count(*) FROM orders").await, 0);
}

#[tokio::test]
async fn o10_a_dry_run_updates_nothing_either() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let update = v1::ImportOrdersOptions { on_conflict: v1::OnConflict::Update.into(), ..dry() };
    let file =
        b"order_id,email,revenue\no-1,eve@example.com,80\no-1,eve@example.com,80\no-1,eve@example.com,90\n";
    let (_, summary) = acme.import(update, vec![file.to_vec()]).await;
    let summary = summary.unwrap();
    assert_eq!((summary.updated, summary.already_recorded), (2, 1), "each row sees those before it");
    assert_eq!(acme.get("o-1").await.unwrap().revenue, Some(usd(10_000)));
}
