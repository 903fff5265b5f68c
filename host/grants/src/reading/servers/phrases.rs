//! Statements the parser does not know, read word by word.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Found, lexer, names::Names, only, unreadable};
use crate::reading::{Dialect, Reading, ReadingProblem, Relation, StatementKind as Kind};

/// Reads a statement of one of these forms; none where it is of another.
pub(super) fn read(tokens: &[TokenWithSpan], names: Names<'_>) -> Found<Option<Reading>> {
    let mut words = Words { tokens, at: 0, names };
    if words.all(&["create", "schema"]) || (words.mysql() && words.all(&["create", "database"])) {
        words.all(&["if", "not", "exists"]);
        let schema = words.part()?;
        words.end("CREATE SCHEMA")?;
        let mut reading = written(Kind::Create, [names.made(&schema, "*")?]);
        reading.needs_admin = true;
        return Ok(Some(reading));
    }
    if words.mysql() {
        return if words.all(&["analyze", "table"]) { words.analyze().map(Some) } else { Ok(None) };
    }
    if words.all(&["refresh", "materialized", "view"]) {
        words.all(&["concurrently"]);
        let view = words.relation()?;
        let _ = words.all(&["with", "data"]) || words.all(&["with", "no", "data"]);
        words.end("REFRESH")?;
        return Ok(Some(written(Kind::Refresh, [view])));
    }
    if words.all(&["analyze"]) {
        return words.analyze().map(Some);
    }
    words.alter()
}

/// A relation named in a string, as functions on sequences take it.
pub(super) fn relation_in(text: &str, names: Names<'_>) -> Found<Relation> {
    let tokens = lexer::tokenize(text, Dialect::Postgres)?;
    let mut words = Words { tokens: &tokens, at: 0, names };
    let relation = words.relation()?;
    words.end("sequence name")?;
    Ok(relation)
}

fn written<const N: usize>(kind: Kind, writes: [Relation; N]) -> Reading {
    Reading { kind: Some(kind), writes: writes.into(), ..Reading::default() }
}

struct Words<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
    names: Names<'a>,
}

impl Words<'_> {
    fn mysql(&self) -> bool {
        self.names.dialect == Dialect::Mysql
    }

    /// Takes all of these words, or none.
    fn all(&mut self, words: &[&str]) -> bool {
        let found = self.tokens.get(self.at..self.at + words.len()).is_some_and(|tokens| {
            tokens.iter().zip(words).all(|(token, word)| {
                matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
            })
        });
        self.at += if found { words.len() } else { 0 };
        found
    }

    fn punctuation(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|t| t.token == *token);
        self.at += usize::from(found);
        found
    }

    /// Takes one part of a name.
    fn part(&mut self) -> Found<String> {
        let Some(Token::Word(word)) = self.tokens.get(self.at).map(|t| &t.token) else {
            return unreadable("a name is missing");
        };
        let ident = word.clone().into_ident(sqlparser::tokenizer::Span::empty());
        if !self.names.is_name(&ident) {
            return unreadable(&format!("`{}` stands where a name is read", word.value));
        }
        self.at += 1;
        Ok(word.value.clone())
    }

    fn relation(&mut self) -> Found<Relation> {
        let first = self.part()?;
        if !self.punctuation(&Token::Period) {
            return self.names.bare(&first);
        }
        let second = self.part()?;
        self.names.made(&first, &second)
    }

    fn end(&self, what: &str) -> Found<()> {
        only(self.at == self.tokens.len(), what)
    }

    fn analyze(&mut self) -> Found<Reading> {
        let mut reading = Reading { kind: Some(Kind::Analyze), ..Reading::default() };
        loop {
            let table = self.relation()?;
            if table.is_engine_owned() {
                return Err(ReadingProblem::Reserved(table.to_string()));
            }
            reading.writes.insert(table);
            if self.punctuation(&Token::LParen) {
                self.part()?;
                while self.punctuation(&Token::Comma) {
                    self.part()?;
                }
                only(self.punctuation(&Token::RParen), "ANALYZE")?;
            }
            if !self.punctuation(&Token::Comma) {
                break;
            }
        }
        self.end("ANALYZE")?;
        Ok(reading)
    }

    /// `ALTER … SET SCHEMA`, and renames of what is no table.
    fn alter(&mut self) -> Found<Option<Reading>> {
        if !self.all(&["alter"]) {
            return Ok(None);
        }
        let table = self.all(&["table"]);
        let other = !table
            && (self.all(&["materialized", "view"])
                || ["view", "index", "sequence"].iter().any(|k| self.all(&[k])));
        if !table && !other {
            return Ok(None);
        }
        self.all(&["if", "exists"]);
        let relation = match self.relation() {
            Ok(relation) => relation,
            Err(ReadingProblem::Unreadable(_)) if table => return Ok(None),
            Err(problem) => return Err(problem),
        };
        let target = if self.all(&["set", "schema"]) {
            let schema = self.part()?;
            self.names.made(&schema, relation.name())?
        } else if other && self.all(&["rename", "to"]) {
            let name = self.part()?;
            self.names.made(relation.schema(), &name)?
        } else {
            return Ok(None);
        };
        self.end("ALTER")?;
        for reserved in [&relation, &target] {
            if reserved.is_engine_owned() {
                return Err(ReadingProblem::Reserved(reserved.to_string()));
            }
        }
        Ok(Some(written(Kind::Alter, [relation, target])))
    }
}
