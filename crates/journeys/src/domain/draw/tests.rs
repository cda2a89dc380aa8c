//! Laws that hold of the drawing of any journey.

use definitions::outline;
use proptest::prelude::*;
use time::Duration;

use super::layout::{Layout, lay_out};
use super::scene::{Anchor, Area, Item};
use super::*;
use crate::domain::definition::{
    Kind, Notes, OnGap, PainPoint, Restart, Sequence, Signal, Stage, Trigger, Wait,
};
use crate::domain::yaml;

const SIGNALS: [Signal; 4] =
    [Signal::AttributionActivated, Signal::OrderRecorded, Signal::OrderRefunded, Signal::SegmentJoined];

/// Texts that people write, and such that nobody should.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z ]{0,40}",
        "\\PC{0,60}",
        Just("</text><script>alert(\"1\")</script>&amp;]]><!--".to_owned()),
        Just("お客様が最初の注文を確定しました".to_owned()),
        Just("اكتمل الطلب الأول للعميل".to_owned()),
        Just("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft".to_owned()),
        Just("1. first\" end --> x[\"`#quot;".to_owned()),
    ]
}

fn key(n: usize) -> types::StageKey {
    format!("stage-{n}").parse().unwrap()
}

prop_compose! {
    fn stages()(count in 1..28_usize)(
        stages in prop::collection::vec(
            (
                (text(), text(), any::<[bool; 5]>()),
                prop::collection::vec(0..SIGNALS.len(), 0..6),
                prop::collection::vec((0..count, 1..90_000_i64, prop::collection::vec(0..count, 0..4)), 0..3),
                prop::collection::vec(text(), 0..6),
                prop::collection::vec((text(), text()), 0..6),
            ),
            count,
        ),
    ) -> Vec<Stage> {
        let stage = |(n, ((name, description, flags), signals, timers, touch_points, pains))| {
            let [exception, optional, repeatable, terminal, moment_of_truth]: [bool; 5] = flags;
            let signals: Vec<usize> = signals;
            let timers: Vec<(usize, i64, Vec<usize>)> = timers;
            let pains: Vec<(String, String)> = pains;
            let timer = |(after, seconds, unless): (usize, i64, Vec<usize>)| Wait {
                after: key(after),
                wait: Duration::seconds(seconds).try_into().unwrap(),
                unless: unless.into_iter().map(key).collect(),
            };
            Stage {
                key: key(n),
                name,
                description,
                kind: if exception && n > 0 { Kind::Exception } else { Kind::Step },
                optional,
                repeatable,
                terminal,
                enter_on: signals.iter().map(|s| Trigger { signal: SIGNALS[*s].clone(), when: None }).collect(),
                enter_after: timers.into_iter().map(timer).collect(),
                notes: Notes {
                    touch_points,
                    pain_points: pains.into_iter().map(|(pain, remedy)| PainPoint { pain, remedy }).collect(),
                    moment_of_truth,
                },
            }
        };
        stages.into_iter().enumerate().map(stage).collect()
    }
}

prop_compose! {
    fn journeys()(name in text(), stages in stages(), counts in any::<Option<i64>>()) -> (Definition, Option<Live>) {
        let definition = Definition {
            journey: "j".parse().unwrap(),
            name,
            sequence: Sequence::Required,
            on_gap: OnGap::Wait,
            restart: Restart::Never,
            goal: None,
            stages,
        };
        let live = counts.map(|n| {
            let counts = Counts { entered: n, converted_from_previous: n / 2, still_there: n, dropped_off: n, ..Counts::default() };
            let of = definition.stages.iter().map(|s| s.key.to_string()).chain([String::new()]);
            Live { counts: of.map(|stage| (stage, counts)).collect(), campaign: None }
        });
        (definition, live)
    }
}

fn drawing<'d>(definition: &'d Definition, live: Option<&'d Live>) -> Drawing<'d> {
    Drawing { definition, version: Some(7), live, program: None }
}

fn overlap(a: &Area, b: &Area) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

fn is_within(inner: &Area, outer: &Area) -> bool {
    inner.x >= outer.x
        && inner.y >= outer.y
        && inner.right() <= outer.right()
        && inner.bottom() <= outer.bottom()
}

