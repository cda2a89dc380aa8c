//! J11: funnels of any runs that can be asked for equal what their transitions tell, times within 1 %.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use pg::sqlx;
use proto::attribution as a;
use proto::attribution::segment_service_client::SegmentServiceClient;
use proto::google::r#type::Date as WireDate;
use proto::journeys as j;
use time::Date;
use types::Timestamp;

const CONTACTS: usize = 10;

/// Stages in the order of the definition; the steps come first.
type Stages<'a> = [(&'a str, &'a str)];

const FIRST: [(&str, &str); 4] = [
    ("a", "repeatable: true"),
    ("b", "repeatable: true"),
    ("c", "repeatable: true, terminal: true"),
    EXCEPTION,
];
const EXCEPTION: (&str, &str) = ("x", "kind: EXCEPTION, repeatable: true");

fn text(name: &str, stages: &Stages<'_>) -> String {
    let head = format!(
        "name: {name}\nsequence: OPTIONAL\nrestart: AFTER_TERMINAL\ngoal: {{stage: b, rate: 50%, by: 2026-12-31}}"
    );
    journey(&head, stages).replace("campaigns: [c]", "campaigns: [c, d]")
}

/// Numbers of a small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let n = self.below(items.len() as u64);
        &items[usize::try_from(n).unwrap()]
    }
}

/// Who is in which segment now, and which segments each run started in.
#[derive(Default)]
struct Members {
    now: BTreeMap<String, BTreeSet<String>>,
    at_start: BTreeMap<uuid::Uuid, BTreeSet<String>>,
}

impl Members {
    /// Some contacts join a segment, or leave it.
    async fn stir(&mut self, stack: &Stack, tenant: &Tenant, contacts: &[String], dice: &mut Dice) {
        for segment in ["s", "t"] {
            let chosen: Vec<&String> = contacts.iter().filter(|_| dice.below(3) == 0).collect();
            let (mut add, mut remove) = (Vec::new(), Vec::new());
            for contact in chosen {
                let named = proto::common::ContactRef { contact_id: contact.clone(), ..Default::default() };
                let segments = self.now.entry(contact.clone()).or_default();
                if segments.remove(segment) {
                    remove.push(named);
                } else {
                    segments.insert(segment.into());
                    add.push(named);
                }
            }
            let request =
                a::UpdateSegmentMembersRequest { segment_id: segment.into(), add, remove, occurred_at: None };
            let mut client = SegmentServiceClient::new(tenant.attribution.clone());
            client.update_segment_members(request).await.unwrap();
        }
        stack.caught_up().await;
    }

    fn note(&mut self, made: &[Made]) {
        for made in made {
            let segments = self.now.get(&made.contact).cloned().unwrap_or_default();
            self.at_start.entry(made.run).or_insert(segments);
        }
    }
}

/// A transition, in the order of its run.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Made {
    run: uuid::Uuid,
    campaign: String,
    contact: String,
    version: i32,
    stage: String,
    key: String,
    at: Timestamp,
}

async fn transitions(stack: &Stack) -> Vec<Made> {
    let mut admin = stack.sandbox.admin().await.unwrap();
    let query = "SELECT run_id AS run, campaign_id AS campaign, contact_id::text AS contact,
                        journey_version AS version, to_stage AS stage, occurrence_key AS key, occurred_at AS at
                   FROM journeys.transitions JOIN journeys.runs USING (tenant_id, run_id) ORDER BY run_id, number";
    sqlx::query_as(query).fetch_all(&mut admin).await.unwrap()
}

fn wire(date: Date) -> WireDate {
    WireDate { year: date.year(), month: u8::from(date.month()).into(), day: date.day().into() }
}

