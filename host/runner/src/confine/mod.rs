//! What a runner or compile child gives up before it meets a guest's bytes.
//!
//! In: which kind of child this is. Out: an honest [`Confinement`]: what the kernel really gave.
//! Never: pretends; where landlock or seccomp is missing, the report says so and the broker
//! decides, by the grants' `require_confinement`.
//! Fails: with [`ConfineError`] where the kernel has a means but refuses it.
//! Source: `docs/adr/0003-threads-not-fibers.md`.

mod seccomp;

use cofferdam_call::Confinement;
use cofferdam_ids::{Code, Explain, Fault};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, Ruleset as Landlock,
    RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, setrlimit};

/// Descriptors a runner may hold: its lanes, and one memory image a component module.
const FILES_MAX: u64 = 1_024;
/// Bytes of one memory image. Images are memory files of the kernel, not files of a disk, but this
/// is the limit that counts for them.
const IMAGE_BYTES_MAX: u64 = 256 << 20;
/// Bytes of address space of a compile child.
const COMPILE_MEMORY_BYTES_MAX: u64 = 2 << 30;
/// Seconds of processor time of a compile child.
const COMPILE_SECONDS_MAX: u64 = 60;
/// Bytes of a runner's own, beyond its guests' memory.
const RUNNER_BYTES_MAX: u64 = 1 << 30;

/// Which limits are to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruleset {
    /// A runner; the bytes its pool of guest memory may come to.
    Runner {
        /// Most bytes of guest memory that may ever be mapped writable.
        guest_bytes_max: u64,
    },
    /// A compile child.
    Compile,
}

/// Why a child could not be confined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfineError {
    /// Environment variables were inherited.
    #[error("the child inherited environment variables, `{first}` among them")]
    Environment {
        /// One of them by name; never its value.
        first: String,
    },
    /// Landlock.
    #[error("landlock refused its rules")]
    Landlock(#[source] RulesetError),
    /// Seccomp.
    #[error("seccomp refused its filter")]
    Seccomp(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else the kernel was asked.
    #[error("the kernel refused {what}")]
    Kernel {
        /// What was asked.
        what: &'static str,
        /// Its answer.
        #[source]
        error: rustix::io::Errno,
    },
}

impl Explain for ConfineError {
    fn code(&self) -> Code {
        Code(420)
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Environment { .. } => Fault::Ours,
            _ => Fault::Environment,
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Environment { .. } => {
                "start runner and compile children with an empty environment".to_owned()
            }
            _ => {
                "run the executor on Linux 5.13 or newer, outside containers that forbid landlock or seccomp"
                    .to_owned()
            }
        }
    }
}

/// Step one, while the process has one thread: everything a thread inherits. File system,
/// network by landlock, resource limits, no new privileges, death with the parent.
pub(crate) fn enclose(rules: Ruleset) -> Result<Confinement, ConfineError> {
    // Removing variables would leave their bytes in the process's memory: they must never come.
    if let Some((name, _)) = std::env::vars_os().next() {
        return Err(ConfineError::Environment { first: name.to_string_lossy().into_owned() });
    }
    let asked = |what| move |error| ConfineError::Kernel { what, error };
    if rules == Ruleset::Compile {
        // The kernel sends it when the parent's *thread* ends. A compile child's parent waits for
        // it on one thread; a runner may outlive the thread that started it, and ends with its
        // control socket instead.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(asked("the parent's death signal"))?;
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(asked("to be undumpable"))?;
    rustix::thread::set_no_new_privs(true).map_err(asked("no new privileges"))?;
    Ok(Confinement { landlock_abi: landlock()?, rlimits: limits(rules)?, ..Confinement::default() })
}

/// Step two, when all threads are there: the filter on system calls, for every thread.
pub(crate) fn filter(rules: Ruleset, given: &mut Confinement) -> Result<(), ConfineError> {
    given.seccomp = seccomp::apply(rules)?;
    given.no_network = given.seccomp;
    Ok(())
}

/// Both steps at once, for a process with one thread.
pub fn confine(rules: Ruleset) -> Result<Confinement, ConfineError> {
    let mut given = enclose(rules)?;
    filter(rules, &mut given)?;
    Ok(given)
}

/// Handles every right there is and allows none. Gives the ABI in force, 0 for none.
fn landlock() -> Result<u32, ConfineError> {
    let abi = ABI::V6;
    let status = Landlock::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Landlock::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(ConfineError::Landlock)?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => 0,
        (_, LandlockStatus::Available { effective_abi, .. }) => effective_abi.min(abi) as u32,
        _ => 0,
    })
}

fn limits(rules: Ruleset) -> Result<bool, ConfineError> {
    let mut limits = vec![(Resource::Core, 0), (Resource::Memlock, 0)];
    match rules {
        Ruleset::Runner { guest_bytes_max } => limits.extend([
            (Resource::Nofile, FILES_MAX),
            (Resource::Fsize, IMAGE_BYTES_MAX),
            (Resource::Data, guest_bytes_max.saturating_add(RUNNER_BYTES_MAX)),
        ]),
        Ruleset::Compile => limits.extend([
            (Resource::Nofile, 16),
            (Resource::Fsize, IMAGE_BYTES_MAX),
            (Resource::As, COMPILE_MEMORY_BYTES_MAX),
            (Resource::Cpu, COMPILE_SECONDS_MAX),
        ]),
    }
    for (resource, max) in limits {
        let limit = Rlimit { current: Some(max), maximum: Some(max) };
        setrlimit(resource, limit)
            .map_err(|error| ConfineError::Kernel { what: "a resource limit", error })?;
    }
    Ok(true)
}
