//! What holds for every text: a reading is given, and blanks, comments and case lose no relation.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;

use cases::{SCHEMA, cases, shown};
use cofferdam_grants::{Dialect, read_statement};
use proptest::prelude::*;

const DIALECTS: [Dialect; 2] = [Dialect::Postgres, Dialect::Mysql];

/// A statement with blanks, comments and another case of its words, outside quotes.
fn dressed(sql: &str, dialect: Dialect, choices: &[u8]) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut choose = || choices.next().unwrap_or(0);
    let (mut text, mut quote, mut after) = (String::new(), None, ' ');
    for c in sql.chars() {
        let word = c.is_alphanumeric() || "_$.".contains(c);
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if "'\"`".contains(c) => quote = Some(c),
            None if c == ' ' && after != ' ' => text.push_str(match choose() % 5 {
                0 => "\n\t",
                1 => " /* from raw.other; ' */ ",
                2 => " -- , raw.other '\n",
                3 => "\r\n",
                _ => "",
            }),
            None => {}
        }
        // MySQL's names keep their case.
        let shout = quote.is_none() && word && dialect == Dialect::Postgres && choose() % 2 == 0;
        text.push(if shout { c.to_ascii_uppercase() } else { c });
        after = c;
    }
    text
}

#[test]
fn long_chains_of_operators_neither_overflow_nor_pass_unread() {
    for dialect in DIALECTS {
        for (part, count) in [("1 + ", 3_000), ("x and ", 3_000), ("'a' || ", 3_000)] {
            let sql = format!("select {}1 from raw.a", part.repeat(count));
            assert_eq!(shown(&read_statement(&sql, dialect, SCHEMA)), "select reads raw.a", "{part}");
        }
        let union = format!("select 1 from raw.a {}", "union all select 1 from raw.b ".repeat(1_500));
        assert_eq!(shown(&read_statement(&union, dialect, SCHEMA)), "select reads raw.a, raw.b");
        for sql in [
            format!("select {}1", "1 + ".repeat(200_000)),
            format!("select {}1", "(".repeat(500_000)),
            format!("select {}1", "not ".repeat(100_000)),
            format!("select 1 {}", "union select 1 ".repeat(50_000)),
            format!("select {}", "case when 1 then ".repeat(20_000)),
        ] {
            assert!(read_statement(&sql, dialect, SCHEMA).problem.is_some(), "{}", &sql[..40]);
        }
    }
}

#[test]
fn control_characters_are_refused() {
    for dialect in DIALECTS {
        for c in ['\0', '\u{b}', '\u{c}', '\u{85}', '\u{1a}'] {
            assert!(
                read_statement(&format!("select 1{c} from raw.a"), dialect, SCHEMA).problem.is_some(),
                "{c:?}"
            );
            assert!(
                read_statement(&format!("select 'x{c}' from raw.a"), dialect, SCHEMA).problem.is_some(),
                "{c:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_text_gives_a_reading(sql in ".{0,200}", postgres in any::<bool>()) {
        let _ = read_statement(&sql, DIALECTS[usize::from(postgres)], SCHEMA);
    }

    #[test]
    fn any_words_give_a_reading(postgres in any::<bool>(), words in proptest::collection::vec(
        proptest::sample::select(vec![
            "select", "from", "raw.a", "(", ")", ",", "with", "x", "as", "insert", "into", "values", "update", "set",
            "=", "1", "delete", "where", "union", "order", "by", "*", ";", "'s'", "\"q\"", "`q`", "in", "join", "on",
            "create", "table", "view", "drop", "alter", "rename", "to", "--", "/*", "*/", "upper", "$1", "$$", "::",
            "merge", "using", "when", "matched", "then", "grant", "truncate", "comment", "is", "analyze", "schema",
        ]), 0..40)) {
        let _ = read_statement(&words.join(" "), DIALECTS[usize::from(postgres)], SCHEMA);
    }

    #[test]
    fn blanks_comments_and_case_lose_no_relation(
        postgres in any::<bool>(), which in any::<proptest::sample::Index>(),
        choices in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let dialect = DIALECTS[usize::from(!postgres)];
        let plain = |c: &cases::Case| !c.is_refused() && !c.sql.contains("--") && !c.sql.contains('#') && !c.sql.contains('$');
        let allowed: Vec<_> = cases(dialect).into_iter().filter(plain).collect();
        let case = which.get(&allowed);
        let sql = dressed(&case.sql, dialect, &choices);
        let reading = read_statement(&sql, dialect, SCHEMA);
        prop_assert_eq!(shown(&reading), case.expected.clone(), "{}", sql);
    }
}
