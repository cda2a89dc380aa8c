//! `laurel funnel`: a funnel as bars, as JSON, and as a chart.

mod svg;

use anyhow::Context;
use proto::journeys::{FunnelStage, GetFunnelRequest, GetFunnelResponse, GoalProgress};
use types::BasisPoints;

use crate::cli::FunnelArguments;
use crate::client::Clients;
use crate::refusal::explain;
use crate::show;

/// Width of the longest bar: at least, at most.
const BAR: (usize, usize) = (8, 40);
/// A block of a bar by eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Asks for a funnel, and shows it.
pub(super) async fn funnel(clients: &Clients, arguments: &FunnelArguments) -> anyhow::Result<()> {
    let asked = arguments.clone();
    let request = GetFunnelRequest {
        journey: asked.journey,
        campaign_id: asked.campaign_id,
        segment_id: asked.segment_id,
        started_from: asked.started_from,
        started_until: asked.started_until,
        version: asked.version,
    };
    let answer = clients.funnels.clone().get_funnel(request).await.map_err(explain)?.into_inner();
    if let Some(path) = &arguments.svg {
        let chart = svg::chart(&arguments.journey, &answer);
        std::fs::write(path, chart).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if arguments.json {
        return show::answer(&answer, true);
    }
    show::print(funnel_lines(&answer, show::width()))
}

/// A part of so much in percent, with one decimal and rounded down; nothing of nothing.
fn percent(part: i64, of: i64) -> String {
    if of <= 0 {
        return String::new();
    }
    let permille = i128::from(part) * 1000 / i128::from(of);
    format!("{}.{} %", permille / 10, permille % 10)
}

/// A length of time in its largest unit.
fn span(time: Option<prost_types::Duration>) -> String {
    let Some(seconds) = time.and_then(|time| std::time::Duration::try_from(time).ok()) else {
        return String::new();
    };
    let seconds = seconds.as_secs_f64();
    for (unit, length) in [("d", 86_400.0), ("h", 3600.0), ("min", 60.0)] {
        if seconds >= length {
            return format!("{:.1} {unit}", seconds / length);
        }
    }
    format!("{seconds:.0} s")
}

/// A stage with what it is compared to: runs that entered the step before, and the first.
struct Compared<'a> {
    stage: &'a FunnelStage,
    before: Option<i64>,
    first: Option<i64>,
}

impl Compared<'_> {
    /// Conversion from the step before.
    fn of_before(&self) -> String {
        self.before.map_or_else(String::new, |before| percent(self.stage.converted_from_previous, before))
    }

    /// Conversion from the first step.
    fn of_first(&self) -> String {
        let first = self.first.filter(|_| self.before.is_some());
        first.map_or_else(String::new, |first| percent(self.stage.converted_from_first, first))
    }
}

/// The stages in their order. Exceptions are compared to nothing.
fn compared(funnel: &GetFunnelResponse) -> Vec<Compared<'_>> {
    let (mut before, mut first) = (None, None);
    let mut compared = Vec::with_capacity(funnel.stages.len());
    for stage in &funnel.stages {
        let step = !stage.exception;
        compared.push(Compared { stage, before: before.filter(|_| step), first: first.filter(|_| step) });
        if step {
            before = Some(stage.entered);
            first = first.or(before);
        }
    }
    compared
}

/// The most runs that entered one stage; what the longest bar stands for.
fn most(funnel: &GetFunnelResponse) -> i64 {
    funnel.stages.iter().map(|stage| stage.entered).max().unwrap_or(0).max(1)
}

/// A part of the longest bar, down to eighths of a block.
fn bar(entered: i64, most: i64, width: usize) -> String {
    let eighths = i128::from(entered.max(0)) * i128::try_from(width * 8).unwrap_or(0) / i128::from(most);
    let eighths = usize::try_from(eighths).unwrap_or(0);
    let drawn = format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8]);
    // what there is shows
    if drawn.is_empty() && entered > 0 { EIGHTHS[1].to_owned() } else { drawn }
}

/// A funnel as bars of at most `width` characters a line: runs that entered each stage, how many of the step before and of the
/// first did, the times they stayed, who dropped off; then the goal, if there is one. Where that does not fit, the last columns
/// are left out.
pub(crate) fn funnel_lines(funnel: &GetFunnelResponse, width: usize) -> Vec<String> {
    let mut lines = Vec::with_capacity(funnel.stages.len() + 2);
    if !funnel.stages.is_empty() {
        lines.extend(table(funnel, width));
    }
    lines.extend(funnel.goal_progress.as_ref().and_then(goal_line));
    lines
}

/// A head, and what is below it.
type Column = (&'static str, fn(&Compared<'_>) -> String);

