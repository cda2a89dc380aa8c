//! One row of the file to one order.

use proto::common::ErrorReason as Reason;
use proto::orders::RejectedRow;
use rpc::csv::{Fields, Malformed, Record};
use rpc::{Error, fields};
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;
use types::{Email, Money, TenantId, Timestamp};

use super::header::{Columns, Field, Options, PropertyColumn};
use crate::Settings;
use crate::commands::{self, BadRow, Row, Unreadable};
use crate::domain::{
    ContactRef, Evidence, Fault, NewOrder, OnUnattributed, Properties, Sent, Uid, names, names_anywhere, text,
};
use crate::rpc::lines;

/// Bytes of source and statuses, at most.
pub(super) const MAX_SHORT: usize = 64;
/// Characters of a shortcode as it was sent, at most; attribution keeps as many.
const MAX_CODE: usize = 64;
/// What the names of reasons begin with in the contract.
const REASON: &str = "ERROR_REASON_";

/// All that is needed to read rows.
#[derive(Debug)]
pub(super) struct RowReader<'a> {
    /// Whose orders they are.
    pub(super) tenant: &'a TenantId,
    /// How order ids are scoped.
    pub(super) settings: &'a Settings,
    /// How to read the file.
    pub(super) options: &'a Options,
    /// Its columns.
    pub(super) columns: &'a Columns,
}

impl RowReader<'_> {
    /// The order in a record, or why it is none; `n` and `hash` are those of the row.
    pub(super) fn read(&self, record: Record<'_>, n: u64, hash: Vec<u8>) -> Row {
        let order = self.texts(record.fields).and_then(|texts| {
            self.order(&texts).map_err(|error| {
                let path = error.first_field();
                let column = Field::from_name(path).map(|field| self.columns.name_of(field));
                fault(column.unwrap_or_else(|| self.columns.name_at(path)), error.reason(), error.message())
            })
        });
        // only of an import that bears an id is there a report
        let sent = record.sent.filter(|_| self.options.import_id.is_some());
        let sent = sent.map(|sent| self.columns.without_report(sent));
        let unreadable = |fault| {
            let names = sent.map(|sent| self.names(record.fields, sent)).unwrap_or_default();
            Unreadable { fault, names }
        };
        Row {
            order: order.map(Box::new).map_err(unreadable),
            sent: Sent { n, line: record.line, hash, record: sent.map(<[u8]>::to_vec) },
        }
    }

    /// By what a record that is no order may name contacts (A13).
    fn names(&self, fields: Result<Fields<'_>, Malformed>, sent: &[u8]) -> Vec<String> {
        match fields {
            Ok(fields) if fields.len() == self.columns.len() => {
                let cells: Vec<&[u8]> = fields.iter().collect();
                let of_people = Field::NAMES.into_iter().filter_map(|field| self.columns.index(field));
                names(of_people.filter_map(|n| cells.get(n)).map(|cell| text(cell)), sent)
            }
            _ => names_anywhere(sent),
        }
    }

    /// The row as text, one for each column.
    fn texts<'r>(&self, record: Result<Fields<'r>, Malformed>) -> Result<Vec<&'r str>, Fault> {
        let whole = |message: &str| fault("", Reason::InvalidField, message);
        let record = record.map_err(|malformed| match malformed.column() {
            Some(n) => fault(self.columns.name(n), Reason::InvalidField, &malformed.to_string()),
            None => whole(&format!("the row {malformed}")),
        })?;
        if record.len() != self.columns.len() {
            let message = format!("the row has {} fields, the header {}", record.len(), self.columns.len());
            return Err(whole(&message));
        }
        let text = |(n, bytes)| {
            std::str::from_utf8(bytes)
                .map_err(|_| fault(self.columns.name(n), Reason::InvalidField, "is not UTF-8"))
        };
        record.iter().enumerate().map(text).collect()
    }

    fn order(&self, texts: &[&str]) -> Result<NewOrder, Error> {
        let text = |field| self.columns.index(field).and_then(|n| texts.get(n)).copied().unwrap_or_default();
        let short = |field: Field| fields::text(field.name(), text(field), MAX_SHORT);
        let source = match text(Field::Source) {
            "" => self.options.source.clone(),
            _ => short(Field::Source)?,
        };
        let order_id = fields::parse(Field::OrderId.name(), text(Field::OrderId))?;
        let revenue = self.revenue(text)?;
        Ok(NewOrder {
            key: self.settings.key(self.tenant, &source, order_id),
            source,
            customer: customer(text)?,
            revenue,
            campaign_id: fields::parse_optional(Field::Campaign.name(), text(Field::Campaign))?,
            evidence: evidence(text)?,
            external_status: short(Field::ExternalStatus)?,
            hubspot_dealstage: short(Field::HubspotDealstage)?,
            line_items: lines::read(text(Field::LineItems), revenue.currency)?,
            properties: self.properties(texts)?,
            told_properties: Some(self.columns.told_properties()),
            occurred_at: moment(text(Field::OccurredAt))?,
            on_conflict: self.options.on_conflict,
            on_unattributed: OnUnattributed::Record,
        })
    }

    fn properties(&self, texts: &[&str]) -> Result<Properties, Error> {
        let read = |column: &PropertyColumn| {
            let PropertyColumn { name, kind, index } = column;
            let text = texts.get(*index).copied().unwrap_or_default();
            let odd = |what| Error::field(format!("order.properties[{name}]"), what);
            kind.read(text).map_err(odd).map(|value| value.map(|value| (name.clone(), value)))
        };
        self.columns.properties().iter().filter_map(|column| read(column).transpose()).collect()
    }

    fn revenue<'t>(&self, text: impl Fn(Field) -> &'t str) -> Result<Money, Error> {
        let currency = match (text(Field::Currency), self.options.currency) {
            ("", Some(currency)) => currency,
            ("", None) => return Err(Error::field(Field::Currency.name(), "is required")),
            (code, _) => fields::currency(Field::Currency.name(), code)?,
        };
        let path = Field::Revenue.name();
        let revenue = match text(Field::Revenue) {
            "" => return Err(Error::field(path, "is required")),
            text => Money::parse_decimal(text, currency).map_err(|e| Error::field(path, e))?,
        };
        if revenue.minor < 0 { Err(Error::field(path, "is negative")) } else { Ok(revenue) }
    }
}

