//! One row of a file of contacts.

use proto::attribution as v1;
use rpc::csv::{Fields, Malformed};
use rpc::{Error, Reason, fields};
use tonic::Code;

use super::header::Columns;
use crate::domain::ContactStatus;
use crate::domain::contact_commands::ContactChange;
use crate::domain::contact_import::ContactRow;
use crate::rpc::{contacts, read};

/// Stands between tags, and between segments.
const SEPARATOR: char = ';';

/// What a row says of a contact. Empty cells leave what is stored.
pub(super) fn contact(
    record: Result<Fields<'_>, Malformed>,
    columns: &Columns,
) -> Result<ContactChange, Error> {
    let wrong = |what: String| Error::new(Code::InvalidArgument, Reason::InvalidField, what);
    let record = record.map_err(|malformed| match malformed.column().map(|at| columns.name(at)) {
        Some(column) if !column.is_empty() => wrong(format!("{column} {malformed}")),
        _ => wrong(format!("the row {malformed}")),
    })?;
    if record.len() != columns.len() {
        return Err(wrong(format!("the row has {} fields, the header {}", record.len(), columns.len())));
    }
    let cells: Vec<&[u8]> = record.iter().collect();
    let cell = |path: &str, at: Option<usize>| {
        let bytes = at.and_then(|at| cells.get(at)).copied().unwrap_or_default();
        std::str::from_utf8(bytes).map(str::trim).map_err(|_| Error::field(path, "is not UTF-8"))
    };
    let text = |field: &str| cell(field, columns.index(field));
    let owned = |field: &str| text(field).map(str::to_owned);
    let list = |field: &str| {
        let parts = text(field)?.split(SEPARATOR).map(str::trim).filter(|part| !part.is_empty());
        Ok::<Vec<String>, Error>(parts.map(str::to_owned).collect())
    };
    let upsert = v1::UpsertContactRequest {
        email: owned("email")?,
        uid: owned("uid")?,
        first_name: owned("first_name")?,
        last_name: owned("last_name")?,
        company: owned("company")?,
        locale: owned("locale")?,
        ..Default::default()
    };
    // what the calls that do the same would be held to
    fields::item(&upsert)?;
    let contact = Some(proto::common::ContactRef { uid: "-".to_owned(), ..Default::default() });
    let tag = v1::TagContactRequest { contact: contact.clone(), add: list("tags")?, ..Default::default() };
    fields::item(&tag)?;
    let enroll = v1::EnrollContactRequest { contact, segment_ids: list("segments")?, occurred_at: None };
    fields::item(&enroll)?;
    let mut properties = Vec::new();
    for (name, kind, at) in columns.properties() {
        let path = format!("properties[{name}]");
        let value = kind.read(cell(&path, Some(*at))?).map_err(|what| Error::field(&path, what))?;
        properties.extend(value.map(|value| (name.clone(), Some(value))));
    }
    let (email, uid, profile) = contacts::profile(&upsert)?;
    Ok(ContactChange::Import(Box::new(ContactRow {
        email,
        uid,
        profile,
        properties,
        tags: contacts::tags(&tag.add),
        status: status(text("status")?)?,
        segments: read::segments("segment_ids", &enroll.segment_ids)?,
    })))
}

/// A status by its name, with or without the prefix, in any case.
fn status(text: &str) -> Result<Option<ContactStatus>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("CONTACT_STATUS_").unwrap_or(&name);
    let known = ContactStatus::from_name(name);
    known.map(Some).ok_or_else(|| Error::field("status", "is not prospect, enrolled, unsubscribed or banned"))
}
