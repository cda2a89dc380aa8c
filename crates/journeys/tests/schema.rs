//! The JSON Schema of definitions and the parser agree (J12).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::{Path, PathBuf};

use journeys::DEFINITION_SCHEMA;
use journeys::domain::yaml;
use jsonschema::Validator;
use serde_json::{Value, json};

/// Everything that a definition can say.
const WHOLE: &str = r"
journey: whole
name: All there is
sequence: REQUIRED
on_gap: FILL
restart: AFTER_TERMINAL
campaigns: [spring, summer]
goal: {stage: won, rate: 12.5%, by: 2026-12-31}
stages:
  - stage: lead
    name: Lead
    description: Somebody asked.
    repeatable: true
    enter_on:
      - event: attribution.activated
      - {event: stage.entered, journey: other, stage: done}
    touch_points: [The shop]
    pain_points:
      - {pain: Slow, remedy: Say when}
      - pain: Dear
  - stage: asked
    optional: true
    enter_after:
      - {after: lead, wait: 30d, unless: [lost]}
  - stage: won
    kind: STEP
    terminal: true
    moment_of_truth: true
    enter_on: [{event: order.recorded, when: order.revenue_minor > 0}]
  - stage: lost
    kind: EXCEPTION
    enter_on: [{event: order.refunded}]
";

fn schema() -> Validator {
    jsonschema::draft202012::new(&serde_json::from_str(DEFINITION_SCHEMA).unwrap()).unwrap()
}

fn value(text: &str) -> Value {
    definitions::yaml::parse(text).unwrap()
}

fn is_parsed(definition: &Value) -> bool {
    // JSON is YAML
    yaml::parse(&definition.to_string()).is_ok()
}

/// The paths of all values, the document's own among them.
fn paths(at: &Value, path: &str, into: &mut Vec<String>) {
    into.push(path.to_owned());
    match at {
        Value::Object(fields) => {
            for (name, value) in fields {
                paths(value, &format!("{path}/{name}"), into);
            }
        }
        Value::Array(items) => {
            for (n, value) in items.iter().enumerate() {
                paths(value, &format!("{path}/{n}"), into);
            }
        }
        _ => (),
    }
}

fn all_paths(of: &Value) -> Vec<String> {
    let mut found = Vec::new();
    paths(of, "", &mut found);
    found
}

/// The definition with something else at a path.
fn with(definition: &Value, path: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut changed = definition.clone();
    change(changed.pointer_mut(path).unwrap());
    changed
}

#[test]
fn j12_the_schema_is_one() {
    let schema: Value = serde_json::from_str(DEFINITION_SCHEMA).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    for path in all_paths(&schema) {
        // every field tells editors what it is
        if let Some((place, _)) = path.rsplit_once('/').filter(|(place, _)| place.ends_with("/properties")) {
            let field = schema.pointer(&path).unwrap();
            let referred = field.get("$ref").and_then(Value::as_str).map(|r| r.trim_start_matches('#'));
            let told = field.get("description").or_else(|| schema.pointer(referred?)?.get("description"));
            let is_condition = place.contains("/if/") || place.contains("/else/");
            assert!(told.is_some() || is_condition, "{path} has no description");
        }
    }
}

#[test]
fn j12_what_the_parser_takes_the_schema_takes() {
    let (schema, whole) = (schema(), value(WHOLE));
    assert!(is_parsed(&whole), "{:?}", yaml::parse(WHOLE));
    let errors: Vec<_> = schema.iter_errors(&whole).map(|e| e.to_string()).collect();
    assert_eq!(errors, [] as [&str; 0]);
    for (path, other) in [
        ("/campaigns", json!("all")),
        ("/campaigns", json!("none")),
        ("/goal/rate", json!("0.01%")),
        ("/goal/rate", json!("100%")),
        ("/goal/rate", json!("100.00%")),
        ("/stages/1/enter_after/0/wait", json!("90s")),
        ("/stages/1/enter_after/0/unless", json!([])),
        ("/stages/0/touch_points", json!([])),
    ] {
        let other = with(&whole, path, |value| *value = other);
        assert!(is_parsed(&other) && schema.is_valid(&other), "{path}: {other}");
    }
}

