//! A2, A3, A4, A12, A16: attempts, and what people do to attributions, out of a CSV file.

mod common;

use common::files::{Imported, export, import, import_as, import_in_pieces};
use common::moves::{deactivate, history, reassign, to};
use common::*;
use proptest::prelude::*;
use proto::attribution as v1;
use proto::common::ErrorReason as Reason;
use v1::{
    AttributionState, EvidenceKind, ExportAttributionsRequest, ImportAttributionsOptions,
    ImportAttributionsProgress as Progress, InactiveReason, Outcome, UnresolvedReason,
};

/// The advocate who is active for a contact in spring.
async fn active(of: &Tenant, name: &str) -> Option<String> {
    of.lookup("spring", name, None).await.ok().map(|attribution| attribution.advocate_id)
}

/// Line, column and reason of what was rejected.
fn rejected(imported: &Imported) -> Vec<(i64, &str, Reason)> {
    imported.rejected.iter().map(|row| (row.line, row.column.as_str(), row.reason())).collect()
}

#[tokio::test]
async fn a3_rows_record_activate_deactivate_and_reassign_in_their_order() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let file = "\u{feff}action,campaign,contact,advocate,shortcode,occurred_at,reason\r\n\
                ,,joe@example.com,,ann10,2025-05-01T00:00:00Z,\r\n\
                RECORD,spring,jim@example.com,bob@example.com,,,\r\n\
                ,,joe@example.com,,BOB10,2025-05-02T00:00:00Z,\r\n\
                reassign,spring,joe@example.com,bob@example.com,,2025-05-03T00:00:00Z,she asked\r\n\
                ,,joe@example.com,,BOB10,2025-05-04T00:00:00Z,\r\n\
                DEACTIVATE,spring,jim@example.com,bob@example.com,,,a mistake\r\n\
                ,,kim@example.com,,NOSUCH,,\r\n\
                ACTIVATE,spring,jim@example.com,bob@example.com,,,\r\n\
                ACTIVATE,spring,jim@example.com,bob@example.com,,,\r\n";
    let options = ImportAttributionsOptions { source: "crm".into(), ..Default::default() };
    let imported = import_in_pieces(&acme, file.as_bytes(), 5, options).await.unwrap();
    let expected = Progress {
        rows: 9,
        recorded: 2,
        activated: 1,
        deactivated: 1,
        reassigned: 1,
        unchanged: 2,
        logged_inactive: 1,
        unresolved: 1,
        rejected: 0,
    };
    assert_eq!((rejected(&imported), imported.summary), (vec![], expected));
    let [duplicate, nobody] = imported.unattributed.as_slice() else { panic!("{imported:?}") };
    assert_eq!((duplicate.line, duplicate.outcome()), (4, Outcome::LoggedInactive));
    assert_eq!(duplicate.inactive_reason(), InactiveReason::Duplicate);
    assert_eq!((nobody.line, nobody.outcome()), (8, Outcome::Unresolved));
    assert_eq!(nobody.unresolved_reason(), UnresolvedReason::UnknownCode);
    assert_eq!((active(&acme, "joe").await, active(&acme, "jim").await), (Some(bob.clone()), Some(bob)));
    let joe = acme.lookup("spring", "joe", Some(NOW - time::Duration::days(30))).await.unwrap();
    assert_eq!(joe.advocate_id, ann, "what was in force stays so");
    let changes = history(&acme, &joe.attribution_id).await;
    let told: Vec<_> =
        changes.iter().map(|change| (change.method.as_str(), change.reason.as_str())).collect();
    let by = "ImportAttributions";
    assert_eq!(told, [(by, ""), (by, ""), (by, "she asked"), (by, "she asked")]);
    assert_eq!(acme.attempts().await.iter().filter(|attempt| attempt.source == "crm").count(), 5);
}

