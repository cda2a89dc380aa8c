//! From YAML to a [`Definition`]: strict, every mistake with its line.

mod goal;
mod notes;
mod timers;

use std::collections::HashSet;
use std::fmt;

use definitions::condition::Condition;
use definitions::key::Key;
use definitions::yaml::{self, Problem, Spanned};
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, de};
use types::{CampaignId, JourneyKey, StageKey};

use super::conditions;
use super::definition::{Campaigns, Definition, Kind, OnGap, Restart, Sequence, Signal, Stage, Trigger};
use goal::GoalText;
use notes::PainText;
use timers::WaitText;

/// Stages of one journey, at most.
const MAX_STAGES: usize = 200;
/// Campaigns one journey is applied to by name, at most.
const MAX_CAMPAIGNS: usize = 1000;
/// Triggers of one stage, at most.
const MAX_TRIGGERS: usize = 20;
/// Bytes of a name, at most.
const MAX_NAME: usize = 200;
/// Bytes of a description, at most.
const MAX_DESCRIPTION: usize = 2000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    journey: Key,
    #[serde(default)]
    name: Option<Spanned<String>>,
    sequence: Sequence,
    #[serde(default)]
    on_gap: OnGap,
    #[serde(default)]
    restart: Restart,
    campaigns: Campaigns,
    #[serde(default)]
    goal: Option<GoalText>,
    stages: Spanned<Vec<StageText>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StageText {
    stage: Spanned<Key>,
    #[serde(default)]
    name: Option<Spanned<String>>,
    #[serde(default)]
    description: Option<Spanned<String>>,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    repeatable: Option<bool>,
    #[serde(default)]
    terminal: bool,
    #[serde(default)]
    enter_on: Vec<TriggerText>,
    #[serde(default)]
    enter_after: Vec<WaitText>,
    #[serde(default)]
    touch_points: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pain_points: Option<Spanned<Vec<PainText>>>,
    #[serde(default)]
    moment_of_truth: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerText {
    event: Spanned<EventName>,
    #[serde(default)]
    when: Option<Spanned<String>>,
    #[serde(default)]
    journey: Option<Spanned<Key>>,
    #[serde(default)]
    stage: Option<Spanned<Key>>,
}

#[derive(Clone, Copy, Deserialize)]
enum EventName {
    #[serde(rename = "attribution.activated")]
    AttributionActivated,
    #[serde(rename = "contact.enrolled")]
    ContactEnrolled,
    #[serde(rename = "contact.tagged")]
    ContactTagged,
    #[serde(rename = "segment.joined")]
    SegmentJoined,
    #[serde(rename = "segment.left")]
    SegmentLeft,
    #[serde(rename = "order.recorded")]
    OrderRecorded,
    #[serde(rename = "order.updated")]
    OrderUpdated,
    #[serde(rename = "order.refunded")]
    OrderRefunded,
    #[serde(rename = "order.cancelled")]
    OrderCancelled,
    #[serde(rename = "stage.entered")]
    StageEntered,
}

impl<'de> Deserialize<'de> for Campaigns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scope;
        impl<'de> Visitor<'de> for Scope {
            type Value = Campaigns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of campaigns, `all` or `none`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Campaigns, E> {
                match text {
                    "all" => Ok(Campaigns::All),
                    "none" => Ok(Campaigns::None),
                    _ => Err(E::custom("expected a list of campaigns, `all` or `none`")),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Campaigns, A::Error> {
                let mut listed: Vec<CampaignId> = Vec::new();
                while let Some(text) = items.next_element::<String>()? {
                    let campaign = text.parse().map_err(|e| A::Error::custom(format!("a campaign {e}")))?;
                    listed.push(campaign);
                }
                listed.sort();
                listed.dedup();
                match listed.len() {
                    0 => {
                        Err(A::Error::custom("the list is empty: name a campaign, or write `all` or `none`"))
                    }
                    1..=MAX_CAMPAIGNS => Ok(Campaigns::Listed(listed)),
                    _ => Err(A::Error::custom(format!("at most {MAX_CAMPAIGNS} campaigns; or write `all`"))),
                }
            }
        }
        deserializer.deserialize_any(Scope)
    }
}

/// Reads and checks a definition; what is wrong comes back with its line, everything that can be found at once.
pub fn parse(text: &str) -> Result<(Definition, Campaigns), Vec<Problem>> {
    let document: Document = yaml::parse(text).map_err(|problem| vec![problem])?;
    let mut reader = Reader { problems: Vec::new() };
    let definition = reader.journey(&document);
    match definition {
        Some(definition) if reader.problems.is_empty() => Ok((definition, document.campaigns)),
        _ => Err(reader.problems),
    }
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong<T>(&mut self, at: &Spanned<T>, path: impl Into<String>, what: impl Into<String>) {
        self.problems.push(Problem::at(at, path, what));
    }

    fn journey(&mut self, document: &Document) -> Option<Definition> {
        let texts = &document.stages.value;
        if texts.is_empty() || texts.len() > MAX_STAGES {
            self.wrong(&document.stages, "stages", format!("expected 1 to {MAX_STAGES} stages"));
        } else if texts.iter().all(|s| s.kind == Kind::Exception) {
            self.wrong(&document.stages, "stages", "no run can start: a journey needs a stage of kind STEP");
        }
        self.unique(texts);
        if document.sequence == Sequence::Required {
            self.reachable(texts);
        }
        let journey = key::<JourneyKey>(&document.journey)?;
        let name = self.text(document.name.as_ref(), "name", MAX_NAME).unwrap_or_else(|| journey.to_string());
        let stages = (0..texts.len()).filter_map(|n| self.stage(n, texts, &journey)).collect();
        let goal = document.goal.as_ref().and_then(|goal| self.goal(goal, texts));
        let Document { sequence, on_gap, restart, .. } = *document;
        Some(Definition { journey, name, sequence, on_gap, restart, goal, stages })
    }

    fn unique(&mut self, texts: &[StageText]) {
        let mut seen = HashSet::new();
        for (n, text) in texts.iter().enumerate() {
            if !seen.insert(&text.stage.value) {
                let what = format!("a second stage `{}`", text.stage.value);
                self.wrong(&text.stage, format!("stages[{n}].stage"), what);
            }
        }
    }

    /// A step behind one that every run must enter and that ends it could never be entered.
    fn reachable(&mut self, texts: &[StageText]) {
        let mut wall: Option<&StageText> = None;
        for (n, text) in texts.iter().enumerate().filter(|(_, text)| text.kind == Kind::Step) {
            if let Some(wall) = wall {
                let what = format!(
                    "no run can enter `{}`: `{}` before it is terminal and not optional",
                    text.stage.value, wall.stage.value
                );
                self.wrong(&text.stage, format!("stages[{n}].stage"), what);
            } else if text.terminal && !text.optional {
                wall = Some(text);
            }
        }
    }

    fn text(&mut self, text: Option<&Spanned<String>>, path: &str, max: usize) -> Option<String> {
        let text = text?;
        if text.value.len() > max {
            self.wrong(text, path, format!("the text is longer than {max} bytes"));
        }
        if text.value.chars().any(|c| c.is_control() && c != '\n') {
            self.wrong(text, path, "the text has a control character");
        }
        Some(text.value.trim().to_owned())
    }

    fn stage(&mut self, n: usize, texts: &[StageText], journey: &JourneyKey) -> Option<Stage> {
        let text = texts.get(n)?;
        let path = format!("stages[{n}]");
        let key = key::<StageKey>(&text.stage.value)?;
        if text.enter_on.len() > MAX_TRIGGERS {
            let what = format!("at most {MAX_TRIGGERS} triggers");
            self.wrong(&text.stage, format!("{path}.enter_on"), what);
        }
        let mut enter_on = Vec::with_capacity(text.enter_on.len());
        for (m, trigger) in text.enter_on.iter().enumerate() {
            enter_on.extend(self.trigger(&format!("{path}.enter_on[{m}]"), trigger, journey));
        }
        let by_order = enter_on.iter().any(|t| t.signal.is_of_order());
        let name = self.text(text.name.as_ref(), &format!("{path}.name"), MAX_NAME);
        let description =
            self.text(text.description.as_ref(), &format!("{path}.description"), MAX_DESCRIPTION);
        Some(Stage {
            name: name.unwrap_or_else(|| key.to_string()),
            description: description.unwrap_or_default(),
            key,
            kind: text.kind,
            optional: text.optional,
            repeatable: text.repeatable.unwrap_or(by_order),
            terminal: text.terminal,
            enter_on,
            enter_after: self.waits(n, texts),
            notes: self.notes(&path, text),
        })
    }

    fn trigger(&mut self, path: &str, text: &TriggerText, own: &JourneyKey) -> Option<Trigger> {
        let signal = self.signal(path, text, own)?;
        let when = match &text.when {
            None => None,
            Some(source) => match Condition::compile(&source.value, conditions::environment(&signal)) {
                Ok(condition) => Some(condition),
                Err(error) => {
                    self.wrong(source, format!("{path}.when"), format!("in the condition, {error}"));
                    return None;
                }
            },
        };
        Some(Trigger { signal, when })
    }

    fn signal(&mut self, path: &str, text: &TriggerText, own: &JourneyKey) -> Option<Signal> {
        let signal = match text.event.value {
            EventName::StageEntered => return self.stage_entered(path, text, own),
            EventName::AttributionActivated => Signal::AttributionActivated,
            EventName::ContactEnrolled => Signal::ContactEnrolled,
            EventName::ContactTagged => Signal::ContactTagged,
            EventName::SegmentJoined => Signal::SegmentJoined,
            EventName::SegmentLeft => Signal::SegmentLeft,
            EventName::OrderRecorded => Signal::OrderRecorded,
            EventName::OrderUpdated => Signal::OrderUpdated,
            EventName::OrderRefunded => Signal::OrderRefunded,
            EventName::OrderCancelled => Signal::OrderCancelled,
        };
        for (name, value) in [("journey", &text.journey), ("stage", &text.stage)] {
            if let Some(value) = value {
                self.wrong(
                    value,
                    format!("{path}.{name}"),
                    format!("`{name}` belongs to `stage.entered` only"),
                );
            }
        }
        Some(signal)
    }

    fn stage_entered(&mut self, path: &str, text: &TriggerText, own: &JourneyKey) -> Option<Signal> {
        let (Some(journey), Some(stage)) = (&text.journey, &text.stage) else {
            self.wrong(
                &text.event,
                path,
                "`stage.entered` needs the `journey` and the `stage` of the other journey",
            );
            return None;
        };
        if journey.value.as_str() == own.as_str() {
            self.wrong(journey, format!("{path}.journey"), "a stage of the same journey cannot be a trigger");
            return None;
        }
        Some(Signal::StageEntered { journey: key(&journey.value)?, stage: key(&stage.value)? })
    }
}

/// A key of a definition as the id it is; both have the same form.
fn key<T: std::str::FromStr>(key: &Key) -> Option<T> {
    key.as_str().parse().ok()
}

#[cfg(test)]
mod tests;
