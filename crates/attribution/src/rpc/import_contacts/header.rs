//! The header of a file of contacts: which column is which field.

use proto::attribution::ImportContactsOptions;
use rpc::csv::{Fields, Malformed};
use rpc::properties::COLUMN;
use rpc::{Error, Reason};
use types::property::{Definitions, PropertyName, PropertyType};

/// Fields of a contact in a file, as the contract names them.
pub(super) const NAMES: [&str; 9] =
    ["email", "uid", "first_name", "last_name", "company", "locale", "tags", "status", "segments"];
/// What a column of the file is mapped to that is to be skipped.
const SKIP: &str = "-";

/// What a column of the file is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    /// One of [`NAMES`].
    Field(usize),
    Property(PropertyName),
    Skipped,
}

impl Meaning {
    /// What a name of the contract stands for.
    fn from_name(name: &str) -> Option<Self> {
        match (name, name.strip_prefix(COLUMN)) {
            (SKIP, _) => Some(Self::Skipped),
            (_, Some(property)) => property.parse().ok().map(Self::Property),
            (_, None) => NAMES.iter().position(|known| *known == name).map(Self::Field),
        }
    }
}

/// The columns of the file.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    names: Vec<String>,
    /// Column of each of [`NAMES`].
    fields: [Option<usize>; NAMES.len()],
    /// Columns of properties, with what their values are.
    properties: Vec<(PropertyName, PropertyType, usize)>,
}

impl Columns {
    /// Reads the header; every mistake names its column.
    pub(super) fn read(
        header: Result<Fields<'_>, Malformed>,
        options: &ImportContactsOptions,
        definitions: &Definitions,
    ) -> Result<Self, Error> {
        let header = header.map_err(|malformed| Error::field("header", malformed))?;
        let name = |(n, bytes)| match std::str::from_utf8(bytes) {
            Ok(name) => Ok(name.trim().to_owned()),
            Err(_) => Err(Error::field(format!("header[{n}]"), "is not UTF-8")),
        };
        let names = header.iter().enumerate().map(name).collect::<Result<Vec<String>, Error>>()?;
        let mut columns = Self { names, fields: [None; NAMES.len()], properties: Vec::new() };
        for n in 0..columns.names.len() {
            columns.add(n, options, definitions)?;
        }
        let mut mapped: Vec<&String> = options.columns.keys().collect();
        // a map has no order of its own: the same mistake gives the same answer
        mapped.sort_unstable();
        if let Some(column) = mapped.into_iter().find(|column| !columns.names.contains(column)) {
            return Err(Error::field(format!("options.columns[{column}]"), "is no column of the file"));
        }
        if columns.fields[0].is_none() && columns.fields[1].is_none() {
            return Err(Error::field("header.email", "is required, or else uid"));
        }
        Ok(columns)
    }

    fn add(
        &mut self,
        n: usize,
        options: &ImportContactsOptions,
        definitions: &Definitions,
    ) -> Result<(), Error> {
        let column = self.name(n).to_owned();
        let wrong = |what: String| Error::field(format!("header.{column}"), what);
        let mapped = options.columns.get(&column);
        let meaning = Meaning::from_name(mapped.unwrap_or(&column));
        let (what, other) = match meaning {
            // only a mapping can say that one is to be skipped
            Some(Meaning::Skipped) if mapped.is_some() => return Ok(()),
            None | Some(Meaning::Skipped) => {
                let what = "is no field of an import; map it to one in options.columns, or to `-` to skip it";
                return Err(wrong(what.to_owned()));
            }
            Some(Meaning::Field(field)) => (NAMES[field].to_owned(), self.fields[field].replace(n)),
            Some(Meaning::Property(name)) => {
                let defined = definitions.get(&name).map(|definition| definition.kind);
                let kind = defined.ok_or_else(|| wrong("is no property that is defined".to_owned()))?;
                let other = self.properties.iter().find(|(known, ..)| *known == name).map(|(.., at)| *at);
                let what = format!("{COLUMN}{name}");
                self.properties.push((name, kind, n));
                (what, other)
            }
        };
        match other {
            None => Ok(()),
            Some(other) => Err(wrong(format!("is {what}, and so is column {}", self.name(other)))),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Which column is the field of this name.
    pub(super) fn index(&self, field: &str) -> Option<usize> {
        NAMES.iter().position(|name| *name == field).and_then(|n| self.fields[n])
    }

    /// Columns of properties.
    pub(super) fn properties(&self) -> &[(PropertyName, PropertyType, usize)] {
        &self.properties
    }

    /// Name of a column as the header has it.
    pub(super) fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("", String::as_str)
    }

    /// Name of the column that is at fault, as the header has it; empty if none is.
    pub(super) fn at_fault(&self, error: &Error) -> &str {
        let of_reason = match error.reason() {
            Reason::SegmentNotFound | Reason::SegmentByRule => Some("segments"),
            Reason::ContactBanned => Some("status"),
            Reason::ContactConflict => Some("uid"),
            _ => None,
        };
        let path = of_reason.unwrap_or(error.first_field());
        let property = path.strip_prefix("properties[").and_then(|rest| rest.strip_suffix(']'));
        let index = match property {
            Some(name) => {
                self.properties.iter().find(|(known, ..)| known.as_str() == name).map(|(.., at)| *at)
            }
            // `add[3]` is one of the tags, `segment_ids[3]` one of the segments
            None => match path.split('[').next().unwrap_or_default() {
                "add" => self.index("tags"),
                "segment_ids" => self.index("segments"),
                field => self.index(field),
            },
        };
        index.map_or("", |index| self.name(index))
    }
}
