//! What an operator should look at twice in grants that are sound.

use std::{fmt, time::Duration};

use cofferdam_bundle::statement::SqlMode;
use cofferdam_ids::Timestamp;

use crate::{
    GrantSet,
    file::{Beyond, GrantFile, StatementRule, TelemetryRule},
};

/// How long before its end a grant is pointed out.
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 86_400);

/// One thing to look at twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintFinding {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What.
    pub what: String,
}

impl fmt::Display for LintFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Lists globs, statements that are not read, grants that end soon, missing demands on
/// confinement, and keys that have no effect.
pub fn lint(grants: &GrantSet, now: Timestamp) -> Vec<LintFinding> {
    grants.files().iter().flat_map(|grant| lint_one(grant, now)).collect()
}

fn lint_one(grant: &GrantFile, now: Timestamp) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    let mut add =
        |line: u32, what: String| findings.push(LintFinding { file: grant.file.clone(), line, what });
    if now >= grant.expires {
        add(1, format!("it expired at {}", grant.expires));
    } else if now.plus(EXPIRES_SOON) >= grant.expires {
        add(1, format!("it expires at {}, within 30 days", grant.expires));
    }
    if grant.require_confinement.is_empty() {
        add(1, "it demands no confinement: add `require_confinement`".to_owned());
    }
    for task in grant.subject.tasks.iter().filter(|t| t.is_open()) {
        add(
            grant.subject.line,
            format!("`{task}` stands for every task whose id starts so, later ones included"),
        );
    }
    for rule in &grant.sql {
        for pattern in rule.reads.iter().filter(|p| p.is_open()) {
            add(rule.line, format!("it may read `{pattern}`, relations made later included"));
        }
        for pattern in rule.writes.iter().filter(|p| p.is_open()) {
            add(rule.line, format!("it may write `{pattern}`, relations made later included"));
        }
        if rule.statements == StatementRule::Any {
            add(
                rule.line,
                "statements are not read: SQLite's own wall, or the warehouse's role, is all that is left"
                    .to_owned(),
            );
        }
        for beyond in &rule.also {
            let what = match beyond {
                Beyond::Cascade => "drops may take with them what others made of a relation (`also`)",
                Beyond::Rights => "rights on what it writes may be given to any role (`also`)",
                Beyond::Schemas => "schemas may be made and dropped (`also`)",
            };
            add(rule.line, what.to_owned());
        }
        if rule.mode == SqlMode::Read && !rule.writes.is_empty() {
            add(rule.line, "`writes` has no effect: the mode is `read`".to_owned());
        }
        if rule.mode > SqlMode::Read && rule.writes.is_empty() {
            add(rule.line, "the mode allows writing and `writes` names nothing".to_owned());
        }
    }
    for rule in grant.files.iter().filter(|r| r.prefixes.iter().any(String::is_empty)) {
        add(rule.line, "every file of the release may be read".to_owned());
    }
    let no_effect = |t: &TelemetryRule| !t.log && !t.read_kept;
    if let Some(rule) = grant.telemetry.filter(no_effect) {
        add(rule.line, "`[telemetry]` has no effect: `log` is false".to_owned());
    }
    if let Some(rule) = grant.telemetry.filter(|t| t.read_kept) {
        add(rule.line, "messages and errors of a run's attempts may be read by its other tasks".to_owned());
    }
    let lends =
        !grant.sql.is_empty() || !grant.files.is_empty() || grant.telemetry.is_some_and(|t| !no_effect(&t));
    if !lends {
        add(
            grant.subject.line,
            "it lends nothing: it has no `[[sql]]`, `[[files]]` or `[telemetry]`".to_owned(),
        );
    }
    findings
}
