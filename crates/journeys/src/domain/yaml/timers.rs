//! Timers of a stage (J7): `enter_after`.

use std::collections::HashSet;

use definitions::duration::HumanDuration;
use definitions::key::Key;
use definitions::yaml::Spanned;
use serde::Deserialize;

use super::super::definition::Wait;
use super::{MAX_TRIGGERS, Reader, StageText, key};

/// One way into a stage by time.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitText {
    after: Spanned<Key>,
    wait: Spanned<String>,
    #[serde(default)]
    unless: Vec<Spanned<Key>>,
}

impl Reader {
    /// The timers of the `n`th of all stages.
    pub(super) fn waits(&mut self, n: usize, texts: &[StageText]) -> Vec<Wait> {
        let Some(own) = texts.get(n) else { return Vec::new() };
        if own.enter_after.len() > MAX_TRIGGERS {
            self.wrong(
                &own.stage,
                format!("stages[{n}].enter_after"),
                format!("at most {MAX_TRIGGERS} timers"),
            );
        }
        let mut setters = HashSet::new();
        let mut waits = Vec::with_capacity(own.enter_after.len());
        for (m, text) in own.enter_after.iter().enumerate() {
            let path = format!("stages[{n}].enter_after[{m}]");
            if !setters.insert(&text.after.value) {
                let what = format!("a second timer after `{}`", text.after.value);
                self.wrong(&text.after, format!("{path}.after"), what);
            }
            waits.extend(self.wait(&path, own, text, texts));
        }
        waits
    }

    fn wait(&mut self, path: &str, own: &StageText, text: &WaitText, all: &[StageText]) -> Option<Wait> {
        let stage = |key: &Key| all.iter().find(|stage| stage.stage.value == *key);
        let after = &text.after;
        match stage(&after.value) {
            None => self.wrong(after, format!("{path}.after"), format!("no stage `{}`", after.value)),
            Some(set_by) if set_by.stage.value == own.stage.value => {
                self.wrong(after, format!("{path}.after"), "a stage cannot wait for itself");
            }
            Some(set_by) if set_by.terminal => {
                let what = format!("`{}` is terminal: nothing happens after it", after.value);
                self.wrong(after, format!("{path}.after"), what);
            }
            Some(_) => {}
        }
        for (m, unless) in text.unless.iter().enumerate() {
            let path = format!("{path}.unless[{m}]");
            if unless.value == own.stage.value {
                self.wrong(unless, path, "it need not be said: what is entered is not waited for");
            } else if stage(&unless.value).is_none() {
                self.wrong(unless, path, format!("no stage `{}`", unless.value));
            }
        }
        let wait = match text.wait.value.parse::<HumanDuration>() {
            // each step takes time, so that nothing that stages set each other goes on for ever at one moment
            Ok(wait) if wait == HumanDuration::ZERO => {
                self.wrong(&text.wait, format!("{path}.wait"), "the wait is to be above zero");
                None
            }
            Ok(wait) => Some(wait),
            Err(error) => {
                self.wrong(&text.wait, format!("{path}.wait"), error.to_string());
                None
            }
        };
        let unless = text.unless.iter().filter_map(|unless| key(&unless.value)).collect();
        Some(Wait { after: key(&after.value)?, wait: wait?, unless })
    }
}
