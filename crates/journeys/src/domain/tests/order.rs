//! The order of steps, keys, terminal stages, exceptions (J2-J6), by call.

use super::super::event::Refusal;
use super::super::slice::Violation;
use super::*;

fn refused(result: Result<(TransitionId, bool), Violation>) -> Refusal {
    match result {
        Err(Violation::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn expected(stage: &str) -> Refusal {
    Refusal::OutOfOrder { expected: stage.parse().unwrap() }
}

#[test]
fn j4_a_required_step_needs_every_non_optional_step_before_it() {
    let stages = [("a", ""), ("b", "optional: true"), ("c", ""), ("d", "")];
    let mut world = World::new(&[&journey("sequence: REQUIRED", &stages)]);
    assert_eq!(refused(world.call("c", "")), expected("a"));
    assert!(world.call("a", "").unwrap().1);
    assert_eq!(refused(world.call("d", "")), expected("c"));
    assert!(world.call("c", "").unwrap().1, "an optional step may be skipped");
    assert_eq!(refused(world.call("b", "")), Refusal::GoingBack);
    assert!(world.call("d", "").unwrap().1);
    let from: Vec<_> = world.transitions.iter().map(|t| t.from.as_ref().map(ToString::to_string)).collect();
    assert_eq!(from, [None, Some("a".to_owned()), Some("c".to_owned())]);
    assert_eq!(world.transitions.iter().map(|t| t.number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn j4_an_optional_sequence_takes_any_stage_at_any_time() {
    let mut world = World::new(&[&journey("sequence: OPTIONAL", &[("a", ""), ("b", ""), ("c", "")])]);
    for stage in ["c", "a", "b"] {
        assert!(world.call(stage, "").unwrap().1);
    }
}

#[test]
fn j5_the_same_stage_under_the_same_key_is_a_no_op_that_returns_the_first() {
    let mut world = World::new(&[&journey("sequence: OPTIONAL", &[("a", ""), ("b", "repeatable: true")])]);
    let first = world.call("a", "").unwrap();
    assert_eq!(world.call("a", "").unwrap(), (first.0, false));
    assert_eq!(refused(world.call("a", "k")), Refusal::NotRepeatable);
    assert!(world.call("b", "k1").unwrap().1);
    assert!(world.call("b", "k2").unwrap().1);
    assert!(!world.call("b", "k1").unwrap().1);
    assert_eq!(world.transitions.len(), 3);
}

#[test]
fn j5_within_a_key_the_order_holds_and_entries_without_key_count_for_every_key() {
    let stages = [("lead", ""), ("paid", "repeatable: true"), ("sent", "repeatable: true")];
    let mut world = World::new(&[&journey("sequence: REQUIRED", &stages)]);
    assert_eq!(refused(world.call("paid", "o1")), expected("lead"));
    world.call("lead", "").unwrap();
    world.call("paid", "o1").unwrap();
    world.call("sent", "o1").unwrap();
    assert_eq!(refused(world.call("sent", "o2")), expected("paid"), "another key goes its own way");
    assert!(world.call("paid", "o2").unwrap().1);
    assert!(world.call("sent", "o2").unwrap().1);
}

#[test]
fn j5_a_missing_step_that_cannot_be_entered_again_is_out_of_reach() {
    let stages = [("paid", ""), ("sent", "repeatable: true")];
    let mut world = World::new(&[&journey("sequence: REQUIRED", &stages)]);
    world.call("paid", "o1").unwrap();
    assert_eq!(refused(world.call("sent", "o2")), Refusal::OutOfReach { expected: "paid".parse().unwrap() });
}

#[test]
fn j6_a_terminal_stage_ends_its_key_and_without_key_the_run() {
    let stages =
        [("a", "repeatable: true"), ("x", "repeatable: true"), ("end", "terminal: true, repeatable: true")];
    let mut world = World::new(&[&journey("sequence: OPTIONAL", &stages)]);
    world.call("a", "k1").unwrap();
    let end = world.call("end", "k1").unwrap();
    assert_eq!(refused(world.call("x", "k1")), Refusal::RunEnded);
    assert_eq!(world.call("end", "k1").unwrap(), (end.0, false));
    assert!(world.call("x", "k2").unwrap().1);
    assert!(!world.track(&place(), "j").runs[0].ended);
    world.call("end", "").unwrap();
    assert!(world.track(&place(), "j").runs[0].ended);
    assert_eq!(refused(world.call("x", "k3")), Refusal::RunEnded);
}

#[test]
fn j3_a_run_starts_again_only_if_the_journey_says_so() {
    let stages = [("a", "repeatable: true"), ("end", "terminal: true")];
    for (policy, again) in [("NEVER", false), ("AFTER_TERMINAL", true)] {
        let mut world = World::new(&[&journey(&format!("sequence: OPTIONAL\nrestart: {policy}"), &stages)]);
        world.call("a", "o1").unwrap();
        let end = world.call("end", "").unwrap();
        assert_eq!(world.call("end", "").unwrap(), (end.0, false), "a repeated call starts nothing");
        assert_eq!(world.call("a", "").is_ok(), again, "{policy}");
        let runs = world.track(&place(), "j").runs;
        assert_eq!(
            runs.iter().map(|r| r.generation).collect::<Vec<_>>(),
            if again { vec![1, 2] } else { vec![1] }
        );
        if again {
            assert_eq!(runs[1].transitions, 1);
            assert_eq!(refused(world.call("end", "o1")), Refusal::RunEnded, "o1 belongs to the first run");
        }
    }
}

#[test]
fn j2_an_exception_never_starts_a_run_and_is_never_part_of_the_order() {
    let stages = [("a", ""), ("gone", "kind: EXCEPTION"), ("b", "")];
    let mut world = World::new(&[&journey("sequence: REQUIRED", &stages)]);
    assert_eq!(refused(world.call("gone", "")), Refusal::ExceptionCannotStart);
    world.call("a", "").unwrap();
    world.call("gone", "").unwrap();
    assert!(world.call("b", "").unwrap().1);
}

#[test]
fn j14_calls_name_a_campaign_the_journey_is_applied_to() {
    let text = journey("sequence: OPTIONAL", &[("a", "")]);
    for (campaigns, campaign, fine) in [
        ("all", Some("c"), true),
        ("all", None, false),
        ("none", None, true),
        ("none", Some("c"), false),
        ("[c]", Some("c"), true),
        ("[d]", Some("c"), false),
    ] {
        let mut world = World::new(&[&text.replace("campaigns: all", &format!("campaigns: {campaigns}"))]);
        let mut call = call("j", "a", "");
        call.place.campaign = campaign.map(|c| c.parse().unwrap());
        let result = world.slice(|slice| slice.enter_stage(&call));
        assert_eq!(result.is_ok(), fine, "{campaigns} {campaign:?}");
        assert!(fine || result == Err(Violation::NotApplied));
    }
}

#[test]
fn calls_see_those_before_them_in_the_same_slice() {
    let mut world = World::new(&[&journey("sequence: REQUIRED", &[("a", ""), ("b", "")])]);
    let calls = [call("j", "b", ""), call("j", "a", ""), call("j", "b", ""), call("j", "a", "")];
    let new: Vec<Option<bool>> =
        world.slice(|slice| calls.iter().map(|c| slice.enter_stage(c).ok().map(|r| r.1)).collect());
    assert_eq!(new, [None, Some(true), Some(true), Some(false)]);
    assert_eq!(world.track(&place(), "j").runs.len(), 1);
}

#[test]
fn what_is_unknown_is_named() {
    let mut world = World::new(&[&journey("sequence: OPTIONAL", &[("a", "")])]);
    let unknown = |c: EnterStage| world.slice(|slice| slice.enter_stage(&c)).unwrap_err();
    let mut unknown = unknown;
    assert!(matches!(unknown(call("k", "a", "")), Violation::JourneyNotFound(_)));
    assert!(matches!(unknown(call("j", "z", "")), Violation::StageNotFound(_)));
    let mut stranger = call("j", "a", "");
    stranger.place.contact = new_id(NOW);
    assert!(matches!(unknown(stranger), Violation::ContactNotFound(_)));
}
