//! What upstream tells enters stages (J7), with what a subscriber needs (J9), in an order that upstream does not promise.

mod common;

use common::*;
use proto::google::r#type::Money;
use proto::journeys as j;
use proto::journeys::journey_event::Fact;
use proto::orders as o;

fn dollars(units: i64) -> Money {
    Money { currency_code: "USD".into(), units, nanos: 0 }
}

#[tokio::test]
async fn j9_a_transition_carries_the_orders_own_campaign_advocate_and_attribution() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let advocate = tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &LIFECYCLE)).await;
    let new = o::NewOrder {
        source: "shop".into(),
        external_status: "closedwon".into(),
        hubspot_dealstage: "won".into(),
        occurred_at: Some(at(60)),
        ..referred("o1", "friend@example.com", 25, "ANN10")
    };
    let order = tenant.record(new).await;
    tenant.record(o::NewOrder { occurred_at: Some(at(120)), ..order_of("o2") }).await;
    let run = tenant.run_of(&order.contact_id, 3).await;
    assert_eq!(story(&run), ["referred-lead/", "first-purchase/o1", "repeat-purchase/o2"]);
    let [lead, first, repeat] = <[j::Transition; 3]>::try_from(run.transitions).unwrap();
    for transition in [&lead, &first, &repeat] {
        assert_eq!((&transition.advocate_id, &transition.attribution_id), (&advocate, &order.attribution_id));
        assert_eq!((&*transition.campaign_id, &transition.contact_id), ("c", &order.contact_id));
        assert_eq!((&*transition.journey, transition.journey_version), ("j", 1));
        assert_eq!(transition.cause(), j::TransitionCause::Trigger);
        assert!(!transition.cause_event_id.is_empty());
    }
    assert_eq!((&*lead.from_stage, &lead.order), ("", &None));
    assert_eq!((&*first.from_stage, first.number, first.occurred_at), ("referred-lead", 2, Some(at(60))));
    let expected = j::OrderContext {
        order_id: "o1".into(),
        source: "shop".into(),
        revenue: Some(dollars(25)),
        refunded: Some(dollars(0)),
        external_status: "closedwon".into(),
        hubspot_dealstage: "won".into(),
        occurred_at: Some(at(60)),
    };
    assert_eq!(first.order, Some(expected));
    let events = tenant
        .facts_until(|fact| matches!(fact, Fact::StageEntered(e) if e.transition == Some(repeat.clone())))
        .await;
    let told: Vec<&str> = events.iter().filter_map(transition_of).map(|t| &*t.to_stage).collect();
    assert_eq!(told, ["referred-lead", "first-purchase", "repeat-purchase"]);
    assert_eq!(events.iter().find_map(transition_of), Some(&lead));
}

fn order_of(id: &str) -> o::NewOrder {
    order(id, "friend@example.com", 40)
}

fn transition_of(event: &j::JourneyEvent) -> Option<&j::Transition> {
    if let Some(Fact::StageEntered(entered)) = &event.fact { entered.transition.as_ref() } else { None }
}

#[tokio::test]
async fn j9_a_call_carries_the_attribution_in_force_at_its_time() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let advocate = tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &[("a", ""), ("b", "")])).await;
    let result = tenant.refer("friend@example.com", "ANN10").await;
    stack.caught_up().await;
    let entered = tenant.enter(&result.contact_id, "a", "").await.unwrap().transition.unwrap();
    assert_eq!(
        (&entered.advocate_id, entered.attribution_id),
        (&advocate, result.in_force.unwrap().attribution_id)
    );
    let before = j::EnterStageRequest {
        journey: "j".into(),
        campaign_id: "c".into(),
        contact_id: result.contact_id,
        stage: "b".into(),
        occurrence_key: String::new(),
        occurred_at: Some(at(0)),
    };
    let entered = tenant.runs().enter_stage(before).await.unwrap().into_inner().transition.unwrap();
    assert_eq!(entered.advocate_id, "");
}

