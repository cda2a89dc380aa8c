//! Custom properties of orders (O9).

use std::collections::HashMap;

use prost_types::FieldMask;
use proto::orders::order_property_service_client::OrderPropertyServiceClient;
use proto::orders::property_value::Value;
use proto::orders::{self as v1, OrderPropertyType as Type, RecordResult};
use rpc::Channel;
use tonic::{Code, Status};

use crate::common::*;
use crate::update::change;

impl Caller {
    fn properties(&self) -> OrderPropertyServiceClient<Channel> {
        OrderPropertyServiceClient::new(self.orders.clone())
    }

    pub(crate) async fn define(&self, name: &str, kind: Type) -> v1::OrderProperty {
        self.try_define(definition(name, kind)).await.unwrap()
    }

    async fn try_define(&self, new: v1::CreateOrderPropertyRequest) -> Result<v1::OrderProperty, Status> {
        Ok(self.properties().create_order_property(new).await?.into_inner().property.unwrap())
    }

    pub(crate) async fn redefine(
        &self,
        change: v1::UpdateOrderPropertyRequest,
    ) -> Result<v1::OrderProperty, Status> {
        Ok(self.properties().update_order_property(change).await?.into_inner().property.unwrap())
    }

    async fn undefine(&self, name: &str) -> Result<(), Status> {
        let request = v1::DeleteOrderPropertyRequest { name: name.into() };
        self.properties().delete_order_property(request).await.map(drop)
    }

    async fn found(&self, filter: &str) -> Result<Vec<String>, Status> {
        let request = v1::ListOrdersRequest { filter: filter.into(), ..Default::default() };
        let orders = self.orders().list_orders(request).await?.into_inner().orders;
        Ok(orders.into_iter().map(|order| order.order_id).collect())
    }

    /// Four properties, one of each type.
    pub(crate) async fn define_all(&self) {
        for (name, kind) in [
            ("color", Type::String),
            ("size", Type::Integer),
            ("weight", Type::Decimal),
            ("gift", Type::Boolean),
        ] {
            self.define(name, kind).await;
        }
    }
}

