//! Custom properties of contacts (A15), on a real database.

mod common;

use std::collections::HashMap;

use common::*;
use prost_types::FieldMask;
use proto::attribution::contact_property_service_client::ContactPropertyServiceClient;
use proto::attribution::property_value::Value;
use proto::attribution::{self as v1, ContactPropertyType as Type};
use rpc::Channel;
use tonic::{Code, Status};

impl Tenant {
    fn properties(&self) -> ContactPropertyServiceClient<Channel> {
        ContactPropertyServiceClient::new(self.0.clone())
    }

    async fn define(&self, new: v1::CreateContactPropertyRequest) -> Result<v1::ContactProperty, Status> {
        let response = self.properties().create_contact_property(new).await?.into_inner();
        response.property.ok_or_else(|| Status::internal("no property"))
    }

    async fn undefine(&self, name: &str) -> Result<(), Status> {
        let request = v1::DeleteContactPropertyRequest { name: name.into() };
        self.properties().delete_contact_property(request).await.map(drop)
    }

    async fn put<const N: usize>(
        &self,
        name: &str,
        values: [(&str, Value); N],
    ) -> Result<v1::Contact, Status> {
        let properties = held(values);
        let request = v1::UpsertContactRequest { email: email(name).email, properties, ..Default::default() };
        let contact = self.contacts().upsert_contact(request).await?.into_inner().contact;
        contact.ok_or_else(|| Status::internal("no contact"))
    }

    async fn found(&self, filter: &str) -> Result<Vec<String>, Status> {
        let request = v1::ListContactsRequest { filter: filter.into(), ..Default::default() };
        let contacts = self.contacts().list_contacts(request).await?.into_inner().contacts;
        Ok(contacts.into_iter().map(|contact| contact.email).collect())
    }

    /// Four properties, one of each type.
    async fn define_all(&self) -> Result<(), Status> {
        for (name, kind) in [
            ("plan", Type::String),
            ("seats", Type::Integer),
            ("score", Type::Decimal),
            ("vip", Type::Boolean),
        ] {
            self.define(definition(name, kind)).await?;
        }
        Ok(())
    }
}

fn definition(name: &str, kind: Type) -> v1::CreateContactPropertyRequest {
    v1::CreateContactPropertyRequest { name: name.into(), r#type: kind.into(), ..Default::default() }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.into())
}

fn decimal(text: &str) -> Value {
    Value::DecimalValue(text.into())
}

fn held<const N: usize>(values: [(&str, Value); N]) -> HashMap<String, v1::PropertyValue> {
    let wire = |(name, value): (&str, Value)| (name.to_owned(), v1::PropertyValue { value: Some(value) });
    values.into_iter().map(wire).collect()
}

#[tokio::test]
async fn a15_a_property_is_defined_once_and_its_type_is_for_good() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let made = acme.define(definition("seats", Type::Integer)).await.unwrap();
    assert!(made.personal && !made.required, "unless it is said, it is personal");
    assert_eq!(acme.define(definition("seats", Type::Integer)).await.unwrap(), made);
    let other = acme.define(definition("seats", Type::String)).await;
    refused(other, Code::AlreadyExists, "CONTACT_PROPERTY_EXISTS");
    let request = v1::GetContactPropertyRequest { name: "seats".into() };
    let got = acme.properties().get_contact_property(request.clone()).await.unwrap().into_inner();
    assert_eq!(got.property, Some(made.clone()));
    let unknown = service.of("other").properties().get_contact_property(request).await;
    refused(unknown, Code::NotFound, "CONTACT_PROPERTY_NOT_FOUND");
    for name in ["", "1st", "a-b", &"x".repeat(65)] {
        bad_field(acme.define(definition(name, Type::String)).await, "name");
    }
    bad_field(acme.define(definition("x", Type::Unspecified)).await, "type");
    let change = v1::UpdateContactPropertyRequest {
        name: "seats".into(),
        required: Some(true),
        description: "how many".into(),
        update_mask: Some(FieldMask { paths: vec!["required".into(), "description".into()] }),
        ..Default::default()
    };
    let changed = acme.properties().update_contact_property(change).await.unwrap().into_inner();
    let expected = v1::ContactProperty { required: true, description: "how many".into(), ..made };
    assert_eq!(changed.property, Some(expected));
    let unknown = v1::UpdateContactPropertyRequest { name: "hue".into(), ..Default::default() };
    let unknown = acme.properties().update_contact_property(unknown).await;
    refused(unknown, Code::NotFound, "CONTACT_PROPERTY_NOT_FOUND");
}

#[tokio::test]
async fn a15_a_tenant_defines_at_most_a_hundred() {
    let service = Service::start().await;
    let acme = service.of("acme");
    let all = (0..100).map(|n| acme.define(definition(&format!("p{n}"), Type::String)));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok));
    let beyond = acme.define(definition("more", Type::String)).await;
    refused(beyond, Code::FailedPrecondition, "TOO_MANY_CONTACT_PROPERTIES");
    // one that nothing uses makes room
    acme.undefine("p7").await.unwrap();
    acme.define(definition("more", Type::String)).await.unwrap();
}

