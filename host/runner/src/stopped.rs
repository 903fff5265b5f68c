//! Why the sandbox ended an attempt: the codes CD0401 to CD0418.
//!
//! In: what Wasmtime or a host function reports. Out: a [`Stopped`] with a stable code and one
//! cleaned sentence.
//! Never: passes a guest's words on without cutting and cleaning them.
//! Fails: not at all; what it does not know is a trap (CD0403).
//! Source: `docs/adr/0003-threads-not-fibers.md`.

use cofferdam_call::{MESSAGE_BYTES_MAX, shorten};
use cofferdam_ids::{Code, Explain, Fault};
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::text::clean;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $fault:ident, $fix:literal;)*) => {
        $($(#[$doc])* pub const $name: Code = Code($number);)*

        fn fault_and_fix(code: Code) -> (Fault, &'static str) {
            match code {
                $($name => (Fault::$fault, $fix),)*
                _ => (Fault::Ours, "report this; the code is not one of the sandbox's"),
            }
        }

        /// All codes an attempt may be stopped with.
        pub const STOP_CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    /// The attempt's memory limit was met.
    MEMORY_LIMIT = 401, Operator, "raise `mem_bytes` in the grant's limits, or let the plugin work in smaller pieces";
    /// The guest's call stack is full.
    STACK_OVERFLOW = 402, Plugin, "mend the recursion in the plugin";
    /// The guest trapped.
    TRAPPED = 403, Plugin, "read the attempt's log; the plugin's last words are there";
    /// The component asks for an import that does not exist for it.
    NO_SUCH_IMPORT = 404, Publisher, "request and grant the interface, or build the plugin without it";
    /// The guest holds too many handles.
    TOO_MANY_HANDLES = 405, Plugin, "drop sessions, rows and loaders when they are done";
    /// The guest passed too much in one call.
    CALL_TOO_LARGE = 406, Plugin, "pass data in frames of at most 1 MiB";
    /// The guest returned a value that is too large.
    VALUE_TOO_LARGE = 407, Plugin, "keep to the sizes that the interface documents";
    /// The component does not export what its world demands.
    NOT_OF_THE_WORLD = 408, Publisher, "build the plugin against the world it is listed under";
    /// The component is not loaded.
    NOT_LOADED = 409, Ours, "report this; the broker loads components before it starts them";
    /// Wall clock.
    TIME_LIMIT = 410, Operator, "raise `wall_ms` in the grant's limits, or split the task";
    /// Cancelled.
    CANCELLED = 411, User, "start the task again if this was not meant";
    /// The lease was lost.
    LEASE_LOST = 412, Environment, "check the connection between executor and scheduler";
    /// The process is at its own limit.
    RUNNER_FULL = 413, Operator, "lower `slots` or give the executor more memory";
    /// The lane to the broker broke.
    LANE_BROKEN = 414, Ours, "report this; the broker and its runner do not understand each other";
    /// The guest called `exit`.
    GUEST_EXITED = 415, Plugin, "return an outcome instead of calling `exit`";
    /// No adapter stands behind a gateway.
    NO_ADAPTER = 416, Publisher, "name the gateway's adapter in the release";
    /// The plan is not complete.
    BAD_PLAN = 417, Ours, "report this; the broker sent a plan that fits no world";
    /// The runner panicked.
    INTERNAL = 418, Ours, "report this with the executor's log";
}

/// Why the sandbox ended an attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Stopped {
    /// One of [`STOP_CODES`].
    pub code: Code,
    /// One sentence or two, cleaned, at most 4 KiB.
    pub message: String,
}

impl Stopped {
    /// A stop; the message is cleaned and cut.
    pub fn new(code: Code, message: impl AsRef<str>) -> Self {
        Self { code, message: shorten(&clean(message.as_ref()), MESSAGE_BYTES_MAX) }
    }

    /// What an error that came out of a store means. `denied` is the limit that refused memory
    /// in this attempt, if one did: a guest that is refused memory traps of its own accord.
    pub(crate) fn from_error(error: &wasmtime::Error, denied: Option<Code>) -> Self {
        if let Some(stopped) = error.downcast_ref::<Self>() {
            return stopped.clone();
        }
        if let Some(limit) = error.downcast_ref::<PoolConcurrencyLimitError>() {
            return Self::new(RUNNER_FULL, format!("the runner has no free place: {limit}"));
        }
        let text = error.root_cause().to_string();
        if text.contains("handle limit exceeded") || text.contains("no free keys") {
            return Self::new(TOO_MANY_HANDLES, "the guest holds too many handles at once");
        }
        if text.contains("fuel allocated for hostcalls") {
            return Self::new(CALL_TOO_LARGE, "the guest passed more in one call than the limit of 8 MiB");
        }
        if let Some(code) = denied {
            return Self::new(code, format!("memory was refused, and the guest gave up: {text}"));
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => {
                Self::new(STACK_OVERFLOW, "the guest's call stack is full (512 KiB)")
            }
            Some(Trap::MemoryOutOfBounds) if fell_off_its_stack(error) => {
                Self::new(STACK_OVERFLOW, "the guest's own stack, in its memory, is full")
            }
            Some(trap) => Self::new(TRAPPED, format!("the guest trapped: {trap}")),
            None => Self::new(TRAPPED, format!("the guest broke a rule of its interface: {text}")),
        }
    }
}

/// Whether the fault lies around the memory's start, seen from the guest 4 GiB above it.
///
/// Compiled languages keep a second stack at the bottom of the memory for what has an address;
/// deep recursion fills that one first. Wasmtime gives the fault's address in words alone.
fn fell_off_its_stack(error: &wasmtime::Error) -> bool {
    const START: u64 = 4 << 30;
    const AROUND: u64 = 16 << 20;
    error.chain().any(|cause| {
        let text = cause.to_string();
        let address = text.strip_prefix("memory fault at wasm address 0x");
        let digits = address.and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        u64::from_str_radix(digits, 16).is_ok_and(|at| at.abs_diff(START) < AROUND)
    })
}

impl Explain for Stopped {
    fn code(&self) -> Code {
        self.code
    }

    fn fault(&self) -> Fault {
        fault_and_fix(self.code).0
    }

    fn fix(&self) -> String {
        fault_and_fix(self.code).1.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_reads_like_every_other_error() {
        let stopped = Stopped::from_error(&Trap::StackOverflow.into(), None);
        insta::assert_snapshot!(cofferdam_ids::render(&stopped), @r"
        error[CD0402]: the guest's call stack is full (512 KiB)
          fix: mend the recursion in the plugin
        ");
    }

    #[test]
    fn a_trap_after_refused_memory_is_the_memory_limit() {
        let trap = Trap::UnreachableCodeReached.into();
        assert_eq!(Stopped::from_error(&trap, Some(MEMORY_LIMIT)).code, MEMORY_LIMIT);
        assert_eq!(Stopped::from_error(&trap, None).code, TRAPPED);
    }

    #[test]
    fn every_code_has_a_page() {
        for code in STOP_CODES {
            let page = format!("{}/../../docs/errors/{code}.md", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&page).unwrap_or_default();
            assert!(text.starts_with(&format!("# {code}: ")), "{page} does not start with its title");
        }
    }
}
