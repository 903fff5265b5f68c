//! What came of the checks, in lines a person can read.

use std::fmt;

use cofferdam_sdk::{Failure, FailureKind, Level, TaskFailure};

/// What a check found.
#[derive(Debug)]
pub(crate) enum Found {
    /// What the contract says holds.
    Fine,
    /// It does not.
    Wrong(String),
    /// The engine has nothing of the kind.
    NotApplicable(String),
    /// A call failed that should not.
    Failed(Failure),
}

impl From<Failure> for Found {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Found {
    /// A failure that says nothing about the adapter: the attempt is ended or cannot go on.
    pub(crate) fn stops(&self) -> Option<TaskFailure> {
        let Self::Failed(failure) = self else { return None };
        let failure = TaskFailure::from(failure.clone());
        matches!(failure.kind, FailureKind::Cancelled).then_some(failure)
    }
}

/// What a check gives; the error is whatever is not fine.
pub(crate) type Checked = Result<(), Found>;

/// Says what is wrong.
pub(crate) fn wrong(what: impl Into<String>) -> Found {
    Found::Wrong(what.into())
}

/// `Wrong` unless both are the same.
pub(crate) fn same<T: PartialEq + fmt::Debug>(what: &str, found: &T, expected: &T) -> Checked {
    if found == expected {
        return Ok(());
    }
    let shown = |value: &T| {
        let text = format!("{value:?}");
        if text.chars().count() > 400 { text.chars().take(400).collect::<String>() + "…" } else { text }
    };
    Err(wrong(format!("{what} is {}, expected {}", shown(found), shown(expected))))
}

/// The outcomes so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    fine: usize,
    not_applicable: usize,
    failed: Vec<String>,
}

impl Report {
    /// Counts an outcome; gives its line.
    pub(crate) fn add(&mut self, name: &str, found: Found) -> (Level, String) {
        match found {
            Found::Fine => {
                self.fine += 1;
                (Level::Info, format!("ok              {name}"))
            }
            Found::NotApplicable(reason) => {
                self.not_applicable += 1;
                (Level::Info, format!("not applicable  {name}: {reason}"))
            }
            Found::Wrong(why) => {
                self.failed.push(name.to_owned());
                (Level::Error, format!("FAILED          {name}: {why}"))
            }
            Found::Failed(failure) => {
                self.failed.push(name.to_owned());
                (Level::Error, format!("FAILED          {name}: a call failed with {failure}"))
            }
        }
    }

    /// Outcomes counted.
    pub(crate) fn total(&self) -> usize {
        self.fine + self.not_applicable + self.failed.len()
    }

    /// The names of the checks that failed.
    pub(crate) fn failed(&self) -> &[String] {
        &self.failed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fine, not_applicable, failed } = self;
        write!(f, "{fine} ok, {} failed, {not_applicable} not applicable", failed.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_like_one() {
        let mut report = Report::default();
        let lines = [
            report.add("names/quoting", Found::Fine).1,
            report.add("types/arrays", Found::NotApplicable("the engine has no arrays".into())).1,
            report.add("swap/failing-select", wrong("the old table is gone")).1,
            report.add("load/one-row", Failure::invalid("CD0301", "no such table").into()).1,
            report.to_string(),
        ];
        assert_eq!(
            lines.join("\n"),
            "ok              names/quoting\n\
             not applicable  types/arrays: the engine has no arrays\n\
             FAILED          swap/failing-select: the old table is gone\n\
             FAILED          load/one-row: a call failed with CD0301: no such table\n\
             1 ok, 2 failed, 1 not applicable"
        );
        assert_eq!(report.failed(), ["swap/failing-select", "load/one-row"]);
    }
}