#[tokio::test]
async fn a_row_that_cannot_be_taken_fails_alone_with_line_column_and_reason() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.enroll("outsider", &[]).await;
    acme.batch(vec![by_code("joe", "ANN10"), by_code("joe", "BOB10")]).await;
    let no_such = "00000000-0000-7000-8000-000000000001";
    let long = "x".repeat(65);
    let rows = [
        (",spring,joe@example.com,,,,", "Who brought", Reason::InvalidField),
        (",spring,,ann@example.com,,,", "contact", Reason::InvalidField),
        (",nowhere,joe@example.com,ann@example.com,,,", "campaign", Reason::CampaignNotFound),
        ("FORGET,spring,joe@example.com,ann@example.com,,,", "action", Reason::InvalidField),
        (
            "ACTIVATE,spring,joe@example.com,bob@example.com,,,",
            "Who brought",
            Reason::AnotherAttributionActive,
        ),
        ("ACTIVATE,spring,eve@example.com,bob@example.com,,,", "contact", Reason::ContactNotFound),
        ("ACTIVATE,spring,joe@example.com,eve@example.com,,,", "Who brought", Reason::ContactNotFound),
        ("DEACTIVATE,spring,ann@example.com,bob@example.com,,,", "Who brought", Reason::AttributionNotFound),
        (
            "REASSIGN,spring,joe@example.com,outsider@example.com,,,",
            "Who brought",
            Reason::AdvocateNotEligible,
        ),
        ("REASSIGN,spring,ann@example.com,ann@example.com,,,", "Who brought", Reason::SelfReferral),
        ("REASSIGN,,joe@example.com,ann@example.com,,,", "campaign", Reason::InvalidField),
        ("REASSIGN,spring,joe@example.com,bob@example.com,ANN10,,", "shortcode", Reason::InvalidField),
        (",,joe@example.com,,ANN10,yesterday,", "occurred_at", Reason::InvalidField),
        (",,joe@example.com,,ANN10,2026-01-01T00:00:00Z,", "occurred_at", Reason::InvalidField),
        (",,joe@example.com,,ANN10,,why", "reason", Reason::InvalidField),
        (&format!(",,joe@example.com,,{long},,"), "shortcode", Reason::InvalidField),
        (",,j@,,ANN10,,", "contact", Reason::InvalidField),
        (&format!(",,{no_such},,ANN10,,"), "contact", Reason::ContactNotFound),
        (",,joe@example.com,,ANN10", "", Reason::InvalidField),
        (",,joe@example.com,,\"ANN\"10,,", "shortcode", Reason::InvalidField),
    ];
    let before = acme.events().await.len();
    let good = ",,jim@example.com,,ANN10,,\n";
    let bad = rows.iter().map(|(row, ..)| *row).collect::<Vec<_>>().join("\n");
    let file = format!("action,campaign,contact,Who brought,shortcode,occurred_at,reason\n{bad}\n{good}");
    let columns = [("Who brought".to_owned(), "advocate".to_owned())].into();
    let options = ImportAttributionsOptions { columns, ..Default::default() };
    let imported = import_in_pieces(&acme, file.as_bytes(), 100, options).await.unwrap();
    let expected: Vec<_> =
        rows.iter().zip(2..).map(|((_, column, reason), line)| (line, *column, *reason)).collect();
    assert_eq!(rejected(&imported), expected);
    let all = i64::try_from(rows.len()).unwrap();
    assert_eq!(
        imported.summary,
        Progress { rows: all + 1, recorded: 1, rejected: all, ..Default::default() }
    );
    assert_eq!(acme.events().await.len(), before + 2, "jim, and his attribution");
}

