use super::*;
use crate::domain::definition::{Goal, Notes, PainPoint};

const GOOD: &str = r#"
journey: cdnow-lifecycle
name: From referral to repeat purchase
sequence: OPTIONAL
campaigns: [b, a, b]
stages:
  - stage: referred-lead
    name: Referred lead
    enter_on: [{event: attribution.activated}]
  - stage: first-purchase
    repeatable: false
    enter_on: [{event: order.recorded, when: '!("first-purchase" in run.stages)'}]
  - stage: repeat-purchase
    enter_on: [{event: order.recorded, when: '"first-purchase" in run.stages'}]
  - stage: returned
    kind: EXCEPTION
    terminal: true
    optional: true
    description: Sent back.
    enter_on: [{event: order.refunded}]
"#;

fn problems(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

fn with_stage(lines: &str) -> String {
    format!("journey: j\nsequence: REQUIRED\ncampaigns: all\nstages:\n  - stage: a\n{lines}")
}

#[test]
fn j1_a_definition_is_read() {
    let (definition, campaigns) = parse(GOOD).unwrap();
    assert_eq!(definition.stages.len(), 4);
    assert_eq!(definition.stages[2].name, "repeat-purchase");
    assert_eq!((definition.on_gap, definition.restart), (OnGap::Wait, Restart::Never));
    assert_eq!(campaigns, Campaigns::Listed(vec!["a".parse().unwrap(), "b".parse().unwrap()]));
}

#[test]
fn j5_stages_with_an_order_trigger_are_repeatable_unless_they_say_otherwise() {
    let (definition, _) = parse(GOOD).unwrap();
    let repeatable: Vec<bool> = definition.stages.iter().map(|s| s.repeatable).collect();
    assert_eq!(repeatable, [false, false, true, true]);
}

#[test]
fn j14_campaigns_are_a_list_or_all_or_none() {
    for (text, expected) in [("all", Campaigns::All), ("none", Campaigns::None)] {
        let text = GOOD.replace("[b, a, b]", text);
        assert_eq!(parse(&text).unwrap().1, expected);
    }
    for text in ["some", "[]", "[A b]", "5"] {
        let found = problems(&GOOD.replace("[b, a, b]", text));
        assert!(found[0].starts_with("line 5"), "{text}: {found:?}");
    }
}

#[test]
fn unknown_fields_and_values_are_reported_by_line() {
    for (good, bad, line) in [
        ("sequence: OPTIONAL", "sequence: MAYBE", "line 4"),
        ("terminal: true", "terminate: true", "line 17"),
        ("order.refunded", "order.shipped", "line 20"),
        ("kind: EXCEPTION", "kind: exception", "line 16"),
    ] {
        let found = problems(&GOOD.replace(good, bad));
        assert!(found[0].starts_with(line), "{bad}: {found:?}");
    }
}

#[test]
fn semantic_mistakes_are_reported_by_line_all_at_once() {
    let text = with_stage(
        "    enter_on: [{event: stage.entered, journey: j, stage: b}]
  - stage: a
    enter_on:
      - event: attribution.activated
        when: order.revenue_minor > 0
      - event: stage.entered
      - event: order.recorded
        stage: a
",
    );
    let found = problems(&text);
    let starts =
        ["line 7, column 12: a second", "line 6, column 48: a stage of", "line 10, column 15: in the"];
    for start in starts {
        assert!(found.iter().any(|p| p.starts_with(start)), "{start}: {found:?}");
    }
    assert!(found.iter().any(|p| p.starts_with("line 11") && p.contains("needs the `journey`")), "{found:?}");
    assert!(found.iter().any(|p| p.starts_with("line 13") && p.contains("belongs to")), "{found:?}");
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn j7_an_order_is_known_to_conditions_of_order_events_only() {
    let with =
        |event| with_stage(&format!("    enter_on: [{{event: {event}, when: order.revenue_minor > 0}}]\n"));
    assert!(parse(&with("order.updated")).is_ok());
    assert!(problems(&with("contact.tagged"))[0].contains("unknown variable `order`"));
}

#[test]
fn j4_a_step_behind_a_terminal_one_is_refused_unless_that_is_optional() {
    let text = with_stage("    terminal: true\n  - stage: b\n");
    assert!(problems(&text)[0].starts_with("line 7, column 12: no run can enter `b`"));
    assert!(parse(&text.replace("terminal: true", "terminal: true\n    optional: true")).is_ok());
}

#[test]
fn a_journey_needs_a_step() {
    assert!(problems(&with_stage("    kind: EXCEPTION\n"))[0].contains("needs a stage of kind STEP"));
    assert!(
        problems("journey: j\nsequence: REQUIRED\ncampaigns: all\nstages: []\n")[0].starts_with("line 4")
    );
}

#[test]
fn texts_have_limits() {
    assert!(problems(&with_stage("    name: \"a\\0b\"\n"))[0].starts_with("line 6"));
    assert!(problems(&with_stage(&format!("    name: {}\n", "x".repeat(201))))[0].starts_with("line 6"));
}

const GOAL: &str = "journey: j
sequence: REQUIRED
campaigns: all
goal:
  stage: b
  rate: 12.5%
  by: 2026-12-31
stages:
  - stage: a
  - stage: b
  - stage: gone
    kind: EXCEPTION
";

#[test]
fn j1_a_goal_is_read() {
    let (definition, _) = parse(GOAL).unwrap();
    let by = time::macros::date!(2026 - 12 - 31);
    let goal = Goal { stage: "b".parse().unwrap(), rate: types::BasisPoints(1250), by };
    assert_eq!(definition.goal, Some(goal));
    for rate in ["0.01%", "100%", "'40%'"] {
        assert!(parse(&GOAL.replace("12.5%", rate)).is_ok(), "{rate}");
    }
    let (other, _) = parse(&GOAL.replace("12.5%", "40%")).unwrap();
    assert_ne!(other, definition, "the goal is part of the version");
    assert!(other.counts_like(&definition), "but not of what is counted");
    assert_eq!(parse(GOOD).unwrap().0.goal, None);
}

#[test]
fn j1_mistakes_in_a_goal_are_reported_by_line() {
    for (good, bad, expected) in [
        ("stage: b\n  rate", "stage: c\n  rate", "line 5, column 10: `c` is no stage of this journey"),
        ("stage: b\n  rate", "stage: gone\n  rate", "line 5, column 10: `gone` is an EXCEPTION"),
        ("stage: b\n  rate", "stage: B\n  rate", "line 5, column 10: `B` is not a key"),
        ("12.5%", "0%", "line 6, column 9: expected a percentage"),
        ("12.5%", "0.00%", "line 6, column 9: expected a percentage"),
        ("12.5%", "100.01%", "line 6, column 9: expected a percentage"),
        ("12.5%", "12.345%", "line 6, column 9: expected a percentage"),
        ("12.5%", "-5%", "line 6, column 9: expected a percentage"),
        ("12.5%", "12", "line 6, column 9: expected a percentage"),
        ("12.5%", "[12%]", "line 6, column 9: expected a text"),
        ("2026-12-31", "2026-02-30", "line 7, column 7: expected a date"),
        ("2026-12-31", "2026-1-1", "line 7, column 7: expected a date"),
        ("2026-12-31", "0000-01-01", "line 7, column 7: expected a date"),
        ("2026-12-31", "-2026-01-01", "line 7, column 7: expected a date"),
        ("2026-12-31", "+2026-01-01", "line 7, column 7: expected a date"),
        ("2026-12-31", "2026-12-31T00:00:00Z", "line 7, column 7: expected a date"),
        ("by: 2026", "on: 2026", "line 7, column 3: unknown field `on`"),
    ] {
        let found = problems(&GOAL.replace(good, bad));
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(found[0].starts_with(expected), "{bad}: {found:?}");
    }
    assert!(problems(&GOAL.replace("  rate: 12.5%\n", ""))[0].contains("missing field `rate`"));
    let worst =
        GOAL.replace("stage: b\n  rate", "stage: c\n  rate").replace("12.5%", "1").replace("-31", "-32");
    let paths: Vec<String> = parse(&worst).unwrap_err().into_iter().map(|p| p.path).collect();
    assert_eq!(paths, ["goal.stage", "goal.rate", "goal.by"], "all at once");
}

const NOTES: &str = "journey: j
sequence: REQUIRED
campaigns: all
stages:
  - stage: a
  - stage: b
    touch_points: [E-mail, ' Shop ']
    moment_of_truth: true
    pain_points:
      - pain: The form is long
        remedy: |
          Ask for the address only.
          The rest later.
      - {pain: Slow}
";

#[test]
fn j2_what_a_stage_carries_for_people_is_read() {
    let (definition, _) = parse(NOTES).unwrap();
    let [a, b] = &definition.stages[..] else { panic!("two stages") };
    assert_eq!(a.notes, Notes::default());
    assert_eq!(b.notes.touch_points, ["E-mail", "Shop"]);
    let point = |pain: &str, remedy: &str| PainPoint { pain: pain.into(), remedy: remedy.into() };
    let long = point("The form is long", "Ask for the address only.\nThe rest later.");
    assert_eq!(b.notes.pain_points, [long, point("Slow", "")]);
    assert!(b.notes.moment_of_truth);
    for (from, to) in [("Slow", "Dear"), ("E-mail", "Letter"), ("truth: true", "truth: false")] {
        let (other, _) = parse(&NOTES.replace(from, to)).unwrap();
        assert_ne!(other, definition, "{to}: it is part of the version");
        assert!(other.counts_like(&definition), "{to}: but not of what is counted");
    }
}

#[test]
fn j2_mistakes_in_what_a_stage_carries_are_reported_by_line_and_path() {
    let long = "x".repeat(501);
    let many = |entry: &str| vec![entry; 51].join(", ");
    let points = format!("touch_points: [{}]", many("x"));
    let pains = format!("pain_points: [{}]\n    terminal: false #", many("{pain: x}"));
    for (good, bad, line, path) in [
        ("E-mail", "''", "line 7, column 20: the text is empty", "stages[1].touch_points[0]"),
        ("' Shop '", &long, "line 7, column 28: the text is longer", "stages[1].touch_points[1]"),
        (
            "touch_points: [E-mail, ' Shop ']",
            &points,
            "line 7, column 19: at most 50",
            "stages[1].touch_points",
        ),
        ("' Shop '", "[a]", "line 7, column 28: expected a text", "stages[1].touch_points[1]"),
        ("Slow", "' '", "line 14, column 16: the text is empty", "stages[1].pain_points[1].pain"),
        ("Slow", &long, "line 14, column 16: the text is longer", "stages[1].pain_points[1].pain"),
        (
            "Slow",
            "a, remedy: \"b\\ac\"",
            "line 14, column 27: the text has",
            "stages[1].pain_points[1].remedy",
        ),
        (
            "pain: Slow",
            "cure: x",
            "line 14, column 10: unknown field `cure`",
            "stages[1].pain_points[1].cure",
        ),
        ("truth: true", "truth: yes", "line 8, column 22: ", "stages[1].moment_of_truth"),
    ] {
        let found = parse(&NOTES.replace(good, bad)).unwrap_err();
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(found[0].to_string().starts_with(line), "{bad}: {found:?}");
        assert_eq!(found[0].path, path, "{bad}");
    }
    let text = format!("{}    {pains}\n", with_stage(""));
    let found = parse(&text).unwrap_err();
    assert_eq!((found[0].line, &*found[0].path), (6, "stages[0].pain_points"));
    let bound = with_stage(&format!("    touch_points: [{}]\n", vec!["x".repeat(500); 50].join(", ")));
    assert!(parse(&bound).is_ok(), "50 texts of 500 bytes are not too many");
}

const TIMERS: &str = "\
journey: j
sequence: OPTIONAL
campaigns: all
stages:
  - stage: a
  - stage: b
    enter_after:
      - {after: a, wait: 30d, unless: [c]}
  - {stage: c, kind: EXCEPTION, enter_after: [{after: b, wait: 1s}]}
  - {stage: d, terminal: true}
";

#[test]
fn j7_timers_are_read() {
    let (definition, _) = parse(TIMERS).unwrap();
    let timers: Vec<_> = definition
        .timers()
        .map(|(stage, wait)| {
            (stage.key.as_str(), wait.after.as_str(), wait.wait.to_string(), wait.unless.len())
        })
        .collect();
    assert_eq!(timers, [("b", "a", "30d".to_owned(), 1), ("c", "b", "1s".to_owned(), 0)]);
}

#[test]
fn j7_mistakes_in_timers_are_reported_by_line_and_path() {
    for (good, bad, line, path) in [
        ("after: a", "after: x", "line 8, column 17: no stage `x`", "stages[1].enter_after[0].after"),
        ("after: a", "after: b", "line 8, column 17: a stage cannot wait", "stages[1].enter_after[0].after"),
        ("after: a", "after: d", "line 8, column 17: `d` is terminal", "stages[1].enter_after[0].after"),
        ("30d", "0s", "line 8, column 26: the wait is to be above zero", "stages[1].enter_after[0].wait"),
        ("30d", "-1d", "line 8, column 26: expected a duration", "stages[1].enter_after[0].wait"),
        ("30d", "9999d", "line 8, column 26: a duration is at most", "stages[1].enter_after[0].wait"),
        ("30d", "soon", "line 8, column 26: expected a duration", "stages[1].enter_after[0].wait"),
        ("[c]", "[x]", "line 8, column 40: no stage `x`", "stages[1].enter_after[0].unless[0]"),
        ("[c]", "[c, b]", "line 8, column 43: it need not", "stages[1].enter_after[0].unless[1]"),
        (
            "unless: [c]}",
            "until: 1d}",
            "line 8, column 31: unknown field `until`",
            "stages[1].enter_after[0].until",
        ),
        (
            "{after: a, wait: 30d, unless: [c]}",
            "{after: a, wait: 1d}\n      - {after: a, wait: 2d}",
            "line 9, column 17: a second timer after `a`",
            "stages[1].enter_after[1].after",
        ),
    ] {
        let found = parse(&TIMERS.replace(good, bad)).unwrap_err();
        assert_eq!(found.len(), 1, "{bad}: {found:?}");
        assert!(found[0].to_string().starts_with(line), "{bad}: {found:?}");
        assert_eq!(found[0].path, path, "{bad}");
    }
}
