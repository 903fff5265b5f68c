//! PostgreSQL, MySQL and MariaDB: which statements are read, and what each of them touches.
//!
//! In: a statement, its dialect, the session's default schema. Out: a [`Reading`].
//! Never: lets a part of the tree pass that it has not looked at. Kinds of statements, clauses,
//! expressions, functions and options are those it lists; anything else is a refusal.
//! Fails: closed.
//! Source: `docs/adr/0013-reading-statements-of-three-engines.md`.

mod ddl;
mod dml;
mod functions;
mod lexer;

mod names;
mod phrases;
mod settings;
mod table;
mod types;
mod walk;
pub(super) mod words;

use std::thread;

use sqlparser::{
    ast::Statement,
    dialect::{MySqlDialect, PostgreSqlDialect},
    parser::Parser,
    tokenizer::{Token, TokenWithSpan},
};

use self::names::Names;
pub(super) use self::names::{TEMP, is_catalog, is_reserved, kept_relation};
use super::{
    Dialect, Reading, ReadingProblem,
    lexical::{self, DEPTH_MAX},
    mend::mend,
};

type Found<T> = Result<T, ReadingProblem>;

/// Depth up to which a statement is read on the caller's own stack.
const DEPTH_OWN_STACK: usize = 100;
/// Stack for the deepest statement let through.
const DEEP_STACK_BYTES: usize = 256 << 20;

/// Reads one statement.
pub(super) fn read(sql: &str, dialect: Dialect, default_schema: &str) -> Found<Reading> {
    let names = Names { dialect, default_schema };
    let mut tokens = lexer::tokenize(sql, dialect)?;
    while matches!(tokens.last().map(|t| &t.token), Some(Token::SemiColon)) {
        tokens.pop();
    }
    let statements = tokens.split(|t| t.token == Token::SemiColon).filter(|s| !s.is_empty()).count();
    if statements != 1 || tokens.iter().any(|t| t.token == Token::SemiColon) {
        return Err(ReadingProblem::Count(statements));
    }
    let mut tokens = mend(tokens, dialect);
    tokens.drain(..phrases::explained(&tokens, dialect));
    if let Some(reading) = phrases::read(&tokens, names)? {
        return Ok(reading);
    }
    let depth = lexical::depth(&tokens);
    if depth > DEPTH_MAX {
        return unreadable("its expressions nest too deeply");
    }
    if depth <= DEPTH_OWN_STACK {
        return parse(tokens, names);
    }
    let too_deep = || ReadingProblem::Unreadable("its expressions nest too deeply".to_owned());
    thread::scope(|scope| {
        let deep = thread::Builder::new().stack_size(DEEP_STACK_BYTES);
        let reader = deep.spawn_scoped(scope, || parse(tokens, names)).map_err(|_| too_deep())?;
        reader.join().map_err(|_| too_deep())?
    })
}

fn parse(tokens: Vec<TokenWithSpan>, names: Names<'_>) -> Found<Reading> {
    let expected = walk::Counts::of(&tokens);
    let dialect: &dyn sqlparser::dialect::Dialect = match names.dialect {
        Dialect::Mysql => &MySqlDialect {},
        _ => &PostgreSqlDialect {},
    };
    let mut parser = Parser::new(dialect).with_tokens_with_locations(tokens);
    let statement = match parser.parse_statement() {
        Ok(statement) => statement,
        Err(error) => return unreadable(&error.to_string()),
    };
    // The parser's own way to read all of a text stops at the word END and drops what follows.
    let next = parser.next_token().token;
    if next != Token::EOF {
        return unreadable(&format!("`{}` stands behind its end", next.to_string().escape_debug()));
    }
    read_tree(&statement, names, &expected)
}

fn read_tree(statement: &Statement, names: Names<'_>, expected: &walk::Counts) -> Found<Reading> {
    let mut walk = walk::Walk::new(statement, names);
    let kind = ddl::effect(&mut walk, statement)?;
    walk.visit(statement)?;
    walk.finish(kind, expected)
}

fn unreadable<T>(why: &str) -> Found<T> {
    Err(ReadingProblem::Unreadable(why.to_owned()))
}

/// Refuses a tree that has a part the reader does not know.
fn only(known: bool, what: &str) -> Found<()> {
    if known { Ok(()) } else { unreadable(&format!("this form of {what} is not read")) }
}
