//! The type check: walks the parsed condition, refuses what could only go wrong, and binds names to slots.
//!
//! Both sides of `&&`, `||` and `?:` are checked, also where evaluation would skip one. On the way every field is
//! renamed to its slot (`order.revenue_minor` becomes `#3`), so that evaluation looks nothing up by name.

use std::borrow::Cow;

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, ListExpr, LiteralValue, SelectExpr, SourceInfo, operators as op,
};

use super::environment::{Content, Schema};
use super::error::{ConditionError, Refusal};
use super::functions;
use super::kind::{Kind, Typed};
use super::{parse, values};

/// The deepest expression; a chain of `&&` or `||` of any length counts little.
const MAX_DEPTH: usize = 32;

/// Checks a parsed condition and binds its names; returns the slots it reads, and those it asks for with `has`.
pub(super) fn check(
    expression: &mut IdedExpr,
    schema: &Schema,
    source: &SourceInfo,
) -> Result<(Vec<usize>, Vec<usize>), ConditionError> {
    let mut checker = Checker {
        schema,
        source,
        locals: Vec::new(),
        in_use: false,
        depth: 0,
        reads: Vec::new(),
        asked: Vec::new(),
    };
    let typed = checker.value(expression)?;
    match typed.kind {
        Kind::Bool => Ok((checker.reads, checker.asked)),
        other => Err(checker.refuse(expression.id, Refusal::NotBool(other.to_string()))),
    }
}

struct Checker<'s> {
    schema: &'s Schema,
    source: &'s SourceInfo,
    /// The variables of the comprehension around the expression, innermost last.
    locals: Vec<(String, Typed)>,
    /// Whether the one comprehension is used up.
    in_use: bool,
    depth: usize,
    reads: Vec<usize>,
    asked: Vec<usize>,
}

type Checked<T = Typed> = Result<T, ConditionError>;

