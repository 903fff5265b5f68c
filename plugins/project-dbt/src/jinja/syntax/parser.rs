//! Reads statements.
//!
//! In: tokens. Out: [`Stmt`]s.
//! Never: goes deeper than [`super::DEPTH_MAX`].
//! Fails: with the line of the tag that cannot stand where it stands, or does not end.
//! Source: Jinja 3.1's `Parser`; dbt's `test` and `materialization` blocks are macros.

use std::sync::Arc;

use super::expression::told;
use super::lexer::{Tok, Token, lex, lex_expression};
use super::{DEPTH_MAX, Loop, MacroDef, Name, Node, Stmt, SyntaxError, Target, Template};

/// What reading gives.
pub(super) type Read<T> = Result<T, SyntaxError>;

/// Reads a template.
pub(in super::super) fn parse(source: &str) -> Read<Template> {
    template(Parser::new(lex(source)?))
}

/// Reads a template whose text becomes a value: there `as_bool` and the like say which.
pub(in super::super) fn parse_native(source: &str) -> Read<Template> {
    let mut parser = Parser::new(lex(source)?);
    parser.native = true;
    template(parser)
}

fn template(mut parser: Parser) -> Read<Template> {
    let (body, _) = parser.body(0, &[])?;
    Ok(Template { body, assigned: parser.assigned })
}

/// Reads one expression.
pub(in super::super) fn parse_expression(source: &str) -> Read<Node> {
    let mut parser = Parser::new(lex_expression(source)?);
    let node = parser.tuple(&[])?;
    match parser.peek() {
        None => Ok(node),
        Some(token) => {
            let token = told(token);
            parser.fail(format!("{token} cannot stand behind the expression"))
        }
    }
}

/// The state of reading.
pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Whether the macro being read names `varargs`, `kwargs`, `caller`.
    uses: [bool; 3],
    loops: usize,
    assigned: Vec<Name>,
    /// Whether the text becomes a value.
    pub(super) native: bool,
    /// The first operand of the operators that are read next, where it was read before them.
    pub(super) first: Option<Node>,
}

const SPECIAL: [&str; 3] = ["varargs", "kwargs", "caller"];
/// Tags of Jinja that lead to other files.
const FILES: [&str; 4] = ["include", "import", "from", "extends"];

impl Parser {
    fn new(tokens: Vec<Token>) -> Self {
        Self {
            tokens,
            at: 0,
            depth: 0,
            uses: [false; 3],
            loops: 0,
            assigned: Vec::new(),
            native: false,
            first: None,
        }
    }

