//! From a place in the text to the path of the node that stands there, and back.

use std::fmt::Write as _;

use serde_saphyr::granit_parser::{Event, Parser};

/// One open list or mapping.
enum Frame {
    List { next: usize },
    Mapping { key: String, key_next: bool },
}

/// The path of the innermost node that begins at a place or last before it; with `whole`, of the outermost that
/// begins exactly there (a mapping begins where its first key does). As far as the text can be read.
pub(super) fn at(text: &str, line: u32, column: u32, whole: bool) -> String {
    let mut found = String::new();
    let target = (line as usize, column as usize);
    walk(text, |start, frames| {
        if start > target {
            return false;
        }
        found = render(frames);
        !(whole && start == target)
    });
    found
}

/// Where the node of a path begins: line and column from 1; (0, 0) if there is none. Of a field it is the value's place.
pub(super) fn find(text: &str, path: &str) -> (u32, u32) {
    let mut found = (0, 0);
    walk(text, |start, frames| {
        let is_it = render(frames) == path;
        if is_it {
            found = start;
        }
        // a field's key comes before its value, and both have its path
        is_it || found == (0, 0)
    });
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(found.0), number(found.1))
}

/// Shows where each node begins, and what is open around it, until that is enough.
fn walk(text: &str, mut goes_on: impl FnMut((usize, usize), &[Frame]) -> bool) {
    let mut frames: Vec<Frame> = Vec::new();
    for item in Parser::new_from_str(text) {
        let Ok((event, span)) = item else { return };
        let opens = match event {
            Event::Scalar(..) | Event::Alias(..) => None,
            Event::SequenceStart(..) => Some(Frame::List { next: 0 }),
            Event::MappingStart(..) => Some(Frame::Mapping { key: String::new(), key_next: true }),
            Event::SequenceEnd | Event::MappingEnd => {
                frames.pop();
                continue;
            }
            _ => continue,
        };
        enter(&mut frames, &event);
        if !goes_on((span.start.line(), span.start.col() + 1), &frames) {
            return;
        }
        frames.extend(opens);
    }
}

/// Moves the innermost open frame on to the node that begins.
fn enter(frames: &mut [Frame], event: &Event<'_>) {
    match frames.last_mut() {
        Some(Frame::List { next }) => *next += 1,
        Some(Frame::Mapping { key, key_next }) => {
            if *key_next {
                *key = event.scalar().map_or_else(|| "?".to_owned(), |(text, _)| text.to_owned());
            }
            *key_next = !*key_next;
        }
        None => {}
    }
}

fn render(frames: &[Frame]) -> String {
    let mut path = String::new();
    for frame in frames {
        match frame {
            Frame::List { next } => {
                let _ = write!(path, "[{}]", next.saturating_sub(1));
            }
            Frame::Mapping { key, .. } => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
        }
    }
    path
}