#[tokio::test]
async fn an_order_delivered_before_its_attribution_is_held_until_that_is_known() {
    let stack = Stack::start_with(false, true).await;
    let tenant = stack.tenant(TENANT);
    tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &LIFECYCLE)).await;
    let order = tenant.record(referred("o1", "friend@example.com", 25, "ANN10")).await;
    // the follower has the event, and has asked more than once whether it may apply it
    let begun = "SELECT EXISTS (SELECT FROM subscriptions WHERE subscription = 'journeys.orders')";
    tenant
        .eventually(async || {
            let begun: bool = pg::sqlx::query_scalar(begun).fetch_one(stack.db.read()).await.unwrap();
            begun.then_some(())
        })
        .await;
    for _ in 0..3 {
        let mut commits = stack.db.commits();
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), commits.changed()).await;
    }
    assert_eq!(reason(&tenant.run(&order.contact_id).await.unwrap_err()), "RUN_NOT_FOUND");
    stack.attribution_gate.send_replace(true);
    let run = tenant.run_of(&order.contact_id, 2).await;
    assert_eq!(story(&run), ["referred-lead/", "first-purchase/o1"]);
    assert_eq!(run.transitions[1].from_stage, "referred-lead");
}

#[tokio::test]
async fn j4_an_entry_that_came_too_early_is_shown_waiting_and_then_made() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.campaign("ANN10").await;
    let stages = [("lead", ""), ("paid", "enter_on: [{event: order.recorded}]")];
    tenant.apply(&journey("sequence: REQUIRED", &stages)).await;
    let order = tenant.record(referred("o1", "friend@example.com", 25, "ANN10")).await;
    let run = tenant.eventually(async || tenant.run(&order.contact_id).await.ok()).await;
    assert_eq!((run.run, run.waiting.len()), (None, 1));
    let waiting = &run.waiting[0];
    assert_eq!((&*waiting.stage, &*waiting.expected_stage, &*waiting.occurrence_key), ("paid", "lead", "o1"));
    assert_eq!(waiting.reason().as_str_name(), "ERROR_REASON_STAGE_OUT_OF_ORDER");
    tenant.enter(&order.contact_id, "lead", "").await.unwrap();
    let run = tenant.run(&order.contact_id).await.unwrap();
    assert_eq!((story(&run), run.waiting.len()), (vec!["lead/".to_owned(), "paid/o1".to_owned()], 0));
    let made = &run.transitions[1];
    assert_eq!(made.cause(), j::TransitionCause::Waited);
    assert_eq!(made.attribution_id, order.attribution_id);
    assert_eq!(made.order.as_ref().unwrap().revenue, Some(dollars(25)));
}

#[tokio::test]
async fn j4_what_can_never_be_entered_is_listed_with_its_reason() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.campaign("ANN10").await;
    let stages = [
        ("once", "repeatable: false, enter_on: [{event: order.recorded}]"),
        ("odd", "enter_on: [{event: order.updated, when: 1 / order.refunded_minor > 0}]"),
        ("lost", "kind: EXCEPTION, enter_on: [{event: order.updated}]"),
    ];
    tenant.apply(&journey("sequence: OPTIONAL", &stages)).await;
    let first = tenant.record(order("o1", "a@example.com", 10)).await;
    tenant.record(order("o2", "a@example.com", 10)).await;
    tenant.record_with(order("o2", "a@example.com", 20), o::OnConflict::Update).await;
    let entries = tenant
        .eventually(async || {
            let request = j::ListRefusedEntriesRequest { journey: "j".into(), ..Default::default() };
            let list = tenant.runs().list_refused_entries(request).await.unwrap().into_inner().entries;
            (list.len() == 2).then_some(list)
        })
        .await;
    let shown: Vec<_> =
        entries.iter().map(|e| (&*e.stage, &*e.occurrence_key, e.reason().as_str_name())).collect();
    let expected =
        [("odd", "o2", "ERROR_REASON_CONDITION_FAILED"), ("once", "o2", "ERROR_REASON_STAGE_NOT_REPEATABLE")];
    assert_eq!(shown, expected);
    assert_eq!(entries[0].detail, "division by zero");
    let run = tenant.run_of(&first.contact_id, 2).await;
    assert_eq!((story(&run), run.refused.len()), (vec!["once/o1".to_owned(), "lost/o2".to_owned()], 2));
    assert_eq!(run.refused[0].run_id, run.run.unwrap().run_id);
}

