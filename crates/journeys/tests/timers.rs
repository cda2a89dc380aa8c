//! Timers (J7, M4) on the running services: by the real clock, by a test clock, and by two servers at once.

mod common;

use std::sync::Arc;

use common::*;
use proto::journeys as j;
use proto::journeys::TransitionCause as Cause;
use proto::journeys::journey_event::Fact;
use time::Duration;

const SHOP: &str = "\
journey: j
sequence: OPTIONAL
campaigns: all
stages:
  - stage: bought
    enter_on: [{event: order.recorded}]
  - stage: review
    repeatable: true
    enter_after: [{after: bought, wait: 10d, unless: [refunded]}]
  - stage: asked-again
    repeatable: true
    enter_after: [{after: review, wait: 7d, unless: [refunded]}]
  - {stage: refunded, kind: EXCEPTION, repeatable: true}
";

/// Stage and cause of each transition.
fn story(run: &j::GetRunResponse) -> Vec<(&str, Cause)> {
    run.transitions.iter().map(|t| (t.to_stage.as_str(), t.cause())).collect()
}

#[tokio::test]
async fn j7_a_timer_fires_when_it_is_due_and_says_so_in_the_run_and_in_the_stream() {
    let stack = Stack::start().await;
    let acme = stack.tenant(TENANT);
    acme.campaign("ann10").await;
    acme.apply(SHOP).await;
    let joe = acme.contact("joe@example.com").await;
    acme.enter(&joe, "bought", "o1").await.unwrap();
    let run = acme.run(&joe).await.unwrap();
    let [timer] = run.timers.as_slice() else { panic!("{run:?}") };
    assert_eq!((timer.stage.as_str(), timer.after_stage.as_str()), ("review", "bought"));
    assert_eq!(timer.occurrence_key, "o1");
    assert_eq!(timer.cause_transition_id, run.transitions[0].transition_id);
    let due = NOW + Duration::days(10);
    assert_eq!(timer.due_at, Some(rpc::fields::wire_time(due)));
    stack.clock.set(due + Duration::hours(5));
    let run = acme.run_of(&joe, 2).await;
    assert_eq!(story(&run), [("bought", Cause::Call), ("review", Cause::Timer)]);
    let review = &run.transitions[1];
    assert_eq!(
        review.occurred_at,
        Some(rpc::fields::wire_time(due)),
        "when it was due, however late it fires"
    );
    assert_eq!(review.cause_event_id, run.transitions[0].transition_id);
    assert_eq!(review.occurrence_key, "o1");
    // the next one is set from when it was due
    assert_eq!(run.timers[0].due_at, Some(rpc::fields::wire_time(due + Duration::days(7))));
    let told = |fact: &Fact| matches!(fact, Fact::StageEntered(entered) if entered.transition.as_ref() == Some(review));
    acme.facts_until(told).await;
}

#[tokio::test]
async fn j7_a_stage_of_its_unless_takes_the_timer_away_in_the_same_transaction() {
    let stack = Stack::start().await;
    let acme = stack.tenant(TENANT);
    acme.campaign("ann10").await;
    acme.apply(SHOP).await;
    let joe = acme.contact("joe@example.com").await;
    for key in ["o1", "o2"] {
        acme.enter(&joe, "bought", key).await.unwrap();
    }
    acme.enter(&joe, "refunded", "o1").await.unwrap();
    let keys =
        |run: &j::GetRunResponse| run.timers.iter().map(|t| t.occurrence_key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&acme.run(&joe).await.unwrap()), ["o2"]);
    stack.clock.set(NOW + Duration::days(400));
    let run = acme.run_of(&joe, 5).await;
    let last: Vec<&str> = run.transitions[3..].iter().map(|t| t.to_stage.as_str()).collect();
    assert_eq!(last, ["review", "asked-again"]);
    assert!(run.timers.is_empty());
}

