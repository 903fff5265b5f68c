//! A statement file taken apart: one statement, its named parameters replaced by `?`.
//!
//! In: the text of a file. Out: the text to run and the parameters in the order of their `?`.
//! Never: touches what stands in strings, comments or quoted identifiers, or a cast `::`.
//! Fails: with the line and what is wrong there, for any text.
//! Source: SQL's lexical rules as SQLite and PostgreSQL have them.

use std::fmt;

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// As it is run: `?` for each parameter, without the `;` at its end.
    pub(crate) text: String,
    /// The parameter of each `?`, and the line it stands on.
    pub(crate) names: Vec<(String, usize)>,
}

/// Why a file is not one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    line: usize,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

impl Statement {
    /// Reads a file's text.
    pub(crate) fn parse(file: &str) -> Result<Self, Problem> {
        let mut lexer = Lexer { rest: file, line: 1 };
        let mut statement = Self { text: String::with_capacity(file.len()), names: Vec::new() };
        let (mut any, mut ended) = (false, false);
        let mut before = None;
        while let Some(token) = lexer.next(before)? {
            let line = lexer.line;
            lexer.take(token.text);
            before = token.text.chars().next_back();
            if token.kind == Kind::Blank {
                // Behind the end a comment may stand; it is not part of the statement.
                if !ended {
                    statement.text.push_str(token.text);
                }
                continue;
            }
            if ended {
                return problem(line, "a second statement begins here; a file holds exactly one");
            }
            match token.kind {
                Kind::End => ended = true,
                Kind::Parameter => {
                    any = true;
                    statement.names.push((token.text[1..].to_owned(), line));
                    statement.text.push('?');
                }
                Kind::Blank | Kind::Plain => {
                    any = true;
                    statement.text.push_str(token.text);
                }
            }
        }
        if any { Ok(statement) } else { problem(1, "the file holds no statement") }
    }

    /// Whether it changes rows, not relations: what it does can be undone and done once.
    pub(crate) fn changes_rows(&self) -> bool {
        let mut lexer = Lexer { rest: &self.text, line: 1 };
        while let Ok(Some(token)) = lexer.next(None) {
            if token.kind != Kind::Blank {
                let words = ["insert", "update", "delete", "replace", "merge", "with"];
                return words.iter().any(|word| token.text.eq_ignore_ascii_case(word));
            }
            lexer.take(token.text);
        }
        false
    }
}

fn problem<T>(line: usize, message: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { line, message: message.into() })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Space or a comment.
    Blank,
    /// `:name`.
    Parameter,
    /// `;`.
    End,
    /// Anything else.
    Plain,
}

struct Token<'a> {
    kind: Kind,
    text: &'a str,
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn take(&mut self, text: &str) {
        self.line += text.matches('\n').count();
        self.rest = &self.rest[text.len()..];
    }

    /// The token at the front; `before` is the last character of the one before it.
    fn next(&self, before: Option<char>) -> Result<Option<Token<'a>>, Problem> {
        let rest = self.rest;
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let second = rest[first.len_utf8()..].chars().next();
        let (kind, length) = match (first, second) {
            ('-', Some('-')) => (Kind::Blank, rest.find('\n').unwrap_or(rest.len())),
            ('/', Some('*')) => (Kind::Blank, self.until("*/", 2, "a comment")?),
            ('\'', _) => (Kind::Plain, self.until("'", 1, "a string")?),
            ('"', _) => (Kind::Plain, self.until("\"", 1, "a quoted name")?),
            ('`', _) => (Kind::Plain, self.until("`", 1, "a quoted name")?),
            ('[', _) => (Kind::Plain, self.until("]", 1, "a name in brackets")?),
            (';', _) => (Kind::End, 1),
            (':', Some(':')) => (Kind::Plain, 2),
            (':', Some(next)) if is_start(next) => (Kind::Parameter, 1 + word(&rest[1..])),
            ('?', _) => return self.foreign("?"),
            ('$' | '@', Some(next)) if is_inside(next) && !before.is_some_and(is_inside) => {
                return self.foreign(&rest[..1 + word(&rest[1..])]);
            }
            ('$', Some('$')) => {
                return problem(self.line, "text between `$$` is not read; write it between single quotes");
            }
            (blank, _) if blank.is_whitespace() => (Kind::Blank, blank.len_utf8()),
            (start, _) if is_inside(start) => (Kind::Plain, word(rest)),
            (other, _) => (Kind::Plain, other.len_utf8()),
        };
        Ok(Some(Token { kind, text: &rest[..length] }))
    }

    /// The length up to and with a closing mark. A mark written twice ends one token and begins
    /// the next, which comes to the same.
    fn until(&self, close: &str, from: usize, what: &str) -> Result<usize, Problem> {
        match self.rest[from..].find(close) {
            Some(at) => Ok(from + at + close.len()),
            None => problem(self.line, format!("{what} that begins here is never closed")),
        }
    }

    fn foreign<T>(&self, text: &str) -> Result<T, Problem> {
        problem(self.line, format!("`{text}` is not how parameters are written; write `:name`"))
    }
}