#[tokio::test]
async fn j7_j9_a_cancellation_enters_its_own_stage_and_is_passed_on() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.campaign("ANN10").await;
    let stages = [
        LIFECYCLE[1],
        ("returned", "kind: EXCEPTION, terminal: true, enter_on: [{event: order.refunded}]"),
        ("lost", "kind: EXCEPTION, enter_on: [{event: order.cancelled}]"),
    ];
    tenant.apply(&journey("sequence: OPTIONAL", &stages)).await;
    let recorded = tenant.record(order("o1", "a@example.com", 25)).await;
    let cancel = o::CancelOrderRequest { order_id: "o1".into(), ..Default::default() };
    tenant.orders().cancel_order(cancel).await.unwrap();
    let lost = |fact: &Fact| matches!(fact, Fact::StageEntered(e) if e.transition.as_ref().unwrap().to_stage == "lost");
    let events = tenant.facts_until(lost).await;
    let cancelled =
        events.iter().find_map(|e| if let Some(Fact::OrderCancelled(c)) = &e.fact { Some(c) } else { None });
    let cancelled = cancelled.expect("it comes before what it causes");
    assert_eq!((&cancelled.amount, &*cancelled.contact_id), (&Some(dollars(25)), &*recorded.contact_id));
    assert_eq!(cancelled.order.as_ref().unwrap().refunded, Some(dollars(25)));
    assert!(!events.iter().any(|e| matches!(e.fact, Some(Fact::OrderRefunded(_)))), "told once");
    assert_eq!(story(&tenant.run(&recorded.contact_id).await.unwrap()), ["first-purchase/o1", "lost/o1"]);
}

#[tokio::test]
async fn j9_refunds_and_changes_of_status_are_passed_on_in_order() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let advocate = tenant.campaign("ANN10").await;
    let stages = [LIFECYCLE[1], ("returned", "kind: EXCEPTION, enter_on: [{event: order.refunded}]")];
    tenant.apply(&journey("sequence: OPTIONAL", &stages)).await;
    tenant.record(order("o1", "a@example.com", 25)).await;
    tenant.record_with(order("o1", "a@example.com", 10), o::OnConflict::Update).await;
    let returned = |fact: &Fact| matches!(fact, Fact::StageEntered(e) if e.transition.as_ref().unwrap().to_stage == "returned");
    let events = tenant.facts_until(returned).await;
    let refund =
        events.iter().find_map(|e| if let Some(Fact::OrderRefunded(r)) = &e.fact { Some(r) } else { None });
    let refund = refund.expect("it comes before what it causes");
    assert_eq!((&refund.amount, &*refund.campaign_id), (&Some(dollars(15)), "c"));
    let order = refund.order.as_ref().unwrap();
    let left = order.revenue.as_ref().unwrap().units - order.refunded.as_ref().unwrap().units;
    assert_eq!((&*order.order_id, left), ("o1", 10));
    let status = |fact: &Fact| matches!(fact, Fact::ContactStatusChanged(s) if s.status == "BANNED");
    let ban = proto::attribution::UpdateContactStatusRequest {
        contact: Some(by_email("ANN10@example.com")),
        status: proto::attribution::ContactStatus::Banned.into(),
        ..Default::default()
    };
    tenant.contacts().update_contact_status(ban).await.unwrap();
    let events = tenant.facts_until(status).await;
    let Some(Fact::ContactStatusChanged(last)) = events.last().and_then(|e| e.fact.clone()) else { panic!() };
    assert_eq!(last.contact_id, advocate);
}

