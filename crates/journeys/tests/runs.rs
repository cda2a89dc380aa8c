//! EnterStage and the lists (J2-J6), over the wire.

mod common;

use common::*;
use proto::journeys as j;
use tonic::Code;

#[tokio::test]
async fn j4_a_caller_out_of_order_is_told_the_stage_expected() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: REQUIRED", &[("a", ""), ("b", ""), ("c", "")])).await;
    let contact = tenant.contact("a@example.com").await;
    let error = tenant.enter(&contact, "c", "").await.unwrap_err();
    assert_eq!((error.code(), &*reason(&error)), (Code::FailedPrecondition, "STAGE_OUT_OF_ORDER"));
    assert_eq!(metadata(&error, "expected"), "a");
    tenant.enter(&contact, "a", "").await.unwrap();
    assert_eq!(metadata(&tenant.enter(&contact, "c", "").await.unwrap_err(), "expected"), "b");
    tenant.enter(&contact, "b", "").await.unwrap();
    let entered = tenant.enter(&contact, "c", "").await.unwrap();
    let transition = entered.transition.unwrap();
    assert_eq!(
        (&*transition.from_stage, transition.number, transition.cause()),
        ("b", 3, j::TransitionCause::Call)
    );
    let run = tenant.run(&contact).await.unwrap();
    assert_eq!(story(&run), ["a/", "b/", "c/"]);
    assert_eq!(run.run.unwrap().current_stage, "c");
}

#[tokio::test]
async fn j4_a_sequence_that_is_required_does_not_go_back() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: REQUIRED", &[("a", ""), ("b", "optional: true"), ("c", "")])).await;
    let contact = tenant.contact("a@example.com").await;
    tenant.enter(&contact, "a", "").await.unwrap();
    tenant.enter(&contact, "c", "").await.unwrap();
    assert_eq!(reason(&tenant.enter(&contact, "b", "").await.unwrap_err()), "STAGE_GOING_BACK");
    assert_eq!(story(&tenant.run(&contact).await.unwrap()), ["a/", "c/"]);
}

#[tokio::test]
async fn j5_entering_again_under_the_same_key_returns_the_first_transition() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: OPTIONAL", &[("a", ""), ("b", "repeatable: true")])).await;
    let contact = tenant.contact("a@example.com").await;
    let first = tenant.enter(&contact, "b", "k1").await.unwrap();
    assert!(first.entered);
    assert!(tenant.enter(&contact, "b", "k2").await.unwrap().entered);
    let again = tenant.enter(&contact, "b", "k1").await.unwrap();
    assert_eq!((again.entered, again.transition), (false, first.transition));
    tenant.enter(&contact, "a", "k1").await.unwrap();
    let error = tenant.enter(&contact, "a", "k2").await.unwrap_err();
    assert_eq!(reason(&error), "STAGE_NOT_REPEATABLE");
}

#[tokio::test]
async fn j6_a_terminal_stage_ends_its_key_or_the_run() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let stages =
        [("a", "repeatable: true"), ("end", "terminal: true, repeatable: true"), ("x", "kind: EXCEPTION")];
    tenant.apply(&journey("sequence: OPTIONAL", &stages)).await;
    let contact = tenant.contact("a@example.com").await;
    assert_eq!(reason(&tenant.enter(&contact, "x", "").await.unwrap_err()), "EXCEPTION_CANNOT_START");
    tenant.enter(&contact, "a", "k1").await.unwrap();
    tenant.enter(&contact, "end", "k1").await.unwrap();
    assert!(!tenant.enter(&contact, "a", "k1").await.unwrap().entered, "what was entered stays entered");
    assert_eq!(reason(&tenant.enter(&contact, "x", "k1").await.unwrap_err()), "RUN_ENDED");
    tenant.enter(&contact, "a", "k2").await.unwrap();
    tenant.enter(&contact, "end", "").await.unwrap();
    assert_eq!(reason(&tenant.enter(&contact, "a", "k3").await.unwrap_err()), "RUN_ENDED");
    let run = tenant.run(&contact).await.unwrap();
    assert_eq!(run.run.unwrap().state(), j::RunState::Ended);
}

