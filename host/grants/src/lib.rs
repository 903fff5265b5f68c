//! Grant files and the decision they make about a call.
//!
//! In: the text of grant files, what a signed task asks for, and later each [`Call`] it makes.
//! Out: an [`Admission`] or the reason there is none; for each call a [`Decision`] naming the
//! grant and line that allowed it. Never: reads files or a clock, sees a secret, performs a call.
//! Fails: closed. An unreadable grant file is refused by [`parse`]; an unreadable statement is
//! refused by [`Admission::decide`].
//! Source: `docs/adr/0007-statement-reading-and-the-engine-s-authorizer.md`, `docs/guides/grants.md`.
//!
//! Rights of several matching grants add up; so do their restrictions. What a task may do is what
//! its release asked for, and only if grants allow all of it: a grant never widens a request.
//!
//! [`Call`]: cofferdam_call::Call

mod admission;
mod decide;
mod explain;
mod file;
mod lint;
mod parse;
mod pattern;
mod problem;
mod reading;
mod refused;
mod set;

pub use admission::{Admission, AdmissionFacts, AdmittedFiles, AdmittedSql, GrantFact, SqlWall};
pub use decide::{Allowed, Ask, Decision, SessionFacts};
pub use explain::explain;
pub use file::{
    Beyond, ConfinementNeed, FilesRule, GrantFile, GrantLimits, SqlRule, StatementRule, SubjectRule,
    TelemetryRule,
};
pub use lint::{LintFinding, lint};
pub use parse::parse;
pub use pattern::{BadPattern, Glob, RelationPattern};
pub use problem::GrantProblem;
pub use reading::{Dialect, Reading, ReadingProblem, Relation, StatementKind, read_statement};
pub use refused::GrantRefused;
pub use set::{GrantSet, Subject};