#[tokio::test]
async fn j9_flags_of_contacts_are_passed_on_without_what_people_say_about_them() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let contact_id = tenant.campaign("ANN10").await;
    let (contact, reason) = (Some(by_email("ANN10@example.com")), "looks odd".to_owned());
    let flag = proto::attribution::FlagContactRequest {
        contact: contact.clone(),
        reason: reason.clone(),
        occurred_at: None,
    };
    tenant.contacts().flag_contact(flag).await.unwrap();
    let unflag = proto::attribution::UnflagContactRequest { contact, reason, occurred_at: None };
    tenant.contacts().unflag_contact(unflag).await.unwrap();
    let events = tenant.facts_until(|fact| matches!(fact, Fact::ContactUnflagged(_))).await;
    let told = |fact: &Fact| match fact {
        Fact::ContactFlagged(flagged) => Some((flagged.contact_id.clone(), flagged.cause.clone())),
        Fact::ContactUnflagged(unflagged) => Some((unflagged.contact_id.clone(), "lifted".to_owned())),
        _ => None,
    };
    let told: Vec<_> = events.iter().filter_map(|event| told(event.fact.as_ref()?)).collect();
    assert_eq!(told, [(contact_id.clone(), "BY_HAND".to_owned()), (contact_id, "lifted".to_owned())]);
}

#[tokio::test]
async fn m4_a_moved_clock_is_told_once_both_streams_have_brought_it_and_is_the_default_time() {
    let stack = Stack::start_with(true, false).await;
    let tenant = stack.tenant("test-acme");
    tenant.set_clock(at(0)).await;
    tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &[("a", ""), ("b", "")])).await;
    let contact = tenant.contact("a@example.com").await;
    let entered = tenant.enter(&contact, "a", "").await.unwrap().transition.unwrap();
    assert_eq!(entered.occurred_at, Some(rpc::fields::wire_time(NOW)), "orders has not told yet");
    stack.orders_gate.send_replace(true);
    let moved = |to| move |fact: &Fact| matches!(fact, Fact::ClockMoved(moved) if moved.to == Some(to));
    tenant.facts_until(moved(at(0))).await;
    let entered = tenant.enter(&contact, "b", "").await.unwrap().transition.unwrap();
    assert_eq!(entered.occurred_at, Some(at(0)));
    tenant.set_clock(at(3600)).await;
    let events = tenant.facts_until(moved(at(3600))).await;
    let clocks = events.iter().filter(|e| matches!(e.fact, Some(Fact::ClockMoved(_)))).count();
    assert_eq!(clocks, 2);
}

#[tokio::test]
async fn j7_contact_events_act_on_the_runs_without_campaign() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let text = journey(
        "sequence: OPTIONAL",
        &[
            ("enrolled", "enter_on: [{event: contact.enrolled}]"),
            ("vip", "enter_on: [{event: contact.tagged, when: '\"vip\" in event.tags'}]"),
            ("member", "enter_on: [{event: segment.joined, when: event.segment_id == \"s\"}]"),
        ],
    );
    tenant.apply(&text.replace("[c]", "none")).await;
    let contact = tenant.campaign("ANN10").await;
    let tag = proto::attribution::TagContactRequest {
        contact: Some(by_email("ANN10@example.com")),
        add: vec!["vip".into()],
        ..Default::default()
    };
    tenant.contacts().tag_contact(tag).await.unwrap();
    let run = tenant
        .eventually(async || {
            let request =
                j::GetRunRequest { journey: "j".into(), contact_id: contact.clone(), ..Default::default() };
            let run = tenant.runs().get_run(request).await.ok()?.into_inner();
            (run.transitions.len() == 3).then_some(run)
        })
        .await;
    let mut stages = story(&run);
    stages.sort();
    assert_eq!(stages, ["enrolled/", "member/", "vip/"]);
    assert_eq!(run.run.unwrap().campaign_id, "");
}

#[tokio::test]
async fn j5_orders_of_two_sources_with_one_id_go_their_own_ways() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(SCOPED);
    tenant.campaign("ANN10").await;
    tenant.apply(&journey("sequence: OPTIONAL", &LIFECYCLE)).await;
    let order = tenant.record(o::NewOrder { source: "a".into(), ..order_of("1001") }).await;
    tenant.record(o::NewOrder { source: "b".into(), ..order_of("1001") }).await;
    let run = tenant.run_of(&order.contact_id, 2).await;
    assert_eq!(story(&run), ["first-purchase/a/1001", "repeat-purchase/b/1001"]);
    let ids = run.transitions.iter().filter_map(|t| t.order.as_ref()).map(|o| &*o.order_id);
    assert!(ids.eq(["1001", "1001"]));
}
