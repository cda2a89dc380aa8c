//! What a reward program says of the journey.

use definitions::outline::{self, RuleOutline};
use definitions::yaml::Problem;

use super::Rule;
use crate::domain::definition::{Definition, Signal};

pub(super) fn look(definition: &Definition, text: &str) -> Vec<(Rule, Problem)> {
    let program = match outline::parse(text) {
        Ok(program) => program,
        Err(problem) => return vec![(Rule::InvalidProgram, problem)],
    };
    let of_it = |(_, rule): &(usize, &RuleOutline)| rule.journey.value == definition.journey.as_str();
    let rules: Vec<(usize, &RuleOutline)> = program.rules.iter().enumerate().filter(of_it).collect();
    let knows = |rule: &RuleOutline| definition.stages.iter().any(|s| s.key.as_str() == rule.stage.value);
    let mut found = Vec::new();
    for (n, rule) in rules.iter().filter(|(_, rule)| !knows(rule)) {
        let what = format!("the journey `{}` has no stage `{}`", definition.journey, rule.stage.value);
        found.push((Rule::UnknownStage, Problem::at(&rule.stage, format!("rules[{n}].stage"), what)));
    }
    let takes_back = |signal: &Signal| matches!(signal, Signal::OrderRefunded | Signal::OrderCancelled);
    let is_answered = definition.stages.iter().flat_map(|s| &s.enter_on).any(|t| takes_back(&t.signal))
        || rules.iter().any(|(_, rule)| rule.action == "DENY" && knows(rule));
    let created = rules.iter().find(|(_, rule)| rule.action == "CREATE" && knows(rule));
    if let Some((n, rule)) = created.filter(|_| !is_answered) {
        let what = format!(
            "`{}` is rewarded, and nothing here answers a refund: the journey has no stage entered by \
             `order.refunded` or `order.cancelled`. A reward follows the refunds of its own order all the same; what \
             it is given for besides does not show",
            rule.stage.value
        );
        found.push((Rule::NoRefundPath, Problem::at(&rule.stage, format!("rules[{n}].stage"), what)));
    }
    found
}
