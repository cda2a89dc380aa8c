//! Values that a contract takes, by the names of the fields, and the rules that its fields have.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::seed::{Ids, JOURNEYS, program};

/// The rules of a field; none if it has none, or if they are off.
pub(crate) fn rules(field: &FieldDescriptor) -> Option<DynamicMessage> {
    let option = field.parent_message().parent_pool().get_extension_by_name("buf.validate.field").unwrap();
    let options = field.options();
    if !options.has_extension(&option) {
        return None;
    }
    let rules = options.get_extension(&option).as_message().unwrap().clone();
    (rules.get_field_by_name("ignore").unwrap().as_enum_number() != Some(IGNORE_ALWAYS)).then_some(rules)
}

const IGNORE_ALWAYS: i32 = 3;

/// One rule of those for a kind of field, such as `max_bytes` of `string`.
pub(crate) fn rule(rules: &DynamicMessage, kind: &str, name: &str) -> Option<Value> {
    let of_kind = rules.get_field_by_name(kind).filter(|_| rules.has_field_by_name(kind))?;
    let of_kind = of_kind.as_message()?;
    of_kind.has_field_by_name(name).then(|| of_kind.get_field_by_name(name).unwrap().into_owned())
}

/// Whether the call itself judges what is in the field.
pub(crate) fn is_off(field: &FieldDescriptor) -> bool {
    let option = field.parent_message().parent_pool().get_extension_by_name("buf.validate.field").unwrap();
    let rules = field.options().get_extension(&option).as_message().cloned();
    rules.is_some_and(|r| r.get_field_by_name("ignore").unwrap().as_enum_number() == Some(IGNORE_ALWAYS))
}

/// The fields of which one must be set, if the message is such a one.
pub(crate) fn one_of(message: &MessageDescriptor) -> Vec<String> {
    let option = message.parent_pool().get_extension_by_name("buf.validate.message").unwrap();
    let rules = message.options().get_extension(&option).as_message().cloned();
    let oneofs = rules.and_then(|rules| rules.get_field_by_name("oneof").map(std::borrow::Cow::into_owned));
    let first = oneofs.and_then(|oneofs| oneofs.as_list()?.first()?.as_message().cloned());
    let Some(first) = first else { return Vec::new() };
    let fields = first.get_field_by_name("fields").unwrap();
    fields.as_list().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

pub(crate) fn is_required(field: &FieldDescriptor) -> bool {
    rules(field).is_some_and(|rules| rules.get_field_by_name("required").unwrap().as_bool() == Some(true))
}

/// Required by its rules, or by its comment.
pub(crate) fn is_needed(field: &FieldDescriptor) -> bool {
    let above_zero = |kind, name| match rules(field).and_then(|rules| rule(&rules, kind, name)) {
        Some(Value::I32(n)) => n > 0,
        Some(Value::I64(n)) => n > 0,
        Some(Value::U64(n)) => n > 0,
        _ => false,
    };
    let by_rule = [("int32", "gte"), ("int64", "gte"), ("repeated", "min_items")]
        .into_iter()
        .any(|(kind, name)| above_zero(kind, name));
    let by_comment = matches!(
        field.full_name(),
        "laurel.common.v1.ContactRef.email"
            | "laurel.attribution.v1.UpsertContactRequest.email"
            | "laurel.attribution.v1.Attempt.evidence"
            | "laurel.attribution.v1.Evidence.shortcode"
            | "laurel.attribution.v1.BatchRecordAttributionsRequest.attempts"
            | "laurel.attribution.v1.ImportContactsRequest.chunk"
            | "laurel.attribution.v1.ImportCouponCodesRequest.chunk"
            | "laurel.attribution.v1.ImportAttributionsRequest.chunk"
            | "laurel.attribution.v1.IssueCouponCodesRequest.campaign_id"
            | "laurel.attribution.v1.IssueCouponCodesRequest.count"
            | "laurel.journeys.v1.GetRunRequest.run_id"
            | "laurel.orders.v1.BatchRecordOrdersRequest.requests"
            | "laurel.orders.v1.ImportOrdersRequest.options"
            | "laurel.orders.v1.ImportOrdersRequest.chunk"
    );
    is_required(field) || by_rule || by_comment
}

/// Makes values that a contract takes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    pub(crate) ids: Ids,
}

