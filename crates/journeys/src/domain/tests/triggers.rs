//! Triggers (J7), waiting, filling and refusing (J4), other journeys, the clock (M4).

use super::super::event::{Cause, Refusal};
use super::super::slice::Stream;
use super::*;

const LEAD_PAID_SENT: [(&str, &str); 3] = [
    ("lead", "enter_on: [{event: attribution.activated}]"),
    ("paid", "enter_on: [{event: order.recorded}]"),
    ("sent", "enter_on: [{event: order.updated}]"),
];

fn world(gap: &str) -> World {
    World::new(&[&journey(&format!("sequence: REQUIRED\non_gap: {gap}"), &LEAD_PAID_SENT)])
}

#[test]
fn j4_an_entry_by_trigger_waits_for_the_missing_stage_and_is_then_made() {
    let mut world = world("WAIT");
    world.happen(&order_event(Signal::OrderUpdated, "o1", 5));
    world.happen(&order_event(Signal::OrderRecorded, "o1", 5));
    assert_eq!(world.story(), [""; 0]);
    let waiting = world.track(&place(), "j").waiting;
    assert_eq!(waiting.iter().map(|w| w.expected.to_string()).collect::<Vec<_>>(), ["lead", "lead"]);
    world.happen(&event(Signal::AttributionActivated));
    assert_eq!(world.story(), ["lead/ Trigger", "paid/o1 Waited", "sent/o1 Waited"]);
    assert!(world.track(&place(), "j").waiting.is_empty());
    assert_eq!(world.transitions[1].entry.order.as_ref().unwrap().order_id.as_str(), "o1");
}

#[test]
fn j4_what_waits_names_the_stage_it_waits_for_as_it_is_now() {
    let mut world = world("WAIT");
    world.happen(&order_event(Signal::OrderUpdated, "o1", 5));
    world.happen(&event(Signal::AttributionActivated));
    assert_eq!(world.track(&place(), "j").waiting[0].expected.as_str(), "paid");
    world.happen(&order_event(Signal::OrderRecorded, "o2", 5));
    assert_eq!(world.story(), ["lead/ Trigger", "paid/o2 Trigger"], "another key does not help");
}

#[test]
fn j4_the_same_event_waits_once() {
    let mut world = world("WAIT");
    let event = order_event(Signal::OrderUpdated, "o1", 5);
    world.happen(&event);
    world.happen(&event);
    assert_eq!(world.track(&place(), "j").waiting.len(), 1);
}

#[test]
fn j4_fill_enters_the_missed_steps_marked_inferred() {
    let mut world = world("FILL");
    world.happen(&order_event(Signal::OrderUpdated, "o1", 5));
    assert_eq!(world.story(), ["lead/o1 Inferred", "paid/o1 Inferred", "sent/o1 Trigger"]);
}

#[test]
fn j4_refuse_stores_the_reason() {
    let mut world = world("REFUSE");
    world.happen(&order_event(Signal::OrderUpdated, "o1", 5));
    assert_eq!(world.refused[0].refusal, Refusal::OutOfOrder { expected: "lead".parse().unwrap() });
    assert_eq!((world.story().len(), world.refused[0].run), (0, None));
}

#[test]
fn j4_what_can_never_be_made_is_refused_with_its_reason() {
    let mut world = world("WAIT");
    world.happen(&event(Signal::AttributionActivated));
    world.happen(&order_event(Signal::OrderRecorded, "o1", 5));
    world.happen(&order_event(Signal::OrderUpdated, "o1", 5));
    // the lead once more, under the key of the order: entered without key already, so a step back
    let mut late = order_event(Signal::AttributionActivated, "o1", 5);
    late.order = None;
    world.happen(&late);
    assert_eq!(world.refused[0].refusal, Refusal::NotRepeatable);
    assert_eq!(world.refused[0].run, Some(world.transitions[0].run));
}

#[test]
fn j6_what_waits_is_refused_when_the_run_ends() {
    let text = journey(
        "sequence: REQUIRED",
        &[
            ("a", ""),
            ("b", "enter_on: [{event: order.recorded}]"),
            ("c", "enter_on: [{event: order.updated}]"),
            ("lost", "kind: EXCEPTION, terminal: true"),
        ],
    );
    let mut world = World::new(&[&text]);
    world.call("a", "").unwrap();
    world.happen(&order_event(Signal::OrderUpdated, "o1", 5));
    world.call("lost", "").unwrap();
    assert_eq!(world.refused[0].refusal, Refusal::RunEnded);
    assert!(world.track(&place(), "j").waiting.is_empty());
}

