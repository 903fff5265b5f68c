//! Why a task was not admitted.

use cofferdam_ids::{Code, Explain, Fault, TaskId};

use crate::file::ConfinementNeed;

/// Why a task was not admitted. Nothing was run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are what the message says of them")]
pub enum GrantRefused {
    /// No grant is for this task.
    #[error("no grant allows `{task}` to run here: {nearest}")]
    NoGrant { task: TaskId, nearest: String },
    /// Grants are for this task, and none covers one of its requests.
    #[error("`{task}` asks for {request}, which no grant covers: {nearest}")]
    NotCovered { task: TaskId, request: String, nearest: String },
    /// A grant demands what the kernel does not give.
    #[error("{file}:{line} demands `{need}` confinement, which this machine's runner does not have")]
    Confinement { file: String, line: u32, need: ConfinementNeed },
    /// A request of the release cannot be read.
    #[error("`{task}` asks for `{pattern}`, which is no relation pattern")]
    BadRequest { task: TaskId, pattern: String },
}

impl Explain for GrantRefused {
    fn code(&self) -> Code {
        Code(match self {
            Self::NoGrant { .. } => 210,
            Self::NotCovered { .. } => 211,
            Self::Confinement { .. } => 212,
            Self::BadRequest { .. } => 213,
        })
    }

    fn fault(&self) -> Fault {
        match self {
            Self::BadRequest { .. } => Fault::Publisher,
            _ => Fault::Operator,
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::NoGrant { task, .. } => format!("write a grant for `{task}`, or do not run it here"),
            Self::NotCovered { request, .. } => {
                format!("grant {request}, if it should be allowed, or release a task that asks for less")
            }
            Self::Confinement { need, .. } => {
                format!(
                    "run the executor on a kernel that offers `{need}`, or take the demand out of the grant"
                )
            }
            Self::BadRequest { .. } => "mend the request and release again".to_owned(),
        }
    }
}
