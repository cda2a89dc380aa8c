//! Timers (J7): due, moot, late, in their order; the clock that moves with them (M4).

use time::Duration;

use super::super::event::Cause;
use super::super::slice::Stream;
use super::*;

const DAY: fn(i64) -> Duration = Duration::days;

const SHOP: [(&str, &str); 4] = [
    ("bought", "enter_on: [{event: order.recorded}]"),
    ("review", "repeatable: true, enter_after: [{after: bought, wait: 10d, unless: [refunded]}]"),
    ("closed", "repeatable: true, terminal: true, enter_after: [{after: bought, wait: 30d}]"),
    ("refunded", "kind: EXCEPTION, enter_on: [{event: order.refunded}]"),
];

fn shop() -> World {
    World::new(&[&journey("sequence: OPTIONAL", &SHOP)])
}

fn order(signal: Signal, id: &str, days: i64) -> Event {
    Event { occurred_at: NOW + DAY(days), ..order_event(signal, id, 5) }
}

impl World {
    fn fire(&mut self, days: i64) {
        self.slice(|slice| slice.fire(None, NOW + DAY(days)));
    }

    /// Timers as `stage/key`, and in how many days they are due.
    fn parked(&self) -> Vec<(String, i64)> {
        let one =
            |timer: &Timer| (format!("{}/{}", timer.stage, timer.key), (timer.due_at - NOW).whole_days());
        self.timers.iter().map(one).collect()
    }
}

#[test]
fn j7_a_timer_fires_when_its_wait_is_over_with_the_order_and_key_of_the_transition_that_set_it() {
    let mut world = shop();
    world.happen(&order(Signal::OrderRecorded, "o1", 0));
    assert_eq!(world.parked(), [("review/o1".to_owned(), 10), ("closed/o1".to_owned(), 30)]);
    world.slice(|slice| slice.fire(None, NOW + DAY(10) - Duration::MICROSECOND));
    assert_eq!(world.story(), ["bought/o1 Trigger"]);
    world.fire(10);
    assert_eq!(world.story(), ["bought/o1 Trigger", "review/o1 Timer"]);
    let [bought, review] = world.transitions.as_slice() else { panic!() };
    assert_eq!(review.entry.occurred_at, NOW + DAY(10));
    assert_eq!(review.entry.cause_event.unwrap().as_uuid(), bought.id.as_uuid());
    assert_eq!(review.entry.order, bought.entry.order);
    world.fire(10);
    assert_eq!(world.story().len(), 2, "once");
    world.fire(90);
    assert_eq!(world.story()[2], "closed/o1 Timer");
    assert_eq!(world.transitions[2].entry.occurred_at, NOW + DAY(30));
    assert!(world.timers.is_empty());
}

#[test]
fn j7_unless_looks_at_the_key_of_the_timer() {
    let mut world = shop();
    world.happen(&order(Signal::OrderRecorded, "o1", 0));
    world.happen(&order(Signal::OrderRecorded, "o2", 0));
    world.happen(&order(Signal::OrderRefunded, "o1", 0));
    world.fire(10);
    assert_eq!(world.story().last().unwrap(), "review/o2 Timer");
    assert_eq!(world.parked(), [("closed/o1".to_owned(), 30), ("closed/o2".to_owned(), 30)]);
}

#[test]
fn j5_what_has_no_key_makes_the_timers_of_every_key_moot_and_is_made_moot_by_every_key() {
    let mut world = shop();
    world.happen(&order(Signal::OrderRecorded, "o1", 0));
    world.call("bought", "").unwrap();
    assert_eq!(world.parked().len(), 4);
    world.happen(&order(Signal::OrderRefunded, "o2", 0));
    assert_eq!(world.parked().iter().filter(|(timer, _)| timer.starts_with("review")).count(), 1);
    world.call("refunded", "").unwrap();
    assert_eq!(world.parked(), [("closed/o1".to_owned(), 30), ("closed/".to_owned(), 30)]);
}

