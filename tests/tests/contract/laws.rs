//! What holds of every call that is repeated, and of every call that only reads.

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value};
use prost_types::method_options::IdempotencyLevel;
use proto::attribution::ItemError;
use tonic::{Code, Status};

use crate::maker::Maker;
use crate::seed;
use crate::values::Values;
use crate::world::{Method, TENANT, World, methods, told};

/// Whether the message, or one in it, has a `request_id`.
fn has_request_id(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("laurel.")
        && message.fields().any(|field| {
            field.name() == "request_id"
                || matches!(field.kind(), Kind::Message(inner) if has_request_id(&inner))
        })
}

/// A call that bears a request id: path to the id, what it makes in the answer, and what to change to make it another.
struct Sample {
    method: &'static str,
    request: fn(&mut DynamicMessage) -> &mut DynamicMessage,
    made: &'static [&'static str],
    change: fn(&mut DynamicMessage),
}

const SAMPLES: [Sample; 13] = [
    Sample {
        method: "RecordAttribution",
        request: |message| message,
        made: &["result", "in_force"],
        change: |request| set(inner(request, "attempt"), "source", "another"),
    },
    Sample {
        method: "ActivateAttribution",
        request: |message| message,
        made: &["attribution"],
        change: |request| set(request, "reason", "another"),
    },
    Sample {
        method: "DeactivateAttribution",
        request: |message| message,
        made: &["attribution"],
        change: |request| set(request, "reason", "another"),
    },
    Sample {
        method: "ReassignAttribution",
        request: |message| {
            set(inner(message, "advocate"), "email", "bob@example.com");
            message
        },
        made: &["attribution"],
        change: |request| set(request, "reason", "another"),
    },
    Sample {
        method: "UpsertContact",
        request: |message| message,
        made: &["contact"],
        change: |request| set(request, "first_name", "another"),
    },
    Sample {
        method: "EraseContact",
        request: |message| message,
        made: &["erasure"],
        change: |request| set(inner(request, "contact"), "email", "bob@example.com"),
    },
    Sample {
        method: "RecordOrder",
        request: |message| message,
        made: &["order"],
        change: |request| set(inner(request, "order"), "order_id", "o-another"),
    },
    Sample {
        method: "BatchRecordOrders",
        request: |message| inner(message, "requests"),
        made: &["results", "response", "order"],
        change: |request| set(inner(request, "order"), "order_id", "o-another"),
    },
    Sample {
        method: "UpdateOrder",
        request: |message| message,
        made: &["order"],
        change: |request| set(request, "order_id", "o-another"),
    },
    Sample {
        method: "RefundOrder",
        request: |message| message,
        made: &["refund"],
        change: |request| set(request, "refund_id", "another"),
    },
    Sample {
        method: "CancelOrder",
        request: |message| message,
        made: &["order"],
        change: |request| set(request, "order_id", "o-another"),
    },
    Sample {
        method: "IssueCouponCodes",
        request: |message| message,
        made: &["codes"],
        change: |request| set(request, "prefix", "another"),
    },
    Sample {
        method: "AdvanceTestClock",
        request: |message| message,
        made: &["now"],
        change: |request| request.set_field_by_name("seconds", Value::I64(2)),
    },
];

pub(crate) fn set(message: &mut DynamicMessage, field: &str, text: &str) {
    message.set_field_by_name(field, Value::String(text.to_owned()));
}

/// The message in a field; of several the first.
pub(crate) fn inner<'m>(message: &'m mut DynamicMessage, field: &str) -> &'m mut DynamicMessage {
    match message.get_field_by_name_mut(field).unwrap() {
        Value::Message(inner) => inner,
        Value::List(items) => items[0].as_message_mut().unwrap(),
        other => panic!("{field}: {other:?}"),
    }
}

/// What an answer says was made, or the error in its place.
fn made(
    answer: Result<Vec<DynamicMessage>, Status>,
    path: &[&str],
) -> Result<DynamicMessage, (Code, String)> {
    let mut at = answer.map_err(|status| told(&status))?.remove(0);
    for field in path {
        if at.descriptor().get_field_by_name("error").is_some() && at.has_field_by_name("error") {
            let error: ItemError = inner(&mut at, "error").transcode_to().unwrap();
            return Err((error.code.into(), rpc::error::reason_name(error.reason()).to_owned()));
        }
        at = inner(&mut at, field).clone();
    }
    // an erasure goes on by itself
    if at.descriptor().get_field_by_name("parts").is_some() {
        at.clear_field_by_name("parts");
    }
    Ok(at)
}

