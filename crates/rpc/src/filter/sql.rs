//! A checked filter as a condition of a statement. What comes from the caller is bound; what is written out comes
//! from the list's table of fields and from this file.

use std::sync::LazyLock;

use pg::sqlx::{Postgres, QueryBuilder};
use types::{Currency, Timestamp};
use uuid::Uuid;

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
                Kind::Texts | Kind::Linked { .. } => " <> '{}'",
                _ => " IS NOT NULL",
            });
        }
        Test::Has(text) => match field.kind {
            Kind::Linked { find } => {
                query.push("EXISTS (").push(find).push_bind(text).push(")");
            }
            _ => {
                query.push_bind(text).push(" = ANY (").push(&*field.sql).push(")");
            }
        },
        Test::Compare(comparator, operand) => {
            query.push(&*field.sql).push(operator(*comparator));
            bind(query, operand);
            match field.kind {
                Kind::Money { currency } => {
                    query.push(" * ").push(minor_per_major(currency));
                    if is_above_zero(*comparator, operand) {
                        // follows from it, and lets an index of such rows serve it
                        query.push(" AND ").push(&*field.sql).push(" > 0");
                    }
                }
                Kind::Recorded { id } => write_bounds(query, id, *comparator, operand),
                _ => {}
            }
        }
    }
}

/// Whether only amounts above zero are asked for.
fn is_above_zero(comparator: Comparator, operand: &Operand) -> bool {
    let Operand::Decimal(digits) = operand else { return false };
    let is_positive = !digits.starts_with('-') && digits.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let is_zero = digits.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
    match comparator {
        Comparator::Gt => is_positive || is_zero,
        Comparator::Ge | Comparator::Eq => is_positive,
        Comparator::Ne | Comparator::Lt | Comparator::Le | Comparator::Has => false,
    }
}

/// How far ids may be ahead of the clock: one process makes them in order also when its clock is set back.
const AHEAD: time::Duration = time::Duration::DAY;

/// What follows for an id from the moment it was made.
fn write_bounds(
    query: &mut QueryBuilder<Postgres>,
    id: &'static str,
    comparator: Comparator,
    operand: &Operand,
) {
    let Operand::Time(at) = operand else { return };
    let (from, to) = match comparator {
        Comparator::Gt | Comparator::Ge => (true, false),
        Comparator::Lt | Comparator::Le => (false, true),
        Comparator::Eq => (true, true),
        Comparator::Ne | Comparator::Has => return,
    };
    if from {
        query.push(" AND ").push(id).push(" >= ").push_bind(first_id(*at));
    }
    if let Some(end) = at.checked_add(AHEAD).filter(|_| to) {
        query.push(" AND ").push(id).push(" < ").push_bind(first_id(end));
    }
}

/// The least UUIDv7 of a moment.
fn first_id(at: Timestamp) -> Uuid {
    let millis = at.unix_timestamp_nanos().max(0) / 1_000_000;
    Uuid::from_u128((u128::try_from(millis).unwrap_or_default() << 80) | (0x7000 << 64))
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
