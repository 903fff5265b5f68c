//! Statements the parser does not know, read word by word.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{Found, lexer, names::Names, only, settings, unreadable};
use crate::file::Beyond;
use crate::reading::{Dialect, Reading, ReadingProblem, Relation, StatementKind as Kind};

/// How many words at the front ask how the statement behind them would be run. What runs it as
/// well, and what tells the server's settings, is not among them.
pub(super) fn explained(tokens: &[TokenWithSpan], dialect: Dialect) -> usize {
    let names = Names { dialect, default_schema: "" };
    let mut words = Words { tokens, at: 0, names };
    if !words.all(&["explain"]) {
        return 0;
    }
    if words.mysql() {
        let _ = words.all(&["extended"]) || words.all(&["partitions"]);
        if words.all(&["format"])
            && !(words.punctuation(&Token::Eq) && words.one_of(&["json", "tree", "traditional"]))
        {
            return 0;
        }
    } else if words.punctuation(&Token::LParen) {
        loop {
            let known = words.one_of(&["verbose", "costs", "summary", "format", "generic_plan"]);
            if !known {
                return 0;
            }
            let _ = words.one_of(&["on", "off", "true", "false", "text", "json", "xml", "yaml"]);
            if !words.punctuation(&Token::Comma) {
                break;
            }
        }
        if !words.punctuation(&Token::RParen) {
            return 0;
        }
    } else {
        words.all(&["verbose"]);
    }
    let read = ["select", "with", "insert", "update", "delete", "merge", "values", "create"];
    let start = words.at;
    if words.one_of(&read) || words.punctuation(&Token::LParen) { start } else { 0 }
}

