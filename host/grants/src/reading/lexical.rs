//! Words before grammar: only tokens that the engine would cut in the same places are let through.

use cofferdam_call::STATEMENT_BYTES_MAX;
use sqlparser::{
    dialect::SQLiteDialect,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word},
};

use super::ReadingProblem;

/// Operators nested into one another, at most.
pub(super) const DEPTH_MAX: usize = 4_000;

/// The tokens of a text and how deeply its expressions may nest.
pub(super) struct Tokens {
    pub(super) tokens: Vec<TokenWithSpan>,
    pub(super) depth: usize,
}

/// Cuts a text into tokens, or refuses it.
pub(super) fn tokenize(sql: &str) -> Result<Tokens, ReadingProblem> {
    let refuse = |why: &str| Err(ReadingProblem::Unreadable(why.to_owned()));
    if sql.len() > STATEMENT_BYTES_MAX {
        return refuse("it is longer than 1 MiB");
    }
    // The engine ends a statement at a NUL byte; nobody needs the other control characters.
    if sql.chars().any(|c| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return refuse("it holds a control character");
    }
    let tokens = Tokenizer::new(&SQLiteDialect {}, sql)
        .tokenize_with_location()
        .map_err(|e| ReadingProblem::Unreadable(e.to_string()))?;
    if let Some(token) = tokens.iter().find(|t| !is_plain(&t.token)) {
        return refuse(&format!("`{}` at {} is not read", shown(&token.token), token.span.start));
    }
    let depth = depth(&tokens);
    if depth > DEPTH_MAX {
        return refuse("its expressions nest too deeply");
    }
    Ok(Tokens { tokens, depth })
}

/// Whether a token is one that engine and reader cut alike.
fn is_plain(token: &Token) -> bool {
    match token {
        // Outside quotes the engine takes every character above ASCII for a letter, blanks included.
        Token::Word(Word { value, quote_style: None, .. }) => value.is_ascii(),
        Token::Word(_) | Token::Number(_, false) => true,
        Token::SingleQuotedString(_) | Token::HexStringLiteral(_) | Token::Placeholder(_) => true,
        Token::Whitespace(Whitespace::SingleLineComment { prefix, .. }) => prefix == "--",
        Token::Whitespace(_) | Token::EOF => true,
        Token::Comma | Token::LParen | Token::RParen | Token::Period | Token::SemiColon => true,
        Token::DoubleEq | Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq => true,
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod | Token::StringConcat => true,
        Token::Ampersand | Token::Pipe | Token::Tilde | Token::ShiftLeft | Token::ShiftRight => true,
        Token::Arrow | Token::LongArrow | Token::Colon | Token::AtSign => true,
        _ => false,
    }
}

fn shown(token: &Token) -> String {
    token.to_string().chars().take(40).flat_map(char::escape_debug).collect()
}

/// An upper bound of how deeply operators nest: a chain of them makes a tree as deep as it is
/// long. Expressions start anew at commas, set operations only at parentheses.
pub(super) fn depth(tokens: &[TokenWithSpan]) -> usize {
    // Per open parenthesis: set operations, operators of the current expression. `sum` is their sum.
    let (mut levels, mut sum, mut deepest) = (vec![(0_usize, 0_usize)], 0_usize, 0_usize);
    for token in tokens {
        let Some((sets, operators)) = levels.last_mut() else { break };
        match &token.token {
            Token::LParen => {
                levels.push((1, 0));
                sum += 1;
            }
            Token::RParen => {
                sum -= *sets + *operators;
                (*sets, *operators) = (0, 0);
                if levels.len() > 1 {
                    levels.pop();
                }
            }
            Token::Comma => {
                sum -= *operators;
                *operators = 0;
            }
            token if is_word_of(token, &["union", "except", "intersect", "minus"]) => {
                *sets += 1;
                sum += 1;
            }
            token if is_operator(token) => {
                *operators += 1;
                sum += 1;
            }
            _ => {}
        }
        deepest = deepest.max(sum);
    }
    deepest
}

fn is_word_of(token: &Token, words: &[&str]) -> bool {
    matches!(token, Token::Word(w) if words.iter().any(|k| w.value.eq_ignore_ascii_case(k)))
}

fn is_operator(token: &Token) -> bool {
    match token {
        Token::Word(_) => is_word_of(
            token,
            &[
                "and", "or", "xor", "is", "not", "in", "like", "ilike", "rlike", "similar", "glob", "match",
                "regexp", "between", "collate", "escape", "isnull", "notnull", "at", "div", "mod",
                "overlaps", "member", "operator",
            ],
        ),
        Token::Whitespace(_) | Token::Number(..) | Token::SingleQuotedString(_) | Token::EOF => false,
        Token::HexStringLiteral(_) | Token::Placeholder(_) | Token::SemiColon => false,
        _ => true,
    }
}
