//! The codec of all clients and servers. It decodes a message, then holds it to the constraints that its contract declares:
//! unary or streamed, remote or within the process, and before any handler sees it.

use std::collections::HashMap;
use std::marker::PhantomData;

use prost::Message;
use prost_protovalidate::{ValidationError, Violation};
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// Domain of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "laurel";

/// A message with the constraints of its contract. What methods return has none: a client believes its server.
pub trait Checked: Message + Default + Send + 'static {
    /// All breaches, each with its field's path.
    fn check(&self) -> Result<(), ValidationError> {
        Ok(())
    }
}

/// Protobuf, as [`ProstCodec`] has it, with what is decoded being checked.
#[derive(Debug)]
pub struct CheckingCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for CheckingCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + Send + 'static, U: Checked> Codec for CheckingCodec<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = CheckingDecoder<U>;

    fn encoder(&mut self) -> ProstEncoder<T> {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> CheckingDecoder<U> {
        CheckingDecoder(ProstCodec::<T, U>::default().decoder())
    }
}

/// Decodes, then checks.
#[derive(Debug)]
pub struct CheckingDecoder<U>(ProstDecoder<U>);

impl<U: Checked> Decoder for CheckingDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let item = self.0.decode(buffer)?;
        if let Some(item) = &item {
            item.check().map_err(|error| refuse(&error))?;
        }
        Ok(item)
    }
}

/// INVALID_ARGUMENT, INVALID_FIELD, with each breach by its path.
fn refuse(error: &ValidationError) -> Status {
    let breaches: Vec<FieldViolation> =
        error.violations().iter().map(|v| FieldViolation::new(path(v), text(v))).collect();
    let message = breaches.first().map_or_else(
        || "invalid request".to_owned(),
        |first| format!("{} {}", first.field, first.description),
    );
    let mut details = ErrorDetails::with_error_info("INVALID_FIELD", ERROR_DOMAIN, HashMap::new());
    details.set_bad_request(breaches);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// The field at fault; of several of which one must be set, the first.
fn path(violation: &Violation) -> String {
    let several = violation.message().split_once(" of ").filter(|_| violation.rule_id() == "message.oneof");
    match several.and_then(|(_, fields)| fields.split(',').next()) {
        Some(first) => first.to_owned(),
        None => violation.field_path(),
    }
}

/// The patterns of the contracts, and what is wrong with a text that does not match; a test holds the list complete.
const PATTERNS: &[(&str, &str)] = &[
    ("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "must be lower-case letters, digits and inner hyphens"),
    (r"^[^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?$", "must be printable text without spaces at its ends"),
    (r"^\P{Cc}*$", "has a control character"),
    (r"^\s*\P{Cc}{0,200}\s*$", "is longer than 200 bytes, or has a control character"),
    (r"^\s*[^\s\p{Cc}]\P{Cc}{0,63}\s*$", "is empty, longer than 64 bytes, or has a control character"),
    (r"^\s*[^\s@]{1,64}@[^\s@]+\s*$", "is not an e-mail address of the form name@domain"),
    (r"^\s*[0-9A-Za-z]{3,32}\s*$", "must be 3 to 32 letters and digits"),
    ("^[A-Z]{3}$", "is not an ISO 4217 currency code such as USD"),
    (r"^\P{Cc}*[^\s\p{Cc}]\P{Cc}*$", "is required"),
    ("^[A-Za-z]+$", "must be the name of a method"),
    ("(?i)^(urn:uuid:", "must be a UUID"),
    ("^[0-9A-Za-z]{1,8}(-", "is not a language tag such as de-AT"),
];

/// What is wrong, as it follows the field's name. The library says it in words of its own, the rule's number among them.
fn text(violation: &Violation) -> String {
    let said = violation.message();
    let number = || said.rsplit(' ').find(|word| word.parse::<f64>().is_ok()).unwrap_or_default();
    match violation.rule_id() {
        "required" | "string.min_len" | "string.min_bytes" | "repeated.min_items" => "is required".to_owned(),
        "string.max_bytes" | "bytes.max_len" => format!("is longer than {} bytes", number()),
        "string.max_len" => format!("is longer than {} characters", number()),
        "string.not_contains" => "has a NUL character".to_owned(),
        "string.pattern" => {
            let known = PATTERNS.iter().find(|(pattern, _)| said.contains(&format!("`{pattern}")));
            known.map_or("has a form that is not allowed", |(_, text)| text).to_owned()
        }
        "repeated.max_items" => format!("has more than {} items", number()),
        "enum.defined_only" => "is not a value of the enum".to_owned(),
        "message.oneof" => format!("or another, but exactly one, must be set: {said}"),
        _ => said.to_owned(),
    }
}
