//! The words of a filter, each with the character it begins at.

use std::iter::Peekable;
use std::str::Chars;

use super::Mistake;
use super::ast::{Comparator, Value};

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// Where it begins: characters, from 1.
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Close,
    And,
    Or,
    Not,
    Minus,
    /// A member, in the parts between its dots; or a bare literal, which looks the same.
    Member(Vec<String>),
    Comparator(Comparator),
    /// What follows a comparator. Only there may a word hold `:`, `.`, `+` and a leading `-`, so that times and negative
    /// numbers need no quotes.
    Value(Value),
}

/// Reads all words.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Mistake> {
    let mut lexer = Lexer { chars: text.chars().peekable(), at: 1 };
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        lexer.run(char::is_whitespace);
        let at = lexer.at;
        let Some(first) = lexer.peek() else { return Ok(tokens) };
        let is_compared = matches!(tokens.last(), Some(Token { kind: Kind::Comparator(_), .. }));
        let kind = match first {
            '(' => lexer.single(Kind::Open),
            ')' => lexer.single(Kind::Close),
            '=' | '!' | '<' | '>' | ':' => Kind::Comparator(lexer.comparator()?),
            _ if is_compared => Kind::Value(lexer.value()?),
            '-' => lexer.single(Kind::Minus),
            _ => lexer.member()?,
        };
        tokens.push(Token { at, kind });
    }
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    /// Of the next character.
    at: usize,
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'')
}

/// Whether a value may hold `c` without quotes.
fn in_value(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\'' | ',' | '=' | '!' | '<' | '>')
}

/// Whether a part of a member may hold `c` without quotes.
fn in_member(c: char) -> bool {
    in_value(c) && !matches!(c, ':' | '.')
}

impl Lexer<'_> {
    fn peek(&mut self) -> Option<char> {
        self.chars.peek().copied()
    }

    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.chars.next()
    }

    fn run(&mut self, of: impl Fn(char) -> bool) -> String {
        let mut run = String::new();
        while let Some(c) = self.chars.next_if(|c| of(*c)) {
            self.at += 1;
            run.push(c);
        }
        run
    }

    fn single(&mut self, kind: Kind) -> Kind {
        self.next();
        kind
    }

    fn comparator(&mut self) -> Result<Comparator, Mistake> {
        let at = self.at;
        let first = self.next();
        let is_equal = matches!(first, Some('!' | '<' | '>')) && self.peek() == Some('=');
        if is_equal {
            self.next();
        }
        match (first, is_equal) {
            (Some('='), _) => Ok(Comparator::Eq),
            (Some(':'), _) => Ok(Comparator::Has),
            (Some('!'), true) => Ok(Comparator::Ne),
            (Some('<'), true) => Ok(Comparator::Le),
            (Some('<'), false) => Ok(Comparator::Lt),
            (Some('>'), true) => Ok(Comparator::Ge),
            (Some('>'), false) => Ok(Comparator::Gt),
            _ => Err(Mistake::new(at, "expected `!=`")),
        }
    }

    fn value(&mut self) -> Result<Value, Mistake> {
        let at = self.at;
        if self.peek().is_some_and(is_quote) {
            return Ok(Value { text: self.quoted()?, quoted: true, at });
        }
        let text = self.run(in_value);
        if text.is_empty() {
            return Err(Mistake::new(
                at,
                "expected a value, in quotes if it has more than letters and digits",
            ));
        }
        Ok(Value { text, quoted: false, at })
    }

    fn member(&mut self) -> Result<Kind, Mistake> {
        let (mut parts, mut is_plain) = (Vec::new(), true);
        loop {
            let at = self.at;
            if self.peek().is_some_and(is_quote) {
                parts.push(self.quoted()?);
                is_plain = false;
            } else {
                let part = self.run(in_member);
                if part.is_empty() {
                    return Err(Mistake::new(at, "expected the name of a field"));
                }
                parts.push(part);
            }
            if self.peek() != Some('.') {
                break;
            }
            self.next();
        }
        Ok(match parts.as_slice() {
            [word] if is_plain && word == "AND" => Kind::And,
            [word] if is_plain && word == "OR" => Kind::Or,
            [word] if is_plain && word == "NOT" => Kind::Not,
            _ => Kind::Member(parts),
        })
    }

    fn quoted(&mut self) -> Result<String, Mistake> {
        let at = self.at;
        let quote = self.next();
        let mut text = String::new();
        loop {
            let here = self.at;
            match self.next() {
                None => return Err(Mistake::new(at, "expected a closing quote to this one")),
                Some('\\') => text.push(match self.next() {
                    Some(c @ ('"' | '\'' | '\\')) => c,
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    _ => return Err(Mistake::new(here, r#"expected an escape: \" \' \\ \n \r or \t"#)),
                }),
                end if end == quote => return Ok(text),
                Some(c) => text.push(c),
            }
        }
    }
}
