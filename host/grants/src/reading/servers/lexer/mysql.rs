//! MySQL and MariaDB: where their scanners cut, whatever `sql_mode` says.

use sqlparser::tokenizer::Token;

use super::{Cut, Scan, is_word_part, is_word_start, literal_of, refuse, refuse_character, refuse_wide};
use crate::reading::ReadingProblem;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 64;

pub(super) fn token(scan: &mut Scan<'_>, next: char) -> Cut<()> {
    let rest = scan.rest();
    match next {
        '#' => line_comment(scan),
        _ if rest.starts_with("--") => {
            // Anything else than a blank behind it makes it two signs, or a comment in other servers.
            match rest[2..].chars().next() {
                None | Some(' ' | '\t' | '\n' | '\r') => line_comment(scan),
                _ => refuse("`--` starts a comment only with a blank behind it"),
            }
        }
        _ if rest.starts_with("/*") => comment(scan),
        // Under ANSI_QUOTES this is a name: it is cut alike, and refused where a name would matter.
        '\'' | '"' => {
            let content = scan.quoted(next)?;
            scan.push(Token::SingleQuotedString(content));
            Ok(())
        }
        '`' => name(scan),
        '0' if rest.starts_with("0x") || rest.starts_with("0b") => {
            let digits: fn(u8) -> bool =
                if rest.starts_with("0x") { |b| b.is_ascii_hexdigit() } else { |b| matches!(b, b'0' | b'1') };
            scan.at += 2;
            let literal = scan.take_while(digits).to_owned();
            if literal.is_empty()
                || scan.peek().is_some_and(|c| is_word_start(c) || c.is_alphanumeric() || c == '$')
            {
                return refuse("a number and a name run into one another");
            }
            scan.push(Token::HexStringLiteral(literal));
            Ok(())
        }
        '0'..='9' => scan.number(),
        '.' => scan.dot(),
        c if is_word_start(c) => word(scan),
        '(' => scan.one(Token::LParen),
        ')' => scan.one(Token::RParen),
        ',' => scan.one(Token::Comma),
        ';' => scan.one(Token::SemiColon),
        '?' => scan.one(Token::Placeholder("?".to_owned())),
        _ => operator(scan),
    }
}

fn line_comment(scan: &mut Scan<'_>) -> Cut<()> {
    scan.skip_line(&['\n']);
    Ok(())
}

/// Comments do not nest, and the server runs some of them.
fn comment(scan: &mut Scan<'_>) -> Cut<()> {
    let inside = &scan.rest()[2..];
    let runs = inside.starts_with(['!', '+']) || inside.starts_with("M!") || inside.starts_with("m!");
    let Some(end) = inside.find("*/") else { return refuse("a comment is not closed") };
    if runs || inside[..end].contains("/*") {
        return Err(ReadingProblem::Comment(scan.at));
    }
    scan.at += end + 4;
    Ok(())
}

fn name(scan: &mut Scan<'_>) -> Cut<()> {
    let name = scan.quoted_name('`')?;
    // The server keeps names in three bytes a character, and drops blanks at their end.
    if name.chars().count() > NAME_CHARS_MAX || name.ends_with(' ') || name.chars().any(|c| c > '\u{ffff}') {
        return refuse("a name is too long, ends in a blank or holds a character the server cannot keep");
    }
    scan.push(Token::make_word(&name, Some('`')));
    Ok(())
}

fn word(scan: &mut Scan<'_>) -> Cut<()> {
    let text = scan.take_while(is_word_part);
    let next = scan.peek();
    refuse_wide(next)?;
    if text.len() > NAME_CHARS_MAX {
        return refuse("a name is longer than 64 characters");
    }
    if next == Some('\'')
        && let Some(make) = literal_of(text)
    {
        let content = scan.quoted('\'')?;
        scan.push(make(content));
        return Ok(());
    }
    scan.push(Token::make_word(text, None));
    Ok(())
}

/// Longest first.
const OPERATORS: [(&str, Token); 24] = [
    ("<=>", Token::Spaceship),
    ("->>", Token::LongArrow),
    ("->", Token::Arrow),
    ("<<", Token::ShiftLeft),
    (">>", Token::ShiftRight),
    ("<=", Token::LtEq),
    (">=", Token::GtEq),
    ("<>", Token::Neq),
    ("!=", Token::Neq),
    ("||", Token::StringConcat),
    ("&&", Token::Overlap),
    ("=", Token::Eq),
    ("<", Token::Lt),
    (">", Token::Gt),
    ("+", Token::Plus),
    ("-", Token::Minus),
    ("*", Token::Mul),
    ("/", Token::Div),
    ("%", Token::Mod),
    ("&", Token::Ampersand),
    ("|", Token::Pipe),
    ("^", Token::Caret),
    ("~", Token::Tilde),
    ("!", Token::ExclamationMark),
];

fn operator(scan: &mut Scan<'_>) -> Cut<()> {
    let Some((text, token)) = OPERATORS.iter().find(|(text, _)| scan.rest().starts_with(text)) else {
        return refuse_character();
    };
    scan.at += text.len();
    scan.push(token.clone());
    Ok(())
}