/// What an item takes.
fn areas(item: &Item) -> Vec<Area> {
    match item {
        Item::Rect { area, .. } => vec![*area],
        Item::Line { points, .. } => {
            points.iter().map(|(x, y)| Area { x: *x, y: *y, width: 0, height: 0 }).collect()
        }
        Item::Text { x, y, font, anchor, content, .. } => {
            let width = measure::width(content, *font);
            let x = if *anchor == Anchor::Middle { x - width / 2 } else { *x };
            vec![Area { x, y: y - font.size, width, height: font.size + font.size / 4 }]
        }
        Item::Group { items, .. } => items.iter().flat_map(areas).collect(),
    }
}

/// No box lies on another, and nothing leaves its box or the paper.
fn is_tidy(layout: &Layout) -> Result<(), String> {
    let scene = &layout.scene;
    let paper = Area { x: 0, y: 0, width: scene.width, height: scene.height };
    let boxes: Vec<&Area> = layout.cards.iter().chain(&layout.labels).collect();
    for (n, a) in boxes.iter().enumerate() {
        if let Some(b) = boxes.iter().skip(n + 1).find(|b| overlap(a, b)) {
            return Err(format!("{a:?} lies on {b:?}"));
        }
    }
    for item in &scene.items {
        if let Some(area) = areas(item).into_iter().find(|area| !is_within(area, &paper)) {
            return Err(format!("{area:?} of {item:?} leaves the paper {paper:?}"));
        }
        if let Item::Group { items, title } = item {
            let Some(Item::Rect { area: card, .. }) = items.first() else {
                return Err(format!("{title} has no box"));
            };
            if let Some(area) = items.iter().flat_map(areas).find(|area| !is_within(area, card)) {
                return Err(format!("{area:?} leaves the box {card:?} of {title}"));
            }
        }
    }
    Ok(())
}

const ELEMENTS: [&str; 8] = ["svg", "title", "desc", "g", "rect", "path", "polygon", "text"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn j12_no_box_of_a_drawing_lies_on_another_and_nothing_leaves_its_box((definition, live) in journeys()) {
        let drawing = drawing(&definition, live.as_ref());
        let layout = lay_out(&drawing);
        prop_assert_eq!(layout.cards.len(), definition.stages.len());
        let timers: usize = definition.stages.iter().map(|s| s.enter_after.len()).sum();
        prop_assert_eq!(layout.labels.len(), timers);
        if let Err(what) = is_tidy(&layout) {
            prop_assert!(false, "{what}");
        }
    }

    #[test]
    fn j12_a_drawing_is_well_formed_and_has_no_markup_but_its_own((definition, live) in journeys()) {
        let svg = drawing(&definition, live.as_ref()).svg();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let elements = document.descendants().filter(roxmltree::Node::is_element);
        for element in elements {
            prop_assert!(ELEMENTS.contains(&element.tag_name().name()), "{element:?}");
            let is_active = |name: &str| name.starts_with("on") || name.contains("href") || name == "style";
            prop_assert!(element.attributes().all(|a| !is_active(a.name())));
        }
        let root = document.root_element();
        let (width, height) = (root.attribute("width").unwrap(), root.attribute("height").unwrap());
        let view = format!("0 0 {width} {height}");
        prop_assert_eq!(root.attribute("viewBox"), Some(view.as_str()));
        let title = root.first_element_child().unwrap();
        prop_assert_eq!(title.tag_name().name(), "title");
    }

    #[test]
    fn j12_a_flow_chart_has_ids_of_ours_and_labels_that_end_where_they_end((definition, live) in journeys()) {
        let chart = drawing(&definition, live.as_ref()).mermaid();
        let (_, body) = chart.split_once("flowchart LR\n").unwrap();
        for line in body.lines() {
            let parts: Vec<&str> = line.trim().split('"').collect();
            prop_assert!(parts.len() == 1 || parts.len() == 3, "{line}");
            let outside = [parts[0], parts.last().unwrap()].concat();
            prop_assert!(outside.is_ascii(), "{line}");
            if let [_, label, _] = parts[..] {
                let plain = label.replace("<br/>", "");
                prop_assert!(!plain.contains(['<', '>', '`', '[', ']', '{', '}', '|', '&']), "{line}");
            }
        }
    }
}