/// Every combination of what a funnel can be asked for.
fn questions(days: &[Date]) -> Vec<j::GetFunnelRequest> {
    let mut questions = Vec::new();
    let bounds = || [None, days.get(days.len() / 2), days.last()].map(Option::<&Date>::copied);
    for campaign in ["", "c", "d"] {
        for segment in ["", "s", "t", "nobody"] {
            for version in 0..3 {
                for (from, until) in bounds().into_iter().flat_map(|from| bounds().map(|until| (from, until)))
                {
                    if from.zip(until).is_none_or(|(from, until)| from <= until) {
                        questions.push(j::GetFunnelRequest {
                            campaign_id: campaign.into(),
                            segment_id: segment.into(),
                            version,
                            started_from: from.map(wire),
                            started_until: until.map(wire),
                            ..Default::default()
                        });
                    }
                }
            }
        }
    }
    questions
}

/// The transitions of a run in their order, if it is asked for.
fn is_asked(question: &j::GetFunnelRequest, made: &[Made], segments: &BTreeSet<String>) -> bool {
    let first = &made[0];
    let day = wire(first.at.date());
    let order = |date: &WireDate| (date.year, date.month, date.day);
    (question.campaign_id.is_empty() || question.campaign_id == first.campaign)
        && (question.segment_id.is_empty() || segments.contains(&question.segment_id))
        && (question.version == 0 || question.version == first.version)
        && question.started_from.as_ref().is_none_or(|from| order(from) <= order(&day))
        && question.started_until.as_ref().is_none_or(|until| order(&day) <= order(until))
}

/// What a funnel tells of a stage, times apart; those are exact here.
#[derive(Debug, Default, PartialEq)]
struct Row {
    counts: [i64; 6],
    micros: Vec<i128>,
}

/// Straight from the meaning of the words.
fn recomputed(stages: &Stages<'_>, runs: &[&[Made]]) -> BTreeMap<String, Row> {
    let steps: Vec<&str> = stages.iter().map(|(stage, _)| *stage).filter(|stage| *stage != "x").collect();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for made in runs {
        let has = |stage: &str| made.iter().any(|m| m.stage == stage);
        for (stage, _) in stages {
            let row = rows.entry((*stage).to_owned()).or_default();
            row.counts[0] += i64::from(has(stage));
            row.counts[1] += i64::try_from(made.iter().filter(|m| m.stage == *stage).count()).unwrap();
        }
        for (n, step) in steps.iter().enumerate().filter(|(_, step)| has(step)) {
            let row = rows.get_mut(*step).unwrap();
            row.counts[2] += i64::from(n > 0 && has(steps[n - 1]));
            row.counts[3] += i64::from(has(steps[0]));
        }
        let dropped =
            made.iter().any(|m| m.stage == "c" && m.key.is_empty()) || made.last().unwrap().stage == "x";
        if let Some(furthest) = steps.iter().rfind(|step| has(step)) {
            rows.get_mut(*furthest).unwrap().counts[if dropped { 4 } else { 5 }] += 1;
        }
        for (n, entry) in made.iter().enumerate() {
            let leaves = |(behind, next): &(usize, &Made)| {
                next.key == entry.key || (*behind == 0 && (next.key.is_empty() || entry.key.is_empty()))
            };
            if let Some((_, next)) = made[n + 1..].iter().enumerate().find(leaves) {
                let micros = (next.at - entry.at).whole_microseconds().max(0);
                rows.get_mut(&entry.stage).unwrap().micros.push(micros);
            }
        }
    }
    for row in rows.values_mut() {
        row.micros.sort_unstable();
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "a part in 10^16 of a time")]
fn is_near(told: Option<prost_types::Duration>, micros: &[i128], percent: usize) -> bool {
    let (Some(told), false) = (told, micros.is_empty()) else { return told.is_none() == micros.is_empty() };
    let exact = micros[(micros.len() * percent).div_ceil(100) - 1] as f64;
    let told = told.seconds as f64 * 1e6 + f64::from(told.nanos) / 1e3;
    (told - exact).abs() <= exact * 0.01 + 0.01
}

