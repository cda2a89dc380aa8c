//! The codec of all clients and servers. It decodes a message, then holds it to the constraints that its contract declares:
//! unary or streamed, remote or within the process, and before any handler sees it.

use std::collections::HashMap;
use std::marker::PhantomData;

use prost::Message;
pub use prost_protovalidate::Validate;
use prost_protovalidate::{ValidationError, Violation};
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

/// Domain of every `ErrorInfo`.
pub const ERROR_DOMAIN: &str = "laurel";

/// Breaches of one message that are looked for; no answer has room for more.
pub(crate) const ENOUGH: usize = 100;

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

/// Bytes that the fields at fault may take in an answer: it travels as a header, and many clients take no more than 8 KiB of
/// those, in base64; what is longer costs them the connection.
const BREACHES: usize = 4096;
/// Bytes of a text in an answer.
const TEXT: usize = 512;

/// A text as an answer has room for it.
pub fn fitting_text(text: &str) -> String {
    if text.len() <= TEXT {
        text.to_owned()
    } else {
        format!("{}…", &text[..text.floor_char_boundary(TEXT)])
    }
}

/// The first of the fields at fault, as many as an answer has room for: each a path and what is wrong.
pub fn fitting<P: AsRef<str>, W: AsRef<str>>(
    breaches: impl IntoIterator<Item = (P, W)>,
) -> Vec<FieldViolation> {
    let mut room = BREACHES;
    let mut fitting = Vec::new();
    for (path, what) in breaches {
        let (path, what) = (fitting_text(path.as_ref()), fitting_text(what.as_ref()));
        // tags and lengths
        let Some(rest) = room.checked_sub(path.len() + what.len() + 8) else { break };
        room = rest;
        fitting.push(FieldViolation::new(path, what));
    }
    fitting
}

/// The breaches of a message that the codec leaves to the call, as it does the items of a batch: each a path within the
/// message, and what is wrong.
pub fn breaches(message: &impl Validate) -> Vec<(String, String)> {
    message.validate().map_or_else(|error| told(&error).collect(), |()| Vec::new())
}

fn told(error: &ValidationError) -> impl Iterator<Item = (String, String)> {
    error.violations().iter().map(|violation| (path(violation), text(violation)))
}

/// INVALID_ARGUMENT, INVALID_FIELD, with each breach by its path.
fn refuse(error: &ValidationError) -> Status {
    let breaches = fitting(told(error));
    let message = breaches.first().map_or_else(
        || "invalid request".to_owned(),
        |first| fitting_text(&format!("{} {}", first.field, first.description)),
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
    (r"^\s*[^\s@]{1,64}@[^\s@]+\s*$", "is not an e-mail address of the form name@domain"),
    (r"^\s*[0-9A-Za-z]{3,32}\s*$", "must be 3 to 32 letters and digits"),
    (r"^\s*[0-9A-Za-z_-]{3,64}\s*$", "must be 3 to 64 letters, digits, hyphens and underscores"),
    ("^[0-9A-Za-z_-]{0,32}$", "must be at most 32 letters, digits, hyphens and underscores"),
    ("^[A-Z]{3}$", "is not an ISO 4217 currency code such as USD"),
    (r"^\P{Cc}*[^\s\p{Cc}]\P{Cc}*$", "is required"),
    ("^[A-Za-z]+$", "must be the name of a method"),
    (
        "^[A-Za-z][A-Za-z0-9_]{0,63}$",
        "must be 1 to 64 letters, digits and underscores, and begin with a letter",
    ),
    ("^(order_id|source|", "must be a field of an import"),
    ("(?i)^(urn:uuid:", "must be a UUID"),
    ("^(action|attribution_id|campaign|", "is no column of an import"),
    ("^(email|uid|first_name|", "is no column of an import"),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost_reflect::{DescriptorPool, DynamicMessage, Value};
    use tonic_types::StatusExt;

    use super::*;

    /// Every `pattern` in these rules, and in those of items, keys and values.
    fn patterns(rules: &DynamicMessage, found: &mut BTreeSet<String>) {
        for (field, value) in rules.fields() {
            match value {
                Value::String(pattern) if field.name() == "pattern" => drop(found.insert(pattern.clone())),
                Value::Message(inner) => patterns(inner, found),
                _ => (),
            }
        }
    }

    #[test]
    fn every_pattern_of_the_contracts_has_words_and_all_words_are_used() {
        let pool = DescriptorPool::decode(crate::DESCRIPTORS).unwrap();
        let rules = pool.get_extension_by_name("buf.validate.field").unwrap();
        let mut used = BTreeSet::new();
        for message in pool.all_messages().filter(|message| message.full_name().starts_with("laurel.")) {
            for field in message.fields().filter(|field| field.options().has_extension(&rules)) {
                if let Value::Message(rules) = field.options().get_extension(&rules).as_ref() {
                    patterns(rules, &mut used);
                }
            }
        }
        assert!(used.len() > 5, "{used:?}");
        for pattern in &used {
            let words = PATTERNS.iter().filter(|(known, _)| pattern.starts_with(known)).count();
            assert_eq!(words, 1, "{pattern}");
        }
        for (known, _) in PATTERNS {
            assert!(used.iter().any(|pattern| pattern.starts_with(known)), "{known} is used no more");
        }
    }

    #[test]
    fn an_answer_has_room_in_a_header_however_much_is_wrong() {
        let request = crate::attribution::WatchAttributionEventsRequest {
            types: vec!["é".repeat(1000); 10_000],
            ..Default::default()
        };
        let status = refuse(&request.check().unwrap_err());
        assert!(status.details().len() < 5 * 1024, "{}", status.details().len());
        let breaches = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!((breaches[0].field.as_str(), breaches[1].field.as_str()), ("types", "types[0]"));
        let long = fitting([("é".repeat(10_000), "is long")]);
        assert_eq!((long.len(), long[0].field.len()), (1, 512 + "…".len()));
    }

    #[test]
    fn however_many_items_are_wrong_only_enough_of_them_are_looked_at() {
        let types = vec![String::new(); 1_000_000];
        let request = crate::attribution::WatchAttributionEventsRequest { types, ..Default::default() };
        assert_eq!(request.check().unwrap_err().violations().len(), ENOUGH);
    }

    #[test]
    fn a_breach_is_told_in_the_words_of_its_pattern() {
        let request = crate::attribution::GetSegmentRequest { segment_id: "A b".to_owned() };
        let status = refuse(&request.check().unwrap_err());
        let breaches = status.get_details_bad_request().unwrap().field_violations;
        let told: Vec<_> = breaches.iter().map(|b| (b.field.as_str(), b.description.as_str())).collect();
        assert_eq!(told, [("segment_id", "must be lower-case letters, digits and inner hyphens")]);
    }
}
