//! Filters of lists (AIP-160): text to a condition on the fields that a list declares, and that to SQL with bound
//! parameters. Whatever is wrong is INVALID_ARGUMENT on `filter`, and says at which character, counted from 1, and what was
//! expected there. `docs/clients.md` has the grammar by example.

mod ast;
mod check;
mod lexer;
mod parser;
mod sql;
#[cfg(test)]
mod tests;

use pg::sqlx::{Postgres, QueryBuilder};
use tonic::Code;

use crate::{Error, Reason};
use check::Condition;

/// Bytes of a filter, at most.
pub const MAX_BYTES: usize = 2000;

/// A field that a list can be filtered by. Each list declares its fields once, as a constant beside its statement.
#[derive(Debug)]
pub struct Field {
    /// The name in filters: that of the resource's field, with dots within a message.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The expression it is in the list's statement. An absent value is NULL, or an empty text.
    pub sql: &'static str,
}

/// The name of an enum's value by its number; none beyond the last.
pub type Names = fn(i32) -> Option<&'static str>;

/// The [`Names`](crate::filter::Names) of a generated enum.
#[macro_export]
macro_rules! enum_names {
    ($name:path) => {
        |number| <$name>::try_from(number).ok().map(|value| value.as_str_name())
    };
}

/// Fields that a list has beside those it declares, such as those that a tenant defines: `name.member`.
#[derive(Debug, Default)]
pub struct Family {
    /// What comes before the dot.
    pub name: &'static str,
    /// Each member's own name, what its values are, and the expression it is in the list's statement. That holds nothing that
    /// a caller chooses freely.
    pub members: Vec<(String, Kind, String)>,
}

/// What the values of a field are, and so how they compare. Every kind takes `:*`: there is a value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A text, equal or not.
    Text,
    /// A text of a form, stored as `read` gives it; `what` it is follows "expected".
    Form {
        /// Such as "an e-mail address".
        what: &'static str,
        /// The text as it is stored; none if it has not the form.
        read: fn(&str) -> Option<String>,
    },
    /// A UUID.
    Id,
    /// An enum of the contract, stored by number.
    Enum(Names),
    /// An enum of the contract, stored by its names without their prefix.
    Names(Names),
    /// An amount of money, stored in minor units, and compared exactly as a decimal of whatever currency it has.
    Money {
        /// The expression its currency's code is.
        currency: &'static str,
    },
    /// A whole number.
    Integer,
    /// An exact decimal.
    Decimal,
    /// True or false.
    Boolean,
    /// A moment.
    Timestamp,
    /// The moment a row was recorded, whose id was made then (UUIDv7): what is asked of it is asked of the id, too, by which a
    /// list goes.
    Recorded {
        /// The expression the id is.
        id: &'static str,
    },
    /// A list of texts, asked for one it has: `tags:vip`.
    Texts,
    /// The same, where each text is in a row of another table, so that an index finds whoever has it.
    Linked {
        /// The statement, up to the text, that has rows for who has it.
        find: &'static str,
    },
}

/// A filter that fits its list; the default lets all pass.
#[derive(Debug, Clone, Default)]
pub struct Filter(Option<Condition>);

impl Filter {
    /// Reads the `filter` of a list with these fields. INVALID_FIELD on `filter` if it is none.
    pub fn read(fields: &'static [Field], text: &str) -> Result<Self, Error> {
        Self::read_with(fields, &Family::default(), text)
    }

    /// The same, with fields of a family beside them.
    pub fn read_with(fields: &'static [Field], family: &Family, text: &str) -> Result<Self, Error> {
        read(fields, family, text).map_err(|mistake| {
            Error::field("filter", format_args!("at character {}: {}", mistake.at, mistake.what))
        })
    }

    /// Whether it lets all pass. Only then is the statement worth keeping prepared: filters have as many forms as callers
    /// think of, and would push others out of a connection's memory.
    pub fn is_blank(&self) -> bool {
        self.0.is_none()
    }

    /// What a caller is told of a page that could not be read. One that took longer than a statement may is the filter's doing: it
    /// has to read too much, and would again.
    pub fn refused(&self, error: pg::Error) -> Error {
        if self.is_blank() || !error.is_statement_timeout() {
            return error.into();
        }
        let message = "the filter takes too long: narrow it by what few rows have, such as a campaign, a contact or an id";
        Error::new(Code::ResourceExhausted, Reason::QueryTooCostly, message)
    }

    /// Adds the condition to a statement that has a WHERE already.
    pub fn narrow(&self, query: &mut QueryBuilder<Postgres>) {
        if let Some(condition) = &self.0 {
            query.push(" AND ");
            sql::write(query, condition);
        }
    }
}

/// What is wrong with a filter, and where. It quotes nothing of it: a filter may hold personal data.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    /// Characters, from 1.
    at: usize,
    what: String,
}

impl Mistake {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self { at, what: what.into() }
    }
}

fn read(fields: &'static [Field], family: &Family, text: &str) -> Result<Filter, Mistake> {
    if text.len() > MAX_BYTES {
        return Err(Mistake::new(1, format!("expected at most {MAX_BYTES} bytes")));
    }
    // Postgres cannot store it, so that nothing has it
    if let Some(at) = text.chars().position(|c| c == '\0') {
        return Err(Mistake::new(at + 1, "expected no NUL"));
    }
    let expr = parser::parse(text)?;
    let condition = expr.map(|expr| check::check(fields, family, expr)).transpose()?;
    Ok(Filter(condition))
}
