//! The cases of `tests/refusals`.

#![allow(
    dead_code,
    clippy::expect_used,
    reason = "shared by tests that each use a part, and fail by panicking"
)]

pub(crate) mod agree;
pub(crate) mod changed;

use cofferdam_grants::{Dialect, Reading};

/// The session's default schema in every case.
pub(crate) const SCHEMA: &str = "marts";

pub(crate) struct Case {
    pub(crate) claim: String,
    pub(crate) sql: String,
    pub(crate) expected: String,
}

impl Case {
    pub(crate) fn is_refused(&self) -> bool {
        self.expected.starts_with("refused")
    }
}

pub(crate) fn cases(dialect: Dialect) -> Vec<Case> {
    let text = match dialect {
        Dialect::Mysql => include_str!("../../../../tests/refusals/mysql.sql"),
        _ => include_str!("../../../../tests/refusals/postgres.sql"),
    };
    let blocks = text.split("\n\n").skip(1);
    blocks
        .map(|block| {
            let (head, expected) = block.trim_end().split_once("\n=> ").expect("a case ends with `=> …`");
            let (claim, sql) = head.split_once('\n').expect("a case starts with a claim");
            Case { claim: claim.trim().to_owned(), sql: sql.to_owned(), expected: expected.trim().to_owned() }
        })
        .collect()
}

/// A reading in the words of a case.
pub(crate) fn shown(reading: &Reading) -> String {
    if let Some(problem) = &reading.problem {
        return format!("refused {}", problem.code());
    }
    let join = |set: &std::collections::BTreeSet<cofferdam_grants::Relation>| {
        set.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let mut text = format!("{} reads {}", reading.kind.expect("a reading has a kind"), join(&reading.reads));
    if !reading.writes.is_empty() {
        text = format!("{} writes {}", text.trim(), join(&reading.writes));
    }
    for beyond in &reading.beyond {
        text = format!("{text} with {beyond}");
    }
    text.trim().to_owned()
}
