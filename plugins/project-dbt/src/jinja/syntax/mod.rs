//! The syntax of Jinja as dbt's projects use it.
//!
//! In: the text of a template or of one expression. Out: a tree, every expression with its line.
//! Never: goes deeper than [`DEPTH_MAX`], however a text is nested; chains of operators, attributes
//! and branches are lists in the tree, so that following them takes no stack.
//! Fails: with a [`SyntaxError`] that names the line.
//! Source: Jinja 3.1's grammar with the `do` and `loopcontrols` extensions, and the blocks that
//! dbt adds: `test`, `data_test`, `materialization`.

mod expression;
mod lexer;
mod parser;

use std::sync::Arc;

use minijinja::Value;

pub(super) use parser::{parse, parse_expression, parse_native};

/// How deep statements and brackets may stand in one another.
pub(super) const DEPTH_MAX: usize = 48;

/// Why a text is not Jinja.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The line, from 1.
    pub(super) line: u32,
    /// What is wrong there.
    pub(super) message: String,
}

/// A name. Shared, because trees hold many.
pub(super) type Name = Arc<str>;

/// An expression and the line it begins on.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) kind: Expr,
}

/// The kinds of expressions.
#[derive(Debug)]
pub(super) enum Expr {
    /// A value that stands in the text.
    Const(Value),
    /// A variable.
    Var(Name),
    /// A base, then attributes, items, calls, filters and tests one after the other.
    Chain(Box<Node>, Vec<(u32, Link)>),
    /// `[…]`.
    List(Vec<Node>),
    /// `(…, …)`.
    Tuple(Vec<Node>),
    /// `{…: …}`.
    Dict(Vec<(Node, Node)>),
    /// Operators of one rank, from left to right.
    Binary(Box<Node>, Vec<(Operator, Node)>),
    /// `a ~ b ~ …`.
    Concat(Vec<Node>),
    /// `a and b and …`.
    And(Vec<Node>),
    /// `a or b or …`.
    Or(Vec<Node>),
    /// `not a`.
    Not(Box<Node>),
    /// `-a`.
    Negative(Box<Node>),
    /// `+a`.
    Positive(Box<Node>),
    /// `a < b <= …`.
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    /// `a if b else c if d else …`.
    If(Vec<(Node, Node)>, Option<Box<Node>>),
}

/// What may follow a value.
#[derive(Debug)]
pub(super) enum Link {
    /// `.name`.
    Attr(Name),
    /// `[key]`.
    Item(Node),
    /// `[a:b:c]`.
    Slice(Box<[Option<Node>; 3]>),
    /// `(…)`.
    Call(Vec<Arg>),
    /// `|name(…)`.
    Filter(Name, Vec<Arg>),
    /// `is name(…)`; `true` for `is not`.
    Test(Name, Vec<Arg>, bool),
}

/// An argument of a call.
#[derive(Debug)]
pub(super) enum Arg {
    /// By position.
    Positional(Node),
    /// By name.
    Named(Name, Node),
    /// `*list`.
    Star(Node),
    /// `**dict`.
    StarStar(Node),
}

/// Operators that make a value of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
}

impl Operator {
    /// As it is written.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Modulo => "%",
            Self::Power => "**",
        }
    }
}

/// Operators that compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

/// What a value is given to.
#[derive(Debug)]
pub(super) enum Target {
    /// A variable.
    Var(Name),
    /// An attribute of a namespace.
    Attr(Name, Name),
    /// Several, one value each.
    Several(Vec<Target>),
}

/// A statement.
#[derive(Debug)]
pub(super) enum Stmt {
    /// Text.
    Text(Arc<str>),
    /// `{{ … }}`.
    Emit(Node),
    /// `{% if %}` with its branches.
    If(Vec<(Node, Vec<Stmt>)>, Vec<Stmt>),
    /// `{% for %}`.
    For(Arc<Loop>),
    /// `{% set a = … %}`.
    Set(Target, Node),
    /// `{% set a %}…{% endset %}`, with the filters behind the name.
    SetBlock(u32, Target, Vec<(u32, Link)>, Vec<Stmt>),
    /// `{% do … %}`.
    Do(Node),
    /// `{% call(…) f(…) %}…{% endcall %}`.
    Call(Node, Arc<MacroDef>),
    /// `{% filter … %}…{% endfilter %}`.
    FilterBlock(u32, Vec<(u32, Link)>, Vec<Stmt>),
    /// `{% with a = … %}…{% endwith %}`; also `block`, which opens a scope and does nothing else.
    With(u32, Vec<(Target, Node)>, Vec<Stmt>),
    /// `{% macro %}`.
    Macro(Arc<MacroDef>),
    /// `{% break %}`.
    Break,
    /// `{% continue %}`.
    Continue,
}

impl Stmt {
    /// The line it begins on; 0 for those that cannot fail.
    pub(super) fn line(&self) -> u32 {
        match self {
            Self::Text(_) | Self::Break | Self::Continue => 0,
            Self::Emit(node) | Self::Set(_, node) | Self::Do(node) | Self::Call(node, _) => node.line,
            Self::If(branches, _) => branches.first().map_or(0, |(condition, _)| condition.line),
            Self::For(def) => def.line,
            Self::SetBlock(line, ..) | Self::FilterBlock(line, ..) | Self::With(line, ..) => *line,
            Self::Macro(def) => def.line,
        }
    }
}

/// A template that was read.
#[derive(Debug)]
pub(super) struct Template {
    /// Its statements.
    pub(super) body: Vec<Stmt>,
    /// The names it gives values to, anywhere.
    pub(super) assigned: Vec<Name>,
}

/// A loop.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) line: u32,
    pub(super) target: Target,
    pub(super) over: Node,
    pub(super) only_if: Option<Node>,
    pub(super) recursive: bool,
    pub(super) body: Vec<Stmt>,
    pub(super) otherwise: Vec<Stmt>,
}

/// A macro, or the body of a `call` block.
#[derive(Debug)]
pub(super) struct MacroDef {
    pub(super) name: Name,
    pub(super) line: u32,
    pub(super) parameters: Vec<(Name, Option<Node>)>,
    pub(super) body: Vec<Stmt>,
    pub(super) takes_varargs: bool,
    pub(super) takes_kwargs: bool,
    pub(super) takes_caller: bool,
}

/// A chain's text, as far as it tells what is meant: `a.b[…]`.
pub(super) fn describe(node: &Node) -> String {
    match &node.kind {
        Expr::Var(name) => name.to_string(),
        Expr::Const(value) => super::value::repr(value),
        Expr::Chain(base, links) => describe_links(base, links),
        _ => "(…)".to_owned(),
    }
}

/// The text of a base and some links behind it.
pub(super) fn describe_links(base: &Node, links: &[(u32, Link)]) -> String {
    let mut text = describe(base);
    for (_, link) in links {
        match link {
            Link::Attr(name) => text.push_str(&format!(".{name}")),
            Link::Item(key) => match &key.kind {
                Expr::Const(value) => text.push_str(&format!("[{}]", super::value::repr(value))),
                _ => text.push_str("[…]"),
            },
            Link::Slice(_) => text.push_str("[…:…]"),
            Link::Call(_) => text.push_str("(…)"),
            Link::Filter(name, _) => text.push_str(&format!("|{name}")),
            Link::Test(name, _, _) => text.push_str(&format!(" is {name}")),
        }
    }
    text
}
