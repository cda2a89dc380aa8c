//! The header of the file: which column is which field.

use std::sync::Arc;

use proto::orders::{ImportOrdersOptions, OnConflict as WireOnConflict};
use rpc::csv::Fields;
use rpc::csv::export::record;
use rpc::{Error, fields};
use types::Currency;

use super::row::MAX_SHORT;
use crate::domain::{Definitions, OnConflict, PropertyName, PropertyType};
use crate::rpc::export::PROPERTY;
use crate::rpc::{convert, export, report};

/// A field of an imported order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    OrderId,
    Source,
    Email,
    Uid,
    ContactId,
    Revenue,
    Currency,
    Campaign,
    Shortcode,
    AdvocateEmail,
    ExternalStatus,
    HubspotDealstage,
    LineItems,
    OccurredAt,
    CouponCode,
    VisitorId,
}

impl Field {
    /// All of them, in the order of their declaration.
    const ALL: [Self; 16] = [
        Self::OrderId,
        Self::Source,
        Self::Email,
        Self::Uid,
        Self::ContactId,
        Self::Revenue,
        Self::Currency,
        Self::Campaign,
        Self::Shortcode,
        Self::AdvocateEmail,
        Self::ExternalStatus,
        Self::HubspotDealstage,
        Self::LineItems,
        Self::OccurredAt,
        Self::CouponCode,
        Self::VisitorId,
    ];
    /// Those that name a contact.
    pub(super) const NAMES: [Self; 4] = [Self::Email, Self::Uid, Self::ContactId, Self::AdvocateEmail];

    /// As the contract names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OrderId => "order_id",
            Self::Source => "source",
            Self::Email => "email",
            Self::Uid => "uid",
            Self::ContactId => "contact_id",
            Self::Revenue => "revenue",
            Self::Currency => "currency",
            Self::Campaign => "campaign",
            Self::Shortcode => "shortcode",
            Self::AdvocateEmail => "advocate_email",
            Self::ExternalStatus => "external_status",
            Self::HubspotDealstage => "hubspot_dealstage",
            Self::LineItems => "line_items",
            Self::OccurredAt => "occurred_at",
            Self::CouponCode => "coupon_code",
            Self::VisitorId => "visitor_id",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The field behind a path of an order, such as `order.customer.email`.
    pub(super) fn from_path(path: &str) -> Option<Self> {
        match path.strip_prefix("order.")? {
            "customer.email" => Some(Self::Email),
            "customer.uid" => Some(Self::Uid),
            "customer.contact_id" => Some(Self::ContactId),
            "campaign_id" => Some(Self::Campaign),
            "evidence.shortcode" => Some(Self::Shortcode),
            "evidence.coupon_code" => Some(Self::CouponCode),
            "evidence.visitor_id" => Some(Self::VisitorId),
            "revenue.currency_code" => Some(Self::Currency),
            path if path.starts_with("evidence.advocate") => Some(Self::AdvocateEmail),
            path => Self::from_name(path),
        }
    }
}

/// What a column is mapped to that is to be skipped.
const SKIP: &str = "-";

/// What a column of the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Field(Field),
    /// A custom property (O9).
    Property(PropertyName),
    Skipped,
}

impl Meaning {
    /// What a name of the contract stands for.
    fn from_name(name: &str) -> Option<Self> {
        match (name, name.strip_prefix(PROPERTY)) {
            (SKIP, _) => Some(Self::Skipped),
            (_, Some(property)) => property.parse().ok().map(Self::Property),
            (_, None) => Field::from_name(name).map(Self::Field),
        }
    }
}

/// How to read the file, checked.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Columns of the file that are not named as their field.
    columns: Vec<(String, Meaning)>,
    /// Currency of rows that give none.
    pub(super) currency: Option<Currency>,
    /// Source of rows that give none.
    pub(super) source: String,
    /// If an order is stored with different content.
    pub(super) on_conflict: OnConflict,
    /// What the import is known by, if it bears an id.
    pub(super) import_id: Option<String>,
    /// Whether nothing is to be written.
    pub(super) dry_run: bool,
    /// All that has to be the same when the import is sent again, but for the header.
    canonical: Vec<u8>,
}

