//! Statements as a template gives them: several in one text, and what kind each is.
//!
//! In: text. Out: its statements without the semicolons between them, and what a server would call
//! what each did.
//! Never: cuts inside a string, a quoted name, a comment or a body between dollars.
//! Fails: not at all: text that does not end as it should is one statement to its end.
//! Source: PostgreSQL's manual, "Lexical Structure"; SQLite's and MySQL's.

/// The statements of a text, trimmed, the empty ones left out. `mysql` for its strings and comments.
pub(super) fn statements(text: &str, mysql: bool) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < text.len() {
        let taken = skipped(text, at, mysql);
        if taken > 0 {
            at += taken;
            continue;
        }
        let Some(c) = text[at..].chars().next() else { break };
        if c == ';' {
            keep(&text[start..at], mysql, &mut found);
            start = at + 1;
        }
        at += c.len_utf8();
    }
    keep(&text[start..], mysql, &mut found);
    found
}

fn keep<'a>(text: &'a str, mysql: bool, found: &mut Vec<&'a str>) {
    if !words(text, mysql).next().is_none_or(str::is_empty) || has_code(text, mysql) {
        found.push(text.trim());
    }
}

/// Whether anything stands in the text beside white space and comments.
fn has_code(text: &str, mysql: bool) -> bool {
    let mut at = 0;
    while at < text.len() {
        let Some(c) = text[at..].chars().next() else { return false };
        if c.is_whitespace() {
            at += c.len_utf8();
        } else {
            match comment(&text[at..], mysql) {
                0 => return true,
                taken => at += taken,
            }
        }
    }
    false
}

/// The bytes from `at` on in which a `;` means nothing, 0 where code stands there.
fn skipped(text: &str, at: usize, mysql: bool) -> usize {
    let rest = &text[at..];
    let before = text[..at].chars().next_back();
    match rest.as_bytes().first() {
        Some(b'\'') => closed(rest, '\'', mysql || matches!(before, Some('e' | 'E'))),
        Some(b'"') => closed(rest, '"', mysql),
        Some(b'`') if mysql => closed(rest, '`', false),
        Some(b'$') if !mysql && !before.is_some_and(|c| c.is_alphanumeric() || c == '_') => dollars(rest),
        Some(b'-' | b'/' | b'#') => comment(rest, mysql),
        _ => 0,
    }
}

/// The bytes of the comment that begins here, 0 where none does.
fn comment(rest: &str, mysql: bool) -> usize {
    if rest.starts_with("--") || (mysql && rest.starts_with('#')) {
        return rest.find('\n').map_or(rest.len(), |end| end + 1);
    }
    if !rest.starts_with("/*") {
        return 0;
    }
    let (bytes, mut depth, mut at) = (rest.as_bytes(), 0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" if depth == 0 || !mysql => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth.saturating_sub(1), at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

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

/// The words and names of a text in their order, comments left out; any other sign ends it.
pub(super) fn words(text: &str, mysql: bool) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = &text[at..];
            let c = rest.chars().next()?;
            if c.is_whitespace() || c == '.' {
                at += c.len_utf8();
                continue;
            }
            let passed = comment(rest, mysql);
            if passed > 0 {
                at += passed;
                continue;
            }
            let length = match c {
                '"' | '`' => closed(rest, c, false),
                _ if c.is_alphabetic() || c == '_' => {
                    rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len())
                }
                _ => return None,
            };
            at += length;
            return Some(&rest[..length]);
        }
    })
}

/// What a statement is, as its first words say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The first word, in lower case.
    pub(super) word: String,
    /// What a server calls it when it is done, without a number: `CREATE VIEW`.
    pub(super) tag: String,
    /// Whether a number of rows belongs to the tag.
    pub(super) counts: bool,
}

