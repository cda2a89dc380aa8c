//! The goal of a journey (J1).

use definitions::key::Key;
use definitions::yaml::Spanned;
use serde::Deserialize;
use time::macros::format_description;
use types::{BasisPoints, StageKey};

use super::{Kind, Reader, StageText, key};
use crate::domain::definition::Goal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GoalText {
    stage: Spanned<Key>,
    rate: Spanned<String>,
    by: Spanned<String>,
}

impl Reader {
    pub(super) fn goal(&mut self, text: &GoalText, stages: &[StageText]) -> Option<Goal> {
        let stage = self.goal_stage(&text.stage, stages);
        let rate = BasisPoints::parse(&text.rate.value).filter(|rate| rate.0 > 0);
        if rate.is_none() {
            let what = "expected a percentage above 0 and at most 100 %, such as `40%` or `12.5%`";
            self.wrong(&text.rate, "goal.rate", what);
        }
        let by = date(&text.by.value);
        if by.is_none() {
            self.wrong(&text.by, "goal.by", "expected a date such as `2026-12-31`");
        }
        Some(Goal { stage: stage?, rate: rate?, by: by? })
    }

    fn goal_stage(&mut self, text: &Spanned<Key>, stages: &[StageText]) -> Option<StageKey> {
        let what = match stages.iter().find(|s| s.stage.value == text.value) {
            Some(stage) if stage.kind == Kind::Step => return key(&text.value),
            Some(_) => "is an EXCEPTION: a goal is a stage of kind STEP",
            None => "is no stage of this journey",
        };
        self.wrong(text, "goal.stage", format!("`{}` {what}", text.value));
        None
    }
}

/// A date of the years 1 to 9999, as the wire has them.
fn date(text: &str) -> Option<time::Date> {
    let date = time::Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    // the parser takes signs
    (text.len() == 10 && date.year() >= 1).then_some(date)
}