#[test]
fn j12_what_the_schema_refuses_the_parser_refuses_and_both_refuse_what_has_another_form() {
    let (schema, whole) = (schema(), value(WHOLE));
    for path in all_paths(&whole) {
        let at = whole.pointer(&path).unwrap();
        let mut others: Vec<Value> = Vec::new();
        match at {
            Value::Object(fields) => {
                others.push(with(&whole, &path, |value| value["no_such_field"] = json!(1)));
                others.push(with(&whole, &path, |value| *value = json!("text")));
                // without its kind, the exception is a step behind the last one, which no schema can know
                let all_but_kind = fields.keys().filter(|name| path != "/stages/3" || *name != "kind");
                for name in all_but_kind {
                    let without = |value: &mut Value| drop(value.as_object_mut().unwrap().remove(name));
                    others.push(with(&whole, &path, without));
                }
            }
            Value::Array(_) => others.push(with(&whole, &path, |value| *value = json!("text"))),
            _ => others.push(with(&whole, &path, |value| *value = json!({ "text": 1 }))),
        }
        for other in others {
            let (parsed, valid) = (is_parsed(&other), schema.is_valid(&other));
            assert_eq!(parsed, valid, "{path}: parsed {parsed}, valid {valid}: {other}");
        }
        if at.is_string() {
            for text in
                ["", "No Such!", "x".repeat(3000).as_str(), "0%", "2w", "2026-13-99", "-a", "order.recorded"]
            {
                let other = with(&whole, &path, |value| *value = json!(text));
                assert!(
                    schema.is_valid(&other) || !is_parsed(&other),
                    "{path}: only the schema refuses {other}"
                );
            }
        }
    }
}

#[test]
fn j12_both_refuse_what_is_out_of_bounds() {
    let (schema, whole) = (schema(), value(WHOLE));
    for (path, wrong) in [
        ("/sequence", json!("SOMETIMES")),
        ("/on_gap", json!("wait")),
        ("/stages/1/enter_after/0/wait", json!("0s")),
        ("/restart", json!("ALWAYS")),
        ("/campaigns", json!([])),
        ("/campaigns", json!("some")),
        ("/campaigns/0", json!("A b")),
        ("/journey", json!("Upper")),
        ("/goal/rate", json!("0%")),
        ("/goal/rate", json!("100.01%")),
        ("/goal/by", json!("31.12.2026")),
        ("/stages", json!([])),
        ("/stages/2/kind", json!("STOP")),
        ("/stages/2/terminal", json!("yes")),
        ("/stages/2/enter_on/0/event", json!("order.shipped")),
        ("/stages/2/enter_on/0/when", json!("")),
        ("/stages/0/enter_on", json!(vec![json!({ "event": "order.recorded" }); 21])),
        ("/stages/2/enter_on/0", json!({ "event": "order.recorded", "stage": "done" })),
        ("/stages/1/enter_after/0/wait", json!("30")),
        ("/stages/1/enter_after/0/wait", json!("2w")),
        ("/stages/1/enter_after/0/wait", json!("1.5h")),
        ("/stages/1/enter_after", json!(vec![json!({ "after": "lead", "wait": "1d" }); 21])),
        ("/stages/0/touch_points/0", json!("  ")),
        ("/stages/0/touch_points", json!(vec!["x"; 51])),
    ] {
        let wrong = with(&whole, path, |value| *value = wrong);
        assert!(!is_parsed(&wrong), "{path}: the parser takes {wrong}");
        assert!(!schema.is_valid(&wrong), "{path}: the schema takes {wrong}");
    }
}

/// The journeys among the files of a directory and those below it.
fn journeys_below(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            journeys_below(&path, into);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            if text.lines().any(|line| line.starts_with("journey:")) {
                into.push(path);
            }
        }
    }
}

#[test]
fn j12_the_examples_are_valid_and_say_which_schema_they_have() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (schema, mut files) = (schema(), Vec::new());
    journeys_below(&root.join("examples"), &mut files);
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let definition = value(&text);
        let errors: Vec<_> = schema.iter_errors(&definition).map(|e| e.to_string()).collect();
        assert_eq!(errors, [] as [&str; 0], "{}", file.display());
        assert!(yaml::parse(&text).is_ok(), "{}", file.display());
        let named = text.lines().find_map(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let named = file.parent().unwrap().join(named.unwrap_or_default());
        assert_eq!(std::fs::read_to_string(named).unwrap(), DEFINITION_SCHEMA, "{}", file.display());
    }
}