#[tokio::test]
async fn j7_two_servers_on_one_database_fire_each_timer_once() {
    let stack = Stack::start().await;
    let acme = stack.tenant(TENANT);
    acme.campaign("ann10").await;
    acme.apply(SHOP).await;
    let clock: Arc<dyn types::Clock> = Arc::new(stack.clock.clone());
    let upstream = stack.upstream.clone();
    journeys::start(stack.db.clone(), clock, &stack.lifecycle, upstream).await.unwrap();
    let mut contacts = Vec::new();
    for n in 0..30 {
        contacts.push(acme.contact(&format!("joe-{n}@example.com")).await);
    }
    for contact in &contacts {
        for key in ["o1", "o2", "o3"] {
            acme.enter(contact, "bought", key).await.unwrap();
        }
    }
    // both fire, and somebody ends some of them meanwhile
    stack.clock.set(NOW + Duration::days(30));
    for contact in &contacts {
        let _ = acme.enter(contact, "refunded", "o3").await.unwrap();
    }
    for contact in &contacts {
        let run = acme
            .eventually(async || Some(acme.run(contact).await.unwrap()).filter(|r| r.timers.is_empty()))
            .await;
        let count = |stage: &str| run.transitions.iter().filter(|t| t.to_stage == stage).count();
        assert_eq!((count("bought"), count("refunded")), (3, 1));
        // what was due before the refund happened before it
        assert_eq!((count("review"), count("asked-again")), (3, 3), "{:?}", story(&run));
        let mut keys: Vec<_> = run.transitions.iter().map(|t| (&t.to_stage, &t.occurrence_key)).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), run.transitions.len(), "each once");
    }
}

