//! A15: contacts out of a CSV file.

mod common;

use std::collections::HashMap;

use common::*;
use proto::attribution as v1;
use proto::attribution::contact_property_service_client::ContactPropertyServiceClient;
use proto::attribution::property_value::Value;
use proto::common::ErrorReason as Reason;
use tonic::Status;
use v1::{ContactStatus, ImportContactsOptions, ImportContactsProgress, ImportContactsRequest};

/// Rejected rows and the summary.
type Imported = (Vec<v1::RejectedContact>, ImportContactsProgress);

/// Sends a file in pieces of this size.
async fn import(
    tenant: &Tenant,
    file: &[u8],
    size: usize,
    options: ImportContactsOptions,
) -> Result<Imported, Status> {
    let piece = |(n, piece): (usize, &[u8])| ImportContactsRequest {
        options: (n == 0).then(|| options.clone()),
        chunk: piece.to_vec(),
    };
    let messages: Vec<_> = file.chunks(size).enumerate().map(piece).collect();
    let answers = tenant.contacts().import_contacts(futures::stream::iter(messages)).await;
    let mut rejected = Vec::new();
    let read = |answer: v1::ImportContactsResponse| {
        rejected.extend(answer.rejected);
        answer.summary
    };
    let summary = testkit::summary(answers, read).await?;
    Ok((rejected, summary))
}

fn progress(created: i64, updated: i64, unchanged: i64, rejected: i64) -> ImportContactsProgress {
    let rows = created + updated + unchanged + rejected;
    ImportContactsProgress { rows, created, updated, unchanged, rejected }
}

fn mapped<const N: usize>(columns: [(&str, &str); N]) -> ImportContactsOptions {
    let columns = columns.into_iter().map(|(column, field)| (column.to_owned(), field.to_owned()));
    ImportContactsOptions { columns: columns.collect(), dry_run: false }
}

async fn define(tenant: &Tenant, name: &str, kind: v1::ContactPropertyType) {
    let request =
        v1::CreateContactPropertyRequest { name: name.into(), r#type: kind.into(), ..Default::default() };
    let mut properties = ContactPropertyServiceClient::new(tenant.0.clone());
    assert!(properties.create_contact_property(request).await.is_ok());
}

#[tokio::test]
async fn a15_each_row_does_all_it_says_and_the_same_file_again_changes_nothing() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.segment("fans").await;
    define(&acme, "seats", v1::ContactPropertyType::Integer).await;
    let file = "\u{feff}uid,email,first_name,locale,tags,status,segments,property.seats,Junk\r\n\
                u-1,EVE@example.com,Eve,de-AT,vip; early ,enrolled,vips;fans,12,x\r\n\
                ,fay@example.com,\"Fay, \"\"F\"\"\",,,,,,\r\n\
                u-1,eve@example.com,,,late,,,13,\r\n\
                ,ann@example.com,Ann,,,,fans,,\r\n\
                ,bob@example.com,,,,,vips,,";
    let options = mapped([("Junk", "-")]);
    let (rejected, summary) = import(&acme, file.as_bytes(), 7, options.clone()).await.unwrap();
    assert_eq!((rejected, summary), (vec![], progress(2, 2, 1, 0)));
    let eve = acme.get(uid("u-1")).await.unwrap();
    assert_eq!(
        (eve.first_name.as_str(), eve.locale.as_str(), eve.status()),
        ("Eve", "de-AT", ContactStatus::Enrolled)
    );
    assert_eq!(eve.tags, ["early", "late", "vip"]);
    assert_eq!(eve.segment_ids, ["fans", "vips"]);
    let seats = v1::PropertyValue { value: Some(Value::IntegerValue(13)) };
    assert_eq!(eve.properties, HashMap::from([("seats".to_owned(), seats)]), "the later row wins");
    assert_eq!(acme.get(email("fay")).await.unwrap().first_name, "Fay, \"F\"");
    // the same file again: only the two rows about eve undo each other
    let without = file.replace("u-1,eve@example.com,,,late,,,13,\r\n", "").replace(",12,", ",13,");
    let events = acme.events().await.len();
    let again = import(&acme, without.as_bytes(), 4096, options).await.unwrap();
    assert_eq!(again, (vec![], progress(0, 0, 4, 0)));
    assert_eq!(acme.events().await.len(), events);
}

