//! One row of the file to what it asks for.

use rpc::csv::columns::{Cells, Columns, Fault, Layout};
use rpc::{Error, Reason, fields};
use types::{AttributionId, Timestamp};

use crate::commands;
use crate::commands::move_attributions::{Fate, Which};
use crate::domain::{Attempt, Evidence};
use crate::rpc::attribution_list::ONLY_EXPORTED;
use crate::rpc::attributions::sent_code;
use crate::rpc::cells::{ADVOCATE, CONTACT};

/// Characters of a code as it was sent, at most.
const MAX_CODE: usize = 64;
/// Bytes of a reason, at most.
const MAX_REASON: usize = 500;

/// What a file may have.
pub(super) static LAYOUT: Layout = Layout {
    fields: &[
        "action",
        "attribution_id",
        "campaign",
        "contact",
        "contact_id",
        "contact_email",
        "contact_uid",
        "advocate",
        "advocate_id",
        "advocate_email",
        "advocate_uid",
        "shortcode",
        "coupon_code",
        "occurred_at",
        "reason",
        "state",
    ],
    only_exported: ONLY_EXPORTED,
};

/// What a row asks for.
#[derive(Debug)]
pub(super) enum Task {
    /// RECORD.
    Attempt(Box<Attempt>),
    /// Everything else.
    Move(Fate, Which),
}

/// A row, read.
#[derive(Debug)]
pub(super) struct Row {
    /// What is to be done.
    pub(super) task: Task,
    /// When; default now.
    pub(super) occurred_at: Option<Timestamp>,
    /// Why.
    pub(super) reason: String,
    /// Stands for all that it says.
    pub(super) digest: [u8; 32],
    /// By what it names whom it is about.
    pub(super) named: Named,
}

/// The fields by which a row names the attribution, its referred contact and its advocate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    attribution: &'static str,
    contact: &'static str,
    advocate: &'static str,
}

impl Named {
    fn read(cells: &Cells<'_>, task: &Task) -> Self {
        if matches!(task, Task::Move(_, Which::Named(_))) {
            let by_id = "attribution_id";
            return Self { attribution: by_id, contact: by_id, advocate: by_id };
        }
        let advocate = ADVOCATE.field(cells);
        Self { attribution: advocate, contact: CONTACT.field(cells), advocate }
    }
}

/// What a row is to come to: an action, or a state to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Record,
    Move(Fate),
}

impl Row {
    /// Reads a row; attempts come from `source`.
    pub(super) fn read(cells: &Cells<'_>, source: &str) -> Result<Self, Error> {
        let task = match action(cells)? {
            Action::Record => Task::Attempt(Box::new(attempt(cells, source)?)),
            Action::Move(fate) => {
                for field in ["shortcode", "coupon_code"] {
                    if !cells.text(field)?.is_empty() {
                        return Err(Error::field(field, "is evidence, and for RECORD only"));
                    }
                }
                Task::Move(fate, which(cells)?)
            }
        };
        let reason = fields::text("reason", cells.text("reason")?, MAX_REASON)?;
        if matches!(task, Task::Attempt(_)) && !reason.is_empty() {
            return Err(Error::field("reason", "is not for RECORD"));
        }
        let named = Named::read(cells, &task);
        Ok(Self { task, occurred_at: cells.moment("occurred_at")?, reason, digest: cells.digest(), named })
    }
}

fn action(cells: &Cells<'_>) -> Result<Action, Error> {
    match (cells.text("action")?.to_ascii_uppercase().as_str(), cells.text("state")?) {
        ("RECORD", _) | ("", "") => Ok(Action::Record),
        ("ACTIVATE", _) => Ok(Action::Move(Fate::Activate)),
        ("DEACTIVATE", _) => Ok(Action::Move(Fate::Deactivate)),
        // of two rows whose states were swapped it does not matter which one comes first
        ("", "ACTIVE") => Ok(Action::Move(Fate::Prefer)),
        ("", "INACTIVE") => Ok(Action::Move(Fate::Retire)),
        ("REASSIGN", _) => Ok(Action::Move(Fate::Reassign)),
        ("", _) => Err(Error::field("state", "must be ACTIVE or INACTIVE")),
        _ => Err(Error::field("action", "must be RECORD, ACTIVATE, DEACTIVATE or REASSIGN")),
    }
}

fn attempt(cells: &Cells<'_>, source: &str) -> Result<Attempt, Error> {
    let evidence = Evidence {
        shortcode: sent_code(code(cells, "shortcode")?),
        coupon: sent_code(code(cells, "coupon_code")?),
        advocate: ADVOCATE.read(cells)?,
        visitor: None,
    };
    if evidence.is_empty() {
        return Err(Error::field("advocate", "is required, or else shortcode or coupon_code"));
    }
    if !cells.text("attribution_id")?.is_empty() {
        return Err(Error::field("attribution_id", "is not for RECORD"));
    }
    Ok(Attempt {
        contact: CONTACT.required(cells)?,
        campaign: fields::parse_optional("campaign", cells.text("campaign")?)?,
        evidence,
        source: source.to_owned(),
        known_contact_only: false,
    })
}

/// A code as it was sent, whatever it holds: what cannot be one is passed over (A4).
fn code<'a>(cells: &Cells<'a>, field: &str) -> Result<&'a str, Error> {
    let text = cells.text(field)?;
    if text.chars().nth(MAX_CODE).is_some() {
        return Err(Error::field(field, format!("is longer than {MAX_CODE} characters")));
    }
    Ok(text)
}

fn which(cells: &Cells<'_>) -> Result<Which, Error> {
    let named: Option<AttributionId> =
        fields::parse_optional("attribution_id", cells.text("attribution_id")?)?;
    if let Some(id) = named {
        return Ok(Which::Named(id));
    }
    Ok(Which::Between {
        campaign: fields::parse("campaign", cells.text("campaign")?)?,
        contact: CONTACT.required(cells)?,
        advocate: ADVOCATE.required(cells)?,
    })
}

/// Why a rule refused a row, and which column that is about.
pub(super) fn refused(columns: &Columns, named: Named, error: commands::Error) -> Fault {
    let at = match &error {
        commands::Error::At(path, _) => path.clone(),
        _ => String::new(),
    };
    let error = Error::from(error);
    let field = match (at.as_str(), error.reason()) {
        ("advocate", _) | (_, Reason::AdvocateNotEligible | Reason::SelfReferral) => named.advocate,
        ("contact", _) | (_, Reason::ContactNotFound | Reason::ContactConflict) => named.contact,
        (_, Reason::CampaignNotFound | Reason::CampaignNotActive) => "campaign",
        (_, Reason::AttributionNotFound | Reason::AnotherAttributionActive) => named.attribution,
        _ => error.first_field(),
    };
    Fault { column: columns.name_of(field).to_owned(), error: Box::new(error) }
}
