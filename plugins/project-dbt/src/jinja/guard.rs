//! Refuses templates that the engine's parser would follow too deep.
//!
//! In: the text of a template. Out: nothing, or the line of the first tag that goes too deep.
//! Never: reads Jinja as such; it counts operators and brackets between the marks of a tag, outside
//! of quotes, and blocks by the first words of tags.
//! Fails: with a line and a sentence.
//! Source: the engine bounds brackets and blocks for stacks larger than a sandbox's, and follows
//! chains such as `not not not x` or `a ~ b ~ c ~ …` as deep as they are long; a stack that
//! overflows names no line.

/// How many operators one tag may hold.
const OPERATORS_MAX: usize = 1_000;
/// How deep brackets may stand in one another inside a tag, and blocks inside a template.
const NESTING_MAX: usize = 40;
/// Words that open a block.
const BLOCKS: [&str; 7] = ["autoescape", "block", "call", "filter", "for", "if", "macro"];
/// Words that make an expression deeper.
const WORDS: [&str; 8] = ["and", "else", "elif", "if", "in", "is", "not", "or"];

/// Looks at every tag of a template.
///
/// # Errors
/// With the line of the first one that goes too deep, and what to say of it.
pub(super) fn check(source: &str) -> Result<(), (u32, String)> {
    let mut at = 0;
    let mut blocks = 0_usize;
    while let Some(found) = source[at..].find('{') {
        let start = at + found;
        let rest = &source[start..];
        at = match rest.as_bytes().get(1) {
            Some(b'#') => start + rest.find("#}").map_or(rest.len(), |end| end + 2),
            Some(b'{' | b'%') => {
                let tag = Tag::read(&rest[2..]);
                if let Some(inside) = rest.strip_prefix("{%") {
                    let word = first_word(inside);
                    blocks += usize::from(BLOCKS.contains(&word));
                    blocks = blocks.saturating_sub(usize::from(word.starts_with("end")));
                }
                let why = if tag.operators > OPERATORS_MAX {
                    Some(format!(
                        "this tag holds more than {OPERATORS_MAX} operators; take it apart with `set`"
                    ))
                } else if tag.nesting > NESTING_MAX {
                    Some(format!(
                        "brackets stand more than {NESTING_MAX} deep in this tag; take it apart with `set`"
                    ))
                } else if blocks > NESTING_MAX {
                    Some(format!(
                        "blocks stand more than {NESTING_MAX} deep here; take the template apart with macros"
                    ))
                } else {
                    None
                };
                if let Some(why) = why {
                    let line = 1 + source[..start].matches('\n').count();
                    return Err((u32::try_from(line).unwrap_or(u32::MAX), why));
                }
                start + 2 + tag.length
            }
            _ => start + 1,
        };
    }
    Ok(())
}

/// The first word of a tag.
fn first_word(text: &str) -> &str {
    let text = text.trim_start_matches(['-', '+']).trim_start();
    text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default()
}

/// What stands in a tag.
struct Tag {
    length: usize,
    operators: usize,
    /// How deep its brackets go.
    nesting: usize,
}

impl Tag {
    /// Reads a tag from behind its opening mark to behind its closing one.
    fn read(text: &str) -> Self {
        let mut tag = Self { length: text.len(), operators: 0, nesting: 0 };
        let mut quote = None;
        let mut escaped = false;
        let mut word = String::new();
        let mut before = ' ';
        let mut open = 0_usize;
        for (at, c) in text.char_indices() {
            if let Some(mark) = quote {
                if !escaped && c == mark {
                    quote = None;
                }
                escaped = c == '\\' && !escaped;
                continue;
            }
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                before = c;
                continue;
            }
            tag.operators += usize::from(WORDS.contains(&word.as_str()));
            word.clear();
            match c {
                '"' | '\'' => quote = Some(c),
                '}' if matches!(before, '}' | '%') => {
                    tag.length = at + 1;
                    return tag;
                }
                '(' | '[' | '{' => {
                    open += 1;
                    tag.operators += 1;
                }
                ')' | ']' | '}' => open = open.saturating_sub(1),
                '+' | '-' | '*' | '/' | '%' | '~' | '.' | '|' | '<' | '>' | '=' | '!' => tag.operators += 1,
                _ => {}
            }
            tag.nesting = tag.nesting.max(open);
            before = c;
        }
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_tags_pass() {
        let list = format!("{{% set codes = [{}] %}}", "'a.b', ".repeat(20_000));
        assert!(check(&list).is_ok());
        assert!(
            check(&format!("{{# {} #}} {}", "not ".repeat(9_000), "{{ a.b | c }}".repeat(2_000))).is_ok()
        );
        assert!(check("select '{' || x || '}' {{ '}}' }} {").is_ok());
    }

    #[test]
    fn deep_brackets_and_blocks_are_refused_and_many_side_by_side_are_not() {
        assert!(check(&format!("{{{{ {}1{} }}}}", "(".repeat(50), ")".repeat(50))).is_err());
        assert!(check(&format!("{{{{ f({}) }}}}", "(1), ".repeat(200))).is_ok());
        assert!(check(&"{% if x %}".repeat(50)).is_err());
        assert!(check(&"{%- if x -%}{% elif y %}{%- endif -%}".repeat(500)).is_ok());
    }

    #[test]
    fn a_chain_without_end_is_refused_with_its_line() {
        for link in ["not ", "- ", "a ~ ", "a.", "a|", "a if b else "] {
            let source = format!("select\n{{{{ {}x }}}}", link.repeat(50_000));
            assert_eq!(check(&source).unwrap_err().0, 2, "{link}");
        }
    }
}