fn definition(name: &str, kind: Type) -> v1::CreateOrderPropertyRequest {
    v1::CreateOrderPropertyRequest { name: name.into(), r#type: kind.into(), ..Default::default() }
}

pub(crate) fn text(text: &str) -> Value {
    Value::StringValue(text.into())
}

pub(crate) fn decimal(text: &str) -> Value {
    Value::DecimalValue(text.into())
}

pub(crate) fn held<const N: usize>(values: [(&str, Value); N]) -> HashMap<String, v1::PropertyValue> {
    let wire = |(name, value): (&str, Value)| (name.to_owned(), v1::PropertyValue { value: Some(value) });
    values.into_iter().map(wire).collect()
}

fn with<const N: usize>(order_id: &str, values: [(&str, Value); N]) -> v1::NewOrder {
    v1::NewOrder { properties: held(values), ..order(order_id, "eve", 10_000) }
}

#[tokio::test]
async fn o9_a_property_is_defined_once_and_its_type_is_for_good() {
    let world = World::start().await;
    let acme = world.of("acme");
    let made = acme.define("size", Type::Integer).await;
    assert!(made.personal && !made.required, "unless it is said, it is personal");
    assert_eq!(acme.define("size", Type::Integer).await, made);
    let other = acme.try_define(definition("size", Type::String)).await;
    refused(other, Code::AlreadyExists, "ORDER_PROPERTY_EXISTS");
    let request = v1::GetOrderPropertyRequest { name: "size".into() };
    let got = acme.properties().get_order_property(request.clone()).await.unwrap().into_inner();
    assert_eq!(got.property, Some(made));
    let unknown = world.of("other").properties().get_order_property(request).await;
    refused(unknown, Code::NotFound, "ORDER_PROPERTY_NOT_FOUND");
    for name in ["", "1st", "a-b", &"x".repeat(65)] {
        bad_field(acme.try_define(definition(name, Type::String)).await, "name");
    }
    bad_field(acme.try_define(definition("x", Type::Unspecified)).await, "type");
    let required = v1::UpdateOrderPropertyRequest {
        name: "size".into(),
        required: Some(true),
        personal: Some(false),
        ..Default::default()
    };
    let changed = acme.redefine(required).await.unwrap();
    assert!(changed.required && !changed.personal);
    let emptied = v1::UpdateOrderPropertyRequest {
        name: "size".into(),
        update_mask: Some(FieldMask { paths: vec!["required".into(), "personal".into()] }),
        ..Default::default()
    };
    let changed = acme.redefine(emptied).await.unwrap();
    assert!(!changed.required && changed.personal, "what nobody speaks about is personal");
    let unknown = v1::UpdateOrderPropertyRequest { name: "hue".into(), ..Default::default() };
    refused(acme.redefine(unknown).await, Code::NotFound, "ORDER_PROPERTY_NOT_FOUND");
}

#[tokio::test]
async fn o9_a_tenant_defines_at_most_a_hundred() {
    let world = World::start().await;
    let acme = world.of("acme");
    let all = (0..100).map(|n| acme.try_define(definition(&format!("p{n}"), Type::String)));
    assert!(futures::future::join_all(all).await.iter().all(Result::is_ok));
    let beyond = acme.try_define(definition("more", Type::String)).await;
    refused(beyond, Code::FailedPrecondition, "TOO_MANY_ORDER_PROPERTIES");
    // one that nothing uses makes room
    acme.undefine("p7").await.unwrap();
    acme.define("more", Type::String).await;
}

#[tokio::test]
async fn o9_an_order_holds_values_of_all_types_exactly() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define_all().await;
    let exact = "-12345678901234567890.12345678901";
    let given = with(
        "o-1",
        [
            ("color", text("red, \"dark\"")),
            ("size", Value::IntegerValue(i64::MIN)),
            ("weight", decimal(exact)),
            ("gift", Value::BooleanValue(false)),
        ],
    );
    let (stored, _) = acme.record(given.clone()).await;
    assert_eq!(stored.properties, given.properties);
    assert_eq!(acme.get("o-1").await.unwrap(), stored);
    assert_eq!(acme.list().await, [stored]);
    assert_eq!(acme.record(given).await.1, RecordResult::AlreadyRecorded);
    // equal numbers are the same content (O6); an empty text is none
    acme.record(with("o-2", [("weight", decimal("1.50"))])).await;
    let same = with("o-2", [("weight", decimal("01.5")), ("color", text(""))]);
    assert_eq!(acme.record(same).await.1, RecordResult::AlreadyRecorded);
    let other = with("o-2", [("weight", decimal("1.51"))]);
    let status = refused(acme.try_record(other.clone()).await, Code::AlreadyExists, "ORDER_DIFFERS");
    assert_eq!(detail(&status, "fields"), "properties");
    acme.update(other).await.unwrap();
    assert_eq!(acme.get("o-2").await.unwrap().properties, held([("weight", decimal("1.51"))]));
    // they are in orders, and no event holds any (A13)
    let events: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT payload FROM events").fetch_all(world.db.read()).await.unwrap();
    assert!(!events.iter().any(|event| event.windows(4).any(|bytes| bytes == b"dark")));
}

