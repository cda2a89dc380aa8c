//! What a drawing is made of: areas, lines and texts, in pixels, without a word of SVG.

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

impl Area {
    pub(super) fn right(&self) -> i32 {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> i32 {
        self.y + self.height
    }
}

/// A colour by what it is for; dark ones have a contrast of at least 4.5 to the light ones they stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Muted,
    Border,
    Paper,
    Shade,
    Step,
    Exception,
    ExceptionBorder,
    ExceptionShade,
    Truth,
    TruthShade,
    Reward,
    Timer,
    Live,
    LiveShade,
}

impl Ink {
    pub(super) fn hex(self) -> &'static str {
        match self {
            Self::Text => "#1b2733",
            Self::Muted => "#52606d",
            Self::Border => "#c3ccd6",
            Self::Paper => "#ffffff",
            Self::Shade => "#edf1f6",
            Self::Step => "#1d4ed8",
            Self::Exception => "#b42318",
            Self::ExceptionBorder => "#eab4ae",
            Self::ExceptionShade => "#fdf3f2",
            Self::Truth => "#8a4b08",
            Self::TruthShade => "#fdecc8",
            Self::Reward => "#166534",
            Self::Timer => "#6d28d9",
            Self::Live => "#0b4a6f",
            Self::LiveShade => "#e3f1fa",
        }
    }
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Font {
    pub(super) size: i32,
    pub(super) bold: bool,
    pub(super) mono: bool,
}

impl Font {
    pub(super) const TITLE: Self = Self { size: 28, bold: true, mono: false };
    pub(super) const SUBTITLE: Self = Self { size: 14, bold: false, mono: false };
    pub(super) const NAME: Self = Self { size: 15, bold: true, mono: false };
    pub(super) const BODY: Self = Self { size: 12, bold: false, mono: false };
    pub(super) const STRONG: Self = Self { size: 12, bold: true, mono: false };
    pub(super) const CODE: Self = Self { size: 11, bold: false, mono: true };
    pub(super) const LABEL: Self = Self { size: 10, bold: true, mono: false };

    /// From one line to the next.
    pub(super) fn leading(self) -> i32 {
        self.size + self.size / 4 + 1
    }
}

/// Which end of a text its place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
}

/// One thing on the paper; those later in a list lie above those before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    Rect {
        area: Area,
        radius: i32,
        fill: Ink,
        stroke: Option<Ink>,
    },
    Line {
        points: Vec<(i32, i32)>,
        ink: Ink,
        dashed: bool,
        arrow: bool,
    },
    /// `y` is its base line.
    Text {
        x: i32,
        y: i32,
        font: Font,
        ink: Ink,
        anchor: Anchor,
        content: String,
    },
    /// Things that belong together, and what they are called.
    Group {
        title: String,
        items: Vec<Item>,
    },
}

impl Item {
    pub(super) fn text(x: i32, y: i32, font: Font, ink: Ink, content: impl Into<String>) -> Self {
        Self::Text { x, y, font, ink, anchor: Anchor::Start, content: content.into() }
    }

    /// A text whose place is its middle.
    pub(super) fn centred(x: i32, y: i32, font: Font, ink: Ink, content: impl Into<String>) -> Self {
        Self::Text { x, y, font, ink, anchor: Anchor::Middle, content: content.into() }
    }

    pub(super) fn rect(area: Area, radius: i32, fill: Ink) -> Self {
        Self::Rect { area, radius, fill, stroke: None }
    }

    /// The same somewhere else.
    pub(super) fn moved(self, dx: i32, dy: i32) -> Self {
        match self {
            Self::Rect { area, radius, fill, stroke } => {
                Self::Rect { area: Area { x: area.x + dx, y: area.y + dy, ..area }, radius, fill, stroke }
            }
            Self::Line { points, ink, dashed, arrow } => {
                let points = points.into_iter().map(|(x, y)| (x + dx, y + dy)).collect();
                Self::Line { points, ink, dashed, arrow }
            }
            Self::Text { x, y, font, ink, anchor, content } => {
                Self::Text { x: x + dx, y: y + dy, font, ink, anchor, content }
            }
            Self::Group { title, items } => {
                Self::Group { title, items: items.into_iter().map(|item| item.moved(dx, dy)).collect() }
            }
        }
    }
}

/// A whole drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scene {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) items: Vec<Item>,
}