impl Checker<'_> {
    fn refuse(&self, id: u64, reason: Refusal) -> ConditionError {
        let (line, column) = parse::place(self.source, id);
        ConditionError { line, column, reason }
    }

    /// Checks an expression that must not be a whole record.
    fn value(&mut self, expression: &mut IdedExpr) -> Checked {
        let typed = self.any(expression)?;
        match typed.kind {
            Kind::Record(slot) => {
                Err(self.refuse(expression.id, Refusal::WholeRecord(self.schema.slots[slot].path.clone())))
            }
            _ => Ok(typed),
        }
    }

    fn any(&mut self, expression: &mut IdedExpr) -> Checked {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(expression.id, Refusal::TooDeep));
        }
        self.depth += 1;
        let typed = self.by_form(expression);
        self.depth -= 1;
        typed
    }

    fn by_form(&mut self, expression: &mut IdedExpr) -> Checked {
        let id = expression.id;
        let unsupported = |what| Refusal::Unsupported(what);
        match &mut expression.expr {
            Expr::Literal(literal) => {
                literal_kind(literal).map(Kind::typed).map_err(|reason| self.refuse(id, reason))
            }
            Expr::Ident(name) => {
                let (bound, typed) = self.variable(id, name)?;
                expression.expr = bound;
                Ok(typed)
            }
            Expr::Select(select) => {
                let (bound, typed) = self.select(id, select)?;
                if let Some(bound) = bound {
                    expression.expr = bound;
                }
                Ok(typed)
            }
            Expr::Call(call) => self.call(id, call),
            Expr::List(list) => self.list(id, list),
            Expr::Comprehension(comprehension) => self.comprehension(id, comprehension),
            Expr::Map(_) => Err(self.refuse(id, unsupported("a map literal"))),
            Expr::Struct(_) => Err(self.refuse(id, unsupported("a message literal"))),
            Expr::Unspecified => Err(self.refuse(id, unsupported("an empty expression"))),
        }
    }

    fn variable(&mut self, id: u64, name: &str) -> Checked<(Expr, Typed)> {
        if let Some((_, typed)) = self.locals.iter().rev().find(|(local, _)| local == name) {
            return Ok((Expr::Ident(name.to_owned()), typed.clone()));
        }
        let slot = child(&self.schema.roots, name).ok_or_else(|| {
            let (name, known) = (name.to_owned(), listed(&self.schema.roots));
            self.refuse(id, Refusal::UnknownVariable { name, known })
        })?;
        Ok((Expr::Ident(values::value_name(slot)), self.read(slot)))
    }

    /// The type of what is in a slot, noted as read.
    fn read(&mut self, slot: usize) -> Typed {
        let declared = &self.schema.slots[slot];
        let kind = match &declared.content {
            Content::Leaf(of) => {
                self.reads.push(slot);
                Kind::from(*of)
            }
            Content::Record(_) => Kind::Record(slot),
        };
        Typed { kind, nullable: declared.nullable }
    }

    /// Checks `operand.field` and `has(operand.field)`; gives what stands for it, if not itself.
    fn select(&mut self, id: u64, select: &mut SelectExpr) -> Checked<(Option<Expr>, Typed)> {
        let operand = self.any(&mut select.operand)?;
        match operand.kind {
            Kind::Record(slot) => {
                let below = self.field(id, slot, &select.field)?;
                if select.test {
                    self.asked.push(below);
                    let name = values::presence_name(below);
                    return Ok((Some(Expr::Ident(name)), Kind::Bool.typed()));
                }
                Ok((Some(Expr::Ident(values::value_name(below))), self.read(below)))
            }
            Kind::Map if select.test => Ok((None, Kind::Bool.typed())),
            Kind::Map => Ok((None, Kind::String.typed())),
            other => Err(self.refuse(id, Refusal::NoFields(other.to_string()))),
        }
    }

    fn field(&self, id: u64, record: usize, field: &str) -> Checked<usize> {
        let declared = &self.schema.slots[record];
        let fields = match &declared.content {
            Content::Record(fields) => fields.as_slice(),
            Content::Leaf(_) => &[],
        };
        child(fields, field).ok_or_else(|| {
            let (record, field) = (declared.path.clone(), field.to_owned());
            self.refuse(id, Refusal::UnknownField { record, field, known: listed(fields) })
        })
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) -> Checked {
        let name = call.func_name.clone();
        match (name.as_str(), &mut call.target, call.args.as_mut_slice()) {
            (op::EQUALS | op::NOT_EQUALS, None, [a, b]) => {
                let (left, right) = (self.any(a)?, self.any(b)?);
                if is_comparable(&left, &right) {
                    return Ok(Kind::Bool.typed());
                }
                Err(self.wrong_types(id, &name, &[left.kind, right.kind]))
            }
            (op::CONDITIONAL, None, [condition, a, b]) => {
                let (condition, left, right) = (self.value(condition)?, self.value(a)?, self.value(b)?);
                let result = left.unify(&right).filter(|_| condition.kind == Kind::Bool);
                result.ok_or_else(|| self.wrong_types(id, &name, &[condition.kind, left.kind, right.kind]))
            }
            (operator, None, operands) if functions::is_operator(operator) => {
                let kinds = self.values(operands)?;
                let result = functions::operator(operator, &kinds);
                result.map(Kind::typed).ok_or_else(|| self.wrong_types(id, &name, &kinds))
            }
            (function, target, args) if functions::is_known(function) => {
                let target = target.as_mut().map(|target| self.value(target)).transpose()?.map(|of| of.kind);
                let kinds = self.values(args)?;
                self.constant(id, function, args)?;
                functions::call(function, target.as_ref(), &kinds).map(Kind::typed).ok_or_else(|| {
                    let all: Vec<Kind> = target.into_iter().chain(kinds).collect();
                    self.wrong_types(id, &name, &all)
                })
            }
            _ => Err(self.refuse(id, Refusal::UnknownFunction { name, known: functions::NAMES.to_owned() })),
        }
    }

    fn values(&mut self, expressions: &mut [IdedExpr]) -> Checked<Vec<Kind>> {
        expressions.iter_mut().map(|expression| Ok(self.value(expression)?.kind)).collect()
    }

    fn wrong_types(&self, id: u64, name: &str, kinds: &[Kind]) -> ConditionError {
        let operands = match kinds {
            [] => "no arguments".to_owned(),
            some => some.iter().map(Kind::to_string).collect::<Vec<_>>().join(" and "),
        };
        self.refuse(id, Refusal::WrongTypes { operation: functions::symbol(name).to_owned(), operands })
    }

    /// Reads the constant of `timestamp("...")` and `duration("...")` now rather than at every evaluation's peril.
    fn constant(&self, id: u64, function: &str, args: &[IdedExpr]) -> Checked<()> {
        let (function, example) = match function {
            "timestamp" => ("timestamp", "2026-01-31T00:00:00Z"),
            "duration" => ("duration", "36h"),
            _ => return Ok(()),
        };
        let good = match args {
            [IdedExpr { expr: Expr::Literal(LiteralValue::String(_)), .. }] => {
                parse::is_constant(function, args)
            }
            _ => false,
        };
        if good { Ok(()) } else { Err(self.refuse(id, Refusal::Constant { function, example })) }
    }

    fn list(&mut self, id: u64, list: &mut ListExpr) -> Checked {
        let mut of = Kind::Any;
        for element in &mut list.elements {
            let typed = self.value(element)?;
            match of.unify(&typed.kind) {
                Some(unified) => of = unified,
                None => return Err(self.wrong_types(id, "[...]", &[of, typed.kind])),
            }
        }
        Ok(Kind::List(Box::new(of)).typed())
    }

    /// Checks what the parser made of `all`, `exists`, `exists_one`, `filter` or `map`: a loop with an accumulator.
    fn comprehension(&mut self, id: u64, comprehension: &mut ComprehensionExpr) -> Checked {
        if std::mem::replace(&mut self.in_use, true) {
            return Err(self.refuse(id, Refusal::SecondComprehension));
        }
        let range = self.value(&mut comprehension.iter_range)?;
        let item = match range.kind {
            Kind::List(of) => *of,
            Kind::Map => Kind::String,
            other => return Err(self.wrong_types(id, "all, exists, exists_one, filter or map", &[other])),
        };
        let variable = comprehension.iter_var.clone();
        if child(&self.schema.roots, &variable).is_some() || comprehension.iter_var2.is_some() {
            return Err(self.refuse(id, Refusal::Shadowed(variable)));
        }
        let start = self.value(&mut comprehension.accu_init)?;
        self.locals.push((variable, item.typed()));
        self.locals.push((comprehension.accu_var.clone(), start.clone()));
        let continues = self.value(&mut comprehension.loop_cond)?;
        let step = self.value(&mut comprehension.loop_step)?;
        self.locals.pop();
        let Some(result) = step.unify(&start).filter(|_| continues.kind == Kind::Bool) else {
            return Err(self.wrong_types(id, "all, exists, exists_one, filter or map", &[step.kind]));
        };
        self.locals.push((comprehension.accu_var.clone(), result));
        let typed = self.value(&mut comprehension.result)?;
        self.locals.clear();
        Ok(typed)
    }
}

