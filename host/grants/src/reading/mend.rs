//! Forms of the engines' languages the parser does not know, brought into forms it does, token by
//! token. What is left out or put in names no relation and calls no function.
//!
//! In: the tokens of one statement. Out: tokens that mean the same to the server.
//! Never: takes away a word that could be a name, a keyword that opens a clause, or a sign.
//! Source: `docs/adr/0013-reading-statements-of-three-engines.md`.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::servers::words;
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
pub(super) fn mend(mut tokens: Vec<TokenWithSpan>, dialect: Dialect) -> Vec<TokenWithSpan> {
    tokens.truncate(tokens.len() - filling(&tokens, dialect));
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
        let skipped = match dialect {
            Dialect::Postgres => skipped(&mended, &tokens[at..], creates),
            Dialect::Sqlite => left_out(&mended, &tokens[at..]),
            Dialect::Mysql => 0,
        };
        if skipped > 0 {
            at += skipped;
            continue;
        }
        if let Some((sign, taken)) = sign(&mended, &tokens[at..], dialect) {
            mended.push(TokenWithSpan::wrap(sign));
            at += taken;
            continue;
        }
        if dialect == Dialect::Postgres {
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
        mended.push(std::mem::replace(&mut tokens[at], TokenWithSpan::wrap(Token::EOF)));
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

/// The words at the end of a materialized view that say whether it is filled at once.
fn filling(tokens: &[TokenWithSpan], dialect: Dialect) -> usize {
    let starts = ["create", "materialized", "view"];
    if dialect != Dialect::Postgres || starts.iter().enumerate().any(|(at, w)| word_at(tokens, at) != Some(w))
    {
        return 0;
    }
    let from_end = |back: usize| tokens.len().checked_sub(back).and_then(|at| word_at(tokens, at));
    match (from_end(3), from_end(2), from_end(1)) {
        (Some("with"), Some("no"), Some("data")) => 3,
        (_, Some("with"), Some("data")) => 2,
        _ => 0,
    }
}

/// A string that goes on in the next one. Where the server does not take the two for one, it
/// refuses them.
fn continues(string: &mut Token, more: &str, dialect: Dialect) -> bool {
    match string {
        Token::SingleQuotedString(text) if dialect != Dialect::Sqlite => text.push_str(more),
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
    let dotted = before.last()?.token == Token::Period;
    let named = dialect == Dialect::Postgres && word_at(before, before.len() - 1) == Some("as");
    if !dotted && !named {
        return None;
    }
    let folded = word.to_ascii_lowercase();
    let quote = match dialect {
        Dialect::Sqlite => return None,
        Dialect::Mysql => '`',
        Dialect::Postgres => '"',
    };
    if !is_reserved(&folded, dialect) {
        return None;
    }
    let opens = !dotted && matches!(&*folded, "select" | "with" | "table" | "not");
    (!opens).then(|| Token::make_word(word, Some(quote)))
}

/// `ISNULL` and `NOTNULL` behind an expression: the last word they stand for.
fn null_test(before: &[TokenWithSpan], rest: &[TokenWithSpan]) -> Option<&'static str> {
    let word = match word_at(rest, 0)? {
        "isnull" => "null",
        "notnull" => "not",
        _ => return None,
    };
    let called = rest.get(1).is_some_and(|t| t.token == Token::LParen);
    (ends_expression(before, Dialect::Postgres) && !called).then_some(word)
}

/// Whether an expression can end here. A word that is reserved ends none, but for a few.
fn ends_expression(before: &[TokenWithSpan], dialect: Dialect) -> bool {
    match before.last().map(|t| &t.token) {
        Some(Token::Word(word)) => {
            let folded = word.value.to_ascii_lowercase();
            word.quote_style.is_some()
                || !is_reserved(&folded, dialect)
                || matches!(&*folded, "null" | "true" | "false" | "end" | "user" | "default")
                || folded.starts_with("current_")
                || folded.starts_with("local")
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
        "collate" if ends_expression(before, Dialect::Postgres) && behind != Some("as") => collation(rest),
        // Both bounds in either order.
        "symmetric" | "asymmetric" if behind == Some("between") => 1,
        // The elements of an array as single arguments.
        "variadic" if matches!(last, Some(Token::LParen | Token::Comma)) => 1,
        "exclude" => left_out(before, rest),
        // What `LIKE` takes over of the table whose name stands before it.
        "including" | "excluding"
            if creates
                && ends_expression(before, Dialect::Postgres)
                && word_at(rest, 1).is_some_and(|w| COPIED.contains(&w)) =>
        {
            2
        }
        // The letter that stands for the backslash in `U&''`.
        "uescape" if matches!(last, Some(Token::UnicodeStringLiteral(_))) => {
            let letter = matches!(rest.get(1).map(|t| &t.token), Some(Token::SingleQuotedString(_)));
            if letter { 2 } else { 0 }
        }
        _ => 0,
    }
}

/// `EXCLUDE …` at the end of a window's frame: rows that are left out of it.
fn left_out(before: &[TokenWithSpan], rest: &[TokenWithSpan]) -> usize {
    if !word_at(rest, 0).is_some_and(|word| word.eq_ignore_ascii_case("exclude")) {
        return 0;
    }
    let word = |at: usize| word_at(rest, at).map(str::to_ascii_lowercase);
    let words = match (word(0).as_deref(), word(1).as_deref(), word(2).as_deref()) {
        (Some("exclude"), Some("ties" | "group"), _) => 2,
        (Some("exclude"), Some("current"), Some("row")) | (Some("exclude"), Some("no"), Some("others")) => 3,
        _ => return 0,
    };
    let behind = before.len().checked_sub(1).and_then(|at| word_at(before, at)).map(str::to_ascii_lowercase);
    let frame = matches!(behind.as_deref(), Some("row" | "following" | "preceding"));
    if frame && rest.get(words).is_some_and(|t| t.token == Token::RParen) { words } else { 0 }
}

/// A word that stands for a sign: `MOD` between two values in MySQL, `IS` before a value in SQLite.
fn sign(before: &[TokenWithSpan], rest: &[TokenWithSpan], dialect: Dialect) -> Option<(Token, usize)> {
    let word = |at: usize| word_at(rest, at).map(str::to_ascii_lowercase);
    let known = |word: Option<&str>| matches!(word, Some("null" | "true" | "false" | "distinct"));
    let first = word_at(rest, 0)?;
    if !(first.eq_ignore_ascii_case("mod") || first.eq_ignore_ascii_case("is")) {
        return None;
    }
    match (dialect, word(0).as_deref()) {
        (Dialect::Mysql, Some("mod")) if ends_expression(before, dialect) => Some((Token::Mod, 1)),
        (Dialect::Sqlite, Some("is")) => match word(1).as_deref() {
            Some("not") if known(word(2).as_deref()) => None,
            Some("not") => Some((Token::Neq, 2)),
            next if known(next) => None,
            _ => Some((Token::Eq, 1)),
        },
        _ => None,
    }
}

fn is_reserved(folded: &str, dialect: Dialect) -> bool {
    let words = match dialect {
        Dialect::Mysql => words::MYSQL,
        _ => words::POSTGRES,
    };
    words.binary_search(&folded).is_ok()
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
