//! A reward program as YAML; every mistake is reported by its line.

use std::collections::HashSet;
use std::str::FromStr;

use definitions::condition::Condition;
use definitions::duration::HumanDuration;
use definitions::yaml::{self, Problem, Spanned};
use serde::Deserialize;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use types::{BasisPoints, Money, Timestamp};

use super::condition;
use super::program::{Amount, Approval, Beneficiary, Definition, EffectiveFrom, Fulfilment, Refund, Rule};

/// Rules of one version, at most.
pub const MAX_RULES: usize = 100;
/// Bytes of a program's name, at most.
const MAX_NAME: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProgram {
    program: Spanned<String>,
    campaign: Spanned<String>,
    effective_from: Option<Spanned<String>>,
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    key: Spanned<String>,
    journey: Spanned<String>,
    stage: Spanned<String>,
    #[serde(rename = "action")]
    _action: RawAction,
    beneficiary: RawBeneficiary,
    amount: Spanned<RawAmount>,
    refund: Option<RawRefund>,
    when: Option<Spanned<String>>,
    #[serde(default, rename = "kind")]
    _kind: RawKind,
    hold: Option<Spanned<String>>,
    #[serde(default)]
    approval: RawApproval,
    #[serde(default)]
    fulfilment: RawFulfilment,
    #[serde(default)]
    inferred: bool,
}

