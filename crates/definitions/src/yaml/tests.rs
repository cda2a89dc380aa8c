use std::fmt::Write as _;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    stage: Spanned<String>,
    #[serde(default)]
    amount: Option<Amount>,
    #[serde(default)]
    on: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Amount {
    Fixed { minor: u32 },
    Percent { basis_points: u32 },
}

fn refused(text: &str) -> (String, String) {
    let problem = parse::<Document>(text).unwrap_err();
    (problem.path.clone(), problem.to_string())
}

fn pair(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

#[test]
fn a_good_document_is_read() {
    let text =
        "name: a\nrules:\n  - stage: won\n    on: true\n    amount:\n      percent: {basis_points: 1000}\n";
    let document: Document = parse(text).unwrap();
    assert_eq!(document.name, "a");
    assert!(document.rules[0].on);
    assert!(matches!(document.rules[0].amount, Some(Amount::Percent { basis_points: 1000 })));
    let document: Document = parse("{name: a, rules: [{stage: won, amount: {fixed: {minor: 5}}}]}").unwrap();
    assert!(matches!(document.rules[0].amount, Some(Amount::Fixed { minor: 5 })));
}

#[test]
fn an_unknown_field_is_refused_with_its_line_and_path() {
    assert_eq!(
        refused("name: a\nrules:\n  - stage: won\n    foo: 1\n"),
        pair(
            "rules[0].foo",
            "line 4, column 5: unknown field `foo`, expected one of `stage`, `amount`, `on`"
        )
    );
}

#[test]
fn a_missing_field_is_reported_at_its_mapping() {
    assert_eq!(
        refused("name: a\nrules:\n  - stage: won\n  - on: true\n"),
        pair("rules[1]", "line 4, column 5: missing field `stage`")
    );
    assert_eq!(refused("rules: []\n"), pair("", "line 1, column 1: missing field `name`"));
}

#[test]
fn a_wrong_type_is_refused_where_it_stands() {
    let text = "name: a\nrules:\n  - stage: won\n    amount: {fixed: {minor: -5}}\n";
    let wanted = pair("rules[0].amount.fixed.minor", "line 4, column 29: expected a value of type u32");
    assert_eq!(refused(text), wanted);
    assert_eq!(refused("name: a\nrules: 5\n"), pair("rules", "line 2, column 8: expected a list"));
    assert_eq!(refused("name: [a]\n"), pair("name", "line 1, column 7: expected a text"));
    let yes = refused("name: a\nrules: [{stage: s, on: yes}]\n");
    assert_eq!(yes.0, "rules[0].on");
}

#[test]
fn an_unknown_variant_names_the_known_ones() {
    let (path, text) = refused("name: a\nrules:\n  - stage: won\n    amount: {tiered: {}}\n");
    assert!(text.contains("unknown value `tiered`, expected one of `fixed`, `percent`"), "{text}");
    assert!(path.starts_with("rules[0].amount"), "{path}");
}

#[test]
fn a_duplicate_field_is_refused() {
    let (path, text) = refused("name: a\nname: b\n");
    assert_eq!(path, "name");
    assert!(text.starts_with("line 2, column 1: duplicate"), "{text}");
}

#[test]
fn a_second_document_is_refused() {
    assert!(parse::<Document>("name: a\n---\nname: b\n").is_err());
}

#[test]
fn broken_yaml_is_refused_with_its_line() {
    let (_, text) = refused("name: a\nrules: []\n\tx: 1");
    assert!(text.starts_with("line 3, column 2: tabs"), "{text}");
    let (_, text) = refused("");
    assert!(text.starts_with("line 1, column 1: "), "{text}");
}

#[test]
fn an_unknown_tag_is_refused() {
    assert!(parse::<Document>("name: !secret a\n").is_err());
}

#[test]
fn a_semantic_problem_is_reported_with_the_line_of_its_value() {
    let document: Document = parse("name: a\nrules:\n  - stage: won\n  - stage:  lost\n").unwrap();
    let stage = &document.rules[1].stage;
    let problem = Problem::at(stage, "rules[1].stage", format!("unknown stage `{}`", stage.value));
    assert_eq!(problem.to_string(), "line 4, column 13: unknown stage `lost`");
}

#[test]
fn a_value_behind_an_alias_has_the_line_of_its_use() {
    let document: Document =
        parse("name: &n won\nrules:\n  - stage: *n\n").expect("aliases of modest number are fine");
    assert_eq!(document.rules[0].stage.value, "won");
    assert_eq!(document.rules[0].stage.referenced.line(), 3);
}

#[test]
fn a_problem_of_a_path_has_the_place_of_its_value() {
    let text = "name: a\nrules:\n  - stage: won\n  - {stage: \"lost\", on: true}\n";
    for (path, place) in [
        ("name", (1, 7)),
        ("rules", (3, 3)),
        ("rules[0]", (3, 5)),
        ("rules[0].stage", (3, 12)),
        ("rules[1]", (4, 5)),
        ("rules[1].on", (4, 25)),
        ("rules[2]", (0, 0)),
        ("rules[1].nosuch", (0, 0)),
    ] {
        let problem = Problem::of_path(text, path, "is odd");
        assert_eq!((problem.line, problem.column, problem.path.as_str()), (place.0, place.1, path), "{path}");
    }
}

#[test]
fn a_problem_of_the_document_has_no_line() {
    assert_eq!(Problem::of_document("no stages").to_string(), "no stages");
}

#[test]
fn too_long_a_text_is_refused_before_it_is_read() {
    let text = format!("name: {}\n", "a".repeat(MAX_BYTES));
    assert!(refused(&text).1.starts_with("the text has 262151 bytes"));
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let inner = vec![format!("*a{}", n - 1); 9].join(", ");
        writeln!(text, "a{n}: &a{n} [{inner}]").unwrap();
    }
    assert!(parse::<serde::de::IgnoredAny>(&text).is_err());
}

#[test]
fn deep_nesting_is_refused() {
    for text in [format!("{}{}", "[".repeat(5000), "]".repeat(5000)), "- ".repeat(5000), "{a: ".repeat(5000)]
    {
        assert!(parse::<serde::de::IgnoredAny>(&text).is_err());
    }
}

#[test]
fn a_message_holds_no_control_characters_and_is_bounded() {
    let problem = parse::<Document>(&format!("\"a\\nb{}\": 1\n", "c".repeat(900))).unwrap_err();
    assert!(problem.message.starts_with("unknown field `a b"), "{problem}");
    assert!(problem.message.len() <= MAX_MESSAGE);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse::<Document>(&text);
    }

    #[test]
    fn text_like_yaml_never_panics(text in "([a-c*&!<|>?\"'#%@, ]|name|rules|stage|: |- |\n|  |\\[|\\]|\\{|\\}|\t|---|<<: ){0,60}") {
        let _ = parse::<Document>(&text);
    }
}
