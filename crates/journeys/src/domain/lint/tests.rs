use super::*;

/// A journey `j` with these stages, in order of their names.
fn journey(head: &str, stages: &[&str]) -> String {
    let stages: Vec<String> = stages.iter().map(|stage| format!("  - {{{stage}}}\n")).collect();
    format!("journey: j\ncampaigns: all\n{head}\nstages:\n{}", stages.concat())
}

fn required(stages: &[&str]) -> String {
    journey("sequence: REQUIRED", stages)
}

/// The findings as `rule line:column path`.
fn told(text: &str) -> Vec<String> {
    beside(text, &[], None)
}

fn beside(text: &str, others: &[&str], program: Option<&str>) -> Vec<String> {
    let others: Vec<Arc<Definition>> =
        others.iter().map(|other| Arc::new(yaml::parse(other).unwrap().0)).collect();
    let tell =
        |f: Finding| format!("{} {}:{} {}", f.rule.name(), f.problem.line, f.problem.column, f.problem.path);
    lint(text, &others, program).into_iter().map(tell).collect()
}

const BY_ORDER: &str = "enter_on: [{event: order.recorded}]";

#[test]
fn j12_what_the_parser_refuses_is_an_error_with_its_place() {
    let text =
        required(&["stage: a, enter_on: [{event: order.recorded, when: 'order.colour == 1'}]", "stage: a"]);
    let found = lint(&text, &[], None);
    assert!(found.iter().all(|f| f.rule.is_error()) && found.len() == 2, "{found:?}");
    let mut places: Vec<_> = found.iter().map(|f| (f.problem.line, f.problem.path.as_str())).collect();
    places.sort_unstable();
    assert_eq!(places, [(5, "stages[0].enter_on[0].when"), (6, "stages[1].stage")]);
    assert!(found.iter().any(|f| f.problem.message.contains("has no field `colour`")), "{found:?}");
    let wrong = text.replace("order.colour == 1", "order.order_id > 1").replace("stage: a}", "stage: b}");
    let found = lint(&wrong, &[], None);
    assert!(found[0].problem.message.contains("does not take"), "a wrong type: {found:?}");
    assert_eq!(told("journey: [")[0].split(' ').next(), Some("invalid-definition"));
}

#[test]
fn j12_a_stage_by_call_only_is_told_of_where_others_go_by_themselves() {
    let calls = ["stage: a", "stage: b"];
    assert!(told(&required(&calls)).is_empty(), "a journey by calls alone");
    let mixed = [format!("stage: a, {BY_ORDER}"), "stage: b".to_owned(), format!("stage: c, {BY_ORDER}")];
    let mixed: Vec<&str> = mixed.iter().map(String::as_str).collect();
    assert_eq!(told(&required(&mixed)), ["by-call-only 6:13 stages[1].stage"]);
    let fills = journey("sequence: REQUIRED\non_gap: FILL", &mixed);
    assert!(told(&fills).is_empty(), "it is filled in");
    let last = journey("sequence: REQUIRED\non_gap: FILL", &[mixed[0], "stage: b"]);
    assert_eq!(told(&last), ["by-call-only 7:13 stages[1].stage"], "nothing behind it fills it in");
    let timed = required(&[mixed[0], "stage: b, enter_after: [{after: a, wait: 1d}]"]);
    assert!(told(&timed).is_empty(), "a timer is a way in");
}

#[test]
fn j12_a_timer_that_never_fires_is_told_of() {
    let first = format!("stage: a, {BY_ORDER}");
    let told = |head: &str, b: &str, c: &str| {
        let text = journey(head, &[&first, &format!("stage: b, {b}"), &format!("stage: c, {c}")]);
        let found = lint(&text, &[], None);
        found.into_iter().map(|f| (f.rule, f.problem.path)).collect::<Vec<_>>()
    };
    let never = |n: usize| vec![(Rule::TimerNeverFires, format!("stages[{n}].enter_after[0]"))];
    let (ordered, free) = ("sequence: REQUIRED", "sequence: OPTIONAL");
    let after = |stage: &str, unless: &str| {
        format!("enter_after: [{{after: {stage}, wait: 2h, unless: [{unless}]}}]")
    };
    assert_eq!(told(ordered, BY_ORDER, &after("b", "")), [], "a good one");
    assert_eq!(told(ordered, &after("c", ""), BY_ORDER), never(1), "no going back");
    assert_eq!(told(free, &after("c", ""), BY_ORDER), [], "there is no back");
    assert_eq!(told(free, BY_ORDER, &after("b", "b")), never(2), "moot by what sets it");
    assert_eq!(told(ordered, BY_ORDER, &after("b", "a")), never(2), "moot by what came before");
    assert_eq!(told(free, BY_ORDER, &after("b", "a")), [], "which need not have come");
}

