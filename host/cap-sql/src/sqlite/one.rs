//! Exactly one statement, told before SQLite sees the text.
//!
//! `rusqlite` prepares what stands behind a statement to find out whether it is one, and calls
//! itself for every `;`: a text of semicolons would exhaust the stack. So the text is cut first.

use cofferdam_call::Refusal;

use crate::refusals;

/// The one statement of a text, without the `;` behind it.
pub(super) fn only_statement(text: &str) -> Result<&str, Refusal> {
    if text.contains('\0') {
        return Err(refusals::not_one("a statement holds no NUL character"));
    }
    let bytes = text.as_bytes();
    let end = end_of_statement(bytes, 0);
    if is_blank(&bytes[..end]) {
        return Err(refusals::not_one("the statement is empty"));
    }
    if end < bytes.len() && !is_blank(&bytes[end + 1..]) {
        return Err(refusals::not_one("there is text behind the statement's `;`: one statement at a time"));
    }
    Ok(&text[..end])
}

/// Whether a keyword stands in a statement, outside of quotes and comments.
pub(super) fn has_word(statement: &str, word: &str) -> bool {
    let bytes = statement.as_bytes();
    let in_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || *b >= 0x80;
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|b| in_word(b)).count();
        if length == 0 {
            at = skip(bytes, at);
        } else if bytes[at..at + length].eq_ignore_ascii_case(word.as_bytes()) {
            return true;
        } else {
            at += length;
        }
    }
    false
}

/// The offset of the first `;` that is not quoted or in a comment, or the end.
fn end_of_statement(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        if bytes[at] == b';' {
            return at;
        }
        at = skip(bytes, at);
    }
    bytes.len()
}

/// Whether there is nothing but white space and comments.
fn is_blank(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        let next = skip(bytes, at);
        let comment = next > at + 1 && matches!(bytes[at], b'-' | b'/');
        if !comment && !bytes[at].is_ascii_whitespace() {
            return false;
        }
        at = next;
    }
    true
}

/// The offset behind the token that starts at `at`, as SQLite's tokenizer sees quotes and comments.
fn skip(bytes: &[u8], at: usize) -> usize {
    let find = |from: usize, byte: u8| bytes[from..].iter().position(|b| *b == byte).map(|n| from + n + 1);
    let end = match (bytes[at], bytes.get(at + 1)) {
        (quote @ (b'\'' | b'"' | b'`'), _) => find(at + 1, quote),
        (b'[', _) => find(at + 1, b']'),
        (b'-', Some(b'-')) => find(at + 2, b'\n'),
        (b'/', Some(b'*')) => {
            bytes[at + 2..].windows(2).position(|pair| pair == b"*/").map(|n| at + 2 + n + 2)
        }
        _ => Some(at + 1),
    };
    end.unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::{has_word, only_statement};

    #[test]
    fn one_statement_passes_with_what_may_stand_around_it() {
        for text in [
            "select 1",
            "select 1;",
            "  -- why; not\n select 1 ; -- done;\n /* ; */ ",
            "select ';', \";\", `;`, [;], 'it''s;' /* ; */",
            "select 1 - 1 / 2",
            "select 1 -- ;",
            "select 1 /* ;",
        ] {
            assert!(only_statement(text).is_ok(), "{text}");
        }
        assert_eq!(only_statement("select 1 ; ").unwrap(), "select 1 ");
    }

    #[test]
    fn none_and_several_are_refused() {
        for text in [
            "",
            "  -- only a comment",
            ";",
            "; select 1",
            "select 1; select 2",
            "select 1;;",
            "select 1; x",
            "select 1; /* a */ - ",
            "select 'a' ; delete from t --",
            "select 1\0; select 2",
        ] {
            assert_eq!(only_statement(text).unwrap_err().code.to_string(), "CD0309", "{text}");
        }
    }

    #[test]
    fn a_keyword_is_found_outside_of_quotes_and_comments() {
        for text in ["insert into t SELECT * from u", "insert into t/**/select*from u", "(select 1)"] {
            assert!(has_word(text, "select"), "{text}");
        }
        for text in
            ["values ('select', \"select\", [select], `select`)", "-- select\n1", "selected", "xselect"]
        {
            assert!(!has_word(text, "select"), "{text}");
        }
    }

    #[test]
    fn a_megabyte_of_semicolons_is_refused() {
        assert!(only_statement(&";".repeat(1 << 20)).is_err());
        assert!(only_statement(&format!("select 1{}", ";".repeat(1 << 20))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_a_statement_or_an_error(text: String) {
            let _ = only_statement(&text);
        }
    }
}
