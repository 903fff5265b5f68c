//! Values by number: the contract writes `?`, PostgreSQL `$1`, `$2`, ….
//!
//! In: a statement and its values. Out: the same with numbered marks.
//! Never: touches what stands in strings, comments or quoted names, or a statement without values,
//! so that PostgreSQL's own operators with `?` can be used there. Beside values, `??` is such a `?`.
//! Fails: with CD0976 where there are more or fewer marks than values.
//! Source: PostgreSQL's manual, "Lexical Structure".

use cofferdam_sdk::{Column, Failure, Loader, Rows, Session, Value};

use crate::codes;

/// A session whose statements have their values numbered on the way.
pub(crate) struct Numbered(Box<dyn Session>);

impl Numbered {
    pub(crate) fn over(session: Box<dyn Session>) -> Box<dyn Session> {
        Box::new(Self(session))
    }
}

impl Session for Numbered {
    fn query(&self, statement: &str, values: &[Value]) -> Result<Box<dyn Rows>, Failure> {
        self.0.query(&numbered(statement, values.len())?, values)
    }

    fn execute(&self, statement: &str, values: &[Value]) -> Result<u64, Failure> {
        self.0.execute(&numbered(statement, values.len())?, values)
    }

    fn begin(&self) -> Result<(), Failure> {
        self.0.begin()
    }

    fn commit(&self) -> Result<(), Failure> {
        self.0.commit()
    }

    fn commit_once(&self, step: &str) -> Result<bool, Failure> {
        self.0.commit_once(step)
    }

    fn rollback(&self) -> Result<(), Failure> {
        self.0.rollback()
    }

    fn load(&self, table: &[String], columns: &[Column]) -> Result<Box<dyn Loader>, Failure> {
        self.0.load(table, columns)
    }
}

/// The statement with its marks numbered.
fn numbered(statement: &str, values: usize) -> Result<String, Failure> {
    if values == 0 {
        return Ok(statement.to_owned());
    }
    let mut out = String::with_capacity(statement.len() + 2 * values);
    let (mut rest, mut marks) = (statement, 0);
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, before);
        if length > 0 {
            out.push_str(&rest[..length]);
        } else if rest.starts_with("??") {
            out.push('?');
        } else if first == '?' {
            marks += 1;
            out.push_str(&format!("${marks}"));
        } else {
            out.push(first);
        }
        let taken = if length > 0 {
            length
        } else if rest.starts_with("??") {
            2
        } else {
            first.len_utf8()
        };
        before = rest[..taken].chars().next_back();
        rest = &rest[taken..];
    }
    if marks == values {
        return Ok(out);
    }
    Err(Failure::invalid(
        codes::MARKS,
        format!("the statement has {marks} marks `?` for {values} values; write `??` for an operator's `?`"),
    ))
}

/// The bytes at the front in which a `?` means nothing: a string, a quoted name, a comment.
/// `before` is the character in front of them.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let whole = rest.len();
    match rest.as_bytes() {
        [b'\'', ..] => {
            // `E'…'` knows `\'`; the letter must not be the end of a longer word, but one that is
            // would not be valid before a string either.
            closed(rest, '\'', matches!(before, Some('e' | 'E')))
        }
        [b'"', ..] => closed(rest, '"', false),
        [b'-', b'-', ..] => rest.find('\n').unwrap_or(whole),
        [b'/', b'*', ..] => comment(rest),
        [b'$', ..] if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') => dollars(rest),
        _ => 0,
    }
}

/// Up to and with the closing mark. A mark written twice ends one string and begins the next,
/// which comes to the same, unless a backslash may stand before it.
fn closed(rest: &str, mark: char, escapes: bool) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == mark {
            return at + 1;
        }
    }
    rest.len()
}

/// Comments nest.
fn comment(rest: &str) -> usize {
    let (bytes, mut depth, mut at) = (rest.as_bytes(), 0, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// `$tag$ … $tag$`; 0 where the `$` begins none.
fn dollars(rest: &str) -> usize {
    let Some(end) = rest[1..].find('$') else { return 0 };
    let tag = &rest[..end + 2];
    let name = &tag[1..tag.len() - 1];
    if name.starts_with(|c: char| c.is_ascii_digit())
        || !name.chars().all(|c| c.is_alphanumeric() || c == '_')
    {
        return 0;
    }
    rest[tag.len()..].find(tag).map_or(rest.len(), |at| at + 2 * tag.len())
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn marks_are_numbered_in_their_order() {
        assert_eq!(
            numbered("delete from t where a = ? and b in (?, ?)", 3).unwrap(),
            "delete from t where a = $1 and b in ($2, $3)"
        );
    }

    #[test]
    fn what_only_looks_like_a_mark_is_left_alone() {
        for text in [
            "select 'it''s ?', ",
            "select E'\\'?', ",
            "select \"?\", ",
            "select 1 -- ?\n, ",
            "select /* ? /* ? */ ? */ 1, ",
            "select $$?$$, ",
            "select $a$ ? $$ ? $a$, ",
        ] {
            assert_eq!(numbered(&format!("{text}?"), 1).unwrap(), format!("{text}$1"), "{text}");
        }
        assert_eq!(numbered("select j ?? 'a', ?", 1).unwrap(), "select j ? 'a', $1");
        assert_eq!(numbered("select j ? 'a'", 0).unwrap(), "select j ? 'a'");
    }

    #[test]
    fn more_or_fewer_marks_than_values_are_refused() {
        assert!(numbered("select ?", 2).is_err());
        assert_eq!(
            numbered("select ?, ?", 1).unwrap_err().to_string(),
            "CD0976: the statement has 2 marks `?` for 1 values; write `??` for an operator's `?`"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_numbered_or_refused(text: String, values in 0..4_usize) {
            if let Ok(out) = numbered(&text, values) {
                proptest::prop_assert!(out.len() <= text.len() + values * 2);
            }
        }
    }
}
