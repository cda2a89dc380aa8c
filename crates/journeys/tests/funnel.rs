//! J11: the funnel is exact, whatever happened, also over a change of the journey.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::*;
use pg::sqlx;
use proto::google::r#type::Date;
use proto::journeys as j;

const STEPS: [(&str, &str); 4] = [
    ("a", "repeatable: true"),
    ("b", "repeatable: true"),
    ("c", "repeatable: true, terminal: true"),
    ("x", "kind: EXCEPTION, repeatable: true"),
];

fn row(stage: &j::FunnelStage) -> (&str, [i64; 6]) {
    let counts = [
        stage.entered,
        stage.transitions,
        stage.converted_from_previous,
        stage.converted_from_first,
        stage.dropped_off,
        stage.still_there,
    ];
    (&stage.stage, counts)
}

#[tokio::test]
async fn j11_the_funnel_counts_runs_and_transitions_as_the_contract_says() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: OPTIONAL", &STEPS)).await;
    for (email, stages) in [
        ("1@example.com", "a"),
        ("2@example.com", "ab"),
        ("3@example.com", "abx"),
        ("4@example.com", "axb"),
        ("5@example.com", "abc"),
        ("6@example.com", "b"),
    ] {
        let contact = tenant.contact(email).await;
        for stage in stages.chars() {
            tenant.enter(&contact, &stage.to_string(), "").await.unwrap();
        }
    }
    let funnel = tenant.funnel().await;
    let expected = [
        ("a", [5, 5, 0, 5, 0, 1]),
        ("b", [5, 5, 4, 4, 1, 3]),
        ("c", [1, 1, 1, 1, 1, 0]),
        ("x", [2, 2, 0, 0, 0, 0]),
    ];
    assert_eq!((funnel.runs, funnel.stages.iter().map(row).collect::<Vec<_>>()), (6, expected.to_vec()));
    assert!(funnel.stages[3].exception);
}

#[tokio::test]
async fn j1_the_funnel_reports_against_the_goal() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let head = "sequence: OPTIONAL\ngoal: {stage: b, rate: 62.5%, by: 2026-12-31}";
    let wanted = j::Goal {
        stage: "b".into(),
        rate_basis_points: 6250,
        by: Some(Date { year: 2026, month: 12, day: 31 }),
    };
    assert_eq!(tenant.apply(&journey(head, &STEPS)).await.goal, Some(wanted.clone()));
    let get = j::GetJourneyRequest { journey: "j".into(), version: 0 };
    let got = tenant.journeys().get_journey(get.clone()).await.unwrap().into_inner().journey.unwrap();
    assert_eq!((got.version, got.goal), (1, Some(wanted.clone())));
    let progress = |goal: &j::Goal, reached_basis_points| {
        Some(j::GoalProgress { goal: Some(goal.clone()), reached_basis_points })
    };
    assert_eq!(tenant.funnel().await.goal_progress, progress(&wanted, 0), "nobody is there yet");

    for (email, stages) in [("1@example.com", "a"), ("2@example.com", "ab"), ("3@example.com", "abxb")] {
        let contact = tenant.contact(email).await;
        for (n, stage) in stages.chars().enumerate() {
            tenant.enter(&contact, &stage.to_string(), &format!("k{n}")).await.unwrap();
        }
    }
    assert_eq!(tenant.funnel().await.goal_progress, progress(&wanted, 6666), "2 runs of 3, rounded down");
    assert_eq!(tenant.funnel_of("elsewhere").await.goal_progress, progress(&wanted, 0));

    // another goal is another version, reported against what was counted before
    let second = tenant.apply(&journey(&head.replace("stage: b", "stage: c"), &STEPS)).await;
    let wanted = j::Goal { stage: "c".into(), ..wanted };
    assert_eq!((second.version, second.goal), (2, Some(wanted.clone())));
    assert_eq!(tenant.funnel().await.goal_progress, progress(&wanted, 0));
    let without = tenant.apply(&journey("sequence: OPTIONAL", &STEPS)).await;
    assert_eq!((without.version, without.goal), (3, None));
    assert_eq!(tenant.funnel().await.goal_progress, None);
    let bad = journey(&head.replace("stage: b", "stage: x"), &STEPS);
    let error = tenant.try_apply(&bad, 0).await.unwrap_err();
    assert_eq!(
        (&*reason(&error), fields(&error)),
        ("INVALID_DEFINITION", vec!["definition:4:15".to_owned()])
    );
}

