//! Why a call was not performed, or failed.

use cofferdam_ids::Code;
use serde::{Deserialize, Serialize};

use crate::limits::{MESSAGE_BYTES_MAX, shorten};

/// The case a guest can branch on; `wit/types` names them alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// No grant covers it, or the handle is not the caller's.
    Refused,
    /// The statement itself is wrong.
    Invalid,
    /// A constraint of the warehouse does not hold.
    Constraint,
    /// The warehouse's own role lacks the right.
    Permission,
    /// The same call may succeed later.
    Transient,
    /// The warehouse cannot be reached.
    Unavailable,
    /// A limit was met.
    Limit,
    /// The attempt is being stopped.
    Cancelled,
}

/// Why a call was not performed, or failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The case.
    pub kind: FailureKind,
    /// The stable code.
    pub code: Code,
    /// One sentence; never a secret, a host address or a host path.
    pub message: String,
}

impl Refusal {
    /// A refusal; the message is cut at 4 KiB.
    pub fn new(kind: FailureKind, code: Code, message: impl AsRef<str>) -> Self {
        Self { kind, code, message: shorten(message.as_ref(), MESSAGE_BYTES_MAX) }
    }
}
