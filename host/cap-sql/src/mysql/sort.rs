//! What sort of statement the guest gave, by its first word: the driver's own wall.
//!
//! What a statement touches is the broker's to read. Here only what a session lends is told from
//! what it does not: transactions, settings, locks, procedures, files, accounts.

use cofferdam_call::{Access, Refusal};

use crate::refusals;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Gives rows.
    Reads,
    /// Starts with common table expressions: gives rows, or changes some.
    Either,
    /// Changes rows.
    Changes,
    /// Changes relations. MySQL commits before and after it by itself.
    Shapes,
}

/// The sort of a statement, where a session lends it.
pub(super) fn sort(text: &str, access: Access) -> Result<Sort, Refusal> {
    if text.contains('\0') {
        return Err(refusals::not_one("a statement holds no NUL character"));
    }
    let rest = behind_comments(text)?;
    // A statement may stand in brackets.
    let rest = rest.trim_start_matches(|c: char| c == '(' || c.is_ascii_whitespace());
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    match word.to_ascii_lowercase().as_str() {
        "with" => Ok(Sort::Either),
        "select" | "show" | "describe" | "desc" | "explain" | "table" | "values" => Ok(Sort::Reads),
        "insert" | "update" | "delete" | "replace" => Ok(Sort::Changes),
        "create" | "alter" | "drop" | "truncate" | "rename" => Ok(Sort::Shapes),
        "grant" | "revoke" if access >= Access::Write => Ok(Sort::Shapes),
        "" => Err(refusals::not_one("the statement is empty")),
        "begin" | "start" | "commit" | "rollback" | "savepoint" | "release" | "xa" => {
            Err(refusals::walled("transactions are begun and ended by their own calls"))
        }
        other => Err(refusals::walled(format!(
            "statements that start with `{}` are not lent",
            cofferdam_call::shorten(other, 32)
        ))),
    }
}

/// Whether a word stands in the text, be it in a name or a comment.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|found| found.eq_ignore_ascii_case(word))
}

/// The text behind the comments it starts with. `/*!` and `/*M!` are no comments: the server runs
/// what stands in them.
fn behind_comments(text: &str) -> Result<&str, Refusal> {
    let mut rest = text.trim_start();
    loop {
        let line = rest.starts_with('#')
            || rest.strip_prefix("--").is_some_and(|r| r.is_empty() || r.starts_with(char::is_whitespace));
        if line {
            rest = rest.split_once('\n').map_or("", |(_, behind)| behind).trim_start();
        } else if let Some(inside) = rest.strip_prefix("/*") {
            if inside.starts_with('!') || inside.starts_with("M!") {
                return Err(refusals::walled("comments that the server runs are not lent"));
            }
            let Some((_, behind)) = inside.split_once("*/") else {
                return Err(refusals::not_one("a comment has no end"));
            };
            rest = behind.trim_start();
        } else {
            return Ok(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart_by_their_first_word() {
        for (text, expected) in [
            ("SELECT 1", Sort::Reads),
            ("  -- why\n# and\n/* how */ (select 1) union (select 2)", Sort::Reads),
            ("with x as (select 1) select * from x", Sort::Either),
            ("Insert into t values (1)", Sort::Changes),
            ("rename table a to b", Sort::Shapes),
            ("CREATE TABLE t (a int)", Sort::Shapes),
        ] {
            assert_eq!(sort(text, Access::Write).ok(), Some(expected), "{text}");
        }
    }

    #[test]
    fn rights_are_not_handed_out_by_a_session_that_reads() {
        // Whether one that writes may is decided before: it takes a word in the grant.
        let text = "GRANT SELECT ON shop.t TO reader";
        assert_eq!(sort(text, Access::Admin).ok(), Some(Sort::Shapes));
        assert_eq!(sort(text, Access::Write).ok(), Some(Sort::Shapes));
        assert!(sort(text, Access::Read).is_err());
    }

    #[test]
    fn what_a_session_does_not_lend_is_refused() {
        for text in [
            "",
            "  /* nothing */ ",
            "/* open",
            "SELECT 1\0",
            "COMMIT",
            "start transaction",
            "SET SESSION TRANSACTION READ WRITE",
            "/*!50000 SELECT 1 */",
            "/*M! SET @a = 1 */",
            "--\nset @a = 1",
            "LOCK TABLES t READ",
            "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE t",
            "CALL p()",
            "DO SLEEP(1)",
            "PREPARE s FROM 'select 1'",
            "USE mysql",
            "KILL 1",
            "HANDLER t OPEN",
            "FLUSH TABLES",
        ] {
            assert!(sort(text, Access::Write).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_a_sort_or_is_refused(text: String) {
            let _ = sort(&text, Access::Admin);
        }
    }
}
