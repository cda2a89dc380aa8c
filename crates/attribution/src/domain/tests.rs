//! Whatever comes in whatever order: the invariants of A2, A7, A11 and A12.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use types::{CampaignId, ContactId, Email, SegmentId, Shortcode, Timestamp, new_id};

use super::code::Owner;
use super::{
    Attempt, Attribution, Book, Campaign, Contact, ContactRef, ContactStatus, Evidence, EvidenceKind, Fact,
    InactiveReason, Judgement, Moment, Outcome, Policies, Profile, Sent, UnresolvedReason,
};

const START: Timestamp = time::macros::datetime!(2025-01-01 00:00 UTC);
const CODES: [&str; 3] = ["CODE0", "CODE1", "CODE2"];

fn spring() -> CampaignId {
    "spring".parse().unwrap()
}

fn email(n: usize) -> Email {
    Email::parse(&format!("advocate{n}@example.com")).unwrap()
}

/// Three advocates with a code each, in one campaign.
fn book() -> Book {
    let vips: BTreeSet<SegmentId> = BTreeSet::from(["vips".parse().unwrap()]);
    let mut book = Book::default();
    let campaign = Campaign {
        id: spring(),
        name: String::new(),
        currency: "USD".parse().unwrap(),
        segments: vips.clone(),
        starts_at: START,
        ends_at: None,
        policies: Policies::default(),
    };
    book.campaigns.insert(spring(), campaign);
    for (n, code) in CODES.into_iter().enumerate() {
        let id: ContactId = new_id(START);
        book.people.add(Contact {
            id,
            email: Some(email(n)),
            uid: None,
            profile: Profile::default(),
            tags: BTreeSet::new(),
            status: ContactStatus::Enrolled,
            segments: vips.clone(),
            created_at: START,
            flags: BTreeMap::new(),
            erased_at: None,
            properties: BTreeMap::new(),
        });
        let owner = Owner { campaign: spring(), advocate: id, created_at: START };
        book.codes.add(code.parse().unwrap(), owner);
    }
    book
}

/// One attempt: of advocate or stranger `who`, with a code and a name or without, some hours after the start.
#[derive(Debug, Clone)]
struct Step {
    who: usize,
    code: Option<usize>,
    advocate: Option<usize>,
    hours: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..5_usize, prop::option::of(0..3_usize), prop::option::of(0..3_usize), 0..100_i64);
    let step = step.prop_map(|(who, code, advocate, hours)| Step { who, code, advocate, hours });
    prop::collection::vec(step, 1..40)
}

fn take(book: &mut Book, step: &Step) -> (Judgement, Moment) {
    let by_email = |n| ContactRef { email: Some(email(n)), ..ContactRef::default() };
    let attempt = Attempt {
        contact: by_email(step.who),
        campaign: Some(spring()),
        evidence: Evidence {
            shortcode: step.code.map(|n| Sent::new(CODES[n])),
            advocate: step.advocate.map(by_email),
            ..Evidence::default()
        },
        source: String::new(),
        known_contact_only: false,
    };
    let when = Moment { occurred_at: START + time::Duration::hours(step.hours), now: START };
    (book.attempt(&attempt, when).unwrap(), when)
}

fn rows(book: &Book) -> Vec<&Attribution> {
    book.attributions.iter().map(super::Tracked::get).collect()
}

