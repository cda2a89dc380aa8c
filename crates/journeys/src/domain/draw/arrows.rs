//! Arrows from step to step, and those of timers, which run in lanes of their own above the rows.

use types::StageKey;

use super::layout::{GUTTER, Placed};
use super::measure::{fit, width};
use super::scene::{Area, Font, Ink, Item};
use super::{Drawing, words};
use crate::domain::definition::{Definition, Kind, Wait};

/// From one lane to the next.
const LANE: i32 = 22;
/// From one upright way to the next.
const WAY: i32 = 10;
/// How wide the words at a timer are at most.
const LABEL: i32 = 210;
/// How far a way turns beside a card.
const TURN: i32 = 18;

/// Lines, the words that lie above them, and where these are.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    pub(super) lines: Vec<Item>,
    pub(super) texts: Vec<Item>,
    pub(super) labels: Vec<Area>,
}

/// From each step to the next, with how many came on.
pub(super) fn between_steps(drawing: &Drawing<'_>, placed: &[Placed<'_>]) -> Drawn {
    let steps: Vec<&Placed<'_>> = placed.iter().filter(|p| p.stage.kind == Kind::Step).collect();
    let mut drawn = Drawn::default();
    for pair in steps.windows(2) {
        let [from, to] = pair else { continue };
        let share = words::conversion(drawing, from.stage, to.stage);
        let (start, end) = ((from.area.right(), from.area.y + 40), (to.area.x, to.area.y + 40));
        let (points, middle) = if from.row == to.row {
            (vec![start, end], (i32::midpoint(start.0, end.0), start.1 - 8))
        } else {
            let (across, right, left) = (from.area.bottom() + 20, start.0 + TURN, end.0 - TURN);
            let points = vec![start, (right, start.1), (right, across), (left, across), (left, end.1), end];
            (points, (i32::midpoint(right, left), across - 6))
        };
        drawn.lines.push(Item::Line { points, ink: Ink::Muted, dashed: false, arrow: true });
        if let Some(share) = share {
            let content = fit(&share, Font::STRONG, GUTTER);
            let (x, y) = middle;
            drawn.texts.push(Item::centred(x, y, Font::STRONG, Ink::Live, content));
        }
    }
    drawn
}

/// A timer on its way from the row of one stage to that of another.
#[derive(Debug)]
struct Route<'d> {
    timer: &'d Wait,
    target: &'d StageKey,
    /// Whether it comes to an exception.
    is_apart: bool,
    from_row: usize,
    to_row: usize,
    /// Its lanes above these rows, from the bottom.
    from_lane: i32,
    to_lane: i32,
    /// Its way beside the rows, if it changes them.
    way: i32,
}

/// The ways of all timers: each has lanes and ways of its own, so that none lies on another.
#[derive(Debug)]
pub(super) struct Routes<'d> {
    all: Vec<Route<'d>>,
    /// Lanes above each row.
    lanes: Vec<i32>,
    ways: i32,
}

impl<'d> Routes<'d> {
    /// Plans them, by the row of each stage.
    pub(super) fn plan(definition: &'d Definition, rows: &[(&StageKey, usize)]) -> Self {
        let row_of = |stage: &StageKey| rows.iter().find(|(key, _)| *key == stage).map(|(_, row)| *row);
        let count = rows.iter().map(|(_, row)| row + 1).max().unwrap_or_default();
        let mut planned = Self { all: Vec::new(), lanes: vec![0; count], ways: 0 };
        for stage in &definition.stages {
            for timer in &stage.enter_after {
                let Some((from_row, to_row)) = row_of(&timer.after).zip(row_of(&stage.key)) else { continue };
                let to_lane = planned.lane(to_row);
                let (from_lane, way) = if from_row == to_row {
                    (to_lane, 0)
                } else {
                    planned.ways += 1;
                    (planned.lane(from_row), planned.ways)
                };
                let (target, is_apart) = (&stage.key, stage.kind == Kind::Exception);
                let route = Route { timer, target, is_apart, from_row, to_row, from_lane, to_lane, way };
                planned.all.push(route);
            }
        }
        planned
    }

