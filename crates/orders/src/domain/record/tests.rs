//! O3, O6, O7 without a database.

use types::{AttributionId, ContactId, Currency, Email, TenantId};

use super::*;
use crate::domain::{
    ContactRef, Definition, Evidence, Head, InForce, Inactive, LineItem, OrderKey, PropertyType,
    PropertyValue,
};

fn usd() -> Currency {
    "USD".parse().unwrap()
}

fn at(day: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + time::Duration::days(day)
}

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn new_order() -> NewOrder {
    let tenant: TenantId = "acme".parse().unwrap();
    let customer =
        ContactRef { email: Some(Email::parse("ann@example.com").unwrap()), ..ContactRef::default() };
    NewOrder {
        key: OrderKey { tenant, source_scope: String::new(), order_id: "o-1".parse().unwrap() },
        source: "shop".to_owned(),
        customer,
        revenue: Money::new(10_000, usd()),
        campaign_id: None,
        evidence: Evidence::default(),
        external_status: String::new(),
        hubspot_dealstage: String::new(),
        line_items: Vec::new(),
        properties: Properties::new(),
        told_properties: None,
        occurred_at: None,
        on_conflict: OnConflict::Refuse,
        on_unattributed: OnUnattributed::Record,
    }
}

fn facts() -> Facts {
    Facts { customer_hash: b"ann".to_vec(), now: at(10), principal: "tests".into() }
}

fn answer(outcome: Outcome) -> Attributed {
    Attributed {
        contact_id: ContactId::from(uuid(1)),
        campaign_id: None,
        in_force: None,
        named: None,
        inactive: None,
        outcome,
        head: Head { epoch: 1, position: 2 },
    }
}

fn recorded_again(
    new: &NewOrder,
    stored: &Order,
    facts: &Facts,
    contact: Option<ContactId>,
) -> Result<Updated, Violation> {
    record_again(new, stored, facts, contact, &Definitions::new())
}

fn stored() -> Order {
    let answer = answer(Outcome::Unresolved(Unresolved::NoEvidence));
    record_new(&new_order(), &facts(), &answer, uuid(9), at(11)).unwrap()
}

fn with_evidence() -> NewOrder {
    let evidence = Evidence { shortcode: "ANNA10".to_owned(), ..Evidence::default() };
    NewOrder { evidence, ..new_order() }
}

#[test]
fn o3_the_order_takes_what_is_in_force_and_keeps_the_attempt_that_lost() {
    let in_force = InForce { attribution_id: uuid(2).into(), advocate_id: uuid(3).into() };
    let answer = Attributed {
        campaign_id: Some("spring".parse().unwrap()),
        in_force: Some(in_force),
        inactive: Some(AttributionId::from(uuid(4))),
        ..answer(Outcome::LoggedInactive(Inactive::Duplicate))
    };
    let order = record_new(&with_evidence(), &facts(), &answer, uuid(9), at(11)).unwrap();
    assert_eq!(order.attribution, Some(in_force));
    assert_eq!(order.inactive_attribution_id, Some(uuid(4).into()));
    assert_eq!(order.campaign_id, Some("spring".parse().unwrap()), "the code supplies it");
}

#[test]
fn o3_a_code_of_another_campaign_is_refused() {
    let answer = answer(Outcome::Unresolved(Unresolved::CampaignMismatch));
    let refused = record_new(&with_evidence(), &facts(), &answer, uuid(9), at(11));
    assert_eq!(refused, Err(Violation::CampaignMismatch));
}

#[test]
fn o7_evidence_that_comes_to_nobody_is_refused_only_if_the_caller_asks() {
    for outcome in
        [Outcome::Unresolved(Unresolved::UnknownCode), Outcome::LoggedInactive(Inactive::SelfReferral)]
    {
        let recorded = record_new(&with_evidence(), &facts(), &answer(outcome), uuid(9), at(11)).unwrap();
        assert_eq!((recorded.attribution, recorded.outcome), (None, outcome));
        let strict = NewOrder { on_unattributed: OnUnattributed::Reject, ..with_evidence() };
        let refused = record_new(&strict, &facts(), &answer(outcome), uuid(9), at(11));
        assert_eq!(refused, Err(Violation::Unattributed(outcome)));
    }
}

#[test]
fn o7_an_order_without_evidence_is_not_refused_for_having_no_attribution() {
    let strict = NewOrder { on_unattributed: OnUnattributed::Reject, ..new_order() };
    let answer = answer(Outcome::Unresolved(Unresolved::NoEvidence));
    assert!(record_new(&strict, &facts(), &answer, uuid(9), at(11)).is_ok());
}

#[test]
fn o7_evidence_passed_over_for_a_customer_already_attributed_is_not_refused() {
    let in_force = Some(InForce { attribution_id: uuid(2).into(), advocate_id: uuid(3).into() });
    let answer = Attributed { in_force, ..answer(Outcome::Unresolved(Unresolved::UnknownCode)) };
    let strict = NewOrder { on_unattributed: OnUnattributed::Reject, ..with_evidence() };
    assert_eq!(record_new(&strict, &facts(), &answer, uuid(9), at(11)).unwrap().attribution, in_force);
}

#[test]
fn o6_what_was_not_given_does_not_differ() {
    let stored = Order { campaign_id: Some("spring".parse().unwrap()), occurred_at: at(3), ..stored() };
    // neither campaign nor time is given, and evidence is not content
    let again = recorded_again(&with_evidence(), &stored, &facts(), None);
    assert_eq!(again, Ok(Updated::Same));
}

