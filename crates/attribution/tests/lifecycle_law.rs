//! A2, A3, A11: whatever people and evidence do at once, one attribution at most is active, and the past stays.

mod common;

use common::moves::{activate, deactivate, reassign, to};
use common::*;
use proptest::prelude::*;
use proto::attribution as v1;
use time::Duration;
use types::Timestamp;
use v1::AttributionState;

fn hours(n: i64) -> Timestamp {
    NOW + Duration::hours(n)
}

/// Who was in force for joe, hour by hour.
async fn advocate_at(of: &Tenant, at: Timestamp) -> Option<String> {
    of.lookup("spring", "joe", Some(at)).await.ok().map(|attribution| attribution.advocate_id)
}

/// One thing that happens to joe.
#[derive(Debug, Clone, Copy)]
enum Step {
    Attempt(usize),
    Reassign(usize),
    Deactivate,
    Activate(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize).prop_map(Step::Attempt),
        (0..3_usize).prop_map(Step::Reassign),
        Just(Step::Deactivate),
        (0..3_usize).prop_map(Step::Activate),
    ]
}

const CODES: [&str; 3] = ["ANN10", "BOB10", "CLEO10"];

async fn take(of: &Tenant, advocates: &[String], step: Step, when: Timestamp) {
    let rows = of.all_attributions().await;
    match step {
        Step::Attempt(n) => drop(of.record(at(by_code("joe", CODES[n]), when)).await),
        Step::Reassign(n) => drop(reassign(of, to(email("joe"), id(&advocates[n]), Some(when))).await),
        Step::Deactivate => {
            if let Some(row) = rows.iter().find(|row| row.state() == AttributionState::Active) {
                drop(deactivate(of, &row.attribution_id, Some(when)).await);
            }
        }
        Step::Activate(n) => {
            if let Some(row) = rows.iter().find(|row| row.advocate_id == advocates[n]) {
                drop(activate(of, &row.attribution_id, Some(when)).await);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens at once, one attribution at most is active, and at each time at most one was in force; what was in
    /// force in the past stays so.
    #[test]
    fn a2_and_a3_at_most_one_is_active_and_the_past_stays(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let service = Service::start().await;
            let acme = service.of("acme");
            let (ann, bob) = acme.program().await;
            let advocates = [ann, bob, acme.advocate("cleo", "CLEO10").await];
            acme.contacts()
                .upsert_contact(v1::UpsertContactRequest { email: "joe@example.com".into(), ..Default::default() })
                .await
                .unwrap();
            let mut told: Vec<Option<String>> = Vec::new();
            for (hour, both) in steps.chunks(3).enumerate() {
                let hour = i64::try_from(hour).unwrap();
                let mut at_once = tokio::task::JoinSet::new();
                for step in both.iter().copied() {
                    let (acme, advocates) = (acme.clone(), advocates.clone());
                    at_once.spawn(async move { take(&acme, &advocates, step, hours(hour - 20)).await });
                }
                at_once.join_all().await;
                let rows = acme.all_attributions().await;
                assert!(rows.iter().filter(|row| row.state() == AttributionState::Active).count() <= 1);
                told.push(advocate_at(&acme, hours(hour - 20) + Duration::MINUTE).await);
                for (past, who) in told.iter().enumerate() {
                    let at = hours(i64::try_from(past).unwrap() - 20) + Duration::MINUTE;
                    assert_eq!(&advocate_at(&acme, at).await, who, "hour {past} after hour {hour}");
                }
            }
        });
    }
}