/// The other actions of R1 come with later issues.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RawAction {
    Create,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RawBeneficiary {
    Advocate,
    ReferredContact,
    Contact,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAmount {
    fixed: Option<Spanned<String>>,
    percent: Option<Spanned<String>>,
    floor: Option<Spanned<String>>,
    ceiling: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RawRefund {
    ProRata,
    FullOnly,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RawKind {
    #[default]
    Credit,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RawApproval {
    #[default]
    Automatic,
    ByHand,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum RawFulfilment {
    OnApproval,
    #[default]
    ByHand,
}

/// Reads a definition; all that is wrong with it, if anything is. Whether the campaign, the journeys and the stages
/// exist is not asked: this service reads no other's data, and a rule may be written before its journey.
pub fn parse(text: &str) -> Result<Definition, Vec<Problem>> {
    let raw: RawProgram = yaml::parse(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader { problems: Vec::new() };
    let definition = reader.program(&raw);
    match definition {
        Some(definition) if reader.problems.is_empty() => Ok(definition),
        _ => Err(reader.problems),
    }
}

/// Collects problems, so that a writer sees all of them at once.
struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn note<T, U>(&mut self, value: &Spanned<T>, path: &str, message: impl Into<String>) -> Option<U> {
        self.problems.push(Problem::at(value, path, message));
        None
    }

    fn parsed<T>(&mut self, value: &Spanned<String>, path: &str) -> Option<T>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        match value.value.parse() {
            Ok(parsed) => Some(parsed),
            Err(error) => self.note(value, path, format!("`{}` {error}", value.value)),
        }
    }

    fn program(&mut self, raw: &RawProgram) -> Option<Definition> {
        let name = self.name(&raw.program);
        let campaign = self.parsed(&raw.campaign, "campaign");
        let effective_from = raw.effective_from.as_ref().and_then(|value| self.effective_from(value));
        let mut keys = HashSet::new();
        let mut rules = Vec::with_capacity(raw.rules.len());
        for (index, rule) in raw.rules.iter().enumerate() {
            let path = format!("rules[{index}]");
            if index == MAX_RULES {
                let message = format!("a program has at most {MAX_RULES} rules");
                return self.note(&rule.key, &path, message);
            }
            if !keys.insert(rule.key.value.as_str()) {
                let message = format!("a rule with the key `{}` stands above", rule.key.value);
                let _: Option<()> = self.note(&rule.key, &format!("{path}.key"), message);
            }
            rules.extend(self.rule(rule, &path));
        }
        Some(Definition { name: name?, campaign: campaign?, effective_from, rules })
    }

    fn name(&mut self, name: &Spanned<String>) -> Option<String> {
        let text = &name.value;
        if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
            return self.note(
                name,
                "program",
                format!("a name of 1 to {MAX_NAME} printable bytes is expected"),
            );
        }
        Some(text.clone())
    }

    fn effective_from(&mut self, value: &Spanned<String>) -> Option<EffectiveFrom> {
        let place = Problem::at(value, "", "");
        if let Some(at) = moment(&value.value) {
            return Some(EffectiveFrom { at, place: (place.line, place.column) });
        }
        let message = "expected a moment such as `2026-01-31T00:00:00Z`, or a date such as `2026-01-31`";
        self.note(value, "effective_from", message)
    }

    fn rule(&mut self, raw: &RawRule, path: &str) -> Option<Rule> {
        let key = self.parsed(&raw.key, &format!("{path}.key"));
        let journey = self.parsed(&raw.journey, &format!("{path}.journey"));
        let stage = self.parsed(&raw.stage, &format!("{path}.stage"));
        let amount = self.amount(&raw.amount, &format!("{path}.amount"));
        let refund = raw.refund.as_ref().map(|refund| match refund {
            RawRefund::ProRata => Refund::ProRata,
            RawRefund::FullOnly => Refund::FullOnly,
        });
        let when = raw.when.as_ref().and_then(|when| self.condition(when, &format!("{path}.when")));
        let hold = match &raw.hold {
            None => Some(HumanDuration::ZERO),
            Some(hold) => self.hold(hold, &format!("{path}.hold")),
        };
        Some(Rule {
            key: key?,
            journey: journey?,
            stage: stage?,
            beneficiary: match raw.beneficiary {
                RawBeneficiary::Advocate => Beneficiary::Advocate,
                RawBeneficiary::ReferredContact => Beneficiary::ReferredContact,
                RawBeneficiary::Contact => Beneficiary::Contact,
            },
            refund: refund.or_else(|| amount.as_ref().map(Amount::refund))?,
            amount: amount?,
            when,
            hold: hold?.get(),
            approval: match raw.approval {
                RawApproval::Automatic => Approval::Automatic,
                RawApproval::ByHand => Approval::ByHand,
            },
            fulfilment: match raw.fulfilment {
                RawFulfilment::OnApproval => Fulfilment::OnApproval,
                RawFulfilment::ByHand => Fulfilment::ByHand,
            },
            inferred: raw.inferred,
        })
    }

    fn condition(&mut self, when: &Spanned<String>, path: &str) -> Option<Condition> {
        match Condition::compile(&when.value, condition::environment()) {
            Ok(condition) => Some(condition),
            Err(error) => self.note(when, path, error.to_string()),
        }
    }

    fn hold(&mut self, hold: &Spanned<String>, path: &str) -> Option<HumanDuration> {
        match hold.value.parse::<HumanDuration>() {
            Ok(duration) => Some(duration),
            Err(error) => self.note(hold, path, error.to_string()),
        }
    }

    fn amount(&mut self, raw: &Spanned<RawAmount>, path: &str) -> Option<Amount> {
        match &raw.value {
            RawAmount { fixed: Some(fixed), percent: None, floor: None, ceiling: None } => {
                self.money(fixed, &format!("{path}.fixed")).map(Amount::Fixed)
            }
            RawAmount { fixed: None, percent: Some(percent), floor, ceiling } => {
                let share = self.share(percent, &format!("{path}.percent"));
                let floor_money = floor.as_ref().map(|floor| self.money(floor, &format!("{path}.floor")));
                let ceiling_money = ceiling.as_ref().map(|c| self.money(c, &format!("{path}.ceiling")));
                let (floor_money, ceiling_money) = (floor_money.flatten(), ceiling_money.flatten());
                if let (Some(low), Some(high), Some(at)) = (floor_money, ceiling_money, ceiling) {
                    if low.currency != high.currency {
                        return self.note(at, path, "floor and ceiling are in two currencies");
                    }
                    if low.minor > high.minor {
                        return self.note(at, path, "the ceiling is below the floor");
                    }
                }
                Some(Amount::Percent { share: share?, floor: floor_money, ceiling: ceiling_money })
            }
            _ => self.note(
                raw,
                path,
                "expected either `fixed`, or `percent` with an optional `floor` and `ceiling`",
            ),
        }
    }

    fn share(&mut self, value: &Spanned<String>, path: &str) -> Option<BasisPoints> {
        match BasisPoints::parse(&value.value) {
            Some(share) => Some(share),
            None => self.note(value, path, "expected a percentage such as `5%` or `12.25%`, at most 100%"),
        }
    }

    fn money(&mut self, value: &Spanned<String>, path: &str) -> Option<Money> {
        let Some((amount, code)) = value.value.split_once(' ') else {
            return self.note(value, path, "expected an amount and a currency such as `10.00 USD`");
        };
        let currency = match code.parse() {
            Ok(currency) => currency,
            Err(error) => return self.note(value, path, format!("`{code}` {error}")),
        };
        match Money::parse_decimal(amount, currency) {
            Ok(money) if money.minor >= 0 => Some(money),
            Ok(_) => self.note(value, path, format!("`{amount}` is negative")),
            Err(error) => self.note(value, path, format!("`{amount}` {error}")),
        }
    }
}

/// A moment, or midnight UTC of a date; to the microsecond.
fn moment(text: &str) -> Option<Timestamp> {
    let date = time::Date::parse(text, format_description!("[year]-[month]-[day]"));
    let at = match date {
        Ok(date) => date.midnight().assume_utc(),
        Err(_) => Timestamp::parse(text, &Rfc3339).ok()?.to_offset(time::UtcOffset::UTC),
    };
    at.replace_nanosecond(at.microsecond() * 1000).ok()
}