/// Holds every answer to what the transitions tell.
async fn compare(stack: &Stack, tenant: &Tenant, members: &Members, stages: &Stages<'_>) -> usize {
    let made = transitions(stack).await;
    let runs: Vec<&[Made]> = made.chunk_by(|one, next| one.run == next.run).collect();
    let days: BTreeSet<Date> = runs.iter().map(|run| run[0].at.date()).collect();
    let mut answers = 0;
    for question in questions(&days.into_iter().collect::<Vec<_>>()) {
        let asked: Vec<&[Made]> = runs
            .iter()
            .copied()
            .filter(|run| is_asked(&question, run, &members.at_start[&run[0].run]))
            .collect();
        let funnel = tenant.ask_funnel(question.clone()).await.unwrap();
        assert_eq!(funnel.runs, i64::try_from(asked.len()).unwrap(), "{question:?}");
        let mut expected = recomputed(stages, &asked);
        let entered = |stage: &str| expected.get(stage).map_or(0, |row| row.counts[0]);
        let reached =
            if entered(stages[0].0) == 0 { 0 } else { entered("b") * 10_000 / entered(stages[0].0) };
        assert_eq!(funnel.goal_progress.unwrap().reached_basis_points, reached, "{question:?}");
        for told in funnel.stages {
            let row = expected.remove(&told.stage).unwrap_or_default();
            let counts = [
                told.entered,
                told.transitions,
                told.converted_from_previous,
                told.converted_from_first,
                told.dropped_off,
                told.still_there,
            ];
            assert_eq!(counts, row.counts, "{} of {question:?}", told.stage);
            assert_eq!(
                told.entries_left,
                i64::try_from(row.micros.len()).unwrap(),
                "{} of {question:?}",
                told.stage
            );
            assert!(is_near(told.median_time, &row.micros, 50), "{:?} for {row:?}", told.median_time);
            assert!(is_near(told.p90_time, &row.micros, 90), "{:?} for {row:?}", told.p90_time);
        }
        assert!(expected.is_empty(), "{expected:?} is not told for {question:?}");
        answers += asked.len();
    }
    answers
}

