//! Segments by rule (A5, A14, A15), on a real database.

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use common::*;
use prost_types::FieldMask;
use proto::attribution::contact_property_service_client::ContactPropertyServiceClient;
use proto::attribution::property_value::Value;
use proto::attribution::{self as v1, ContactPropertyType as Type, ContactStatus, SegmentState};
use tonic::{Code, Status};

#[expect(clippy::unwrap_used, reason = "in a test, what cannot be had fails the test")]
impl Tenant {
    async fn define(&self, name: &str, kind: Type) {
        let request =
            v1::CreateContactPropertyRequest { name: name.into(), r#type: kind.into(), ..Default::default() };
        let mut properties = ContactPropertyServiceClient::new(self.0.clone());
        assert!(properties.create_contact_property(request).await.is_ok());
    }

    async fn by_rule(&self, id: &str, rule: &str) -> Result<v1::Segment, Status> {
        let request =
            v1::CreateSegmentRequest { segment_id: id.into(), rule: rule.into(), ..Default::default() };
        let response = self.segments().create_segment(request).await?.into_inner();
        response.segment.ok_or_else(|| Status::internal("no segment"))
    }

    async fn other_rule(&self, id: &str, rule: &str) -> Result<v1::Segment, Status> {
        let request =
            v1::UpdateSegmentRequest { segment_id: id.into(), rule: rule.into(), ..Default::default() };
        let response = self.segments().update_segment(request).await?.into_inner();
        response.segment.ok_or_else(|| Status::internal("no segment"))
    }

    async fn put(&self, name: &str, values: &[(&str, Value)]) -> Result<v1::Contact, Status> {
        let wire = |(name, value): &(&str, Value)| {
            ((*name).to_owned(), v1::PropertyValue { value: Some(value.clone()) })
        };
        let properties: HashMap<_, _> = values.iter().map(wire).collect();
        let request = v1::UpsertContactRequest { email: email(name).email, properties, ..Default::default() };
        let contact = self.contacts().upsert_contact(request).await?.into_inner().contact;
        contact.ok_or_else(|| Status::internal("no contact"))
    }

    async fn tag(&self, name: &str, add: &[&str], remove: &[&str]) -> Result<v1::Contact, Status> {
        let texts = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        let (add, remove) = (texts(add), texts(remove));
        let request = v1::TagContactRequest { contact: Some(email(name)), add, remove, ..Default::default() };
        let contact = self.contacts().tag_contact(request).await?.into_inner().contact;
        contact.ok_or_else(|| Status::internal("no contact"))
    }

    async fn members(&self, id: &str) -> BTreeSet<String> {
        let mut members = BTreeSet::new();
        let mut page_token = String::new();
        loop {
            let filter = format!("segment_ids:{id}");
            let request = v1::ListContactsRequest { filter, page_size: 1000, page_token };
            let page = self.contacts().list_contacts(request).await.unwrap().into_inner();
            members
                .extend(page.contacts.into_iter().map(|contact| contact.email.replace("@example.com", "")));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return members;
            }
        }
    }

