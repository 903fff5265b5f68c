//! Reads expressions.
//!
//! In: tokens. Out: [`Node`]s.
//! Never: recurses but for brackets, which [`super::DEPTH_MAX`] bounds.
//! Fails: with the line of the token that cannot stand where it stands.
//! Source: Jinja 3.1's `Parser`; ranks from loose to tight: `if`, `or`, `and`, `not`, comparisons,
//! `+ -`, `~`, `* / // %`, `**`, signs, then attributes, calls, filters and tests.

use minijinja::Value;

use super::lexer::Tok;
use super::parser::{Parser, Read};
use super::{Arg, Comparison, Expr, Link, Node, Operator};

/// Filters that say what a text is where it becomes a value, and do nothing elsewhere.
const MARKS: [&str; 4] = ["as_bool", "as_number", "as_native", "as_text"];

impl Parser {
    /// An expression with `if … else`.
    pub(super) fn expression(&mut self) -> Read<Node> {
        self.enter()?;
        let line = self.line();
        let mut value = self.any_of()?;
        let mut branches = Vec::new();
        let mut otherwise = None;
        while self.skip_word("if") {
            let condition = self.any_of()?;
            branches.push((condition, value));
            if !self.skip_word("else") {
                value = Node { line, kind: Expr::Const(Value::UNDEFINED) };
                // `a if b if c` reads the second `if` behind the whole of the first.
                if self.is_word("if") {
                    let inner = Node { line, kind: Expr::If(std::mem::take(&mut branches), None) };
                    value = inner;
                }
                continue;
            }
            value = self.any_of()?;
            if !self.is_word("if") {
                otherwise = Some(Box::new(value));
                value = Node { line, kind: Expr::Const(Value::UNDEFINED) };
                break;
            }
        }
        self.leave();
        Ok(if branches.is_empty() { value } else { Node { line, kind: Expr::If(branches, otherwise) } })
    }

    /// An expression without `if`: what stands behind `in` of a loop, and in conditions.
    pub(super) fn any_of(&mut self) -> Read<Node> {
        if !self.is_word("not") {
            let first = self.unary()?;
            if !self.continues() {
                return Ok(first);
            }
            self.first = Some(first);
        }
        let line = self.line();
        let mut parts = vec![self.all_of()?];
        while self.skip_word("or") {
            parts.push(self.all_of()?);
        }
        Ok(one_or(line, parts, Expr::Or))
    }

    fn all_of(&mut self) -> Read<Node> {
        let line = self.line();
        let mut parts = vec![self.negation()?];
        while self.skip_word("and") {
            parts.push(self.negation()?);
        }
        Ok(one_or(line, parts, Expr::And))
    }

    fn negation(&mut self) -> Read<Node> {
        let line = self.line();
        let mut times = 0_usize;
        while self.is_word("not") {
            self.advance();
            times += 1;
        }
        let node = self.comparison()?;
        Ok(match (times, times % 2) {
            (0, _) => node,
            (_, 1) => Node { line, kind: Expr::Not(Box::new(node)) },
            _ => {
                let inner = Node { line, kind: Expr::Not(Box::new(node)) };
                Node { line, kind: Expr::Not(Box::new(inner)) }
            }
        })
    }

