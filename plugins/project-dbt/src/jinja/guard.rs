//! Refuses templates whose tags the engine's parser would follow too deep.
//!
//! In: the text of a template. Out: nothing, or the line of the first tag that is too long.
//! Never: reads Jinja as such; it counts operators between the marks of a tag, outside of quotes.
//! Fails: with a line and a sentence.
//! Source: the engine bounds brackets and blocks, but follows chains such as `not not not x` or
//! `a ~ b ~ c ~ …` as deep as they are long, and a stack that overflows names no line.

/// How many operators one tag may hold.
const OPERATORS_MAX: usize = 1_000;
/// Words that make an expression deeper.
const WORDS: [&str; 8] = ["and", "else", "elif", "if", "in", "is", "not", "or"];

/// Looks at every tag of a template.
///
/// # Errors
/// With the line of the first one that holds too many operators, and what to say of it.
pub(super) fn check(source: &str) -> Result<(), (u32, String)> {
    let mut at = 0;
    while let Some(found) = source[at..].find('{') {
        let start = at + found;
        let rest = &source[start..];
        at = match rest.as_bytes().get(1) {
            Some(b'#') => start + rest.find("#}").map_or(rest.len(), |end| end + 2),
            Some(b'{' | b'%') => {
                let (length, operators) = tag(&rest[2..]);
                if operators > OPERATORS_MAX {
                    let line = 1 + source[..start].matches('\n').count();
                    let why = format!("this tag holds more than {OPERATORS_MAX} operators; take it apart with `set`");
                    return Err((u32::try_from(line).unwrap_or(u32::MAX), why));
                }
                start + 2 + length
            }
            _ => start + 1,
        };
    }
    Ok(())
}

/// How long a tag is, and how many operators stand in it.
fn tag(text: &str) -> (usize, usize) {
    let mut operators = 0;
    let mut quote = None;
    let mut escaped = false;
    let mut word = String::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if let Some(open) = quote {
            if !escaped && c == open {
                quote = None;
            }
            escaped = c == '\\' && !escaped;
            continue;
        }
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
        } else {
            operators += usize::from(WORDS.contains(&word.as_str()));
            word.clear();
            match c {
                '"' | '\'' => quote = Some(c),
                '}' if matches!(before, '}' | '%') => return (at + 1, operators),
                '+' | '-' | '*' | '/' | '%' | '~' | '.' | '|' | '(' | '[' | '{' | '<' | '>' | '=' | '!' => operators += 1,
                _ => {}
            }
        }
        before = c;
    }
    (text.len(), operators)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_tags_pass() {
        let list = format!("{{% set codes = [{}] %}}", "'a.b', ".repeat(20_000));
        assert!(check(&list).is_ok());
        assert!(check(&format!("{{# {} #}} {}", "not ".repeat(9_000), "{{ a.b | c }}".repeat(2_000))).is_ok());
        assert!(check("select '{' || x || '}' {{ '}}' }} {").is_ok());
    }

    #[test]
    fn a_chain_without_end_is_refused_with_its_line() {
        for link in ["not ", "- ", "a ~ ", "a.", "a|", "a if b else "] {
            let source = format!("select\n{{{{ {}x }}}}", link.repeat(50_000));
            assert_eq!(check(&source).unwrap_err().0, 2, "{link}");
        }
    }
}
