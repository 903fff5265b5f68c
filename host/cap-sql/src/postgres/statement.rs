//! What a statement's first word says, where the session has to know.

/// The first word of a statement, lower case, behind white space and comments.
pub(super) fn first_word(text: &str) -> String {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, behind)| behind);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = behind_comment(comment);
        } else {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            return rest[..end].to_ascii_lowercase();
        }
    }
}

/// Comments nest in PostgreSQL.
fn behind_comment(text: &str) -> &str {
    let (mut depth, mut at) = (1, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return &text[at + 2..],
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    ""
}

/// Whether a statement would begin or end a transaction behind the session's back, or open a
/// channel of its own.
pub(super) fn is_out_of_turn(text: &str) -> Option<&'static str> {
    match first_word(text).as_str() {
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            Some("a transaction is begun and ended by the session's own calls")
        }
        "copy" => Some("rows are copied by the session's own calls: query and load"),
        "prepare" | "execute" | "deallocate" | "discard" => Some("the session prepares statements by itself"),
        "listen" | "notify" | "unlisten" => Some("the session takes no notifications"),
        _ => None,
    }
}

/// Whether a statement is certain to give no rows, so that it need not be described before it runs.
pub(super) fn gives_no_rows(text: &str) -> bool {
    const WORDS: [&str; 8] = ["create", "drop", "alter", "comment", "grant", "revoke", "truncate", "refresh"];
    WORDS.contains(&first_word(text).as_str())
}

/// Whether a command's tag says that it may have written, as that of a `select` does not.
pub(super) fn says_written(tag: &str) -> bool {
    const WORDS: [&str; 12] = [
        "ALTER", "COMMENT", "CREATE", "DELETE", "DROP", "GRANT", "INSERT", "MERGE", "REFRESH", "REVOKE",
        "TRUNCATE", "UPDATE",
    ];
    WORDS.contains(&tag.split(' ').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_or_changes_a_relation_gives_no_rows_and_what_may_give_some_is_not_among_it() {
        for text in ["create table t as select 1", "/* c */ DROP view v", "alter table t rename to u"] {
            assert!(gives_no_rows(text), "{text}");
        }
        for text in
            ["insert into t values (1) returning a", "select 1", "with a as (select 1) select 2", "call p()"]
        {
            assert!(!gives_no_rows(text), "{text}");
        }
        assert!(says_written("INSERT 0 5") && says_written("CREATE VIEW"));
        assert!(!says_written("SELECT 5") && !says_written("") && !says_written("CALL"));
    }

    #[test]
    fn the_first_word_is_found_behind_comments() {
        for text in ["select 1", "  SELECT", "--x\nselect", "/* a /* b */ c */ select(1)", "/**/select"] {
            assert_eq!(first_word(text), "select", "{text}");
        }
        for text in ["", "/* open", "--", "/* /* */ select", "(select 1)"] {
            assert_eq!(first_word(text), "", "{text}");
        }
        assert!(is_out_of_turn("/**/ComMit and chain").is_some());
        assert!(is_out_of_turn("create table commit ()").is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_first_word(text: String) {
            let _ = first_word(&text);
        }
    }
}
