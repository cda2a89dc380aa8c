//! Any message of the contracts as JSON: fields by their names in the contract, amounts as decimals, times in RFC 3339,
//! enum values without their prefix; what is not set is `null`.

use std::sync::LazyLock;

use anyhow::Context;
use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, ReflectMessage, Value as Field,
};
use proto::google::r#type::Money as WireMoney;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use types::{Money, Timestamp};

/// The descriptors of all contracts.
#[expect(clippy::expect_used, reason = "they are built in, and every test of the contracts reads them")]
static CONTRACTS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(proto::DESCRIPTORS).expect("the descriptors of the contracts can be read")
});

/// A message as a JSON object.
pub(crate) fn json<M: Message + Name>(message: &M) -> anyhow::Result<Value> {
    Ok(of_message(&reflected(message)?))
}

/// The fields of a message in their order, those of messages within it by their path; as many as are needed to tell
/// them apart: what the only message within is called says nothing.
pub(super) fn fields<M: Message + Name>(message: &M) -> anyhow::Result<Vec<(String, Value)>> {
    let message = reflected(message)?;
    let is_message = |field: &FieldDescriptor| nested(&message, field).is_some();
    let alone = message.descriptor().fields().filter(is_message).count() == 1;
    let mut fields = Vec::new();
    for field in message.descriptor().fields() {
        match nested(&message, &field) {
            Some(inner) if alone => collect(&inner, "", &mut fields),
            Some(inner) => collect(&inner, &format!("{}.", field.name()), &mut fields),
            None => fields.extend(of_field(&message, &field).map(|value| (field.name().to_owned(), value))),
        }
    }
    Ok(fields)
}

fn collect(message: &DynamicMessage, prefix: &str, into: &mut Vec<(String, Value)>) {
    for field in message.descriptor().fields() {
        let path = format!("{prefix}{}", field.name());
        match nested(message, &field) {
            Some(inner) => collect(&inner, &format!("{path}."), into),
            None => into.extend(of_field(message, &field).map(|value| (path, value))),
        }
    }
}

/// The message that a field holds, if it is one that has fields of its own to show.
fn nested(message: &DynamicMessage, field: &FieldDescriptor) -> Option<DynamicMessage> {
    let inner = message.has_field(field).then(|| message.get_field(field))?;
    inner.as_message().filter(|inner| of_known(inner).is_none()).cloned()
}

/// The values of an enum by number, as people write them: `logged-inactive`. The first one, which says nothing, is left out.
pub(crate) fn enum_names(full_name: &str) -> Vec<(String, i32)> {
    let Some(descriptor) = CONTRACTS.get_enum_by_name(full_name) else { return Vec::new() };
    let prefix = prefix(&descriptor);
    let name = |name: &str| name.strip_prefix(&prefix).unwrap_or(name).to_lowercase().replace('_', "-");
    let values = descriptor.values().filter(|value| value.number() != 0);
    values.map(|value| (name(value.name()), value.number())).collect()
}

/// The names of all fields of the contracts.
#[cfg(test)]
pub(crate) fn field_names() -> std::collections::BTreeSet<String> {
    let messages = CONTRACTS.all_messages().filter(|message| message.package_name().starts_with("laurel."));
    messages.flat_map(|m| m.fields().map(|field| field.name().to_owned()).collect::<Vec<_>>()).collect()
}

/// A moment in RFC 3339.
fn rfc3339(wire: &prost_types::Timestamp) -> Option<String> {
    let at = Timestamp::from_unix_timestamp(wire.seconds).ok()?;
    at.checked_add(time::Duration::nanoseconds(wire.nanos.into()))?.format(&Rfc3339).ok()
}

fn reflected<M: Message + Name>(message: &M) -> anyhow::Result<DynamicMessage> {
    let name = M::full_name();
    let descriptor =
        CONTRACTS.get_message_by_name(&name).with_context(|| format!("no contract has {name}"))?;
    Ok(DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?)
}

fn of_message(message: &DynamicMessage) -> Value {
    of_known(message).unwrap_or_else(|| {
        let fields = message.descriptor();
        let values = fields
            .fields()
            .filter_map(|field| of_field(message, &field).map(|value| (field.name().to_owned(), value)));
        Value::Object(values.collect())
    })
}

/// A message that is one value.
fn of_known(message: &DynamicMessage) -> Option<Value> {
    match message.descriptor().full_name() {
        "google.protobuf.Timestamp" => {
            message.transcode_to::<prost_types::Timestamp>().ok().as_ref().and_then(rfc3339).map(Value::from)
        }
        // as JSON writes it everywhere
        "google.protobuf.Duration" => {
            let wire = message.transcode_to::<prost_types::Duration>().ok()?;
            let time = std::time::Duration::try_from(wire).ok()?;
            Some(json!(format!("{}s", time.as_secs_f64())))
        }
        "google.type.Money" => {
            let wire = message.transcode_to::<WireMoney>().ok()?;
            let currency = wire.currency_code.parse().ok()?;
            let money = Money::from_units(wire.units, wire.nanos, currency).ok()?;
            Some(json!({ "amount": money.to_decimal(), "currency_code": wire.currency_code }))
        }
        _ => None,
    }
}

