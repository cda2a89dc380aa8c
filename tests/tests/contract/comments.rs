//! The comments of the contracts are the manual: what can be checked in them is true.

use std::collections::BTreeSet;

use prost_reflect::{EnumValueDescriptor, FileDescriptor};
use prost_types::source_code_info::Location;
use serde_json::{Map, Value as Json};
use tonic::Code;

use crate::world::{Method, methods};

/// Reasons from here on come only from methods whose comments name them.
pub(crate) const OWN: i32 = 20;

/// Words in capitals that name no value of an enum: what a reward program says of its rules.
const WORDS: [&str; 2] = ["ON_APPROVAL", "PRO_RATA"];

/// The comment before what is at `path` in a file, in one line.
fn comment_at(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref().expect("comments are compiled in");
    let place = info.location.iter().find(|location| location.path == path);
    let comment = place.map(Location::leading_comments).unwrap_or_default();
    comment.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn comment(method: &Method) -> String {
    comment_at(&method.0.parent_file(), method.0.path())
}

/// The names in a text that are written as a value of an enum with more than one word.
fn constants(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words = text.split(|c| !is_word(c)).filter(|word| word.contains('_'));
    words.filter(|word| !word.contains(|c: char| c.is_lowercase())).map(str::to_owned).collect()
}

/// What a method's comment says of its errors, and those of the method whose errors it shares.
fn told(method: &Method) -> String {
    let mut told = comment(method);
    let shared = told.split_once("errors of ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    let name = shared.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let other = method.0.parent_service().methods().find(|other| other.name() == name);
    told.extend(other.map(|other| format!(" {}", comment(&Method(other)))));
    told
}

/// All reasons, by the names they are sent under.
fn reasons() -> Vec<(String, EnumValueDescriptor)> {
    let pool = methods()[0].0.parent_pool().clone();
    let enums =
        pool.all_enums().filter(|e| e.name() == "ErrorReason" && e.full_name().starts_with("laurel."));
    let values = enums.flat_map(|e| e.values().collect::<Vec<_>>());
    values.map(|value| (value.name().trim_start_matches("ERROR_REASON_").to_owned(), value)).collect()
}

/// Those of their own that a method may send, by number.
pub(crate) fn own_reasons(method: &Method) -> BTreeSet<i32> {
    let named = constants(&told(method));
    let reasons = reasons().into_iter().filter(|(name, _)| named.contains(name));
    reasons.map(|(_, value)| value.number()).filter(|number| *number >= OWN).collect()
}

/// Names of the canonical codes.
fn codes() -> BTreeSet<String> {
    let snake = |name: String| {
        let parts = name.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain([c]));
        parts.collect::<String>().trim_start_matches('_').to_uppercase()
    };
    (0..=16).map(|code| snake(format!("{:?}", Code::from(code)))).collect()
}

/// What is wrong with a reason's comment, if anything is.
fn fault_of_reason(name: &str, comment: &str) -> Option<String> {
    let Some((text, example)) = comment.split_once(" Example: ") else {
        return Some("has no example".into());
    };
    let Ok(example) = serde_json::from_str::<Map<String, Json>>(example) else {
        return Some(format!("has an example that cannot be read: {example}"));
    };
    if (&example["reason"], &example["domain"]) != (&Json::from(name), &Json::from("laurel")) {
        return Some(format!("has the example of another: {example:?}"));
    }
    let metadata =
        example.get("metadata").map_or_else(|| Ok(Map::new()), |m| m.as_object().cloned().ok_or(m));
    let Ok(metadata) = metadata else { return Some("has metadata that is no map".into()) };
    let untold =
        metadata.iter().find(|(key, value)| !value.is_string() || !text.contains(&format!("`{key}`")));
    if let Some((key, _)) = untold {
        return Some(format!("says nothing of {key}"));
    }
    let begins_with_code = codes().iter().any(|code| text.starts_with(&format!("{code}: ")));
    (!begins_with_code && !text.contains("Never an error")).then(|| "does not begin with its code".into())
}

/// What only calls with such a field in their request may answer, and so have to name.
const BY_FIELD: [(&str, &str); 4] = [
    ("page_token", "INVALID_PAGE_TOKEN"),
    ("filter", "QUERY_TOO_COSTLY"),
    ("cursor", "INVALID_CURSOR"),
    ("request_id", "REQUEST_ID_REUSED"),
];

/// What is wrong with a method's comment, if anything is.
fn fault_of_method(method: &Method, comment: &str) -> Option<String> {
    let has = |field| method.0.input().get_field_by_name(field).is_some();
    if let Some((_, reason)) = BY_FIELD.iter().find(|(field, reason)| has(field) && !comment.contains(reason))
    {
        return Some(format!("does not name {reason}"));
    }
    let scope = comment.rsplit_once(" Scope: ").map(|(_, scope)| scope.to_owned());
    if scope != Some(format!("{}.", method.scope())) {
        return Some(format!("does not end with its scope, {}", method.scope()));
    }
    let says_what_repeats = ["Natural key", "same `request_id`"].iter().any(|words| comment.contains(words));
    (!method.only_reads() && !says_what_repeats).then(|| "does not say what makes it repeatable".into())
}

#[test]
fn every_method_says_its_scope_and_every_mutation_what_makes_it_repeatable() {
    for method in methods() {
        assert_eq!(fault_of_method(&method, &comment(&method)), None, "{}", method.path());
    }
    let write = methods().into_iter().find(|method| !method.only_reads()).unwrap();
    let fault = |comment: String| fault_of_method(&write, &comment).is_some();
    let scope = write.scope();
    assert!(!fault(format!("Makes it. Natural key: its id. Scope: {scope}.")));
    assert!(fault(format!("Makes it. There is no `request_id`. Scope: {scope}.")));
    assert!(fault("Makes it. Natural key: its id. Scope: another.".to_owned()));
    assert!(fault("Makes it. Natural key: its id.".to_owned()));
    let list = methods().into_iter().find(|method| method.0.name() == "ListSegments").unwrap();
    assert!(fault_of_method(&list, "All. Scope: attribution.read.").is_some());
}

#[test]
fn every_reason_has_an_example_of_its_error_info() {
    let reasons = reasons();
    assert!(reasons.len() > 40, "all reasons are there");
    for (name, value) in reasons.into_iter().filter(|(_, value)| value.number() != 0) {
        let comment = comment_at(&value.parent_enum().parent_file(), value.path());
        assert_eq!(fault_of_reason(&name, &comment), None, "{name}: {comment}");
    }
    for odd in [
        "NOT_FOUND: none.",
        "NOT_FOUND: none. Example: {\"reason\":\"X\",",
        "NOT_FOUND: none. Example: {\"reason\":\"Y\",\"domain\":\"laurel\"}",
        "NOT_FOUND: none. Example: {\"reason\":\"X\",\"domain\":\"laurel\",\"metadata\":{\"key\":\"1\"}}",
        "LOST: none. Example: {\"reason\":\"X\",\"domain\":\"laurel\"}",
    ] {
        assert!(fault_of_reason("X", odd).is_some(), "{odd}");
    }
}

#[test]
fn whatever_a_method_names_exists() {
    let pool = methods()[0].0.parent_pool().clone();
    let values: Vec<String> =
        pool.all_enums().flat_map(|e| e.values().map(|v| v.name().to_owned()).collect::<Vec<_>>()).collect();
    let (reasons, codes) = (reasons(), codes());
    let is_known = |name: &str| {
        reasons.iter().any(|(reason, _)| reason == name)
            || codes.contains(name)
            || WORDS.contains(&name)
            || values.iter().any(|value| value == name || value.ends_with(&format!("_{name}")))
    };
    for method in methods() {
        for name in constants(&comment(&method)) {
            assert!(is_known(&name), "{} names {name}", method.path());
        }
    }
    assert!(!is_known("CODE_TAKE") && !is_known("REWARD_NOT_FOUND_"));
    let enter = methods().into_iter().find(|method| method.0.name() == "EnterStage").unwrap();
    assert!(own_reasons(&enter).len() > 7, "{:?}", own_reasons(&enter));
}
