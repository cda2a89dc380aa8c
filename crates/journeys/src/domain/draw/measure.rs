//! How wide a text is at most, and how it is broken into lines. No font is asked, since whoever looks at the drawing has
//! others: the widths are those of the widest of the usual fonts.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

use super::scene::Font;

/// What ends a text that is cut.
const ELLIPSIS: char = '…';

/// Pixels that a text takes at most.
pub(super) fn width(text: &str, font: Font) -> i32 {
    let thousandths: i64 = text.chars().map(|c| i64::from(advance(c, font))).sum();
    let pixels = (thousandths * i64::from(font.size) + 999) / 1000;
    i32::try_from(pixels).unwrap_or(i32::MAX)
}

/// Thousandths of the font's size.
fn advance(c: char, font: Font) -> i32 {
    let plain = match (c.width(), font.mono) {
        (None | Some(0), _) => return 0,
        (Some(2), _) if c >= '\u{1f000}' => 1400,
        (Some(2), _) => 1080,
        (_, true) if c.is_ascii() => return 625,
        (_, true) => 800,
        _ => proportional(c),
    };
    if font.bold { plain * 112 / 100 } else { plain }
}

fn proportional(c: char) -> i32 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' => 300,
        ' ' | '.' | ',' | ':' | ';' | '!' | 'f' | 't' | 'I' | '(' | ')' | '[' | ']' | '/' | '-' | '·' => 405,
        'r' | '"' | '`' => 470,
        'm' | 'M' | 'w' | 'W' | '%' | '@' | '…' | '—' | '→' => 1000,
        'a'..='z' | '0'..='9' => 640,
        'A'..='Z' => 790,
        _ if c.is_ascii() => 840,
        '\u{a1}'..='\u{24f}' | '\u{600}'..='\u{6ff}' => 800,
        _ => 950,
    }
}

/// A text as it can be shown: one line, and nothing that turns the direction of what comes after it.
pub(super) fn plain(text: &str) -> String {
    let is_hidden = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().filter(|c| !is_hidden(*c)).collect()
}

/// A text in lines of a width; what is beyond the last one is cut off, and that is shown.
pub(super) fn wrap(text: &str, font: Font, room: i32, most: usize) -> Vec<String> {
    let text = plain(text);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&longer, font) <= room {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        // a word that is longer than a line
        for piece in word.graphemes(true) {
            if width(&line, font) + width(piece, font) > room && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(piece);
        }
        if lines.len() > most {
            break;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last}{ELLIPSIS}"), font, room);
        }
    }
    lines.into_iter().map(|line| cut(&line, font, room)).collect()
}

/// A text in one line.
pub(super) fn fit(text: &str, font: Font, room: i32) -> String {
    cut(&plain(text), font, room)
}

/// As much of a text as fits, with the sign of what is missing.
fn cut(text: &str, font: Font, room: i32) -> String {
    if width(text, font) <= room {
        return text.to_owned();
    }
    let sign = advance(ELLIPSIS, font) * font.size / 1000 + 1;
    let mut short = String::new();
    for piece in text.graphemes(true) {
        if width(&short, font) + width(piece, font) + sign > room {
            break;
        }
        short.push_str(piece);
    }
    let mut short = short.trim_end_matches([' ', ELLIPSIS]).to_owned();
    short.push(ELLIPSIS);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_broken_between_words_and_cut_where_it_does_not_fit() {
        let room = width("the first line", Font::BODY);
        assert_eq!(wrap("the first line and more", Font::BODY, room, 3), ["the first line", "and more"]);
        let cut = wrap("the first line and a second one that goes on", Font::BODY, room, 2);
        assert!(cut.len() == 2 && cut[1].ends_with('…'), "{cut:?}");
        assert_eq!(wrap(" \n ", Font::BODY, room, 2), [] as [&str; 0]);
        let long = wrap(&"x".repeat(60), Font::BODY, room, 9);
        assert_eq!(long.concat(), "x".repeat(60), "a long word is broken, and nothing of it lost");
    }

    #[test]
    fn what_turns_the_direction_is_left_out() {
        assert_eq!(plain("a\u{202e}b\nc\u{7}d"), "ab c d");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_its_room(text in "\\PC{0,80}", room in 40..300, most in 1..5_usize) {
            for font in [Font::BODY, Font::NAME, Font::CODE] {
                let lines = wrap(&text, font, room, most);
                prop_assert!(lines.len() <= most);
                for line in lines.iter().chain([&fit(&text, font, room)]) {
                    prop_assert!(width(line, font) <= room, "{line}");
                }
            }
        }
    }
}
