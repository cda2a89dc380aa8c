//! Every constraint that a contract declares, breached once: refused with the field's path, before anything happens.

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use proto::attribution::ItemError;
use proto::common::ErrorReason;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::laws::done_so_far;
use crate::seed;
use crate::values::{Values, is_off, is_required, one_of, rule, rules};
use crate::world::{TENANT, World, methods, told};

/// A message that breaches one constraint, and the path of the field that does.
struct Breach {
    path: String,
    message: DynamicMessage,
}

/// Every breach of a message and of those in it, but for what the call itself judges.
fn breaches(values: &Values, descriptor: &MessageDescriptor) -> Vec<Breach> {
    let mut all = breaches_of_either(values, descriptor);
    if !descriptor.full_name().starts_with("laurel.") {
        return all;
    }
    for field in descriptor.fields().filter(|field| !is_off(field)) {
        for (suffix, value) in broken(values, &field) {
            let message = with(values, descriptor, &field, value);
            all.push(Breach { path: format!("{}{suffix}", field.name()), message });
        }
        let Kind::Message(inner) = field.kind() else { continue };
        if field.is_map() {
            assert!(rules(&field).is_none(), "{}: rules of a map are not known here", field.full_name());
            continue;
        }
        for breach in breaches(values, &inner) {
            let (index, value) = if field.is_list() {
                ("[0]", Value::List(vec![Value::Message(breach.message)]))
            } else {
                ("", Value::Message(breach.message))
            };
            let path = format!("{}{index}.{}", field.name(), breach.path);
            all.push(Breach { path, message: with(values, descriptor, &field, Some(value)) });
        }
    }
    all
}

/// All that is needed, and in one field this value or none.
fn with(
    values: &Values,
    descriptor: &MessageDescriptor,
    field: &FieldDescriptor,
    value: Option<Value>,
) -> DynamicMessage {
    let mut message = values.least(descriptor);
    let either = one_of(descriptor);
    if either.iter().any(|name| name == field.name()) {
        for other in &either {
            message.clear_field_by_name(other);
        }
    }
    match value {
        Some(value) => message.set_field(field, value),
        None => message.clear_field(field),
    }
    message
}

/// None, and two, of those of which one must be set.
fn breaches_of_either(values: &Values, descriptor: &MessageDescriptor) -> Vec<Breach> {
    let either = one_of(descriptor);
    let Some(first) = either.first() else { return Vec::new() };
    let mut both = values.least(descriptor);
    let second = descriptor.get_field_by_name(&either[1]).unwrap();
    both.set_field(&second, values.one(&second));
    let messages = [DynamicMessage::new(descriptor.clone()), both];
    messages.into_iter().map(|message| Breach { path: first.clone(), message }).collect()
}

/// What a field may not be, and what follows its name in the path; no value for one that is required.
fn broken(values: &Values, field: &FieldDescriptor) -> Vec<(&'static str, Option<Value>)> {
    let Some(rules) = rules(field) else { return Vec::new() };
    let mut broken = Vec::new();
    if is_required(field) {
        broken.push(("", None));
    }
    if !field.is_list() {
        broken.extend(broken_by(&rules, field).into_iter().map(|value| ("", Some(value))));
        return broken;
    }
    if let Some(most) = rule(&rules, "repeated", "max_items") {
        let count = usize::try_from(most.as_u64().unwrap()).unwrap() + 1;
        broken.push(("", Some(Value::List(vec![values.one(field); count]))));
    }
    if rule(&rules, "repeated", "min_items").is_some() {
        broken.push(("", None));
    }
    if let Some(items) = rule(&rules, "repeated", "items") {
        let of_item = broken_by(items.as_message().unwrap(), field);
        broken.extend(of_item.into_iter().map(|value| ("[0]", Some(Value::List(vec![value])))));
    }
    assert!(!broken.is_empty(), "{}: no breach of {rules:?} is known", field.full_name());
    broken
}