impl Options {
    /// Checks what a caller gives.
    pub(super) fn read(wire: &ImportOrdersOptions) -> Result<Self, Error> {
        let mut columns = Vec::new();
        for (column, name) in &wire.columns {
            let odd = || Error::field(option_path(column), "names no field of an import");
            let meaning = Meaning::from_name(name).ok_or_else(odd)?;
            columns.push((column.clone(), meaning));
        }
        // a map has no order of its own: the same mistake gives the same answer
        columns.sort_by(|a, b| a.0.cmp(&b.0));
        let import_id = fields::text("options.import_id", &wire.import_id, MAX_SHORT)?;
        let on_conflict = WireOnConflict::try_from(wire.on_conflict)
            .map_err(|_| Error::field("options.on_conflict", "is not a known value"))?;
        Ok(Self {
            columns,
            currency: fields::parse_optional("options.default_currency", &wire.default_currency)?,
            source: fields::text("options.default_source", &wire.default_source, MAX_SHORT)?,
            on_conflict: convert::on_conflict(on_conflict),
            import_id: (!import_id.is_empty()).then_some(import_id),
            dry_run: wire.dry_run,
            canonical: canonical(wire),
        })
    }

    /// All that has to be the same when the import is sent again, with the columns of the file.
    pub(super) fn identity(&self, columns: &Columns) -> Vec<u8> {
        let names = columns.names.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat());
        self.canonical.iter().copied().chain(names).collect()
    }

    /// What a column of the file is, by its mapping or its name; of an export, also by what only that has.
    fn meaning(&self, column: &str, is_export: bool) -> Result<Meaning, Error> {
        if let Some((_, meaning)) = self.columns.iter().find(|(name, _)| name == column) {
            return Ok(meaning.clone());
        }
        if is_export && export::ONLY_THERE.contains(&column) || report::COLUMNS.contains(&column) {
            return Ok(Meaning::Skipped);
        }
        let unknown = "is no field of an import; map it to one in options.columns, or to `-` to skip it";
        match Meaning::from_name(column) {
            // only a mapping can say that one is to be skipped
            Some(Meaning::Skipped) | None => Err(Error::field(header_path(column), unknown)),
            Some(meaning) => Ok(meaning),
        }
    }
}

/// The columns of the file.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    names: Vec<String>,
    /// Column of each field, in the order of [`Field::ALL`].
    of: [Option<usize>; Field::ALL.len()],
    /// Columns of properties.
    properties: Vec<PropertyColumn>,
    /// The properties of these columns.
    told: Arc<[PropertyName]>,
    /// Whether the file is a report of refused rows: the first columns are not those of what was imported.
    is_report: bool,
}

/// A column that is a custom property (O9).
#[derive(Debug, Clone)]
pub(super) struct PropertyColumn {
    /// Which.
    pub(super) name: PropertyName,
    /// What its values are.
    pub(super) kind: PropertyType,
    /// The column.
    pub(super) index: usize,
}

impl Columns {
    /// Reads the header; every mistake names its column.
    pub(super) fn read(
        header: &Fields<'_>,
        options: &Options,
        definitions: &Definitions,
    ) -> Result<Self, Error> {
        let name = |(n, bytes)| match std::str::from_utf8(bytes) {
            Ok(name) => Ok(name.trim().to_owned()),
            Err(_) => Err(Error::field(format!("header[{n}]"), "is not UTF-8")),
        };
        let names = header.iter().enumerate().map(name).collect::<Result<Vec<String>, Error>>()?;
        // a shop's own file may well have a column `refunded`, which is not to be lost without a word
        let is_export = export::ONLY_THERE.iter().all(|column| names.iter().any(|name| name == column));
        let is_report = names.starts_with(&report::COLUMNS.map(str::to_owned))
            && !options.columns.iter().any(|(column, _)| report::COLUMNS.contains(&column.as_str()));
        let of = [None; Field::ALL.len()];
        let mut columns = Self { names, of, properties: Vec::new(), told: Arc::default(), is_report };
        for n in 0..columns.names.len() {
            let meaning = options.meaning(columns.name(n), is_export)?;
            let (what, other) = match meaning {
                Meaning::Field(field) => (field.name().to_owned(), columns.of[field as usize].replace(n)),
                Meaning::Property(name) => columns.add_property(n, name, definitions)?,
                Meaning::Skipped => continue,
            };
            if let Some(other) = other {
                let what = format!("is {what}, and so is column {}", columns.name(other));
                return Err(Error::field(header_path(columns.name(n)), what));
            }
        }
        for (column, _) in &options.columns {
            if !columns.names.contains(column) {
                return Err(Error::field(option_path(column), "is no column of the file"));
            }
        }
        columns.require(options)?;
        columns.told = columns.properties.iter().map(|column| column.name.clone()).collect();
        Ok(columns)
    }

