//! One stage, from top to bottom.

use super::measure::{fit, width, wrap};
use super::scene::{Area, Font, Ink, Item};
use super::{Drawing, words};
use crate::domain::definition::{Kind, Stage};

/// How wide every card is.
pub(super) const WIDTH: i32 = 236;
/// Between a card's edge and what is in it.
const PADDING: i32 = 14;
/// How wide a line is at most.
const ROOM: i32 = WIDTH - 2 * PADDING;
/// Between two sections.
const GAP: i32 = 9;
/// How many of a list are shown.
const SHOWN: usize = 4;

/// What a card holds; what is in `foot` stands at its lower edge, however high it is made.
#[derive(Debug)]
pub(super) struct Card {
    title: String,
    kind: Kind,
    body: Column,
    foot: Column,
}

/// Things one below the other.
#[derive(Debug, Default)]
struct Column {
    items: Vec<Item>,
    y: i32,
}

impl Column {
    fn lines(&mut self, lines: Vec<String>, font: Font, ink: Ink) {
        for line in lines {
            self.items.push(Item::text(PADDING, self.y + font.size, font, ink, line));
            self.y += font.leading();
        }
    }

    fn label(&mut self, text: &str, ink: Ink) {
        self.y += GAP;
        self.lines(vec![text.to_owned()], Font::LABEL, ink);
        self.y += 2;
    }

    /// Short words in boxes, as many in a row as there is room for.
    fn chips(&mut self, chips: &[&str], fill: Ink, ink: Ink) {
        let font = Font::LABEL;
        let (mut x, high) = (PADDING, font.size + 8);
        for chip in chips {
            let wide = width(chip, font) + 12;
            if x > PADDING && x + wide > WIDTH - PADDING {
                (x, self.y) = (PADDING, self.y + high + 4);
            }
            self.items.push(Item::rect(Area { x, y: self.y, width: wide, height: high }, 4, fill));
            self.items.push(Item::centred(x + wide / 2, self.y + font.size + 3, font, ink, *chip));
            x += wide + 5;
        }
        if !chips.is_empty() {
            self.y += high + 2;
        }
    }

    /// The first few of a list, and how many more there are.
    fn list<T>(&mut self, items: &[T], mut show: impl FnMut(&mut Self, &T)) {
        for item in items.iter().take(SHOWN) {
            show(self, item);
        }
        if let Some(more @ 1..) = items.len().checked_sub(SHOWN) {
            self.lines(vec![format!("and {more} more")], Font::BODY, Ink::Muted);
        }
    }
}

impl Card {
    /// The card of a stage; steps have a number.
    pub(super) fn of(drawing: &Drawing<'_>, stage: &Stage, number: Option<usize>) -> Self {
        let mut body = Column { items: Vec::new(), y: 12 };
        head(&mut body, stage, number);
        ways_in(&mut body, stage);
        for_people(&mut body, stage);
        let rewards = words::rewards(drawing, stage);
        if !rewards.is_empty() {
            body.label("REWARDS", Ink::Reward);
            body.list(&rewards, |body, reward| {
                body.lines(wrap(reward, Font::BODY, ROOM, 2), Font::BODY, Ink::Reward);
            });
        }
        if let Some(goal) = words::goal(drawing, stage) {
            body.label("GOAL", Ink::Step);
            body.lines(
                goal.iter().map(|line| fit(line, Font::STRONG, ROOM)).collect(),
                Font::STRONG,
                Ink::Step,
            );
        }
        body.y += 12;
        let mut foot = Column::default();
        if let Some(live) = drawing.live {
            let counts = live.of(stage.key.as_str());
            foot.y = 8;
            foot.lines(
                vec![fit(&words::counted(counts.entered, "run"), Font::NAME, ROOM)],
                Font::NAME,
                Ink::Live,
            );
            if stage.kind == Kind::Step {
                foot.lines(vec![fit(&words::whereabouts(counts), Font::BODY, ROOM)], Font::BODY, Ink::Live);
            }
            foot.y += 8;
        }
        Self { title: stage.name.clone(), kind: stage.kind, body, foot }
    }