#[tokio::test]
async fn a15_bad_rows_are_told_with_line_column_and_reason_and_nothing_of_them_is_kept() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.segment("vips").await;
    let by_rule =
        v1::CreateSegmentRequest { segment_id: "all".into(), rule: "true".into(), ..Default::default() };
    acme.segments().create_segment(by_rule).await.unwrap();
    define(&acme, "seats", v1::ContactPropertyType::Integer).await;
    for (name, number) in [("ann", "u-ann"), ("bob", "u-bob")] {
        let request =
            v1::UpsertContactRequest { email: email(name).email, uid: number.into(), ..Default::default() };
        acme.contacts().upsert_contact(request).await.unwrap();
    }
    acme.set_status("bob", ContactStatus::Banned).await.unwrap();
    let file = b"Mail,uid,locale,tags,status,segments,property.seats,first_name\n\
                 eve@,,,,,,,\n\
                 ,,,,,,,\n\
                 eve@example.com,,de_AT,,,,,\n\
                 eve@example.com,,,,gone,,,\n\
                 eve@example.com,,,,,nowhere,,\n\
                 eve@example.com,,,,,vips;all,,\n\
                 eve@example.com,,,,,No,,\n\
                 eve@example.com,,,,,,many,\n\
                 ann@example.com,u-bob,,,,,,\n\
                 bob@example.com,,,,enrolled,,,\n\
                 eve@example.com\n\
                 eve@example.com,,,,,,,\xff\n\
                 eve@example.com,,,a;b;c;d;e;f;g;h;i;j;k;l;m;n;o;p;q;r;s;t;u,,,,\n\
                 ann@example.com,,,ok,,,,\n";
    let (rejected, summary) = import(&acme, file, 11, mapped([("Mail", "email")])).await.unwrap();
    let told: Vec<_> = rejected.iter().map(|row| (row.line, row.column.as_str(), row.reason())).collect();
    let expected = [
        (2, "Mail", Reason::InvalidField),
        (3, "Mail", Reason::InvalidField),
        (4, "locale", Reason::InvalidField),
        (5, "status", Reason::InvalidField),
        (6, "segments", Reason::SegmentNotFound),
        (7, "segments", Reason::SegmentByRule),
        (8, "segments", Reason::InvalidField),
        (9, "property.seats", Reason::InvalidField),
        (10, "uid", Reason::ContactConflict),
        (11, "status", Reason::ContactBanned),
        (12, "", Reason::InvalidField),
        (13, "first_name", Reason::InvalidField),
        (14, "tags", Reason::InvalidField),
    ];
    assert_eq!(told, expected);
    assert_eq!(summary, progress(0, 1, 0, 13));
    assert_eq!(service.count("SELECT count(*) FROM contacts").await, 2, "eve is nobody yet");
    for row in rejected {
        assert!(!row.message.contains("eve") && !row.message.contains("u-bob"), "{}", row.message);
    }
}

#[tokio::test]
async fn a15_a_dry_run_tells_what_would_come_of_a_file_and_writes_nothing() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let rows: Vec<String> = (0..1200).map(|n| format!("n{n}@example.com,vip")).collect();
    let file = format!("email,tags\n{}\nann@example.com,vip\nbad,vip\n", rows.join("\n"));
    let events = acme.events().await.len();
    let dry = ImportContactsOptions { dry_run: true, ..Default::default() };
    let (rejected, tried) = import(&acme, file.as_bytes(), 4096, dry).await.unwrap();
    assert_eq!((rejected.len(), tried), (1, progress(1200, 1, 0, 1)));
    assert_eq!(service.count("SELECT count(*) FROM contacts").await, 2);
    assert_eq!(acme.events().await.len(), events);
    let (_, summary) = import(&acme, file.as_bytes(), 4096, ImportContactsOptions::default()).await.unwrap();
    assert_eq!(summary, tried);
    assert_eq!(service.count("SELECT count(*) FROM contacts").await, 1202);
    let (_, again) = import(&acme, file.as_bytes(), 1 << 20, ImportContactsOptions::default()).await.unwrap();
    assert_eq!(again, progress(0, 0, 1201, 1));
}

#[tokio::test]
async fn a15_a_file_whose_header_is_wrong_is_refused_by_its_column() {
    let service = Service::start().await;
    let acme = service.of("acme");
    define(&acme, "seats", v1::ContactPropertyType::Integer).await;
    for (file, options, path) in [
        ("first_name\n", mapped([]), "header.email"),
        ("email,colour\n", mapped([]), "header.colour"),
        ("email,-\n", mapped([]), "header.-"),
        ("email,email\n", mapped([]), "header.email"),
        ("email,Mail\n", mapped([("Mail", "email")]), "header.Mail"),
        ("email,property.nosuch\n", mapped([]), "header.property.nosuch"),
        ("email,property.seats,Seats\n", mapped([("Seats", "property.seats")]), "header.Seats"),
        ("email\n", mapped([("Mail", "email")]), "options.columns[Mail]"),
        ("email,x\n", mapped([("x", "nosuch")]), "header.x"),
        ("em\"ail\n", mapped([]), "header"),
    ] {
        bad_field(import(&acme, file.as_bytes(), 100, options).await, path);
    }
    let nothing = acme.contacts().import_contacts(futures::stream::iter(Vec::new())).await.unwrap();
    bad_field(nothing.into_inner().message().await, "chunk");
    let twice = ImportContactsRequest { options: Some(mapped([])), chunk: b"email\n".to_vec() };
    let twice = acme.contacts().import_contacts(futures::stream::iter([twice.clone(), twice])).await.unwrap();
    bad_field(twice.into_inner().message().await, "options");
}
