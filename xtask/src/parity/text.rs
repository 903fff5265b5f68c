//! Compiled SQL without what has no meaning: comments and white space.

/// The words of a statement, one space between them; what stands in quotes stays as it is.
pub(crate) fn normalised(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("--") {
            let end = rest.find('\n').unwrap_or(rest.len());
            (" ", end)
        } else if rest.starts_with("/*") {
            (" ", rest.find("*/").map_or(rest.len(), |end| end + 2))
        } else if first == '\'' || first == '"' {
            let end = rest[1..].find(first).map_or(rest.len(), |end| end + 2);
            (&rest[..end], end)
        } else if first.is_whitespace() {
            (" ", first.len_utf8())
        } else {
            (&rest[..first.len_utf8()], first.len_utf8())
        };
        let (text, length) = taken;
        if text != " " {
            out += text;
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        rest = &rest[length..];
    }
    tight(out.trim_end().trim_end_matches(';').trim_end())
}

/// No space beside brackets and commas.
fn tight(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    for c in text.chars() {
        let beside = |c: Option<char>| matches!(c, Some('(' | ')' | ','));
        match quote {
            Some(open) if open == c => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == ' ' && beside(out.chars().last()) => continue,
            None if beside(Some(c)) && out.ends_with(' ') => {
                out.pop();
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// Where two texts part, with some of what stands around.
pub(crate) fn parting(theirs: &str, ours: &str) -> (String, String) {
    let same = theirs.bytes().zip(ours.bytes()).take_while(|(a, b)| a == b).count();
    let around = |text: &str| {
        let mut from = same.saturating_sub(40).min(text.len());
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        text[from..].chars().take(160).collect::<String>()
    };
    (around(theirs), around(ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_white_space_have_no_meaning() {
        let spread = "\nselect  a, -- the key\n  'x  --y' as \"b  c\" /* both\n*/ from ( t ) ;\n";
        assert_eq!(normalised(spread), "select a,'x  --y' as \"b  c\" from(t)");
    }

    #[test]
    fn what_stands_in_quotes_has_a_meaning() {
        assert_ne!(normalised("select 'a b'"), normalised("select 'a  b'"));
        assert_ne!(normalised("select 'a, b'"), normalised("select 'a,b'"));
        assert_ne!(normalised("select 1"), normalised("select 2"));
    }

    #[test]
    fn the_place_where_texts_part_is_shown() {
        let (theirs, ours) = parting("select a from b", "select a from c");
        assert_eq!((theirs.as_str(), ours.as_str()), ("select a from b", "select a from c"));
    }
}
