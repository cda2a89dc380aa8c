//! A funnel as a bar chart in SVG, for a slide.

use std::fmt::Write;

use proto::journeys::GetFunnelResponse;

use super::{Compared, compared, goal_line, most, span};

const WIDTH: usize = 1040;
/// Where the bars begin, and how long the longest is.
const LEFT: usize = 220;
const LONGEST: i64 = 360;
/// Height of a stage, and of its bar.
const ROW: usize = 52;
const BAR: usize = 30;
/// Above the first stage.
const HEAD: usize = 76;
const STEP: &str = "#2f6f8f";
const EXCEPTION: &str = "#b0653a";

/// The chart as a document of its own.
pub(super) fn chart(journey: &str, funnel: &GetFunnelResponse) -> String {
    let rows = compared(funnel);
    let goal = funnel.goal_progress.as_ref().and_then(goal_line);
    let height = HEAD + rows.len() * ROW + if goal.is_some() { 44 } else { 16 };
    let mut chart = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, Helvetica, Arial, sans-serif\" font-size=\"14\" fill=\"#22303a\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    text(&mut chart, (24, 36), "font-size=\"22\" font-weight=\"600\"", journey);
    text(&mut chart, (24, 58), "fill=\"#5b6b76\"", &format!("{} runs", funnel.runs));
    let most = most(funnel);
    for (n, row) in rows.iter().enumerate() {
        draw(&mut chart, HEAD + n * ROW, row, most);
    }
    if let Some(goal) = goal {
        text(&mut chart, (24, height - 18), "fill=\"#5b6b76\"", goal.trim());
    }
    chart.push_str("</svg>\n");
    chart
}

/// A stage: its name, its bar, and beside it what is known of it in two lines.
fn draw(chart: &mut String, top: usize, row: &Compared<'_>, most: i64) {
    let stage = row.stage;
    let name = if stage.name.is_empty() { &stage.stage } else { &stage.name };
    let middle = top + BAR / 2 + 5;
    text(chart, (LEFT - 12, middle), "text-anchor=\"end\" font-weight=\"600\"", &shortened(name));
    let length = usize::try_from(i128::from(stage.entered.max(0)) * i128::from(LONGEST) / i128::from(most));
    let length = length.unwrap_or(0).max(1);
    let fill = if stage.exception { EXCEPTION } else { STEP };
    // writing to a String never fails
    let _ = writeln!(
        chart,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{length}\" height=\"{BAR}\" rx=\"3\" fill=\"{fill}\"/>"
    );
    let mut told = vec![stage.entered.to_string()];
    let parts = [(row.of_before(), "of the step before"), (row.of_first(), "of the first")];
    told.extend(
        parts.into_iter().filter(|(part, _)| !part.is_empty()).map(|(part, of)| format!("{part} {of}")),
    );
    let beside = LEFT + length + 12;
    text(chart, (beside, top + 12), "font-weight=\"600\"", &told.join(" · "));
    let mut told = Vec::new();
    if stage.entries_left > 0 {
        told.push(format!("median {} · p90 {}", span(stage.median_time), span(stage.p90_time)));
    }
    if !stage.exception {
        told.push(format!("{} dropped off", stage.dropped_off));
    }
    text(chart, (beside, top + BAR), "font-size=\"12\" fill=\"#5b6b76\"", &told.join(" · "));
}

/// What fits beside the bars.
fn shortened(name: &str) -> String {
    const MOST: usize = 26;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST - 1).chain(['…']).collect()
}

fn text(chart: &mut String, (x, y): (usize, usize), how: &str, text: &str) {
    let _ = writeln!(chart, "<text x=\"{x}\" y=\"{y}\" {how}>{}</text>", escaped(text));
}

/// As text of a document; what XML cannot say at all is left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            control if control.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::tests::some;
    use super::*;

    #[test]
    fn j11_a_chart_has_a_bar_for_each_stage_as_long_as_its_share() {
        let chart = chart("lifecycle", &some());
        for part in [
            "<rect x=\"220\" y=\"76\" width=\"360\" height=\"30\" rx=\"3\" fill=\"#2f6f8f\"/>",
            "<rect x=\"220\" y=\"128\" width=\"135\"",
            "<rect x=\"220\" y=\"180\" width=\"1\" height=\"30\" rx=\"3\" fill=\"#b0653a\"/>",
            ">300 · 37.3 % of the step before · 37.3 % of the first</text>",
            ">801 runs</text>",
        ] {
            assert!(chart.contains(part), "{part} in {chart}");
        }
        assert_eq!(chart.matches("<text").count(), chart.matches("</text>").count());
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        let mut funnel = some();
        funnel.stages[0].name = "<b>\"A & B\"</b>\u{1}".to_owned();
        let chart = chart("a<b", &funnel);
        assert!(chart.contains(">&lt;b&gt;&quot;A &amp; B&quot;&lt;/b&gt;</text>"), "{chart}");
        assert!(chart.contains(">a&lt;b</text>") && !chart.contains('\u{1}'));
        funnel.stages[0].name = "x".repeat(100);
        assert!(super::chart("j", &funnel).contains(&format!(">{}…</text>", "x".repeat(25))));
    }
}