    /// Its name in the contract, and the column that is it already, if one is.
    fn add_property(
        &mut self,
        index: usize,
        name: PropertyName,
        definitions: &Definitions,
    ) -> Result<(String, Option<usize>), Error> {
        let unknown = || Error::field(header_path(self.name(index)), "is no property that is defined");
        let kind = definitions.get(&name).ok_or_else(unknown)?.kind;
        let other = self.properties.iter().find(|column| column.name == name).map(|column| column.index);
        let what = format!("{PROPERTY}{name}");
        self.properties.push(PropertyColumn { name, kind, index });
        Ok((what, other))
    }

    fn require(&self, options: &Options) -> Result<(), Error> {
        let missing = |field: Field, what: &str| Err(Error::field(header_path(field.name()), what));
        let has = |field| self.index(field).is_some();
        if !has(Field::OrderId) {
            return missing(Field::OrderId, "is required");
        }
        if !(has(Field::Email) || has(Field::Uid) || has(Field::ContactId)) {
            return missing(Field::Email, "is required, or else uid or contact_id");
        }
        if !has(Field::Revenue) {
            return missing(Field::Revenue, "is required");
        }
        if !has(Field::Currency) && options.currency.is_none() {
            return missing(Field::Currency, "is required, or else options.default_currency");
        }
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Which column is `field`.
    pub(super) fn index(&self, field: Field) -> Option<usize> {
        self.of[field as usize]
    }

    /// Columns of properties.
    pub(super) fn properties(&self) -> &[PropertyColumn] {
        &self.properties
    }

    /// The properties that the file tells of.
    pub(super) fn told_properties(&self) -> Arc<[PropertyName]> {
        Arc::clone(&self.told)
    }

    /// The names as one CSV record, for the report.
    pub(super) fn header(&self) -> Vec<u8> {
        let names = self.names.iter().skip(if self.is_report { report::COLUMNS.len() } else { 0 });
        record(names)
    }

    /// A record as it was sent, without what a report had put before it.
    pub(super) fn without_report<'r>(&self, sent: &'r [u8]) -> &'r [u8] {
        if self.is_report { report::behind(sent) } else { sent }
    }

    /// Name of the column that a path of an order is about, such as `order.customer.email` or `order.properties[size]`;
    /// empty if there is none.
    pub(super) fn name_at(&self, path: &str) -> &str {
        let property = path.strip_prefix("order.properties[").and_then(|rest| rest.strip_suffix(']'));
        match property {
            Some(name) => {
                let column = self.properties.iter().find(|column| column.name.as_str() == name);
                column.map_or("", |column| self.name(column.index))
            }
            None => Field::from_path(path).map_or("", |field| self.name_of(field)),
        }
    }

    /// Name of a column as the header has it.
    pub(super) fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    /// Name of the column that is `field`; empty if there is none.
    pub(super) fn name_of(&self, field: Field) -> &str {
        self.index(field).map_or("", |index| self.name(index))
    }
}

/// The options in one form; none of the texts holds a NUL that would be taken for an end.
fn canonical(wire: &ImportOrdersOptions) -> Vec<u8> {
    let mut columns: Vec<(&str, &str)> = wire.columns.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    columns.sort_unstable();
    let columns = columns.into_iter().flat_map(|(column, name)| [column, name]);
    let conflict = wire.on_conflict().as_str_name();
    let texts = columns.chain(["\u{1}", &wire.default_currency, &wire.default_source, conflict]);
    let texts = texts.chain(wire.dry_run.then_some("dry run"));
    texts.flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect()
}

fn header_path(column: &str) -> String {
    format!("header.{column}")
}

fn option_path(column: &str) -> String {
    format!("options.columns[{column}]")
}

#[cfg(test)]
mod tests;
