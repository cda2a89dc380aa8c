//! The header of a file: which column is which field; and the cells of its rows.

use sha2::{Digest, Sha256};
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;
use tonic::Code;
use types::Timestamp;

use super::{Fields, Malformed};
use crate::{Error, Reason};

/// What a column is mapped to that is to be skipped.
const SKIP: &str = "-";

/// What a kind of file has.
#[derive(Debug)]
pub struct Layout {
    /// Names of the fields.
    pub fields: &'static [&'static str],
    /// Columns that only an export has: of a file that has all of them they are skipped.
    pub only_exported: &'static [&'static str],
}

/// A column of the file -> a field, or `-`.
pub type Mapping = Vec<(String, String)>;

/// The columns of a file.
#[derive(Debug, Clone)]
pub struct Columns {
    fields: &'static [&'static str],
    /// As the header names them.
    names: Vec<String>,
    /// Column of each field.
    of: Vec<Option<usize>>,
}

/// What is wrong with a row, and where.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The column at fault, as the header names it; empty if the row as a whole is.
    pub column: String,
    /// What is wrong; boxed, since it is rare.
    pub error: Box<Error>,
}

impl Columns {
    /// Reads the header of a file of this layout, some of whose columns are mapped; every mistake names its column.
    pub fn read(
        header: Result<Fields<'_>, Malformed>,
        layout: &'static Layout,
        mapping: &Mapping,
    ) -> Result<Self, Error> {
        let header = header.map_err(|malformed| match malformed.column() {
            Some(n) => Error::field(format!("header[{n}]"), format!("is not well-formed: {malformed}")),
            None => Error::field("header", malformed),
        })?;
        let name = |(n, bytes)| match std::str::from_utf8(bytes) {
            Ok(name) => Ok(name.trim().to_owned()),
            Err(_) => Err(Error::field(format!("header[{n}]"), "is not UTF-8")),
        };
        let names = header.iter().enumerate().map(name).collect::<Result<Vec<String>, Error>>()?;
        let mut columns = Self { fields: layout.fields, of: vec![None; layout.fields.len()], names };
        columns.assign(layout, mapping)?;
        let absent = mapping.iter().find(|(column, _)| !columns.names.contains(column));
        match absent {
            Some((column, _)) => Err(Error::field(mapped(column), "is no column of the file")),
            None => Ok(columns),
        }
    }

    fn assign(&mut self, layout: &Layout, mapping: &Mapping) -> Result<(), Error> {
        // somebody's own file may well have one of these, which is not to be lost without a word
        let is_export =
            layout.only_exported.iter().all(|column| self.names.iter().any(|name| name == column));
        for (n, name) in self.names.iter().enumerate() {
            let given = mapping.iter().find(|(column, _)| column == name);
            let field = given.map_or(name.as_str(), |(_, field)| field.as_str());
            let is_skipped = given.is_some() && field == SKIP
                || given.is_none() && is_export && layout.only_exported.contains(&field);
            if is_skipped {
                continue;
            }
            let Some(place) = self.fields.iter().position(|known| *known == field) else {
                let (path, what) = match given {
                    Some(_) => (mapped(name), "names no field of an import"),
                    None => (titled(name), "is no field of an import"),
                };
                return Err(Error::field(path, what));
            };
            if let Some(other) = self.of.get_mut(place).and_then(|of| of.replace(n)) {
                let other = self.names.get(other).map_or("", String::as_str);
                let what = if other == name {
                    "is there twice".to_owned()
                } else {
                    format!("is {field}, and so is column {other}")
                };
                return Err(Error::field(titled(name), what));
            }
        }
        Ok(())
    }

    /// INVALID_FIELD unless the file has one of these fields; it is about the first.
    pub fn require(&self, fields: &[&str], what: &str) -> Result<(), Error> {
        let has_one = fields.iter().any(|field| self.index(field).is_some());
        let path = titled(fields.first().copied().unwrap_or_default());
        if has_one { Ok(()) } else { Err(Error::field(path, what)) }
    }

    /// The cells of a row.
    pub fn cells<'a>(&'a self, record: Result<Fields<'a>, Malformed>) -> Result<Cells<'a>, Fault> {
        let whole = |what: String| Fault {
            column: String::new(),
            error: Box::new(Error::new(Code::InvalidArgument, Reason::InvalidField, what)),
        };
        let record = record.map_err(|malformed| match malformed.column() {
            Some(n) => {
                let column = self.names.get(n).cloned().unwrap_or_default();
                Fault { error: Box::new(Error::field(column.clone(), malformed)), column }
            }
            None => whole(format!("the row {malformed}")),
        })?;
        if record.len() != self.names.len() {
            let (has, all) = (record.len(), self.names.len());
            return Err(whole(format!("the row has {has} fields, the header {all}")));
        }
        Ok(Cells { columns: self, cells: record.iter().collect() })
    }

    /// An error about a field, as one about its column.
    pub fn fault(&self, error: Error) -> Fault {
        Fault { column: self.name_of(error.first_field()).to_owned(), error: Box::new(error) }
    }

    /// Name of a field's column, as the header has it; empty if there is none.
    pub fn name_of(&self, field: &str) -> &str {
        self.index(field).and_then(|n| self.names.get(n)).map_or("", String::as_str)
    }

    fn index(&self, field: &str) -> Option<usize> {
        let place = self.fields.iter().position(|known| *known == field)?;
        self.of.get(place).copied().flatten()
    }
}

/// The cells of one row, by their fields.
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    columns: &'a Columns,
    cells: Vec<&'a [u8]>,
}