#[test]
fn j7_an_event_enters_at_most_one_stage_the_first_whose_condition_holds_on_the_run_before_it() {
    let mut world = World::new(&[&journey(
        "sequence: OPTIONAL",
        &[
            ("big", "enter_on: [{event: order.recorded, when: order.revenue_minor > 100}]"),
            (
                "first",
                "repeatable: false, enter_on: [{event: order.recorded, when: '!(\"first\" in run.stages)'}]",
            ),
            ("repeat", "enter_on: [{event: order.recorded, when: '\"first\" in run.stages'}]"),
        ],
    )]);
    for (id, minor) in [("o1", 5), ("o2", 5), ("o3", 500)] {
        world.happen(&order_event(Signal::OrderRecorded, id, minor));
    }
    assert_eq!(world.story(), ["first/o1 Trigger", "repeat/o2 Trigger", "big/o3 Trigger"]);
}

#[test]
fn j7_an_event_that_caused_an_entry_is_not_judged_again_for_that_run() {
    let stages = [
        ("a", "enter_on: [{event: order.recorded, when: run.transitions == 0}]"),
        ("b", "enter_on: [{event: order.recorded}]"),
    ];
    let mut world = World::new(&[&journey("sequence: OPTIONAL", &stages)]);
    let event = order_event(Signal::OrderRecorded, "o1", 5);
    world.happen(&event);
    world.happen(&event);
    assert_eq!(world.story(), ["a/o1 Trigger"]);
}

#[test]
fn j7_conditions_read_tags_segments_and_the_contact() {
    let mut text = journey(
        "sequence: OPTIONAL",
        &[
            ("vip", "enter_on: [{event: contact.tagged, when: '\"vip\" in event.tags'}]"),
            ("beta", "enter_on: [{event: segment.joined, when: event.segment_id == \"beta\"}]"),
            (
                "left",
                "enter_on: [{event: segment.left, when: 'size(contact.id) == 36 && event.type == \"segment.left\"'}]",
            ),
        ],
    );
    text = text.replace("campaigns: all", "campaigns: none");
    let mut world = World::new(&[&text]);
    let mut happen = |signal, detail| {
        let mut event = Event { detail, ..event(signal) };
        event.place.campaign = None;
        world.happen(&event);
    };
    happen(Signal::ContactTagged, Detail::Tags(vec!["x".to_owned()]));
    happen(Signal::ContactTagged, Detail::Tags(vec!["x".to_owned(), "vip".to_owned()]));
    happen(Signal::SegmentJoined, Detail::Segment("alpha".parse().unwrap()));
    happen(Signal::SegmentJoined, Detail::Segment("beta".parse().unwrap()));
    happen(Signal::SegmentLeft, Detail::Segment("beta".parse().unwrap()));
    assert_eq!(world.story(), ["vip/ Trigger", "beta/ Trigger", "left/ Trigger"]);
}

#[test]
fn j7_a_condition_that_fails_is_refused_with_its_reason_and_the_next_stage_is_judged() {
    let stages = [
        ("a", "enter_on: [{event: order.recorded, when: 100 / order.refunded_minor > 1}]"),
        ("b", "enter_on: [{event: order.recorded}]"),
    ];
    let mut world = World::new(&[&journey("sequence: OPTIONAL", &stages)]);
    world.happen(&order_event(Signal::OrderRecorded, "o1", 5));
    assert_eq!(world.refused[0].refusal, Refusal::ConditionFailed { detail: "division by zero".to_owned() });
    assert_eq!(world.story(), ["b/o1 Trigger"]);
}

#[test]
fn j7_a_stage_entered_in_another_journey_is_a_trigger_that_keeps_key_order_and_referral() {
    let a = journey("sequence: OPTIONAL", &[("won", "enter_on: [{event: order.recorded}]")]);
    let b = journey(
        "sequence: OPTIONAL",
        &[("seen", "repeatable: true, enter_on: [{event: stage.entered, journey: j, stage: won}]")],
    )
    .replace("journey: j\ncampaigns", "journey: k\ncampaigns");
    let mut world = World::new(&[&a, &b]);
    world.happen(&order_event(Signal::OrderRecorded, "o1", 5));
    world.happen(&order_event(Signal::OrderRecorded, "o2", 5));
    assert_eq!(world.story(), ["won/o1 Trigger", "seen/o1 Trigger", "won/o2 Trigger", "seen/o2 Trigger"]);
    let (won, seen) = (&world.transitions[0], &world.transitions[1]);
    assert_eq!(seen.entry.cause_event.map(|e| e.as_uuid()), Some(won.id.as_uuid()));
    assert_eq!(seen.entry.order, won.entry.order);
}