/// Whether `==` makes sense: values of one type, or null and something that can be null.
fn is_comparable(a: &Typed, b: &Typed) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Null, _) => b.nullable,
        (_, Kind::Null) => a.nullable,
        (x, y) => x.unify(y).is_some(),
    }
}

fn literal_kind(literal: &LiteralValue) -> Result<Kind, Refusal> {
    match literal {
        LiteralValue::Boolean(_) => Ok(Kind::Bool),
        LiteralValue::Int(_) => Ok(Kind::Int),
        LiteralValue::String(_) => Ok(Kind::String),
        LiteralValue::Null => Ok(Kind::Null),
        LiteralValue::Double(_) => Err(Refusal::Unsupported("a number with a fraction")),
        LiteralValue::UInt(_) => Err(Refusal::Unsupported("an unsigned number")),
        LiteralValue::Bytes(_) => Err(Refusal::Unsupported("a byte string")),
    }
}

fn child(children: &[(Cow<'static, str>, usize)], name: &str) -> Option<usize> {
    children.iter().find(|(known, _)| *known == name).map(|(_, slot)| *slot)
}

fn listed(children: &[(Cow<'static, str>, usize)]) -> String {
    let names: Vec<_> = children.iter().map(|(name, _)| format!("`{name}`")).collect();
    names.join(", ")
}
