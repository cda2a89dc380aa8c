//! A journey as a drawing (J12): for slides as SVG, for documents as Mermaid.
//!
//! | module | what |
//! |---|---|
//! | [`words`] | what is said of a stage, in words |
//! | [`card`] | one stage, from top to bottom |
//! | [`layout`] | where the cards stand |
//! | [`arrows`] | from step to step, and timers |
//! | [`scene`] | areas, lines and texts: what a drawing is made of |
//! | [`measure`] | how wide a text is |
//! | [`svg`] | a scene as SVG |
//! | [`mermaid`] | a journey as a Mermaid flow chart |

mod arrows;
mod card;
mod layout;
mod measure;
mod mermaid;
mod scene;
mod svg;
#[cfg(test)]
mod tests;
mod words;

use std::collections::HashMap;

use definitions::outline::Outline;

use super::definition::Definition;
use super::funnel::Counts;

/// How many runs came how far.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Counters by stage; empty text is the journey as a whole.
    pub counts: HashMap<String, Counts>,
    /// Of which campaign; `None` for all.
    pub campaign: Option<String>,
}

impl Live {
    fn of(&self, stage: &str) -> Counts {
        self.counts.get(stage).copied().unwrap_or_default()
    }
}

/// A journey, and what is shown of it.
#[derive(Debug)]
pub struct Drawing<'d> {
    /// The journey.
    pub definition: &'d Definition,
    /// Which version that is, if it was published.
    pub version: Option<i32>,
    /// How many runs came how far, if that is shown.
    pub live: Option<&'d Live>,
    /// The program whose rewards are shown, if any are.
    pub program: Option<&'d Outline>,
}

impl Drawing<'_> {
    /// As SVG.
    pub fn svg(&self) -> String {
        svg::render(&layout::lay_out(self).scene)
    }

    /// As a Mermaid flow chart.
    pub fn mermaid(&self) -> String {
        mermaid::render(self)
    }
}
