//! PostgreSQL: where its scanner cuts, whatever `standard_conforming_strings` says.

use sqlparser::tokenizer::Token;

use super::{Cut, Scan, is_word_part, is_word_start, literal_of, refuse, refuse_character, refuse_wide};

/// Bytes of a name; the server cuts off what is longer.
pub(in crate::reading) const NAME_BYTES_MAX: usize = 63;
/// Characters of operators.
const OPERATOR: &[u8] = b"+-*/<>=~!@#%^&|`?";
/// An operator with one of these may end in `+` or `-`.
const UNUSUAL: &[u8] = b"~!@#^&|`?%";

pub(super) fn token(scan: &mut Scan<'_>, next: char) -> Cut<()> {
    let rest = scan.rest();
    match next {
        _ if rest.starts_with("--") => {
            scan.skip_line(&['\n', '\r']);
            Ok(())
        }
        _ if rest.starts_with("/*") => comment(scan),
        '\'' => {
            let content = scan.quoted('\'')?;
            scan.push(Token::SingleQuotedString(content));
            Ok(())
        }
        '"' => {
            let name = scan.quoted_name('"')?;
            scan.push(Token::make_word(kept(&name), Some('"')));
            Ok(())
        }
        '$' => dollar(scan),
        '0'..='9' => scan.number(),
        '.' => scan.dot(),
        c if is_word_start(c) => word(scan),
        '(' => scan.one(Token::LParen),
        ')' => scan.one(Token::RParen),
        '[' => scan.one(Token::LBracket),
        ']' => scan.one(Token::RBracket),
        ',' => scan.one(Token::Comma),
        ';' => scan.one(Token::SemiColon),
        ':' if rest.starts_with("::") => {
            scan.at += 1;
            scan.one(Token::DoubleColon)
        }
        ':' if !rest.starts_with(":=") => scan.one(Token::Colon),
        c if c.is_ascii() && OPERATOR.contains(&(c as u8)) => operator(scan),
        _ => refuse_character(),
    }
}

/// What the server keeps of a name. One with letters beyond ASCII stays whole: how much of it is
/// kept depends on the server's encoding. A column may have it, a relation not.
pub(in crate::reading) fn kept(name: &str) -> &str {
    if name.is_ascii() { &name[..name.len().min(NAME_BYTES_MAX)] } else { name }
}

/// Comments nest.
fn comment(scan: &mut Scan<'_>) -> Cut<()> {
    let mut depth = 0_usize;
    loop {
        let rest = scan.rest();
        let Some(at) = rest.find(['*', '/']) else { return refuse("a comment is not closed") };
        scan.at += at;
        if scan.rest().starts_with("/*") {
            depth += 1;
            scan.at += 2;
        } else if scan.rest().starts_with("*/") {
            depth -= 1;
            scan.at += 2;
            if depth == 0 {
                return Ok(());
            }
        } else {
            scan.at += 1;
        }
    }
}

/// A parameter, `$1`, or a string between `$tag$`.
fn dollar(scan: &mut Scan<'_>) -> Cut<()> {
    let rest = &scan.rest()[1..];
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        scan.at += 1;
        let number = format!("${}", scan.take_while(|b| b.is_ascii_digit()));
        if scan.peek().is_some_and(|c| is_word_start(c) || c == '$' || c == '.' || !c.is_ascii()) {
            return refuse("a parameter and a name run into one another");
        }
        scan.push(Token::Placeholder(number));
        return Ok(());
    }
    let length = rest.bytes().position(|b| !b.is_ascii_alphanumeric() && b != b'_');
    let Some(length) = length.filter(|l| rest.as_bytes()[*l] == b'$') else { return refuse_character() };
    let quote = &scan.rest()[..length + 2];
    let Some(end) = scan.rest()[quote.len()..].find(quote) else { return refuse("a quote is not closed") };
    let content = scan.rest()[quote.len()..quote.len() + end].to_owned();
    scan.at += 2 * quote.len() + end;
    scan.push(Token::SingleQuotedString(content));
    Ok(())
}

