//! What a filter says about the fields of a list, with values of their types.

use std::borrow::Cow;

use time::format_description::well_known::Rfc3339;
use types::Timestamp;
use uuid::Uuid;

use super::ast::{Comparator, Expr, Restriction, Value};
use super::{Family, Field, Kind, Mistake, Names};

/// A filter that fits its list.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(Asked, Test),
}

/// A field that is asked of.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    /// The expression it is in the list's statement.
    pub(super) sql: Cow<'static, str>,
}

/// What is asked of a field.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// It has a value.
    Present,
    /// It holds this text.
    Has(String),
    /// It compares so.
    Compare(Comparator, Operand),
}

/// A value of a field's type.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Text(String),
    Id(Uuid),
    Number(i64),
    /// An exact decimal, in digits.
    Decimal(String),
    Flag(bool),
    Time(Timestamp),
}

/// Checks a filter against the fields of its list.
pub(super) fn check(fields: &'static [Field], family: &Family, expr: Expr) -> Result<Condition, Mistake> {
    let all = |parts: Vec<Expr>| {
        parts.into_iter().map(|part| check(fields, family, part)).collect::<Result<_, _>>()
    };
    Ok(match expr {
        Expr::And(parts) => Condition::All(all(parts)?),
        Expr::Or(parts) => Condition::Any(all(parts)?),
        Expr::Not(part) => Condition::Not(Box::new(check(fields, family, *part)?)),
        Expr::Is(restriction) => {
            let Some(asked) = find(fields, family, &restriction.member) else {
                let names = fields.iter().map(|field| field.name.to_owned());
                let members = family.members.iter().map(|(member, ..)| format!("{}.{member}", family.name));
                let names: Vec<_> = names.chain(members).collect();
                return Err(Mistake::new(restriction.at.0, format!("expected one of {}", names.join(", "))));
            };
            let test = test(asked.kind, restriction)?;
            Condition::Test(asked, test)
        }
    })
}

/// The field that a filter names, in the parts between its dots.
fn find(fields: &'static [Field], family: &Family, member: &[String]) -> Option<Asked> {
    let name = member.join(".");
    if let Some(field) = fields.iter().find(|field| field.name == name) {
        return Some(Asked { kind: field.kind, sql: field.sql.into() });
    }
    let [of, member] = member else { return None };
    let (_, kind, sql) = family.members.iter().find(|(name, ..)| of == family.name && name == member)?;
    Some(Asked { kind: *kind, sql: sql.clone().into() })
}

fn test(kind: Kind, Restriction { comparator, value, at, .. }: Restriction) -> Result<Test, Mistake> {
    if comparator == Comparator::Has {
        if !value.quoted && value.text == "*" {
            return Ok(Test::Present);
        }
        if matches!(kind, Kind::Texts | Kind::Linked { .. }) {
            return Ok(Test::Has(value.text));
        }
    }
    let signs = signs(&kind);
    if !signs.contains(&comparator) {
        let mut signs: Vec<_> = signs.iter().map(|sign| format!("`{}`", sign.sign())).collect();
        signs.push("`:*`".to_owned());
        return Err(Mistake::new(at.1, format!("expected one of {}", signs.join(" "))));
    }
    let operand = operand(&kind, &value);
    let operand = operand.map_err(|what| Mistake::new(value.at, format!("expected {what}")))?;
    Ok(Test::Compare(comparator, operand))
}

/// The comparators a kind takes; `:*` it always takes.
fn signs(kind: &Kind) -> &'static [Comparator] {
    use Comparator::{Eq, Ge, Gt, Has, Le, Lt, Ne};
    match kind {
        Kind::Text | Kind::Form { .. } | Kind::Id | Kind::Enum(_) | Kind::Names(_) | Kind::Boolean => {
            &[Eq, Ne]
        }
        Kind::Money { .. } | Kind::Integer | Kind::Decimal | Kind::Timestamp | Kind::Recorded { .. } => {
            &[Eq, Ne, Lt, Le, Gt, Ge]
        }
        Kind::Texts | Kind::Linked { .. } => &[Has],
    }
}

/// The value as one of this kind, or what was expected.
fn operand(kind: &Kind, value: &Value) -> Result<Operand, String> {
    let text = value.text.as_str();
    let bare = (!value.quoted).then_some(text);
    match kind {
        Kind::Text | Kind::Texts | Kind::Linked { .. } => Ok(Operand::Text(text.to_owned())),
        Kind::Form { what, read } => read(text).map(Operand::Text).ok_or_else(|| (*what).to_owned()),
        Kind::Id => text.parse().map(Operand::Id).map_err(|_| "a UUID".to_owned()),
        Kind::Enum(names) => named(*names, text).map(|(number, _)| Operand::Number(number.into())),
        Kind::Names(names) => named(*names, text).map(|(_, name)| Operand::Text(name.to_owned())),
        Kind::Money { .. } => bare
            .filter(|text| is_decimal(text))
            .map(|text| Operand::Decimal(text.to_owned()))
            .ok_or_else(|| "an amount such as 12.34, without quotes".to_owned()),
        Kind::Decimal => bare
            .filter(|text| is_decimal(text))
            .map(|text| Operand::Decimal(text.to_owned()))
            .ok_or_else(|| "a decimal such as 12.34, without quotes".to_owned()),
        Kind::Integer => bare
            .and_then(|text| text.parse().ok())
            .map(Operand::Number)
            .ok_or_else(|| "a whole number of 64 bits, without quotes".to_owned()),
        Kind::Boolean => bare
            .and_then(|text| text.parse().ok())
            .map(Operand::Flag)
            .ok_or_else(|| "true or false, without quotes".to_owned()),
        Kind::Timestamp | Kind::Recorded { .. } => time_of(text).map(Operand::Time).ok_or_else(|| {
            "a time with its offset, such as 2025-01-31T12:00:00Z, from year 1 to 9999".to_owned()
        }),
    }
}

/// The value of an enum by its name, with or without the prefix all of them have; not the one that says nothing.
fn named(names: Names, text: &str) -> Result<(i32, &'static str), String> {
    let prefix = names(0).and_then(|name| name.strip_suffix("UNSPECIFIED")).unwrap_or_default();
    let all = || (1..).map_while(|n| names(n).map(|name| (n, name.strip_prefix(prefix).unwrap_or(name))));
    let wanted = text.strip_prefix(prefix).unwrap_or(text);
    all()
        .find(|(_, name)| *name == wanted)
        .ok_or_else(|| format!("one of {}", all().map(|(_, name)| name).collect::<Vec<_>>().join(", ")))
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

/// Whole microseconds, as all times are that come in.
fn time_of(text: &str) -> Option<Timestamp> {
    let at = Timestamp::parse(text, &Rfc3339).ok()?.checked_to_offset(time::UtcOffset::UTC)?;
    at.replace_nanosecond(at.nanosecond() / 1000 * 1000).ok().filter(|at| (1..=9999).contains(&at.year()))
}
