use super::*;

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
        ("order.refunded", "order.cancelled", "line 20"),
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
