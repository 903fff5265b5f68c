//! Forms of PostgreSQL and MySQL the parser does not know, brought into forms it does, token by
//! token. What is left out or put in names no relation and calls no function.
//!
//! In: the tokens of one statement. Out: tokens that mean the same to the server.
//! Never: takes away a word that could be a name, a keyword that opens a clause, or a sign.
//! Source: `docs/adr/0013-reading-statements-of-three-engines.md`.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::words;
use crate::reading::Dialect;

/// What `LIKE` may copy of another table.
const COPIED: [&str; 10] = [
    "all",
    "comments",
    "compression",
    "constraints",
    "defaults",
    "generated",
    "identity",
    "indexes",
    "statistics",
    "storage",
];

/// Mends the tokens of one statement.
pub(super) fn mend(tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Vec<TokenWithSpan> {
    let mut mended: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let creates = word_at(&tokens, 0) == Some("create");
    let mut at = 0;
    while at < tokens.len() {
        let last = mended.last_mut().map(|t| &mut t.token);
        if let (Some(string), Token::SingleQuotedString(more)) = (last, &tokens[at].token)
            && continues(string, more, dialect)
        {
            at += 1;
            continue;
        }
        if let Some(name) = name_by_place(&mended, &tokens[at..], dialect) {
            mended.push(TokenWithSpan::wrap(name));
            at += 1;
            continue;
        }
        if dialect == Dialect::Postgres {
            let skipped = skipped(&mended, &tokens[at..], creates);
            if skipped > 0 {
                at += skipped;
                continue;
            }
            if let Some(word) = null_test(&mended, &tokens[at..]) {
                mended.extend(["is", word].map(|w| TokenWithSpan::wrap(Token::make_word(w, None))));
                mended.extend((word == "not").then(|| TokenWithSpan::wrap(Token::make_word("null", None))));
                at += 1;
                continue;
            }
            // `(row).*`: the fields of a row, read as one of them.
            let star =
                matches!(&mended[..], [.., a, b] if a.token == Token::RParen && b.token == Token::Period);
            if star && tokens[at].token == Token::Mul {
                mended.push(TokenWithSpan::wrap(Token::make_word("every", Some('"'))));
                at += 1;
                continue;
            }
        }
        mended.push(tokens[at].clone());
        at += 1;
    }
    mended
}

fn word_at(tokens: &[TokenWithSpan], at: usize) -> Option<&str> {
    match &tokens.get(at)?.token {
        Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
        _ => None,
    }
}

/// A string that goes on in the next one. Where the server does not take the two for one, it
/// refuses them.
fn continues(string: &mut Token, more: &str, dialect: Dialect) -> bool {
    match string {
        Token::SingleQuotedString(text) => text.push_str(more),
        Token::EscapedStringLiteral(text) | Token::UnicodeStringLiteral(text)
            if dialect == Dialect::Postgres =>
        {
            text.push_str(more);
        }
        _ => return false,
    }
    true
}

/// A reserved word that stands where it can only be a name: behind a dot, and in PostgreSQL behind
/// AS, other than before a query.
fn name_by_place(before: &[TokenWithSpan], rest: &[TokenWithSpan], dialect: Dialect) -> Option<Token> {
    let word = word_at(rest, 0)?;
    let folded = word.to_ascii_lowercase();
    let (reserved, quote) = match dialect {
        Dialect::Mysql => (words::MYSQL, '`'),
        _ => (words::POSTGRES, '"'),
    };
    if reserved.binary_search(&&*folded).is_err() {
        return None;
    }
    let named = match &before.last()?.token {
        Token::Period => true,
        _ if dialect == Dialect::Postgres && word_at(before, before.len() - 1) == Some("as") => {
            !matches!(&*folded, "select" | "with" | "table" | "not")
        }
        _ => false,
    };
    named.then(|| Token::make_word(word, Some(quote)))
}

/// `ISNULL` and `NOTNULL` behind an expression: the last word they stand for.
fn null_test(before: &[TokenWithSpan], rest: &[TokenWithSpan]) -> Option<&'static str> {
    let word = match word_at(rest, 0)? {
        "isnull" => "null",
        "notnull" => "not",
        _ => return None,
    };
    let called = rest.get(1).is_some_and(|t| t.token == Token::LParen);
    (ends_expression(before) && !called).then_some(word)
}

/// Whether an expression can end here. A word that is reserved ends none, but for a few.
fn ends_expression(before: &[TokenWithSpan]) -> bool {
    match before.last().map(|t| &t.token) {
        Some(Token::Word(word)) => {
            let reserved = words::POSTGRES.binary_search(&&*word.value).is_ok();
            word.quote_style.is_some()
                || !reserved
                || matches!(&*word.value, "null" | "true" | "false" | "end" | "user" | "default")
                || word.value.starts_with("current_")
                || word.value.starts_with("local")
        }
        Some(Token::RParen | Token::RBracket | Token::Number(..) | Token::Placeholder(_)) => true,
        Some(Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)) => true,
        _ => false,
    }
}

/// How many tokens at the front of `rest` say nothing about what is read or written.
fn skipped(before: &[TokenWithSpan], rest: &[TokenWithSpan], creates: bool) -> usize {
    let Some(word) = word_at(rest, 0) else { return 0 };
    let behind = before.len().checked_sub(1).and_then(|at| word_at(before, at));
    let last = before.last().map(|t| &t.token);
    match word {
        // The order of letters: a name the server looks up among collations.
        "collate" if ends_expression(before) && behind != Some("as") => collation(rest),
        // Both bounds in either order.
        "symmetric" | "asymmetric" if behind == Some("between") => 1,
        // The elements of an array as single arguments.
        "variadic" if matches!(last, Some(Token::LParen | Token::Comma)) => 1,
        // Rows of a window's frame that are left out.
        "exclude" => {
            let words = match (word_at(rest, 1), word_at(rest, 2)) {
                (Some("ties" | "group"), _) => 2,
                (Some("current"), Some("row")) | (Some("no"), Some("others")) => 3,
                _ => return 0,
            };
            let ends = rest.get(words).is_some_and(|t| t.token == Token::RParen);
            if ends && matches!(behind, Some("row" | "following" | "preceding")) { words } else { 0 }
        }
        "including" | "excluding" if creates && word_at(rest, 1).is_some_and(|w| COPIED.contains(&w)) => {
            // Not an alias: what stands before it is the name behind LIKE.
            if ends_expression(before) { 2 } else { 0 }
        }
        // The letter that stands for the backslash in `U&''`.
        "uescape" if matches!(last, Some(Token::UnicodeStringLiteral(_))) => {
            let letter = matches!(rest.get(1).map(|t| &t.token), Some(Token::SingleQuotedString(_)));
            if letter { 2 } else { 0 }
        }
        _ => 0,
    }
}

fn collation(rest: &[TokenWithSpan]) -> usize {
    let name = |at: usize| match rest.get(at).map(|t| &t.token) {
        Some(Token::Word(word)) => {
            word.quote_style.is_some() || words::POSTGRES.binary_search(&&*word.value).is_err()
        }
        _ => false,
    };
    let dotted = rest.get(2).is_some_and(|t| t.token == Token::Period) && name(3);
    if !name(1) {
        0
    } else if dotted {
        4
    } else {
        2
    }
}
