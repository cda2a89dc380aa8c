//! As much of a reward program as those need who only look at which stages it rewards: the journeys service, which may
//! know nothing of rewards, and the command line. What else is in it, and whether it can be applied, is not asked.

use serde::Deserialize;

use crate::yaml::{self, Problem, Spanned};

/// What a program says of journeys.
#[derive(Debug, Deserialize)]
pub struct Outline {
    /// Its rules, in their order.
    pub rules: Vec<RuleOutline>,
}

/// What a rule says of journeys.
#[derive(Debug, Deserialize)]
pub struct RuleOutline {
    /// Names it.
    #[serde(default)]
    pub key: String,
    /// The journey.
    pub journey: Spanned<String>,
    /// Its stage.
    pub stage: Spanned<String>,
    /// What it does, such as CREATE; empty if that is not said.
    #[serde(default)]
    pub action: String,
    /// Whose the reward is; empty if that is not said.
    #[serde(default)]
    pub beneficiary: String,
    /// How much it is, as far as that is said in one word.
    #[serde(default)]
    amount: AmountOutline,
}

#[derive(Debug, Default, Deserialize)]
struct AmountOutline {
    #[serde(default)]
    fixed: Option<String>,
    #[serde(default)]
    percent: Option<String>,
}

impl RuleOutline {
    /// How much it gives, such as `10.00 USD` or `5%`; `None` if it depends on more.
    pub fn amount(&self) -> Option<&str> {
        self.amount.fixed.as_deref().or(self.amount.percent.as_deref())
    }
}

/// Reads a program.
pub fn parse(text: &str) -> Result<Outline, Problem> {
    yaml::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_says_of_journeys_is_read_and_the_rest_passed_over() {
        let text = "program: p\nrules:\n- {key: k, journey: j, stage: won, action: CREATE, beneficiary: ADVOCATE, \
                    amount: {percent: 5%, ceiling: 25.00 USD}, when: 'no condition'}\n- {journey: j, stage: lost}\n";
        let program = parse(text).unwrap();
        let [first, second] = &program.rules[..] else { panic!("two rules") };
        let named = (first.key.as_str(), first.action.as_str(), first.beneficiary.as_str(), first.amount());
        assert_eq!(named, ("k", "CREATE", "ADVOCATE", Some("5%")));
        assert_eq!((second.stage.value.as_str(), second.amount()), ("lost", None));
        assert_eq!(second.stage.referenced.line(), 4);
    }

    #[test]
    fn what_is_no_program_is_refused_by_line() {
        assert_eq!(parse("rules: [{journey: j}]").unwrap_err().message, "missing field `stage`");
        assert_eq!(parse("program: p").unwrap_err().message, "missing field `rules`");
    }
}