#[test]
fn j12_a_wait_that_no_exception_ends_is_told_of() {
    let told = |timer: &str, exception: &str| {
        let (first, second) = (
            format!("stage: a, {BY_ORDER}"),
            format!("stage: b, enter_after: [{{after: a, wait: 1d{timer}}}]"),
        );
        let third = format!("stage: gone, kind: EXCEPTION, enter_on: [{{event: order.refunded}}]{exception}");
        told(&required(&[&first, &second, &third]))
    };
    assert_eq!(told("", ""), ["wait-without-exit 6:30 stages[1].enter_after[0]"]);
    assert!(told(", unless: [gone]", "").is_empty(), "the exception makes it moot");
    assert!(told("", ", terminal: true").is_empty(), "the exception ends the run");
}

const ASKS: &str = "journey: asks\ncampaigns: all\nsequence: OPTIONAL\nstages:\n  - stage: won\n    repeatable: true\n    \
                    enter_on: [{event: stage.entered, journey: j, stage: b}]\n";

#[test]
fn j12_a_trigger_on_a_stage_that_is_not_there_is_told_of() {
    let on = |stage: &str| {
        required(&[&format!("stage: a, enter_on: [{{event: stage.entered, journey: asks, stage: {stage}}}]")])
    };
    assert_eq!(told(&on("won")), ["unknown-source 5:27 stages[0].enter_on[0]"], "no such journey");
    assert!(beside(&on("won"), &[ASKS], None).is_empty());
    assert_eq!(beside(&on("lost"), &[ASKS], None), ["unknown-source 5:27 stages[0].enter_on[0]"]);
}

#[test]
fn j12_stages_that_enter_each_other_are_told_of_once() {
    let by_asks = "enter_on: [{event: stage.entered, journey: asks, stage: won}]";
    let chase = |repeatable: bool| {
        let b = format!("stage: b, repeatable: {repeatable}, {by_asks}");
        required(&[&format!("stage: a, {BY_ORDER}"), &b])
    };
    let found = lint(&chase(true), &[Arc::new(yaml::parse(ASKS).unwrap().0)], None);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].problem.message.ends_with("`b` -> `won` of `asks` -> `b`"), "{found:?}");
    assert!(beside(&chase(false), &[ASKS], None).is_empty(), "`b` is entered once");
    let timed = |b: &str| {
        let stages = [
            "stage: a, repeatable: true, enter_after: [{after: c, wait: 1d}]",
            &format!("stage: b, {b}, enter_after: [{{after: a, wait: 1d}}]"),
            "stage: c, repeatable: true, enter_after: [{after: b, wait: 1d}]",
        ];
        told(&journey("sequence: OPTIONAL", &stages))
    };
    assert_eq!(timed("repeatable: true"), ["endless-repeats 5:13 stages[0].stage"]);
    assert!(timed("repeatable: false").is_empty());
}

#[test]
fn j12_what_a_program_says_of_the_journey_is_held_against_it() {
    let text = required(&[&format!("stage: a, {BY_ORDER}")]);
    let program = |rules: &str| format!("program: p\nrules:\n{rules}");
    let (create, other) =
        ("- {journey: j, stage: a, action: CREATE}\n", "- {journey: k, stage: z, action: CREATE}\n");
    let told = |text: &str, rules: &str| beside(text, &[], Some(&program(rules)));
    assert_eq!(told(&text, create), ["no-refund-path 3:23 rules[0].stage"]);
    assert!(told(&text, other).is_empty(), "of another journey");
    let deny = |journey: &str, stage: &str| {
        format!("{create}- {{journey: {journey}, stage: {stage}, action: DENY}}\n")
    };
    assert_eq!(told(&text, &deny("k", "z")).len(), 1, "of another journey");
    assert!(told(&text, &deny("j", "a")).is_empty());
    let refunded = required(&[
        &format!("stage: a, {BY_ORDER}"),
        "stage: gone, kind: EXCEPTION, enter_on: [{event: order.cancelled}]",
    ]);
    assert!(told(&refunded, create).is_empty());
    let unknown = format!("{other}- {{journey: j, stage: b, action: CREATE}}\n");
    assert_eq!(told(&refunded, &unknown), ["unknown-stage 4:23 rules[1].stage"]);
    assert_eq!(beside(&text, &[], Some("rules: 5")), ["invalid-program 1:8 rules"]);
    assert!(beside(&text, &[], Some("rules: 5")).len() == 1 && beside(&text, &[], None).is_empty());
}

#[test]
fn j14_triggers_that_campaigns_exclude_are_found() {
    let told = |campaigns: &str, event: &str| {
        let stages = [format!("stage: a, enter_on: [{{event: {event}}}]")];
        let text = journey("sequence: OPTIONAL", &stages.each_ref().map(String::as_str));
        told(&text.replace("campaigns: all", &format!("campaigns: {campaigns}")))
    };
    for (campaigns, event, found) in [
        ("all", "segment.joined", 1),
        ("[c]", "contact.tagged", 1),
        ("none", "segment.joined", 0),
        ("none", "attribution.activated", 1),
        ("all", "attribution.activated", 0),
        ("none", "order.recorded", 0),
    ] {
        let all = told(campaigns, event);
        let never = all.iter().filter(|line| line.starts_with("trigger-never-fires")).count();
        assert_eq!(never, found, "{campaigns} {event}: {all:?}");
    }
}
