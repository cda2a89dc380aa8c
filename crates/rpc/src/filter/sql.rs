//! A checked filter as a condition of a statement. What comes from the caller is bound; what is written out comes
//! from the list's table of fields and from this file.

use std::sync::LazyLock;

use pg::sqlx::{Postgres, QueryBuilder};
use types::Currency;

use super::Kind;
use super::ast::Comparator;
use super::check::{Asked, Condition, Operand, Test};

/// Writes the condition, in parentheses.
pub(super) fn write(query: &mut QueryBuilder<Postgres>, condition: &Condition) {
    query.push("(");
    match condition {
        Condition::All(parts) => join(query, parts, " AND "),
        Condition::Any(parts) => join(query, parts, " OR "),
        // of an absent value nothing holds, so that its contrary does
        Condition::Not(part) => {
            write(query, part);
            query.push(" IS NOT TRUE");
        }
        Condition::Test(asked, test) => write_test(query, asked, test),
    }
    query.push(")");
}

fn join(query: &mut QueryBuilder<Postgres>, parts: &[Condition], by: &str) {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            query.push(by);
        }
        write(query, part);
    }
}

fn write_test(query: &mut QueryBuilder<Postgres>, field: &Asked, test: &Test) {
    match test {
        Test::Present => {
            query.push(&*field.sql).push(match field.kind {
                Kind::Text | Kind::Form { .. } | Kind::Names(_) => " <> ''",
                Kind::Texts => " <> '{}'",
                _ => " IS NOT NULL",
            });
        }
        Test::Has(text) => {
            query.push_bind(text).push(" = ANY (").push(&*field.sql).push(")");
        }
        Test::Compare(comparator, operand) => {
            query.push(&*field.sql).push(operator(*comparator));
            bind(query, operand);
            if let Kind::Money { currency } = field.kind {
                query.push(" * ").push(minor_per_major(currency));
            }
        }
    }
}

fn operator(comparator: Comparator) -> &'static str {
    match comparator {
        Comparator::Eq | Comparator::Has => " = ",
        // an absent value is another one
        Comparator::Ne => " IS DISTINCT FROM ",
        Comparator::Lt => " < ",
        Comparator::Le => " <= ",
        Comparator::Gt => " > ",
        Comparator::Ge => " >= ",
    }
}

fn bind(query: &mut QueryBuilder<Postgres>, operand: &Operand) {
    match operand {
        Operand::Text(text) => query.push_bind(text),
        Operand::Id(id) => query.push_bind(*id),
        Operand::Number(number) => query.push_bind(*number),
        // exact: the stored minor units are compared with a numeric, and nothing is rounded
        Operand::Decimal(digits) => query.push_bind(digits).push("::numeric"),
        Operand::Flag(flag) => query.push_bind(*flag),
        Operand::Time(at) => query.push_bind(*at),
    };
}

/// Minor units in a major unit of the currency that this expression is.
fn minor_per_major(currency: &str) -> String {
    static OTHERS: LazyLock<String> = LazyLock::new(|| {
        let unusual = Currency::all().filter(|currency| currency.exponent() != 2);
        let case = |known: Currency| format!(" WHEN '{}' THEN {}", known.code(), known.minor_per_major());
        unusual.map(case).collect::<Vec<_>>().concat()
    });
    format!("CASE {currency}{} ELSE 100 END", *OTHERS)
}