#[test]
fn o6_every_field_that_differs_is_named() {
    let line = LineItem { sku: "a".to_owned(), name: String::new(), quantity: 1, unit_price_minor: 5 };
    let new = NewOrder {
        source: "crm".to_owned(),
        revenue: Money::new(1, usd()),
        campaign_id: Some("spring".parse().unwrap()),
        external_status: "won".to_owned(),
        hubspot_dealstage: "closed".to_owned(),
        line_items: vec![line],
        occurred_at: Some(at(1)),
        ..new_order()
    };
    let facts = Facts { customer_hash: b"bob".to_vec(), ..facts() };
    let Err(Violation::Differs(fields)) = recorded_again(&new, &stored(), &facts, None) else { panic!() };
    let all = "source customer revenue campaign_id external_status hubspot_dealstage line_items occurred_at";
    assert_eq!(fields.join(" "), all);
}

#[test]
fn o6_the_same_person_named_otherwise_is_the_same_customer() {
    let facts = Facts { customer_hash: b"uid 7".to_vec(), ..facts() };
    let same = Some(ContactId::from(uuid(1)));
    assert_eq!(recorded_again(&new_order(), &stored(), &facts, same), Ok(Updated::Same));
    let other = Some(ContactId::from(uuid(2)));
    let differs = Err(Violation::Differs(vec!["customer"]));
    assert_eq!(recorded_again(&new_order(), &stored(), &facts, other), differs);
}

#[test]
fn o6_an_update_changes_what_it_may_and_nothing_else() {
    let update = NewOrder { on_conflict: OnConflict::Update, ..new_order() };
    let won = NewOrder { external_status: "won".to_owned(), ..update.clone() };
    let Ok(Updated::Changed(order, refund)) = recorded_again(&won, &stored(), &facts(), None) else {
        panic!()
    };
    assert_eq!(*order, Order { external_status: "won".to_owned(), ..stored() });
    assert_eq!(refund, None);

    let later = NewOrder { occurred_at: Some(at(99)), ..won };
    let refused = recorded_again(&later, &stored(), &facts(), None);
    assert_eq!(refused, Err(Violation::Differs(vec!["external_status", "occurred_at"])));
    let euro = NewOrder { revenue: Money::new(10_000, "EUR".parse().unwrap()), ..update };
    let refused = recorded_again(&euro, &stored(), &facts(), None);
    assert_eq!(refused, Err(Violation::Differs(vec!["revenue.currency_code"])));
}

#[test]
fn o6_revenue_lowered_gives_the_difference_back_and_raised_gives_nothing() {
    let update = |minor| NewOrder {
        revenue: Money::new(minor, usd()),
        on_conflict: OnConflict::Update,
        ..new_order()
    };
    for (minor, refund) in [(8_000, Some(2_000)), (0, Some(10_000)), (15_000, None)] {
        let again = recorded_again(&update(minor), &stored(), &facts(), None);
        let Ok(Updated::Changed(order, given)) = again else { panic!("{again:?}") };
        assert_eq!((order.revenue.minor, order.refunded_minor), (minor, 0));
        assert_eq!(given.map(|money| money.minor), refund);
    }
}

#[test]
fn o6_revenue_is_never_lowered_below_what_was_refunded() {
    let stored = Order { refunded_minor: 3_000, ..stored() };
    let update = |minor| NewOrder {
        revenue: Money::new(minor, usd()),
        on_conflict: OnConflict::Update,
        ..new_order()
    };
    assert_eq!(recorded_again(&update(2_999), &stored, &facts(), None), Err(Violation::BelowRefunded));
    assert!(recorded_again(&update(3_000), &stored, &facts(), None).is_ok());
}

/// Properties of texts, and what defines them.
fn properties(texts: &[(&str, &str)]) -> (Properties, Definitions) {
    let property = |(name, text): &(&str, &str)| {
        let name: types::property::PropertyName = name.parse().unwrap();
        let definition = Definition {
            name: name.clone(),
            kind: PropertyType::String,
            required: false,
            personal: true,
            description: String::new(),
            used: true,
            created_at: at(0),
        };
        ((name.clone(), PropertyValue::Text((*text).to_owned())), (name, definition))
    };
    texts.iter().map(property).unzip()
}

#[test]
fn o6_properties_that_are_not_told_of_stay_as_they_are() {
    let (both, definitions) = properties(&[("color", "red"), ("size", "L")]);
    let stored = Order { properties: both.clone(), ..stored() };
    let becomes = |told: Option<&[&str]>, given: &[(&str, &str)]| {
        let told = told.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
        let properties = properties(given).0;
        let new =
            NewOrder { properties, told_properties: told, on_conflict: OnConflict::Update, ..new_order() };
        match record_again(&new, &stored, &facts(), None, &definitions) {
            Ok(Updated::Changed(order, None)) => Some(order.properties),
            Ok(Updated::Same) => None,
            odd => panic!("{odd:?}"),
        }
    };
    assert_eq!(becomes(Some(&[]), &[]), None, "a file without columns of properties");
    assert_eq!(becomes(Some(&["color"]), &[("color", "red")]), None);
    let blue = properties(&[("color", "blue"), ("size", "L")]).0;
    assert_eq!(becomes(Some(&["color"]), &[("color", "blue")]), Some(blue));
    let none_in_the_cell = properties(&[("size", "L")]).0;
    assert_eq!(becomes(Some(&["color"]), &[]), Some(none_in_the_cell));
    assert_eq!(becomes(None, &[]), Some(Properties::new()), "a call tells all there are");
    let refusing = NewOrder { told_properties: Some([].into()), ..new_order() };
    assert_eq!(record_again(&refusing, &stored, &facts(), None, &definitions), Ok(Updated::Same));
}