#[tokio::test]
async fn m4_a_test_clock_fires_what_is_due_in_order_before_the_stream_says_that_it_moved() {
    let stack = Stack::start().await;
    let acme = stack.tenant("test-acme");
    acme.set_clock(rpc::fields::wire_time(NOW)).await;
    acme.campaign("ann10").await;
    acme.apply(SHOP).await;
    let joe = acme.contact("joe@example.com").await;
    let jim = acme.contact("jim@example.com").await;
    let moved_to = |fact: &Fact, to: types::Timestamp| matches!(fact, Fact::ClockMoved(m) if m.to == Some(rpc::fields::wire_time(to)));
    acme.facts_until(|fact| moved_to(fact, NOW)).await;
    acme.enter(&joe, "bought", "").await.unwrap();
    acme.set_clock(rpc::fields::wire_time(NOW + Duration::days(1))).await;
    acme.facts_until(|fact| moved_to(fact, NOW + Duration::days(1))).await;
    acme.enter(&jim, "bought", "").await.unwrap();
    let end = NOW + Duration::days(31);
    acme.set_clock(rpc::fields::wire_time(end)).await;
    let facts = acme.facts_until(|fact| moved_to(fact, end)).await;
    let told = |event: &j::JourneyEvent| match event.fact.as_ref()? {
        Fact::StageEntered(entered) => {
            let made = entered.transition.as_ref()?;
            let who = if made.contact_id == joe { "joe" } else { "jim" };
            Some(format!("{who} {}", made.to_stage))
        }
        Fact::ClockMoved(moved) => {
            let to = rpc::fields::timestamp("to", moved.to.as_ref()).ok()??;
            let days = (to - NOW).whole_seconds().div_euclid(86_400);
            Some(format!("day {days}"))
        }
        _ => None,
    };
    let told: Vec<String> = facts.iter().filter_map(told).collect();
    // the clock stands just before each of them, so that whoever follows does first what is due by then
    let expected = [
        "day 0",
        "joe bought",
        "day 1",
        "jim bought",
        "day 9",
        "joe review",
        "day 10",
        "jim review",
        "day 16",
        "joe asked-again",
        "day 17",
        "jim asked-again",
        "day 31",
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn j7_a_timer_that_cannot_be_fired_is_set_aside_and_holds_up_no_other() {
    let stack = Stack::start().await;
    let acme = stack.tenant(TENANT);
    acme.campaign("ann10").await;
    acme.apply(SHOP).await;
    let joe = acme.contact("joe@example.com").await;
    acme.enter(&joe, "bought", "o1").await.unwrap();
    let mut admin = stack.sandbox.admin().await.unwrap();
    // a definition that this version cannot read, with a timer that is due before the others
    let broken = "
        SET search_path = journeys;
        INSERT INTO journeys VALUES ('broken', 'j', 1, 'all', '{}');
        INSERT INTO journey_versions VALUES ('broken', 'j', 1, 'stages: [', now());
        INSERT INTO timers (tenant_id, run_id, occurrence_key, stage, after_stage, journey, campaign_id, contact_id, cause_id,
                            due_at)
        SELECT 'broken', gen_random_uuid(), '', 'review', 'bought', 'j', 'c', gen_random_uuid(), gen_random_uuid(),
               '2026-03-02' FROM generate_series(1, 2)";
    pg::sqlx::raw_sql(broken).execute(&mut admin).await.unwrap();
    stack.clock.set(NOW + Duration::days(30));
    let run = acme.run_of(&joe, 3).await;
    assert_eq!(run.transitions[2].to_stage, "asked-again");
    let aside = "SELECT count(*) FROM journeys.timers WHERE failure IS NOT NULL AND tenant_id = 'broken'";
    let aside: i64 = pg::sqlx::query_scalar(aside).fetch_one(&mut admin).await.unwrap();
    assert_eq!(aside, 2);
}

#[tokio::test]
async fn m4_more_than_one_transaction_takes_is_done_before_the_clock_shows_it() {
    let stack = Stack::start().await;
    let acme = stack.tenant("test-acme");
    acme.set_clock(rpc::fields::wire_time(NOW)).await;
    acme.campaign("ann10").await;
    // one run that goes round once an hour: 744 transitions in 31 days, and as many again under another key
    acme.apply("journey: j\nsequence: OPTIONAL\ncampaigns: all\nrestart: AFTER_TERMINAL\nstages:\n  - stage: on\n  - {stage: off, terminal: true, enter_after: [{after: on, wait: 1h}]}\n").await;
    acme.apply("journey: back\nsequence: OPTIONAL\ncampaigns: all\nrestart: AFTER_TERMINAL\nstages:\n  - {stage: again, terminal: true, enter_on: [{event: stage.entered, journey: j, stage: off}]}\n").await;
    acme.apply("journey: j\nsequence: OPTIONAL\ncampaigns: all\nrestart: AFTER_TERMINAL\nstages:\n  - {stage: on, enter_on: [{event: stage.entered, journey: back, stage: again}]}\n  - {stage: off, terminal: true, enter_after: [{after: on, wait: 30m}]}\n").await;
    let joe = acme.contact("joe@example.com").await;
    let clock =
        |fact: &Fact| matches!(fact, Fact::ClockMoved(m) if m.to == Some(rpc::fields::wire_time(NOW)));
    acme.facts_until(clock).await;
    acme.enter(&joe, "on", "").await.unwrap();
    let end = NOW + Duration::days(31);
    acme.set_clock(rpc::fields::wire_time(end)).await;
    let moved =
        |fact: &Fact| matches!(fact, Fact::ClockMoved(m) if m.to == Some(rpc::fields::wire_time(end)));
    let facts = acme.facts_until(moved).await;
    let off = |event: &&j::JourneyEvent| match &event.fact {
        Some(Fact::StageEntered(entered)) => entered.transition.as_ref().is_some_and(|t| t.to_stage == "off"),
        _ => false,
    };
    assert_eq!(facts.iter().filter(off).count(), 31 * 48, "all of them before the clock shows it");
}

#[tokio::test]
async fn j7_what_is_due_is_found_by_an_index_however_much_is_parked() {
    let stack = Stack::start().await;
    let mut admin = stack.sandbox.admin().await.unwrap();
    for (tenant, sql) in [
        ("acme", "NOT sandbox AND failure IS NULL AND due_at <= now()"),
        ("test-a", "sandbox AND failure IS NULL AND tenant_id = 'test-a' AND due_at <= now()"),
    ] {
        let fill = "INSERT INTO journeys.timers (tenant_id, run_id, occurrence_key, stage, after_stage, journey, campaign_id,
                            contact_id, cause_id, due_at)
                    SELECT $1, gen_random_uuid(), '', 's', 'a', 'j', 'c', gen_random_uuid(), gen_random_uuid(),
                           now() + n * interval '1 minute' FROM generate_series(1, 20000) n";
        pg::sqlx::query(fill).bind(tenant).execute(&mut admin).await.unwrap();
        pg::sqlx::query("ANALYZE journeys.timers").execute(&mut admin).await.unwrap();
        let order = if tenant == "acme" { "due_at, n" } else { "tenant_id, due_at, n" };
        let explain = format!("EXPLAIN SELECT * FROM journeys.timers WHERE {sql} ORDER BY {order} LIMIT 500");
        let plan: Vec<String> =
            pg::sqlx::query_scalar(pg::sqlx::AssertSqlSafe(explain)).fetch_all(&mut admin).await.unwrap();
        let plan = plan.join("\n");
        assert!(
            plan.contains("Index Scan") && !plan.contains("Sort") && !plan.contains("Seq Scan"),
            "{plan}"
        );
    }
}
