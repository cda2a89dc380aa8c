//! A5: whatever happens, and in whatever order, a segment by rule has those whom its rule holds for, and the stream says so.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use common::*;
use proptest::prelude::*;
use proto::attribution::contact_property_service_client::ContactPropertyServiceClient;
use proto::attribution::property_value::Value;
use proto::attribution::{self as v1, ContactStatus, SegmentState};

/// What a rule means.
type Meaning = fn(&v1::Contact) -> bool;

/// Rules, and what they mean.
const RULES: [(&str, Meaning); 5] = [
    ("contact.status == 'ENROLLED' && 'vip' in contact.tags", |contact| {
        contact.status() == ContactStatus::Enrolled && contact.tags.contains(&"vip".to_owned())
    }),
    ("contact.properties.seats > 3", |contact| seats(contact).is_some_and(|seats| seats > 3)),
    ("!(contact.properties.seats > 3)", |contact| seats(contact).is_some_and(|seats| seats <= 3)),
    ("contact.properties.seats == null || size(contact.tags) > 1", |contact| {
        seats(contact).is_none() || contact.tags.len() > 1
    }),
    ("contact.status != 'BANNED' && contact.locale.startsWith('de')", |contact| {
        contact.status() != ContactStatus::Banned && contact.locale.starts_with("de")
    }),
];

const PEOPLE: [&str; 4] = ["ann", "bob", "cyd", "dan"];
const SEGMENTS: [&str; 2] = ["first", "second"];
const TAGS: [&str; 2] = ["vip", "new"];

fn seats(contact: &v1::Contact) -> Option<i64> {
    match contact.properties.get("seats")?.value.as_ref()? {
        Value::IntegerValue(seats) => Some(*seats),
        _ => None,
    }
}

/// One thing that happens, to somebody or to a segment.
#[derive(Debug, Clone, Copy)]
enum Step {
    Put(usize, Option<i64>),
    Speak(usize, &'static str),
    Tag(usize, usize),
    Untag(usize, usize),
    Status(usize, ContactStatus),
    Enroll(usize),
    Attempt(usize),
    Rule(usize, usize),
}

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE.len();
    prop_oneof![
        (who.clone(), prop::option::of(0..8_i64)).prop_map(|(who, seats)| Step::Put(who, seats)),
        (who.clone(), prop::sample::select(vec!["de-AT", "en"])).prop_map(|(who, l)| Step::Speak(who, l)),
        (who.clone(), 0..TAGS.len()).prop_map(|(who, tag)| Step::Tag(who, tag)),
        (who.clone(), 0..TAGS.len()).prop_map(|(who, tag)| Step::Untag(who, tag)),
        (who.clone(), 1..5_i32).prop_map(|(who, n)| Step::Status(who, ContactStatus::try_from(n).unwrap())),
        who.clone().prop_map(Step::Enroll),
        who.prop_map(Step::Attempt),
        (0..SEGMENTS.len(), 0..RULES.len()).prop_map(|(segment, rule)| Step::Rule(segment, rule)),
    ]
}

