//! J11: who has stood in a stage for long.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::*;
use proto::journeys as j;
use proto::journeys::journey_event::Fact;
use tonic::Status;

const DAY: i64 = 86_400;
const STAGES: [(&str, &str); 4] =
    [("a", ""), ("b", ""), ("won", "terminal: true"), ("lost", "kind: EXCEPTION")];

/// Enters a stage so many days after the beginning, which was 30 days ago.
async fn enter(tenant: &Tenant, contact: &str, campaign: &str, stage: &str, key: &str, day: i64) {
    let request = j::EnterStageRequest {
        journey: "j".into(),
        campaign_id: campaign.into(),
        contact_id: contact.into(),
        stage: stage.into(),
        occurrence_key: key.into(),
        occurred_at: Some(at(day * DAY)),
    };
    tenant.runs().enter_stage(request).await.unwrap();
}

async fn ask(tenant: &Tenant, request: j::ListStuckRequest) -> Result<j::ListStuckResponse, Status> {
    let request = j::ListStuckRequest { journey: "j".into(), ..request };
    Ok(tenant.funnels().list_stuck(request).await?.into_inner())
}

/// Who stands where and for how many days.
async fn stuck(tenant: &Tenant, days: i32, stage: &str, campaign: &str) -> Vec<(String, String, i32)> {
    let (stage, campaign_id) = (stage.to_owned(), campaign.to_owned());
    let request = j::ListStuckRequest { days, stage, campaign_id, ..Default::default() };
    let runs = ask(tenant, request).await.unwrap().runs;
    runs.into_iter().map(|run| (run.contact_id, run.stage, run.days)).collect()
}

#[tokio::test]
async fn j11_who_has_stood_in_a_step_for_days_is_listed_oldest_first() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let text = journey("sequence: OPTIONAL", &STAGES).replace("campaigns: [c]", "campaigns: [c, d]");
    tenant.apply(&text).await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(tenant.contact(&format!("{n}@example.com")).await);
    }
    enter(&tenant, &ids[0], "c", "a", "", 10).await;
    enter(&tenant, &ids[1], "d", "a", "", 5).await;
    enter(&tenant, &ids[2], "c", "a", "", 1).await;
    enter(&tenant, &ids[2], "c", "b", "k", 20).await;
    enter(&tenant, &ids[3], "c", "a", "", 1).await;
    enter(&tenant, &ids[3], "c", "won", "k", 2).await;
    enter(&tenant, &ids[4], "c", "a", "", 1).await;
    enter(&tenant, &ids[4], "c", "lost", "", 3).await;
    enter(&tenant, &ids[5], "c", "b", "", 1).await;
    enter(&tenant, &ids[5], "c", "won", "", 2).await;
    let is = |n: usize, stage: &str, days: i32| (ids[n].clone(), stage.to_owned(), days);
    let all = [is(1, "a", 25), is(0, "a", 20), is(2, "b", 10)];
    assert_eq!(stuck(&tenant, 1, "", "").await, all);
    assert_eq!(stuck(&tenant, 10, "", "").await, all, "for ten days to the second");
    assert_eq!(stuck(&tenant, 11, "", "").await, all[..2]);
    assert_eq!(stuck(&tenant, 26, "", "").await, []);
    assert_eq!(stuck(&tenant, 1, "", "c").await, all[1..]);
    assert_eq!(stuck(&tenant, 1, "a", "").await, all[..2]);
    assert_eq!(
        stuck(&tenant, 1, "won", "").await,
        [is(3, "won", 28)],
        "one order's way is over, the run is not"
    );
    assert_eq!(stuck(&tenant, 1, "lost", "").await, [is(4, "lost", 27)]);

    // page by page it is the same
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = j::ListStuckRequest { days: 1, page_size: 1, page_token: token, ..Default::default() };
        let page = ask(&tenant, request).await.unwrap();
        seen.extend(page.runs.into_iter().map(|run| (run.contact_id, run.stage, run.days)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, all);

    let wrong = |stage: &str, days| j::ListStuckRequest { days, stage: stage.into(), ..Default::default() };
    assert_eq!(reason(&ask(&tenant, wrong("nowhere", 1)).await.unwrap_err()), "STAGE_NOT_FOUND");
    assert_eq!(fields(&ask(&tenant, wrong("", 0)).await.unwrap_err()), ["days"]);
    let other = stack.tenant("other");
    assert_eq!(reason(&ask(&other, wrong("", 1)).await.unwrap_err()), "JOURNEY_NOT_FOUND");
}

#[tokio::test]
async fn m4_days_of_a_sandbox_are_those_of_its_test_clock() {
    let stack = Stack::start().await;
    let tenant = stack.tenant("test-acme");
    tenant.set_clock(at(0)).await;
    tenant.apply(&journey("sequence: OPTIONAL", &STAGES)).await;
    let contact = tenant.contact("a@example.com").await;
    // until it is shown here, the real clock goes
    tenant.facts_until(|fact| matches!(fact, Fact::ClockMoved(_))).await;
    enter(&tenant, &contact, "c", "a", "", 0).await;
    assert_eq!(stuck(&tenant, 3, "", "").await, []);
    tenant.set_clock(at(3 * DAY)).await;
    let there =
        tenant.eventually(async || Some(stuck(&tenant, 3, "", "").await).filter(|s| !s.is_empty())).await;
    assert_eq!(there, [(contact, "a".to_owned(), 3)]);
}