#[tokio::test]
async fn calls_at_once_from_two_tenants_with_the_same_names_stay_apart() {
    let stack = Stack::start().await;
    let mut calls = Vec::new();
    for name in ["one", "two"] {
        let tenant = stack.tenant(name);
        tenant.apply(&journey("sequence: OPTIONAL", &[("a", "repeatable: true")])).await;
        let contact = tenant.contact("a@example.com").await;
        for key in 0..40 {
            let (tenant, contact) = (tenant.clone(), contact.clone());
            calls.push(tokio::spawn(
                async move { tenant.enter(&contact, "a", &format!("k{}", key / 2)).await },
            ));
        }
    }
    let mut entered = 0;
    for call in calls {
        entered += i32::from(call.await.unwrap().unwrap().entered);
    }
    assert_eq!(entered, 40);
    for name in ["one", "two"] {
        let tenant = stack.tenant(name);
        let runs = tenant.runs().list_runs(j::ListRunsRequest::default()).await.unwrap().into_inner().runs;
        assert_eq!((runs.len(), runs[0].transitions), (1, 20));
        assert_eq!(tenant.funnel().await.stages[0].transitions, 20);
    }
}

#[tokio::test]
async fn m3_the_time_of_a_call_is_checked_and_defaults_to_the_clock() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: OPTIONAL", &[("a", ""), ("b", "")])).await;
    let contact = tenant.contact("a@example.com").await;
    let entered = tenant.enter(&contact, "a", "").await.unwrap().transition.unwrap();
    assert_eq!(entered.occurred_at, Some(rpc::fields::wire_time(NOW)));
    let mut request = request(&contact);
    request.occurred_at = Some(at(31 * 86_400 + 1));
    let error = tenant.runs().enter_stage(request.clone()).await.unwrap_err();
    assert_eq!(fields(&error), ["occurred_at"]);
    request.occurred_at = Some(at(31 * 86_400));
    tenant.runs().enter_stage(request).await.unwrap();
}

fn request(contact: &str) -> j::EnterStageRequest {
    j::EnterStageRequest {
        journey: "j".into(),
        campaign_id: "c".into(),
        contact_id: contact.into(),
        stage: "b".into(),
        occurrence_key: String::new(),
        occurred_at: None,
    }
}

#[tokio::test]
async fn bad_input_is_named_by_its_field() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: OPTIONAL", &[("a", ""), ("b", "")])).await;
    let contact = tenant.contact("a@example.com").await;
    let good = || request(&contact);
    let out_of_range = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    for (bad, field) in [
        (j::EnterStageRequest { journey: String::new(), ..good() }, "journey"),
        (j::EnterStageRequest { journey: "J j".into(), ..good() }, "journey"),
        (j::EnterStageRequest { campaign_id: "C".into(), ..good() }, "campaign_id"),
        (j::EnterStageRequest { contact_id: "a@example.com".into(), ..good() }, "contact_id"),
        (j::EnterStageRequest { stage: "a_b".into(), ..good() }, "stage"),
        (j::EnterStageRequest { occurrence_key: "a\0".into(), ..good() }, "occurrence_key"),
        (j::EnterStageRequest { occurrence_key: "x".repeat(513), ..good() }, "occurrence_key"),
        (j::EnterStageRequest { occurred_at: Some(out_of_range), ..good() }, "occurred_at"),
    ] {
        let error = tenant.runs().enter_stage(bad).await.unwrap_err();
        assert_eq!((error.code(), fields(&error)), (Code::InvalidArgument, vec![field.to_owned()]));
    }
    let stranger = "01890000-0000-7000-8000-000000000001";
    for (unknown, expected) in [
        (j::EnterStageRequest { journey: "k".into(), ..good() }, "JOURNEY_NOT_FOUND"),
        (j::EnterStageRequest { stage: "z".into(), ..good() }, "STAGE_NOT_FOUND"),
        (j::EnterStageRequest { contact_id: stranger.into(), ..good() }, "CONTACT_NOT_FOUND"),
    ] {
        let error = tenant.runs().enter_stage(unknown).await.unwrap_err();
        assert_eq!((error.code(), &*reason(&error)), (Code::NotFound, expected));
    }
    for campaign_id in ["", "d"] {
        let error = tenant
            .runs()
            .enter_stage(j::EnterStageRequest { campaign_id: campaign_id.into(), ..good() })
            .await;
        assert_eq!(reason(&error.unwrap_err()), "JOURNEY_NOT_APPLIED");
    }
    assert_eq!(reason(&tenant.run(&contact).await.unwrap_err()), "RUN_NOT_FOUND");
    let by_id = |run_id: &str| j::GetRunRequest { run_id: run_id.into(), ..Default::default() };
    assert_eq!(fields(&tenant.runs().get_run(by_id("x")).await.unwrap_err()), ["run_id"]);
    assert_eq!(reason(&tenant.runs().get_run(by_id(stranger)).await.unwrap_err()), "RUN_NOT_FOUND");
    assert_eq!(fields(&tenant.runs().get_run(j::GetRunRequest::default()).await.unwrap_err()), ["journey"]);
    let list = j::ListTransitionsRequest { run_id: stranger.into(), ..Default::default() };
    assert_eq!(reason(&tenant.runs().list_transitions(list).await.unwrap_err()), "RUN_NOT_FOUND");
    let list = j::ListRunsRequest { page_size: 1001, ..Default::default() };
    assert_eq!(fields(&tenant.runs().list_runs(list).await.unwrap_err()), ["page_size"]);
    let retry = j::RetryParkedRequest { parked_id: 1 };
    assert_eq!(reason(&tenant.runs().retry_parked(retry).await.unwrap_err()), "PARKED_EVENT_NOT_FOUND");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: OPTIONAL", &[("a", "repeatable: true")])).await;
    let (first, second) = (tenant.contact("a@example.com").await, tenant.contact("b@example.com").await);
    for key in ["1", "2", "3"] {
        tenant.enter(&first, "a", key).await.unwrap();
    }
    tenant.enter(&second, "a", "4").await.unwrap();
    let run = tenant.run(&first).await.unwrap().run.unwrap();
    for (run_id, expected) in [(&*run.run_id, ["1", "2", "3"].as_slice()), ("", &["4", "3", "2", "1"])] {
        let (mut keys, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = j::ListTransitionsRequest { page_size: 2, page_token, run_id: run_id.into() };
            let page = tenant.runs().list_transitions(request).await.unwrap().into_inner();
            keys.extend(page.transitions.into_iter().map(|t| t.occurrence_key));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(keys, expected);
    }
    let page =
        tenant.runs().list_runs(j::ListRunsRequest { page_size: 1, ..Default::default() }).await.unwrap();
    let page = page.into_inner();
    assert_eq!((&*page.runs[0].contact_id, page.next_page_token.is_empty()), (&*second, false));
    let elsewhere = j::ListRunsRequest {
        page_token: page.next_page_token,
        journey: "j".into(),
        page_size: 1,
        ..Default::default()
    };
    assert_eq!(reason(&tenant.runs().list_runs(elsewhere.clone()).await.unwrap_err()), "INVALID_PAGE_TOKEN");
    let filtered = j::ListRunsRequest { journey: String::new(), filter: "journey = j".into(), ..elsewhere };
    assert_eq!(reason(&tenant.runs().list_runs(filtered).await.unwrap_err()), "INVALID_PAGE_TOKEN");
    let by_id = j::GetRunRequest { run_id: run.run_id.clone(), ..Default::default() };
    assert_eq!(tenant.runs().get_run(by_id.clone()).await.unwrap().into_inner().run.unwrap(), run);
    assert_eq!(reason(&stack.tenant("other").runs().get_run(by_id).await.unwrap_err()), "RUN_NOT_FOUND");
}