    /// How high it is at least.
    pub(super) fn height(&self) -> i32 {
        self.body.y + self.foot.y
    }

    /// The card in its place.
    pub(super) fn at(self, area: Area) -> Item {
        let stroke = if self.kind == Kind::Step { Ink::Border } else { Ink::ExceptionBorder };
        let mut items = vec![Item::Rect { area, radius: 10, fill: Ink::Paper, stroke: Some(stroke) }];
        items.extend(self.body.items.into_iter().map(|item| item.moved(area.x, area.y)));
        if self.foot.y > 0 {
            let top = area.bottom() - self.foot.y;
            let band = Area { x: area.x + 1, y: top, width: area.width - 2, height: self.foot.y - 1 };
            items.push(Item::rect(band, 9, Ink::LiveShade));
            items.extend(self.foot.items.into_iter().map(|item| item.moved(area.x, top)));
        }
        Item::Group { title: self.title, items }
    }
}

fn head(body: &mut Column, stage: &Stage, number: Option<usize>) {
    let is_step = stage.kind == Kind::Step;
    let badge = number.map_or_else(|| "EXCEPTION".to_owned(), |number| format!("STEP {number}"));
    let ink = if is_step { Ink::Step } else { Ink::Exception };
    body.lines(vec![badge], Font::LABEL, ink);
    body.y += 3;
    body.lines(wrap(&stage.name, Font::NAME, ROOM, 2), Font::NAME, Ink::Text);
    if stage.name != stage.key.as_str() {
        body.lines(vec![fit(stage.key.as_str(), Font::CODE, ROOM)], Font::CODE, Ink::Muted);
    }
    body.y += 5;
    if stage.notes.moment_of_truth {
        body.chips(&["MOMENT OF TRUTH"], Ink::TruthShade, Ink::Truth);
        body.y += 3;
    }
    body.chips(&words::flags(stage), Ink::Shade, Ink::Muted);
    if !stage.description.is_empty() {
        body.y += 4;
        body.lines(wrap(&stage.description, Font::BODY, ROOM, 3), Font::BODY, Ink::Muted);
    }
}

fn ways_in(body: &mut Column, stage: &Stage) {
    body.label("ENTERED", Ink::Muted);
    if stage.enter_on.is_empty() && stage.enter_after.is_empty() {
        body.lines(vec!["by call".to_owned()], Font::BODY, Ink::Muted);
    }
    body.list(&stage.enter_on, |body, trigger| {
        body.lines(wrap(&words::signal(trigger), Font::STRONG, ROOM, 2), Font::STRONG, Ink::Text);
        if let Some(condition) = &trigger.when {
            body.lines(wrap(condition.source(), Font::CODE, ROOM, 3), Font::CODE, Ink::Muted);
        }
    });
    body.list(&stage.enter_after, |body, timer| {
        let after = format!("{} after {}", timer.wait, timer.after);
        body.lines(wrap(&after, Font::STRONG, ROOM, 2), Font::STRONG, Ink::Timer);
        if let Some(unless) = words::unless(timer) {
            body.lines(wrap(&unless, Font::BODY, ROOM, 2), Font::BODY, Ink::Muted);
        }
    });
}

/// What it carries for people (J2).
fn for_people(body: &mut Column, stage: &Stage) {
    let notes = &stage.notes;
    if !notes.touch_points.is_empty() {
        body.label("TOUCH POINTS", Ink::Muted);
        body.list(&notes.touch_points, |body, point| {
            body.lines(wrap(point, Font::BODY, ROOM, 2), Font::BODY, Ink::Text);
        });
    }
    if !notes.pain_points.is_empty() {
        body.label("PAIN POINTS", Ink::Muted);
        body.list(&notes.pain_points, |body, point| {
            body.lines(wrap(&point.pain, Font::BODY, ROOM, 2), Font::BODY, Ink::Exception);
            if !point.remedy.is_empty() {
                let remedy = format!("→ {}", point.remedy);
                body.lines(wrap(&remedy, Font::BODY, ROOM, 2), Font::BODY, Ink::Reward);
            }
        });
    }
}