    fn lane(&mut self, row: usize) -> i32 {
        let Some(lanes) = self.lanes.get_mut(row) else { return 0 };
        *lanes += 1;
        *lanes
    }

    /// How high the lanes above a row are.
    pub(super) fn height(&self, row: usize) -> i32 {
        match self.lanes.get(row) {
            None | Some(0) => 0,
            Some(lanes) => lanes * LANE + LANE / 2,
        }
    }

    /// How wide the ways beside the rows are.
    pub(super) fn width(&self) -> i32 {
        if self.ways == 0 { 0 } else { self.ways * WAY + TURN }
    }

    /// The arrows between the cards; `tops` are the upper edges of the rows' cards, `left` is the left one of all.
    pub(super) fn draw(&self, placed: &[Placed<'_>], tops: &[i32], left: i32) -> Drawn {
        let right = placed.iter().map(|p| p.area.right()).max().unwrap_or(left);
        let area = |stage: &StageKey| placed.iter().find(|p| p.stage.key == *stage).map(|p| p.area);
        let height = |row: usize, lane: i32| tops.get(row).map(|top| top - lane * LANE);
        let mut drawn = Drawn::default();
        for (n, route) in self.all.iter().enumerate() {
            let Some((from, to)) = area(&route.timer.after).zip(area(route.target)) else { continue };
            let lanes = height(route.from_row, route.from_lane).zip(height(route.to_row, route.to_lane));
            let Some((out, into)) = lanes else { continue };
            let (start, end) = (self.port(&from, n, &route.timer.after), self.port(&to, n, route.target));
            let mut points = vec![(start, from.y), (start, out)];
            let mut turn = start;
            if route.way > 0 {
                turn = left - TURN - route.way * WAY;
                points.extend([(turn, out), (turn, into)]);
            }
            points.extend([(end, into), (end, to.y)]);
            drawn.lines.push(Item::Line { points, ink: Ink::Timer, dashed: true, arrow: true });
            let paper = if route.is_apart { Ink::ExceptionShade } else { Ink::Paper };
            let (content, area) = label(route.timer, (turn, end), into, right);
            drawn.texts.push(Item::rect(area, 4, paper));
            let middle = area.x + area.width / 2;
            drawn.texts.push(Item::centred(middle, into + 4, Font::STRONG, Ink::Timer, content));
            drawn.labels.push(area);
        }
        drawn
    }

    /// Where a timer leaves a card's upper edge or comes to it: all that do have their own places on it.
    fn port(&self, card: &Area, route: usize, stage: &StageKey) -> i32 {
        let touches = |r: &Route<'_>| usize::from(r.timer.after == *stage) + usize::from(r.target == stage);
        let ports: usize = self.all.iter().map(touches).sum();
        let before: usize = self.all.iter().take(route).map(touches).sum();
        let (ports, before) = (i32::try_from(ports).unwrap_or(1), i32::try_from(before).unwrap_or(0));
        card.x + card.width * (before + 1) / (ports + 1)
    }
}

/// What a timer is, and where that stands: on its lane where that is long enough, else beside its end.
fn label(timer: &Wait, (from, to): (i32, i32), lane: i32, right: i32) -> (String, Area) {
    let mut text = timer.wait.to_string();
    if let Some(unless) = words::unless(timer) {
        text = format!("{text}, {unless}");
    }
    let content = fit(&text, Font::STRONG, LABEL);
    let wide = width(&content, Font::STRONG) + 10;
    let has_room = (to - from).abs() >= wide + 20;
    let x = if has_room { i32::midpoint(from, to) - wide / 2 } else { (from.max(to) + 6).min(right - wide) };
    (content, Area { x, y: lane - 9, width: wide, height: 18 })
}