/// Reads a statement of one of these forms; none where it is of another.
pub(super) fn read(tokens: &[TokenWithSpan], names: Names<'_>) -> Found<Option<Reading>> {
    let mut words = Words { tokens, at: 0, names };
    if words.all(&["create", "schema"]) || (words.mysql() && words.all(&["create", "database"])) {
        words.all(&["if", "not", "exists"]);
        let schema = words.part()?;
        words.end("CREATE SCHEMA")?;
        let mut reading = written(Kind::Create, [names.whole(&schema)?]);
        reading.beyond.insert(Beyond::Schemas);
        return Ok(Some(reading));
    }
    if words.mysql() {
        return if words.all(&["analyze", "table"]) { words.analyze().map(Some) } else { Ok(None) };
    }
    if words.all(&["show"]) {
        return words.show().map(Some);
    }
    if words.all(&["set"]) {
        return words.set().map(Some);
    }
    if words.all(&["reset"]) {
        return words.reset().map(Some);
    }
    if words.all(&["vacuum"]) {
        return words.vacuum().map(Some);
    }
    if words.all(&["alter", "default", "privileges"]) {
        return words.default_rights().map(Some);
    }
    if words.all(&["refresh", "materialized", "view"]) {
        words.all(&["concurrently"]);
        let view = words.relation()?;
        let _ = words.all(&["with", "data"]) || words.all(&["with", "no", "data"]);
        words.end("REFRESH")?;
        return Ok(Some(written(Kind::Refresh, [view])));
    }
    if words.all(&["analyze"]) {
        words.all(&["verbose"]);
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

    fn one_of(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.all(&[word]))
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
        if self.mysql() || !self.punctuation(&Token::Period) {
            return self.names.made(&first, &second);
        }
        let third = self.part()?;
        self.names.made(&second, &third)
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

    /// `SHOW name` of a setting that holds no secret.
    fn show(&mut self) -> Found<Reading> {
        let name = if self.all(&["time", "zone"]) { "timezone".to_owned() } else { self.part()? };
        if !settings::is_shown(&name) {
            return Err(ReadingProblem::Kind(format!("SHOW {}", name.to_ascii_uppercase().escape_debug())));
        }
        self.end("SHOW")?;
        Ok(Reading { kind: Some(Kind::Select), ..Reading::default() })
    }

    /// `SET name = value` of a setting that is nobody's wall.
    fn set(&mut self) -> Found<Reading> {
        let _ = self.one_of(&["session", "local"]);
        let zone = self.all(&["time", "zone"]);
        let name = if zone { "timezone".to_owned() } else { self.set_name()? };
        if !settings::is_changed(&name) {
            return Err(ReadingProblem::Kind(format!("SET {}", name.to_ascii_uppercase().escape_debug())));
        }
        only(zone || self.punctuation(&Token::Eq) || self.all(&["to"]), "SET")?;
        let _ = self.punctuation(&Token::Minus);
        let value = self.tokens.get(self.at).map(|t| &t.token);
        let plain = matches!(value, Some(Token::Word(_) | Token::Number(..) | Token::SingleQuotedString(_)));
        only(plain, "SET")?;
        self.at += 1;
        self.end("SET")?;
        Ok(Reading { kind: Some(Kind::Set), ..Reading::default() })
    }

    /// `RESET name` of such a setting.
    fn reset(&mut self) -> Found<Reading> {
        let name = if self.all(&["time", "zone"]) { "timezone".to_owned() } else { self.set_name()? };
        if !settings::is_changed(&name) {
            return Err(ReadingProblem::Kind(format!("RESET {}", name.to_ascii_uppercase().escape_debug())));
        }
        self.end("RESET")?;
        Ok(Reading { kind: Some(Kind::Set), ..Reading::default() })
    }

    /// `VACUUM` of named tables. The server runs it outside of transactions alone.
    fn vacuum(&mut self) -> Found<Reading> {
        let known = ["full", "freeze", "verbose", "analyze"];
        if self.punctuation(&Token::LParen) {
            loop {
                only(self.one_of(&known) || self.one_of(&["skip_locked", "truncate"]), "VACUUM")?;
                let _ = self.one_of(&["on", "off", "true", "false"]);
                if !self.punctuation(&Token::Comma) {
                    break;
                }
            }
            only(self.punctuation(&Token::RParen), "VACUUM")?;
        } else {
            while self.one_of(&known) {}
        }
        self.analyze()
    }

    /// The name of a setting, which may be a word that is no name elsewhere.
    fn set_name(&mut self) -> Found<String> {
        let Some(Token::Word(word)) = self.tokens.get(self.at).map(|t| &t.token) else {
            return unreadable("a name is missing");
        };
        self.at += 1;
        Ok(word.value.to_ascii_lowercase())
    }

    /// Rights on tables that will be made in a schema.
    fn default_rights(&mut self) -> Found<Reading> {
        let mut reading = Reading { kind: Some(Kind::Grant), ..Reading::default() };
        reading.beyond.insert(Beyond::Rights);
        only(self.all(&["in", "schema"]), "ALTER DEFAULT PRIVILEGES")?;
        loop {
            let schema = self.part()?;
            reading.writes.insert(self.names.whole(&schema)?);
            if !self.punctuation(&Token::Comma) {
                break;
            }
        }
        let given = self.all(&["grant"]);
        if !given {
            only(self.all(&["revoke"]), "ALTER DEFAULT PRIVILEGES")?;
            reading.kind = Some(Kind::Revoke);
        }
        loop {
            let known = self.one_of(&["select", "insert", "update", "delete", "references", "truncate"]);
            only(known || self.all(&["all", "privileges"]) || self.all(&["all"]), "rights")?;
            if !self.punctuation(&Token::Comma) {
                break;
            }
        }
        only(self.all(&["on", "tables"]) && self.all(&[if given { "to" } else { "from" }]), "rights")?;
        loop {
            let _ = self.one_of(&["group", "role"]);
            self.part()?;
            if !self.punctuation(&Token::Comma) {
                break;
            }
        }
        self.end("ALTER DEFAULT PRIVILEGES")?;
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
