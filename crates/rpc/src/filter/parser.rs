//! Words to a filter, by recursive descent. The grammar is that of AIP-160, without bare literals, functions and
//! composite arguments:
//!
//! ```text
//! expression  = factor { ["AND"] factor }
//! factor      = term { "OR" term }              binds tighter than AND
//! term        = ["NOT" | "-"] ( restriction | "(" expression ")" )
//! restriction = member comparator value
//! ```

use std::iter::Peekable;
use std::vec::IntoIter;

use super::Mistake;
use super::ast::{Expr, Restriction};
use super::lexer::{self, Kind, Token};

/// Parentheses within each other, at most.
const DEPTH: usize = 32;
/// Comparisons, at most.
const RESTRICTIONS: usize = 64;

/// Reads a filter; none if the text is blank.
pub(super) fn parse(text: &str) -> Result<Option<Expr>, Mistake> {
    let tokens = lexer::tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), end, depth: 0, restrictions: 0 };
    let expr = parser.expression()?;
    match parser.tokens.next() {
        None => Ok(Some(expr)),
        Some(token) => Err(Mistake::new(token.at, "expected no `)`: none is open")),
    }
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    /// Where the text ends.
    end: usize,
    depth: usize,
    restrictions: usize,
}

impl Parser {
    fn expression(&mut self) -> Result<Expr, Mistake> {
        let mut all = vec![self.factor()?];
        while let Some(kind) = self.peek().filter(|kind| **kind != Kind::Close) {
            if *kind == Kind::And {
                self.tokens.next();
            }
            all.push(self.factor()?);
        }
        Ok(one_or(all, Expr::And))
    }

    fn factor(&mut self) -> Result<Expr, Mistake> {
        let mut any = vec![self.term()?];
        while self.peek() == Some(&Kind::Or) {
            self.tokens.next();
            any.push(self.term()?);
        }
        Ok(one_or(any, Expr::Or))
    }

    fn term(&mut self) -> Result<Expr, Mistake> {
        if matches!(self.peek(), Some(Kind::Not | Kind::Minus)) {
            self.tokens.next();
            return self.simple().map(|expr| Expr::Not(Box::new(expr)));
        }
        self.simple()
    }

    fn simple(&mut self) -> Result<Expr, Mistake> {
        match self.tokens.next() {
            Some(Token { kind: Kind::Member(member), at }) => self.restriction(member, at).map(Expr::Is),
            Some(Token { kind: Kind::Open, at }) => self.composite(at),
            other => Err(Mistake::new(other.map_or(self.end, |token| token.at), "expected a field or `(`")),
        }
    }

    fn composite(&mut self, at: usize) -> Result<Expr, Mistake> {
        if self.depth == DEPTH {
            return Err(Mistake::new(at, format!("expected at most {DEPTH} parentheses within each other")));
        }
        self.depth += 1;
        let expr = self.expression()?;
        self.depth -= 1;
        match self.tokens.next() {
            Some(Token { kind: Kind::Close, .. }) => Ok(expr),
            _ => Err(Mistake::new(at, "expected a `)` to this one")),
        }
    }

    fn restriction(&mut self, member: Vec<String>, at: usize) -> Result<Restriction, Mistake> {
        self.restrictions += 1;
        if self.restrictions > RESTRICTIONS {
            return Err(Mistake::new(at, format!("expected at most {RESTRICTIONS} comparisons")));
        }
        let next = self.tokens.next_if(|token| matches!(token.kind, Kind::Comparator(_)));
        let Some(Token { kind: Kind::Comparator(comparator), at: comparator_at }) = next else {
            return Err(Mistake::new(at, "expected a field, a comparator and a value, not a word alone"));
        };
        match self.tokens.next() {
            Some(Token { kind: Kind::Value(value), at: value_at }) => {
                if !value.quoted && matches!(value.text.as_str(), "AND" | "OR" | "NOT") {
                    return Err(Mistake::new(value_at, "expected a value; in quotes if this word is meant"));
                }
                Ok(Restriction { member, comparator, value, at: (at, comparator_at) })
            }
            other => Err(Mistake::new(other.map_or(self.end, |token| token.at), "expected a value")),
        }
    }

    fn peek(&mut self) -> Option<&Kind> {
        self.tokens.peek().map(|token| &token.kind)
    }
}

fn one_or(mut parts: Vec<Expr>, many: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}
