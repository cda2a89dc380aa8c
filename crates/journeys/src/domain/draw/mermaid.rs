//! A journey as a Mermaid flow chart. Stages are called `s0`, `s1` and so on, since a key such as `end` has a meaning there.

use std::fmt::Write as _;

use super::measure::plain;
use super::{Drawing, words};
use crate::domain::definition::{Kind, Stage};

pub(super) fn render(drawing: &Drawing<'_>) -> String {
    let definition = drawing.definition;
    let title = serde_json::Value::from(plain(&definition.name));
    let mut chart = format!("---\ntitle: {title}\n---\nflowchart LR\n");
    let stages: Vec<(usize, &Stage)> = definition.stages.iter().enumerate().collect();
    let (steps, exceptions): (Vec<_>, Vec<_>) = stages.into_iter().partition(|(_, s)| s.kind == Kind::Step);
    for (n, stage) in &steps {
        let _ = writeln!(chart, "  {}", node(drawing, *n, stage));
    }
    if !exceptions.is_empty() {
        chart.push_str("  subgraph exceptions[\"Exceptions, at any time in a run\"]\n");
        for (n, stage) in &exceptions {
            let _ = writeln!(chart, "    {}", node(drawing, *n, stage));
        }
        chart.push_str("  end\n");
    }
    for pair in steps.windows(2) {
        let [(from, before), (to, stage)] = pair else { continue };
        let share = words::conversion(drawing, before, stage);
        let share = share.map(|share| format!("|\"{}\"|", safe(&share))).unwrap_or_default();
        let _ = writeln!(chart, "  s{from} -->{share} s{to}");
    }
    for (to, stage) in definition.stages.iter().enumerate() {
        for timer in &stage.enter_after {
            let Some(from) = definition.index_of(&timer.after) else { continue };
            let unless = words::unless(timer).map(|unless| format!(", {unless}")).unwrap_or_default();
            let _ = writeln!(chart, "  s{from} -.->|\"{}{}\"| s{to}", timer.wait, safe(&unless));
        }
    }
    let (exception, truth) =
        ("fill:#fdf3f2,stroke:#b42318,color:#1b2733", "fill:#fdecc8,stroke:#8a4b08,color:#1b2733");
    class(&mut chart, &definition.stages, "exception", exception, |s| s.kind == Kind::Exception);
    class(&mut chart, &definition.stages, "truth", truth, |s| s.notes.moment_of_truth);
    chart
}

fn node(drawing: &Drawing<'_>, n: usize, stage: &Stage) -> String {
    let mut lines = vec![stage.name.clone()];
    lines.extend(stage.enter_on.iter().map(words::signal));
    lines.extend(words::rewards(drawing, stage));
    lines.extend(words::goal(drawing, stage).map(|goal| format!("goal: {}", goal.join(", "))));
    lines.extend(drawing.live.map(|live| words::counted(live.of(stage.key.as_str()).entered, "run")));
    let label = lines.iter().map(|line| safe(line)).collect::<Vec<_>>().join("<br/>");
    // what is terminal has round ends
    if stage.terminal { format!("s{n}([\"{label}\"])") } else { format!("s{n}[\"{label}\"]") }
}

/// Gives the stages that are something a look of their own.
fn class(chart: &mut String, stages: &[Stage], class: &str, style: &str, is: impl Fn(&Stage) -> bool) {
    let of = stages.iter().enumerate().filter(|(_, stage)| is(stage)).map(|(n, _)| format!("s{n}"));
    let of: Vec<String> = of.collect();
    if !of.is_empty() {
        let _ = writeln!(chart, "  classDef {class} {style}\n  class {} {class}", of.join(","));
    }
}

/// A text as a label has it: what means something to Mermaid or to HTML is written by its number, as is what would make
/// an item of a list of it, such as `1.`.
fn safe(text: &str) -> String {
    let mut safe = String::new();
    let mut begins = true;
    let text = plain(text);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_mark = begins && "-+.)".contains(c) && chars.peek().is_none_or(|next| *next == ' ');
        begins &= c.is_ascii_digit();
        if !is_mark && (c.is_alphanumeric() || !c.is_ascii() || " .,:-_+%()/!?".contains(c)) {
            safe.push(c);
        } else {
            let _ = write!(safe, "#{};", u32::from(c));
        }
    }
    safe
}
