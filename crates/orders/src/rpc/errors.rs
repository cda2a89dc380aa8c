//! The one place where this service's errors become what a client sees.

use outbox::DefineError;
use rpc::{Error, Reason, properties};
use tonic::Code;
use types::property::DefinitionFault;

use crate::commands::{self, Declined};
use crate::domain::{MAX_DEFINITIONS, Violation};

impl From<commands::Error> for Error {
    fn from(error: commands::Error) -> Self {
        match error {
            commands::Error::Violation(violation) => violation.into(),
            commands::Error::InFuture(field) => Self::field(field, "is more than 24 hours in the future"),
            commands::Error::RequestIdReused => {
                let message = "the request id was used with a different request";
                Self::already_exists(Reason::RequestIdReused, message)
            }
            commands::Error::ImportDiffers => {
                let message = "the import id was used with other options, or with another file";
                Self::already_exists(Reason::ImportDiffers, message)
            }
            commands::Error::Declined(declined) => declined.into(),
            commands::Error::NoAnswer => Self::unavailable(),
            commands::Error::Refused(refused) => refused.into(),
        }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Differs(fields) => {
                let message = format!("the order is stored with different {}", fields.join(", "));
                Self::already_exists(Reason::OrderDiffers, message).with("fields", fields.join(","))
            }
            Violation::BelowRefunded => {
                let message = "revenue cannot be lowered below what was refunded";
                Self::precondition(Reason::BelowRefunded, message)
            }
            Violation::Cancelled => {
                let message = "the order is cancelled; its revenue and refunds stay as they are";
                Self::precondition(Reason::OrderCancelled, message)
            }
            Violation::ExceedsOrder(left) => {
                let message = format!("only {left} is left of the order's revenue");
                Self::precondition(Reason::RefundExceedsOrder, message).with("left", left.to_string())
            }
            Violation::RefundDiffers(fields) => {
                let message = format!("the refund is stored with different {}", fields.join(", "));
                Self::already_exists(Reason::RefundDiffers, message).with("fields", fields.join(","))
            }
            Violation::OtherCurrency(field) => Self::field(field, "is not the order's currency"),
            Violation::Attributed => {
                let message =
                    "the order has an attribution for good, and the evidence does not name its advocate";
                Self::precondition(Reason::OrderAttributed, message)
            }
            Violation::BeforeOrder => Self::field("occurred_at", "is before the order was placed"),
            Violation::Properties(faults) => properties::refused("order.properties", &faults),
            Violation::NotFound(order) => Self::not_found(Reason::OrderNotFound, "order", order.as_str()),
            Violation::CampaignMismatch => {
                let message = "the code belongs to another campaign than the order";
                Self::precondition(Reason::CampaignMismatch, message)
            }
            Violation::Unattributed(outcome) => {
                let message = format!("the evidence came to nobody: {outcome}");
                Self::precondition(Reason::OrderUnattributed, message).with("outcome", outcome.to_string())
            }
        }
    }
}

/// Attribution's word, with the field as the order names it.
impl From<Declined> for Error {
    fn from(declined: Declined) -> Self {
        let path =
            if declined.field.is_empty() { "order".to_owned() } else { format!("order.{}", declined.field) };
        declined_at(path, declined)
    }
}

fn declined_at(path: String, declined: Declined) -> Error {
    let Declined { code, reason, message, metadata, .. } = declined;
    let error = match code {
        Code::InvalidArgument => Error::fields(reason, vec![(path, message)]),
        code => Error::new(code, reason, message),
    };
    metadata.into_iter().fold(error, |error, (key, value)| error.with(key, value))
}

/// Why a property is not defined as somebody wants it.
pub(super) fn of_definition(error: DefineError) -> Error {
    let fault = match error {
        DefineError::Fault(fault) => fault,
        DefineError::Database(error) => return error.into(),
    };
    match fault {
        DefinitionFault::NotFound(name) => {
            Error::not_found(Reason::OrderPropertyNotFound, "order_property", name.as_str())
        }
        DefinitionFault::Exists => {
            Error::already_exists(Reason::OrderPropertyExists, "the property is defined otherwise")
        }
        DefinitionFault::InUse => {
            let message = "an order has, or had, a value of the property";
            Error::precondition(Reason::OrderPropertyInUse, message)
        }
        DefinitionFault::TooMany => {
            let message = format!("{MAX_DEFINITIONS} properties are defined, and no more can be");
            Error::precondition(Reason::TooManyOrderProperties, message)
        }
    }
}

/// What an update is refused for: its fields are those of the request itself.
pub(super) fn of_update(error: commands::Error) -> Error {
    match error {
        commands::Error::Declined(declined) => {
            let path = if declined.field.is_empty() { "evidence".to_owned() } else { declined.field.clone() };
            declined_at(path, declined)
        }
        commands::Error::Violation(Violation::Properties(faults)) => {
            properties::refused("properties", &faults)
        }
        error => error.into(),
    }
}