#[test]
fn j6_what_ends_cancels_its_timers_in_the_same_slice() {
    let mut world = shop();
    world.slice(|slice| {
        slice.happen(&order(Signal::OrderRecorded, "o1", 0));
        slice.happen(&order(Signal::OrderRecorded, "o2", 0));
        slice.enter_stage(&call("j", "closed", "o1")).unwrap();
    });
    assert_eq!(world.parked(), [("review/o2".to_owned(), 10), ("closed/o2".to_owned(), 30)]);
    world.call("closed", "").unwrap();
    assert_eq!(world.parked(), []);
    // and what has ended sets none
    assert!(world.call("bought", "o3").is_err());
    assert_eq!(world.parked(), []);
}

#[test]
fn j7_a_stage_that_was_entered_otherwise_is_not_waited_for() {
    let mut world = shop();
    world.happen(&order(Signal::OrderRecorded, "o1", 0));
    world.call("review", "o1").unwrap();
    assert_eq!(world.parked(), [("closed/o1".to_owned(), 30)]);
    world.call("review", "o2").unwrap();
    world.happen(&order(Signal::OrderRecorded, "o2", 0));
    assert_eq!(world.parked(), [("closed/o1".to_owned(), 30), ("closed/o2".to_owned(), 30)]);
}

#[test]
fn j7_late_timers_fire_before_what_happened_after_they_were_due() {
    for (refunded, story) in [
        (-5, ["bought/o1 Trigger", "review/o1 Timer", "refunded/o1 Trigger"].as_slice()),
        (-10, ["bought/o1 Trigger", "review/o1 Timer", "refunded/o1 Trigger"].as_slice()),
        (-15, ["bought/o1 Trigger", "refunded/o1 Trigger"].as_slice()),
    ] {
        let mut world = shop();
        world.happen(&order(Signal::OrderRecorded, "o1", -20));
        world.happen(&order(Signal::OrderRefunded, "o1", refunded));
        assert_eq!(world.story(), story, "{refunded}");
        world.fire(0);
        assert_eq!(world.story(), story, "{refunded}");
    }
}

#[test]
fn j7_a_stage_that_comes_late_sets_what_was_not_moot_when_it_was_due() {
    for (refunded, parked) in [(-5, 2), (-15, 1)] {
        let mut world = shop();
        world.call("bought", "other").unwrap();
        world.timers.clear();
        world.happen(&order(Signal::OrderRefunded, "o1", refunded));
        world.happen(&order(Signal::OrderRecorded, "o1", -20));
        assert_eq!(world.parked().len(), parked, "{refunded}");
    }
}

#[test]
fn j4_a_timer_whose_stage_cannot_be_entered_yet_waits() {
    let stages = [
        ("lead", ""),
        ("paid", ""),
        ("sent", "enter_after: [{after: lead, wait: 1d}]"),
        ("asked", "enter_after: [{after: lead, wait: 1d}]"),
    ];
    let mut world = World::new(&[&journey("sequence: REQUIRED", &stages)]);
    world.call("lead", "").unwrap();
    world.fire(1);
    assert_eq!(world.track(&place(), "j").waiting.len(), 2, "two of one transition");
    world.call("paid", "").unwrap();
    assert_eq!(world.story(), ["lead/ Call", "paid/ Call", "sent/ Waited", "asked/ Waited"]);
    assert_eq!(world.track(&place(), "j").waiting, []);
}

#[test]
fn j7_a_timer_that_the_version_in_force_has_no_more_is_moot() {
    let mut world = shop();
    world.happen(&order(Signal::OrderRecorded, "o1", 0));
    let mut without = SHOP;
    without[1] = ("review", "repeatable: true");
    world.apply(&journey("sequence: OPTIONAL", &without));
    world.fire(30);
    assert_eq!(world.story(), ["bought/o1 Trigger", "closed/o1 Timer"]);
    assert!(world.timers.is_empty());
}

const CHAIN: [(&str, &str); 4] = [
    ("start", ""),
    ("second", "enter_after: [{after: start, wait: 2d}]"),
    ("third", "enter_after: [{after: second, wait: 2d}]"),
    ("aside", "enter_after: [{after: start, wait: 3d}]"),
];