#[tokio::test]
async fn a_header_that_cannot_be_used_is_refused_by_its_column() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for (file, mapping, path) in [
        ("contact,colour\n", None, "header.colour"),
        ("campaign,shortcode\n", None, "header.contact"),
        ("contact,contact\n", None, "header.contact"),
        ("contact,state,evidence\n", None, "header.evidence"),
        ("contact,Code\n", Some(("Code", "code")), "options.columns[Code]"),
        ("contact\n", Some(("Code", "shortcode")), "options.columns[Code]"),
    ] {
        let columns =
            mapping.map(|(column, field)| (column.to_owned(), field.to_owned())).into_iter().collect();
        let options = ImportAttributionsOptions { columns, ..Default::default() };
        bad_field(import_in_pieces(&acme, file.as_bytes(), 100, options).await, path);
    }
    bad_field(import_in_pieces(&acme, b"", 1, ImportAttributionsOptions::default()).await, "chunk");
    let long = ImportAttributionsOptions { import_id: "x".repeat(65), ..Default::default() };
    bad_field(import_in_pieces(&acme, b"contact\n", 100, long).await, "options.import_id");
    let late = v1::ImportAttributionsRequest {
        options: Some(ImportAttributionsOptions::default()),
        chunk: b"contact\n".to_vec(),
    };
    let messages = futures::stream::iter([late.clone(), late]);
    let answers = acme.attributions().import_attributions(messages).await.unwrap();
    bad_field(answers.into_inner().message().await, "options");
}

#[tokio::test]
async fn a2_with_an_import_id_the_same_file_again_counts_nothing_twice_and_what_was_mended_goes_in() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    let file = "action,campaign,contact,advocate\n\
                ,spring,joe@example.com,ann@example.com\n\
                ,spring,joe@example.com,ann@example.com\n\
                REASSIGN,spring,joe@example.com,bob@example.com\n\
                REASSIGN,spring,joe@example.com,ann@example.com\n\
                ,nowhere,jim@example.com,ann@example.com\n";
    let first = import_as(&acme, file, "may").await;
    let expected =
        Progress { rows: 5, recorded: 1, reassigned: 2, unchanged: 1, rejected: 1, ..Default::default() };
    assert_eq!(first.summary, expected);
    let (before, events) = (acme.all_attributions().await, acme.events().await.len());
    let mended = file.replace("nowhere", "spring");
    let again = import_as(&acme, &mended, "may").await;
    assert_eq!(again.summary, Progress { rows: 5, recorded: 1, unchanged: 4, ..Default::default() });
    assert_eq!(acme.all_attributions().await[1..], before);
    assert_eq!(acme.events().await.len(), events + 2, "jim, and his attribution");
    let other = mended.replacen("joe@example.com,ann", "kim@example.com,ann", 1);
    let other = import_as(&acme, &other, "may").await;
    assert_eq!(rejected(&other), [(2, "", Reason::RequestIdReused)]);
    // without one, attempts are counted, and nothing else changes
    let record = "campaign,contact,advocate\nspring,jim@example.com,ann@example.com\n";
    for _ in 0..2 {
        assert_eq!(import(&acme, record.as_bytes()).await.summary.unchanged, 1);
    }
    assert_eq!(acme.lookup("spring", "jim", None).await.unwrap().attempts, 3);
}

#[tokio::test]
async fn a15_contacts_are_told_by_what_they_look_like_or_by_a_column_of_their_own() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, _) = acme.program().await;
    let odd = "00000000-0000-7000-8000-000000000007";
    let file = format!(
        "contact,contact_uid,contact_email,advocate,advocate_id,campaign\n\
         ,{odd},,{ann},,spring\n\
         crm-7,,,,{ann},spring\n\
         crm-8,,zoe@example.com,ann@example.com,{ann},spring\n\
         crm-9,crm-9,,,{ann},spring\n"
    );
    let imported = import(&acme, file.as_bytes()).await;
    assert_eq!(imported.summary.recorded, 3);
    assert_eq!(rejected(&imported), [(5, "contact", Reason::InvalidField)]);
    for (who, attributed) in
        [(uid(odd), true), (uid("crm-7"), true), (email("zoe"), true), (uid("crm-9"), false)]
    {
        assert_eq!(acme.get(who.clone()).await.is_ok(), attributed, "{who:?}");
    }
    assert_eq!(acme.get(uid("crm-8")).await.unwrap(), acme.get(email("zoe")).await.unwrap());
}

