//! What broker and runner say to each other.
//!
//! A runner has one control socket (its standard input) and one lane, a socket of its own, per
//! slot. A lane carries one attempt at a time, strictly in turn: the broker sends
//! [`ToRunner::Start`]; the runner sends [`FromRunner::Call`] and waits for [`ToRunner::Reply`] or
//! [`ToRunner::Refused`], as often as the guest asks; then the runner sends [`FromRunner::End`],
//! after a project's description the pieces of it before as [`FromRunner::Described`].
//! The control socket carries `Configure`/`Ready`, `Load`/`Loaded` and `Cancel`.

use cofferdam_ids::{Code, GatewayName, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::{Call, Refusal, Reply};

/// From broker to runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToRunner {
    /// Control, first message: how many lanes follow. Their sockets come with this message as
    /// ancillary data, in order. Answered by [`FromRunner::Ready`].
    Configure {
        /// Lanes, 1 to 64.
        lanes: u32,
        /// Bytes of guest memory all lanes together may hold.
        memory_bytes_max: u64,
    },
    /// Control: a piece of a compiled component; the payload is the bytes. The piece with `last`
    /// is answered by [`FromRunner::Loaded`].
    Load {
        /// Digest of the component (the `.wasm`) it was compiled from.
        component: Sha256Digest,
        /// Whether this is the last piece.
        last: bool,
    },
    /// Control: stop what runs on a lane. Its guest is interrupted at the next epoch.
    Cancel {
        /// Which lane, from 0.
        lane: u32,
        /// Which start on that lane, from 1. A cancel that comes after its attempt has ended
        /// names a start that is over and does nothing.
        start: u64,
        /// Why; `CD0410` for the wall clock, `CD0411` for a cancel, `CD0412` for a lost lease.
        code: Code,
    },
    /// Lane: run this.
    Start(Box<AttemptPlan>),
    /// Lane: the call was performed. The payload is what the reply says.
    Reply(Reply),
    /// Lane: the call was refused or failed.
    Refused(Refusal),
}

/// From runner to broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromRunner {
    /// Control: confined and ready; what the kernel gave.
    Ready(Confinement),
    /// Control: a component was taken, or why not.
    Loaded {
        /// Which.
        component: Sha256Digest,
        /// None when it was taken.
        failure: Option<Refusal>,
    },
    /// Lane: the guest asks for something. The payload is what the call says.
    Call(Call),
    /// Lane: a piece of a [`Description`]; the payload is the bytes. The end that follows has an
    /// empty one.
    Described,
    /// Lane: the attempt is over and its stores are gone.
    End(Box<AttemptEnd>),
}

/// What the kernel gave a runner or compile child.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Landlock ABI in force, 0 where there is none.
    pub landlock_abi: u32,
    /// Whether the seccomp filter is on.
    pub seccomp: bool,
    /// Whether all resource limits were set.
    pub rlimits: bool,
    /// Whether it has a network namespace of its own or the filter forbids sockets.
    pub no_network: bool,
}

/// Which world a guest is run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GuestKind {
    /// World `task`: call `task.run`.
    Task,
    /// World `project`: call `project.describe`.
    Project,
}

/// An interface a guest may be lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interface {
    /// `cofferdam:warehouse/warehouse`, for tasks: by way of an adapter.
    Warehouse,
    /// `cofferdam:capability/sql`, for adapters.
    Sql,
    /// `cofferdam:capability/release-files`.
    ReleaseFiles,
    /// `cofferdam:capability/telemetry`.
    Telemetry,
}

/// All a runner needs to know of one attempt. Holds no secret and no host name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptPlan {
    /// Which world and entry.
    pub kind: GuestKind,
    /// The component to run; loaded before.
    pub component: Sha256Digest,
    /// The adapter behind each gateway; loaded before.
    pub adapters: Vec<(GatewayName, Sha256Digest)>,
    /// What the grants allow to be linked; everything else does not exist for the guest.
    pub interfaces: Vec<Interface>,
    /// What it may use.
    pub limits: Limits,
    /// For [`GuestKind::Task`]: what to do.
    pub invocation: Option<Invocation>,
    /// For [`GuestKind::Project`]: what to describe.
    pub describe: Option<Descr>,
}

