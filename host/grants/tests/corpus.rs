//! Every case of `tests/refusals` comes out as it says: read rightly, or refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;

use cases::{Case, SCHEMA, cases, shown};
use cofferdam_grants::{Dialect, read_statement};

const DIALECTS: [Dialect; 2] = [Dialect::Postgres, Dialect::Mysql];

fn wrong(case: &Case, dialect: Dialect) -> Option<String> {
    let reading = read_statement(&case.sql, dialect, SCHEMA);
    let found = shown(&reading);
    // `refused CD02` leaves open by which code: the parser may not know the words at all.
    let fits = found == case.expected || (case.expected == "refused CD02" && found.starts_with("refused"));
    let problem = reading.problem.map(|p| p.to_string()).unwrap_or_default();
    (!fits).then(|| {
        format!("{}\n{}\n  expected {}\n  found    {found} {problem}", case.claim, case.sql, case.expected)
    })
}

#[test]
fn every_case_is_read_rightly_or_refused() {
    for dialect in DIALECTS {
        let wrong: Vec<_> = cases(dialect).iter().filter_map(|case| wrong(case, dialect)).collect();
        assert!(wrong.is_empty(), "{dialect:?}, {} cases:\n\n{}", wrong.len(), wrong.join("\n\n"));
    }
}

#[test]
fn there_are_enough_cases_and_both_outcomes() {
    for (dialect, least) in [(Dialect::Postgres, 120), (Dialect::Mysql, 80)] {
        let cases = cases(dialect);
        let refused = cases.iter().filter(|c| c.is_refused()).count();
        assert!(cases.len() >= least && refused >= least / 2, "{dialect:?}: {} with {refused}", cases.len());
        assert!(cases.len() - refused >= least / 3, "{dialect:?}: {} with {refused}", cases.len());
    }
}

#[test]
fn every_code_of_a_refusal_has_a_case() {
    let expected: Vec<_> = DIALECTS.into_iter().flat_map(cases).map(|case| case.expected).collect();
    for code in ["CD0220", "CD0230", "CD0231", "CD0232", "CD0233", "CD0234", "CD0236"] {
        assert!(expected.iter().any(|e| e.ends_with(code)), "{code}");
    }
    assert!(expected.iter().any(|e| e.ends_with("with cascade")), "CD0235");
}
