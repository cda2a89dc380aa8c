//! Every reason that a contract promises is provoked by a test.

use std::fs;
use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;

/// Reasons that no test can provoke, and why.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("UNSPECIFIED", "it is never sent"),
    ("INTERNAL", "it is sent only for a bug, and a bug that is known is mended"),
];

/// Every reason but the exceptions, without the prefix.
fn reasons() -> Vec<String> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).unwrap();
    let reasons = pool.get_enum_by_name("laurel.common.v1.ErrorReason").unwrap();
    let names = reasons.values().map(|value| value.name().trim_start_matches("ERROR_REASON_").to_owned());
    names.filter(|name| EXCEPTIONS.iter().all(|(exception, _)| exception != name)).collect()
}

/// All Rust sources under a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether all that a source can learn of a service are its answers. Unit tests make the errors themselves that they look
/// at.
fn only_calls(path: &Path) -> bool {
    let has = |name: &str| path.components().any(|part| part.as_os_str() == name);
    has("tests") && !has("src")
}

/// Ways to begin a function, as rustfmt writes them.
const HEADS: [&str; 6] =
    ["fn ", "async fn ", "pub fn ", "pub async fn ", "pub(crate) fn ", "pub(crate) async fn "];

/// The functions of a source, each with its lines; as it is formatted, the indent tells where one ends.
fn functions(code: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = code.lines().collect();
    let function = |at: usize| {
        let text = lines[at].trim_start();
        if !HEADS.iter().any(|head| text.starts_with(head)) {
            return None;
        }
        let end = format!("{}}}", &lines[at][..lines[at].len() - text.len()]);
        let length = lines[at..].iter().position(|line| *line == end).unwrap_or_default();
        Some(lines[at..=at + length].to_vec())
    };
    (0..lines.len()).filter_map(function).collect()
}

/// Whether it awaits answers, and says what they must be.
fn asserts(function: &[&str]) -> bool {
    let has = |what: &str| function.iter().any(|line| line.contains(what));
    has(".await") && (has("assert") || has("refused("))
}

/// Whether a name that stands between these merely chooses what to do about an answer, or says what it is not.
fn only_chooses(before: &str, after: &str) -> bool {
    let (before, after) = (before.trim(), after.trim_start_matches([')', ' ']));
    let is_pattern = before.ends_with('|') || after.starts_with('|') || after.starts_with("=>");
    is_pattern
        || ["//", "if ", "} else if "].iter().any(|head| before.starts_with(head))
        || ["matches!", "assert_ne!"].iter().any(|call| before.contains(call))
}

/// Whether the line asks for the reason: as a text, or as a value of the enum (and of no other `...Reason`).
fn names(line: &str, reason: &str) -> bool {
    let words = reason.split('_').map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()));
    let value = format!("Reason::{}", words.collect::<String>());
    let texts = [format!("\"{reason}\""), format!("\"ERROR_REASON_{reason}\"")];
    let is_ours = |before: &str, after: &str| {
        !before.trim_end_matches("Error").ends_with(|c: char| c.is_alphanumeric())
            && !after.starts_with(char::is_alphanumeric)
    };
    texts.iter().chain([&value]).flat_map(|name| line.match_indices(name)).any(|(at, name)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        (name != value || is_ours(before, after)) && !only_chooses(before, after)
    })
}

/// Whether a test in this source must get the reason as an answer.
fn provokes(code: &str, reason: &str) -> bool {
    let mut asserting = functions(code).into_iter().filter(|function| asserts(function));
    asserting.any(|function| function.iter().any(|line| names(line, reason)))
}

#[test]
fn every_reason_of_the_contract_is_provoked_by_a_call_of_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = Vec::new();
    sources(&root.join("crates"), &mut paths);
    sources(&root.join("tests"), &mut paths);
    paths.retain(|path| {
        only_calls(path.strip_prefix(root).unwrap()) && !path.ends_with("contract/reasons.rs")
    });
    let codes: Vec<String> = paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let reasons = reasons();
    assert!(reasons.len() > 40, "all reasons are there");
    let missing: Vec<&String> =
        reasons.iter().filter(|reason| !codes.iter().any(|code| provokes(code, reason))).collect();
    assert!(missing.is_empty(), "no test provokes {missing:?}");
}

#[test]
fn a_reason_of_another_kind_is_not_taken_for_one_of_ours() {
    assert!(names("x, Reason::CampaignMismatch)", "CAMPAIGN_MISMATCH"));
    assert!(names("ErrorReason::CampaignMismatch", "CAMPAIGN_MISMATCH"));
    assert!(names("refused(x, \"CAMPAIGN_MISMATCH\")", "CAMPAIGN_MISMATCH"));
    assert!(names("(\"odd\", \"ERROR_REASON_CAMPAIGN_MISMATCH\"),", "CAMPAIGN_MISMATCH"));
    assert!(!names("UnresolvedReason::CampaignMismatch", "CAMPAIGN_MISMATCH"));
    assert!(!names("Reason::CampaignMismatched", "CAMPAIGN_MISMATCH"));
}

#[test]
fn a_name_that_no_answer_must_have_provokes_nothing() {
    let test =
        |line: &str| format!("    async fn t() {{\n        let a = call().await;\n        {line}\n    }}\n");
    let is_asked_for = |line: &str| provokes(&test(line), "CODE_TAKEN");
    assert!(is_asked_for("assert_eq!(reason(a), \"CODE_TAKEN\");"));
    assert!(is_asked_for("refused(a, Code::AlreadyExists, \"CODE_TAKEN\");"));
    assert!(is_asked_for("assert_eq!(a, [(1, Err(Reason::CodeTaken))]);"));
    for line in [
        "assert!(match a { Err(\"CODE_TAKEN\") => true, _ => false });",
        "assert!(match a { \"CODE_TAKEN\" | \"CODE_NOT_FOUND\" => true, _ => false });",
        "assert!(matches!(a, Ok(_) | Err(Reason::CodeTaken)));",
        "assert_ne!(reason(a), \"CODE_TAKEN\");",
        "// assert_eq!(reason(a), \"CODE_TAKEN\");",
        "let odd = \"CODE_TAKEN\";",
    ] {
        assert!(!is_asked_for(line), "{line}");
    }
    let without_call = test("assert_eq!(a, \"CODE_TAKEN\");").replace(".await", "");
    assert!(!provokes(&without_call, "CODE_TAKEN"));
    assert!(only_calls(Path::new("crates/orders/tests/it/batch.rs")));
    assert!(!only_calls(Path::new("crates/journeys/src/domain/tests/order.rs")));
    assert!(!only_calls(Path::new("crates/laurel/src/client.rs")));
}
