//! A14: coupon codes out of a CSV file.

mod common;

use common::*;
use proto::attribution as v1;
use proto::common::ErrorReason as Reason;
use tonic::Status;
use v1::{CodeState, ImportCouponCodesProgress, ImportCouponCodesRequest, Outcome};

/// Rejected rows and the summary.
type Imported = (Vec<v1::RejectedCode>, ImportCouponCodesProgress);

/// Sends a file in pieces of this size.
async fn import(tenant: &Tenant, file: &[u8], size: usize, single_use: bool) -> Result<Imported, Status> {
    let piece = |(n, piece): (usize, &[u8])| ImportCouponCodesRequest {
        chunk: piece.to_vec(),
        single_use: single_use && n == 0,
    };
    let messages: Vec<_> = file.chunks(size).enumerate().map(piece).collect();
    let answers = tenant.codes().import_coupon_codes(futures::stream::iter(messages)).await;
    let mut rejected = Vec::new();
    let read = |answer: v1::ImportCouponCodesResponse| {
        rejected.extend(answer.rejected);
        answer.summary
    };
    let summary = testkit::summary(answers, read).await?;
    Ok((rejected, summary))
}

fn progress(rows: i64, imported: i64, already_imported: i64, rejected: i64) -> ImportCouponCodesProgress {
    ImportCouponCodesProgress { rows, imported, already_imported, rejected }
}

#[tokio::test]
async fn a14_good_rows_go_in_and_bad_ones_are_told_with_line_column_and_reason() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.enroll("outsider", &[]).await;
    let file = format!(
        "\u{feff}advocate,code,campaign\r\n\
         ann@example.com,ann-5,spring\r\n\
         {bob},BOB_5,\r\n\
         ,pool-1,spring\r\n\
         ann@example.com,ann10,spring\r\n\
         ann@example.com,no code,spring\r\n\
         ,nobodys,\r\n\
         ann@example.com,ann-6,nowhere\r\n\
         eve@example.com,eve-5,spring\r\n\
         outsider@example.com,out-5,spring\r\n\
         \"two\nlines\",x\r\n\
         bob@example.com,ANN-5,spring\r\n\
         ann@example.com,ANN-5,spring"
    );
    let (rejected, summary) = import(&acme, file.as_bytes(), 7, false).await.unwrap();
    let told: Vec<_> = rejected.iter().map(|row| (row.line, row.column.as_str(), row.reason())).collect();
    let expected = [
        (5, "code", Reason::CodeTaken),
        (6, "code", Reason::InvalidField),
        (7, "advocate", Reason::InvalidField),
        (8, "campaign", Reason::CampaignNotFound),
        (9, "advocate", Reason::ContactNotFound),
        (10, "advocate", Reason::AdvocateNotEligible),
        (11, "", Reason::InvalidField),
        (13, "code", Reason::CodeTaken),
    ];
    assert_eq!(told, expected);
    assert_eq!(summary, progress(12, 3, 1, 8));
    let codes =
        acme.codes().list_codes(v1::ListCodesRequest { kind: 2, ..Default::default() }).await.unwrap();
    let codes = codes.into_inner().codes;
    let stored: Vec<_> =
        codes.iter().map(|c| (c.code.as_str(), c.campaign_id.as_str(), c.advocate_id.as_str())).collect();
    assert_eq!(stored, [("ANN-5", "spring", &*ann), ("BOB_5", "", &*bob), ("POOL-1", "spring", "")]);
    assert_eq!(codes[2].state(), CodeState::Unassigned);
    let evidence = Some(v1::Evidence { coupon_code: "ann-5".into(), ..Default::default() });
    let attempt = v1::Attempt { contact: Some(email("joe")), evidence, ..Default::default() };
    assert_eq!(acme.record(attempt).await.outcome(), Outcome::Attributed);
}

#[tokio::test]
async fn a14_the_same_file_again_changes_nothing_also_when_its_pool_was_drawn_from() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let rows: Vec<String> = (0..1200).map(|n| format!("many-{n},spring")).collect();
    let file = format!("code,campaign\n{}\n", rows.join("\n"));
    let (rejected, summary) = import(&acme, file.as_bytes(), 4096, true).await.unwrap();
    assert_eq!((rejected, summary), (vec![], progress(1200, 1200, 0, 0)));
    acme.enroll("cyd", &["vips"]).await;
    let drawn = "SELECT count(*) FROM coupon_codes WHERE advocate_id IS NOT NULL AND single_use";
    assert_eq!(service.count(drawn).await, 1);
    let again = import(&acme, file.as_bytes(), 4096, true).await.unwrap().1;
    assert_eq!(again, progress(1200, 0, 1200, 0));
    let otherwise = import(&acme, b"code,campaign\nmany-1,spring\n", 4096, false).await.unwrap().0;
    assert_eq!(otherwise[0].reason(), Reason::CodeTaken);
    assert_eq!(service.count("SELECT count(*) FROM coupon_codes").await, 1200);
}

#[tokio::test]
async fn a14_a_file_whose_header_is_wrong_is_refused_by_its_column() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for (file, path) in [
        ("campaign,advocate\n", "header.code"),
        ("code\n", "header.campaign"),
        ("code,kampagne\n", "header.kampagne"),
        ("code,code\n", "header.code"),
        ("co\"de\n", "header[0]"),
    ] {
        bad_field(import(&acme, file.as_bytes(), 100, false).await, path);
    }
    let nothing = acme.codes().import_coupon_codes(futures::stream::iter(Vec::new())).await.unwrap();
    bad_field(nothing.into_inner().message().await, "chunk");
    let (rejected, _) = import(&acme, b"code,campaign\n\xff,spring\n", 100, false).await.unwrap();
    assert_eq!((rejected[0].line, rejected[0].column.as_str()), (2, "code"));
}

#[tokio::test]
async fn a14_an_advocate_whose_uid_looks_like_an_id_is_named_in_a_column_of_its_own() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let odd = "00000000-0000-7000-8000-000000000007";
    let known = v1::UpsertContactRequest { uid: odd.into(), ..Default::default() };
    acme.contacts().upsert_contact(known).await.unwrap();
    let enroll = v1::EnrollContactRequest {
        contact: Some(uid(odd)),
        segment_ids: vec!["vips".into()],
        occurred_at: None,
    };
    let odd_one = acme.contacts().enroll_contact(enroll).await.unwrap().into_inner().contact.unwrap();
    let file = format!(
        "code,campaign,advocate_uid,advocate\n\
         ODD-1,spring,{odd},\n\
         ODD-2,spring,,{odd}\n\
         ODD-3,spring,{odd},u-2\n\
         ODD-4,spring,nobody,\n"
    );
    let (rejected, summary) = import(&acme, file.as_bytes(), 4096, false).await.unwrap();
    let told: Vec<_> = rejected.iter().map(|row| (row.line, row.column.as_str(), row.reason())).collect();
    let expected = [
        (3, "advocate", Reason::ContactNotFound),
        (4, "advocate", Reason::InvalidField),
        (5, "advocate_uid", Reason::ContactNotFound),
    ];
    assert_eq!(told, expected);
    assert_eq!(summary, progress(4, 1, 0, 3));
    let codes =
        acme.codes().list_codes(v1::ListCodesRequest { kind: 2, ..Default::default() }).await.unwrap();
    assert_eq!(codes.into_inner().codes[0].advocate_id, odd_one.contact_id);
}
