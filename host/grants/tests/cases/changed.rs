//! Statements made from those of the corpus by small changes: a word left out, doubled, moved or
//! put in. Most are refused; where reader and server both take one, they must agree on it.

use super::{SCHEMA, cases};
use cofferdam_grants::{Dialect, Reading, read_statement};

/// Words that stand where a parser may take them for something else.
const WORDS: &[&str] = &[
    "begin",
    "if",
    "then",
    "else",
    "loop",
    "return",
    "by",
    "rollup",
    "cube",
    "exclude",
    "replace",
    "rename",
    "ilike",
    "unnest",
    "match_recognize",
    "unpivot",
    "lock",
    "share",
    "outfile",
    "names",
    "character",
    "dual",
    "default",
    "current_date",
    "user",
    "row",
    "rows",
    "range",
    "group",
    "order",
    "having",
    "like",
    "escape",
    "collate",
    "div",
    "mod",
    "xor",
    "binary",
    "convert",
    "cast",
    "json_table",
    "columns",
    "path",
    "position",
    "trim",
    "extract",
    "year",
    "and",
    "or",
    "between",
    "duplicate",
    "key",
    "conflict",
    "do",
    "nothing",
    "merge",
    "matched",
    "delete",
    "insert",
    "drop",
    "create",
    "view",
    "temporary",
    "if not exists",
    "cluster",
    "distribute",
    "sort",
    "connect",
    "start",
    "prior",
    "version",
    "system_time",
    "timestamp",
    "of",
    "top",
    "percent",
    "ties",
    "marts.x",
    "separator",
    "materialized",
    "search",
    "cycle",
    "overriding",
    "system",
    "value",
    "within",
    "ignore nulls",
    "zone",
    "time",
    "similar",
    "to",
    "settings",
    "prewhere",
    "with ties",
    "totals",
    "only",
    "lateral",
    "as",
    "from",
    "join",
    "left",
    "natural",
    "full",
    "cross",
    "using",
    "on",
    "union",
    "except",
    "all",
    "distinct",
    "select",
    "raw.secret",
    "marts.b",
    "x",
    "(",
    ")",
    ",",
    ".",
    "*",
    "'s'",
    "\"a\"",
    "`a`",
    "1",
    "returning",
    "where",
    "in",
    "exists",
    "with",
    "recursive",
    "values",
    "table",
    "into",
    "set",
    "not",
    "is",
    "null",
    "over",
    "filter",
    "semi",
    "anti",
    "asof",
    "sample",
    "final",
    "pivot",
    "qualify",
    "window",
    "limit",
    "offset",
    "fetch",
    "for",
    "update",
    "partition",
    "use",
    "index",
    "ignore",
    "force",
    "-- \n",
    "/* */",
    "::text",
    "::",
    "@",
    "=",
    "<",
    "||",
    "->",
    "any",
    "some",
    "array",
    "[",
    "]",
    "interval",
    "date",
    "end",
    "case",
    "when",
    "raw.a",
    "tablesample",
    "ordinality",
    "straight_join",
    "high_priority",
    "format",
    "settings",
    "global",
    "at",
    "local",
    "symmetric",
    "variadic",
    "isnull",
    "notnull",
    "exclude ties",
    "exclude no others",
    "including all",
    "collate \"C\"",
    "uescape '!'",
    "U&'a'",
    "E'\\''",
    "explain",
    "tablesample system (50)",
    ".user",
    "as user",
    "as from",
    "as select",
    "shop.raw.secret",
    "pg_class",
    "pg_temp.x",
    "mod",
];

/// A sequence of numbers that is the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

/// So many changed statements that the reader takes, with what it read.
pub(crate) fn changed(dialect: Dialect, count: usize) -> Vec<(String, Reading)> {
    let whole: Vec<_> =
        cases(dialect).into_iter().filter(|c| !c.is_refused()).map(|c| pieces(&c.sql)).collect();
    let mut numbers = Numbers(7);
    let mut found = Vec::new();
    while found.len() < count {
        let mut words = whole[numbers.below(whole.len())].clone();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(words.len());
            match numbers.below(5) {
                0 if words.len() > 1 => drop(words.remove(at)),
                1 => words.insert(at, words[at].clone()),
                2 if at + 1 < words.len() => words.swap(at, at + 1),
                _ => words.insert(at, WORDS[numbers.below(WORDS.len())].to_owned()),
            }
        }
        let sql = words.join(" ");
        let reading = read_statement(&sql, dialect, SCHEMA);
        if reading.problem.is_none() {
            found.push((sql, reading));
        }
    }
    found
}

/// Words, signs and quoted texts.
fn pieces(sql: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut quote = None;
    let mut joins = false;
    for c in sql.chars() {
        let word = c.is_alphanumeric() || "_.$".contains(c);
        match quote {
            Some(open) => {
                if let Some(last) = pieces.last_mut() {
                    last.push(c);
                }
                quote = (c != open).then_some(open);
                joins = false;
            }
            None if "'\"`".contains(c) => {
                pieces.push(c.to_string());
                quote = Some(c);
            }
            None if word && joins => {
                if let Some(last) = pieces.last_mut() {
                    last.push(c);
                }
            }
            None if c.is_whitespace() => joins = false,
            None => {
                pieces.push(c.to_string());
                joins = word;
            }
        }
    }
    pieces
}
