//! A task that misbehaves on purpose, one way per entry. `tests/tests/hostile.rs` claims each.

#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, unused_imports))]

wit_bindgen::generate!({
    world: "cofferdam:worlds/task@0.1.0",
    path: ["../../../wit/types", "../../../wit/capability", "../../../wit/warehouse", "../../../wit/task", "../../../wit/worlds"],
    generate_all,
});

mod ways;

use exports::cofferdam::task::task::{FailureKind, Guest, Invocation, Outcome, TaskFailure};

pub use ways::WAYS;

struct Hostile;

impl Guest for Hostile {
    fn run(invocation: Invocation) -> Result<Outcome, TaskFailure> {
        let way = WAYS.iter().find(|(name, _)| *name == invocation.entry);
        let Some((_, way)) = way else { return Err(failed("NO_SUCH_WAY", &invocation.entry)) };
        way(&invocation)
    }
}

/// The task tells that it got what it must not get, or was refused as it must be.
pub(crate) fn failed(code: &str, message: &str) -> TaskFailure {
    TaskFailure { kind: FailureKind::Permanent, code: code.to_owned(), message: message.to_owned() }
}

pub(crate) fn done(summary: impl Into<String>) -> Result<Outcome, TaskFailure> {
    Ok(Outcome { rows_affected: None, summary: summary.into() })
}

// Natively there is nothing to export to: only the names of the ways are read.
#[cfg(target_arch = "wasm32")]
export!(Hostile);