/// Some calls at once.
async fn enter(tenant: &Tenant, contacts: &[String], dice: &mut Dice) {
    let calls = (0..80).map(|_| {
        // dates within six days, in no order, and down to seconds
        let seconds = i64::try_from(dice.below(6 * 86_400)).unwrap();
        let request = j::EnterStageRequest {
            journey: "j".into(),
            campaign_id: (*dice.of(&["c", "c", "d"])).into(),
            contact_id: dice.of(contacts).clone(),
            stage: (*dice.of(&["a", "b", "x", "b", "a", "c"])).into(),
            occurrence_key: (*dice.of(&["", "k1", "k2", "k3"])).into(),
            occurred_at: Some(at(seconds)),
        };
        let mut runs = tenant.runs();
        async move { drop(runs.enter_stage(request).await) }
    });
    futures::future::join_all(calls.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn j11_funnels_of_all_cohorts_equal_what_the_transitions_tell() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    for segment in ["s", "t"] {
        let request = a::CreateSegmentRequest { segment_id: segment.into(), ..Default::default() };
        SegmentServiceClient::new(tenant.attribution.clone()).create_segment(request).await.unwrap();
    }
    tenant.apply(&text("one", &FIRST)).await;
    let mut contacts = Vec::new();
    for n in 0..CONTACTS {
        contacts.push(tenant.contact(&format!("{n}@example.com")).await);
    }
    let (mut dice, mut members) = (Dice(11), Members::default());
    for round in 0..4 {
        members.stir(&stack, &tenant, &contacts, &mut dice).await;
        if round == 2 {
            assert_eq!(tenant.apply(&text("two", &FIRST)).await.version, 2);
        }
        enter(&tenant, &contacts, &mut dice).await;
        members.note(&transitions(&stack).await);
    }
    assert!(compare(&stack, &tenant, &members, &FIRST).await > 300);
    // another order of the steps, and one more: counted anew what depends on it, in every cohort, and kept from there on
    let second = [FIRST[1], ("new", ""), FIRST[0], FIRST[2], EXCEPTION];
    tenant.apply(&text("two", &second)).await;
    compare(&stack, &tenant, &members, &second).await;
    enter(&tenant, &contacts, &mut dice).await;
    members.note(&transitions(&stack).await);
    compare(&stack, &tenant, &members, &second).await;
    // lost, and counted anew by a service that starts
    let mut admin = stack.sandbox.admin().await.unwrap();
    let lose = "UPDATE journeys.journeys SET recount = true;
                UPDATE journeys.funnel SET converted_from_previous = 7, converted_from_first = 7, dropped_off = 7,
                                           still_there = 7";
    sqlx::raw_sql(lose).execute(&mut admin).await.unwrap();
    stack.start_journeys_again().await;
    compare(&stack, &tenant, &members, &second).await;
    // and back: as if it had never been otherwise
    tenant.apply(&text("two", &FIRST)).await;
    compare(&stack, &tenant, &members, &FIRST).await;
}

#[tokio::test]
async fn j11_what_cannot_be_asked_is_refused_by_its_field() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    tenant.apply(&text("one", &FIRST)).await;
    let date = |year, month, day| Some(WireDate { year, month, day });
    let ask = async |from, until, version| {
        let request =
            j::GetFunnelRequest { started_from: from, started_until: until, version, ..Default::default() };
        tenant.ask_funnel(request).await.unwrap_err()
    };
    for wrong in [date(2026, 2, 29), date(2026, 0, 0), date(0, 1, 1), date(2026, 13, 1), date(10_000, 1, 1)] {
        assert_eq!(fields(&ask(wrong, None, 0).await), ["started_from"]);
        assert_eq!(fields(&ask(None, wrong, 0).await), ["started_until"]);
    }
    assert_eq!(fields(&ask(date(2026, 3, 2), date(2026, 3, 1), 0).await), ["started_until"]);
    assert_eq!(fields(&ask(None, None, -1).await), ["version"]);
    assert_eq!(reason(&ask(None, None, 2).await), "JOURNEY_NOT_FOUND");
}

#[tokio::test]
async fn j11_a_run_that_joining_a_segment_starts_is_in_it_and_an_erased_contact_is_in_none() {
    let stack = Stack::start().await;
    let tenant = stack.tenant(TENANT);
    let stages =
        [("member", "enter_on: [{event: segment.joined, when: event.segment_id == \"s\"}]"), ("b", "")];
    tenant.apply(&journey("sequence: OPTIONAL", &stages).replace("[c]", "none")).await;
    let advocate = tenant.campaign("ANN10").await;
    stack.caught_up().await;
    let of = async |segment: &str| {
        let request = j::GetFunnelRequest { segment_id: segment.into(), ..Default::default() };
        tenant.ask_funnel(request).await.unwrap().runs
    };
    assert_eq!((of("s").await, of("t").await), (1, 0));
    let known = async || {
        let query = "SELECT count(*) FROM contact_segments WHERE contact_id::text = $1";
        let count: i64 = sqlx::query_scalar(query).bind(&advocate).fetch_one(stack.db.read()).await.unwrap();
        count
    };
    assert_eq!(known().await, 1);
    let erase = a::EraseContactRequest { contact: Some(by_email("ANN10@example.com")), ..Default::default() };
    let mut client =
        proto::attribution::erasure_service_client::ErasureServiceClient::new(tenant.attribution.clone());
    client.erase_contact(erase).await.unwrap();
    tenant.eventually(async || (known().await == 0).then_some(())).await;
    assert_eq!(of("s").await, 1, "what was counted stays so");
}
