//! Inserts that travel together.
//!
//! A round trip costs about as much as the work of a small insert, and a slice inserts into several tables. What it adds
//! is collected here and sent as one statement, `WITH w1 AS (INSERT ...), w2 AS (INSERT ...) SELECT`.

use std::fmt::Write;

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::{Arguments, AssertSqlSafe, Encode, Type};

use crate::{Error, WriteTx};

/// Inserts of one slice, collected. All of them see the database as it is before the first: they go to different tables,
/// or at least to different rows, and what is to be changed or removed first is done before they are sent. Foreign keys
/// between them are fine.
#[derive(Debug, Default)]
pub struct Inserts {
    statements: Vec<String>,
    select: Option<String>,
    arguments: PgArguments,
    unencodable: Option<sqlx::Error>,
}

impl Inserts {
    /// Adds an INSERT; its own arguments are numbered from `$1`, and are to be bound in that order before the next.
    pub fn add(&mut self, insert: &'static str) -> &mut Self {
        self.statements.push(renumber(insert, self.arguments.len()));
        self
    }

    /// Adds an expression that is evaluated after them, for its effect.
    pub fn and_select(&mut self, expression: &'static str) -> &mut Self {
        self.select = Some(renumber(expression, self.arguments.len()));
        self
    }

    /// Binds the next argument.
    pub fn bind<'t, T: Encode<'t, Postgres> + Type<Postgres>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.unencodable = Some(sqlx::Error::Encode(error));
        }
        self
    }

    /// Whether there is nothing to insert.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Sends them. Nothing is sent if there is nothing.
    pub async fn send(self, tx: &mut WriteTx) -> Result<(), Error> {
        if let Some(error) = self.unencodable {
            return Err(error.into());
        }
        if self.statements.is_empty() {
            return Ok(());
        }
        let mut sql = String::with_capacity(self.statements.iter().map(|i| i.len() + 16).sum());
        for (n, insert) in self.statements.iter().enumerate() {
            let lead = if n == 0 { "WITH" } else { "," };
            // writing to a String never fails
            let _ = write!(sql, "{lead} w{n} AS ({insert})");
        }
        sql.push_str(" SELECT ");
        sql.push_str(self.select.as_deref().unwrap_or_default());
        // the parts are our own texts; values travel as arguments
        sqlx::query_with(AssertSqlSafe(sql), self.arguments).execute(&mut **tx).await?;
        Ok(())
    }
}

/// `$1` becomes `$4` behind three arguments.
fn renumber(sql: &str, by: usize) -> String {
    let mut parts = sql.split('$');
    let mut renumbered = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let _ = match number.parse::<usize>() {
            Ok(number) => write!(renumbered, "${}{rest}", number + by),
            Err(_) => write!(renumbered, "${part}"),
        };
    }
    renumbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_numbered_on() {
        assert_eq!(renumber("unnest($1::text[], $12, $2)", 3), "unnest($4::text[], $15, $5)");
        assert_eq!(renumber("SELECT 1", 3), "SELECT 1");
    }
}