    /// Once all contacts are held to its rule.
    async fn ready(&self, id: &str) -> v1::Segment {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let ready = async {
            loop {
                let request = v1::GetSegmentRequest { segment_id: id.into() };
                let segment =
                    self.segments().get_segment(request).await.unwrap().into_inner().segment.unwrap();
                if segment.state() == SegmentState::Ready {
                    return segment;
                }
                tick.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ready).await.unwrap()
    }

    /// Who is in which segment by what the stream says, which says nothing twice.
    async fn told(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for fact in self.facts().await {
            match fact {
                Fact::SegmentJoined(joined) => {
                    let is_new = members.entry(joined.segment_id).or_default().insert(joined.contact_id);
                    assert!(is_new, "joined twice");
                }
                Fact::SegmentLeft(left) => {
                    let was_in = members.entry(left.segment_id).or_default().remove(&left.contact_id);
                    assert!(was_in, "left twice");
                }
                _ => {}
            }
        }
        members
    }
}

fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

const NOBODY: [&str; 0] = [];

#[tokio::test]
async fn a5_who_fits_the_rule_joins_at_once_and_who_does_not_any_more_leaves() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.define("seats", Type::Integer).await;
    let rule = "contact.status == 'ENROLLED' && ('vip' in contact.tags || contact.properties.seats >= 50)";
    let made = acme.by_rule("big", rule).await.unwrap();
    assert_eq!((made.rule.as_str(), made.members), (rule, 0));
    acme.enroll("ann", &[]).await;
    assert_eq!(acme.members("big").await, names(NOBODY));
    // the answer has it already
    let ann = acme.put("ann", &[("seats", Value::IntegerValue(50))]).await.unwrap();
    assert_eq!(ann.segment_ids, ["big"]);
    let ann = acme.put("ann", &[("seats", Value::IntegerValue(49))]).await.unwrap();
    assert_eq!(ann.segment_ids, NOBODY);
    assert_eq!(acme.tag("ann", &["vip"], &[]).await.unwrap().segment_ids, ["big"]);
    let ann = acme.set_status("ann", ContactStatus::Unsubscribed).await.unwrap();
    assert_eq!(ann.segment_ids, NOBODY);
    acme.set_status("ann", ContactStatus::Enrolled).await.unwrap();
    acme.put("ann", &[("seats", Value::StringValue(String::new()))]).await.unwrap();
    assert_eq!(acme.members("big").await, names(["ann"]), "one reason is enough");
    let moves = acme.facts().await.into_iter().filter_map(|fact| match fact {
        Fact::SegmentJoined(_) => Some("joined"),
        Fact::SegmentLeft(_) => Some("left"),
        _ => None,
    });
    assert_eq!(moves.collect::<Vec<_>>(), ["joined", "left", "joined", "left", "joined"]);
    assert_eq!(acme.ready("big").await.members, 1);
    assert_eq!(service.of("other").told().await.len(), 0);
}

#[tokio::test]
async fn a5_whoever_an_attempt_or_an_enrolment_creates_is_held_to_the_rules() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.program().await;
    acme.by_rule("prospects", "contact.status == 'PROSPECT'").await.unwrap();
    acme.by_rule("early", "contact.created_at < timestamp('2025-06-01T00:00:00Z')").await.unwrap();
    acme.record(by_code("eve", "ANN10")).await;
    acme.batch(vec![by_code("fay", "ANN10"), at(by_code("gus", "BOB10"), NOW - time::Duration::days(1))])
        .await;
    // created and enrolled in one: never a prospect that anybody saw
    acme.enroll("hal", &[]).await;
    assert_eq!(acme.members("prospects").await, names(["eve", "fay", "gus"]));
    assert_eq!(acme.members("early").await, names(["gus"]));
    let told = acme.told().await;
    assert_eq!(told["prospects"].len(), 3);
    let hal = acme.get(email("hal")).await.unwrap().contact_id;
    let of_hal = |fact: &Fact| matches!(fact, Fact::SegmentJoined(joined) if joined.contact_id == hal);
    assert!(!acme.facts().await.iter().any(of_hal));
}

#[tokio::test]
async fn a5_a_member_by_rule_is_an_advocate_of_the_campaign_and_draws_its_coupon() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.by_rule("fans", "contact.status == 'ENROLLED' && 'fan' in contact.tags").await.unwrap();
    let campaign = v1::CreateCampaignRequest { segment_ids: vec!["fans".into()], ..new_campaign("spring") };
    acme.campaigns().create_campaign(campaign).await.unwrap();
    let pool = v1::IssueCouponCodesRequest {
        campaign_id: "spring".into(),
        count: 2,
        request_id: "pool".into(),
        ..Default::default()
    };
    acme.codes().issue_coupon_codes(pool).await.unwrap();
    acme.enroll("ann", &[]).await;
    let named = acme.record(by_name("eve", "ann")).await;
    assert_eq!(named.unresolved_reason(), v1::UnresolvedReason::AdvocateNotEligible);
    acme.tag("ann", &["fan"], &[]).await.unwrap();
    let named = acme.record(by_name("eve", "ann")).await;
    assert_eq!(named.outcome(), v1::Outcome::Attributed);
    let assigned = "SELECT count(*) FROM coupon_codes WHERE advocate_id IS NOT NULL";
    assert_eq!(service.count(assigned).await, 1);
    // by status, too, and once only
    acme.put("bob", &[]).await.unwrap();
    acme.tag("bob", &["fan"], &[]).await.unwrap();
    assert_eq!(service.count(assigned).await, 1);
    acme.set_status("bob", ContactStatus::Enrolled).await.unwrap();
    assert_eq!(service.count(assigned).await, 2);
    acme.set_status("bob", ContactStatus::Banned).await.unwrap();
    acme.set_status("bob", ContactStatus::Enrolled).await.unwrap();
    assert_eq!(service.count(assigned).await, 2);
}

