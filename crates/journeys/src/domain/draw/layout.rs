//! Where the cards stand: steps from left to right, in as many rows as it takes; exceptions below them, apart.

use types::StageKey;

use super::arrows::{self, Routes};
use super::card::{self, Card};
use super::measure::{fit, width, wrap};
use super::scene::{Area, Font, Ink, Item, Scene};
use super::{Drawing, words};
use crate::domain::definition::{Kind, Stage};

/// Between two cards of a row.
pub(super) const GUTTER: i32 = 72;
/// Between two rows; the way to the next row leads through it.
const BETWEEN: i32 = 40;
/// Around the drawing.
const MARGIN: i32 = 40;
/// How wide a drawing is at least, so that its title has room.
const LEAST: i32 = 720;
/// Within the field of the exceptions, around its cards.
const INSET: i32 = 20;

/// A drawing whose parts have their places.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) scene: Scene,
    /// Where each stage is.
    #[cfg_attr(not(test), expect(dead_code, reason = "the laws of the layout are about these"))]
    pub(super) cards: Vec<Area>,
    /// Where each timer is told of.
    #[cfg_attr(not(test), expect(dead_code, reason = "the laws of the layout are about these"))]
    pub(super) labels: Vec<Area>,
}

/// A card in its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'d> {
    pub(super) stage: &'d Stage,
    pub(super) area: Area,
    /// Its row, counted from the top.
    pub(super) row: usize,
}

/// Cards to be placed, row by row.
struct Grid<'d> {
    left: i32,
    y: i32,
    row: usize,
    columns: usize,
    placed: Vec<Placed<'d>>,
    items: Vec<Item>,
    /// The upper edge of each row's cards.
    tops: Vec<i32>,
}