fn table(funnel: &GetFunnelResponse, width: usize) -> Vec<String> {
    let compared = compared(funnel);
    let mut columns: Vec<Column> = vec![
        ("runs", |c| c.stage.entered.to_string()),
        ("of before", |c| c.of_before()),
        ("of first", |c| c.of_first()),
        ("there", |c| if c.stage.exception { String::new() } else { c.stage.still_there.to_string() }),
        ("dropped", |c| if c.stage.exception { String::new() } else { c.stage.dropped_off.to_string() }),
        ("median", |c| span(c.stage.median_time)),
        ("p90", |c| span(c.stage.p90_time)),
        ("entries", |c| c.stage.transitions.to_string()),
    ];
    let names = compared.iter().map(|c| c.stage.stage.chars().count()).max().unwrap_or(0);
    let cells = |(head, cell): &Column| {
        let cells: Vec<String> = compared.iter().map(cell).collect();
        let wide = cells.iter().map(|c| c.chars().count()).max().unwrap_or(0).max(head.len());
        (*head, cells, wide)
    };
    let fixed = |columns: &[Column]| {
        // two spaces before each
        2 + names + 2 + columns.iter().map(|column| 2 + cells(column).2).sum::<usize>()
    };
    while columns.len() > 1 && fixed(&columns) + BAR.0 > width {
        columns.pop();
    }
    let room = width.saturating_sub(fixed(&columns)).clamp(BAR.0, BAR.1);
    let columns: Vec<_> = columns.iter().map(cells).collect();
    let most = most(funnel);
    let line = |name: &str, bar: &str, cell: &dyn Fn(usize) -> String| {
        let cells = columns.iter().enumerate().map(|(n, (_, _, wide))| format!("  {:>wide$}", cell(n)));
        format!("  {name:<names$}  {bar:<room$}{}", cells.collect::<String>()).trim_end().to_owned()
    };
    let head = line("", "", &|n| columns[n].0.to_owned());
    let row = |(n, c): (usize, &Compared<'_>)| {
        line(&c.stage.stage, &bar(c.stage.entered, most, room), &|column| columns[column].1[n].clone())
    };
    [head].into_iter().chain(compared.iter().enumerate().map(row)).collect()
}

/// A goal and how near it is.
fn goal_line(progress: &GoalProgress) -> Option<String> {
    let goal = progress.goal.as_ref()?;
    let by = goal.by.as_ref()?;
    let percent = |points: i64| BasisPoints(u32::try_from(points).unwrap_or(u32::MAX));
    Some(format!(
        "  goal: {} of the first step in {} by {:04}-{:02}-{:02}; {} so far",
        percent(goal.rate_basis_points.into()),
        goal.stage,
        by.year,
        by.month,
        by.day,
        percent(progress.reached_basis_points)
    ))
}

#[cfg(test)]
mod tests {
    use proto::google::r#type::Date;
    use proto::journeys::Goal;

    use super::*;

    fn stage(stage: &str, entered: i64, previous: i64, first: i64, days: Option<i64>) -> FunnelStage {
        FunnelStage {
            stage: stage.to_owned(),
            entered,
            transitions: entered + 1,
            converted_from_previous: previous,
            converted_from_first: first,
            dropped_off: 3,
            median_time: days.map(|days| prost_types::Duration { seconds: days * 86_400, nanos: 0 }),
            p90_time: days.map(|days| prost_types::Duration { seconds: days * 7200, nanos: 0 }),
            ..Default::default()
        }
    }

    pub(super) fn some() -> GetFunnelResponse {
        let refund = FunnelStage { exception: true, ..stage("refund", 1, 0, 0, None) };
        let stages = vec![stage("lead", 800, 0, 800, Some(2)), stage("won", 300, 299, 299, None), refund];
        GetFunnelResponse { stages, runs: 801, goal_progress: None }
    }

    #[test]
    fn j11_a_funnel_is_drawn_as_wide_as_there_is_room() {
        let wanted = [
            "                        runs  of before  of first  there  dropped  median    p90",
            "  lead    ████████████   800                           0        3   2.0 d  4.0 h",
            "  won     ████▌          300     37.3 %    37.3 %      0        3",
            "  refund  ▏                1",
        ];
        assert_eq!(funnel_lines(&some(), 80), wanted);
        let narrow = funnel_lines(&some(), 40);
        assert_eq!(narrow[2], "  won     ████▉           300     37.3 %");
        for width in [20, 40, 60, 80, 100, 300] {
            let longest = funnel_lines(&some(), width).iter().map(|line| line.chars().count()).max();
            assert!(longest <= Some(width.max(24)), "{longest:?} of {width}");
        }
    }

    #[test]
    fn j1_a_funnel_ends_with_the_goal_and_how_near_it_is() {
        let by = Some(Date { year: 2026, month: 3, day: 9 });
        let goal = Goal { stage: "won".into(), rate_basis_points: 1250, by };
        let progress = |goal| Some(GoalProgress { goal, reached_basis_points: 705 });
        let funnel = GetFunnelResponse { goal_progress: progress(Some(goal)), ..Default::default() };
        let wanted = "  goal: 12.5% of the first step in won by 2026-03-09; 7.05% so far";
        assert_eq!(funnel_lines(&funnel, 80), [wanted]);
        assert!(funnel_lines(&GetFunnelResponse::default(), 80).is_empty());
    }

    #[test]
    fn lengths_of_time_are_told_in_their_largest_unit() {
        let told = |seconds| span(Some(prost_types::Duration { seconds, nanos: 0 }));
        assert_eq!(
            [told(0), told(59), told(90), told(5400), told(216_000)],
            ["0 s", "59 s", "1.5 min", "1.5 h", "2.5 d"]
        );
        assert_eq!(
            (span(None), percent(1, 0), percent(2, 3)),
            (String::new(), String::new(), "66.6 %".to_owned())
        );
    }
}
