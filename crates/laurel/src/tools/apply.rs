//! `laurel apply`: publishes a journey or a reward program from a file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use definitions::outline::{self, RuleOutline};
use definitions::yaml::{self, Problem};
use proto::journeys::{ApplyJourneyRequest, ApplyJourneyResponse, GetJourneyRequest, Journey};
use proto::rewards::ApplyProgramRequest;
use serde::de::IgnoredAny;
use tonic::{Code, Status};

use crate::client::Clients;
use crate::refusal::{explain, explain_fields};

/// What a file defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Journey,
    Program,
}

/// Publishes what `path` defines; what is wrong in it is reported by file and line.
pub(super) async fn apply(clients: &Clients, path: &Path) -> anyhow::Result<()> {
    let definition = read(path)?;
    let file = path.display().to_string();
    match kind(&definition).map_err(|problem| anyhow::anyhow!("{}", located(&file, &problem)))? {
        Some(Kind::Journey) => say_journey(&apply_journey(clients, path).await?),
        Some(Kind::Program) => {
            let refused = |status| refused(status, "definition", path);
            let request = ApplyProgramRequest { definition: definition.clone(), base_version: 0 };
            let answer = clients.programs.clone().apply_program(request).await.map_err(refused)?.into_inner();
            let program = answer.program.unwrap_or_default();
            say(&format!("program of campaign {}", program.campaign_id), program.version, answer.changed);
            warn_of_stages(clients, &file, &definition).await;
        }
        None => anyhow::bail!("{file} has neither `journey` nor `program` at its root"),
    }
    Ok(())
}

/// Publishes the journey that `path` defines.
pub(crate) async fn apply_journey(clients: &Clients, path: &Path) -> anyhow::Result<ApplyJourneyResponse> {
    let request = ApplyJourneyRequest { definition: read(path)?, base_version: 0 };
    let refused = |status| refused(status, "definition", path);
    Ok(clients.journeys.clone().apply_journey(request).await.map_err(refused)?.into_inner())
}

/// Says what came of it.
pub(crate) fn say_journey(answer: &ApplyJourneyResponse) {
    let journey = answer.journey.clone().unwrap_or_default();
    say(&format!("journey {}", journey.journey), journey.version, answer.changed);
}

/// A whole file.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What is wrong with a file that was sent as a field, by its lines.
pub(crate) fn refused(status: Status, field: &str, file: &Path) -> anyhow::Error {
    explain_fields(status, |path, what| format!("{} {what}", place(&file.display().to_string(), field, path)))
}

fn say(what: &str, version: i32, changed: bool) {
    println!("{what}: version {version}{}", if changed { "" } else { ", unchanged" });
}

/// What a text defines, by the keys of its root; `None` if it is neither.
fn kind(text: &str) -> Result<Option<Kind>, Problem> {
    #[expect(clippy::zero_sized_map_values, reason = "a mapping is read, of which only the keys count")]
    let root: BTreeMap<String, IgnoredAny> = yaml::parse(text)?;
    Ok(match (root.contains_key("journey"), root.contains_key("program")) {
        (true, _) => Some(Kind::Journey),
        (false, true) => Some(Kind::Program),
        (false, false) => None,
    })
}

/// A field path of the contract, with the file instead of the field it was sent as.
fn place(file: &str, field: &str, path: &str) -> String {
    match path.strip_prefix(field) {
        Some(rest) if rest.is_empty() || rest.starts_with(':') => format!("{file}{rest}"),
        _ => path.to_owned(),
    }
}

/// A problem with its place in the file.
fn located(file: &str, problem: &Problem) -> String {
    match problem.line {
        0 => format!("{file} {}", problem.message),
        line => format!("{file}:{line}:{} {}", problem.column, problem.message),
    }
}