#[tokio::test]
async fn a3_an_attribution_is_named_by_its_id_and_an_export_changes_what_its_states_or_actions_say() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.batch(vec![by_code("joe", "ANN10"), by_code("joe", "BOB10"), by_code("jim", "ANN10")]).await;
    let all = acme.all_attributions().await;
    let [jim_ann, joe_bob, joe_ann] = all.as_slice() else { panic!("{all:?}") };
    let (file, _) = export(&acme, ExportAttributionsRequest::default()).await.unwrap();
    let file = String::from_utf8(file).unwrap();
    // jim's is switched off in the table
    let row = |id: &str| file.lines().find(|line| line.starts_with(id)).unwrap();
    let jim = row(&jim_ann.attribution_id);
    let switched = file.replace(jim, &jim.replace(",ACTIVE,", ",INACTIVE,"));
    let imported = import(&acme, switched.as_bytes()).await;
    assert_eq!(imported.summary, Progress { rows: 3, deactivated: 1, unchanged: 2, ..Default::default() });
    assert_eq!(active(&acme, "jim").await, None);
    assert_eq!(import(&acme, file.as_bytes()).await.summary.activated, 1);
    // joe goes to bob at once
    let reassign = format!("action,attribution_id,reason\nREASSIGN,{},why\n", joe_bob.attribution_id);
    assert_eq!(import(&acme, reassign.as_bytes()).await.summary.reassigned, 1);
    assert_eq!(active(&acme, "joe").await, Some(bob));
    let back = format!(
        "action,attribution_id\nDEACTIVATE,{}\nACTIVATE,{}\n",
        joe_bob.attribution_id, joe_ann.attribution_id
    );
    let imported = import(&acme, back.as_bytes()).await.summary;
    assert_eq!((imported.deactivated, imported.activated), (1, 1));
    assert_eq!(active(&acme, "joe").await, Some(ann));
    let theirs = import(&service.of("other"), back.as_bytes()).await;
    assert_eq!(
        rejected(&theirs),
        [
            (2, "attribution_id", Reason::AttributionNotFound),
            (3, "attribution_id", Reason::AttributionNotFound)
        ]
    );
}

#[tokio::test]
async fn a3_of_an_export_two_states_that_were_swapped_move_the_contact_whichever_row_comes_first() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    acme.batch(vec![by_code("joe", "ANN10"), by_code("joe", "BOB10")]).await;
    let (file, _) = export(&acme, ExportAttributionsRequest::default()).await.unwrap();
    let file = String::from_utf8(file).unwrap();
    let [header, first, second] = file.lines().collect::<Vec<_>>()[..] else { panic!("{file}") };
    let swap = |row: &str| {
        let (from, to) =
            if row.contains(",ACTIVE,") { (",ACTIVE,", ",INACTIVE,") } else { (",INACTIVE,", ",ACTIVE,") };
        row.replace(from, to)
    };
    let swapped = |rows: [&str; 2]| format!("{header}\n{}\n{}\n", swap(rows[0]), swap(rows[1]));
    for (then, states) in [(bob, swapped([first, second])), (ann, format!("{header}\n{second}\n{first}\n"))] {
        let imported = import(&acme, states.as_bytes()).await;
        let expected = Progress { rows: 2, reassigned: 1, unchanged: 1, ..Default::default() };
        // the one that ends first leaves nobody to be replaced
        let apart = Progress { rows: 2, activated: 1, deactivated: 1, ..Default::default() };
        assert!([&expected, &apart].contains(&&imported.summary), "{imported:?}");
        assert_eq!(active(&acme, "joe").await, Some(then));
    }
    let unknown = "contact,advocate,campaign,state\nbob@example.com,ann@example.com,spring,ACTIVE\n";
    let imported = import(&acme, unknown.as_bytes()).await;
    assert_eq!(rejected(&imported), [(2, "advocate", Reason::AttributionNotFound)]);
}