/// What is refused, such as for somebody nobody knows yet, changes nothing.
async fn take(of: &Tenant, step: Step) {
    let (mut contacts, mut segments) = (of.contacts(), of.segments());
    match step {
        Step::Put(who, seats) => {
            let value = seats.map_or(Value::StringValue(String::new()), Value::IntegerValue);
            let properties = HashMap::from([("seats".to_owned(), v1::PropertyValue { value: Some(value) })]);
            let email = email(PEOPLE[who]).email;
            let request = v1::UpsertContactRequest { email, properties, ..Default::default() };
            drop(contacts.upsert_contact(request).await);
        }
        Step::Speak(who, locale) => {
            let (email, locale) = (email(PEOPLE[who]).email, locale.to_owned());
            let request = v1::UpsertContactRequest { email, locale, ..Default::default() };
            drop(contacts.upsert_contact(request).await);
        }
        Step::Tag(who, tag) | Step::Untag(who, tag) => {
            let (contact, tags) = (Some(email(PEOPLE[who])), vec![TAGS[tag].to_owned()]);
            let request = match step {
                Step::Tag(..) => v1::TagContactRequest { contact, add: tags, ..Default::default() },
                _ => v1::TagContactRequest { contact, remove: tags, ..Default::default() },
            };
            drop(contacts.tag_contact(request).await);
        }
        Step::Status(who, status) => drop(of.set_status(PEOPLE[who], status).await),
        Step::Enroll(who) => {
            let request =
                v1::EnrollContactRequest { contact: Some(email(PEOPLE[who])), ..Default::default() };
            drop(contacts.enroll_contact(request).await);
        }
        Step::Attempt(who) => drop(of.try_record(by_code(PEOPLE[who], "NOBODY")).await),
        Step::Rule(segment, rule) => {
            let (segment_id, rule) = (SEGMENTS[segment].to_owned(), RULES[rule].0.to_owned());
            let new = v1::CreateSegmentRequest {
                segment_id: segment_id.clone(),
                rule: rule.clone(),
                ..Default::default()
            };
            drop(segments.create_segment(new).await);
            let other = v1::UpdateSegmentRequest { segment_id, rule, ..Default::default() };
            drop(segments.update_segment(other).await);
        }
    }
}

/// All segments, once they have everybody.
#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
async fn ready(of: &Tenant) -> Vec<v1::Segment> {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        let listed = of.segments().list_segments(v1::ListSegmentsRequest::default()).await.unwrap();
        let segments = listed.into_inner().segments;
        if segments.iter().all(|segment| segment.state() == SegmentState::Ready) {
            return segments;
        }
        tick.tick().await;
    }
}

/// Who is in which segment by what the stream says, which says nothing twice.
async fn told(of: &Tenant) -> BTreeMap<String, BTreeSet<String>> {
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for fact in of.facts().await {
        match fact {
            Fact::SegmentJoined(joined) => {
                assert!(members.entry(joined.segment_id).or_default().insert(joined.contact_id));
            }
            Fact::SegmentLeft(left) => {
                assert!(members.entry(left.segment_id).or_default().remove(&left.contact_id));
            }
            _ => {}
        }
    }
    members
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a5_the_members_of_a_segment_are_those_whom_its_rule_holds_for(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let service = Service::start().await;
            let acme = service.of("acme");
            let seats = v1::CreateContactPropertyRequest {
                name: "seats".into(),
                r#type: v1::ContactPropertyType::Integer.into(),
                ..Default::default()
            };
            ContactPropertyServiceClient::new(acme.0.clone()).create_contact_property(seats).await.unwrap();
            for at_once in steps.chunks(4) {
                let mut tasks = tokio::task::JoinSet::new();
                for step in at_once.iter().copied() {
                    let acme = acme.clone();
                    tasks.spawn(async move { take(&acme, step).await });
                }
                tasks.join_all().await;
            }
            let segments = ready(&acme).await;
            let listed = acme.contacts().list_contacts(v1::ListContactsRequest::default()).await.unwrap();
            let contacts = listed.into_inner().contacts;
            let mut told = told(&acme).await;
            for segment in segments {
                let (_, holds) = RULES.into_iter().find(|(rule, _)| *rule == segment.rule).unwrap();
                let expected: BTreeSet<String> =
                    contacts.iter().filter(|c| holds(c)).map(|c| c.contact_id.clone()).collect();
                let is_in = |contact: &&v1::Contact| contact.segment_ids.contains(&segment.segment_id);
                let members: BTreeSet<String> =
                    contacts.iter().filter(is_in).map(|c| c.contact_id.clone()).collect();
                assert_eq!(members, expected, "{segment:?}");
                assert_eq!(told.remove(&segment.segment_id).unwrap_or_default(), expected, "{segment:?}");
                assert_eq!(segment.members, i64::try_from(expected.len()).unwrap());
            }
        });
    }
}