/// Numbers of a small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Straight from the transitions, in SQL that shares nothing with the service's.
const RECOMPUTED: &str = "
    WITH steps (stage, n) AS (SELECT * FROM unnest($1::text[]) WITH ORDINALITY),
         made AS (SELECT * FROM journeys.transitions),
         ends AS (SELECT run_id, bool_or(to_stage = 'c' AND occurrence_key = '') AS ended,
                         (array_agg(to_stage ORDER BY number DESC))[1] = 'x' AS fell,
                         max(s.n) AS furthest
                    FROM made LEFT JOIN steps s ON s.stage = to_stage GROUP BY run_id)
    SELECT stage, count(DISTINCT m.run_id), count(*),
           count(DISTINCT m.run_id) FILTER (WHERE EXISTS (
               SELECT FROM made p JOIN steps b ON b.stage = p.to_stage WHERE p.run_id = m.run_id AND b.n = s.n - 1)),
           count(DISTINCT m.run_id) FILTER (WHERE EXISTS (
               SELECT FROM made p JOIN steps b ON b.stage = p.to_stage WHERE p.run_id = m.run_id AND b.n = 1)),
           count(DISTINCT m.run_id) FILTER (WHERE e.furthest = s.n AND (e.ended OR e.fell)),
           count(DISTINCT m.run_id) FILTER (WHERE e.furthest = s.n AND NOT (e.ended OR e.fell))
      FROM made m JOIN steps s ON s.stage = m.to_stage JOIN ends e USING (run_id)
     GROUP BY stage ORDER BY stage";

async fn recomputed(stack: &Stack, steps: &[&str]) -> Vec<(String, [i64; 6])> {
    let mut admin = stack.sandbox.admin().await.unwrap();
    let rows: Vec<(String, i64, i64, i64, i64, i64, i64)> =
        sqlx::query_as(RECOMPUTED).bind(steps).fetch_all(&mut admin).await.unwrap();
    rows.into_iter().map(|(stage, a, b, c, d, e, f)| (stage, [a, b, c, d, e, f])).collect()
}

async fn counted(tenant: &Tenant) -> Vec<(String, [i64; 6])> {
    let funnel = tenant.funnel().await;
    let steps = funnel.stages.iter().filter(|s| !s.exception && s.entered > 0);
    let mut rows: Vec<_> = steps.map(row).map(|(stage, counts)| (stage.to_owned(), counts)).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn j11_the_funnel_equals_what_the_transitions_tell() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&journey("sequence: OPTIONAL\nrestart: AFTER_TERMINAL", &STEPS)).await;
    let mut contacts = Vec::new();
    for n in 0..12 {
        contacts.push(tenant.contact(&format!("{n}@example.com")).await);
    }
    let mut dice = Dice(7);
    for round in 0..6 {
        let calls = (0..60).map(|_| {
            let contact = contacts[usize::try_from(dice.below(12)).unwrap()].clone();
            let stage = ["a", "b", "x", "b", "a", "c"][usize::try_from(dice.below(6)).unwrap()];
            let key = ["", "k1", "k2", "k3"][usize::try_from(dice.below(4)).unwrap()];
            let tenant = tenant.clone();
            async move { drop(tenant.enter(&contact, stage, key).await) }
        });
        futures::future::join_all(calls).await;
        assert_eq!(counted(&tenant).await, recomputed(&stack, &["a", "b", "c"]).await, "round {round}");
    }
    // another order of the steps, and one more
    let stages = [STEPS[1], ("new", ""), STEPS[0], STEPS[2], STEPS[3]];
    tenant.apply(&journey("sequence: OPTIONAL\nrestart: AFTER_TERMINAL", &stages)).await;
    assert_eq!(counted(&tenant).await, recomputed(&stack, &["b", "new", "a", "c"]).await);
    for contact in &contacts {
        drop(tenant.enter(contact, "new", "").await);
    }
    assert_eq!(counted(&tenant).await, recomputed(&stack, &["b", "new", "a", "c"]).await);
}
