//! What a filter says, before its fields are known.

use std::fmt;

/// A filter, or a part of it that stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    /// All of them: `a AND b`, or just `a b`.
    And(Vec<Expr>),
    /// Any of them: `a OR b`.
    Or(Vec<Expr>),
    /// Not that: `NOT a` or `-a`.
    Not(Box<Expr>),
    /// One comparison.
    Is(Restriction),
}

/// A field compared with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Restriction {
    /// The member, in the parts between its dots.
    pub(super) member: Vec<String>,
    pub(super) comparator: Comparator,
    pub(super) value: Value,
    /// Where the member and the comparator begin: characters, from 1.
    pub(super) at: (usize, usize),
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) quoted: bool,
    /// Where it begins.
    pub(super) at: usize,
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Has,
}

impl Comparator {
    /// As it is written.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Has => ":",
        }
    }
}

/// The text that parses to the same again.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => join(f, parts, " AND ", |part| matches!(part, Self::And(_))),
            Self::Or(parts) => join(f, parts, " OR ", |part| matches!(part, Self::And(_) | Self::Or(_))),
            Self::Not(part) => {
                f.write_str("NOT ")?;
                nested(f, part, !matches!(**part, Self::Is(_)))
            }
            Self::Is(restriction) => write!(f, "{restriction}"),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Expr], by: &str, loose: impl Fn(&Expr) -> bool) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            f.write_str(by)?;
        }
        nested(f, part, loose(part))?;
    }
    Ok(())
}

fn nested(f: &mut fmt::Formatter<'_>, part: &Expr, loose: bool) -> fmt::Result {
    if loose { write!(f, "({part})") } else { write!(f, "{part}") }
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.member.iter().enumerate() {
            if n > 0 {
                f.write_str(".")?;
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let keyword = matches!(part.as_str(), "AND" | "OR" | "NOT");
            if !part.is_empty() && part.chars().all(plain) && !keyword {
                f.write_str(part)?;
            } else {
                quote(f, part)?;
            }
        }
        write!(f, " {} ", self.comparator.sign())?;
        if self.value.quoted { quote(f, &self.value.text) } else { f.write_str(&self.value.text) }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            _ => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}