/// Enters `start` in the sandbox and moves its clock in both streams to these days, one after the other.
fn advanced(days: &[i64]) -> World {
    let mut world = World::new(&[&journey("sequence: OPTIONAL", &CHAIN)]);
    world.tracks.insert(sandbox(), HashMap::new());
    world
        .slice(|slice| slice.enter_stage(&EnterStage { place: sandbox(), ..call("j", "start", "") }))
        .unwrap();
    for day in days {
        let to = NOW + DAY(*day);
        let tenant = sandbox().tenant;
        world.slice(|slice| slice.move_clock(&tenant, Stream::Attribution, to));
        world.slice(|slice| slice.move_clock(&tenant, Stream::Orders, to));
    }
    world
}

#[test]
fn m4_timers_fire_in_order_of_due_time_those_that_others_set_included_before_the_clock_shows_it() {
    let world = advanced(&[10]);
    assert_eq!(world.story(), ["start/ Call", "second/ Timer", "aside/ Timer", "third/ Timer"]);
    let due: Vec<i64> = world.transitions.iter().map(|t| (t.entry.occurred_at - NOW).whole_days()).collect();
    assert_eq!(due, [0, 2, 3, 4]);
    // whoever follows does what is due before each of them
    let before = |days: i64| NOW + DAY(days) - Duration::MICROSECOND;
    assert_eq!(world.clock_moves, [before(2), before(3), before(4), NOW + DAY(10)]);
}

#[test]
fn m4_one_step_or_many_make_the_same_transitions() {
    let told = |world: &World| {
        let one = |t: &Transition| (t.entry.stage.clone(), t.number, t.from.clone(), t.entry.occurred_at);
        world.transitions.iter().map(one).collect::<Vec<_>>()
    };
    let (once, daily) = (advanced(&[10]), advanced(&(1..=10).collect::<Vec<_>>()));
    assert_eq!(told(&once), told(&daily));
    assert_eq!(daily.transitions[3].cause, Cause::Timer);
}

#[test]
fn m4_a_sandbox_timer_does_not_fire_by_the_real_clock() {
    let world = advanced(&[1]);
    assert_eq!(world.story(), ["start/ Call"]);
    assert_eq!(world.parked().len(), 2);
}

#[test]
fn j9_a_refund_is_passed_on_behind_what_was_due_before_it() {
    let mut world = shop();
    world.happen(&order(Signal::OrderRecorded, "o1", -20));
    let refund = order(Signal::OrderRefunded, "o1", -5);
    let passed = Fact::OrderRefunded(super::super::slice::Reversal {
        id: refund.id,
        place: refund.place.clone(),
        order: refund.order.clone().unwrap(),
        amount: types::Money::new(5, "USD".parse().unwrap()),
        occurred_at: refund.occurred_at,
    });
    world.slice(|slice| {
        slice.pass_on(passed);
        slice.happen(&refund);
    });
    assert_eq!(world.story(), ["bought/o1 Trigger", "review/o1 Timer", "refunded/o1 Trigger"]);
    assert_eq!(world.told, ["entered", "entered", "refunded", "entered"]);
}

#[test]
fn j7_unless_of_what_has_no_key_goes_by_time_whichever_comes_first() {
    let at = |stage: &str, days: i64| EnterStage { occurred_at: NOW + DAY(days), ..call("j", stage, "") };
    for order in [["bought", "refunded"], ["refunded", "bought"]] {
        let mut world = shop();
        world.call("bought", "other").unwrap();
        world.timers.clear();
        for stage in order {
            world
                .slice(|slice| slice.enter_stage(&at(stage, if stage == "bought" { -20 } else { -5 })))
                .unwrap();
        }
        world.fire(0);
        let reviewed = world.story().contains(&"review/ Timer".to_owned());
        assert!(reviewed, "{order:?}: it was due before the refund: {:?}", world.story());
    }
}

#[test]
fn j10_an_unless_that_the_version_in_force_has_added_holds() {
    let mut world = shop();
    world.happen(&order(Signal::OrderRecorded, "o1", 0));
    world.happen(&order(Signal::OrderRefunded, "o1", 1));
    let mut stricter = SHOP;
    stricter[2] = (
        "closed",
        "repeatable: true, terminal: true, enter_after: [{after: bought, wait: 30d, unless: [refunded]}]",
    );
    world.apply(&journey("sequence: OPTIONAL", &stricter));
    world.fire(30);
    assert_eq!(world.story(), ["bought/o1 Trigger", "refunded/o1 Trigger"]);
}