#[tokio::test]
async fn o9_a_repeat_by_request_id_is_one_however_its_properties_are_ordered() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define_all().await;
    let values = || [("color", text("red")), ("size", Value::IntegerValue(7)), ("weight", decimal("1.5"))];
    let request = || v1::RecordOrderRequest {
        order: Some(with("o-1", values())),
        request_id: "r-1".into(),
        ..Default::default()
    };
    let update = || v1::UpdateOrderRequest {
        order_id: "o-1".into(),
        properties: held([
            ("gift", Value::BooleanValue(true)),
            ("size", Value::IntegerValue(8)),
            ("weight", decimal("2")),
        ]),
        request_id: "u-1".into(),
        ..Default::default()
    };
    // a map of each call is put on the wire in an order of its own
    for _ in 0..12 {
        acme.orders().record_order(request()).await.unwrap();
    }
    for n in 0..12 {
        let answer = acme.orders().update_order(update()).await.unwrap().into_inner();
        assert_eq!(answer.replayed, n > 0);
    }
    let other = v1::UpdateOrderRequest { properties: held([("size", Value::IntegerValue(9))]), ..update() };
    refused(acme.orders().update_order(other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn o9_what_is_not_as_defined_is_named_and_comes_to_nothing() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define_all().await;
    let must = v1::CreateOrderPropertyRequest { required: true, ..definition("must", Type::String) };
    acme.try_define(must).await.unwrap();
    let ok = ("must", text("x"));
    for (properties, path) in [
        (held([]), "must"),
        (held([("must", text(""))]), "must"),
        (held([ok.clone(), ("hue", text("x"))]), "hue"),
        (held([ok.clone(), ("size", text("1"))]), "size"),
        (held([ok.clone(), ("size", decimal("1"))]), "size"),
        (held([ok.clone(), ("weight", decimal("1e3"))]), "weight"),
        (held([ok.clone(), ("color", text(&"x".repeat(501)))]), "color"),
        (held([ok.clone(), ("color", text("a\nb"))]), "color"),
        (held([ok.clone(), ("no name", text("x"))]), "no name"),
    ] {
        let given = v1::NewOrder { properties: properties.clone(), ..order("o-1", "eve", 10_000) };
        bad_field(acme.try_record(given.clone()).await, &format!("order.properties[{path}]"));
        let [answer] = acme.batch(vec![request(given)]).await.try_into().unwrap();
        assert_eq!(answer.error.unwrap().field, format!("order.properties[{path}]"));
    }
    assert_eq!(acme.contacts().await.len(), 0, "attribution was not asked");
    acme.record(v1::NewOrder { properties: held([ok.clone()]), ..order("o-1", "eve", 10_000) }).await;
    let unknown = v1::UpdateOrderRequest { properties: held([("hue", text("x"))]), ..change("o-1") };
    bad_field(acme.change(unknown).await, "properties[hue]");
    // of another tenant it is not asked
    world.of("other").record(order("o-1", "eve", 10_000)).await;
}

#[tokio::test]
async fn o9_orders_of_before_stay_as_they_are() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.record(order("o-1", "eve", 10_000)).await;
    let must = v1::CreateOrderPropertyRequest { required: true, ..definition("must", Type::String) };
    acme.try_define(must).await.unwrap();
    assert_eq!(acme.record(order("o-1", "eve", 10_000)).await.1, RecordResult::AlreadyRecorded);
    let status = v1::UpdateOrderRequest { external_status: "won".into(), ..change("o-1") };
    acme.change(status).await.unwrap();
    // once its properties change, they are held to it
    acme.define("size", Type::Integer).await;
    let sized = |order_id| v1::UpdateOrderRequest {
        properties: held([("size", Value::IntegerValue(1))]),
        ..change(order_id)
    };
    bad_field(acme.change(sized("o-1")).await, "properties[must]");
}

#[tokio::test]
async fn o9_a_definition_that_orders_use_stays() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define_all().await;
    acme.record(with("o-1", [("size", Value::IntegerValue(1))])).await;
    let emptied = v1::UpdateOrderRequest {
        update_mask: Some(FieldMask { paths: vec!["properties".into()] }),
        ..change("o-1")
    };
    assert!(acme.change(emptied).await.unwrap().order.unwrap().properties.is_empty());
    refused(acme.undefine("size").await, Code::FailedPrecondition, "ORDER_PROPERTY_IN_USE");
    acme.undefine("color").await.unwrap();
    refused(acme.undefine("color").await, Code::NotFound, "ORDER_PROPERTY_NOT_FOUND");
    // defined otherwise it is another one
    acme.define("color", Type::Boolean).await;
    acme.record(with("o-2", [("color", Value::BooleanValue(true))])).await;
}

#[tokio::test]
async fn a13_history_tells_values_only_of_what_is_not_personal() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define("secret", Type::String).await;
    let open = v1::CreateOrderPropertyRequest { personal: Some(false), ..definition("size", Type::Integer) };
    acme.try_define(open).await.unwrap();
    acme.record(order("o-1", "eve", 10_000)).await;
    let properties = held([("secret", text("eve@example.com")), ("size", Value::IntegerValue(7))]);
    acme.change(v1::UpdateOrderRequest { properties, ..change("o-1") }).await.unwrap();
    let request = v1::GetOrderHistoryRequest { order_id: "o-1".into(), ..Default::default() };
    let history = acme.orders().get_order_history(request).await.unwrap().into_inner().changes;
    let fields: Vec<_> = history[1].fields.iter().map(|f| (f.field.as_str(), f.after.as_str())).collect();
    assert_eq!(fields, [("properties.secret", ""), ("properties.size", "7")]);
}