/// What is told of a row that a rule refused.
pub(super) fn refused(columns: &Columns, error: commands::Error) -> Fault {
    let error = Error::from(error);
    let column = match (columns.name_at(error.first_field()), error.reason()) {
        ("", Reason::ContactNotFound) => columns.name_of(Field::ContactId),
        ("", Reason::CampaignNotFound) => columns.name_of(Field::Campaign),
        ("", Reason::CampaignMismatch) => columns.name_of(Field::Shortcode),
        (column, _) => column,
    };
    fault(column, error.reason(), error.message())
}

fn customer<'t>(text: impl Fn(Field) -> &'t str) -> Result<ContactRef, Error> {
    let uid = fields::text(Field::Uid.name(), text(Field::Uid), Uid::MAX_BYTES)?;
    let customer = ContactRef {
        contact_id: fields::parse_optional(Field::ContactId.name(), text(Field::ContactId))?,
        email: email(Field::Email, text(Field::Email))?,
        uid: (!uid.is_empty()).then(|| Uid::new(uid)),
    };
    if customer.is_empty() {
        return Err(Error::field(Field::Email.name(), "is required, or else uid or contact_id"));
    }
    Ok(customer)
}

fn evidence<'t>(text: impl Fn(Field) -> &'t str) -> Result<Evidence, Error> {
    let shortcode = code(Field::Shortcode, text(Field::Shortcode))?;
    let coupon_code = code(Field::CouponCode, text(Field::CouponCode))?;
    let advocate = email(Field::AdvocateEmail, text(Field::AdvocateEmail))?;
    let advocate = advocate.map(|email| ContactRef { email: Some(email), ..ContactRef::default() });
    let visitor_id = fields::text(Field::VisitorId.name(), text(Field::VisitorId), Uid::MAX_BYTES)?;
    Ok(Evidence { shortcode, coupon_code, advocate, visitor_id })
}

/// A code as it was sent, whatever it holds: attribution passes over what cannot be one, and the order is not lost (O7).
fn code(field: Field, text: &str) -> Result<String, Error> {
    if text.chars().nth(MAX_CODE).is_some() {
        let what = format!("is longer than {MAX_CODE} characters");
        return Err(Error::field(field.name(), what));
    }
    Ok(text.to_owned())
}

fn email(field: Field, text: &str) -> Result<Option<Email>, Error> {
    match text {
        "" => Ok(None),
        text => Email::parse(text).map(Some).map_err(|e| Error::field(field.name(), e)),
    }
}

/// A moment as RFC 3339 writes it.
fn moment(text: &str) -> Result<Option<Timestamp>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let odd =
        || Error::field(Field::OccurredAt.name(), "is not a time such as 2025-01-31T12:00:00Z (RFC 3339)");
    let at = Timestamp::parse(text, &Rfc3339).map_err(|_| odd())?;
    let at = at.checked_to_offset(UtcOffset::UTC).filter(|at| at.year() >= 1).ok_or_else(odd)?;
    at.replace_microsecond(at.microsecond()).map(Some).map_err(|_| odd())
}

fn fault(column: &str, reason: Reason, message: &str) -> Fault {
    let reason = reason.as_str_name().trim_start_matches(REASON).to_owned();
    Fault { column: column.to_owned(), reason, message: message.to_owned() }
}

/// A row that was refused, as callers are told of it.
pub(super) fn rejected(row: BadRow) -> RejectedRow {
    let Fault { column, reason, message } = row.fault;
    let reason = Reason::from_str_name(&format!("{REASON}{reason}")).unwrap_or_default().into();
    RejectedRow { line: i64::try_from(row.line).unwrap_or(i64::MAX), column, reason, message }
}

#[cfg(test)]
pub(super) mod tests;
