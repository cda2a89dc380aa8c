//! What a stage carries for people (J2): touch points, pain points with their remedies.

use definitions::yaml::Spanned;
use serde::Deserialize;

use super::{Reader, StageText};
use crate::domain::definition::{Notes, PainPoint};

/// Touch points, or pain points, of one stage, at most.
const MAX_NOTES: usize = 50;
/// Bytes of one text, at most.
const MAX_NOTE: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PainText {
    pain: Spanned<String>,
    #[serde(default)]
    remedy: Option<Spanned<String>>,
}

impl Reader {
    /// Of the stage at `path`.
    pub(super) fn notes(&mut self, path: &str, text: &StageText) -> Notes {
        Notes {
            touch_points: self.touch_points(&format!("{path}.touch_points"), text.touch_points.as_ref()),
            pain_points: self.pain_points(&format!("{path}.pain_points"), text.pain_points.as_ref()),
            moment_of_truth: text.moment_of_truth,
        }
    }

    fn touch_points(&mut self, path: &str, list: Option<&Spanned<Vec<Spanned<String>>>>) -> Vec<String> {
        let texts = self.bounded(path, list).iter().enumerate();
        texts.filter_map(|(n, text)| self.note(&format!("{path}[{n}]"), text)).collect()
    }

    fn pain_points(&mut self, path: &str, list: Option<&Spanned<Vec<PainText>>>) -> Vec<PainPoint> {
        let texts = self.bounded(path, list).iter().enumerate();
        let read = |(n, text): (usize, &PainText)| {
            let remedy = self.text(text.remedy.as_ref(), &format!("{path}[{n}].remedy"), MAX_NOTE);
            let pain = self.note(&format!("{path}[{n}].pain"), &text.pain)?;
            Some(PainPoint { pain, remedy: remedy.unwrap_or_default() })
        };
        texts.filter_map(read).collect()
    }

    fn bounded<'t, T>(&mut self, path: &str, list: Option<&'t Spanned<Vec<T>>>) -> &'t [T] {
        let Some(list) = list else { return &[] };
        if list.value.len() > MAX_NOTES {
            self.wrong(list, path, format!("at most {MAX_NOTES} entries"));
        }
        &list.value
    }

    /// A text that has to say something.
    fn note(&mut self, path: &str, text: &Spanned<String>) -> Option<String> {
        let read = self.text(Some(text), path, MAX_NOTE)?;
        if read.is_empty() {
            self.wrong(text, path, "the text is empty");
            return None;
        }
        Some(read)
    }
}