#[tokio::test]
async fn o11_orders_are_found_by_their_properties() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define_all().await;
    for (order_id, color, size, weight, gift) in
        [("o-1", "red", 1, "1.5", true), ("o-2", "true", 10, "10.25", false), ("o-3", "5", -2, "-0.1", true)]
    {
        let values = [
            ("color", text(color)),
            ("size", Value::IntegerValue(size)),
            ("weight", decimal(weight)),
            ("gift", Value::BooleanValue(gift)),
        ];
        acme.record(with(order_id, values)).await;
    }
    acme.record(order("none", "eve", 1)).await;
    for (filter, expected) in [
        ("properties.color = red", vec!["o-1"]),
        ("properties.color = true", vec!["o-2"]),
        ("properties.size > 1", vec!["o-2"]),
        ("properties.size = -2", vec!["o-3"]),
        ("properties.weight >= 1.50", vec!["o-2", "o-1"]),
        ("properties.gift = true AND properties.size < 0", vec!["o-3"]),
        ("properties.size:*", vec!["o-3", "o-2", "o-1"]),
        ("properties.color != red", vec!["none", "o-3", "o-2"]),
        ("-properties.color:*", vec!["none"]),
    ] {
        assert_eq!(acme.found(filter).await.unwrap(), expected, "{filter}");
    }
    for filter in ["properties.hue = 1", "properties.size = red", "properties.gift > true", "properties = 1"]
    {
        bad_field(acme.found(filter).await, "filter");
    }
    bad_field(world.of("other").found("properties.size = 1").await, "filter");
}

#[tokio::test]
async fn o10_an_import_takes_properties_and_says_what_is_wrong_with_them() {
    let world = World::start().await;
    let acme = world.of("acme");
    acme.define_all().await;
    let file = b"order_id,email,revenue,property.color,Size,property.weight,property.gift\n\
        o-1,eve@example.com,1,red,7,1.50,true\n\
        o-2,eve@example.com,1,,,,\n\
        o-3,eve@example.com,1,,7.5,,\n\
        o-4,eve@example.com,1,,,1,maybe\n";
    let (bad, summary) = acme.import(options(&[("Size", "property.size")]), vec![file.to_vec()]).await;
    let told: Vec<_> = bad.iter().map(|row| (row.line, row.column.as_str())).collect();
    assert_eq!((told, summary.unwrap().recorded), (vec![(4, "Size"), (5, "property.gift")], 2));
    let expected = held([
        ("color", text("red")),
        ("size", Value::IntegerValue(7)),
        ("weight", decimal("1.5")),
        ("gift", Value::BooleanValue(true)),
    ]);
    assert_eq!(acme.get("o-1").await.unwrap().properties, expected);
    assert!(acme.get("o-2").await.unwrap().properties.is_empty());
    let unknown = b"order_id,email,revenue,property.hue\n".to_vec();
    bad_field(acme.import(options(&[]), vec![unknown]).await.1, "header.property.hue");
    // of what an update has no column for, nothing changes; an empty cell takes its value away
    let update = v1::ImportOrdersOptions { on_conflict: v1::OnConflict::Update.into(), ..options(&[]) };
    for (file, left) in [
        (&b"order_id,email,revenue\no-1,eve@example.com,2\n"[..], vec!["color", "gift", "size", "weight"]),
        (b"order_id,email,revenue,property.color\no-1,eve@example.com,2,\n", vec!["gift", "size", "weight"]),
        (b"order_id,email,revenue,property.size\no-1,eve@example.com,3,7\n", vec!["gift", "size", "weight"]),
    ] {
        let (bad, summary) = acme.import(update.clone(), vec![file.to_vec()]).await;
        assert_eq!((bad, summary.unwrap().updated), (vec![], 1));
        let properties = acme.get("o-1").await.unwrap().properties;
        let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, left);
    }
    let again = b"order_id,email,revenue\no-1,eve@example.com,3\n".to_vec();
    let (bad, summary) = acme.import(options(&[]), vec![again]).await;
    assert_eq!((bad, summary.unwrap().already_recorded), (vec![], 1), "they do not differ either");
    // a call tells all there are
    acme.update(order("o-1", "eve", 300)).await.unwrap();
    assert!(acme.get("o-1").await.unwrap().properties.is_empty());
    // one that is required and has no column is wrong in each row
    let must = v1::CreateOrderPropertyRequest { required: true, ..definition("must", Type::String) };
    acme.try_define(must).await.unwrap();
    let file = b"order_id,email,revenue\no-5,eve@example.com,1\n".to_vec();
    let (bad, _) = acme.import(options(&[]), vec![file]).await;
    assert!(bad[0].message.contains("must"), "{}", bad[0].message);
}
