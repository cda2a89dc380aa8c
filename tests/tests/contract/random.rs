//! Any well-formed message to any method: the answer is one of the contract's, it comes, and nothing is left broken.

use std::collections::BTreeSet;

use futures::StreamExt;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use proto::attribution::{BatchRecordAttributionsResponse, BatchRecordAttributionsResult, ItemError};
use proto::common::ErrorReason;
use proto::orders::{ImportOrdersResponse, RejectedRow};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::comments::{OWN, own_reasons};
use crate::maker::Maker;
use crate::seed;
use crate::values::Values;
use crate::world::{Method, TENANT, World, methods, told};

/// Messages for each method and seed.
const MESSAGES: usize = 60;
/// The seed of every run; another one is drawn besides.
const SEED: u64 = 20_250_101;
/// Calls under way at once.
const CALLS: usize = 8;

/// What a call gets: one message, or for an upload up to three.
fn messages(maker: &mut Maker, method: &Method, n: usize) -> Vec<DynamicMessage> {
    let count = if method.0.is_client_streaming() { n % 4 } else { 1 };
    (0..count).map(|_| maker.message(&method.0.input())).collect()
}

/// Whether it is the code of a bug.
fn is_no_answer(code: Code) -> bool {
    matches!(code, Code::Unknown | Code::Internal | Code::Unimplemented | Code::DataLoss)
}

/// What is wrong with an error, if anything is.
fn fault(status: &Status) -> Option<&'static str> {
    if is_no_answer(status.code()) {
        return Some("is no answer");
    }
    let details = status.get_error_details();
    let Some(info) = details.error_info().filter(|info| info.domain == "laurel") else {
        return Some("has no reason of ours");
    };
    let fields = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
    match info.reason.as_str() {
        "INVALID_FIELD" if fields.iter().all(|field| field.field.is_empty()) => Some("names no field"),
        "MALFORMED_REQUEST" => Some("calls a well-formed message malformed"),
        "OVERLOADED" | "RATE_LIMITED" => Some("judged nothing"),
        _ => None,
    }
}

/// What says in an answer that went well that a part of the request was refused: items of a batch, and rows of a file.
fn refusals(answer: &DynamicMessage) -> Vec<DynamicMessage> {
    if ["ItemError", "RejectedRow", "RejectedCode", "RejectedAttributionRow", "RejectedContact"]
        .contains(&answer.descriptor().name())
    {
        return vec![answer.clone()];
    }
    let inner = answer.fields().flat_map(|(_, value)| match value {
        Value::Message(inner) => refusals(inner),
        Value::List(items) => items.iter().filter_map(Value::as_message).flat_map(refusals).collect(),
        _ => Vec::new(),
    });
    inner.collect()
}

fn reason_of(refusal: &DynamicMessage) -> i32 {
    refusal.get_field_by_name("reason").unwrap().as_enum_number().unwrap()
}

/// What is wrong with an answer that went well, if anything is: a part may be refused, but not by a bug.
fn fault_of_part(answers: &[DynamicMessage]) -> Option<&'static str> {
    let is_bug = |refusal: &DynamicMessage| {
        let reason = ErrorReason::try_from(reason_of(refusal));
        // rows of a file have no code
        let code = refusal.get_field_by_name("code").and_then(|code| code.as_i32()).map(Code::from);
        matches!(reason, Err(_) | Ok(ErrorReason::Unspecified | ErrorReason::Internal))
            || code.is_some_and(|code| code == Code::Ok || is_no_answer(code))
    };
    answers
        .iter()
        .flat_map(refusals)
        .any(|refusal| is_bug(&refusal))
        .then_some("has a part that is no answer")
}

/// Reasons of an answer that its method's comment does not name, and must.
fn unnamed(method: &Method, answer: &Result<Vec<DynamicMessage>, Status>) -> Option<String> {
    let mut reasons = BTreeSet::new();
    match answer {
        Ok(answers) => reasons.extend(answers.iter().flat_map(refusals).map(|refusal| reason_of(&refusal))),
        Err(status) => {
            let name = format!("ERROR_REASON_{}", told(status).1);
            reasons.extend(ErrorReason::from_str_name(&name).map(i32::from));
        }
    }
    reasons.retain(|reason| *reason >= OWN);
    if reasons.is_empty() {
        return None;
    }
    let unnamed: Vec<i32> = reasons.difference(&own_reasons(method)).copied().collect();
    let name =
        |n: &i32| ErrorReason::try_from(*n).map_or_else(|_| n.to_string(), |r| r.as_str_name().to_owned());
    (!unnamed.is_empty()).then(|| format!("names nowhere {:?}", unnamed.iter().map(name).collect::<Vec<_>>()))
}

/// A line that is short enough to read.
fn shown(what: &str) -> String {
    what.chars().take(1500).collect()
}

fn texts(messages: &[DynamicMessage]) -> String {
    messages.iter().map(DynamicMessage::to_string).collect::<Vec<_>>().join("; ")
}

/// What came of many calls.
#[derive(Default)]
struct Played {
    /// What was wrong.
    faults: Vec<String>,
    /// Methods of which a call went well, or at least past the constraints.
    reached: BTreeSet<String>,
    went_well: usize,
}

/// Methods are called in a mix of those of one turn: those of the clock after the others, as what erases those whom the others
/// are about; and last what may set the clock to the end of time, from where it cannot be advanced.
fn turn(method: &Method) -> u8 {
    match method.0.name() {
        "SetTestClock" => 2,
        "EraseContact" => 1,
        name if name.ends_with("TestClock") => 1,
        _ => 0,
    }
}