impl<'d> Grid<'d> {
    /// Rows of these cards, each as high as its highest.
    fn add(&mut self, cards: Vec<(&'d Stage, Card)>, routes: &Routes<'d>) {
        let mut cards = cards.into_iter().peekable();
        while cards.peek().is_some() {
            let row: Vec<(&Stage, Card)> = cards.by_ref().take(self.columns).collect();
            let height = row.iter().map(|(_, card)| card.height()).max().unwrap_or_default();
            self.y += routes.height(self.row);
            self.tops.push(self.y);
            let mut x = self.left;
            for (stage, card) in row {
                let area = Area { x, y: self.y, width: card::WIDTH, height };
                self.placed.push(Placed { stage, area, row: self.row });
                self.items.push(card.at(area));
                x += card::WIDTH + GUTTER;
            }
            self.row += 1;
            self.y += height + BETWEEN;
        }
    }
}

/// How many cards stand in a row: rows of about the same length, and none too long to be read.
fn columns(cards: usize) -> usize {
    let most = if cards <= 30 { 6 } else { 8 };
    let rows = cards.div_ceil(most).max(1);
    cards.div_ceil(rows).max(1)
}

fn pixels(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Gives everything its place.
pub(super) fn lay_out(drawing: &Drawing<'_>) -> Layout {
    let definition = drawing.definition;
    let (steps, exceptions): (Vec<&Stage>, Vec<&Stage>) =
        definition.stages.iter().partition(|stage| stage.kind == Kind::Step);
    let columns = columns(steps.len()).max(columns(exceptions.len()).min(3));
    let rows: Vec<(&StageKey, usize)> = rows_of(&steps, 0, columns)
        .chain(rows_of(&exceptions, steps.len().div_ceil(columns), columns))
        .collect();
    let routes = Routes::plan(definition, &rows);
    let left = MARGIN + INSET + routes.width();
    let cards = pixels(columns) * (card::WIDTH + GUTTER) - GUTTER;
    let width = (left + cards + INSET + MARGIN).max(LEAST);
    let (mut items, top) = header(drawing, width);
    let mut grid =
        Grid { left, y: top, row: 0, columns, placed: Vec::new(), items: Vec::new(), tops: Vec::new() };
    let numbered = steps.iter().enumerate().map(|(n, s)| (*s, Card::of(drawing, s, Some(n + 1))));
    grid.add(numbered.collect(), &routes);
    if !exceptions.is_empty() {
        let field_top = grid.y;
        let field = grid_of_exceptions(&mut grid, drawing, &exceptions, &routes);
        let area = Area { x: MARGIN, y: field_top, width: width - 2 * MARGIN, height: grid.y - field_top };
        items.push(Item::rect(area, 14, Ink::ExceptionShade));
        items.push(field);
        grid.y += BETWEEN;
    }
    let next = arrows::between_steps(drawing, &grid.placed);
    let drawn = routes.draw(&grid.placed, &grid.tops, left);
    let (legend, bottom) = legend(drawing, grid.y - 12, !drawn.labels.is_empty(), steps.len());
    items.extend(next.lines);
    items.extend(drawn.lines);
    items.extend(grid.items);
    items.extend(next.texts);
    items.extend(drawn.texts);
    items.extend(legend);
    let scene = Scene {
        width,
        height: bottom + MARGIN / 2,
        title: definition.name.clone(),
        description: description(drawing, steps.len(), exceptions.len()),
        items,
    };
    Layout { scene, cards: grid.placed.iter().map(|p| p.area).collect(), labels: drawn.labels }
}

fn rows_of<'d>(
    stages: &[&'d Stage],
    first: usize,
    columns: usize,
) -> impl Iterator<Item = (&'d StageKey, usize)> {
    stages
        .iter()
        .enumerate()
        .map(move |(n, stage)| (&stage.key, first + n / columns))
        .collect::<Vec<_>>()
        .into_iter()
}

/// The cards of the exceptions; the heading of their field.
fn grid_of_exceptions<'d>(
    grid: &mut Grid<'d>,
    drawing: &Drawing<'_>,
    exceptions: &[&'d Stage],
    routes: &Routes<'d>,
) -> Item {
    let heading = Item::text(
        grid.left,
        grid.y + INSET + Font::STRONG.size,
        Font::STRONG,
        Ink::Exception,
        "Exceptions, at any time in a run",
    );
    grid.y += INSET + Font::STRONG.leading() + 12;
    grid.add(exceptions.iter().map(|s| (*s, Card::of(drawing, s, None))).collect(), routes);
    grid.y += INSET - BETWEEN;
    heading
}

/// Title and what stands under it; where it ends.
fn header(drawing: &Drawing<'_>, width: i32) -> (Vec<Item>, i32) {
    let (room, mut y) = (width - 2 * MARGIN, MARGIN - 6);
    let mut items = Vec::new();
    for line in wrap(&drawing.definition.name, Font::TITLE, room, 2) {
        items.push(Item::text(MARGIN, y + Font::TITLE.size, Font::TITLE, Ink::Text, line));
        y += Font::TITLE.leading();
    }
    let line = fit(&words::subtitle(drawing), Font::SUBTITLE, room);
    items.push(Item::text(MARGIN, y + Font::SUBTITLE.size + 4, Font::SUBTITLE, Ink::Muted, line));
    (items, y + Font::SUBTITLE.leading() + 26)
}

/// What the arrows mean, as far as that does not go without saying; where it ends.
fn legend(drawing: &Drawing<'_>, top: i32, timers: bool, steps: usize) -> (Vec<Item>, i32) {
    let mut items = Vec::new();
    let mut x = MARGIN;
    let y = top + Font::BODY.size;
    let mut explain = |what: &str, ink: Ink, dashed: bool| {
        let points = vec![(x, y - 4), (x + 34, y - 4)];
        items.push(Item::Line { points, ink, dashed, arrow: true });
        items.push(Item::text(x + 42, y, Font::BODY, Ink::Muted, what));
        x += 42 + width(what, Font::BODY) + 26;
    };
    if steps > 1 && drawing.live.is_some() {
        explain("came on from the step before", Ink::Muted, false);
    } else if steps > 1 {
        explain("next step", Ink::Muted, false);
    }
    if timers {
        explain("timer: how long after", Ink::Timer, true);
    }
    let bottom = if items.is_empty() { top } else { y + 6 };
    (items, bottom)
}

/// What the drawing shows, for those who do not see it.
fn description(drawing: &Drawing<'_>, steps: usize, exceptions: usize) -> String {
    let plural = |n: usize, what: &str| words::counted(i64::from(pixels(n)), what);
    let names: Vec<&str> = drawing.definition.stages.iter().map(|s| s.name.as_str()).collect();
    let counted = format!("{} and {}", plural(steps, "step"), plural(exceptions, "exception"));
    format!("A customer journey of {counted}: {}.", names.join(", "))
}