#[tokio::test]
async fn a15_an_upsert_sets_some_properties_takes_others_away_and_leaves_the_rest() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.define_all().await.unwrap();
    let exact = "-12345678901234567890.12345678901";
    let all = [
        ("plan", text("pro, \"yearly\"")),
        ("seats", Value::IntegerValue(i64::MIN)),
        ("score", decimal(exact)),
        ("vip", Value::BooleanValue(false)),
    ];
    let ann = acme.put("ann", all.clone()).await.unwrap();
    assert_eq!(ann.properties, held(all.clone()));
    assert_eq!(acme.get(email("ann")).await.unwrap(), ann);
    // another value, one that goes whatever its type, and equal numbers, which change nothing
    let change = [("plan", text("free")), ("seats", text("")), ("score", decimal(&format!("{exact}00")))];
    let ann = acme.put("ann", change).await.unwrap();
    let [_, _, score, vip] = all;
    assert_eq!(ann.properties, held([("plan", text("free")), score, vip]));
    let events = acme.events().await.len();
    let rows = service.count("SELECT count(*) FROM audit").await;
    assert_eq!(acme.put("ann", [("plan", text("free"))]).await.unwrap(), ann);
    assert_eq!(acme.put("ann", []).await.unwrap(), ann);
    let after = (acme.events().await.len(), service.count("SELECT count(*) FROM audit").await);
    assert_eq!(after, (events, rows), "a repeat changes nothing");
}

#[tokio::test]
async fn a15_a_wrong_type_an_unknown_name_and_a_missing_one_are_told_by_name() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.define_all().await.unwrap();
    for (name, value) in [
        ("seats", text("12")),
        ("plan", Value::IntegerValue(1)),
        ("hue", text("red")),
        ("hue", text("")),
        ("a b", text("red")),
        ("score", decimal("1e5")),
        ("plan", text("a\nb")),
        ("plan", text(&"x".repeat(501))),
    ] {
        bad_field(acme.put("ann", [(name, value)]).await, &format!("properties[{name}]"));
    }
    let unset = HashMap::from([("plan".to_owned(), v1::PropertyValue { value: None })]);
    let request =
        v1::UpsertContactRequest { email: email("ann").email, properties: unset, ..Default::default() };
    bad_field(acme.contacts().upsert_contact(request).await, "properties[plan]");
    refused(acme.get(email("ann")).await, Code::NotFound, "CONTACT_NOT_FOUND");

    acme.put("bob", []).await.unwrap();
    let required = v1::CreateContactPropertyRequest { required: true, ..definition("region", Type::String) };
    acme.define(required).await.unwrap();
    // asked of who is new, and of whose properties change; not of who is enrolled or named otherwise
    bad_field(acme.put("ann", []).await, "properties[region]");
    bad_field(acme.put("bob", [("plan", text("pro"))]).await, "properties[region]");
    acme.put("bob", []).await.unwrap();
    acme.enroll("cyd", &[]).await;
    acme.put("bob", [("region", text("eu"))]).await.unwrap();
    bad_field(acme.put("bob", [("region", text(""))]).await, "properties[region]");
    // a slice of good and bad ones: a bad one fails alone
    let many = ["eve", "fay", "gus"].map(|name| {
        let region = if name == "fay" { Value::IntegerValue(1) } else { text("eu") };
        acme.put(name, [("region", region)])
    });
    let answers = futures::future::join_all(many).await;
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test]
async fn a15_a_definition_goes_only_while_no_contact_ever_had_a_value() {
    let service = Service::start().await;
    let (acme, other) = (service.of("acme"), service.of("other"));
    for tenant in [&acme, &other] {
        tenant.define_all().await.unwrap();
    }
    acme.put("ann", [("plan", text("pro"))]).await.unwrap();
    acme.put("ann", [("plan", text(""))]).await.unwrap();
    refused(acme.undefine("plan").await, Code::FailedPrecondition, "CONTACT_PROPERTY_IN_USE");
    other.undefine("plan").await.unwrap();
    refused(other.undefine("plan").await, Code::NotFound, "CONTACT_PROPERTY_NOT_FOUND");
    other.define(definition("plan", Type::Integer)).await.unwrap();
    other.put("ann", [("plan", Value::IntegerValue(7))]).await.unwrap();
}

#[tokio::test]
async fn a15_contacts_are_found_by_their_properties() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.define_all().await.unwrap();
    acme.put("ann", [("plan", text("pro")), ("seats", Value::IntegerValue(12))]).await.unwrap();
    acme.put("bob", [("score", decimal("1.25")), ("vip", Value::BooleanValue(true))]).await.unwrap();
    service.of("other").define_all().await.unwrap();
    service.of("other").put("eve", [("plan", text("pro"))]).await.unwrap();
    for (filter, expected) in [
        ("properties.plan = pro", "ann@example.com"),
        ("properties.seats >= 12 AND status = PROSPECT", "ann@example.com"),
        ("properties.score < 1.3", "bob@example.com"),
        ("properties.vip = true", "bob@example.com"),
        ("NOT properties.plan:*", "bob@example.com"),
    ] {
        assert_eq!(acme.found(filter).await.unwrap(), [expected], "{filter}");
    }
    for filter in ["properties.hue = red", "properties.seats = many", "properties = 1"] {
        bad_field(acme.found(filter).await, "filter");
    }
}

#[tokio::test]
async fn a13_values_are_in_the_contacts_row_alone() {
    let service = Service::start().await;
    let acme = service.of("acme");
    acme.define_all().await.unwrap();
    acme.put("ann", [("plan", text("SECRET-PLAN"))]).await.unwrap();
    assert_eq!(
        service.count("SELECT count(*) FROM contacts WHERE properties::text LIKE '%SECRET%'").await,
        1
    );
    for query in [
        "SELECT count(*) FROM events e WHERE position('SECRET'::bytea IN e.payload) > 0",
        "SELECT count(*) FROM audit a WHERE a::text LIKE '%SECRET%'",
        "SELECT count(*) FROM contact_properties p WHERE p::text LIKE '%SECRET%'",
    ] {
        assert_eq!(service.count(query).await, 0, "{query}");
    }
}
