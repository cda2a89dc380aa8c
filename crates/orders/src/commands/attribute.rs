//! Asking attribution whose orders these are: one call for a whole slice, in its order.

use std::time::Duration;

use batch::Refused;
use proto::attribution::attribution_service_client::AttributionServiceClient;
use proto::attribution::{
    self as wire, AttemptResult, BatchRecordAttributionsRequest, BatchRecordAttributionsResponse,
    InactiveReason, ItemError, UnresolvedReason,
};
use proto::common::ErrorReason as Reason;
use rpc::Channel;
use rpc::fields::wire_time;
use tonic::Code;
use types::{Email, Timestamp};

use super::Error;
use crate::domain::{
    Answer, Attributed, ContactRef, Evidence, Head, InForce, Inactive, NewOrder, Order, Outcome, Uid,
    Unresolved,
};

/// How long attribution may take for a slice.
const DEADLINE: Duration = Duration::from_secs(15);

/// Attribution refused its part of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declined {
    /// Canonical code.
    pub(crate) code: Code,
    /// The reason.
    pub(crate) reason: Reason,
    /// Path of the field within the order; empty if none is to blame.
    pub(crate) field: String,
    /// For people; what follows the field's name if there is one.
    pub(crate) message: String,
    /// Machine-readable details, such as the ids of two contacts in conflict.
    pub(crate) metadata: Vec<(String, String)>,
}

impl Declined {
    /// What attribution says of a customer who is named by an id that nobody has.
    pub(super) fn unknown_customer() -> Self {
        Self {
            code: Code::NotFound,
            reason: Reason::ContactNotFound,
            field: String::new(),
            message: "no such contact".to_owned(),
            metadata: Vec::new(),
        }
    }
}

/// The attribution service, as orders uses it.
#[derive(Debug, Clone)]
pub(super) struct Attribution(AttributionServiceClient<Channel>);

impl Attribution {
    /// Calls through `channel`, which acts as a service.
    pub(super) fn new(channel: Channel) -> Self {
        Self(AttributionServiceClient::new(channel))
    }

    /// One answer per attempt, in the same order. An `Err` is for all of them.
    pub(super) async fn ask(
        &self,
        attempts: Vec<wire::Attempt>,
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        let asked = attempts.len();
        let look_ups: Vec<bool> = attempts.iter().map(|attempt| attempt.known_contact_only).collect();
        let mut request = tonic::Request::new(BatchRecordAttributionsRequest { attempts });
        request.set_timeout(DEADLINE);
        let mut client = self.0.clone();
        let answer = tokio::time::timeout(DEADLINE, client.batch_record_attributions(request)).await;
        let response = match answer {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => {
                tracing::warn!(code = ?status.code(), orders = asked, "attribution did not answer");
                return Err(Error::NoAnswer);
            }
            Err(_elapsed) => {
                tracing::warn!(orders = asked, "attribution did not answer in time");
                return Err(Error::NoAnswer);
            }
        };
        read(response, &look_ups).ok_or_else(|| {
            tracing::error!(orders = asked, "attribution's answer cannot be read");
            Error::Refused(Refused::Bug)
        })
    }
}

/// The attempt an order makes; without evidence it only looks up what is in force.
pub(super) fn attempt(order: &NewOrder, occurred_at: Timestamp) -> wire::Attempt {
    wire::Attempt {
        tenant_id: order.key.tenant.to_string(),
        contact: Some(contact_ref(&order.customer)),
        campaign_id: order.campaign_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        evidence: wire_evidence(&order.evidence),
        occurred_at: Some(wire_time(occurred_at)),
        source: order.source.clone(),
        known_contact_only: false,
    }
}

/// The attempt that evidence for a stored order makes, at the order's own time (O4).
pub(super) fn later_attempt(order: &Order, evidence: &Evidence) -> wire::Attempt {
    let customer = ContactRef { contact_id: Some(order.contact_id), ..ContactRef::default() };
    wire::Attempt {
        tenant_id: order.key.tenant.to_string(),
        contact: Some(contact_ref(&customer)),
        campaign_id: order.campaign_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        evidence: wire_evidence(evidence),
        occurred_at: Some(wire_time(order.occurred_at)),
        source: order.source.clone(),
        known_contact_only: false,
    }
}

fn wire_evidence(evidence: &Evidence) -> Option<wire::Evidence> {
    (!evidence.is_empty()).then(|| wire::Evidence {
        shortcode: evidence.shortcode.clone(),
        coupon_code: evidence.coupon_code.clone(),
        visitor_id: evidence.visitor_id.clone(),
        advocate: evidence.advocate.as_ref().map(contact_ref),
    })
}

/// Asks who the customer of an order is, and creates and changes nothing (O6).
pub(super) fn customer_look_up(order: &NewOrder, occurred_at: Timestamp) -> wire::Attempt {
    wire::Attempt { evidence: None, known_contact_only: true, ..attempt(order, occurred_at) }
}

fn contact_ref(contact: &ContactRef) -> proto::common::ContactRef {
    proto::common::ContactRef {
        contact_id: contact.contact_id.map(|id| id.to_string()).unwrap_or_default(),
        email: contact.email.as_ref().map(Email::as_str).unwrap_or_default().to_owned(),
        uid: contact.uid.as_ref().map(Uid::as_str).unwrap_or_default().to_owned(),
    }
}

/// The answers to attempts of which these are look-ups of a customer; `None` if they break their contract.
fn read(response: BatchRecordAttributionsResponse, look_ups: &[bool]) -> Option<Vec<Result<Answer, Error>>> {
    let head = response.head?;
    let head = Head { epoch: head.epoch, position: head.position };
    if response.results.len() != look_ups.len() {
        return None;
    }
    let item = |(item, look_up): (wire::BatchRecordAttributionsResult, &bool)| match (item.result, item.error)
    {
        (Some(result), None) if *look_up => customer(&result, head).map(Ok),
        (Some(result), None) => attributed(&result, head).map(Answer::Judged).map(Ok),
        (None, Some(error)) => Some(Err(refused(&error))),
        _ => None,
    };
    response.results.into_iter().zip(look_ups).map(item).collect()
}