/// Calls all methods.
async fn play(world: &World, values: &Values, seed: u64) -> Played {
    let mut maker = Maker::new(values.clone(), seed);
    let token = world.all_scopes();
    let mut calls: Vec<(Method, Vec<DynamicMessage>)> = Vec::new();
    for now in 0..=2 {
        let methods: Vec<Method> = methods().into_iter().filter(|method| turn(method) == now).collect();
        for n in 0..MESSAGES {
            calls.extend(methods.iter().map(|method| (method.clone(), messages(&mut maker, method, n))));
        }
    }
    let call = async |(method, messages): (Method, Vec<DynamicMessage>)| {
        let answer = world.call(&method, &token, &messages).await;
        (method, answer, texts(&messages))
    };
    let mut answers = futures::stream::iter(calls.into_iter().map(call)).buffer_unordered(CALLS);
    let mut played = Played::default();
    while let Some((method, answer, messages)) = answers.next().await {
        let path = method.path();
        played.went_well += usize::from(answer.is_ok());
        if answer.as_ref().err().is_none_or(|status| status.code() != Code::InvalidArgument) {
            played.reached.insert(path.clone());
        }
        let fault = answer.as_ref().map_or_else(fault, |answers| fault_of_part(answers));
        if let Some(fault) = fault.map(str::to_owned).or_else(|| unnamed(&method, &answer)) {
            let answer = answer.map_or_else(|status| format!("{status:?}"), |answers| texts(&answers));
            let (answer, messages) = (shown(&answer), shown(&messages));
            played.faults.push(format!("{path} {fault}: {answer}\n{messages}"));
        }
    }
    played
}

/// Nothing that was accepted stopped a stream, or unbalanced the ledger.
async fn is_whole(world: &World) -> anyhow::Result<()> {
    seed::settled(world, TENANT).await?;
    let token = world.all_scopes();
    for method in methods() {
        let request = DynamicMessage::new(method.0.input());
        match method.0.name() {
            "ListParked" => {
                let parked = world.call(&method, &token, &[request]).await?.remove(0);
                assert_eq!(parked, DynamicMessage::new(method.0.output()), "{}", method.path());
            }
            "VerifyLedger" => {
                let verified = world.call(&method, &token, &[request]).await?.remove(0);
                let balanced = verified.get_field_by_name("balanced").and_then(|b| b.as_bool());
                assert_eq!(balanced, Some(true), "{verified}");
            }
            _ => (),
        }
    }
    Ok(())
}

#[tokio::test]
async fn any_message_gets_an_answer_of_the_contract_and_breaks_nothing() -> anyhow::Result<()> {
    let world = World::start()?;
    let values = Values { ids: seed::fill(&world).await? };
    let drawn: u64 = rand::random();
    println!("drawn seed: {drawn}");
    for seed in [SEED, drawn] {
        let played = play(&world, &values, seed).await;
        let (count, failures) = (played.faults.len(), world.failures().join("\n"));
        let first = played.faults.into_iter().take(20).collect::<Vec<_>>().join("\n\n");
        assert!(count == 0, "seed {seed}: {count} faults, the first of them:\n{first}\n{failures}");
        let all: BTreeSet<String> = methods().iter().map(Method::path).collect();
        assert_eq!(played.reached, all, "seed {seed}: methods that no message got into");
        assert!(played.went_well > all.len() * MESSAGES / 5, "only {} calls went well", played.went_well);
    }
    is_whole(&world).await?;
    let failures = world.failures();
    assert!(failures.is_empty(), "the process failed where no answer says so:\n{}", failures.join("\n"));
    Ok(())
}

#[test]
fn an_answer_without_reason_is_a_fault_and_one_of_ours_is_none() {
    assert_eq!(fault(&Status::internal("")), Some("is no answer"));
    assert_eq!(fault(&Status::not_found("")), Some("has no reason of ours"));
    assert_eq!(fault(&rpc::Error::field("", "is wrong").into()), Some("names no field"));
    assert_eq!(fault(&rpc::Error::field("name", "is wrong").into()), None);
    assert_eq!(told(&rpc::Error::field("name", "is wrong").into()).1, "INVALID_FIELD");
}

#[test]
fn an_item_or_a_row_that_was_refused_by_a_bug_is_a_fault() {
    let item = |reason: ErrorReason, code: Code| {
        let error = ItemError { code: code.into(), reason: reason.into(), ..ItemError::default() };
        let results = vec![BatchRecordAttributionsResult { error: Some(error), ..Default::default() }];
        let answer = BatchRecordAttributionsResponse { results, ..Default::default() };
        fault_of_part(&[dynamic("BatchRecordAttributions", &answer)])
    };
    assert_eq!(item(ErrorReason::InvalidField, Code::InvalidArgument), None);
    assert!(item(ErrorReason::Internal, Code::InvalidArgument).is_some());
    assert!(item(ErrorReason::InvalidField, Code::Internal).is_some());
    assert!(item(ErrorReason::InvalidField, Code::Unknown).is_some());
    assert!(item(ErrorReason::Unspecified, Code::InvalidArgument).is_some());
    let row = |reason: ErrorReason| {
        let rejected = vec![RejectedRow { reason: reason.into(), ..RejectedRow::default() }];
        fault_of_part(&[dynamic("ImportOrders", &ImportOrdersResponse { rejected, ..Default::default() })])
    };
    assert_eq!(row(ErrorReason::InvalidField), None);
    assert!(row(ErrorReason::Internal).is_some());
}

/// An answer of the method of this name.
fn dynamic(method: &str, answer: &impl Message) -> DynamicMessage {
    let method = methods().into_iter().find(|m| m.0.name() == method).unwrap();
    DynamicMessage::decode(method.0.output(), answer.encode_to_vec().as_slice()).unwrap()
}