    fn comparison(&mut self) -> Read<Node> {
        let line = self.line();
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let comparison = match self.peek() {
                Some(Tok::Op("==")) => Comparison::Equal,
                Some(Tok::Op("!=")) => Comparison::NotEqual,
                Some(Tok::Op("<")) => Comparison::Less,
                Some(Tok::Op("<=")) => Comparison::LessOrEqual,
                Some(Tok::Op(">")) => Comparison::Greater,
                Some(Tok::Op(">=")) => Comparison::GreaterOrEqual,
                Some(Tok::Word(word)) if &**word == "in" => Comparison::In,
                Some(Tok::Word(word)) if &**word == "not" && self.is_word_at(1, "in") => {
                    self.advance();
                    Comparison::NotIn
                }
                _ => break,
            };
            self.advance();
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Node { line, kind: Expr::Compare(Box::new(first), rest) } })
    }

    fn sum(&mut self) -> Read<Node> {
        self.operators(&[("+", Operator::Add), ("-", Operator::Subtract)], Self::concatenation)
    }

    fn concatenation(&mut self) -> Read<Node> {
        let line = self.line();
        let mut parts = vec![self.product()?];
        while self.skip_op("~") {
            parts.push(self.product()?);
        }
        Ok(one_or(line, parts, Expr::Concat))
    }

    fn product(&mut self) -> Read<Node> {
        let operators = [
            ("*", Operator::Multiply),
            ("/", Operator::Divide),
            ("//", Operator::FloorDivide),
            ("%", Operator::Modulo),
        ];
        self.operators(&operators, Self::power)
    }

    fn power(&mut self) -> Read<Node> {
        self.operators(&[("**", Operator::Power)], Self::unary)
    }

    /// Operators of one rank.
    fn operators(&mut self, known: &[(&str, Operator)], next: fn(&mut Self) -> Read<Node>) -> Read<Node> {
        let line = self.line();
        let first = next(self)?;
        let mut rest = Vec::new();
        while let Some(Tok::Op(op)) = self.peek() {
            let Some((_, operator)) = known.iter().find(|(sign, _)| sign == op) else { break };
            let operator = *operator;
            self.advance();
            rest.push((operator, next(self)?));
        }
        Ok(if rest.is_empty() { first } else { Node { line, kind: Expr::Binary(Box::new(first), rest) } })
    }

    /// Whether an operator of any rank stands here. Most values stand alone; they need not go through
    /// all ranks.
    fn continues(&self) -> bool {
        match self.peek() {
            Some(Tok::Word(word)) => matches!(&**word, "and" | "or" | "in" | "not"),
            Some(Tok::Op(op)) => {
                !matches!(*op, ")" | "," | "]" | "}" | "=" | ":" | "(" | "[" | "{" | "." | "|")
            }
            _ => false,
        }
    }

    /// Signs, a value, and what follows it. Filters and tests behind a sign hold for the signed value.
    fn unary(&mut self) -> Read<Node> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let line = self.line();
        let mut signs = Vec::new();
        while let Some(Tok::Op(op @ ("-" | "+"))) = self.peek() {
            signs.push(*op == "-");
            self.advance();
            if signs.len() > super::DEPTH_MAX {
                return self.fail("too many signs stand in a row");
            }
        }
        let base = self.primary()?;
        let mut links = self.postfix()?;
        if signs.is_empty() {
            self.filters_and_tests(&mut links)?;
            return Ok(chain(base, links));
        }
        let mut node = chain(base, links);
        for negative in signs.into_iter().rev() {
            let inner = Box::new(node);
            let kind = if negative { Expr::Negative(inner) } else { Expr::Positive(inner) };
            node = Node { line, kind };
        }
        let mut links = Vec::new();
        self.filters_and_tests(&mut links)?;
        Ok(chain(node, links))
    }

    /// A value that stands alone.
    fn primary(&mut self) -> Read<Node> {
        let line = self.line();
        let Some(token) = self.take() else { return self.fail("an expression is missing here") };
        let kind = match token {
            Tok::Word(word) => match &*word {
                "true" | "True" => Expr::Const(Value::from(true)),
                "false" | "False" => Expr::Const(Value::from(false)),
                "none" | "None" => Expr::Const(Value::from(())),
                _ => {
                    self.used(&word);
                    Expr::Var(word)
                }
            },
            Tok::Str(text) => {
                let mut text = std::borrow::Cow::Borrowed(&*text);
                while let Some(Tok::Str(more)) = self.peek() {
                    text.to_mut().push_str(more);
                    self.advance();
                }
                Expr::Const(Value::from(&*text))
            }
            Tok::Int(value) => Expr::Const(int(value)),
            Tok::Float(value) => Expr::Const(Value::from(value)),
            Tok::Op("(") => {
                self.enter()?;
                let node = if self.skip_op(")") {
                    Node { line, kind: Expr::Tuple(Vec::new()) }
                } else {
                    let node = self.tuple(&[")"])?;
                    self.expect_op(")")?;
                    node
                };
                self.leave();
                return Ok(node);
            }
            Tok::Op("[") => {
                self.enter()?;
                let items = self.items("]")?;
                self.leave();
                Expr::List(items)
            }
            Tok::Op("{") => {
                self.enter()?;
                let pairs = self.pairs()?;
                self.leave();
                Expr::Dict(pairs)
            }
            other => {
                self.back();
                return self.fail(format!("{} cannot stand here", told(&other)));
            }
        };
        Ok(Node { line, kind })
    }

    /// Expressions up to a closing mark.
    fn items(&mut self, close: &str) -> Read<Vec<Node>> {
        let mut items = Vec::new();
        while !self.skip_op(close) {
            items.push(self.expression()?);
            if !self.skip_op(",") {
                self.expect_op(close)?;
                break;
            }
        }
        Ok(items)
    }

    fn pairs(&mut self) -> Read<Vec<(Node, Node)>> {
        let mut pairs = Vec::new();
        while !self.skip_op("}") {
            let key = self.expression()?;
            self.expect_op(":")?;
            pairs.push((key, self.expression()?));
            if !self.skip_op(",") {
                self.expect_op("}")?;
                break;
            }
        }
        Ok(pairs)
    }

    /// One expression, or several with commas between them: a tuple. `ends` are the signs that may
    /// follow a last comma; the end of a tag always may.
    pub(super) fn tuple(&mut self, ends: &[&str]) -> Read<Node> {
        self.tuple_of(ends, Self::expression)
    }

    /// A tuple of expressions without `if`.
    pub(super) fn plain_tuple(&mut self) -> Read<Node> {
        self.tuple_of(&[], Self::any_of)
    }

    fn tuple_of(&mut self, ends: &[&str], part: fn(&mut Self) -> Read<Node>) -> Read<Node> {
        let line = self.line();
        let first = part(self)?;
        if !self.is_op(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip_op(",") {
            let over = match self.peek() {
                None | Some(Tok::TagEnd | Tok::VarEnd) => true,
                Some(Tok::Op(op)) => ends.contains(op),
                _ => false,
            };
            if over {
                break;
            }
            items.push(part(self)?);
        }
        Ok(Node { line, kind: Expr::Tuple(items) })
    }

    /// Attributes, items and calls behind a value.
    fn postfix(&mut self) -> Read<Vec<(u32, Link)>> {
        let mut links = Vec::new();
        loop {
            let line = self.line();
            if self.skip_op(".") {
                let link = match self.take() {
                    Some(Tok::Word(name)) => Link::Attr(name),
                    Some(Tok::Int(index)) => Link::Item(Node { line, kind: Expr::Const(int(index)) }),
                    _ => {
                        self.back();
                        return self.fail("a name must follow the dot");
                    }
                };
                links.push((line, link));
            } else if self.is_op("[") {
                self.advance();
                self.enter()?;
                let link = self.subscript()?;
                self.leave();
                links.push((line, link));
            } else if self.is_op("(") {
                let arguments = self.arguments()?;
                links.push((line, Link::Call(arguments)));
            } else {
                return Ok(links);
            }
        }
    }

    fn subscript(&mut self) -> Read<Link> {
        let mut parts: [Option<Node>; 3] = [None, None, None];
        if !self.is_op(":") {
            let node = self.tuple(&["]"])?;
            if self.skip_op("]") {
                return Ok(Link::Item(node));
            }
            parts[0] = Some(node);
        }
        for part in parts.iter_mut().skip(1) {
            if !self.skip_op(":") {
                break;
            }
            if !self.is_op(":") && !self.is_op("]") {
                *part = Some(self.expression()?);
            }
        }
        self.expect_op("]")?;
        Ok(Link::Slice(Box::new(parts)))
    }

    /// The arguments of a call, brackets included.
    pub(super) fn arguments(&mut self) -> Read<Vec<Arg>> {
        self.expect_op("(")?;
        self.enter()?;
        let mut arguments = Vec::new();
        let mut named = false;
        while !self.skip_op(")") {
            if self.skip_op("**") {
                arguments.push(Arg::StarStar(self.expression()?));
                named = true;
            } else if self.skip_op("*") {
                arguments.push(Arg::Star(self.expression()?));
            } else if self.is_op_at(1, "=")
                && let Some(Tok::Word(name)) = self.peek()
            {
                let name = name.clone();
                self.advance();
                self.advance();
                arguments.push(Arg::Named(name, self.expression()?));
                named = true;
            } else if named {
                return self.fail("an argument without a name stands behind one with a name");
            } else {
                arguments.push(Arg::Positional(self.expression()?));
            }
            if !self.skip_op(",") {
                self.expect_op(")")?;
                break;
            }
        }
        self.leave();
        Ok(arguments)
    }

    /// Filters and tests behind a value.
    fn filters_and_tests(&mut self, links: &mut Vec<(u32, Link)>) -> Read<()> {
        loop {
            let line = self.line();
            if self.skip_op("|") {
                let link = self.filter()?;
                let says_type = matches!(&link, Link::Filter(name, _) if MARKS.contains(&&**name));
                if self.native || !says_type {
                    links.push((line, link));
                }
            } else if self.skip_word("is") {
                let negative = self.skip_word("not");
                let name = self.dotted()?;
                let arguments = if self.is_op("(") {
                    self.arguments()?
                } else if self.begins_argument() {
                    let base = self.primary()?;
                    let inner = self.postfix()?;
                    vec![Arg::Positional(chain(base, inner))]
                } else {
                    Vec::new()
                };
                links.push((line, Link::Test(name, arguments, negative)));
            } else if self.is_op("(") && !links.is_empty() {
                // A call may follow the arguments of a filter or test.
                let arguments = self.arguments()?;
                links.push((line, Link::Call(arguments)));
            } else {
                return Ok(());
            }
        }
    }

    /// The name and arguments of one filter.
    pub(super) fn filter(&mut self) -> Read<Link> {
        let name = self.dotted()?;
        let arguments = if self.is_op("(") { self.arguments()? } else { Vec::new() };
        Ok(Link::Filter(name, arguments))
    }

    /// A name with dots.
    fn dotted(&mut self) -> Read<super::Name> {
        let mut name = self.word()?;
        while self.skip_op(".") {
            let next = self.word()?;
            name = format!("{name}.{next}").into();
        }
        Ok(name)
    }

    /// Whether the next token begins a test's argument that stands without brackets.
    fn begins_argument(&self) -> bool {
        match self.peek() {
            Some(Tok::Word(word)) => {
                !matches!(&**word, "else" | "or" | "and" | "is" | "if" | "not" | "in" | "recursive")
            }
            Some(Tok::Str(_) | Tok::Int(_) | Tok::Float(_) | Tok::Op("[" | "{")) => true,
            _ => false,
        }
    }
}