#[tokio::test]
async fn runs_are_filtered_by_each_field() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let definition = journey("sequence: OPTIONAL", &[("a", "repeatable: true"), ("z", "terminal: true")]);
    tenant.apply(&definition).await;
    let (first, second) = (tenant.contact("a@example.com").await, tenant.contact("b@example.com").await);
    tenant.enter(&first, "a", "1").await.unwrap();
    tenant.enter(&first, "a", "2").await.unwrap();
    tenant.enter(&second, "z", "").await.unwrap();
    let run = tenant.run(&first).await.unwrap().run.unwrap();
    let (one, other, both) = (vec![first.clone()], vec![second.clone()], vec![second.clone(), first.clone()]);
    for (filter, expected) in [
        (format!("run_id = {}", run.run_id), &one),
        ("journey = j".to_owned(), &both),
        ("journey != j".to_owned(), &vec![]),
        ("campaign_id = c".to_owned(), &both),
        (format!("contact_id = {second}"), &other),
        ("state = ENDED".to_owned(), &other),
        ("state = RUN_STATE_ACTIVE".to_owned(), &one),
        ("current_stage = a".to_owned(), &one),
        ("transitions > 1".to_owned(), &one),
        ("started_at = 2026-03-01T12:00:00Z".to_owned(), &both),
        ("current_stage = z OR transitions = 2".to_owned(), &both),
    ] {
        let request = j::ListRunsRequest { filter: filter.clone(), ..Default::default() };
        let runs = tenant.runs().list_runs(request.clone()).await.unwrap().into_inner().runs;
        assert_eq!(runs.into_iter().map(|run| run.contact_id).collect::<Vec<_>>(), *expected, "{filter}");
        let theirs = stack.tenant("other").runs().list_runs(request).await.unwrap().into_inner().runs;
        assert!(theirs.is_empty(), "{filter}");
    }
    let bad = j::ListRunsRequest { filter: "state = DONE".into(), ..Default::default() };
    assert_eq!(fields(&tenant.runs().list_runs(bad).await.unwrap_err()), ["filter"]);
}
