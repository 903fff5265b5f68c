//! Words before grammar: a text is cut where the server cuts it, or refused.
//!
//! In: the text of a statement. Out: `sqlparser`'s tokens, without blanks and comments.
//! Never: cuts where a setting of the session decides. A backslash before a quote, which ends a
//! string or not, and a comment the server may run are refused instead.
//! Source: `docs/adr/0013-reading-statements-of-three-engines.md`.

pub(super) mod mysql;
pub(super) mod postgres;

use cofferdam_call::STATEMENT_BYTES_MAX;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::super::{Dialect, ReadingProblem};

pub(super) type Cut<T> = Result<T, ReadingProblem>;

/// Cuts a text into tokens, or refuses it.
pub(super) fn tokenize(sql: &str, dialect: Dialect) -> Cut<Vec<TokenWithSpan>> {
    if sql.len() > STATEMENT_BYTES_MAX {
        return refuse("it is longer than 1 MiB");
    }
    if sql.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return refuse("it holds a control character");
    }
    let mut scan = Scan { text: sql, at: 0, tokens: Vec::new() };
    while let Some(next) = scan.peek() {
        if matches!(next, ' ' | '\t' | '\n' | '\r') {
            scan.at += 1;
        } else if dialect == Dialect::Mysql {
            mysql::token(&mut scan, next)?;
        } else {
            postgres::token(&mut scan, next)?;
        }
    }
    Ok(scan.tokens)
}

pub(super) fn refuse<T>(why: &str) -> Cut<T> {
    Err(ReadingProblem::Unreadable(why.to_owned()))
}

/// A text, how far it was cut, and into what.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<TokenWithSpan>,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, token: Token) {
        self.tokens.push(TokenWithSpan::wrap(token));
    }

    fn last(&self) -> Option<&Token> {
        self.tokens.last().map(|t| &t.token)
    }

    /// Takes the longest start all of whose bytes are of a kind. The kind is one of ASCII.
    fn take_while(&mut self, kind: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|b| !kind(b)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn skip_line(&mut self, ends: &[char]) {
        self.at += self.rest().find(ends).unwrap_or(self.rest().len());
    }

    /// Takes what stands between quotes; the opening one is next. A doubled quote is one of the
    /// text.
    fn quoted(&mut self, quote: char) -> Cut<String> {
        let mut content = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = characters.next() {
            if c == quote {
                if characters.next_if(|(_, next)| *next == quote).is_none() {
                    self.at += at + quote.len_utf8();
                    return Ok(content);
                }
            } else if c == '\\' && characters.peek().is_some_and(|(_, next)| *next == quote) {
                return refuse("a backslash stands before a quote; double the quote instead");
            }
            content.push(c);
        }
        refuse("a quote is not closed")
    }

    /// Takes a name between quotes, where a backslash is a character like any other.
    fn quoted_name(&mut self, quote: char) -> Cut<String> {
        let mut name = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((at, c)) = characters.next() {
            if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
                self.at += at + quote.len_utf8();
                let sound = !name.is_empty() && !name.contains(char::is_control);
                return if sound { Ok(name) } else { refuse("a name is empty or holds a line break") };
            }
            name.push(c);
        }
        refuse("a quote is not closed")
    }

    /// Takes a number; nothing that could belong to it may follow.
    fn number(&mut self) -> Cut<()> {
        let start = self.at;
        self.take_while(|b| b.is_ascii_digit());
        if self.peek() == Some('.') {
            self.at += 1;
            self.take_while(|b| b.is_ascii_digit());
        }
        let exponent = self.rest().as_bytes();
        if matches!(exponent.first(), Some(b'e' | b'E')) {
            let signed = usize::from(matches!(exponent.get(1), Some(b'+' | b'-')));
            if exponent.get(1 + signed).is_some_and(u8::is_ascii_digit) {
                self.at += 1 + signed;
                self.take_while(|b| b.is_ascii_digit());
            }
        }
        if self.peek().is_some_and(|c| c.is_alphanumeric() || "_.$".contains(c) || !c.is_ascii()) {
            return refuse("a number and a name run into one another");
        }
        self.push(Token::Number(self.text[start..self.at].to_owned(), false));
        Ok(())
    }

    /// Takes a dot, or a number that starts with one.
    fn dot(&mut self) -> Cut<()> {
        if self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) {
            if matches!(
                self.last(),
                Some(Token::Word(_) | Token::RParen | Token::RBracket | Token::Number(..))
            ) {
                return refuse("a number stands where a name is expected");
            }
            return self.number();
        }
        self.at += 1;
        self.push(Token::Period);
        Ok(())
    }

    /// Takes one character of punctuation.
    fn one(&mut self, token: Token) -> Cut<()> {
        self.at += 1;
        self.push(token);
        Ok(())
    }
}

/// What a letter before a quote makes of the string, in every server alike.
fn literal_of(letter: &str) -> Option<fn(String) -> Token> {
    match letter {
        "b" | "B" => Some(Token::SingleQuotedByteStringLiteral),
        "x" | "X" => Some(Token::HexStringLiteral),
        "n" | "N" => Some(Token::NationalStringLiteral),
        _ => None,
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_word_part(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'$'
}

/// After a word: letters above ASCII would go on with it.
fn refuse_wide(next: Option<char>) -> Cut<()> {
    if next.is_some_and(|c| !c.is_ascii()) { refuse_character() } else { Ok(()) }
}

fn refuse_character<T>() -> Cut<T> {
    refuse("outside quotes only ASCII letters, digits and operators are read")
}
