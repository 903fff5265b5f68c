//! Why something was not done, in cases an author can branch on.
//!
//! In: the host's failures, and the plugin's own.
//! Out: [`Failure`] for calls, [`TaskFailure`] for a task as a whole; the one turns into the other.
//! Never: holds a secret, a host address or a host path; the host keeps them out.
//! Fails: not at all.
//! Source: `wit/types/types.wit`, `wit/task/task.wit`.

use std::fmt;

/// What a person needs to know of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The stable code, e.g. `CD0301`; one page of the documentation each.
    pub code: String,
    /// One sentence, at most 4 KiB.
    pub message: String,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No grant covers the call, or the handle is not yours. Asking again will not help.
    Refused(Detail),
    /// The statement or the argument itself is wrong. Not to be repeated.
    Invalid(Detail),
    /// A constraint of the warehouse does not hold: uniqueness, NOT NULL, a check.
    Constraint(Detail),
    /// The warehouse's own role lacks the right.
    Permission(Detail),
    /// Busy, deadlocked, serialization failure: the same call may succeed later.
    Transient(Detail),
    /// The warehouse cannot be reached or the connection was lost.
    Unavailable(Detail),
    /// A limit was met: rows, bytes, handles, time.
    Limit(Detail),
    /// The attempt is being stopped; end soon.
    Cancelled(Detail),
}

impl Failure {
    /// A [`Failure::Invalid`] of the plugin's own.
    pub fn invalid(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Detail { code: code.into(), message: message.into() })
    }

    /// A [`Failure::Limit`] of the plugin's own.
    pub fn limit(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Limit(Detail { code: code.into(), message: message.into() })
    }

    /// The code and the sentence, whatever the case.
    pub fn detail(&self) -> &Detail {
        match self {
            Self::Refused(detail)
            | Self::Invalid(detail)
            | Self::Constraint(detail)
            | Self::Permission(detail)
            | Self::Transient(detail)
            | Self::Unavailable(detail)
            | Self::Limit(detail)
            | Self::Cancelled(detail) => detail,
        }
    }

    /// The same case and code, with a sentence put in front of the message.
    #[must_use]
    pub fn context(mut self, what: &str) -> Self {
        let detail = match &mut self {
            Self::Refused(detail)
            | Self::Invalid(detail)
            | Self::Constraint(detail)
            | Self::Permission(detail)
            | Self::Transient(detail)
            | Self::Unavailable(detail)
            | Self::Limit(detail)
            | Self::Cancelled(detail) => detail,
        };
        detail.message = format!("{what}: {}", detail.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { code, message } = self.detail();
        write!(f, "{code}: {message}")
    }
}

impl std::error::Error for Failure {}

/// What kind of failure a task met: the host retries `Transient` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The same attempt may succeed later.
    Transient,
    /// It will not.
    Permanent,
    /// The work was done and the answer is no: a data test found rows.
    CheckFailed,
    /// The host asked for it.
    Cancelled,
}

/// Why a task failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFailure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// The code of the failure underneath, or the plugin's own: 2 to 16 of `A-Z`, `0-9`, `_`.
    pub code: String,
    /// For the customer's log: which file, which line, what to do. At most 16 KiB.
    pub message: String,
}

impl TaskFailure {
    /// A failure that trying again will not mend.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Permanent, code: code.into(), message: message.into() }
    }

    /// The work was done and the answer is no.
    pub fn check_failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: FailureKind::CheckFailed, code: code.into(), message: message.into() }
    }

    /// The same kind and code, with a sentence put in front of the message.
    #[must_use]
    pub fn context(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for TaskFailure {}

impl From<Failure> for TaskFailure {
    /// Transient and unavailable may be tried again, cancelled stays cancelled, all else is
    /// permanent. The code is the failure's own.
    fn from(failure: Failure) -> Self {
        let kind = match &failure {
            Failure::Transient(_) | Failure::Unavailable(_) => FailureKind::Transient,
            Failure::Cancelled(_) => FailureKind::Cancelled,
            Failure::Refused(_)
            | Failure::Invalid(_)
            | Failure::Constraint(_)
            | Failure::Permission(_)
            | Failure::Limit(_) => FailureKind::Permanent,
        };
        let Detail { code, message } = failure.detail().clone();
        Self { kind, code, message }
    }
}

#[cfg(test)]
mod tests {
    use super::{Detail, Failure, FailureKind, TaskFailure};

    fn detail() -> Detail {
        Detail { code: "CD0301".into(), message: "no such table: orders".into() }
    }

    #[test]
    fn only_what_may_pass_by_itself_is_transient() {
        let kind = |failure: Failure| TaskFailure::from(failure).kind;
        assert_eq!(kind(Failure::Transient(detail())), FailureKind::Transient);
        assert_eq!(kind(Failure::Unavailable(detail())), FailureKind::Transient);
        assert_eq!(kind(Failure::Cancelled(detail())), FailureKind::Cancelled);
        for failure in [
            Failure::Refused(detail()),
            Failure::Invalid(detail()),
            Failure::Constraint(detail()),
            Failure::Permission(detail()),
            Failure::Limit(detail()),
        ] {
            assert_eq!(kind(failure), FailureKind::Permanent);
        }
    }

    #[test]
    fn context_goes_before_the_message_and_leaves_the_code() {
        let failure = TaskFailure::from(Failure::Invalid(detail()).context("models/orders.sql"));
        assert_eq!(failure.to_string(), "CD0301: models/orders.sql: no such table: orders");
    }
}