#[tokio::test]
async fn a2_of_an_export_a_duplicate_stays_one_and_is_let_in_when_nobody_is_active() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.batch(vec![by_code("joe", "ANN10"), by_code("joe", "BOB10")]).await;
    let (file, _) = export(&acme, ExportAttributionsRequest::default()).await.unwrap();
    assert_eq!(import(&acme, &file).await.summary.unchanged, 2);
    let all = acme.all_attributions().await;
    assert_eq!(all[0].inactive_reason(), InactiveReason::Duplicate);
    deactivate(&acme, &all[1].attribution_id, None).await.unwrap();
    assert_eq!(acme.record(by_code("joe", "BOB10")).await.outcome(), Outcome::Attributed);
}

/// One thing that happens to a contact.
#[derive(Debug, Clone, Copy)]
enum Step {
    Attempt(usize, usize),
    Reassign(usize, usize),
    Deactivate(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_usize, 0..2_usize).prop_map(|(contact, advocate)| Step::Attempt(contact, advocate)),
        (0..4_usize, 0..2_usize).prop_map(|(contact, advocate)| Step::Reassign(contact, advocate)),
        (0..6_usize).prop_map(Step::Deactivate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever has happened, an export that is imported as it is changes nothing: neither what is stored nor what is told.
    #[test]
    fn a16_export_then_import_is_the_identity(steps in prop::collection::vec(step(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let service = Service::start().await;
            let acme = service.of("acme");
            acme.program().await;
            let (codes, advocates) = (["ANN10", "BOB10"], ["ann", "bob"]);
            // the first two are the advocates themselves
            let contacts = ["ann", "bob", "joe", "o'hara, \"jim\""];
            let who = |n: usize| if n == 3 { uid(contacts[3]) } else { email(contacts[n]) };
            for step in steps {
                match step {
                    Step::Attempt(n, code) => {
                        let attempt = v1::Attempt { contact: Some(who(n)), ..by_code("", codes[code]) };
                        acme.record(attempt).await;
                    }
                    Step::Reassign(n, advocate) => {
                        drop(reassign(&acme, to(who(n), email(advocates[advocate]), None)).await);
                    }
                    Step::Deactivate(n) => {
                        if let Some(row) = acme.all_attributions().await.get(n) {
                            drop(deactivate(&acme, &row.attribution_id, None).await);
                        }
                    }
                }
            }
            let (before, events) = (acme.all_attributions().await, acme.events().await);
            let (file, rows) = export(&acme, ExportAttributionsRequest::default()).await.unwrap();
            let imported = import(&acme, &file).await;
            let all = i64::from(rows);
            assert_eq!(imported.summary, Progress { rows: all, unchanged: all, ..Default::default() });
            assert_eq!((acme.all_attributions().await, acme.events().await), (before, events));
        });
    }
}

#[tokio::test]
async fn a4_a_row_may_bring_all_its_evidence_and_rows_of_many_slices_keep_their_order() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let (ann, bob) = acme.program().await;
    let row = |n| {
        let (code, advocate) = if n < 600 { ("ANN10", "bob@example.com") } else { ("BOB10", "") };
        format!("c{}@example.com,{code},NONE-1,{advocate}", n % 600)
    };
    let rows: Vec<String> = (0..1200).map(row).collect();
    let file = format!("contact,shortcode,coupon_code,advocate\n{}\n", rows.join("\n"));
    let imported = import(&acme, file.as_bytes()).await;
    // bob was named beside the stronger code, so that he is known as the loser already
    let expected = Progress { rows: 1200, recorded: 600, logged_inactive: 600, ..Default::default() };
    assert_eq!(imported.summary, expected);
    assert_eq!(imported.unattributed[0].line, 602);
    let joe = acme.lookup("spring", "c0", None).await.unwrap();
    assert_eq!((joe.evidence(), joe.advocate_id), (EvidenceKind::Shortcode, ann));
    let lost = acme.all_attributions().await;
    assert!(lost.iter().all(|a| a.state() == AttributionState::Active || a.advocate_id == bob));
}