fn is_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_inside(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii() && !c.is_whitespace()
}

/// The length of a name or number; `$` may stand inside one.
fn word(text: &str) -> usize {
    text.find(|c: char| !is_inside(c) && c != '$').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::Statement;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn parsed(file: &str) -> (String, Vec<(String, usize)>) {
        let statement = Statement::parse(file).unwrap();
        (statement.text, statement.names)
    }

    fn refused(file: &str) -> String {
        Statement::parse(file).unwrap_err().to_string()
    }

    #[test]
    fn parameters_become_question_marks_in_their_order() {
        let (text, names) =
            parsed("delete from t\nwhere day < :before and id = :id\n  or :before is null;\n");
        assert_eq!(text, "delete from t\nwhere day < ? and id = ?\n  or ? is null");
        assert_eq!(names, [("before".into(), 2), ("id".into(), 2), ("before".into(), 3)]);
    }

    #[test]
    fn statements_that_change_rows_are_told_from_others() {
        for file in [
            "insert into t values (1)",
            "-- a\n/* b */ Delete from t",
            "with a as (select 1) update t set x = 1",
        ] {
            assert!(Statement::parse(file).unwrap().changes_rows(), "{file}");
        }
        for file in [
            "create table t (x int)",
            "drop table t",
            "truncate t",
            "-- insert\ncreate view v as select 1",
            "(select 1)",
        ] {
            assert!(!Statement::parse(file).unwrap().changes_rows(), "{file}");
        }
    }

    #[test]
    fn what_only_looks_like_a_parameter_is_left_alone() {
        for text in [
            "select ':a' || 'it''s :b' from t",
            "select \":a\", `:b`, [:c] from t",
            "select 1 -- :a\n, 2 /* :b\n; */",
            "select '1'::int, x :: text",
            "select a$b, a@1 from t",
            "select ': ', 1 : 2",
            "select 'ä:ö', ä from t",
        ] {
            assert_eq!(parsed(text), (text.to_owned(), vec![]), "{text}");
        }
        assert_eq!(parsed("select :a::int").0, "select ?::int");
        assert_eq!(parsed("select x=:a_1-1").1, [("a_1".into(), 1)]);
    }

    #[test]
    fn a_comment_may_stand_behind_the_end_and_nothing_else() {
        assert_eq!(parsed("select 1; -- done\n/* really */\n").0, "select 1");
        assert_eq!(
            refused("select 1;\n\nselect 2"),
            "3: a second statement begins here; a file holds exactly one"
        );
        assert_eq!(refused("select 1;;"), "1: a second statement begins here; a file holds exactly one");
    }

    #[test]
    fn a_file_without_a_statement_or_with_an_open_end_is_refused() {
        for file in ["", " \n", "-- nothing\n", ";", "/* x */"] {
            assert_eq!(refused(file), "1: the file holds no statement", "{file}");
        }
        assert_eq!(refused("select 1,\n 'open"), "2: a string that begins here is never closed");
        assert_eq!(refused("select \"open"), "1: a quoted name that begins here is never closed");
        assert_eq!(refused("select 1 /* open"), "1: a comment that begins here is never closed");
    }

    #[test]
    fn other_ways_to_write_parameters_are_refused() {
        assert_eq!(refused("select ?"), "1: `?` is not how parameters are written; write `:name`");
        assert_eq!(refused("select\n $1"), "2: `$1` is not how parameters are written; write `:name`");
        assert_eq!(refused("select @when"), "1: `@when` is not how parameters are written; write `:name`");
        assert_eq!(
            refused("select $$x$$"),
            "1: text between `$$` is not read; write it between single quotes"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_statement_or_a_problem(file in any::<String>()) {
            if let Ok(statement) = Statement::parse(&file) {
                prop_assert!(!statement.text.is_empty());
                prop_assert!(statement.text.len() <= file.len());
            }
        }

        #[test]
        fn a_value_in_a_string_never_counts(inside in "[a-z :;?$@-]{0,20}") {
            let file = format!("select '{inside}', :a");
            let statement = Statement::parse(&file).unwrap();
            prop_assert_eq!(statement.names.len(), 1);
            prop_assert_eq!(statement.text, format!("select '{inside}', ?"));
        }
    }
}