#[test]
fn j7_journeys_that_chase_each_other_are_cut_off() {
    let chase = |own: &str, other: &str| {
        journey(
            "sequence: OPTIONAL\nrestart: AFTER_TERMINAL",
            &[(
                "s",
                &format!("terminal: true, enter_on: [{{event: stage.entered, journey: {other}, stage: s}}]"),
            )],
        )
        .replace("journey: j\ncampaigns", &format!("journey: {own}\ncampaigns"))
    };
    let mut world = World::new(&[&chase("j", "k"), &chase("k", "j")]);
    world.call("s", "").unwrap();
    assert_eq!(world.transitions.len(), 17);
}

#[test]
fn j7_inferred_entries_trigger_nothing_elsewhere() {
    let a = journey(
        "sequence: REQUIRED\non_gap: FILL",
        &[("lead", ""), ("won", "enter_on: [{event: order.recorded}]")],
    );
    let b = journey(
        "sequence: OPTIONAL",
        &[("seen", "enter_on: [{event: stage.entered, journey: j, stage: lead}]")],
    )
    .replace("journey: j\ncampaigns", "journey: k\ncampaigns");
    let mut world = World::new(&[&a, &b]);
    world.happen(&order_event(Signal::OrderRecorded, "o1", 5));
    assert_eq!(
        world.transitions.iter().map(|t| t.cause).collect::<Vec<_>>(),
        [Cause::Inferred, Cause::Trigger]
    );
}

#[test]
fn j14_triggers_of_other_campaigns_do_nothing_and_events_without_campaign_act_on_runs_without_one() {
    let stages = [("a", "enter_on: [{event: order.recorded}]")];
    for (campaigns, campaign, expected) in [
        ("[c]", Some("c"), 1),
        ("[c]", Some("d"), 0),
        ("all", Some("d"), 1),
        ("all", None, 0),
        ("none", None, 1),
    ] {
        let text = journey("sequence: OPTIONAL", &stages);
        let mut world = World::new(&[&text.replace("campaigns: all", &format!("campaigns: {campaigns}"))]);
        let mut event = order_event(Signal::OrderRecorded, "o1", 5);
        event.place.campaign = campaign.map(|c| c.parse().unwrap());
        world.happen(&event);
        assert_eq!(world.transitions.len(), expected, "{campaigns} {campaign:?}");
    }
}

#[test]
fn j10_a_waiting_entry_whose_stage_is_gone_is_refused() {
    let mut world = world("WAIT");
    world.happen(&order_event(Signal::OrderUpdated, "o1", 5));
    world.apply(&journey("sequence: REQUIRED", &LEAD_PAID_SENT[..2]));
    world.happen(&event(Signal::AttributionActivated));
    assert_eq!(world.refused[0].refusal, Refusal::StageNotFound);
    assert_eq!(world.transitions[0].version, 2);
}

#[test]
fn m4_the_clock_shows_the_earlier_of_the_two_streams_and_moves_forward_only() {
    let day = time::Duration::days(1);
    let tenant = place().tenant;
    let mut slice = Slice::new(NOW, Loaded::default());
    for (stream, at) in [
        (Stream::Attribution, NOW),
        (Stream::Orders, NOW),
        (Stream::Attribution, NOW + 2 * day),
        (Stream::Orders, NOW + day),
        (Stream::Orders, NOW),
        (Stream::Orders, NOW + 3 * day),
    ] {
        slice.move_clock(&tenant, stream, at);
    }
    let effects = slice.finish();
    let told = |fact: &Fact| if let Fact::ClockMoved { to, .. } = fact { Some(*to - NOW) } else { None };
    let told: Vec<_> = effects.facts.iter().filter_map(told).collect();
    assert_eq!(told, [time::Duration::ZERO, day, 2 * day]);
    assert_eq!(effects.clocks[0].1.shown, Some(NOW + 2 * day));
}