/// Warns of rules that wait for a stage their journey does not have. It may come later, so this is no error.
async fn warn_of_stages(clients: &Clients, file: &str, definition: &str) {
    let Ok(program) = outline::parse(definition) else { return };
    let names: BTreeSet<&str> = program.rules.iter().map(|rule| rule.journey.value.as_str()).collect();
    let mut journeys = BTreeMap::new();
    for name in names {
        let request = GetJourneyRequest { journey: name.to_owned(), version: 0 };
        match clients.journeys.clone().get_journey(request).await {
            Ok(answer) => {
                journeys.insert(name.to_owned(), answer.into_inner().journey);
            }
            Err(status) if status.code() == Code::NotFound => {
                journeys.insert(name.to_owned(), None);
            }
            Err(status) => eprintln!("laurel: warning: cannot look at journey {name}: {:#}", explain(status)),
        }
    }
    for problem in unknown_stages(&program.rules, &journeys) {
        eprintln!("laurel: warning: {}", located(file, &problem));
    }
}

/// Every stage that its journey is known to lack; of a journey that is not there at all, the first rule that names it.
fn unknown_stages(rules: &[RuleOutline], journeys: &BTreeMap<String, Option<Journey>>) -> Vec<Problem> {
    let mut missing = BTreeSet::new();
    let of_rule = |rule: &RuleOutline| {
        let (name, stage) = (&rule.journey.value, &rule.stage.value);
        match journeys.get(name)? {
            Some(journey) if journey.stages.iter().any(|known| known.stage == *stage) => None,
            Some(_) => Some(Problem::at(&rule.stage, "", format!("journey {name} has no stage {stage}"))),
            None if !missing.insert(name.clone()) => None,
            None => Some(Problem::at(&rule.journey, "", format!("there is no journey {name} yet"))),
        }
    };
    rules.iter().filter_map(of_rule).collect()
}

#[cfg(test)]
mod tests {
    use proto::journeys::Stage;

    use super::*;

    #[test]
    fn a_definition_is_known_by_the_keys_of_its_root_however_they_are_written() {
        for text in ["journey: x\nstages: []", "{journey: x}", "\"journey\": x", "  journey: x\n  stages: []"]
        {
            assert_eq!(kind(text), Ok(Some(Kind::Journey)), "{text}");
        }
        assert_eq!(kind("# a comment\n---\nprogram:\nrules: [{journey: x}]"), Ok(Some(Kind::Program)));
        assert_eq!(kind("name: x\nrules:\n  - journey: x"), Ok(None));
        assert_eq!(kind("name: |\n  journey: x"), Ok(None));
    }

    #[test]
    fn what_is_no_mapping_is_refused_by_file_and_line() {
        let said = |text: &str| located("p.yaml", &kind(text).unwrap_err());
        assert_eq!(said("- journey"), "p.yaml:1:1 expected a mapping");
        assert!(said("name: x\njourney: [").starts_with("p.yaml:2:"), "{}", said("name: x\njourney: ["));
    }

    #[test]
    fn the_file_takes_the_place_of_the_field() {
        assert_eq!(place("a/p.yaml", "definition", "definition:5:1"), "a/p.yaml:5:1");
        assert_eq!(place("p.yaml", "definition", "definition"), "p.yaml");
        assert_eq!(place("p.yaml", "definition", "definitions"), "definitions");
        assert_eq!(place("p.yaml", "definition", "base_version"), "base_version");
    }

    #[test]
    fn r1_a_stage_that_the_journey_lacks_is_warned_of() {
        let text = "program: p\nrules:\n- {journey: j, stage: won}\n- {journey: j, stage: wonn}\n\
                    - {journey: k, stage: won}\n- {journey: k, stage: lost}\n- {journey: unasked, stage: won}\n";
        let program = outline::parse(text).unwrap();
        let stages = vec![Stage { stage: "won".to_owned(), ..Default::default() }];
        let journey = Journey { stages, ..Default::default() };
        let journeys = BTreeMap::from([("j".to_owned(), Some(journey)), ("k".to_owned(), None)]);
        let said: Vec<String> =
            unknown_stages(&program.rules, &journeys).iter().map(|p| located("p.yaml", p)).collect();
        assert_eq!(
            said,
            ["p.yaml:4:23 journey j has no stage wonn", "p.yaml:5:13 there is no journey k yet"]
        );
    }
}