fn read(text: &str) -> Definition {
    yaml::parse(text).unwrap().0
}

const STORY: &str = "journey: shop
name: From <friend> to fan
sequence: REQUIRED
campaigns: all
goal: {stage: fan, rate: 40%, by: 2026-12-31}
stages:
  - stage: end
    name: 1. Lead
    enter_on: [{event: attribution.activated}]
  - stage: bought
    moment_of_truth: true
    enter_on: [{event: order.recorded, when: 'order.revenue_minor > 0'}]
    touch_points: [Checkout]
    pain_points: [{pain: Dear, remedy: Pay later}]
  - stage: fan
    terminal: true
    optional: true
    enter_after: [{after: bought, wait: 30d, unless: [refunded]}]
  - stage: refunded
    kind: EXCEPTION
    enter_on: [{event: order.refunded}]
";

/// All that is written in a drawing.
fn written(svg: &str) -> String {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    texts.filter_map(|n| n.text().map(str::to_owned)).collect::<Vec<_>>().join(" ")
}

fn counts(of: &[(&str, i64, i64)]) -> Live {
    let counts = of.iter().map(|(stage, entered, converted)| {
        let counts = Counts {
            entered: *entered,
            converted_from_previous: *converted,
            still_there: 3,
            ..Counts::default()
        };
        ((*stage).to_owned(), counts)
    });
    Live { counts: counts.collect(), campaign: Some("spring".to_owned()) }
}

#[test]
fn j2_a_drawing_shows_what_the_stages_carry_the_ways_in_and_the_goal() {
    let definition = read(STORY);
    let program = outline::parse(
        "program: p\nrules:\n- {key: k, journey: shop, stage: bought, action: CREATE, beneficiary: REFERRED_CONTACT, \
         amount: {fixed: 5.00 USD}}\n- {key: other, journey: else, stage: bought, action: CREATE}\n",
    )
    .unwrap();
    let drawing = Drawing { program: Some(&program), ..drawing(&definition, None) };
    let text = written(&drawing.svg());
    for wanted in [
        "From <friend> to fan",
        "shop · version 7 · steps in this order",
        "STEP 2",
        "MOMENT OF TRUTH",
        "order.recorded",
        "order.revenue_minor > 0",
        "Checkout",
        "Dear",
        "→ Pay later",
        "5.00 USD to the referred contact",
        "30d after bought",
        "30d, unless refunded",
        "40% of the first step by 2026-12-31",
        "EXCEPTION",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains("runs") && !text.contains("other"), "{text}");
}

#[test]
fn j11_a_live_drawing_shows_how_many_came_how_far() {
    let definition = read(STORY);
    let live = counts(&[("", 12_345, 0), ("end", 12_000, 0), ("bought", 3_001, 3_000), ("fan", 10, 9)]);
    let drawing = drawing(&definition, Some(&live));
    let text = written(&drawing.svg());
    for wanted in [
        "12,345 runs · campaign spring",
        "3,001 runs",
        "25.0 %",
        "0.2 %",
        "3 here, 0 dropped off",
        "0.08% so far",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let chart = drawing.mermaid();
    assert!(chart.contains("  s0 -->|\"25.0 %\"| s1\n"), "{chart}");
}

#[test]
fn j12_a_flow_chart_tells_the_same_in_words() {
    let definition = read(STORY);
    let chart = drawing(&definition, None).mermaid();
    for line in [
        "title: \"From <friend> to fan\"",
        "  s0[\"1#46; Lead<br/>attribution.activated\"]",
        "  s1[\"bought<br/>order.recorded\"]",
        "  s2([\"fan<br/>goal: 40% of the first step, by 2026-12-31\"])",
        "    s3[\"refunded<br/>order.refunded\"]",
        "  s0 --> s1",
        "  s1 -.->|\"30d, unless refunded\"| s2",
        "  class s3 exception",
        "  class s1 truth",
    ] {
        assert!(chart.lines().any(|l| l == line), "{line}\n{chart}");
    }
}
