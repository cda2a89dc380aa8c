//! Every reason that a contract promises is provoked by a test.

use std::fs;
use std::path::{Path, PathBuf};

use prost_reflect::DescriptorPool;

/// Reasons that no test can provoke, and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("UNSPECIFIED", "it is never sent"),
    ("INTERNAL", "it is sent only for a bug, and a bug that is known is mended"),
    ("CONDITION_FAILED", "it is never an error: a refused entry names it"),
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

/// What of a source is test code.
fn test_code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let is_test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    match text.find("#[cfg(test)]") {
        _ if is_test => text,
        Some(at) => text[at..].to_owned(),
        None => String::new(),
    }
}

/// Whether the code names the reason: as a text, or as a value of the enum (and of no other `...Reason`).
fn names(code: &str, reason: &str) -> bool {
    let words = reason.split('_').map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()));
    let value = format!("Reason::{}", words.collect::<String>());
    let is_ours = |(at, _): (usize, &str)| {
        let before = code[..at].trim_end_matches("Error");
        let after = code[at + value.len()..].chars().next();
        !before.ends_with(|c: char| c.is_alphanumeric()) && !after.is_some_and(char::is_alphanumeric)
    };
    code.contains(&format!("\"{reason}\"")) || code.match_indices(&value).any(is_ours)
}

#[test]
fn every_reason_of_the_contract_is_provoked_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = Vec::new();
    sources(&root.join("crates"), &mut paths);
    sources(&root.join("tests"), &mut paths);
    let codes: Vec<String> = paths
        .iter()
        .filter(|path| !path.ends_with("contract/reasons.rs"))
        .map(|path| test_code(path))
        .collect();
    let reasons = reasons();
    assert!(reasons.len() > 40, "all reasons are there");
    let missing: Vec<&String> =
        reasons.iter().filter(|reason| !codes.iter().any(|code| names(code, reason))).collect();
    assert!(missing.is_empty(), "no test provokes {missing:?}");
}

#[test]
fn a_reason_of_another_kind_is_not_taken_for_one_of_ours() {
    assert!(names("x, Reason::CampaignMismatch)", "CAMPAIGN_MISMATCH"));
    assert!(names("ErrorReason::CampaignMismatch", "CAMPAIGN_MISMATCH"));
    assert!(names("refused(x, \"CAMPAIGN_MISMATCH\")", "CAMPAIGN_MISMATCH"));
    assert!(!names("UnresolvedReason::CampaignMismatch", "CAMPAIGN_MISMATCH"));
    assert!(!names("Reason::CampaignMismatched", "CAMPAIGN_MISMATCH"));
}