    /// The line of the next token, or of an operand that was read before.
    pub(super) fn line(&self) -> u32 {
        if let Some(first) = &self.first {
            return first.line;
        }
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line)
    }

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Read<T> {
        Err(SyntaxError { line: self.line(), message: message.into() })
    }

    /// Goes one deeper.
    pub(super) fn enter(&mut self) -> Read<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fail(format!(
                "blocks and brackets stand more than {DEPTH_MAX} deep here; take them apart with `set` and macros"
            ));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    pub(super) fn peek(&self) -> Option<&Tok> {
        self.tokens.get(self.at).map(|token| &token.tok)
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// The next token. Numbers and texts stay behind: no token is read twice but by [`Self::back`].
    pub(super) fn take(&mut self) -> Option<Tok> {
        let tok = self.peek().cloned();
        self.at += 1;
        tok
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        self.is_op_at(0, op)
    }

    pub(super) fn is_op_at(&self, ahead: usize, op: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token { tok: Tok::Op(here), .. }) if *here == op)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.is_word_at(0, word)
    }

    pub(super) fn is_word_at(&self, ahead: usize, word: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token { tok: Tok::Word(here), .. }) if &**here == word)
    }

    pub(super) fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn skip_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn expected<T>(&self, what: &str) -> Read<T> {
        match self.peek() {
            Some(token) => self.fail(format!("{} stands where {what} should", told(token))),
            None => self.fail(format!("the text ends where {what} should stand")),
        }
    }

    pub(super) fn expect_op(&mut self, op: &str) -> Read<()> {
        if self.skip_op(op) { Ok(()) } else { self.expected(&format!("`{op}`")) }
    }

    fn expect_end(&mut self) -> Read<()> {
        if matches!(self.peek(), Some(Tok::TagEnd)) {
            self.advance();
            return Ok(());
        }
        self.expected("the end of the tag")
    }

    pub(super) fn word(&mut self) -> Read<Name> {
        match self.peek() {
            Some(Tok::Word(word)) => {
                let word = word.clone();
                self.advance();
                Ok(word)
            }
            _ => self.expected("a name"),
        }
    }

    /// Notes that a variable is used.
    pub(super) fn used(&mut self, name: &str) {
        if let Some(index) = SPECIAL.iter().position(|special| *special == name) {
            self.uses[index] = true;
        }
    }

    /// Statements up to a tag that begins with one of `ends`; the tag's word is taken, the rest not.
    fn body(&mut self, begun: u32, ends: &[&str]) -> Read<(Vec<Stmt>, Name)> {
        self.enter()?;
        let mut body = Vec::new();
        loop {
            match self.take() {
                Some(Tok::Text(text)) => body.push(Stmt::Text(text)),
                Some(Tok::VarStart) => {
                    let node = self.tuple(&[])?;
                    if !matches!(self.peek(), Some(Tok::VarEnd)) {
                        return self.expected("`}}`");
                    }
                    self.advance();
                    body.push(Stmt::Emit(node));
                }
                Some(Tok::TagStart) => {
                    let word = self.word()?;
                    if ends.contains(&&*word) {
                        self.leave();
                        return Ok((body, word));
                    }
                    body.extend(self.statement(&word)?);
                }
                Some(other) => {
                    self.back();
                    return self.fail(format!("{} cannot stand here", told(&other)));
                }
                None if ends.is_empty() => {
                    self.leave();
                    return Ok((body, "".into()));
                }
                None => {
                    let end = ends.last().unwrap_or(&"end");
                    return Err(SyntaxError {
                        line: begun,
                        message: format!(
                            "the block that begins here does not end: `{{% {end} %}}` is missing"
                        ),
                    });
                }
            }
        }
    }

    /// The body of a block with one end.
    fn block(&mut self, begun: u32, end: &str) -> Read<Vec<Stmt>> {
        self.expect_end()?;
        let (body, _) = self.body(begun, &[end])?;
        self.expect_end()?;
        Ok(body)
    }

    fn statement(&mut self, word: &str) -> Read<Option<Stmt>> {
        let line = self.line();
        let statement = match word {
            "if" => self.branches(line)?,
            "for" => self.looped(line)?,
            "set" => self.set(line)?,
            "do" => {
                let node = self.tuple(&[])?;
                self.expect_end()?;
                Stmt::Do(node)
            }
            "call" => self.call(line)?,
            "filter" => {
                let filters = self.filter_chain()?;
                Stmt::FilterBlock(line, filters, self.block(line, "endfilter")?)
            }
            "with" => self.with(line)?,
            "macro" | "test" | "data_test" | "materialization" => self.defined(line, word)?,
            "break" | "continue" => {
                if self.loops == 0 {
                    return self.fail(format!("`{word}` stands outside of a loop"));
                }
                self.expect_end()?;
                if word == "break" { Stmt::Break } else { Stmt::Continue }
            }
            "block" => {
                self.word()?;
                self.skip_word("scoped");
                self.expect_end()?;
                let (body, _) = self.body(line, &["endblock"])?;
                if matches!(self.peek(), Some(Tok::Word(_))) {
                    self.advance();
                }
                self.expect_end()?;
                Stmt::With(line, Vec::new(), body)
            }
            "autoescape" => {
                self.tuple(&[])?;
                Stmt::With(line, Vec::new(), self.block(line, "endautoescape")?)
            }
            "docs" | "snapshot" => {
                self.back();
                return self.fail(format!("a `{word}` block cannot stand in this file"));
            }
            other if FILES.contains(&other) => {
                self.back();
                return self
                    .fail(format!("`{other}` is not part of dbt's Jinja: macros see one another by name"));
            }
            other => {
                self.back();
                return self.fail(format!("the tag `{other}` is not known here"));
            }
        };
        Ok(Some(statement))
    }

    fn branches(&mut self, line: u32) -> Read<Stmt> {
        let mut branches = Vec::new();
        loop {
            let condition = self.plain_condition()?;
            self.expect_end()?;
            let (body, end) = self.body(line, &["elif", "else", "endif"])?;
            branches.push((condition, body));
            match &*end {
                "elif" => {}
                "else" => {
                    self.expect_end()?;
                    let (otherwise, _) = self.body(line, &["endif"])?;
                    self.expect_end()?;
                    return Ok(Stmt::If(branches, otherwise));
                }
                _ => {
                    self.expect_end()?;
                    return Ok(Stmt::If(branches, Vec::new()));
                }
            }
        }
    }

    /// A condition; `a if b else c` may stand in one as well.
    fn plain_condition(&mut self) -> Read<Node> {
        self.tuple(&[])
    }

    fn looped(&mut self, line: u32) -> Read<Stmt> {
        let target = self.target(false)?;
        if !self.skip_word("in") {
            return self.expected("`in`");
        }
        let over = self.plain_tuple()?;
        let only_if = if self.skip_word("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_word("recursive");
        self.expect_end()?;
        self.loops += 1;
        let (body, end) = self.body(line, &["else", "endfor"])?;
        self.loops -= 1;
        self.expect_end()?;
        let mut otherwise = Vec::new();
        if &*end == "else" {
            (otherwise, _) = self.body(line, &["endfor"])?;
            self.expect_end()?;
        }
        Ok(Stmt::For(Arc::new(Loop { line, target, over, only_if, recursive, body, otherwise })))
    }

    fn set(&mut self, line: u32) -> Read<Stmt> {
        let target = self.target(true)?;
        if self.skip_op("=") {
            let node = self.tuple(&[])?;
            self.expect_end()?;
            return Ok(Stmt::Set(target, node));
        }
        let filters = if self.skip_op("|") { self.filter_chain()? } else { Vec::new() };
        Ok(Stmt::SetBlock(line, target, filters, self.block(line, "endset")?))
    }

    fn filter_chain(&mut self) -> Read<Vec<(u32, super::Link)>> {
        let mut filters = vec![(self.line(), self.filter()?)];
        while self.skip_op("|") {
            filters.push((self.line(), self.filter()?));
        }
        Ok(filters)
    }

    fn with(&mut self, line: u32) -> Read<Stmt> {
        let mut given = Vec::new();
        while !matches!(self.peek(), Some(Tok::TagEnd)) {
            let target = self.target(false)?;
            self.expect_op("=")?;
            given.push((target, self.expression()?));
            if !self.skip_op(",") {
                break;
            }
        }
        Ok(Stmt::With(line, given, self.block(line, "endwith")?))
    }

    fn call(&mut self, line: u32) -> Read<Stmt> {
        let parameters = if self.is_op("(") { self.parameters()? } else { Vec::new() };
        let node = self.expression()?;
        let calls = matches!(&node.kind, super::Expr::Chain(_, links) if matches!(links.last(), Some((_, super::Link::Call(_)))));
        if !calls {
            return Err(SyntaxError { line, message: "`call` needs a call: `{% call f() %}`".into() });
        }
        let body = self.block(line, "endcall")?;
        let def = MacroDef {
            name: "caller".into(),
            line,
            parameters,
            body,
            takes_varargs: true,
            takes_kwargs: true,
            takes_caller: false,
        };
        Ok(Stmt::Call(node, Arc::new(def)))
    }

    /// `macro`, `test` and `materialization`.
    fn defined(&mut self, line: u32, word: &str) -> Read<Stmt> {
        let mut name = self.word()?;
        let mut parameters = Vec::new();
        let end = format!("end{word}");
        match word {
            "macro" => parameters = self.parameters()?,
            "materialization" => {
                let mut adapter: Name = "default".into();
                while self.skip_op(",") {
                    let key = self.word()?;
                    if self.skip_op("=") {
                        let value = self.expression()?;
                        if &*key == "adapter"
                            && let super::Expr::Const(value) = &value.kind
                        {
                            adapter = value.to_string().into();
                        }
                    }
                }
                name = format!("materialization_{name}_{adapter}").into();
            }
            _ => {
                name = format!("test_{name}").into();
                parameters = self.parameters()?;
            }
        }
        let outer = std::mem::take(&mut self.uses);
        let loops = std::mem::take(&mut self.loops);
        let body = self.block(line, &end)?;
        let [takes_varargs, takes_kwargs, takes_caller] = self.uses;
        self.uses = outer;
        self.loops = loops;
        let def = MacroDef { name, line, parameters, body, takes_varargs, takes_kwargs, takes_caller };
        Ok(Stmt::Macro(Arc::new(def)))
    }

    fn parameters(&mut self) -> Read<Vec<(Name, Option<Node>)>> {
        self.expect_op("(")?;
        let mut parameters: Vec<(Name, Option<Node>)> = Vec::new();
        while !self.skip_op(")") {
            let name = self.word()?;
            let default = if self.skip_op("=") { Some(self.expression()?) } else { None };
            if default.is_none() && parameters.iter().any(|(_, default)| default.is_some()) {
                return self.fail(format!("the parameter `{name}` has no default, but one before it has"));
            }
            parameters.push((name, default));
            if !self.skip_op(",") {
                self.expect_op(")")?;
                break;
            }
        }
        Ok(parameters)
    }

    /// What a value is given to.
    fn target(&mut self, attributes: bool) -> Read<Target> {
        let mut targets = vec![self.one_target(attributes)?];
        let mut several = false;
        while self.skip_op(",") {
            several = true;
            if self.is_op("=") || self.is_word("in") || matches!(self.peek(), Some(Tok::TagEnd)) {
                break;
            }
            targets.push(self.one_target(attributes)?);
        }
        match (several, targets.pop()) {
            (false, Some(target)) => Ok(target),
            (_, last) => {
                targets.extend(last);
                Ok(Target::Several(targets))
            }
        }
    }

    fn one_target(&mut self, attributes: bool) -> Read<Target> {
        if self.skip_op("(") {
            self.enter()?;
            let mut targets = Vec::new();
            while !self.skip_op(")") {
                targets.push(self.one_target(attributes)?);
                if !self.skip_op(",") {
                    self.expect_op(")")?;
                    break;
                }
            }
            self.leave();
            return Ok(Target::Several(targets));
        }
        let name = self.word()?;
        if matches!(&*name, "true" | "false" | "none" | "True" | "False" | "None") {
            return self.fail(format!("`{name}` cannot be given a value"));
        }
        if attributes && self.skip_op(".") {
            let attribute = self.word()?;
            return Ok(Target::Attr(name, attribute));
        }
        if !self.assigned.contains(&name) {
            self.assigned.push(name.clone());
        }
        Ok(Target::Var(name))
    }
}
