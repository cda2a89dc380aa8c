//! J11: counters equal what the transitions tell, whatever happened.

use proptest::prelude::*;

use super::super::definition::Kind;
use super::*;

#[derive(Debug, Clone)]
enum Act {
    Call(usize, usize),
    Event(usize, usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (any::<bool>(), 0..5_usize, 0..4_usize)
        .prop_map(|(call, stage, key)| if call { Act::Call(stage, key) } else { Act::Event(stage, key) });
    prop::collection::vec(act, 0..40)
}

fn journeys() -> impl Strategy<Value = String> {
    let stage = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.25));
    let stages = prop::collection::vec(stage, 5);
    let head = (any::<bool>(), 0..3_usize, any::<bool>());
    (head, stages).prop_filter_map("a sound definition", |((required, gap, restart), stages)| {
        let head = format!(
            "sequence: {}\non_gap: {}\nrestart: {}",
            if required { "REQUIRED" } else { "OPTIONAL" },
            ["WAIT", "FILL", "REFUSE"][gap],
            if restart { "AFTER_TERMINAL" } else { "NEVER" },
        );
        let extras: Vec<String> = stages
            .iter()
            .enumerate()
            .map(|(n, (optional, repeatable, terminal, exception))| {
                let kind = if *exception && n > 0 { "EXCEPTION" } else { "STEP" };
                let condition = format!("order.revenue_minor == {n}");
                format!(
                    "optional: {optional}, repeatable: {repeatable}, terminal: {terminal}, kind: {kind}, \
                     enter_on: [{{event: order.recorded, when: {condition}}}]"
                )
            })
            .collect();
        let keys = ["s0", "s1", "s2", "s3", "s4"];
        let stages: Vec<(&str, &str)> = keys.into_iter().zip(extras.iter().map(String::as_str)).collect();
        let text = journey(&head, &stages);
        yaml::parse(&text).is_ok().then_some(text)
    })
}

fn play(world: &mut World, acts: &[Act]) {
    for (n, act) in acts.iter().enumerate() {
        match act {
            Act::Call(stage, key) => {
                let _ = world.call(&format!("s{stage}"), ["", "k1", "k2", "k3"][*key]);
            }
            Act::Event(stage, key) => {
                let minor = i64::try_from(*stage).unwrap();
                let mut event = order_event(Signal::OrderRecorded, ["k1", "k2", "k3", "k4"][*key], minor);
                if n % 3 == 0 {
                    event.place.campaign = Some("d".parse().unwrap());
                }
                world.happen(&event);
            }
        }
    }
}

/// Straight from the meaning of the words, on nothing but the transitions.
fn recomputed(world: &World) -> BTreeMap<CounterKey, Counts> {
    let definition = &world.applied()[0].definition;
    let steps: Vec<_> =
        definition.stages.iter().filter(|s| s.kind == Kind::Step).map(|s| s.key.clone()).collect();
    let mut runs: BTreeMap<types::RunId, Vec<&Transition>> = BTreeMap::new();
    for made in &world.transitions {
        runs.entry(made.run).or_default().push(made);
    }
    let mut counters: BTreeMap<CounterKey, Counts> = BTreeMap::new();
    for made in runs.values() {
        let key = |stage| {
            (made[0].place.tenant.clone(), made[0].journey.clone(), made[0].place.campaign.clone(), stage)
        };
        let whole = counters.entry(key(None)).or_default();
        whole.entered += 1;
        whole.transitions += i64::try_from(made.len()).unwrap();
        for stage in &definition.stages {
            let times = made.iter().filter(|t| t.entry.stage == stage.key).count();
            if times > 0 {
                let counts = counters.entry(key(Some(stage.key.clone()))).or_default();
                counts.entered += 1;
                counts.transitions += i64::try_from(times).unwrap();
            }
        }
        let entered = |step: &types::StageKey| made.iter().any(|t| t.entry.stage == *step);
        for (n, step) in steps.iter().enumerate().filter(|(_, step)| entered(step)) {
            let counts = counters.entry(key(Some(step.clone()))).or_default();
            counts.converted_from_previous += i64::from(n > 0 && entered(&steps[n - 1]));
            counts.converted_from_first += i64::from(entered(&steps[0]));
        }
        let stage_of = |t: &Transition| definition.stage(&t.entry.stage).unwrap().clone();
        let ended = made.iter().any(|t| stage_of(t).terminal && t.entry.key.is_none());
        let fell = stage_of(made[made.len() - 1]).kind == Kind::Exception;
        if let Some(furthest) = steps.iter().rev().find(|step| entered(step)) {
            let counts = counters.entry(key(Some(furthest.clone()))).or_default();
            if ended || fell { counts.dropped_off += 1 } else { counts.still_there += 1 }
        }
    }
    counters
}

proptest! {
    #[test]
    fn j11_counters_equal_what_the_transitions_tell(text in journeys(), acts in acts()) {
        let mut world = World::new(&[&text]);
        play(&mut world, &acts);
        world.counters.retain(|_, counts| *counts != Counts::default());
        prop_assert_eq!(&world.counters, &recomputed(&world));
    }

    #[test]
    fn j4_no_run_breaks_the_order_whatever_happens(text in journeys(), acts in acts()) {
        let mut world = World::new(&[&text]);
        play(&mut world, &acts);
        let definition = world.applied()[0].definition.clone();
        let mut seen: HashMap<types::RunId, Vec<(OccurrenceKey, types::StageKey)>> = HashMap::new();
        for made in &world.transitions {
            let before = seen.entry(made.run).or_default();
            let stage = definition.stage(&made.entry.stage).unwrap();
            let entry = (made.entry.key.clone(), made.entry.stage.clone());
            prop_assert!(!before.contains(&entry), "twice under one key");
            let again = before.iter().any(|(_, s)| *s == stage.key);
            prop_assert!(!again || stage.repeatable);
            prop_assert!(!before.is_empty() || stage.kind == Kind::Step, "an exception started a run");
            let terminal = |(key, s): &(OccurrenceKey, types::StageKey)| {
                definition.stage(s).unwrap().terminal && (key.is_none() || *key == made.entry.key)
            };
            prop_assert!(!before.iter().any(terminal), "entered after the end");
            if definition.sequence == super::super::definition::Sequence::Required && stage.kind == Kind::Step {
                let counts = |step: &types::StageKey| {
                    before.iter().any(|(key, s)| {
                        s == step && (made.entry.key.is_none() || key.is_none() || *key == made.entry.key)
                    })
                };
                let missing = definition.steps().take_while(|s| s.key != stage.key).any(|s| !s.optional && !counts(&s.key));
                prop_assert!(!missing, "a step is missing");
            }
            before.push(entry);
        }
    }
}