/// A field; `None` if it is one of several of which another one is set.
fn of_field(message: &DynamicMessage, field: &FieldDescriptor) -> Option<Value> {
    if field.supports_presence() && !message.has_field(field) {
        let chosen = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
        return (!chosen).then_some(Value::Null);
    }
    Some(of_value(&message.get_field(field), &field.kind()))
}

fn of_value(value: &Field, kind: &Kind) -> Value {
    match value {
        Field::Bool(value) => json!(value),
        Field::I32(value) => json!(value),
        Field::I64(value) => json!(value),
        Field::U32(value) => json!(value),
        Field::U64(value) => json!(value),
        Field::F32(value) => json!(value),
        Field::F64(value) => json!(value),
        Field::String(value) => json!(value),
        Field::Bytes(value) => json!(String::from_utf8_lossy(value)),
        Field::EnumNumber(number) => kind.as_enum().map_or(json!(number), |names| of_enum(names, *number)),
        Field::Message(message) => of_message(message),
        Field::List(values) => values.iter().map(|value| of_value(value, kind)).collect(),
        Field::Map(entries) => {
            let kind = kind.as_message().map(|entry| entry.map_entry_value_field().kind());
            let entry = |(key, value): (&prost_reflect::MapKey, &Field)| {
                let key = of_value(&Field::from(key.clone()), &Kind::String);
                let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                (key, of_value(value, kind.as_ref().unwrap_or(&Kind::String)))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
    }
}

/// The value's name without its prefix; of a value that is newer than we are, its number.
fn of_enum(descriptor: &EnumDescriptor, number: i32) -> Value {
    match descriptor.get_value(number) {
        _ if number == 0 => Value::Null,
        Some(value) => json!(value.name().strip_prefix(&prefix(descriptor)).unwrap_or(value.name())),
        None => json!(number),
    }
}

/// What the names of an enum's values begin with: all but `UNSPECIFIED` of the first one.
fn prefix(descriptor: &EnumDescriptor) -> String {
    let first = descriptor.get_value(0);
    first.and_then(|value| value.name().strip_suffix("UNSPECIFIED").map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proto::attribution::{ContactStatus, InactiveReason, Outcome};
    use proto::common::ContactRef;
    use proto::orders::{GetOrderResponse, ImportOrdersOptions, LineItem, Order};

    use super::*;

    fn order() -> Order {
        Order {
            order_id: "o-1".to_owned(),
            outcome: Outcome::LoggedInactive.into(),
            inactive_reason: InactiveReason::SelfReferral.into(),
            revenue: Some(WireMoney { currency_code: "KWD".to_owned(), units: 12, nanos: 5_000_000 }),
            line_items: vec![LineItem { sku: "a".to_owned(), quantity: 2, ..Default::default() }],
            occurred_at: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
            ..Default::default()
        }
    }

    #[test]
    fn a_message_has_all_its_fields_as_the_contract_names_them() {
        let value = json(&order()).unwrap();
        assert_eq!(value["revenue"], json!({ "amount": "12.005", "currency_code": "KWD" }));
        assert_eq!(value["occurred_at"], "1970-01-01T00:00:01.5Z");
        assert_eq!(
            (&value["outcome"], &value["inactive_reason"]),
            (&json!("LOGGED_INACTIVE"), &json!("SELF_REFERRAL"))
        );
        assert_eq!((&value["unresolved_reason"], &value["cancelled_at"]), (&Value::Null, &Value::Null));
        let line = json!({ "sku": "a", "name": "", "quantity": 2, "unit_price": null });
        assert_eq!((&value["source"], &value["line_items"]), (&json!(""), &json!([line])));
        let fields = CONTRACTS.get_message_by_name("laurel.orders.v1.Order").unwrap().fields().len();
        assert_eq!(value.as_object().unwrap().len(), fields);
    }

    #[test]
    fn a_map_is_an_object_and_an_unknown_enum_value_its_number() {
        let columns = [("Who".to_owned(), "email".to_owned())].into();
        let options = ImportOrdersOptions { columns, on_conflict: 99, ..Default::default() };
        let value = json(&options).unwrap();
        assert_eq!((&value["columns"], &value["on_conflict"]), (&json!({ "Who": "email" }), &json!(99)));
        assert!(json(&ContactRef::default()).is_ok());
    }

    #[test]
    fn fields_of_the_only_message_within_are_not_called_by_its_name() {
        let answer = GetOrderResponse { order: Some(order()) };
        let fields = fields(&answer).unwrap();
        assert_eq!(fields[0], ("order_id".to_owned(), json!("o-1")));
        assert!(fields.iter().any(|(path, value)| path == "revenue" && value["amount"] == "12.005"));
    }

    #[test]
    fn enum_values_are_offered_without_prefix_and_without_the_one_that_says_nothing() {
        let names = enum_names("laurel.attribution.v1.ContactStatus");
        assert_eq!(names[0], ("prospect".to_owned(), ContactStatus::Prospect.into()));
        assert_eq!(names.len(), 4);
        let logged = ("logged-inactive".to_owned(), Outcome::LoggedInactive.into());
        assert!(enum_names("laurel.attribution.v1.Outcome").contains(&logged));
    }
}