#[tokio::test]
async fn a_request_id_makes_a_repeat_answer_with_what_was_made_and_is_good_for_one_request()
-> anyhow::Result<()> {
    let world = World::start()?;
    let ids = seed::fill(&world).await?;
    let (values, token) = (Values { ids }, world.all_scopes());
    for method in methods().into_iter().filter(|method| has_request_id(&method.0.input())) {
        let sample = SAMPLES.iter().find(|sample| sample.method == method.0.name());
        let sample = sample.unwrap_or_else(|| panic!("{} has no sample", method.path()));
        let mut message = values.least(&method.0.input());
        let request = (sample.request)(&mut message);
        set(request, "request_id", &format!("of {}", sample.method));
        if request.descriptor().get_field_by_name("order").is_some() {
            set(inner(request, "order"), "order_id", &format!("o-{}", sample.method));
        }
        let send = async |message: &DynamicMessage| {
            made(world.call(&method, &token, std::slice::from_ref(message)).await, sample.made)
        };
        let first = send(&message).await.unwrap();
        assert_eq!(send(&message).await.unwrap(), first, "{}: the repeat", method.path());
        let mut another = message.clone();
        (sample.change)((sample.request)(&mut another));
        let refused = (Code::AlreadyExists, "REQUEST_ID_REUSED".to_owned());
        assert_eq!(send(&another).await.unwrap_err(), refused, "{}", method.path());
        assert_eq!(send(&message).await.unwrap(), first, "{}: after the refusal", method.path());
    }
    Ok(())
}

#[tokio::test]
async fn every_method_says_whether_it_may_be_repeated() {
    for method in methods() {
        let level = method.idempotency();
        let declared = matches!(level, Some(IdempotencyLevel::Idempotent | IdempotencyLevel::NoSideEffects));
        assert!(declared, "{}: {level:?}", method.path());
    }
}

/// What has been done so far: the newest audit entries, and the ends of the streams.
pub(crate) async fn done_so_far(world: &World, token: &str) -> Vec<DynamicMessage> {
    let mut done = Vec::new();
    for method in methods() {
        let mut request = DynamicMessage::new(method.0.input());
        if method.is_watch() {
            let now = proto::common::StreamStart::Now;
            request.set_field_by_name("start", Value::EnumNumber(now.into()));
        } else if method.0.name() != "ListAuditEntries" {
            continue;
        }
        let answer = world.call_patiently(&method, token, &[request]).await.unwrap().remove(0);
        done.push(answer);
    }
    assert_eq!(done.len(), 8, "four audits and four streams");
    done
}

#[tokio::test]
async fn what_has_no_side_effects_changes_nothing() -> anyhow::Result<()> {
    let world = World::start()?;
    let ids = seed::fill(&world).await?;
    seed::settled(&world, TENANT).await?;
    let (mut maker, token) = (Maker::tame(Values { ids }), world.all_scopes());
    let before = done_so_far(&world, &token).await;
    let mut answered = 0;
    for method in methods().into_iter().filter(Method::only_reads) {
        for message in [
            maker.least(&method.0.input()),
            maker.message(&method.0.input()),
            maker.message(&method.0.input()),
        ] {
            answered += usize::from(world.call(&method, &token, &[message]).await.is_ok());
        }
    }
    assert!(answered > 40, "only {answered} calls were answered");
    let after = done_so_far(&world, &token).await;
    for (after, before) in after.iter().zip(&before) {
        assert!(after == before, "{after}\nwas\n{before}");
    }
    // and it can tell: a write shows
    let write = methods().into_iter().find(|method| method.0.name() == "UpsertContact").unwrap();
    let mut contact = maker.least(&write.0.input());
    set(&mut contact, "email", "newcomer@example.com");
    world.call(&write, &token, &[contact]).await.unwrap();
    assert!(done_so_far(&world, &token).await != before);
    Ok(())
}