/// One value for each rule about a single value.
fn broken_by(rules: &DynamicMessage, field: &FieldDescriptor) -> Vec<Value> {
    let mut broken = Vec::new();
    for (kind, of_kind) in rules.fields().filter(|(field, _)| field.containing_oneof().is_some()) {
        let Some(of_kind) = of_kind.as_message() else { continue };
        for (rule, bound) in of_kind.fields() {
            broken.push(match (kind.name(), rule.name(), bound) {
                ("string", "max_bytes" | "max_len", Value::U64(most)) => {
                    text("a", usize::try_from(*most).unwrap() + 1)
                }
                // no pattern of ours lets a control character through
                ("string", "pattern", _) => text("\u{1}", 1),
                ("bytes", "max_len", Value::U64(most)) => {
                    Value::Bytes(vec![b'a'; usize::try_from(*most).unwrap() + 1].into())
                }
                ("string", "not_contains", Value::String(what)) => text(what, 1),
                ("string", "in", _) => text("none of them", 1),
                ("int32", "gte", Value::I32(least)) => Value::I32(least - 1),
                ("int32", "lte", Value::I32(most)) => Value::I32(most + 1),
                ("int64", "gte", Value::I64(least)) => Value::I64(least - 1),
                ("int64", "lte", Value::I64(most)) => Value::I64(most + 1),
                ("enum", "defined_only", _) => Value::EnumNumber(99),
                (kind, rule, _) => panic!("{}: no breach of {kind}.{rule} is known", field.full_name()),
            });
        }
    }
    broken
}

/// The items of a batch, each of which the call judges by itself, with their message.
fn judged_items(descriptor: &MessageDescriptor) -> Option<(FieldDescriptor, MessageDescriptor)> {
    let items = descriptor.fields().find(|field| is_off(field) && field.is_list())?;
    let Kind::Message(item) = items.kind() else { panic!("{}", items.full_name()) };
    Some((items, item))
}

/// Why an item of a batch was refused, if it was.
fn refusal(result: &Value) -> Option<ItemError> {
    let result = result.as_message().unwrap();
    let error = result.get_field_by_name("error").filter(|_| result.has_field_by_name("error"))?;
    Some(error.as_message().unwrap().transcode_to().unwrap())
}

fn text(of: &str, count: usize) -> Value {
    Value::String(of.repeat(count))
}

/// Paths of the fields at fault, each once.
fn paths(status: &Status) -> BTreeSet<String> {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn every_breach_of_a_constraint_is_refused_by_its_path_before_anything_happens() -> anyhow::Result<()> {
    let world = World::start()?;
    let values = Values { ids: seed::fill(&world).await? };
    seed::settled(&world, TENANT).await?;
    let token = world.all_scopes();
    let before = done_so_far(&world, &token).await;
    let mut count = 0;
    for method in methods() {
        for Breach { path, message } in breaches(&values, &method.0.input()) {
            let Err(status) = world.call(&method, &token, std::slice::from_ref(&message)).await else {
                panic!("{} lets {path} through: {message}", method.path());
            };
            let expected = (Code::InvalidArgument, "INVALID_FIELD".to_owned());
            assert_eq!(told(&status), expected, "{} {path}: {status:?}", method.path());
            assert_eq!(
                paths(&status),
                BTreeSet::from([path.clone()]),
                "{} {path}: {status:?}",
                method.path()
            );
            count += 1;
        }
    }
    assert!(count > 200, "only {count} breaches");
    assert!(done_so_far(&world, &token).await == before, "something happened");
    Ok(())
}

#[tokio::test]
async fn an_item_of_a_batch_that_breaches_a_constraint_fails_alone_by_its_path() -> anyhow::Result<()> {
    let (world, values) = (World::start()?, Values::default());
    let mut batches = 0;
    for method in methods() {
        let Some((field, item)) = judged_items(&method.0.input()) else { continue };
        let breaches = breaches(&values, &item);
        assert!(breaches.len() > 10, "only {} breaches of {}", breaches.len(), item.full_name());
        let good = values.one(&field);
        let items = breaches.iter().flat_map(|breach| [Value::Message(breach.message.clone()), good.clone()]);
        let mut message = DynamicMessage::new(method.0.input());
        message.set_field(&field, Value::List(items.collect()));
        let answer = world.call(&method, &world.token(&method), &[message]).await.unwrap().remove(0);
        let results = answer.get_field_by_name("results").unwrap().as_list().unwrap().to_vec();
        assert_eq!(results.len(), breaches.len() * 2);
        for (breach, results) in breaches.iter().zip(results.chunks(2)) {
            let error = refusal(&results[0]).unwrap_or_else(|| panic!("{}: {}", method.path(), breach.path));
            let expected =
                (i32::from(Code::InvalidArgument), ErrorReason::InvalidField, breach.path.as_str());
            assert_eq!((error.code, error.reason(), error.field.as_str()), expected, "{error:?}");
            assert_eq!(refusal(&results[1]), None, "{}", method.path());
        }
        batches += 1;
    }
    assert!(batches > 1, "all batches are there");
    Ok(())
}