/// Whom a customer is known as; an empty id is nobody's.
fn customer(result: &AttemptResult, head: Head) -> Option<Answer> {
    let contact = match result.contact_id.as_str() {
        "" => None,
        id => Some(id.parse().ok()?),
    };
    Some(Answer::Customer(contact, head))
}

fn attributed(result: &AttemptResult, head: Head) -> Option<Attributed> {
    let campaign_id = match result.campaign_id.as_str() {
        "" => None,
        id => Some(id.parse().ok()?),
    };
    let in_force = match &result.in_force {
        None => None,
        Some(a) => Some(InForce {
            attribution_id: a.attribution_id.parse().ok()?,
            advocate_id: a.advocate_id.parse().ok()?,
        }),
    };
    let inactive = match &result.inactive {
        None => None,
        Some(a) => Some(a.attribution_id.parse().ok()?),
    };
    let outcome = outcome(result)?;
    let named = match outcome {
        Outcome::Attributed | Outcome::AlreadyAttributed => in_force.map(|a: InForce| a.advocate_id),
        Outcome::LoggedInactive(_) => result.inactive.as_ref().and_then(|a| a.advocate_id.parse().ok()),
        Outcome::Unresolved(_) => None,
    };
    Some(Attributed {
        contact_id: result.contact_id.parse().ok()?,
        campaign_id,
        in_force,
        named,
        inactive,
        outcome,
        head,
    })
}

fn outcome(result: &AttemptResult) -> Option<Outcome> {
    match result.outcome() {
        wire::Outcome::Unspecified => None,
        wire::Outcome::Attributed => Some(Outcome::Attributed),
        wire::Outcome::AlreadyAttributed => Some(Outcome::AlreadyAttributed),
        wire::Outcome::LoggedInactive => match result.inactive_reason() {
            InactiveReason::Unspecified => None,
            InactiveReason::Duplicate => Some(Inactive::Duplicate),
            InactiveReason::SelfReferral => Some(Inactive::SelfReferral),
            InactiveReason::NotEligible => Some(Inactive::NotEligible),
            InactiveReason::Deactivated => Some(Inactive::Deactivated),
        }
        .map(Outcome::LoggedInactive),
        wire::Outcome::Unresolved => match result.unresolved_reason() {
            UnresolvedReason::Unspecified => None,
            UnresolvedReason::UnknownCode => Some(Unresolved::UnknownCode),
            UnresolvedReason::AdvocateNotEligible => Some(Unresolved::AdvocateNotEligible),
            UnresolvedReason::CampaignNotActive => Some(Unresolved::CampaignNotActive),
            UnresolvedReason::CampaignMismatch => Some(Unresolved::CampaignMismatch),
            UnresolvedReason::NoEvidence => Some(Unresolved::NoEvidence),
            UnresolvedReason::CodeNotAssigned => Some(Unresolved::CodeNotAssigned),
            UnresolvedReason::OutsideWindow => Some(Unresolved::OutsideWindow),
            UnresolvedReason::CodeUsed => Some(Unresolved::CodeUsed),
        }
        .map(Outcome::Unresolved),
    }
}

/// An item that attribution could not confirm counts as no answer; the rest is its word.
fn refused(error: &ItemError) -> Error {
    match Code::from_i32(error.code) {
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted | Code::DeadlineExceeded => {
            Error::NoAnswer
        }
        Code::Internal | Code::Unknown => Error::Refused(Refused::Bug),
        code => {
            let what = error.message.strip_prefix(&error.field).unwrap_or(&error.message);
            let message = what.trim_start().to_owned();
            Error::Declined(Declined {
                code,
                reason: error.reason(),
                field: order_field(&error.field),
                message,
                metadata: error.metadata.clone().into_iter().collect(),
            })
        }
    }
}

/// Where an order says what an attempt says: only the customer has another name.
fn order_field(field: &str) -> String {
    match field.strip_prefix("contact") {
        Some(rest) => format!("customer{rest}"),
        None => field.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn fields_of_an_attempt_are_named_as_the_order_names_them() {
        assert_eq!(order_field("contact.email"), "customer.email");
        assert_eq!(order_field("contact"), "customer");
        assert_eq!(order_field("evidence.shortcode"), "evidence.shortcode");
        assert_eq!(order_field(""), "");
    }

    #[test]
    fn a_refusal_keeps_code_reason_and_text() {
        let error = refused(&ItemError {
            code: Code::InvalidArgument.into(),
            reason: Reason::InvalidField.into(),
            field: "contact.email".to_owned(),
            message: "contact.email is odd".to_owned(),
            metadata: HashMap::from([("contact_id".to_owned(), "1".to_owned())]),
        });
        let Error::Declined(declined) = error else { panic!("{error:?}") };
        assert_eq!((declined.field.as_str(), declined.message.as_str()), ("customer.email", "is odd"));
        assert_eq!((declined.code, declined.reason), (Code::InvalidArgument, Reason::InvalidField));
        assert_eq!(declined.metadata, [("contact_id".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn an_answer_that_breaks_its_contract_is_not_read() {
        let head = Some(wire::StreamHead { epoch: 1, position: 2 });
        let short = BatchRecordAttributionsResponse { results: vec![], head };
        assert_eq!(read(short, &[false]), None);
        assert_eq!(read(BatchRecordAttributionsResponse { results: vec![], head: None }, &[]), None);
    }
}
