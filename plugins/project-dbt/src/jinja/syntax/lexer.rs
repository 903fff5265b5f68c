//! Cuts a template into text, tags and the words of tags.
//!
//! In: the text of a template. Out: [`Token`]s with their lines.
//! Never: looks into text outside of tags, nor into comments and `raw` blocks.
//! Fails: with the line of what does not end.
//! Source: Jinja 3.1's lexer with its default settings: `-` eats the space beside a tag, one line
//! end at the end of a template is dropped, every line end is read as `\n`.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::scan::{next_mark, word_tag};
use super::{Name, SyntaxError};

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tok {
    Text(Arc<str>),
    VarStart,
    VarEnd,
    TagStart,
    TagEnd,
    Word(Name),
    Str(Arc<str>),
    Int(i128),
    Float(f64),
    Op(&'static str),
}

/// A piece and its line.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) line: u32,
    pub(super) tok: Tok,
}

/// Bytes of a template that make one token, about.
const BYTES_A_TOKEN: usize = 8;

/// The operator that a text begins with.
fn operator(rest: &str) -> Option<&'static str> {
    let bytes = rest.as_bytes();
    Some(match (bytes.first()?, bytes.get(1)) {
        (b'/', Some(b'/')) => "//",
        (b'*', Some(b'*')) => "**",
        (b'=', Some(b'=')) => "==",
        (b'!', Some(b'=')) => "!=",
        (b'>', Some(b'=')) => ">=",
        (b'<', Some(b'=')) => "<=",
        (b'+', _) => "+",
        (b'-', _) => "-",
        (b'*', _) => "*",
        (b'/', _) => "/",
        (b'%', _) => "%",
        (b'~', _) => "~",
        (b'(', _) => "(",
        (b')', _) => ")",
        (b'[', _) => "[",
        (b']', _) => "]",
        (b'{', _) => "{",
        (b'}', _) => "}",
        (b',', _) => ",",
        (b'.', _) => ".",
        (b':', _) => ":",
        (b'|', _) => "|",
        (b'<', _) => "<",
        (b'>', _) => ">",
        (b'=', _) => "=",
        (b';', _) => ";",
        (b'!', _) => "!",
        _ => return None,
    })
}

/// Bytes of the name that a text begins with.
fn name_length(rest: &str) -> usize {
    let plain = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    match rest.as_bytes().get(plain) {
        Some(byte) if !byte.is_ascii() => {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        }
        _ => plain,
    }
}

/// Cuts a whole template.
pub(super) fn lex(source: &str) -> Result<Vec<Token>, SyntaxError> {
    let source = plain_lines(source);
    let source = source.strip_suffix('\n').unwrap_or(&source);
    let tokens = Vec::with_capacity(source.len() / BYTES_A_TOKEN);
    let mut lexer = Lexer { source, at: 0, line: 1, tokens, trim: false };
    lexer.template()?;
    Ok(lexer.tokens)
}

/// Cuts one expression.
pub(super) fn lex_expression(source: &str) -> Result<Vec<Token>, SyntaxError> {
    let source = plain_lines(source);
    let mut lexer = Lexer { source: &source, at: 0, line: 1, tokens: Vec::new(), trim: false };
    lexer.words(None)?;
    Ok(lexer.tokens)
}

/// The text with every line end a `\n`.
pub(super) fn plain_lines(source: &str) -> Cow<'_, str> {
    if source.contains('\r') {
        Cow::Owned(source.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(source)
    }
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    line: u32,
    tokens: Vec<Token>,
    /// Whether the tag before ended with `-`.
    trim: bool,
}

