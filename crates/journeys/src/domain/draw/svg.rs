//! A scene as SVG: attributes and text alone, each written in one place, so that nothing of a definition can become markup.

use std::fmt::Write as _;

use super::scene::{Anchor, Area, Font, Ink, Item, Scene};

/// What every system has something of.
const SANS: &str =
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', Arial, sans-serif";
const MONO: &str = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace";

/// The scene as a document of its own.
pub(super) fn render(scene: &Scene) -> String {
    let mut svg = Writer::default();
    let (width, height) = (scene.width, scene.height);
    svg.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let view = format!("0 0 {width} {height}");
    let head = [
        ("xmlns", "http://www.w3.org/2000/svg".to_owned()),
        ("viewBox", view),
        ("width", width.to_string()),
        ("height", height.to_string()),
        ("role", "img".to_owned()),
        ("font-family", SANS.to_owned()),
    ];
    svg.open("svg", &head);
    svg.leaf("title", &[], &scene.title);
    svg.leaf("desc", &[], &scene.description);
    svg.item(&Item::rect(Area { x: 0, y: 0, width, height }, 0, Ink::Paper));
    for item in &scene.items {
        svg.item(item);
    }
    svg.close("svg");
    svg.text
}

#[derive(Default)]
struct Writer {
    text: String,
}

type Attribute = (&'static str, String);

impl Writer {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Rect { area, radius, fill, stroke } => self.rect(area, *radius, *fill, *stroke),
            Item::Line { points, ink, dashed, arrow } => self.line(points, *ink, *dashed, *arrow),
            Item::Text { x, y, font, ink, anchor, content } => {
                let mut attributes = place(*x, *y);
                attributes.extend(set(*font));
                attributes.push(("fill", ink.hex().to_owned()));
                if *anchor == Anchor::Middle {
                    attributes.push(("text-anchor", "middle".to_owned()));
                }
                self.leaf("text", &attributes, content);
            }
            Item::Group { title, items } => {
                self.open("g", &[]);
                self.leaf("title", &[], title);
                for item in items {
                    self.item(item);
                }
                self.close("g");
            }
        }
    }

    fn rect(&mut self, area: &Area, radius: i32, fill: Ink, stroke: Option<Ink>) {
        let mut attributes = place(area.x, area.y);
        attributes.push(("width", area.width.to_string()));
        attributes.push(("height", area.height.to_string()));
        if radius > 0 {
            attributes.push(("rx", radius.to_string()));
        }
        attributes.push(("fill", fill.hex().to_owned()));
        if let Some(stroke) = stroke {
            attributes.push(("stroke", stroke.hex().to_owned()));
        }
        self.empty("rect", &attributes);
    }

    fn line(&mut self, points: &[(i32, i32)], ink: Ink, dashed: bool, arrow: bool) {
        let mut path = String::new();
        for (n, (x, y)) in points.iter().enumerate() {
            let _ = write!(path, "{}{x} {y}", if n == 0 { "M" } else { " L" });
        }
        let mut attributes = vec![
            ("d", path),
            ("fill", "none".to_owned()),
            ("stroke", ink.hex().to_owned()),
            ("stroke-width", "1.5".to_owned()),
            ("stroke-linejoin", "round".to_owned()),
        ];
        if dashed {
            attributes.push(("stroke-dasharray", "5 4".to_owned()));
        }
        self.empty("path", &attributes);
        if let [.., before, tip] = points
            && arrow
        {
            self.tip(*before, *tip, ink);
        }
    }

    /// The head of an arrow; they all come straight.
    fn tip(&mut self, (from_x, from_y): (i32, i32), (x, y): (i32, i32), ink: Ink) {
        let (along, aside) = ((x - from_x).signum(), (y - from_y).signum());
        let (back_x, back_y) = (x - 8 * along, y - 8 * aside);
        let (wing_x, wing_y) = (4 * aside, 4 * along);
        let points = format!(
            "{x},{y} {},{} {},{}",
            back_x + wing_x,
            back_y + wing_y,
            back_x - wing_x,
            back_y - wing_y
        );
        self.empty("polygon", &[("points", points), ("fill", ink.hex().to_owned())]);
    }

    fn start(&mut self, name: &str, attributes: &[Attribute]) {
        let _ = write!(self.text, "<{name}");
        for (attribute, value) in attributes {
            let _ = write!(self.text, " {attribute}=\"{}\"", escaped(value));
        }
    }

    fn open(&mut self, name: &str, attributes: &[Attribute]) {
        self.start(name, attributes);
        self.text.push_str(">\n");
    }

    fn empty(&mut self, name: &str, attributes: &[Attribute]) {
        self.start(name, attributes);
        self.text.push_str("/>\n");
    }

    fn leaf(&mut self, name: &str, attributes: &[Attribute], content: &str) {
        self.start(name, attributes);
        let _ = writeln!(self.text, ">{}</{name}>", escaped(content));
    }

    fn close(&mut self, name: &str) {
        let _ = writeln!(self.text, "</{name}>");
    }
}

fn place(x: i32, y: i32) -> Vec<Attribute> {
    vec![("x", x.to_string()), ("y", y.to_string())]
}

fn set(font: Font) -> Vec<Attribute> {
    let mut attributes = vec![("font-size", font.size.to_string())];
    if font.bold {
        attributes.push(("font-weight", "600".to_owned()));
    }
    if font.mono {
        attributes.push(("font-family", MONO.to_owned()));
    }
    attributes
}

/// A text as XML has it; what XML has no place for is shown as unreadable.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