proptest! {
    #[test]
    fn a2_at_most_one_is_active_and_it_stays(steps in steps()) {
        let mut book = book();
        for step in &steps {
            let before: Vec<_> = rows(&book).into_iter().filter(|a| a.is_active()).map(|a| a.id).collect();
            let (judgement, _) = take(&mut book, step);
            let of_contact: Vec<_> =
                rows(&book).into_iter().filter(|a| Some(a.contact) == judgement.contact).collect();
            let advocates: BTreeSet<_> = of_contact.iter().map(|a| a.advocate).collect();
            prop_assert!(of_contact.iter().filter(|a| a.is_active()).count() <= 1);
            prop_assert_eq!(advocates.len(), of_contact.len(), "one row per advocate");
            prop_assert!(before.iter().all(|id| rows(&book).iter().any(|a| a.id == *id && a.is_active())));
        }
        let activated = book.events.iter().filter(|e| matches!(e.fact, Fact::AttributionActivated(_))).count();
        prop_assert_eq!(activated, rows(&book).iter().filter(|a| a.is_active()).count());
        let counted: i32 = rows(&book).iter().map(|a| a.attempts).sum();
        prop_assert_eq!(usize::try_from(counted).unwrap(), book.attempts.len(), "every attempt is counted");
    }

    #[test]
    fn a7_nobody_is_attributed_to_themselves(steps in steps()) {
        let mut book = book();
        for step in &steps {
            take(&mut book, step);
        }
        for row in rows(&book) {
            let same = row.advocate == row.contact;
            prop_assert_eq!(same, row.inactive == Some(InactiveReason::SelfReferral));
        }
    }

    #[test]
    fn a11_what_is_in_force_is_active_and_begun_or_named(steps in steps()) {
        let mut book = book();
        for step in &steps {
            let (judgement, when) = take(&mut book, step);
            if let Some(in_force) = &judgement.in_force {
                let advocate = in_force.advocate;
                let is = |n: usize| book.people.get(advocate).unwrap().email == Some(email(n));
                let named = step.code.is_some_and(is) || step.advocate.is_some_and(is);
                prop_assert!(in_force.is_active());
                prop_assert!(in_force.effective_from <= when.occurred_at || named);
            }
            if judgement.outcome == Outcome::Attributed {
                prop_assert!(judgement.in_force.is_some());
            }
        }
    }

    #[test]
    fn a12_a_replay_answers_as_the_first_call_did(steps in steps(), last in steps()) {
        let mut book = book();
        for step in &steps {
            take(&mut book, step);
        }
        let (first, _) = take(&mut book, &last[0]);
        let Some(logged) = book.attempts.iter().find(|a| Some(a.id) == first.logged).cloned() else {
            return Ok(());
        };
        let again = book.replay(&logged);
        prop_assert_eq!((again.outcome, again.contact), (first.outcome, first.contact));
        prop_assert_eq!((again.inactive, again.passed_over), (first.inactive, first.passed_over));
    }
}

#[test]
fn a4_what_cannot_be_a_code_is_kept_as_it_was_sent() {
    assert_eq!(Sent::<Shortcode>::new(" code0 ").as_str(), "CODE0");
    assert_eq!(Sent::<Shortcode>::new("code0").code(), "CODE0".parse().ok().as_ref());
    for (sent, kept) in
        [("Spring-10", "Spring-10"), ("ab", "ab"), (" ", " "), ("a\0b\n", "a\u{fffd}b\u{fffd}")]
    {
        let read = Sent::<Shortcode>::new(sent);
        assert_eq!((read.as_str(), read.code()), (kept, None));
    }
}

#[test]
fn o7_what_cannot_be_a_code_is_passed_over_for_the_next() {
    let mut book = book();
    let by_email = |n| ContactRef { email: Some(email(n)), ..ContactRef::default() };
    let mut attempt = Attempt {
        contact: by_email(3),
        campaign: Some(spring()),
        evidence: Evidence { shortcode: Some(Sent::new("CODE-0")), ..Evidence::default() },
        source: String::new(),
        known_contact_only: false,
    };
    let when = Moment { occurred_at: START, now: START };
    let alone = book.attempt(&attempt, when).unwrap();
    assert_eq!(alone.outcome, Outcome::Unresolved(UnresolvedReason::UnknownCode));
    attempt.evidence.advocate = Some(by_email(1));
    let judgement = book.attempt(&attempt, when).unwrap();
    assert_eq!(judgement.outcome, Outcome::Attributed);
    assert_eq!(judgement.passed_over, [EvidenceKind::Shortcode]);
    assert!(book.attempts.iter().all(|logged| logged.shortcode.as_deref() == Some("CODE-0")));
}

#[test]
fn o6_looking_up_a_known_contact_changes_nothing() {
    let mut book = book();
    let look_up = |contact| Attempt {
        contact,
        campaign: None,
        evidence: Evidence::default(),
        source: String::new(),
        known_contact_only: true,
    };
    let when = Moment { occurred_at: START, now: START };
    let stranger = ContactRef { email: Some(email(9)), ..ContactRef::default() };
    let nobody = ContactRef { id: Some(new_id(START)), ..ContactRef::default() };
    for who in [stranger, nobody] {
        assert_eq!(book.attempt(&look_up(who), when).unwrap().contact, None);
    }
    let with_new_uid = ContactRef { id: None, email: Some(email(0)), uid: "u-1".parse().ok() };
    assert!(book.attempt(&look_up(with_new_uid), when).unwrap().contact.is_some());
    assert_eq!(book.people.iter().count(), CODES.len());
    assert!(book.people.iter().all(|contact| !contact.is_created() && !contact.is_changed()));
    assert!(book.events.is_empty() && book.attempts.is_empty());
}