/// A number as a value.
pub(in super::super) fn int(value: i128) -> Value {
    i64::try_from(value).map_or_else(|_| Value::from(value), Value::from)
}

/// The part alone, or all of them as one node.
fn one_or(line: u32, mut parts: Vec<Node>, kind: fn(Vec<Node>) -> Expr) -> Node {
    match (parts.len(), parts.pop()) {
        (1, Some(part)) => part,
        (_, last) => {
            parts.extend(last);
            Node { line, kind: kind(parts) }
        }
    }
}

/// A value with links behind it.
fn chain(base: Node, links: Vec<(u32, Link)>) -> Node {
    if links.is_empty() { base } else { Node { line: base.line, kind: Expr::Chain(Box::new(base), links) } }
}

/// A token as messages name it.
pub(super) fn told(token: &Tok) -> String {
    match token {
        Tok::Text(_) => "text".to_owned(),
        Tok::VarStart => "`{{`".to_owned(),
        Tok::VarEnd => "`}}`".to_owned(),
        Tok::TagStart => "`{%`".to_owned(),
        Tok::TagEnd => "`%}`".to_owned(),
        Tok::Word(word) => format!("`{word}`"),
        Tok::Str(text) => format!("the text {text:?}"),
        Tok::Int(value) => format!("`{value}`"),
        Tok::Float(value) => format!("`{value}`"),
        Tok::Op(op) => format!("`{op}`"),
    }
}
