//! The one place that says what a violation looks like to a caller.

use outbox::DefineError;
use rpc::{Error, Reason, properties};
use time::format_description::well_known::Rfc3339;
use types::property::{DefinitionFault, MAX_DEFINITIONS};

use crate::commands;
use crate::domain::Violation;
use crate::domain::rule::MAX_RULES;

impl From<commands::Error> for Error {
    fn from(error: commands::Error) -> Self {
        match error {
            commands::Error::Rule(violation) => violation.into(),
            commands::Error::At(path, violation) => Self::from(violation).with("field", path),
            commands::Error::Refused(refused) => refused.into(),
            commands::Error::Database(error) => error.into(),
        }
    }
}

impl From<Violation> for Error {
    #[expect(clippy::too_many_lines, reason = "one arm for each violation, and nothing else")]
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::ContactNotFound(id) => {
                let name = id.map_or_else(String::new, |id| id.to_string());
                Self::not_found(Reason::ContactNotFound, "contact", name)
            }
            Violation::Properties(faults) => properties::refused("properties", &faults),
            Violation::SegmentNotFound(id) => {
                Self::not_found(Reason::SegmentNotFound, "segment", id.to_string())
            }
            Violation::SegmentByRule(id) => {
                let message = "the segment has a rule: nobody joins or leaves it by hand";
                Self::precondition(Reason::SegmentByRule, message).with("segment_id", id.to_string())
            }
            Violation::SegmentWithoutRule(id) => {
                let message = "the segment is static: create another one for the rule";
                Self::precondition(Reason::SegmentWithoutRule, message).with("segment_id", id.to_string())
            }
            Violation::TooManyRules => {
                let message = format!("{MAX_RULES} segments have a rule, and no more can");
                Self::precondition(Reason::TooManySegmentRules, message)
            }
            Violation::Rule(error) => Self::field("rule", format!("at {error}")),
            Violation::AttributionNotFound(id) => {
                let name = id.map_or_else(String::new, |id| id.to_string());
                Self::not_found(Reason::AttributionNotFound, "attribution", name)
            }
            Violation::AnotherActive(id) => {
                let message = "another attribution of the contact is active in the campaign";
                Self::precondition(Reason::AnotherAttributionActive, message)
                    .with("attribution_id", id.to_string())
            }
            Violation::CampaignNotActive => {
                let message = "the campaign has not begun, has ended, or is paused at that time";
                Self::precondition(Reason::CampaignNotActive, message)
            }
            Violation::SelfReferral => {
                let message = "advocate and referred contact are the same person";
                Self::precondition(Reason::SelfReferral, message)
            }
            Violation::TooEarly(earliest) => {
                let earliest = earliest.format(&Rfc3339).unwrap_or_default();
                Self::field("occurred_at", format!("must not be before {earliest}"))
            }
            Violation::CampaignNotFound(id) => {
                Self::not_found(Reason::CampaignNotFound, "campaign", id.to_string())
            }
            Violation::TestClockNotFound => {
                Self::not_found(Reason::TestClockNotFound, "test clock", String::new())
            }
            Violation::CodeNotFound => Self::not_found(Reason::CodeNotFound, "code", String::new()),
            Violation::ContactConflict(one, other) => {
                let message = "what was given belongs to two different contacts";
                Self::already_exists(Reason::ContactConflict, message)
                    .with("contact_id", one.to_string())
                    .with("other_contact_id", other.to_string())
            }
            Violation::SegmentExists => {
                Self::already_exists(Reason::SegmentExists, "the segment exists with other content")
            }
            Violation::CampaignExists => {
                Self::already_exists(Reason::CampaignExists, "the campaign exists with other content")
            }
            Violation::CodeTaken => Self::already_exists(Reason::CodeTaken, "the code is taken"),
            Violation::RequestIdReused => {
                let message = "the request_id was used with another request";
                Self::already_exists(Reason::RequestIdReused, message)
            }
            Violation::NoFreeCode => Self::contention(),
            Violation::CampaignEndsBeforeStart => Self::field("ends_at", "must be after starts_at"),
            Violation::InFuture => Self::field("occurred_at", "is more than 24 hours in the future"),
            Violation::ClockOutOfRange => Self::field("seconds", "moves the clock beyond the year 9999"),
            Violation::ContactBanned(id) => {
                let message = "a banned contact cannot be enrolled until its status is changed";
                Self::precondition(Reason::ContactBanned, message).with("contact_id", id.to_string())
            }
            Violation::AdvocateNotEligible => {
                let message = "the advocate is not enrolled, or in no segment of the campaign";
                Self::precondition(Reason::AdvocateNotEligible, message)
            }
            Violation::NotASandbox => {
                let message = "only tenants whose id begins with test- have a test clock";
                Self::precondition(Reason::NotASandbox, message)
            }
            Violation::ClockBackwards => {
                Self::precondition(Reason::ClockBackwards, "a test clock only moves forward")
            }
        }
    }
}

/// Why a property is not defined as somebody wants it.
pub(super) fn of_definition(error: DefineError) -> Error {
    let fault = match error {
        DefineError::Fault(fault) => fault,
        DefineError::Database(error) => return error.into(),
    };
    match fault {
        DefinitionFault::NotFound(name) => {
            Error::not_found(Reason::ContactPropertyNotFound, "contact_property", name.as_str())
        }
        DefinitionFault::Exists => {
            Error::already_exists(Reason::ContactPropertyExists, "the property is defined otherwise")
        }
        DefinitionFault::InUse => {
            let message = "a contact has, or had, a value of the property";
            Error::precondition(Reason::ContactPropertyInUse, message)
        }
        DefinitionFault::TooMany => {
            let message = format!("{MAX_DEFINITIONS} properties are defined, and no more can be");
            Error::precondition(Reason::TooManyContactProperties, message)
        }
    }
}
