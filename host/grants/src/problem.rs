//! What is wrong with a grant file, to the line.

use cofferdam_ids::{Code, Explain, Fault};

/// Why a grant file was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct GrantProblem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong, one sentence.
    pub what: String,
    /// The nearest key or value this version knows, where one is near.
    pub nearest: Option<String>,
    pub(crate) kind: ProblemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// Not TOML.
    Syntax,
    /// A key this schema does not have.
    UnknownKey,
    /// A key that must be there.
    MissingKey,
    /// A value of the wrong kind.
    Value,
    /// Known to the design, not to this version.
    Later,
    /// Two files, one id.
    DoubleId,
}

impl Explain for GrantProblem {
    fn code(&self) -> Code {
        Code(match self.kind {
            ProblemKind::Syntax => 201,
            ProblemKind::UnknownKey => 202,
            ProblemKind::MissingKey => 203,
            ProblemKind::Value => 204,
            ProblemKind::Later => 205,
            ProblemKind::DoubleId => 206,
        })
    }

    fn fault(&self) -> Fault {
        Fault::Operator
    }

    fn fix(&self) -> String {
        match (self.kind, &self.nearest) {
            (ProblemKind::UnknownKey | ProblemKind::Value, Some(near)) => {
                format!("write `{near}`, if that was meant, or delete the line")
            }
            (ProblemKind::Syntax, _) => "mend the TOML; no grant of this file is in force".to_owned(),
            (ProblemKind::UnknownKey, None) => "delete the key".to_owned(),
            (ProblemKind::MissingKey, _) => {
                "add the key; `docs/guides/grants.md` shows a whole file".to_owned()
            }
            (ProblemKind::Value, None) => "give the value the guide `grants` describes".to_owned(),
            (ProblemKind::Later, _) => "delete it; this version cannot lend it".to_owned(),
            (ProblemKind::DoubleId, _) => "give each grant an id of its own".to_owned(),
        }
    }
}
