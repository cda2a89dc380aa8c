//! Programs: publishing versions (R1), and bad definitions by line.

use crate::common::{NOW, SANDBOX, TENANT, World, clock_moved, enters, error, refused, rule};
use proto::rewards as wire;
use rpc::fields::wire_time;
use time::Duration;
use time::macros::datetime;
use tonic::Code;

const RULE: &str = "beneficiary: ADVOCATE, amount: {fixed: 10.00 USD}";

fn definition(effective_from: Option<&str>, rules: &str) -> String {
    let from = effective_from.map(|from| format!("effective_from: {from}\n")).unwrap_or_default();
    format!("program: Spring\ncampaign: spring\n{from}rules:\n{rules}")
}

async fn apply(
    world: &World,
    definition: String,
    base_version: i32,
) -> Result<(wire::Program, bool), tonic::Status> {
    let request = wire::ApplyProgramRequest { definition, base_version };
    let applied = world.programs(TENANT).apply_program(request).await?.into_inner();
    Ok((applied.program.unwrap(), applied.changed))
}

#[tokio::test]
async fn r1_the_same_definition_again_answers_with_the_stored_version() {
    let world = World::new().await;
    let text = definition(None, &rule("a", "bought", RULE));
    let (first, changed) = apply(&world, text.clone(), 0).await.unwrap();
    assert!(changed);
    assert_eq!((first.version, first.rules.clone()), (1, vec!["a".to_owned()]));
    assert_eq!(first.effective_from, Some(wire_time(NOW)));
    // also with the base version that the first call had: a retry must not fail
    assert_eq!(apply(&world, text, 7).await.unwrap(), (first, false));
}

#[tokio::test]
async fn r1_versions_are_kept_and_listed_newest_first() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        let (_, changed) = apply(&world, definition(None, &rule(key, "bought", RULE)), 0).await.unwrap();
        assert!(changed);
    }
    let mut client = world.programs(TENANT);
    let request = |page_size, page_token| wire::ListProgramVersionsRequest {
        campaign_id: "spring".to_owned(),
        page_size,
        page_token,
    };
    let first = client.list_program_versions(request(2, String::new())).await.unwrap().into_inner();
    let second = client.list_program_versions(request(2, first.next_page_token)).await.unwrap().into_inner();
    let keys: Vec<_> = first.programs.iter().chain(&second.programs).map(|p| p.rules[0].as_str()).collect();
    assert_eq!(keys, ["c", "b", "a"]);
    assert_eq!(second.next_page_token, "");
    for (version, key) in [(0, "c"), (2, "b")] {
        let request = wire::GetProgramRequest { campaign_id: "spring".to_owned(), version };
        let program = client.get_program(request).await.unwrap().into_inner().program.unwrap();
        assert_eq!(program.rules, [key]);
    }
}

#[tokio::test]
async fn r1_a_changed_base_version_is_aborted() {
    let world = World::new().await;
    apply(&world, definition(None, &rule("a", "bought", RULE)), 0).await.unwrap();
    let status = apply(&world, definition(None, &rule("b", "bought", RULE)), 2).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::Aborted, "BASE_VERSION_CHANGED", ""));
    assert!(apply(&world, definition(None, &rule("b", "bought", RULE)), 1).await.is_ok());
}

#[tokio::test]
async fn r1_only_the_first_version_may_take_effect_in_the_past() {
    let world = World::new().await;
    let first = definition(Some("1997-01-01"), &rule("a", "bought", RULE));
    let (first, _) = apply(&world, first, 0).await.unwrap();
    assert_eq!(first.effective_from, Some(wire_time(datetime!(1997-01-01 0:00 UTC))));
    let second = definition(Some("2026-02-01"), &rule("b", "bought", RULE));
    let status = apply(&world, second, 0).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::InvalidArgument, "INVALID_DEFINITION", "definition:3:17"));
}

#[tokio::test]
async fn m4_now_is_what_the_test_clock_shows() {
    let world = World::new().await;
    let shows = datetime!(1997-01-01 0:00 UTC);
    world.bring(&[clock_moved(SANDBOX, shows)]).await;
    let request = wire::ApplyProgramRequest {
        definition: definition(None, &rule("a", "bought", RULE)),
        base_version: 0,
    };
    let program = world.programs(SANDBOX).apply_program(request).await.unwrap().into_inner().program.unwrap();
    assert_eq!(program.effective_from, Some(wire_time(shows)));
}

#[tokio::test]
async fn r1_a_transition_is_judged_by_the_version_in_force_when_it_happened() {
    let world = World::new().await;
    world.apply(TENANT, &rule("a", "bought", RULE)).await;
    let later = NOW + Duration::days(10);
    let text = definition(Some("2026-03-11T12:00:00Z"), &rule("b", "bought", RULE));
    apply(&world, text, 0).await.unwrap();
    world
        .bring(&[
            enters(TENANT, 1, "bought").at(later - Duration::SECOND).event(),
            enters(TENANT, 2, "bought").at(later).event(),
            enters(TENANT, 3, "bought").at(datetime!(2025-12-31 0:00 UTC)).event(),
        ])
        .await;
    let decisions = world.decisions(TENANT).await;
    let judged: Vec<_> =
        decisions.iter().map(|d| (d.rule.as_str(), d.program_version, d.outcome())).collect();
    let created = wire::DecisionOutcome::Created;
    assert_eq!(
        judged,
        [("a", 1, created), ("b", 2, created), ("a", 0, wire::DecisionOutcome::BeforeProgram)]
    );
    assert!(world.verify(TENANT).await.balanced);
}

#[tokio::test]
async fn a_bad_definition_is_reported_by_line() {
    let world = World::new().await;
    let bad =
        definition(None, &format!("{}{}", rule("a", "bought", RULE), rule("b", "bought", "beneficiary: ME")));
    let status = apply(&world, bad, 0).await.unwrap_err();
    let (code, reason, field) = error(&status);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_DEFINITION"));
    assert!(field.starts_with("definition:5:"), "{field}");
    let status = apply(&world, "a: [".to_owned(), 0).await.unwrap_err();
    assert!(error(&status).2.starts_with("definition:1:"), "{status:?}");
}

#[tokio::test]
async fn bad_input_names_its_field() {
    let world = World::new().await;
    let status = apply(&world, String::new(), 0).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::InvalidArgument, "INVALID_FIELD", "definition"));
    let status = apply(&world, "x".repeat(256 * 1024 + 1), 0).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::InvalidArgument, "INVALID_FIELD", "definition"));
    let status = apply(&world, "x".to_owned(), -1).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::InvalidArgument, "INVALID_FIELD", "base_version"));
    let request =
        |campaign: &str, version| wire::GetProgramRequest { campaign_id: campaign.to_owned(), version };
    let status = world.programs(TENANT).get_program(request("NO", 0)).await.unwrap_err();
    assert_eq!(error(&status), refused(Code::InvalidArgument, "INVALID_FIELD", "campaign_id"));
    world.apply(TENANT, &rule("a", "bought", RULE)).await;
    for (tenant, request) in
        [(TENANT, request("other", 0)), (TENANT, request("spring", 2)), ("else", request("spring", 0))]
    {
        let status = world.programs(tenant).get_program(request).await.unwrap_err();
        assert_eq!(error(&status), refused(Code::NotFound, "PROGRAM_NOT_FOUND", ""));
    }
}
