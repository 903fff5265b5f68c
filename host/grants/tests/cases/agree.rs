//! What a server used of a statement beside what the reader found in it.

use std::collections::BTreeMap;

use cofferdam_grants::{Dialect, Reading, Relation, read_statement};

use super::{SCHEMA, cases, shown};

/// The corpus's statements that are allowed, with what the reader finds in them.
pub(crate) fn allowed(dialect: Dialect) -> Vec<(String, Reading)> {
    let allowed = cases(dialect).into_iter().filter(|case| !case.is_refused());
    let read = |sql: String| (read_statement(&sql, dialect, SCHEMA), sql);
    allowed.map(|case| read(case.sql)).map(|(reading, sql)| (sql, reading)).collect()
}

/// Whether the reader names a relation as written, and as read.
pub(crate) fn named(reading: &Reading, schema: &str, name: &str) -> (bool, bool) {
    let is = |relation: &&Relation| relation.schema() == schema && relation.name() == name;
    let whole = |relation: &&Relation| relation.schema() == schema && relation.name() == "*";
    let writes = reading.writes.iter().any(|r| is(&r) || whole(&r));
    (writes, reading.reads.iter().any(|r| is(&r)))
}

/// Holds what the server used, by the statements' numbers, against what was read of them.
pub(crate) fn agree(
    statements: &[(String, Reading)],
    used: &BTreeMap<usize, Vec<String>>,
    least: usize,
    missed: impl Fn(&str, &Reading, &str) -> bool,
) {
    let mut wrong = Vec::new();
    for (at, used) in used {
        let (sql, reading) = &statements[*at];
        let missed: Vec<_> = used.iter().filter(|used| missed(sql, reading, used)).collect();
        if !missed.is_empty() {
            wrong.push(format!("{sql}\n  {}\n  the server also used {missed:?}", shown(reading)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n\n{}", wrong.len(), used.len(), wrong.join("\n\n"));
    println!("{} of {} were seen to use something", used.len(), statements.len());
    assert!(used.len() >= least, "only {} of {} were seen", used.len(), statements.len());
}