impl Values {
    /// A message with what it must have, and nothing else.
    pub(crate) fn least(&self, descriptor: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.type.Money" => {
                message.set_field_by_name("currency_code", Value::String("USD".to_owned()));
                message.set_field_by_name("units", Value::I64(25));
            }
            "google.protobuf.Timestamp" => message.set_field_by_name("seconds", Value::I64(1_735_800_000)),
            "google.type.Date" => {
                for (part, value) in [("year", 2025), ("month", 1), ("day", 1)] {
                    message.set_field_by_name(part, Value::I32(value));
                }
            }
            _ => {
                let first = one_of(descriptor).into_iter().next();
                for field in descriptor.fields() {
                    if is_needed(&field) || first.as_deref() == Some(field.name()) {
                        let value = self.one(&field);
                        message.set_field(
                            &field,
                            if field.is_list() { Value::List(vec![value]) } else { value },
                        );
                    }
                }
            }
        }
        message
    }

    /// A value of a field, or one item of it if it is a list.
    pub(crate) fn one(&self, field: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::Message(message) => Value::Message(self.least(&message)),
            Kind::String => Value::String(self.text(field)),
            Kind::Enum(_) => Value::EnumNumber(1),
            Kind::Int32 => Value::I32(1),
            Kind::Int64 => Value::I64(1),
            Kind::Bool => Value::Bool(true),
            Kind::Bytes if field.full_name().contains("Coupon") => {
                Value::Bytes("code,campaign,advocate\nXMAS-1,spring,ann@example.com\n".into())
            }
            Kind::Bytes if field.full_name().contains("Attributions") => {
                Value::Bytes("contact,campaign,shortcode\nimported@example.com,spring,BOB10\n".into())
            }
            Kind::Bytes if field.full_name().contains("ImportContacts") => {
                Value::Bytes("email,first_name,tags\nnewest@example.com,New,text\n".into())
            }
            Kind::Bytes => {
                Value::Bytes("order_id,email,revenue,currency\no-9,eve@example.com,1,USD\n".into())
            }
            other => panic!("{}: no value of kind {other:?} is known", field.full_name()),
        }
    }

    fn text(&self, field: &FieldDescriptor) -> String {
        let first = |ids: &[String]| ids.first().cloned().unwrap_or_else(|| UNKNOWN_ID.to_owned());
        let parent = field.parent_message().name().to_owned();
        let text = match field.name() {
            "contact_id" if parent.contains("Eras") => return first(&self.ids.erased),
            "contact_id" | "beneficiary_id" => return first(&self.ids.contacts),
            "attribution_id" => return first(&self.ids.attributions),
            "run_id" => return first(&self.ids.runs),
            "transition_id" => return first(&self.ids.transitions),
            "reward_id" => return first(&self.ids.rewards),
            "definition" if parent.contains("Program") => return program("spring", "2025-01-01"),
            "program" => return program("spring", "2025-01-01"),
            "definition" => JOURNEYS[0],
            "campaign_id" => "spring",
            "segment_id" | "segment_ids" => "advocates",
            "journey" => "way",
            "stage" => "bought",
            "rule" if parent.contains("Segment") => "contact.status == 'ENROLLED'",
            "rule" => "held",
            "order_id" => "o-1",
            "shortcode" | "code" | "coupon_code" | "prefix" => "ANN10",
            "email" => "eve@example.com",
            "currency_code" | "default_currency" => "USD",
            "visitor_id" | "visitor_ids" => "b-1",
            "ip" => "203.0.113.7",
            "landing_path" => "/offer",
            "locale" => "de-AT",
            "tenant_id" => crate::world::TENANT,
            "method" => "RecordOrder",
            "types" => "clock_moved",
            "name" if parent.contains("Property") => "size",
            "name" | "first_name" | "last_name" | "company" | "source" | "default_source"
            | "external_status" | "hubspot_dealstage" | "principal" | "reason" | "sku" | "uid"
            | "channel" | "user_agent" | "occurrence_key" | "request_id" | "refund_id" | "add" | "remove"
            | "description" | "string_value" | "import_id" => "text",
            "decimal_value" => "12.5",
            "filter" => match parent.as_str() {
                "ListContactsRequest" => "status = ENROLLED",
                _ => "campaign_id = spring",
            },
            "order_by" => "recorded_at",
            "paths" => "name",
            "cursor" | "page_token" => "",
            other => panic!("{}: no value of {other} is known", field.full_name()),
        };
        text.to_owned()
    }
}

/// An id that nothing has.
pub(crate) const UNKNOWN_ID: &str = "00000000-0000-7000-8000-000000000001";
