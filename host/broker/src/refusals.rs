//! The door's own refusals, each with its code.

use cofferdam_call::{FailureKind, Handle, Refusal};
use cofferdam_ids::{Code, Explain};
use cofferdam_ledger::LogError;

pub(crate) fn not_yours(handle: Handle) -> Refusal {
    let message = format!("handle {} is not yours, or not of this sort", handle.0);
    Refusal::new(FailureKind::Refused, Code(320), message)
}

pub(crate) fn too_many(what: &str, limit: usize) -> Refusal {
    Refusal::new(FailureKind::Limit, Code(321), format!("one attempt has at most {limit} {what}"))
}

pub(crate) fn too_long(what: &str, bytes: usize, limit: usize) -> Refusal {
    Refusal::new(FailureKind::Limit, Code(323), format!("{what} is {bytes} long; the limit is {limit}"))
}

pub(crate) fn stray_payload() -> Refusal {
    Refusal::new(FailureKind::Invalid, Code(324), "bytes came with a call that takes none")
}

pub(crate) fn describing() -> Refusal {
    let message = "while a release is described, nothing but its files is lent";
    Refusal::new(FailureKind::Refused, Code(325), message)
}

pub(crate) fn bad_kept_name() -> Refusal {
    let message =
        "a file kept beside the log has a name of `a-z`, `0-9`, `_`, `.`, `-`, a letter or digit first";
    Refusal::new(FailureKind::Invalid, Code(322), message)
}

pub(crate) fn not_kept() -> Refusal {
    Refusal::new(FailureKind::Unavailable, Code(335), "the file cannot be kept beside the log now")
}

pub(crate) fn unread_kept() -> Refusal {
    Refusal::new(FailureKind::Unavailable, Code(336), "what attempts of this run kept cannot be read now")
}

/// The call cannot be recorded, so it is not performed. The cause is the executor's to tell.
pub(crate) fn unrecorded(error: &LogError) -> Refusal {
    Refusal::new(
        FailureKind::Unavailable,
        error.code(),
        "the call cannot be recorded, so it was not performed",
    )
}

/// The call was performed, but its result cannot be recorded.
pub(crate) fn result_unrecorded(error: &LogError) -> Refusal {
    Refusal::new(FailureKind::Unavailable, error.code(), "the call's result cannot be recorded")
}