/// What one attempt may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Milliseconds on the wall clock, everything included.
    pub wall_ms: u64,
    /// Bytes of guest memory and tables, task and adapters summed.
    pub memory_bytes: u64,
    /// Bytes of log kept.
    pub log_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { wall_ms: 600_000, memory_bytes: 256 << 20, log_bytes: 1 << 20 }
    }
}

/// A name and a JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedJson {
    /// The name.
    pub name: String,
    /// The value as JSON.
    pub json: String,
}

/// `cofferdam:task/task.invocation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented in wit/task, field by field")]
pub struct Invocation {
    pub task: String,
    pub entry: String,
    pub gateway: Option<String>,
    pub run: String,
    pub attempt: u32,
    pub environment: String,
    pub started_at: String,
    pub settings: Vec<NamedJson>,
    pub arguments: Vec<NamedJson>,
}

/// `cofferdam:task/project.project-config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented in wit/task, field by field")]
pub struct Descr {
    pub root: String,
    pub gateway: String,
    pub adapter: String,
    pub vars: Vec<NamedJson>,
    pub settings: Vec<NamedJson>,
}

/// `cofferdam:task/project.description`. Too long for one frame: it travels in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented in wit/task, field by field")]
pub struct Description {
    pub tasks: Vec<TaskDescription>,
    pub files: Vec<Generated>,
}

/// `cofferdam:task/project.generated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented in wit/task, field by field")]
pub struct Generated {
    pub path: String,
    #[serde(with = "serde_bytes")]
    pub content: Vec<u8>,
}

impl Description {
    /// As it travels.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A structure of texts and lists always has a form.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// As it came; `None` where the bytes are no description, or more than one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (description, rest) = postcard::take_from_bytes(bytes).ok()?;
        rest.is_empty().then_some(description)
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// The state.
    pub state: EndState,
    /// What it used.
    pub usage: Usage,
}

/// How an attempt ended, by kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EndState {
    /// The task says it is done.
    Succeeded {
        /// Rows changed or checked.
        rows_affected: Option<u64>,
        /// One line for the customer.
        summary: String,
    },
    /// The project was described.
    Described(Description),
    /// The project's files are wrong.
    Problems(Vec<Problem>),
    /// The task says it failed.
    Failed {
        /// Whether the same attempt may succeed later.
        retryable: bool,
        /// Whether the host asked it to stop.
        cancelled: bool,
        /// The guest's own code, 2 to 16 of `A-Z`, `0-9`, `_`.
        code: String,
        /// For the customer's log.
        message: String,
    },
    /// The sandbox ended it: a trap, a limit, an import that does not exist.
    Stopped {
        /// Which.
        code: Code,
        /// For the customer's log; untrusted words are cut and cleaned.
        message: String,
    },
}

/// What an attempt used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Microseconds from start to end.
    pub wall_us: u64,
    /// Microseconds until the guest's entry was called.
    pub start_us: u64,
    /// Most bytes of guest memory at once.
    pub memory_bytes_peak: u64,
    /// Calls through the door.
    pub calls: u64,
}

/// `cofferdam:task/project.task-spec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented in wit/task, field by field")]
pub struct TaskDescription {
    pub id: String,
    pub entry: String,
    pub needs: Vec<String>,
    pub path: String,
    pub tags: Vec<String>,
    pub settings: Vec<NamedJson>,
    pub sql: Vec<SqlAsk>,
    pub reads_kept: bool,
}

/// `cofferdam:task/project.sql-request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented in wit/task, field by field")]
pub struct SqlAsk {
    pub gateway: String,
    pub mode: String,
    pub reads: Vec<String>,
    pub writes: Vec<String>,
}

/// `cofferdam:task/project.problem`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "documented in wit/task, field by field")]
pub struct Problem {
    pub path: String,
    pub line: u32,
    pub message: String,
}