impl<'a> Cells<'a> {
    /// The text of a field, without spaces at its ends; empty if the file has no such column.
    pub fn text(&self, field: &str) -> Result<&'a str, Error> {
        let bytes = self.columns.index(field).and_then(|n| self.cells.get(n)).copied().unwrap_or_default();
        std::str::from_utf8(bytes).map(str::trim).map_err(|_| Error::field(field, "is not UTF-8"))
    }

    /// The moment that a field is, as RFC 3339 writes it.
    pub fn moment(&self, field: &str) -> Result<Option<Timestamp>, Error> {
        let text = self.text(field)?;
        if text.is_empty() {
            return Ok(None);
        }
        let odd = || Error::field(field, "is not a time such as 2025-01-31T12:00:00Z (RFC 3339)");
        let at = Timestamp::parse(text, &Rfc3339).map_err(|_| odd())?;
        let at = at.checked_to_offset(UtcOffset::UTC).filter(|at| at.year() >= 1).ok_or_else(odd)?;
        at.replace_microsecond(at.microsecond()).map(Some).map_err(|_| odd())
    }

    /// Stands for all that the row says, field by field, wherever its columns are.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for place in &self.columns.of {
            let cell = place.and_then(|n| self.cells.get(n)).copied().unwrap_or_default();
            hash.update(cell.len().to_le_bytes());
            hash.update(cell);
        }
        hash.finalize().into()
    }
}

fn titled(column: &str) -> String {
    format!("header.{column}")
}

fn mapped(column: &str) -> String {
    format!("options.columns[{column}]")
}

#[cfg(test)]
mod tests {
    use super::super::RecordReader;
    use super::*;

    const LAYOUT: Layout = Layout { fields: &["who", "when", "what"], only_exported: &["since", "until"] };

    fn read(header: &str, mapping: &[(&str, &str)]) -> Result<Columns, Error> {
        let mapping = mapping.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let mut reader = RecordReader::new();
        let line = format!("{header}\n");
        let record = reader.next(&mut line.as_bytes()).unwrap();
        Columns::read(record.fields, &LAYOUT, &mapping)
    }

    /// What the row of a file says in this field.
    fn cell(columns: &Columns, row: &str, field: &str) -> Result<String, Error> {
        let mut reader = RecordReader::new();
        let line = format!("{row}\n");
        let record = reader.next(&mut line.as_bytes()).unwrap();
        columns.cells(record.fields).map_err(|fault| *fault.error)?.text(field).map(str::to_owned)
    }

    #[test]
    fn columns_are_told_by_name_by_mapping_and_skipped_if_that_is_said() {
        let columns = read("Notes,when, Person ", &[("Person", "who"), ("Notes", "-")]).unwrap();
        assert_eq!(cell(&columns, "x,now, ann ", "who").unwrap(), "ann");
        assert_eq!(cell(&columns, "x,now,ann", "what").unwrap(), "");
        assert_eq!((columns.name_of("who"), columns.name_of("what")), ("Person", ""));
        let fault = columns.fault(Error::field("who", "is odd"));
        assert_eq!((fault.column.as_str(), fault.error.message()), ("Person", "who is odd"));
    }

    #[test]
    fn what_only_an_export_has_is_skipped_in_an_export_alone() {
        assert!(read("who,since,until", &[]).is_ok());
        assert_eq!(read("who,since", &[]).unwrap_err().first_field(), "header.since");
    }

    #[test]
    fn every_mistake_of_a_header_names_its_column() {
        for (header, mapping, path) in [
            ("who,colour", &[][..], "header.colour"),
            ("who,-", &[], "header.-"),
            ("who,who", &[], "header.who"),
            ("who,Person", &[("Person", "who")], "header.Person"),
            ("who", &[("Person", "who")], "options.columns[Person]"),
            ("who,Person", &[("Person", "name")], "options.columns[Person]"),
            ("who,wh\"en", &[], "header[1]"),
        ] {
            assert_eq!(read(header, mapping).unwrap_err().first_field(), path, "{header}");
        }
        let columns = read("when", &[]).unwrap();
        assert_eq!(columns.require(&["who", "what"], "is required").unwrap_err().first_field(), "header.who");
        assert!(columns.require(&["who", "when"], "is required").is_ok());
    }

    #[test]
    fn the_digest_of_a_row_is_the_same_wherever_its_columns_are_and_no_two_rows_share_one() {
        let digest = |header: &str, row: &str| {
            let columns = read(header, &[]).unwrap();
            let mut reader = RecordReader::new();
            let line = format!("{row}\n");
            let record = reader.next(&mut line.as_bytes()).unwrap();
            columns.cells(record.fields).unwrap().digest()
        };
        assert_eq!(digest("who,what", "a,b"), digest("what,who", "b,a"));
        assert_ne!(digest("who,what", "a,b"), digest("who,what", "ab,"));
        assert_ne!(digest("who,what", "a,"), digest("who,what", ",a"));
    }

    #[test]
    fn a_row_of_another_length_is_told_as_a_whole_and_a_quote_by_its_column() {
        let columns = read("who,when", &[]).unwrap();
        let error = cell(&columns, "a,b,c", "who").unwrap_err();
        assert_eq!((error.message(), error.first_field()), ("the row has 3 fields, the header 2", ""));
        let mut reader = RecordReader::new();
        let record = reader.next(&mut &b"a,b\"c\n"[..]).unwrap();
        assert_eq!(columns.cells(record.fields).unwrap_err().column, "when");
    }
}