impl<'s> Lexer<'s> {
    fn fail<T>(&self, line: u32, message: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError { line, message: message.into() })
    }

    fn push(&mut self, tok: Tok) {
        self.tokens.push(Token { line: self.line, tok });
    }

    /// Moves on, counting lines.
    fn skip(&mut self, bytes: usize) {
        let passed = &self.source.as_bytes()[self.at..self.at + bytes];
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at += bytes;
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn template(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let Some((offset, mark)) = next_mark(rest) else {
                self.text(rest, false);
                return Ok(());
            };
            let strip = rest.as_bytes().get(offset + 2) == Some(&b'-');
            self.text(&rest[..offset], strip);
            self.skip(offset);
            match mark {
                b'#' => {
                    let line = self.line;
                    let Some(end) = self.rest()[2..].find("#}") else {
                        return self.fail(line, "a comment `{#` does not end");
                    };
                    let inside = &self.rest()[2..2 + end];
                    self.trim = inside.ends_with('-');
                    self.skip(end + 4);
                }
                b'{' => {
                    self.push(Tok::VarStart);
                    self.open();
                    self.words(Some("}}"))?;
                }
                _ if self.raw()? => {}
                _ => {
                    self.push(Tok::TagStart);
                    self.open();
                    self.words(Some("%}"))?;
                }
            }
        }
    }

    /// Goes behind `{{`, `{%` and the sign that may follow.
    fn open(&mut self) {
        let sign = matches!(self.rest().as_bytes().get(2), Some(b'-' | b'+'));
        self.skip(2 + usize::from(sign));
    }

    /// Text up to a tag.
    fn text(&mut self, text: &str, strip: bool) {
        let mut kept = text;
        if self.trim {
            kept = kept.trim_start();
        }
        if strip {
            kept = kept.trim_end();
        }
        self.trim = false;
        if !kept.is_empty() {
            self.push(Tok::Text(kept.into()));
        }
    }

    /// A `raw` block, if one begins here.
    fn raw(&mut self) -> Result<bool, SyntaxError> {
        let Some((begin, trim_start)) = word_tag(self.rest(), "raw") else { return Ok(false) };
        let line = self.line;
        self.skip(begin);
        let body = self.rest();
        let mut from = 0;
        while let Some(found) = body[from..].find("{%") {
            let at = from + found;
            if let Some((length, trim)) = word_tag(&body[at..], "endraw") {
                let mut text = &body[..at];
                if trim_start {
                    text = text.trim_start();
                }
                if body.as_bytes().get(at + 2) == Some(&b'-') {
                    text = text.trim_end();
                }
                if !text.is_empty() {
                    self.push(Tok::Text(text.into()));
                }
                self.skip(at + length);
                self.trim = trim;
                return Ok(true);
            }
            from = at + 2;
        }
        self.fail(line, "a block `{% raw %}` does not end")
    }

    /// The words of a tag up to its end; of an expression without `end`.
    fn words(&mut self, end: Option<&'static str>) -> Result<(), SyntaxError> {
        let first = self.line;
        let mut braces = 0_usize;
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.skip(blank);
            let rest = self.rest();
            let Some(next) = rest.chars().next() else {
                return match end {
                    None => Ok(()),
                    Some("}}") => self.fail(first, "a tag `{{` does not end"),
                    Some(_) => self.fail(first, "a tag `{%` does not end"),
                };
            };
            if let Some(end) = end
                && braces == 0
            {
                let signed = rest.strip_prefix(['-', '+']).is_some_and(|rest| rest.starts_with(end));
                if signed || rest.starts_with(end) {
                    self.trim = signed && rest.starts_with('-');
                    self.push(if end == "}}" { Tok::VarEnd } else { Tok::TagEnd });
                    self.skip(2 + usize::from(signed));
                    return Ok(());
                }
            }
            if next.is_alphabetic() || next == '_' {
                let length = name_length(rest);
                self.push(Tok::Word(rest[..length].into()));
                self.at += length;
            } else if next.is_ascii_digit() {
                self.number()?;
            } else if next == '"' || next == '\'' {
                self.string(next)?;
            } else if let Some(op) = operator(rest) {
                match op {
                    "{" | "(" | "[" => braces += 1,
                    "}" | ")" | "]" => braces = braces.saturating_sub(1),
                    _ => {}
                }
                self.push(Tok::Op(op));
                self.at += op.len();
            } else {
                return self.fail(self.line, format!("`{next}` is not known here"));
            }
        }
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let run = |from: usize, radix: u32| {
            bytes[from..]
                .iter()
                .take_while(|byte| char::from(**byte).is_digit(radix) || **byte == b'_')
                .count()
                + from
        };
        let prefix = bytes.get(1).map(u8::to_ascii_lowercase);
        if bytes[0] == b'0'
            && let Some(radix) =
                prefix.and_then(|p| [(b'x', 16), (b'o', 8), (b'b', 2)].into_iter().find(|(c, _)| *c == p))
        {
            let end = run(2, radix.1);
            let digits = rest[2..end].replace('_', "");
            let Ok(value) = i128::from_str_radix(&digits, radix.1) else {
                return self.fail(self.line, format!("`{}` is not a number", &rest[..end]));
            };
            self.push(Tok::Int(value));
            self.skip(end);
            return Ok(());
        }
        let whole = run(0, 10);
        let after_dot = matches!(self.tokens.last(), Some(Token { tok: Tok::Op("."), .. }));
        let mut end = whole;
        if !after_dot {
            if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
                end = run(end + 1, 10);
            }
            if matches!(bytes.get(end), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
                if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                    end = run(end + 1 + sign, 10);
                }
            }
        }
        let digits = rest[..end].replace('_', "");
        let tok = if end == whole {
            digits.parse().ok().map(Tok::Int)
        } else {
            digits.parse().ok().map(Tok::Float)
        };
        let Some(tok) = tok else {
            return self.fail(self.line, format!("the number `{digits}` is too large"));
        };
        self.push(tok);
        self.skip(end);
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), SyntaxError> {
        let rest = &self.rest()[1..];
        let mut escaped = false;
        let end = rest.find(|c: char| {
            let here = escaped;
            escaped = c == '\\' && !here;
            c == quote && !here
        });
        let Some(end) = end else {
            return self.fail(self.line, "a text in quotes does not end");
        };
        let text = unescape(&rest[..end]);
        self.push(Tok::Str(text.as_ref().into()));
        self.skip(end + 2);
        Ok(())
    }
}

/// The text a string of Python means.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(next) = chars.next() else { break };
        let coded = |digits: usize, chars: &std::str::Chars<'_>| {
            let code: String = chars.clone().take(digits).collect();
            let value = u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == digits);
            value.and_then(char::from_u32)
        };
        match next {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'v' => out.push('\x0b'),
            '\\' | '\'' | '"' => out.push(next),
            '\n' => {}
            '0'..='7' => {
                let mut value = next.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = chars.clone().next().and_then(|c| c.to_digit(8)) else { break };
                    value = value * 8 + digit;
                    chars.next();
                }
                out.extend(char::from_u32(value));
            }
            'x' | 'u' | 'U' => {
                let digits = [('x', 2), ('u', 4), ('U', 8)].into_iter().find(|(c, _)| *c == next);
                let digits = digits.map_or(2, |(_, digits)| digits);
                if let Some(value) = coded(digits, &chars) {
                    out.push(value);
                    for _ in 0..digits {
                        chars.next();
                    }
                } else {
                    out.push('\\');
                    out.push(next);
                }
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    Cow::Owned(out)
}