#[tokio::test]
async fn a14_who_is_put_into_a_static_segment_or_enrolled_there_draws_a_coupon() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.segment("vips").await;
    acme.campaign("spring").await;
    let pool = v1::IssueCouponCodesRequest {
        campaign_id: "spring".into(),
        count: 5,
        request_id: "pool".into(),
        ..Default::default()
    };
    acme.codes().issue_coupon_codes(pool).await.unwrap();
    acme.enroll("ann", &[]).await;
    acme.put("bob", &[]).await.unwrap();
    let add = v1::UpdateSegmentMembersRequest {
        segment_id: "vips".into(),
        add: vec![email("ann"), email("bob")],
        ..Default::default()
    };
    acme.segments().update_segment_members(add).await.unwrap();
    let assigned = "SELECT count(*) FROM coupon_codes WHERE advocate_id IS NOT NULL";
    assert_eq!(service.count(assigned).await, 1, "bob is not enrolled");
    acme.set_status("bob", ContactStatus::Enrolled).await.unwrap();
    assert_eq!(service.count(assigned).await, 2);
    // enrolled anew where it is already
    acme.put("cyd", &[]).await.unwrap();
    let add = v1::UpdateSegmentMembersRequest {
        segment_id: "vips".into(),
        add: vec![email("cyd")],
        ..Default::default()
    };
    acme.segments().update_segment_members(add).await.unwrap();
    acme.enroll("cyd", &[]).await;
    assert_eq!(service.count(assigned).await, 3);
}

#[tokio::test]
async fn a5_a_rule_that_can_only_go_wrong_is_refused_when_it_is_made() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.define("seats", Type::Integer).await;
    acme.define("score", Type::Decimal).await;
    for (rule, place) in [
        ("contact.properties.nosuch == 1", "column 19"),
        ("contact.properties.score > 1", "column 19"),
        ("contact.properties.seats == 'x'", "column 26"),
        ("true &&\ncontact.email == 'x'", "line 2, column 8"),
        ("contact.status", "column 8"),
        ("contact.status ==", "column"),
    ] {
        let status = acme.by_rule("odd", rule).await.unwrap_err();
        assert!(status.message().contains(place), "{rule}: {}", status.message());
        bad_field(Err::<(), _>(status), "rule");
    }
    refused(acme.other_rule("odd", "true").await, Code::NotFound, "SEGMENT_NOT_FOUND");
    bad_field(acme.by_rule("odd", &format!("'{}' == ''", "x".repeat(1000))).await, "rule");
    acme.by_rule("big", "contact.properties.seats > 1").await.unwrap();
    bad_field(acme.other_rule("big", "contact.properties.nosuch == 1").await, "rule");
    let mask = Some(FieldMask { paths: vec!["rule".into()] });
    let emptied =
        v1::UpdateSegmentRequest { segment_id: "big".into(), update_mask: mask, ..Default::default() };
    bad_field(acme.segments().update_segment(emptied).await, "rule");
    // what one tenant defines another does not
    bad_field(service.of("other").by_rule("big", "contact.properties.seats > 1").await, "rule");
}

#[tokio::test]
async fn a5_nobody_joins_or_leaves_a_segment_by_rule_by_hand() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.by_rule("all", "true").await.unwrap();
    acme.segment("vips").await;
    acme.enroll("ann", &["vips"]).await;
    let remove = v1::UpdateSegmentMembersRequest {
        segment_id: "all".into(),
        remove: vec![email("ann")],
        ..Default::default()
    };
    let removed = acme.segments().update_segment_members(remove).await;
    refused(removed, Code::FailedPrecondition, "SEGMENT_BY_RULE");
    let enroll = v1::EnrollContactRequest {
        contact: Some(email("bob")),
        segment_ids: vec!["vips".into(), "all".into()],
        ..Default::default()
    };
    refused(acme.contacts().enroll_contact(enroll).await, Code::FailedPrecondition, "SEGMENT_BY_RULE");
    refused(acme.get(email("bob")).await, Code::NotFound, "CONTACT_NOT_FOUND");
    refused(acme.other_rule("vips", "true").await, Code::FailedPrecondition, "SEGMENT_WITHOUT_RULE");
    // the same again, other content, and a name
    let again = acme.by_rule("all", " true ").await.unwrap();
    assert_eq!(again.rule, "true");
    refused(acme.by_rule("all", "false").await, Code::AlreadyExists, "SEGMENT_EXISTS");
    let static_one = v1::CreateSegmentRequest { segment_id: "all".into(), ..Default::default() };
    let static_one = acme.segments().create_segment(static_one).await;
    refused(static_one, Code::AlreadyExists, "SEGMENT_EXISTS");
    let named =
        v1::UpdateSegmentRequest { segment_id: "vips".into(), name: "Very".into(), ..Default::default() };
    let named = acme.segments().update_segment(named).await.unwrap().into_inner().segment.unwrap();
    assert_eq!((named.name.as_str(), named.members, named.state()), ("Very", 1, SegmentState::Ready));
}