impl Kind {
    /// The kind of a statement.
    pub(super) fn of(statement: &str, mysql: bool) -> Self {
        // A statement may begin in brackets.
        let bare = statement.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        let mut rest = words(bare, mysql).map(str::to_ascii_lowercase);
        let word = rest.next().unwrap_or_default();
        let (tag, counts) = match word.as_str() {
            "with" | "values" | "select" => ("SELECT".to_owned(), true),
            "insert" | "update" | "delete" | "merge" | "replace" => (word.to_ascii_uppercase(), true),
            "create" | "drop" | "alter" | "refresh" | "truncate" => shaping(&word, rest),
            _ => (word.to_ascii_uppercase(), false),
        };
        Self { word, tag, counts }
    }

    /// Whether it makes, changes or drops what the warehouse has, not rows.
    pub(super) fn shapes(&self) -> bool {
        matches!(
            self.word.as_str(),
            "create" | "drop" | "alter" | "truncate" | "rename" | "comment" | "grant" | "revoke" | "refresh"
        )
    }

    /// Whether it gives rows, as far as its first word says.
    pub(super) fn reads(&self) -> bool {
        matches!(
            self.word.as_str(),
            "select" | "with" | "values" | "table" | "show" | "explain" | "describe" | "pragma"
        )
    }

    /// What people read once it is done.
    pub(super) fn message(&self, rows: u64) -> String {
        match self.tag.as_str() {
            "INSERT" => format!("INSERT 0 {rows}"),
            _ if self.counts => format!("{} {rows}", self.tag),
            _ => self.tag.clone(),
        }
    }
}

/// `create or replace temporary table …` is a `CREATE TABLE`; with a select it counts as one.
fn shaping(word: &str, mut rest: impl Iterator<Item = String>) -> (String, bool) {
    let plain = ["or", "replace", "temporary", "temp", "unlogged", "local", "global", "unique", "recursive"];
    let mut what = String::new();
    for next in rest.by_ref() {
        if plain.contains(&next.as_str()) {
            continue;
        }
        what.push_str(&next);
        if next != "materialized" {
            break;
        }
        what.push(' ');
    }
    let tag = format!("{word} {what}").trim().to_ascii_uppercase();
    if word == "create" && what == "table" && rest.any(|next| next == "as") {
        return ("SELECT".to_owned(), true);
    }
    (tag, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_of_strings_and_comments() {
        let text = "delete from t where a = ';';\n-- one; two\ninsert into \"a;b\" select $$;$$ /* ; /* ; */ ; */; ; \n";
        assert_eq!(
            statements(text, false),
            [
                "delete from t where a = ';'",
                "-- one; two\ninsert into \"a;b\" select $$;$$ /* ; /* ; */ ; */"
            ]
        );
        assert_eq!(statements("select E'\\';'; x", false), ["select E'\\';'", "x"]);
        assert_eq!(
            statements("select 'a\\';' # x;\n; select `;`", true),
            ["select 'a\\';' # x;", "select `;`"]
        );
        assert!(statements(" ; -- nothing\n /* */ ;", false).is_empty());
        assert_eq!(statements("(select 1)", false), ["(select 1)"]);
        assert_eq!(statements("select 'open; ", false), ["select 'open;"]);
    }

    #[test]
    fn what_was_done_is_said_as_a_server_says_it() {
        let says = |text: &str| Kind::of(text, false).message(3);
        assert_eq!(says("/* a */ create temporary table \"db\".\"s\".\"t\" as (select 1)"), "SELECT 3");
        assert_eq!(says("create table t (as_of int)"), "CREATE TABLE");
        assert_eq!(says("create or replace view \"v\" as select 1"), "CREATE VIEW");
        assert_eq!(says("refresh materialized view v"), "REFRESH MATERIALIZED VIEW");
        assert_eq!(says("insert into t select 1"), "INSERT 0 3");
        assert_eq!(says("with a as (select 1) select 1"), "SELECT 3");
        assert_eq!(says("(select 1)"), "SELECT 3");
        assert_eq!(says("merge into t using s on true"), "MERGE 3");
        assert_eq!(says("comment on table t is 'x'"), "COMMENT");
    }

    proptest::proptest! {
        #[test]
        fn any_text_splits_into_parts_of_itself(text: String, mysql: bool) {
            for part in statements(&text, mysql) {
                proptest::prop_assert!(text.contains(part) && !part.is_empty());
                let _ = Kind::of(part, mysql);
            }
        }
    }
}
