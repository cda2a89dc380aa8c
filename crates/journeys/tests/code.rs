//! LintJourney, ListJourneyVersions, DrawJourney: journeys as code (J1, J2, J12).

mod common;

use common::*;
use proto::journeys as j;
use tonic::Code;

const STAGES: [(&str, &str); 3] = [
    ("a", "enter_on: [{event: attribution.activated}]"),
    ("b", "optional: true, touch_points: [Shop], enter_on: [{event: order.recorded}]"),
    ("gone", "kind: EXCEPTION, enter_on: [{event: order.refunded}]"),
];

async fn lint(tenant: &Tenant, definition: &str, program: &str) -> Result<Vec<j::Finding>, tonic::Status> {
    let request = j::LintJourneyRequest { definition: definition.into(), program: program.into() };
    Ok(tenant.journeys().lint_journey(request).await?.into_inner().findings)
}

/// Level, rule, line and column of each.
fn told(findings: &[j::Finding]) -> Vec<(j::Level, &str, i32, i32)> {
    findings.iter().map(|f| (f.level(), f.rule.as_str(), f.line, f.column)).collect()
}

async fn draw(
    tenant: &Tenant,
    request: j::DrawJourneyRequest,
) -> Result<j::DrawJourneyResponse, tonic::Status> {
    Ok(tenant.journeys().draw_journey(request).await?.into_inner())
}

#[tokio::test]
async fn j12_lint_tells_all_errors_at_once_and_changes_nothing() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let good = journey("sequence: REQUIRED", &STAGES);
    assert!(lint(&tenant, &good, "").await.unwrap().is_empty());
    let bad = good.replace("{event: order.recorded}", "{event: order.recorded, when: order.colour == 1}");
    let bad = bad.replace("{stage: gone,", "{stage: a,");
    let found = lint(&tenant, &bad, "").await.unwrap();
    let (error, rule) = (j::Level::Error, "invalid-definition");
    let places: Vec<_> = told(&found).into_iter().map(|(level, rule, line, _)| (level, rule, line)).collect();
    assert_eq!(places, [(error, rule, 6), (error, rule, 7)]);
    assert_eq!(found[0].path, "stages[1].enter_on[0].when");
    assert!(found[0].column > 0 && found[0].message.contains("no field `colour`"), "{found:?}");
    let request = j::GetJourneyRequest { journey: "j".into(), version: 0 };
    let error = tenant.journeys().get_journey(request).await.unwrap_err();
    assert_eq!(&*reason(&error), "JOURNEY_NOT_FOUND");
    let none = j::LintJourneyRequest::default();
    assert_eq!(fields(&tenant.journeys().lint_journey(none).await.unwrap_err()), ["definition"]);
}

#[tokio::test]
async fn j12_lint_sees_the_program_and_the_journeys_in_force_of_its_tenant_and_apply_takes_what_is_only_odd()
{
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let program = "program: p\nrules:\n- {journey: j, stage: nosuch, action: CREATE}\n";
    let found = lint(&tenant, &journey("sequence: REQUIRED", &STAGES), program).await.unwrap();
    assert_eq!(told(&found), [(j::Level::Warning, "unknown-stage", 3, 23)]);
    assert!(found[0].in_program);
    let follows = [("x", "enter_on: [{event: stage.entered, journey: j, stage: b}]"), ("y", "")];
    let text = journey("sequence: REQUIRED", &follows).replace("journey: j\n", "journey: k\n");
    let (warning, lone) = (j::Level::Warning, "by-call-only");
    let rules = |found: &[j::Finding]| found.iter().map(|f| (f.level(), f.rule.clone())).collect::<Vec<_>>();
    let found = lint(&tenant, &text, "").await.unwrap();
    assert_eq!(rules(&found), [(warning, "unknown-source".to_owned()), (warning, lone.to_owned())]);
    tenant.apply(&text).await;
    tenant.apply(&journey("sequence: REQUIRED", &STAGES)).await;
    assert_eq!(rules(&lint(&tenant, &text, "").await.unwrap()), [(warning, lone.to_owned())]);
    let other = lint(&stack.tenant("other"), &text, "").await.unwrap();
    assert_eq!(other.len(), 2, "another tenant's journeys are not seen");
}