#[tokio::test]
async fn a5_a_tenant_has_at_most_a_hundred_segments_by_rule() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for n in 0..100 {
        acme.by_rule(&format!("s-{n}"), "false").await.unwrap();
    }
    refused(acme.by_rule("more", "false").await, Code::FailedPrecondition, "TOO_MANY_SEGMENT_RULES");
    acme.segment("static").await;
    service.of("other").by_rule("more", "false").await.unwrap();
}

#[tokio::test]
async fn a15_a_property_that_a_rule_reads_is_not_taken_back() {
    let service = Service::start().await;
    let acme = service.of("acme");
    for name in ["seats", "plan", "free"] {
        acme.define(name, Type::Integer).await;
    }
    acme.by_rule("big", "contact.properties.seats > 1 || has(contact.properties.plan)").await.unwrap();
    let mut properties = ContactPropertyServiceClient::new(acme.0.clone());
    for name in ["seats", "plan"] {
        let request = v1::DeleteContactPropertyRequest { name: name.into() };
        let gone = properties.delete_contact_property(request).await;
        refused(gone, Code::FailedPrecondition, "CONTACT_PROPERTY_IN_USE");
    }
    let request = v1::DeleteContactPropertyRequest { name: "free".into() };
    assert!(properties.delete_contact_property(request).await.is_ok());
    // defined anew with another type, which the rule, compiled before, does not mind
    acme.define("free", Type::String).await;
    let values = [("seats", Value::IntegerValue(2)), ("free", Value::StringValue("x".into()))];
    assert_eq!(acme.put("ann", &values).await.unwrap().segment_ids, ["big"]);
}

#[tokio::test]
async fn a5_contacts_that_were_there_before_are_held_to_the_rule_in_slices_also_after_a_restart() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let attempt = |n: usize| v1::Attempt {
        contact: Some(uid(&format!("u-{n}"))),
        campaign_id: String::new(),
        ..Default::default()
    };
    for slice in (0..2500).collect::<Vec<_>>().chunks(250) {
        acme.batch(slice.iter().map(|n| attempt(*n)).collect()).await;
    }
    acme.by_rule("all", "contact.status == 'PROSPECT'").await.unwrap();
    assert_eq!(acme.ready("all").await.members, 2500);
    // another rule: who fits no longer goes
    let (contact, add) = (Some(uid("u-7")), vec!["vip".to_owned()]);
    let tag = v1::TagContactRequest { contact, add, ..Default::default() };
    acme.contacts().tag_contact(tag).await.unwrap();
    let changed = acme.other_rule("all", "'vip' in contact.tags").await.unwrap();
    assert_eq!(changed.state(), SegmentState::Building);
    assert_eq!(acme.ready("all").await.members, 1);
    let told = acme.told().await;
    assert_eq!(told["all"].len(), 1);
    // a process that ended half-way: the next one goes on from where it was
    let db = service.sandbox.database(attribution::SCHEMA).await.unwrap();
    let mut tx = db.write().await.unwrap();
    sqlx::query(
        "UPDATE segment_rules SET rule = 'true', rule_id = gen_random_uuid(),
                filled_to = (SELECT contact_id FROM contacts ORDER BY contact_id OFFSET 1199 LIMIT 1)",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let lifecycle = runtime::Lifecycle::default();
    let clock = Arc::new(service.clock.clone());
    let routes = attribution::start(db, clock, &lifecycle).await.unwrap();
    let acme = Tenant(rpc::channel::for_tenant(routes.channel(), &"acme".parse().unwrap()));
    assert_eq!(acme.ready("all").await.members, 1300 + 1);
}