/// A word, folded to lower case, or a string with a letter before it.
fn word(scan: &mut Scan<'_>) -> Cut<()> {
    let text = scan.take_while(is_word_part);
    let next = scan.peek();
    refuse_wide(next)?;
    if text.eq_ignore_ascii_case("u") && scan.rest().starts_with("&\"") {
        return refuse("`U&` before a quoted name is not read");
    }
    // What its escapes stand for stays unread: such a string names nothing.
    if text.eq_ignore_ascii_case("u") && scan.rest().starts_with("&'") {
        scan.at += 1;
        let content = scan.quoted('\'')?;
        scan.push(Token::UnicodeStringLiteral(content));
        return Ok(());
    }
    if next == Some('\'') {
        if matches!(text, "e" | "E") {
            let content = escaped(scan)?;
            scan.push(Token::EscapedStringLiteral(content));
            return Ok(());
        }
        if let Some(make) = literal_of(text) {
            let content = scan.quoted('\'')?;
            scan.push(make(content));
            return Ok(());
        }
    }
    scan.push(Token::make_word(kept(&text.to_ascii_lowercase()), None));
    Ok(())
}

/// What stands between the quotes of an escape string, its escapes as they are: behind a backslash
/// any character stands for itself or is refused by the server, whatever its settings.
fn escaped(scan: &mut Scan<'_>) -> Cut<String> {
    let mut content = String::new();
    let mut characters = scan.rest().char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        content.push(c);
        if c == '\\' {
            content.extend(characters.next().map(|(_, next)| next));
        } else if c == '\'' && characters.next_if(|(_, next)| *next == '\'').is_none() {
            content.pop();
            scan.at += at + 1;
            return Ok(content);
        }
    }
    refuse("a quote is not closed")
}

/// The longest operator, up to a comment. It gives back a `+` or `-` at its end, unless it holds an
/// unusual character.
fn operator(scan: &mut Scan<'_>) -> Cut<()> {
    let rest = scan.rest();
    let mut length = rest.bytes().position(|b| !OPERATOR.contains(&b)).unwrap_or(rest.len());
    for comment in ["--", "/*"] {
        length = rest[..length].find(comment).unwrap_or(length);
    }
    let mut operator = &rest[..length];
    while operator.len() > 1
        && operator.ends_with(['+', '-'])
        && !operator[..operator.len() - 1].bytes().any(|b| UNUSUAL.contains(&b))
    {
        operator = &operator[..operator.len() - 1];
    }
    let Some(token) = operator_token(operator) else {
        return refuse(&format!("the operator `{operator}` is not read"));
    };
    scan.at += operator.len();
    scan.push(token);
    Ok(())
}

fn operator_token(operator: &str) -> Option<Token> {
    Some(match operator {
        "+" => Token::Plus,
        "-" => Token::Minus,
        "*" => Token::Mul,
        "/" => Token::Div,
        "%" => Token::Mod,
        "^" => Token::Caret,
        "<" => Token::Lt,
        ">" => Token::Gt,
        "=" => Token::Eq,
        "<=" => Token::LtEq,
        ">=" => Token::GtEq,
        "<>" | "!=" => Token::Neq,
        "=>" => Token::RArrow,
        "||" => Token::StringConcat,
        "|" => Token::Pipe,
        "&" => Token::Ampersand,
        "#" => Token::Sharp,
        "~" => Token::Tilde,
        "~*" => Token::TildeAsterisk,
        "!~" => Token::ExclamationMarkTilde,
        "!~*" => Token::ExclamationMarkTildeAsterisk,
        "~~" => Token::DoubleTilde,
        "~~*" => Token::DoubleTildeAsterisk,
        "!~~" => Token::ExclamationMarkDoubleTilde,
        "!~~*" => Token::ExclamationMarkDoubleTildeAsterisk,
        "<<" => Token::ShiftLeft,
        ">>" => Token::ShiftRight,
        "&&" => Token::Overlap,
        "->" => Token::Arrow,
        "->>" => Token::LongArrow,
        "#>" => Token::HashArrow,
        "#>>" => Token::HashLongArrow,
        "#-" => Token::HashMinus,
        "@>" => Token::AtArrow,
        "<@" => Token::ArrowAt,
        "@?" => Token::AtQuestion,
        "@@" => Token::AtAt,
        "@" => Token::AtSign,
        "?" => Token::Question,
        "?|" => Token::QuestionPipe,
        "?&" => Token::QuestionAnd,
        "^@" => Token::CaretAt,
        "|/" => Token::PGSquareRoot,
        "||/" => Token::PGCubeRoot,
        "-|-" | "<->" | "&<" | "&>" | "<%" | "%>" => Token::CustomBinaryOperator(operator.to_owned()),
        _ => return None,
    })
}