#[tokio::test]
async fn j1_versions_are_listed_newest_first_page_by_page() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let text = journey("sequence: OPTIONAL", &STAGES);
    let texts: Vec<String> = (1..=5).map(|n| format!("{text}# {n}\nname: Number {n}\n")).collect();
    for text in &texts {
        tenant.apply(text).await;
    }
    let (mut versions, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = j::ListJourneyVersionsRequest { journey: "j".into(), page_size: 2, page_token };
        let page = tenant.journeys().list_journey_versions(request).await.unwrap().into_inner();
        assert!(page.versions.len() <= 2);
        versions.extend(page.versions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let told: Vec<_> = versions.iter().map(|v| (v.version, v.in_force)).collect();
    assert_eq!(told, [(5, true), (4, false), (3, false), (2, false), (1, false)]);
    let definitions: Vec<&String> = versions.iter().rev().map(|v| &v.definition).collect();
    assert_eq!(definitions, texts.iter().collect::<Vec<_>>());
    assert!(versions.iter().all(|v| v.applied_at.is_some()));
    let request = j::ListJourneyVersionsRequest { journey: "j".into(), ..Default::default() };
    let error = stack.tenant("other").journeys().list_journey_versions(request).await.unwrap_err();
    assert_eq!((error.code(), &*reason(&error)), (Code::NotFound, "JOURNEY_NOT_FOUND"));
}

#[tokio::test]
async fn j12_a_journey_is_drawn_at_any_version_and_a_definition_without_being_applied() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let text = journey("sequence: OPTIONAL", &STAGES);
    let draft = j::DrawJourneyRequest { definition: text.clone(), ..Default::default() };
    let drawn = draw(&tenant, draft.clone()).await.unwrap();
    assert_eq!(drawn.media_type, "image/svg+xml");
    assert!(
        drawn.drawing.contains(">Shop</text>") && !drawn.drawing.contains("· version"),
        "{}",
        drawn.drawing
    );
    tenant.apply(&text).await;
    tenant.apply(&text.replace("Shop", "Web")).await;
    let stored = j::DrawJourneyRequest { journey: "j".into(), ..Default::default() };
    let first = draw(&tenant, j::DrawJourneyRequest { version: 1, ..stored.clone() }).await.unwrap().drawing;
    assert!(first.contains(">Shop</text>") && first.contains("version 1"), "{first}");
    let program =
        "program: p\nrules:\n- {key: k, journey: j, stage: b, action: CREATE, amount: {fixed: 1.00 USD}}\n";
    let mermaid = j::DrawJourneyRequest {
        program: program.into(),
        format: j::DrawFormat::Mermaid.into(),
        ..stored.clone()
    };
    let drawn = draw(&tenant, mermaid).await.unwrap();
    assert_eq!(drawn.media_type, "text/vnd.mermaid");
    assert!(drawn.drawing.contains("  s1[\"b<br/>order.recorded<br/>1.00 USD\"]\n"), "{}", drawn.drawing);

    let both = j::DrawJourneyRequest { definition: text.clone(), ..stored.clone() };
    for (request, field) in [
        (both, "journey"),
        (j::DrawJourneyRequest::default(), "journey"),
        (j::DrawJourneyRequest { live: true, ..draft.clone() }, "live"),
        (j::DrawJourneyRequest { format: 9, ..stored.clone() }, "format"),
    ] {
        assert_eq!(fields(&draw(&tenant, request).await.unwrap_err()), [field]);
    }
    let wrong = [
        (
            j::DrawJourneyRequest { definition: text.replace("event: order.refunded", "event: x"), ..draft },
            "definition:7:",
        ),
        (j::DrawJourneyRequest { program: "rules: 5".into(), ..stored.clone() }, "program:1:8"),
    ];
    for (request, field) in wrong {
        let error = draw(&tenant, request).await.unwrap_err();
        assert_eq!(&*reason(&error), "INVALID_DEFINITION");
        assert!(fields(&error)[0].starts_with(field), "{:?}", fields(&error));
    }
    let error = draw(&stack.tenant("other"), stored).await.unwrap_err();
    assert_eq!((error.code(), &*reason(&error)), (Code::NotFound, "JOURNEY_NOT_FOUND"));
}

#[tokio::test]
async fn j11_a_live_drawing_counts_the_runs_of_all_campaigns_or_of_one() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let text = journey("sequence: OPTIONAL", &STAGES).replace("[c]", "[c, d]");
    tenant.apply(&text).await;
    for (n, campaign) in ["c", "c", "c", "d"].into_iter().enumerate() {
        let contact = tenant.contact(&format!("{n}@example.com")).await;
        for stage in ["a", "b"].into_iter().take(if n == 0 { 2 } else { 1 }) {
            let request = j::EnterStageRequest {
                journey: "j".into(),
                campaign_id: campaign.into(),
                contact_id: contact.clone(),
                stage: stage.into(),
                ..Default::default()
            };
            tenant.runs().enter_stage(request).await.unwrap();
        }
    }
    let live = j::DrawJourneyRequest { journey: "j".into(), live: true, ..Default::default() };
    let of_all = draw(&tenant, live.clone()).await.unwrap().drawing;
    for wanted in [">4 runs</text>", ">1 run</text>", ">25.0 %</text>"] {
        assert!(of_all.contains(wanted), "{wanted}: {of_all}");
    }
    let of_one = j::DrawJourneyRequest { campaign_id: "c".into(), ..live.clone() };
    let of_one = draw(&tenant, of_one).await.unwrap().drawing;
    assert!(of_one.contains(">33.3 %</text>") && of_one.contains("campaign c"), "{of_one}");
    // a version that counts otherwise
    tenant.apply(&journey("sequence: OPTIONAL", &[STAGES[1], STAGES[0], STAGES[2]])).await;
    let error = draw(&tenant, j::DrawJourneyRequest { version: 1, ..live.clone() }).await.unwrap_err();
    assert_eq!(fields(&error), ["live"]);
    assert!(draw(&tenant, live).await.is_ok());
}
