//! J11: counters equal what the transitions tell, whatever happened, cohort by cohort.

use proptest::prelude::*;

use super::super::cohort::Selection;
use super::super::definition::{Definition, Kind as StageKind};
use super::super::times;
use super::*;

/// What happens to whom, in which campaign, and how many hours after the beginning it is dated.
#[derive(Debug, Clone)]
struct Act {
    kind: Kind,
    contact: usize,
    campaign: usize,
    hours: i64,
}

#[derive(Debug, Clone)]
enum Kind {
    Call(usize, usize),
    Event(usize, usize),
    Segment(usize, bool),
    /// The same definition as another version.
    Version,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let kind = prop_oneof![
        8 => (0..5_usize, 0..4_usize).prop_map(|(stage, key)| Kind::Call(stage, key)),
        8 => (0..5_usize, 0..4_usize).prop_map(|(stage, key)| Kind::Event(stage, key)),
        3 => (0..2_usize, any::<bool>()).prop_map(|(segment, joined)| Kind::Segment(segment, joined)),
        1 => Just(Kind::Version),
    ];
    let act = (kind, 0..3_usize, 0..3_usize, 0..96_i64);
    prop::collection::vec(
        act.prop_map(|(kind, contact, campaign, hours)| Act { kind, contact, campaign, hours }),
        0..40,
    )
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

/// Where, and when.
fn of(act: &Act) -> (Place, Timestamp) {
    let campaign = Some(["c", "c", "d"][act.campaign].parse().unwrap());
    (Place { contact: contact(act.contact), campaign, ..place() }, NOW + time::Duration::hours(act.hours))
}

fn segment(n: usize) -> SegmentId {
    ["s", "t"][n].parse().unwrap()
}

fn play_one(slice: &mut Slice, act: &Act) {
    let (place, occurred_at) = of(act);
    match &act.kind {
        Kind::Call(stage, key) => {
            let stage = format!("s{stage}");
            let call = call("j", &stage, ["", "k1", "k2", "k3"][*key]);
            drop(slice.enter_stage(&EnterStage { place, occurred_at, ..call }));
        }
        Kind::Event(stage, key) => {
            let minor = i64::try_from(*stage).unwrap();
            let event = order_event(Signal::OrderRecorded, ["k1", "k2", "k3", "k4"][*key], minor);
            slice.happen(&Event { place, occurred_at, ..event });
        }
        Kind::Segment(n, joined) => {
            slice.move_segment(&place.tenant, place.contact, &segment(*n), *joined);
        }
        Kind::Version => {}
    }
}

/// A slice for each act; the segments that each run started in.
fn play(world: &mut World, text: &str, acts: &[Act]) -> HashMap<types::RunId, BTreeSet<SegmentId>> {
    let (mut members, mut started) = (HashMap::<_, BTreeSet<SegmentId>>::new(), HashMap::new());
    for act in acts {
        if let Kind::Version = act.kind {
            world.apply(text);
        }
        if let Kind::Segment(n, joined) = act.kind {
            let segments = members.entry(contact(act.contact)).or_default();
            if joined {
                segments.insert(segment(n))
            } else {
                segments.remove(&segment(n))
            };
        }
        world.slice(|slice| play_one(slice, act));
        for made in &world.transitions {
            let segments = members.get(&made.place.contact).cloned().unwrap_or_default();
            started.entry(made.run).or_insert(segments);
        }
    }
    started
}

/// The cohorts of a run, from its first transition.
fn cohorts(first: &Transition, segments: &BTreeSet<SegmentId>) -> Vec<Cohort> {
    let campaign = || first.place.campaign.clone();
    let day = first.entry.occurred_at.date();
    let start = |segment| Selection::Start { campaign: campaign(), version: first.version, day, segment };
    let mut selections = vec![Selection::All, Selection::Campaign(campaign()), start(None)];
    selections.extend(segments.iter().cloned().map(Some).map(start));
    let cohort = |runs| Cohort { tenant: first.place.tenant.clone(), journey: first.journey.clone(), runs };
    selections.into_iter().map(cohort).collect()
}

/// Straight from the meaning of the words, on nothing but the transitions of one run.
fn tally(definition: &Definition, made: &[&Transition]) -> Tally {
    let mut tally = Tally::default();
    let whole = tally.counts.entry(None).or_default();
    whole.entered += 1;
    whole.transitions += i64::try_from(made.len()).unwrap();
    for stage in &definition.stages {
        let times = made.iter().filter(|t| t.entry.stage == stage.key).count();
        if times > 0 {
            let counts = tally.counts.entry(Some(stage.key.clone())).or_default();
            counts.entered += 1;
            counts.transitions += i64::try_from(times).unwrap();
        }
    }
    let steps: Vec<_> =
        definition.stages.iter().filter(|s| s.kind == StageKind::Step).map(|s| s.key.clone()).collect();
    let entered = |step: &types::StageKey| made.iter().any(|t| t.entry.stage == *step);
    for (n, step) in steps.iter().enumerate().filter(|(_, step)| entered(step)) {
        let counts = tally.counts.entry(Some(step.clone())).or_default();
        counts.converted_from_previous += i64::from(n > 0 && entered(&steps[n - 1]));
        counts.converted_from_first += i64::from(entered(&steps[0]));
    }
    let stage_of = |t: &Transition| definition.stage(&t.entry.stage).unwrap().clone();
    let ended = made.iter().any(|t| stage_of(t).terminal && t.entry.key.is_none());
    let fell = stage_of(made[made.len() - 1]).kind == StageKind::Exception;
    if let Some(furthest) = steps.iter().rev().find(|step| entered(step)) {
        let counts = tally.counts.entry(Some(furthest.clone())).or_default();
        if ended || fell { counts.dropped_off += 1 } else { counts.still_there += 1 }
    }
    for (n, entry) in made.iter().enumerate() {
        let leaves = |(behind, next): &(usize, &&Transition)| {
            let (one, other) = (&entry.entry.key, &next.entry.key);
            one == other || (*behind == 0 && (one.is_none() || other.is_none()))
        };
        if let Some((_, next)) = made[n + 1..].iter().enumerate().find(leaves) {
            let bucket = times::bucket(entry.entry.occurred_at, next.entry.occurred_at);
            tally.times.entry(entry.entry.stage.clone()).or_default().add(bucket, 1);
        }
    }
    tally
}

fn recomputed(
    world: &World,
    started: &HashMap<types::RunId, BTreeSet<SegmentId>>,
) -> BTreeMap<Cohort, Tally> {
    let mut runs: BTreeMap<types::RunId, Vec<&Transition>> = BTreeMap::new();
    for made in &world.transitions {
        runs.entry(made.run).or_default().push(made);
    }
    let mut counters: BTreeMap<Cohort, Tally> = BTreeMap::new();
    for (run, made) in runs {
        let tally = tally(&world.applied()[0].definition, &made);
        for cohort in cohorts(made[0], &started[&run]) {
            *counters.entry(cohort).or_default() += &tally;
        }
    }
    counters
}

/// As it is told: counters that are zero are not there.
fn told(world: &World) -> BTreeMap<Cohort, Tally> {
    let mut counters = world.counters.clone();
    counters.values_mut().for_each(Tally::settle);
    counters
}

proptest! {
    #[test]
    fn j11_counters_equal_what_the_transitions_tell(text in journeys(), acts in acts()) {
        let mut world = World::new(&[&text]);
        let started = play(&mut world, &text, &acts);
        prop_assert_eq!(told(&world), recomputed(&world, &started));
    }

    #[test]
    fn j11_one_slice_counts_as_many_do(text in journeys(), acts in acts()) {
        let acts: Vec<Act> = acts.into_iter().filter(|act| !matches!(act.kind, Kind::Version)).collect();
        let (mut one, mut many) = (World::new(&[&text]), World::new(&[&text]));
        one.slice(|slice| acts.iter().for_each(|act| play_one(slice, act)));
        play(&mut many, &text, &acts);
        prop_assert_eq!(told(&one), told(&many));
    }

    #[test]
    fn j4_no_run_breaks_the_order_whatever_happens(text in journeys(), acts in acts()) {
        let mut world = World::new(&[&text]);
        play(&mut world, &text, &acts);
        let definition = world.applied()[0].definition.clone();
        let mut seen: HashMap<types::RunId, Vec<(OccurrenceKey, types::StageKey)>> = HashMap::new();
        for made in &world.transitions {
            let before = seen.entry(made.run).or_default();
            let stage = definition.stage(&made.entry.stage).unwrap();
            let entry = (made.entry.key.clone(), made.entry.stage.clone());
            prop_assert!(!before.contains(&entry), "twice under one key");
            let again = before.iter().any(|(_, s)| *s == stage.key);
            prop_assert!(!again || stage.repeatable);
            prop_assert!(!before.is_empty() || stage.kind == StageKind::Step, "an exception started a run");
            let terminal = |(key, s): &(OccurrenceKey, types::StageKey)| {
                definition.stage(s).unwrap().terminal && (key.is_none() || *key == made.entry.key)
            };
            prop_assert!(!before.iter().any(terminal), "entered after the end");
            if definition.sequence == super::super::definition::Sequence::Required && stage.kind == StageKind::Step {
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
